"""CodeAccumulator and CarryResolver: sums, digits, and carries through runs of ones of any length."""

import random

import pytest
from drivers import Bench
from models import code_bytes, digits, follow_boundary, random_config, random_table, steps, used_rows

from apack_hdl.code import CarryResolver, CodeAccumulator
from golden.config import CodecConfig

ONES = 0xFFFF


def resolved(digits):
    """The number that digits with carries stand for, as the bytes of a stream."""
    total, size = 0, 0
    for digit in digits:
        total = ((total + digit["carry"]) << 16) + digit["data"]
        size += digit["bytes"]
    data = total.to_bytes(2 * len(digits), "big")  # fails if a carry leaves the stream at its front
    assert not any(data[size:]), "the padding is not zero"
    return data[:size]


def split(digits):
    """Cut behind every `last`."""
    ends = [0, *(i + 1 for i, d in enumerate(digits) if d["last"])]
    assert ends[-1] == len(digits)
    return [digits[a:b] for a, b in zip(ends, ends[1:], strict=False)]


def step_payloads(block, error):
    """A block's steps as payloads; an error, once there, stays."""
    half = len(block) // 2
    return [
        {"a": a, "d": d, "finish": int(k == len(block) - 1), "error": int(error and k >= half)}
        for k, (a, d) in enumerate(block)
    ]


