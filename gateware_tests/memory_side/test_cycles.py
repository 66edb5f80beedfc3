"""Cycles of whole jobs in the emitted Verilog, against the formulas; and values per cycle, on a real tensor."""

import numpy as np
import pytest

from apack_hdl.memory_side.cycles import Job, Span, Stored, decoded, interface_cycles, keeps_up, levels
from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.simulation import block
from golden import codec, search
from golden.config import CodecConfig
from golden.sample import PATH as SAMPLE


def side(engines, data_width, longest, streams) -> MemorySide:
    """A block to simulate. As few parts as say something: what takes time is building."""
    decoder = {"streams": streams, "search": "division"}
    return MemorySide(CodecConfig(block=longest), engines=engines, data_width=data_width, decoder=decoder)


WIDE = MemorySide(CodecConfig(width=16, block=256), engines=1, decoder={"streams": 1, "search": "division"})
ONE, FOUR, EIGHT = side(1, 64, 1024, 6), side(4, 512, 256, 1), side(8, 128, 1024, 2)


@pytest.fixture(scope="module")
def simulate(built):
    """f(p, array, block, ...) -> what :func:`block.simulate_block` says, which must be golden's."""

    def simulate(p, array, length, **how):
        width = p.codec.width
        config = CodecConfig(width=width, block=length)
        table = search.search_table(config, search.histogram(codec.to_codes(array, width)[0], width)).table
        result = block.simulate_block(p, array, table, build_dir=built, optimize=False, **how)
        assert result.identical, result.mismatch
        return result

    return simulate


def values(count, seed, raw=False):
    """Values of a bell curve, or, of which all blocks are raw, of none."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(-128, 128, count) if raw else np.rint(rng.normal(size=count) * 5)
    return drawn.astype(np.int8)


def check(result, wanted=11):
    """All steps are what the formulas say, and so many of them say something."""
    steps = result.compress.steps + result.decompress.steps
    assert not [step for step in steps if not step.holds]
    assert sum(step.least is not None for step in steps) == wanted, steps
    return {step.what: step for step in steps}


JOBS = {  # blocks, values of a block, latency, layout, raw, hold
    "ONE": [
        (1, 4, 0, "packed", True, 100), (1, 256, 0, "packed", False, 0), (1, 1000, 100, "slots", False, 100),
        (1, 1024, 30, "packed", True, 0), (2, 1024, 30, "packed", False, 0), (2.3, 256, 30, "packed", False, 0),
        (13, 256, 100, "packed", True, 0), (30, 256, 30, "slots", False, 0),
    ],
    "FOUR": [
        (1, 64, 30, "packed", False, 100), (4, 256, 0, "packed", False, 0), (9, 256, 30, "slots", False, 100),
        (5.4, 256, 30, "packed", True, 0), (21, 256, 0, "packed", False, 0), (40, 256, 100, "packed", False, 0),
    ],
    "EIGHT": [
        (1, 1024, 100, "packed", True, 100), (8, 1024, 100, "packed", False, 0), (8, 256, 0, "slots", False, 0),
        (12.4, 1024, 30, "packed", False, 0), (9.1, 256, 0, "packed", True, 0), (64, 256, 30, "packed", False, 0),
        (65, 1024, 100, "packed", False, 0),
    ],
}


@pytest.mark.parametrize("name", JOBS)
def test_jobs(simulate, name):
    """Jobs of one block up to many rounds, coded and raw, in both layouts, with memories near and far."""
    p, exact = globals()[name], set()
    for blocks, length, latency, layout, raw, hold in JOBS[name]:
        array = values(int(blocks * length), latency + length, raw)
        result = simulate(p, array, length, layout=layout, latency=latency, hold=hold)
        steps = check(result, 11 - bool(hold))
        assert raw == (result.compress.stored_bytes >= array.size)
        exact |= {what for what, step in steps.items() if step.least == step.most}
    assert {"first value in to first address", "last value in to last data", "first address to first block's"} <= exact


def test_wide_values(simulate):
    """Words of offsets wait for words of symbols."""
    late = set()
    for count, length, spread in ((256, 256, 900), (1997, 256, 900), (5120, 256, 3000), (100, 100, 900)):
        array = np.clip(np.rint(np.random.default_rng(1).normal(size=count) * spread), -32768, 32767).astype(np.int16)
        steps = check(simulate(WIDE, array, length))
        step = steps["first value in to first address"]
        late.add(step.cycles - step.least)
    assert len(late) > 1, "nothing ever waits"


def test_both_ends_occur(simulate):
    """Whose turn it is makes the difference: of 2 S moments one is the best there can be, one the worst."""
    seen = []
    for hold in range(100, 100 + 2 * ONE.decoder_lanes):
        steps = check(simulate(ONE, values(256, 1), 256, hold=hold), 10)
        seen.append(steps["first block's address to first value out"])
    assert min(step.cycles - step.least for step in seen) == 0 == min(step.most - step.cycles for step in seen)


def test_memory_is_the_limit(simulate):
    """The formulas for a job's end say nothing then; the others hold."""
    steps = check(simulate(EIGHT, values(30 * 64, 1), 64, latency=100), 9)
    assert steps["last data to last value out"].least is steps["last value in to last data"].least is None


