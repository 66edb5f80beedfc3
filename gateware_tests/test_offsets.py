"""OffsetPacker and OffsetUnpacker: offsets to bits and back, whatever the offset stream holds."""

import random

import pytest
from drivers import Bench, Reported
from models import decode_offsets, digits, hardware_rows, missing_rows, random_config, random_table

from apack_hdl.offsets import OffsetPacker, OffsetUnpacker
from golden.config import CodecConfig
from golden.table import SymbolTable


def packed(offsets):
    """(value, bits) pairs behind one another, as a stream."""
    total, size = 0, 0
    for value, bits in offsets:
        total, size = total << bits | value, size + bits
    return (total << -size % 8).to_bytes((size + 7) // 8, "big")


def check_packer(config, blocks, seed, busy=1.0):
    inputs = []
    for block in blocks:
        inputs += [{"data": value, "bits": bits, "finish": 0} for value, bits in block]
        inputs.append({"data": 0, "bits": 0, "finish": 1})
    want = sum((digits(packed(block)) for block in blocks), [])
    run = Bench(OffsetPacker(config)).run({"i": inputs}, {"o": len(want)}, seed=seed, busy=busy)
    assert run.out["o"] == want
    return run


@pytest.mark.parametrize("width", [2, 3, 7, 8, 9, 15, 16])
@pytest.mark.parametrize("busy", [1.0, {"i": 0.3}, {"o": 0.3}])
def test_packer(width, busy):
    rng, blocks = random.Random(f"{width} {busy}"), []
    for _ in range(30):
        sizes = rng.choice([[0], [width], [0, 0, 1], range(width + 1)])
        block = [(rng.getrandbits(bits), bits) for bits in rng.choices(sizes, k=rng.choice([1, 2, 8, 33]))]
        blocks.append([(rng.choice([value, (1 << bits) - 1]), bits) for value, bits in block])
    check_packer(CodecConfig(width=width, block=64), blocks, 0, busy)


def test_packer_ends_at_every_bit():
    """All lengths from none to three digits; a full last digit is not followed by an empty one."""
    check_packer(CodecConfig(), [[(1, 1)] * n for n in range(50)], 0)


def test_packer_rate():
    run = check_packer(CodecConfig(width=16, block=64), [[(k, 16) for k in range(n)] for n in (1, 20, 2)], 0)
    assert run.times["i"] == list(range(1 + 20 + 2 + 3))
    ends = [t for t, digit in zip(run.times["o"], run.out["o"], strict=True) if digit["last"]]
    assert ends == [1 + 1, 1 + 1 + 21, 1 + 1 + 21 + 3]


def damaged(rng, data):
    """The stream, or one that is cut, lengthened, emptied, or of other bits."""
    kind = rng.choice(["as it is", "as it is", "cut", "longer", "empty", "random"])
    if kind == "cut":
        return data[: rng.randrange(len(data) + 1)]
    if kind == "longer":
        return data + rng.randbytes(rng.choice([1, 2, 3, 9]))
    return {"empty": b"", "random": rng.randbytes(len(data))}.get(kind, data)


def check_unpacker(table, blocks, seed, busy=1.0):
    """``blocks``: (rows, offset stream) pairs."""
    missing = missing_rows(table)
    symbols, stream, values, reports = [], [], [], []
    for rows, offsets in blocks:
        symbols += [{"row": row + missing, "last": int(i == len(rows) - 1)} for i, row in enumerate(rows)]
        stream += digits(offsets)
        decoded, bits = decode_offsets(table, rows, offsets)
        values += [{"data": v, "last": int(i == len(rows) - 1)} for i, v in enumerate(decoded)]
        reports.append({"short": int(8 * len(offsets) < bits), "long": int(8 * len(offsets) > bits + 7)})
    bench = Bench(Reported(OffsetUnpacker(table.config)), {"rows": hardware_rows(table)})
    inputs, outputs = {"symbols": symbols, "digits": stream}, {"values": len(values), "report": len(reports)}
    run = bench.run(inputs, outputs, seed=seed, busy=busy)
    assert run.out["values"] == values, table
    assert run.out["report"] == reports, table
    return run


@pytest.mark.parametrize("seed", range(30))
def test_unpacker(seed):
    rng = random.Random(seed)
    table = random_table(rng, random_config(rng))
    blocks = []
    for _ in range(8):
        rows = rng.choices(range(len(table.v_min)), k=rng.choice([1, 2, 6, 30]))
        offsets = packed([(rng.randrange(table.sizes[row]), table.offset_bits[row]) for row in rows])
        blocks.append((rows, damaged(rng, offsets)))
    busy = {name: rng.choice([1.0, 0.6, 0.2]) for name in ("symbols", "digits", "values", "report")}
    check_unpacker(table, blocks, seed, busy)


def test_unpacker_without_offsets():
    """Rows of one value each: the streams are empty, and must be there all the same."""
    table = SymbolTable(CodecConfig(2, 4, 4, 4, 8), (0, 1, 2, 3), (4, 4, 4, 4))
    check_unpacker(table, [([0], b""), ([3, 2, 1], b""), ([2], b"\x80"), ([1], b"")], 0)


@pytest.mark.parametrize("width", [1 + 1, 8, 16])
def test_unpacker_rate(width):
    """A value per cycle for the longest offsets; latency 2 cycles from symbol to value."""
    table = SymbolTable(CodecConfig(width, 2, 4, 4, 64), (0,), (16,))
    rng = random.Random(width)
    rows, offsets = [0] * 40, packed([(rng.getrandbits(width), width) for _ in range(40)])
    run = check_unpacker(table, [(rows, offsets)], 0)
    first = run.times["values"][0]
    assert run.times["values"] == list(range(first, first + 40))
    assert run.times["values"][5:] == [t + 2 for t in run.times["symbols"][5:]]