@pytest.mark.parametrize("seed", range(30))
def test_accumulator(seed):
    rng = random.Random(seed)
    config = random_config(rng, wide=True)
    table = random_table(rng, config)
    blocks = []
    for _ in range(6):
        rows = rng.choices(used_rows(table), k=rng.choice([1, 2, 9, 40]))
        head = follow_boundary(table, rng.getrandbits(4), 4, rng.randrange(60))
        blocks.append(steps(table, head + rows))
    errors = [int(rng.random() < 0.3) for _ in blocks]
    want = [code_bytes(config, block) for block in blocks]
    inputs = sum(map(step_payloads, blocks, errors), [])
    count = sum((len(data) + 1) // 2 for data in want)
    busy = {"i": rng.choice([1.0, 0.6, 0.2]), "o": rng.choice([1.0, 0.6, 0.2])}
    run = Bench(CodeAccumulator(config)).run({"i": inputs}, {"o": count}, seed=seed, busy=busy)
    got = split(run.out["o"])
    assert [resolved(block) for block in got] == want, table
    for block, error in zip(got, errors, strict=True):
        assert block[-1]["error"] == error and block[-1]["bytes"] in (1, 2) and not block[0]["carry"]
        assert all(digit["bytes"] == 2 for digit in block[:-1])


def test_accumulator_rate():
    """Digits that follow each other closest: every step moves by 15 bits."""
    config = CodecConfig(2, 2, 15, 16, 64)
    blocks = [[(k, 15) for k in range(n)] + [((1 << config.range_bits - 1) - 1, 1)] for n in (1, 40, 2, 3)]
    inputs = sum((step_payloads(block, 0) for block in blocks), [])
    count = sum((len(code_bytes(config, block)) + 1) // 2 for block in blocks)
    run = Bench(CodeAccumulator(config)).run({"i": inputs}, {"o": count}, seed=0)
    assert run.times["i"] == list(range(len(inputs)))
    ends = [t for t, digit in zip(run.times["o"], run.out["o"], strict=True) if digit["last"]]
    assert ends == [t + 1 for t, step in enumerate(inputs) if step["finish"]]


def carried(data, carry=0, *, last=0, count=2, error=0):
    return {"data": data, "carry": carry, "last": last, "bytes": count, "error": error}


def with_run(rng, length, carry, *, ends=False, front=False):
    """A stream that holds a run of ``length`` all-ones digits, met by a carry or not.

    ``ends``: the stream ends with the run or, where there is a carry, with the digit that brings it.
    ``front``: the run is what the stream starts with.
    """
    plain = [carried(rng.randrange(ONES)) for _ in range(rng.randrange(3))]
    stream = [] if front else [*plain, carried(rng.choice([0, ONES - 1]))]
    stream += [carried(ONES)] * length
    if carry or not stream or not ends:
        stream.append(carried(rng.choice([0, 0x8000, rng.randrange(ONES)]), carry))
    if not ends:
        stream += [carried(rng.randrange(ONES), rng.getrandbits(1)) for _ in range(rng.randrange(3))]
    tail = stream[-1]["data"]
    one_byte = tail & 0xFF == 0 and rng.random() < 0.7
    stream[-1] = stream[-1] | {"last": 1, "bytes": 1 if one_byte else 2, "error": rng.getrandbits(1)}
    return stream


def check_resolver(config, streams, seed, busy=1.0):
    inputs = sum(streams, [])
    want = sum((digits(resolved(s), error=s[-1]["error"]) for s in streams), [])
    run = Bench(CarryResolver(config)).run({"i": inputs}, {"o": len(want)}, seed=seed, busy=busy)
    assert run.out["o"] == want
    return run


RUN_CONFIG = CodecConfig(8, 4, 15, 8, 60)  # at most 56 digits a block


@pytest.mark.parametrize("carry", [0, 1])
@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("busy", [1.0, 0.4])
def test_resolver_runs(carry, ends, busy):
    rng = random.Random(f"{carry} {ends} {busy}")
    streams = [with_run(rng, n, carry, ends=ends) for n in range(51)]
    rng.shuffle(streams)
    check_resolver(RUN_CONFIG, streams, 0, busy)


def test_resolver_front():
    """Streams that start with ones can meet no carry, but are held back all the same."""
    rng = random.Random(0)
    check_resolver(RUN_CONFIG, [with_run(rng, n, 0, front=True, ends=n % 2) for n in range(20)], 0)


@pytest.mark.parametrize("seed", range(12))
def test_resolver_random(seed):
    """Many runs in one stream, carries into digits of all kinds, and digits of ones that bring a carry themselves."""
    rng, streams = random.Random(seed), []
    for _ in range(12):
        stream = [carried(rng.randrange(ONES))]
        for _ in range(rng.randrange(6)):
            stream += [carried(ONES)] * rng.choice([0, 0, 1, 2, 5])
            stream.append(carried(rng.choice([0, 1, ONES - 1, ONES, rng.randrange(ONES)]), rng.getrandbits(1)))
            if stream[-1]["data"] == ONES:  # no further carry can come as far as this
                stream.append(carried(rng.randrange(ONES)))
        stream[-1] = stream[-1] | {"last": 1}
        streams.append([digit | {"error": rng.getrandbits(1)} for digit in stream])  # counts with `last` only
    busy = {"i": rng.choice([1.0, 0.5]), "o": rng.choice([1.0, 0.5, 0.2])}
    check_resolver(RUN_CONFIG, streams, seed, busy)


@pytest.mark.parametrize("block,prob_bits", [(1, 15), (4, 4), (16, 4), (64, 5), (17, 15), (68, 15), (1, 1)])
def test_resolver_counts_the_longest_run_there_can_be(block, prob_bits):
    """As many digits as a block of this size can have: all ones between the first and the last."""
    config = CodecConfig(4, 2, prob_bits, 8, block)
    most = (block * prob_bits + 1 + 15) // 16
    for carry in (0, 1):
        stream = [carried(0x1234)] + [carried(ONES)] * (most - 2) + [carried(0x5678, carry)]
        stream = stream if most > 1 else [carried(0x5678)]
        check_resolver(config, [[*stream[:-1], stream[-1] | {"last": 1}]] * 2, 0)


def test_resolver_rate():
    """A digit a cycle, one cycle more for a stream's end, and one for each digit of a run."""
    streams = [[carried(k) for k in range(n)] + [carried(5, last=1)] for n in (0, 5, 20, 1)]
    run = check_resolver(RUN_CONFIG, streams, 0)
    assert run.cycles == 2 + sum(map(len, streams)) + len(streams) - 1
    streams = [[carried(1)] + [carried(ONES)] * 9 + [carried(7, 1), carried(5, last=1)]]
    assert check_resolver(RUN_CONFIG, streams, 0).cycles == 2 + 12 + 9
