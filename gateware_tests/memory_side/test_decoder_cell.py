"""The decoder's cell: the golden values of every stored block, coded or raw, in order, whatever stalls."""

import random

import pytest
from decoder_jobs import ClearBench, Job, Stored, Tensor, random_busy, small_side
from drivers import Bench, PathFinder

from apack_hdl.decoder import Decoder
from apack_hdl.memory_side.decoders.cell import DecoderCell
from apack_hdl.memory_side.parameters import MemorySide
from golden.config import CodecConfig


def check(bench, tensor, blocks, seed, busy=1.0, **options):
    """One run; what comes out is compared."""
    job = Job(bench.dut.p, tensor, blocks, seed)
    run = job.run(bench, busy, **options)
    assert job.given(run.out["values"]) == job.expected(), seed
    return run


def narrower(rng, config):
    """A width that a tensor may have; None is W."""
    return rng.choice([None, None, rng.randint(2, config.width)])


@pytest.mark.parametrize("streams,search", [(1, "flash"), (1, "division"), (2, "bisection"), (3, "quaternary"),
                                            (6, "division")])
def test_random(streams, search):
    """Random tables, widths and lengths; raw or coded, right or not; every port stalling."""
    rng = random.Random(f"{streams} {search}")
    bench = Bench(DecoderCell(small_side(rng, streams=streams, search=search)))
    for k in range(2):
        config = bench.dut.p.codec
        tensor = Tensor(rng, config, narrower(rng, config))
        blocks = tensor.blocks(streams + 3) + tensor.damaged(streams + 3)
        rng.shuffle(blocks)
        check(bench, tensor, blocks, f"{streams} {k}", random_busy(rng))


@pytest.mark.parametrize("data_width,stream_width,width", [(32, 1024, 8), (512, 32, 9), (256, 64, 3)])
def test_widths(data_width, stream_width, width):
    """Blocks shorter than a beat of either side, and longer."""
    rng = random.Random(data_width)
    p = small_side(rng, streams=2, width=width, data_width=data_width, stream_width=stream_width, block=130)
    tensor = Tensor(rng, p.codec)
    check(Bench(DecoderCell(p)), tensor, [tensor.block(130), *tensor.damaged(2)], data_width, 0.7)


def test_no_bits():
    """A row that has all counts and one member: symbols and offsets have no bits, yet streams have an end."""
    rng = random.Random(0)
    p = small_side(rng, streams=2, width=4, block=40)
    tensor = Tensor(rng, p.codec, rows=((0, 3, 4), (0, p.codec.total, 0)))
    blocks = [tensor.coded([3] * n) for n in (1, 40, 3, 17, 1, 40)]
    assert {(block.symbols, block.offsets) for block in blocks} == {(b"\0", b"")}
    check(Bench(DecoderCell(p)), tensor, blocks, 0, random_busy(rng))


EVEN = (0, 1 << 14, 2 << 14, 3 << 14), (10000, 7600, 7600, 7568)  # of the first row 1.7 and 14 bits
UNEVEN = (0, 1 << 15, (1 << 15) + 1), (1, (1 << 15) - 1, 0)  # 15 and 15, or none


@pytest.mark.parametrize("streams,kind", [(1, "raw"), (1, "even"), (1, "uneven"), (2, "raw"), (2, "even"),
                                          (3, "uneven")])
def test_rate(streams, kind):
    """As many bits as there can be, in one stream or in both: one value per cycle, 2 turns per block of each stream."""
    rng, n = random.Random(0), 40
    codec = CodecConfig(16, 4, 15, 16, n)
    p = MemorySide(codec, engines=1, decoder={"streams": streams, "search": "division"})
    tensor = Tensor(rng, codec, rows=UNEVEN if kind == "uneven" else EVEN)
    values = [rng.getrandbits(14) for _ in range(n)]
    if kind == "uneven":
        values[20:] = [1 << 15] * 20
    block = tensor.block(n, True) if kind == "raw" else tensor.coded(values)
    assert 0.9 < (len(block.symbols) + len(block.offsets)) / (2 * n) < 1 + block.raw / 9
    run = check(Bench(DecoderCell(p)), tensor, [block] * (3 * streams), 0)
    ends = [cycle for cycle, beat in zip(run.times["values"], run.out["values"], strict=True) if beat["last"]]
    costs = {b - a for a, b in zip(ends, ends[streams:], strict=False)}
    assert costs == {(n + Decoder.BLOCK_CYCLES) * streams}


