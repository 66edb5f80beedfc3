"""AxiReader against a memory that stalls, is late, answers with errors; and stopped at any moment."""

import random

import pytest
from axi_model import Memory, ReadMemory
from drivers import Bench

from apack_hdl.memory_side.axi_reader import AxiReader
from apack_hdl.memory_side.parameters import MemorySide

TAG = 5


def parameters(data_width=32, **options):
    return MemorySide(**dict({"engines": 1, "data_width": data_width, "burst": 4, "outstanding": 3}, **options))


def chunks_of(p, ranges, errors=()):
    """What is to come: chunks of all ranges."""
    memory, size = Memory(), p.data_bytes
    for each in ranges:
        address, count = each["address"], each["bytes"]
        for at in range(0, max(1, count), size):
            part = memory.bytes_at(address + at, min(size, count - at))
            beats = {(address + at + k) // size * size for k in range(len(part))}
            yield {
                "data": int.from_bytes(part, "little"), "bytes": len(part), "last": at + size >= count,
                "tag": each["tag"], "error": bool(beats & set(errors)),
            }


def make(address, count, number=0):
    return {"address": address, "bytes": count, "tag": number % (1 << TAG)}


def feed(bench, p, ranges, seed, *, busy=1.0, errors=(), **options):
    """One run; returns it and the memory. Checks all that comes."""
    memory = ReadMemory(
        bench.dut.axi, Memory(), data_width=p.data_width, seed=seed, errors=errors, burst=p.burst,
        outstanding=p.outstanding, busy=busy, **options,
    )
    expected = list(chunks_of(p, ranges, errors))
    streams = busy if not isinstance(busy, dict) else {k: v for k, v in busy.items() if k in ("ranges", "chunks")}
    run = bench.run(
        {"ranges": ranges}, {"chunks": len(expected)}, seed=seed, busy=streams, probe=memory.cycle, watchdog=200000,
    )
    for k, (got, wanted) in enumerate(zip(run.out["chunks"], expected, strict=True)):
        assert got == wanted, f"seed {seed}: chunk {k}"
    assert memory.quiet
    return run, memory


def beats_of(p, ranges, kept=True):
    """Beats that are to be read, none twice in a row if ``kept``."""
    beats = []
    for each in ranges:
        if each["bytes"]:
            first, last = each["address"] // p.data_bytes, (each["address"] + each["bytes"] - 1) // p.data_bytes
            beats += range(first + (kept and beats[-1:] == [first]), last + 1)
    return beats


def read_beats(p, memory):
    return [burst.address // p.data_bytes + k for burst in memory.bursts for k in range(burst.beats)]


def random_ranges(p, rng, count):
    """Back to back, overlapping, empty, near a page's end, anywhere."""
    ranges, address = [], rng.getrandbits(p.address_width - 1)
    for k in range(count):
        size = rng.choice((0, 1, 2, 3, rng.randrange(100), rng.randrange(3 * p.data_bytes), rng.randrange(600)))
        ranges.append(make(address, size, k))
        address += rng.choice((size, size, size, size, 0, 1))
        if rng.random() < 0.1:
            address = rng.getrandbits(p.address_width - 13) * 4096 + 4096 - rng.randrange(300)
    return ranges


@pytest.mark.parametrize("data_width", [32, 64, 128, 256, 512])
def test_every_address_and_length(data_width):
    p = parameters(data_width)
    step = max(1, p.data_bytes // 8)  # wide ones: every few, but all offsets around the edges
    offsets = sorted({*range(0, p.data_bytes, step), 1, p.data_bytes - 1})
    near = (k * p.data_bytes + d for k in (1, 2) for d in (-1, 1))
    lengths = sorted({*range(0, 3 * p.data_bytes, step), *near, 1, 2})
    ranges = [make(0x1000 * (k % 7) + a, n, k) for k, (a, n) in enumerate((a, n) for a in offsets for n in lengths)]
    random.Random(data_width).shuffle(ranges)
    _, memory = feed(Bench(AxiReader(p, TAG), {"keep": 1}), p, ranges, data_width)
    assert read_beats(p, memory) == beats_of(p, ranges)


@pytest.mark.parametrize("data_width, burst, outstanding", [(32, 1, 1), (64, 5, 2), (64, 16, 8), (256, 256, 7)])
def test_stalls(data_width, burst, outstanding):
    p = parameters(data_width, burst=burst, outstanding=outstanding, address_width=64 if burst == 5 else 33)
    bench = Bench(AxiReader(p, TAG))
    for share in (0.3, 1.0, {"chunks": 0.2}, {"r": 0.2}, {"ranges": 0.1}):
        seed = f"{data_width} {burst} {share}"
        rng = random.Random(seed)
        ranges = random_ranges(p, rng, 60)
        every = beats_of(p, ranges, kept=False)
        errors = {rng.choice(every) * p.data_bytes for _ in range(5)}
        feed(bench, p, ranges, seed, busy=share, errors=errors, latency=rng.choice([(0, 0), (0, 9), (20, 30)]))
