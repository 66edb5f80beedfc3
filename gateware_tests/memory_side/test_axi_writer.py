"""AxiWriter into a memory that stalls, is late, answers with errors; and stopped at any moment."""

import random

import pytest
from axi_model import Memory, Source, WriteMemory
from drivers import Bench, simulate

from apack_hdl.memory_side.axi.writer import AxiWriter
from apack_hdl.memory_side.parameters import MemorySide

PORTS = ("ranges", "chunks", "entries")


def parameters(data_width=32, **options):
    return MemorySide(**dict({"engines": 1, "data_width": data_width, "burst": 4, "outstanding": 3}, **options))


class Job:
    """Ranges, chunks and entries to feed, and what memory is to hold then."""

    def __init__(self, p, rng):
        self.p, self.rng, self.ranges, self.chunks, self.entries = p, rng, [], [], []
        self.memory, self.beats, self.ends = Memory(), 0, []
        self.open = None  # the beat that waits for more

    def range(self, address, count, flush, sizes):
        """A range, in chunks of ``sizes`` bytes."""
        p, written = self.p, self.rng.randbytes(count)
        self.ranges.append({"address": address, "bytes": count, "flush": flush})
        self.memory.update(enumerate(written, address))
        while written:
            part, written = written[: (size := sizes())], written[size:]
            chunk = {"data": int.from_bytes(part, "little"), "bytes": len(part), "last": self.rng.random() < 0.3}
            self.chunks.append(chunk)
        end = address + count + (p.data_bytes - 1 if flush else 0)
        self.beats += end // p.data_bytes - address // p.data_bytes
        self.ends.append(len(self.chunks))

    def entry(self, address, flush):
        entry = {"symbol_bytes": 16, "offset_bytes": 16, "crc32": 32}
        entry = {name: self.rng.getrandbits(bits) for name, bits in entry.items()}
        self.entries.append(entry | {"address": address, "flush": flush})
        for at, (name, size) in {0: ("symbol_bytes", 2), 2: ("offset_bytes", 2), 4: ("crc32", 4)}.items():
            self.memory.update(enumerate(entry[name].to_bytes(size, "little"), address + at))

    def feed(self, bench, seed, *, busy=1.0, after=100, **options):
        """One run; checks the memory. Returns run and memory."""
        p = self.p
        streams = busy if not isinstance(busy, dict) else {k: v for k, v in busy.items() if k in PORTS}
        memory = WriteMemory(
            bench.dut.axi, Memory(), data_width=p.data_width, seed=seed, burst=p.burst, outstanding=p.outstanding,
            busy=busy, **options,
        )
        answers = []

        def probe(ctx):
            memory.cycle(ctx)
            answers.append((ctx.get(bench.dut.error), ctx.get(bench.dut.idle)))

        inputs = {name: getattr(self, name) for name in PORTS}
        run = bench.run(inputs, {}, seed=seed, busy=streams, probe=probe, watchdog=200000, after=after)
        assert memory.quiet, f"seed {seed}: bursts are not finished"
        wrong = [hex(a) for a in sorted({*memory.memory, *self.memory}) if memory.memory.get(a) != self.memory.get(a)]
        assert not wrong, f"seed {seed}: wrong bytes at {wrong[:20]}"
        assert sum(error for error, _ in answers) == sum(burst.failed for burst in memory.bursts)
        assert answers[-1][1], f"seed {seed}: not idle in the end"
        return run, memory


def random_job(p, rng, count, *, full=0.5):
    """Runs of ranges that go on where the last ended, in pieces of any size, and a directory."""
    job = Job(p, rng)

    def size():
        return p.data_bytes if rng.random() < full else rng.choice((0, 1, rng.randint(0, p.data_bytes)))

    address, entry = rng.getrandbits(30), rng.getrandbits(20) * 8 + (1 << 31)
    for k in range(count):
        bytes_ = rng.choice((1, 2, rng.randint(1, 100), *(rng.randint(1, n * p.data_bytes) for n in (2, 16))))
        flush = k == count - 1 or rng.random() < 0.3
        job.range(address, bytes_, flush, size)
        address += bytes_
        if flush:
            address += rng.choice((0, 0, 5, p.data_bytes, rng.getrandbits(12)))
        flush = k == count - 1 or rng.random() < 0.1
        job.entry(entry, flush)
        entry += 8 + (rng.getrandbits(4) * 8 if flush else 0)
    job.chunks.append({"data": 0, "bytes": 0, "last": 1})  # an empty stream behind all ranges is taken, too
    return job