@pytest.mark.parametrize("p", [FOUR, EIGHT], ids=["E=4", "E=8"])
def test_sustained(simulate, p):
    """At least .95 E values per cycle in each direction, in the middle half of the sample's biggest tensor."""
    array = np.load(SAMPLE)["a0005"].reshape(-1)
    for length in (256, 1024)[: 1 + (p.codec.block == 1024)]:
        result = simulate(p, array[:65536], length)
        check(result)
        E, n = p.engines, length
        for way, cycles in ((result.compress, n + 1), (result.decompress, n + 2)):
            assert way.steady_values_per_cycle >= 0.95 * E
            assert way.steady_values_per_cycle == pytest.approx(E * n / cycles, rel=0.01)


def test_formulas():
    """Written out, for a block by hand."""
    p = side(4, 64, 1024, 6)  # L = 1, V = 4, N = 16
    stored = Stored(256, 54, 86, address=3)  # 7 + 11 chunks; 54 + 86 bytes leave 6 + 6 in the last chunk: one more
    job = Job(p, 10, stored, stored, stored, directory=1 << 16, memory=30)
    assert levels(p) == 1 and stored.chunks(p) == 18
    assert job.push_to_read() == 18 + 8 and job.read_to_block() == max(30 + 14 + 8, 2 * 16 + 25 - 26)
    assert decoded(p, stored, 4) == Span((4 + 3) * 6 + 2 + 6, (4 + 5) * 6 + 2 + 5)
    assert job.block_to_value() == decoded(p, stored, 4).plus(30 + 18 + 3)
    assert job.value_to_write() == Span(256 + 2 + 2 * 16 + 21, 256 + 2 + 2 * 16 + 21)
    alone = (256 + 2 + 12) + 9 - 63 + (18 + 2 + 2 + 5 + 3 + 6 + 1)  # head, 9, less beats but one; then to the last data
    assert job.value_to_data() == Span(alone + 2, alone + 2 + 8)  # two rounds before it; a line of the directory
    assert not keeps_up(p, stored, 1000) and keeps_up(p, stored, 30)
    assert interface_cycles(p) == (6 + 2 + 18, 4 + 3 + 25)
    assert interface_cycles(side(48, 512, 1024, 6)) == (6 + 4 + 18, 8 + 6 + 25 + 1)


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"memory": 0}, ValueError, "memory must be in 1"), ({"blocks": 0}, ValueError, "blocks must be in 1"),
    ({"directory": "0"}, TypeError, "directory must be"),
    ({"p": MemorySide(order="by id")}, ValueError, "blocks in order and encoders of 1 stream, not by id and 1"),
])
def test_refused(change, error, message):
    stored = Stored(4, 1, 1)
    job = {"p": ONE, "blocks": 1, "first": stored, "last": stored, "before": stored, "directory": 0, "memory": 1}
    with pytest.raises(error, match=message):
        Job(**job | change)
    with pytest.raises(ValueError, match="values must be in 1"):
        Stored(0, 1, 1)