def test_too_many_chunks():
    """A block with more chunks than its place has rows is bad, though what is left of it may have the right length, as
    of 20 bytes for 16 raw values; and disturbs no other one."""
    rng = random.Random(0)
    p = small_side(rng, streams=2, width=8, block=16, data_width=32)
    tensor, bench = Tensor(rng, p.codec), Bench(DecoderCell(p))
    for seed, sizes in enumerate([(4 * p.stored_rows, 5), (0, 70), (0, 20), (90, 90)]):
        blocks = [tensor.block(16) for _ in range(9)]
        for place in (3, 4, 6):
            blocks[place] = Stored(16, *map(rng.randbytes, sizes), raw=int(not sizes[0]))
        job = Job(p, tensor, blocks, seed)
        run = job.run(bench, {"values": 0.7})
        given, expected = job.given(run.out["values"]), job.expected()
        for k, (mine, golden) in enumerate(zip(given, expected, strict=True)):
            if k in (3, 4, 6):
                assert mine[0] == golden[0] and len(mine[1]) == 16 and mine[2], (seed, k)
            else:
                assert mine == golden, (seed, k)


def test_bad_blocks():
    """The verdict comes with the last beat, even if that is full long before the verdict is there."""
    rng = random.Random(0)
    p = small_side(rng, streams=1, width=8, block=16, stream_width=32, data_width=32)
    tensor, bench = Tensor(rng, p.codec), Bench(DecoderCell(p))
    value = tensor.own.v_min[tensor.own.counts.index(max(tensor.own.counts))]
    right = tensor.coded([value] * 4)
    long = Stored(4, right.symbols, right.offsets + bytes(11 - len(right.offsets)))
    blocks = [right, long, long, right, right, long]
    assert [bad for _, _, bad in Job(p, tensor, blocks, 0).expected()] == [0, 1, 1, 0, 0, 1]
    check(bench, tensor, blocks, 0)


def test_places():
    """While nothing is taken, 2S blocks are reserved, and decoded, and no more; then all come at a beat a cycle."""
    rng, streams = random.Random(0), 3
    p = small_side(rng, streams=streams, width=8, block=16, stream_width=32)
    tensor, later = Tensor(rng, p.codec), 600
    blocks = [tensor.block(16) for _ in range(4 * streams)]
    run = check(Bench(DecoderCell(p)), tensor, blocks, 0, {"values": lambda now: now > later})
    assert sum(cycle <= later for cycle in run.times["reserve"]) == 2 * streams
    first = run.times["values"][: 2 * streams * 4]
    assert first == [later + 1 + 5 * block + beat for block in range(2 * streams) for beat in range(4)]


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_latency(streams):
    """From a block's last chunk to its first beat and to its last one, whoever's turn it is: no more than is said."""
    rng, n = random.Random(0), 10
    p = small_side(rng, streams=streams, search="division", width=8, block=n, stream_width=64)
    tensor, seen = Tensor(rng, p.codec), set()
    bench = Bench(DecoderCell(p))
    for late in range(2 * streams):
        run = check(bench, tensor, [tensor.block(n)], 0, {"fill": lambda now, late=late: now > 20 + late})
        end, beats = run.times["fill"][-1], run.offers["values"]
        seen.add((beats[0] - end, beats[-1] - end))
    first, last = (max(times) for times in zip(*seen, strict=True))
    assert (8 + 4) * streams < first <= (8 + 5) * streams + 6, seen
    assert (n + 4) * streams < last <= (n + 5) * streams + 6, seen


def test_clear():
    """At any moment, in whatever state: then a table and blocks, as if nothing had been."""
    rng = random.Random(0)
    for streams in (1, 3):
        p = small_side(rng, streams=streams, block=16)
        bench = ClearBench(DecoderCell(p))
        for seed in range(5):
            old, new = (Tensor(rng, p.codec, rng.choice([None, 2])) for _ in range(2))
            before = Job(p, old, old.damaged(9), f"{seed} before")
            cut = before.inputs(), rng.choice([1.0, random_busy(rng)]), rng.randrange(1, 90)
            check(bench, new, new.blocks(3), seed, random_busy(rng), interrupted=cut)


def test_combinational_paths():
    """No output depends on an input within a cycle: enables of memories do."""
    rng = random.Random(0)
    p = small_side(rng, streams=2, block=16)
    tensor, bench = Tensor(rng, p.codec), Bench(DecoderCell(p))
    finder = PathFinder(bench.dut, 0)
    check(bench, tensor, tensor.blocks(6), 0, 0.7, probe=finder)
    assert not finder.paths