@pytest.mark.parametrize("data_width", [32, 64, 128, 256, 512])
def test_every_address_and_length(data_width):
    p, rng = parameters(data_width), random.Random(data_width)
    job, step = Job(p, rng), max(1, p.data_bytes // 8)
    for a in sorted({*range(0, p.data_bytes, step), 1, p.data_bytes - 1}):
        for n in sorted({*range(step, 3 * p.data_bytes, step), 1, p.data_bytes - 1, p.data_bytes + 1}):
            job.range(0x1000 * len(job.ranges) + a, n, 1, lambda: p.data_bytes)
    run, memory = job.feed(Bench(AxiWriter(p)), data_width)
    assert len(memory.beats) == job.beats


CASES = [(32, 1, 1), (64, 5, 2), (64, 16, 8), (256, 256, 7), (512, 4, 3)]


@pytest.mark.parametrize("data_width, burst, outstanding", CASES)
def test_stalls(data_width, burst, outstanding):
    p = parameters(data_width, burst=burst, outstanding=outstanding, address_width=64 if burst == 5 else 33)
    bench = Bench(AxiWriter(p))
    for share in (0.3, {"w": 0.2}, {"aw": 0.2, "b": 0.1}, {"chunks": 0.2, "entries": 0.1, "ranges": 0.2}):
        seed = f"{data_width} {burst} {share}"
        rng = random.Random(seed)
        job = random_job(p, rng, 12)
        errors = {address & -p.data_bytes for address in rng.sample(sorted(job.memory), 5)}
        job.feed(bench, seed, busy=share, errors=errors, latency=rng.choice([(0, 0), (0, 9), (20, 30)]), after=300)


@pytest.mark.parametrize("burst, size", [(2, 16), (1, 6)])
def test_serial_producer(burst, size):
    """A block's bytes may wait for the entry of the block before, while its range is there already; bus and entries
    are slow. Nothing waits for what waits for it, also where a line of entries is more bursts than its blocks."""
    p, rng = parameters(32, burst=burst, outstanding=1), random.Random(3)
    job = Job(p, rng)
    for k in range(40):
        job.range(0x100 + size * k, size, k == 39, lambda: 4)
        job.entry(0x1000 + 8 * k, (burst > 1 and rng.random() < 0.5) or k == 39)
    bench = Bench(AxiWriter(p))

    def chunk_may_come(now):
        return len(bench.result.times["entries"]) >= bench.made("chunks") // -(-size // 4)

    busy = {"chunks": chunk_may_come, "w": 0.3, "aw": 0.3, "b": 0.2}
    job.feed(bench, 3, busy=busy, after=300)


def test_cycles():
    p, rng = parameters(64, burst=16, outstanding=8), random.Random(1)
    job, address = Job(p, rng), 0x12343
    for k in range(20):
        count = 8 * rng.randint(1, 30)
        job.range(address, count, k == 19, lambda: 8)
        address += count
    run, memory = job.feed(Bench(AxiWriter(p)), 1)
    times = run.times["chunks"]
    assert times[-1] - times[0] + 1 == len(job.chunks)
    assert len(memory.beats) == job.beats == len(job.chunks) + 1
    assert memory.beats[-1] - memory.beats[0] + 1 == job.beats
    assert memory.bursts[0].offered - run.times["ranges"][0] == 3
    assert memory.beats[0] - memory.bursts[0].offered == 2

    tiny = Job(p, rng)  # a beat each
    for k in range(20):
        tiny.range(0x100 * k + 1, 5, 1, lambda: 8)
    run, memory = tiny.feed(Bench(AxiWriter(p)), 1)
    assert memory.beats[-1] - memory.beats[0] == 19
    assert memory.beats[-1] - run.times["chunks"][-1] == 3

    lines = Job(p, rng)
    for k in range(100):
        lines.entry(0x38 + 8 * k, k == 99)
    run, memory = lines.feed(Bench(AxiWriter(p)), 1)
    assert [burst.beats for burst in memory.bursts] == [1] + [8] * 12 + [3]
    assert run.times["entries"][-1] <= 100 + 16  # between lines a cycle or two


class Stopper:
    """Feeds by hand and stops at will."""

    def __init__(self, dut, p, rng):
        self.dut, self.rng = dut, rng
        self.memory = WriteMemory(
            dut.axi, Memory(), data_width=p.data_width, seed=rng.random(), burst=p.burst, outstanding=p.outstanding,
            busy=0.6, latency=(0, 5),
        )
        self.sources = {name: Source(getattr(dut, name), rng) for name in PORTS}

    def give(self, job):
        for name, source in self.sources.items():
            source.items = list(getattr(job, name)) if job else []

    async def cycle(self, ctx):
        for source in self.sources.values():
            source.drive(ctx)
        self.memory.cycle(ctx)
        for source in self.sources.values():
            source.look(ctx)
        await ctx.tick()

    async def until_idle(self, ctx):
        for _ in range(500):
            await self.cycle(ctx)
            if ctx.get(self.dut.idle) and not any(source.items for source in self.sources.values()):
                assert self.memory.quiet
                return
        raise AssertionError("it hangs")

    async def stop(self, ctx, cycles):
        ctx.set(self.dut.stop, 1)
        beats, bursts, shown = len(self.memory.beats), len(self.memory.bursts), ctx.get(self.dut.axi.awvalid)
        for _ in range(cycles):
            await self.cycle(ctx)
            assert all(source.taken or not source.offered for source in self.sources.values()), "taken and dropped"
        ctx.set(self.dut.stop, 0)
        self.give(None)
        for source in self.sources.values():
            source.drive(ctx)
        await self.until_idle(ctx)
        assert len(self.memory.bursts) <= bursts + shown, "an address was offered after the stop"
        strobes = sum((burst.strobes for burst in self.memory.bursts), [])
        assert not any(strobes[beats + 2 :]), "no more than the beats that were offered"


@pytest.mark.parametrize("data_width, outstanding", [(32, 1), (128, 3)])
def test_stop_at_every_cycle(data_width, outstanding):
    p, rng = parameters(data_width, outstanding=outstanding), random.Random(outstanding)
    dut = AxiWriter(p)
    bench, planned = Stopper(dut, p, rng), Memory()

    async def interrupt(ctx, cycle):
        first, again = random_job(p, rng, 6), random_job(p, rng, 3)
        bench.give(first)
        for _ in range(cycle):
            await bench.cycle(ctx)
        await bench.stop(ctx, rng.choice((1, 2, 30)))
        memory = bench.memory.memory
        assert all(planned.get(a) == memory[a] or first.memory.get(a) == memory[a] for a in memory), f"cycle {cycle}"
        bench.give(again)
        await bench.until_idle(ctx)
        assert all(memory[a] == byte for a, byte in again.memory.items()), f"cycle {cycle}"
        planned.update(memory)

    async def main(ctx):
        for cycle in range(30):
            await interrupt(ctx, cycle)

    simulate(dut, main)


def test_entries_go_first():
    """Bursts of complete lines go before those of ranges, however many of these wait."""
    p, rng = parameters(32, burst=4, outstanding=2), random.Random(5)
    job = Job(p, rng)
    job.range(0x100, 16 * 20, 1, lambda: 4)
    for k in range(20):
        job.entry(0x1000 + 16 * k, 1)
    _, memory = job.feed(Bench(AxiWriter(p)), 5, busy={"b": 0.5})
    kinds = [burst.address >= 0x1000 for burst in memory.bursts]
    assert len(kinds) == 40 and sum(kinds[:24]) == 20
