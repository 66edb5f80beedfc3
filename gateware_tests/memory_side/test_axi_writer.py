"""AxiWriter into a memory that stalls, is late, answers with errors; and stopped at any moment."""

import random

import pytest
from axi_model import Memory, WriteMemory
from drivers import Bench

from apack_hdl.memory_side.axi_writer import AxiWriter
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
        bytes_ = rng.choice((1, 2, rng.randint(1, 100), rng.randint(1, 2 * p.data_bytes), rng.randint(1, 700)))
        flush = k == count - 1 or rng.random() < 0.3
        job.range(address, bytes_, flush, size)
        address += bytes_
        if flush:
            address += rng.choice((0, 0, 5, p.data_bytes, rng.getrandbits(12)))
        flush = k == count - 1 or rng.random() < 0.1
        job.entry(entry, flush)
        entry += 8 + (rng.getrandbits(4) * 8 if flush else 0)
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
    for share in (0.3, 1.0, {"w": 0.2}, {"aw": 0.2}, {"b": 0.1}, {"chunks": 0.2}, {"ranges": 0.1}, {"entries": 0.1}):
        seed = f"{data_width} {burst} {share}"
        rng = random.Random(seed)
        job = random_job(p, rng, 30)
        errors = {address & -p.data_bytes for address in rng.sample(sorted(job.memory), 5)}
        job.feed(bench, seed, busy=share, errors=errors, latency=rng.choice([(0, 0), (0, 9), (20, 30)]), after=1000)
