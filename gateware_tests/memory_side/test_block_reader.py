"""BlockReader: which bytes it asks for, in which order, and what it makes of sizes that cannot be."""

import random

import pytest
from amaranth.lib import data
from drivers import simulate

from apack_hdl.memory_side.blocks.block_reader import BlockReader, tag_layout
from apack_hdl.memory_side.parameters import MemorySide
from golden.config import CodecConfig

P = {size: MemorySide(codec=CodecConfig(width=8, block=64), engines=1, data_width=size) for size in (32, 64, 512)}


def job_of(rng, *, slots):
    width, block, length = rng.randint(2, 8), 4 * rng.randint(1, 16), rng.randint(1, 700)
    return {
        "slots": slots, "width": width, "block": block, "length": length, "slot_bytes": 64,
        "data_address": rng.randrange(1 << 20), "directory_address": 8 * rng.randrange(1 << 17),
    }


def entries_of(job, rng):
    """Directory entries that the job's blocks may have."""
    for start in range(0, job["length"], job["block"]):
        values = min(job["block"], job["length"] - start)
        raw = (values * job["width"] + 7) // 8
        symbols = rng.randint(1, raw - 1) if raw > 1 and rng.random() < 0.7 else 0
        offsets = rng.randint(0, raw - 1 - symbols) if symbols else raw
        yield values, symbols, offsets, rng.getrandbits(32)


def expected_ranges(p, job, entries):
    """(address, bytes, tag) of the blocks' ranges."""
    address = job["data_address"]
    for number, (values, symbols, offsets, _) in enumerate(entries):
        if job["slots"]:
            address = job["data_address"] + number * job["slot_bytes"]
        for part, size in enumerate((symbols, offsets)):
            yield address, size, {"block": 1, "offsets": part, "raw": int(not symbols), "count_m1": values - 1}
            address += size


async def run(ctx, dut, p, job, entries, rng, *, busy=0.7, cycles=6000):
    """Play memory, decoders and checksum. Returns ranges, reservations, checksums and the cycles taken."""
    for name, value in job.items():
        ctx.set(getattr(dut.job, name), value)
    ctx.set(dut.begin, 1)
    await ctx.tick()
    ctx.set(dut.begin, 0)
    image = b"".join(
        (symbols | offsets << 16 | crc << 32).to_bytes(8, "little") for _, symbols, offsets, crc in entries
    )
    ranges, ids, sums, chunks = [], [], [], []
    for cycle in range(cycles):
        ready = [int(rng.random() < busy) for _ in range(3)]
        for port, level in zip((dut.ranges, dut.reserve, dut.expected), ready, strict=True):
            ctx.set(port.ready, level)
        give = chunks and rng.random() < busy
        ctx.set(dut.directory.valid, int(bool(give)))
        if give:
            ctx.set(dut.directory.payload, chunks[0])
        _, _, done, *seen = await ctx.tick().sample(
            dut.done, dut.corrupt, dut.directory.ready, dut.ranges.valid, dut.ranges.payload, dut.reserve.valid,
            dut.reserve.p.id, dut.expected.valid, dut.expected.payload,
        )
        corrupt, taken, range_valid, asked, reserving, number, summing, crc = seen
        if give and taken:
            chunks.pop(0)
        if reserving and ready[1]:
            ids.append(number)
        if summing and ready[2]:
            sums.append(crc)
        if range_valid and ready[0]:
            tag = data.Const(tag_layout(p), asked.tag)
            fields = {name: tag[name] for name in tag_layout(p).members}
            if fields["block"]:
                ranges.append((asked.address, asked.bytes, fields))
            else:
                start = asked.address - job["directory_address"]
                assert start >= 0 and start + asked.bytes <= len(image), "reads beyond the directory"
                line = image[start : start + asked.bytes]
                size = p.data_bytes
                chunks += [
                    {"data": int.from_bytes(line[k : k + size], "little"), "bytes": len(line[k : k + size]),
                     "last": int(k + size >= len(line))}
                    for k in range(0, len(line), size)
                ]
        if corrupt or done and not range_valid:
            return ranges, ids, sums, cycle
    raise AssertionError("it does not end")


@pytest.mark.parametrize("slots", [0, 1])
@pytest.mark.parametrize("size", P)
def test_asks_for_every_block_once(size, slots):
    p, dut = P[size], BlockReader(P[size])

    async def testbench(ctx):
        for seed in range(6):
            rng = random.Random(f"{size} {slots} {seed}")
            job = job_of(rng, slots=slots)
            entries = list(entries_of(job, rng))
            ranges, ids, sums, _ = await run(ctx, dut, p, job, entries, rng, busy=1.0 if not seed else 0.6)
            assert ranges == list(expected_ranges(p, job, entries)), f"seed {seed}"
            assert ids == list(range(len(entries))) and sums == [entry[3] for entry in entries]
            assert ctx.get(dut.stored_bytes) == sum(entry[1] + entry[2] for entry in entries)
            assert ctx.get(dut.blocks) == len(entries)

    simulate(dut, testbench)


IMPOSSIBLE = [(16, 0, 15), (16, 0, 17), (16, 10, 6), (16, 65535, 65535), (9, 9, 0)]


@pytest.mark.parametrize(("values", "symbols", "offsets"), IMPOSSIBLE)
def test_sizes_that_cannot_be(values, symbols, offsets):
    p, dut = P[64], BlockReader(P[64])
    job = {"slots": 0, "width": 8, "block": 16, "length": 32 + values, "slot_bytes": 0, "data_address": 0,
           "directory_address": 0}
    entries = [(16, 5, 6, 1), (16, 0, 16, 2), (values, symbols, offsets, 3)]

    async def testbench(ctx):
        ranges, *_ = await run(ctx, dut, p, job, entries, random.Random(1))
        assert ctx.get(dut.corrupt) and ctx.get(dut.blocks) == 2
        assert ranges == list(expected_ranges(p, job, entries[:2]))

    simulate(dut, testbench)


def test_cycles_of_a_block():
    p, dut = P[64], BlockReader(P[64])
    job = {"slots": 0, "width": 8, "block": 16, "length": 640, "slot_bytes": 0, "data_address": 0,
           "directory_address": 0}
    entries = [(16, 5, 6, 1)] * 40

    async def testbench(ctx):
        *_, cycles = await run(ctx, dut, p, job, entries, random.Random(1), busy=1.0)
        assert cycles <= 40 * 6 + 30  # 6 a block, and the first line's way; a line is another cycle now and then

    simulate(dut, testbench)
