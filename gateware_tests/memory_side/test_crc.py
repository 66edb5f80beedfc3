"""Crc32 against zlib."""

import random
import zlib
from functools import cache

import pytest
from drivers import Bench

from apack_hdl.memory_side.blocks.crc import Crc32
from apack_hdl.memory_side.blocks.crc_matrices import ONES, backward, data_matrix, forward
from apack_hdl.memory_side.parameters import DATA_WIDTHS, MemorySide


@cache
def bench(data_width):
    """Made once: there is much to elaborate."""
    p = MemorySide(engines=1, data_width=data_width)
    return p, Bench(Crc32(p))


def chunk(part, end):
    return {"data": int.from_bytes(part, "little"), "bytes": len(part), "last": 0, "end": end}


def cut(data, size, rng):
    """``data`` in pieces of any number of bytes up to ``size``, none too; often with an empty one behind."""
    parts = []
    while data:
        count = rng.choice((0, 1, rng.randint(0, size), size, size))
        parts.append(data[:count])
        data = data[count:]
    return parts + [b""] * (not parts or rng.random() < 0.3)


def in_chunks(parts):
    return [chunk(part, k == len(parts) - 1) for k, part in enumerate(parts)]


def test_matrices_agree_with_zlib():
    rng = random.Random(1)
    for size in (1, 4, 16):
        data = rng.randbytes(size)
        columns, remainder = data_matrix(size, behind=3), forward(ONES, size + 3)
        for bit, column in enumerate(columns):
            remainder ^= column if data[bit // 8] >> bit % 8 & 1 else 0
        assert remainder ^ ONES == zlib.crc32(data + bytes(3))
        assert backward(remainder, 3) ^ ONES == zlib.crc32(data)


@pytest.mark.parametrize("data_width", DATA_WIDTHS)
def test_random_chunks(data_width):
    p, dut = bench(data_width)
    for busy in (1.0, 0.4, {"crc": 0.05}):
        rng = random.Random(f"{data_width} {busy}")
        blocks = [rng.randbytes(rng.choice((0, 1, p.data_bytes, rng.randint(0, 6 * p.data_bytes)))) for _ in range(20)]
        blocks.append(b"123456789")
        chunks = sum((in_chunks(cut(block, p.data_bytes, rng)) for block in blocks), [])
        seed = f"{data_width} {busy}"
        run = dut.run({"chunks": chunks}, {"crc": len(blocks)}, seed=seed, busy=busy, watchdog=99999)
        assert [out["payload"] for out in run.out["crc"]] == [zlib.crc32(block) for block in blocks]
        assert run.out["crc"][-1] == {"payload": 0xCBF43926}


@pytest.mark.parametrize("data_width", DATA_WIDTHS)
def test_cycles(data_width):
    """Two streams per block, each with an end that fills no chunk: at most a cycle more than chunks."""
    (p, dut), rng = bench(data_width), random.Random(data_width)
    size, least = p.data_bytes, p.data_shift + 2
    blocks, chunks = [], []
    for _ in range(8):
        streams = [rng.randbytes(rng.randint(12 * size, 20 * size)) for _ in range(2)]
        blocks.append(b"".join(streams))
        chunks += in_chunks([part[at : at + size] for part in streams for at in range(0, len(part), size)])
    run = dut.run({"chunks": chunks}, {"crc": len(blocks)}, seed=data_width)
    assert [out["payload"] for out in run.out["crc"]] == [zlib.crc32(block) for block in blocks]
    ends = [cycle for cycle, each in zip(run.times["chunks"], chunks, strict=True) if each["end"]]
    delays = [crc - end for end, crc in zip(ends, run.times["crc"], strict=True)]
    latency = p.data_shift + 6 + (data_width > 64)
    assert {*delays} == {latency, latency + 1}
    assert run.times["chunks"][-1] + 1 <= len(chunks) + len(blocks)

    tiny = in_chunks([b"x"]) * 20
    run = dut.run({"chunks": tiny}, {"crc": 20}, seed=data_width)
    assert {b - a for a, b in zip(run.times["crc"], run.times["crc"][1:], strict=False)} == {least}
