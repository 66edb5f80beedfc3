# amaranth: UnusedElaboratable=no
# What a constructor that raises leaves behind is never used, which is no news.
"""AxiReader against a memory that stalls, is late, answers with errors; and stopped at any moment."""

import random

import pytest
from axi_model import Memory, ReadMemory, Source
from drivers import Bench, simulate

from apack_hdl.memory_side.axi.reader import AxiReader
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
        size = rng.choice((0, 1, 2, 3, rng.randrange(100), *(rng.randrange(n * p.data_bytes) for n in (3, 24))))
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
        ranges = random_ranges(p, rng, 25 if burst == 1 else 50)
        every = beats_of(p, ranges, kept=False)
        errors = {rng.choice(every) * p.data_bytes for _ in range(5)}
        feed(bench, p, ranges, seed, busy=share, errors=errors, latency=rng.choice([(0, 0), (0, 9), (20, 30)]))


class Stopper:
    """Feeds ranges by hand and stops at will. ``run`` for so many cycles, or until ``expected`` chunks have come."""

    def __init__(self, dut, p, rng):
        self.dut, self.p, self.rng = dut, p, rng
        self.memory = ReadMemory(
            dut.axi, Memory(), data_width=p.data_width, seed=rng.random(), burst=p.burst, outstanding=p.outstanding,
            busy=0.7, latency=(0, 5),
        )
        self.source, self.chunks = Source(dut.ranges, rng), []

    async def cycle(self, ctx):
        port = self.dut.chunks
        self.source.drive(ctx)
        ctx.set(port.ready, self.rng.random() < 0.7)
        self.memory.cycle(ctx)
        self.source.look(ctx)
        if ctx.get(port.valid) and ctx.get(port.ready):
            self.chunks.append({name: ctx.get(port.payload[name]) for name in port.payload.shape().members})
        await ctx.tick()

    async def until(self, ctx, reached):
        for _ in range(500):
            if reached():
                return
            await self.cycle(ctx)
        raise AssertionError("it hangs")

    async def stop(self, ctx, cycles):
        """Stops for so many cycles, and until idle."""
        ctx.set(self.dut.stop, 1)
        for k in range(cycles):
            if k:
                assert not ctx.get(self.dut.chunks.valid)
            await self.cycle(ctx)
            assert not self.source.offered or self.source.taken, "ranges are taken and dropped"
        ctx.set(self.dut.stop, 0)
        self.source.items.clear()
        self.source.drive(ctx)  # withdrawn, as by a part that is cleared
        asked = len(self.memory.bursts)
        await self.until(ctx, lambda: ctx.get(self.dut.idle))
        assert self.memory.quiet and not ctx.get(self.dut.chunks.valid)
        assert len(self.memory.bursts) == asked, "an address was offered while nothing was to be"


@pytest.mark.parametrize("outstanding", [1, 3])
def test_stop_at_every_cycle(outstanding):
    p, rng = parameters(32, outstanding=outstanding), random.Random(outstanding)
    dut = AxiReader(p, TAG)
    bench = Stopper(dut, p, rng)

    async def interrupt(ctx, cycle):
        ranges = [make(0x100 + 7 * k, (7, 30, 0, 1)[k % 4], k) for k in range(9)]
        bench.source.items, bench.chunks = list(ranges), []
        for _ in range(cycle):
            await bench.cycle(ctx)
        expected = list(chunks_of(p, ranges))
        assert bench.chunks == expected[: len(bench.chunks)]
        await bench.stop(ctx, rng.choice((1, 2, 30)))
        again = [make(rng.getrandbits(12), rng.randrange(20), k) for k in range(4)]
        bench.source.items, bench.chunks = list(again), []
        expected = list(chunks_of(p, again))
        await bench.until(ctx, lambda: len(bench.chunks) == len(expected))
        assert bench.chunks == expected

    async def main(ctx):
        for cycle in range(45):
            await interrupt(ctx, cycle)

    simulate(dut, main)


def test_cycles():
    """Back to back, a chunk per cycle and every beat once; addresses do not wait for data."""
    p, rng = parameters(64, burst=16, outstanding=8), random.Random(1)
    ranges, address = [], 0x12345
    for k in range(20):
        ranges.append(make(address, rng.choice((8, 24, 64, 200)), k))
        address += ranges[-1]["bytes"]
    run, memory = feed(Bench(AxiReader(p, TAG), {"keep": 1}), p, ranges, 1)
    chunks = len(run.times["chunks"])
    assert run.times["chunks"][-1] - run.times["chunks"][0] + 1 == chunks  # only the first needed a beat besides
    assert memory.bursts[0].offered - run.times["ranges"][0] == 4
    assert run.times["chunks"][0] - memory.beats[1] == 3
    assert read_beats(p, memory) == beats_of(p, ranges)

    lone = [make(0x1000 * k + 3, 16, k) for k in range(20)]  # each a beat, and then two for its chunks
    run, memory = feed(Bench(AxiReader(p, TAG)), p, lone, 1)
    assert run.times["chunks"][-1] - run.times["chunks"][0] + 1 == 20 * 3 - 1
    late, memory = feed(Bench(AxiReader(p, TAG)), p, lone, 1, latency=(30, 30))
    offered = [burst.offered for burst in memory.bursts]
    assert [b - a for a, b in zip(offered[:8], offered[1:8], strict=False)] == [1] * 7


@pytest.mark.parametrize("keep", [0, 1])
def test_kept_beat(keep):
    """The same bytes again, a long time later: are they read again?"""
    p = parameters(32)
    bench = Bench(AxiReader(p, TAG), {"keep": keep})
    ranges = [make(5, 3, 1), make(6, 1, 2), make(9, 1, 3)]
    run, memory = feed(bench, p, ranges, 1, busy={"ranges": lambda now: now in (0, 50, 100)})
    assert read_beats(p, memory) == ([1, 2] if keep else [1, 1, 2])


def test_tag_is_checked():
    for tag in (0, 65):
        with pytest.raises(ValueError, match=rf"tag must be in 1..64.*not {tag}"):
            AxiReader(parameters(), tag)
