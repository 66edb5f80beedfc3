"""The encoder's cell: every block's streams are the golden ones, or its values again, in order, whatever stalls."""

import random

import pytest
from drivers import Bench, simulate
from encoder_jobs import Job, random_blocks, small_side
from models import random_block, random_table

from apack_hdl.memory_side.encoders.cell import EncoderCell
from apack_hdl.memory_side.encoders.lane import EncoderLane
from apack_hdl.memory_side.parameters import MemorySide
from golden.config import CodecConfig
from golden.table import SymbolTable

BUSY = [1.0, 1.0, 0.7, 0.3, 0.1]
NAMES = ("load", "fill", "head", "take", "data")


def small(codec, streams=1, **more):
    return MemorySide(codec=codec, engines=1, encoder={"streams": streams} if streams > 1 else {}, **more)


def check(bench, table, blocks, seed, busy=1.0, raw_share=0.4, **options):
    """One run; what comes out is compared. ``busy``: as for :meth:`drivers.Bench.run`. Returns the run and the job."""
    job = Job(bench.dut.p, table, blocks, seed, raw_share)
    inputs, outputs = job.cell_ports()
    run = bench.run(inputs, outputs, seed=seed, busy=job.gates(bench, busy), **options)
    job.check_cell(run)
    return run, job


def random_busy(rng):
    return {name: rng.choice(BUSY) for name in NAMES}


@pytest.mark.parametrize("streams", [1, 1, 2, 5])
def test_random(streams, request):
    """Random tables, values without a code among them; blocks of all lengths; raw or coded; every port stalling."""
    rng = random.Random(request.node.name)
    encoder = {"streams": streams} if streams > 1 else {}
    bench = Bench(EncoderCell(small_side(rng, encoder=encoder, stream_width=rng.choice([None, 64, 256]))))
    for k in range(2):
        table = random_table(rng, bench.dut.p.codec)
        check(bench, table, random_blocks(rng, bench.dut.p, table, 6), f"{request.node.name} {k}", random_busy(rng))


@pytest.mark.parametrize("data_width, width", [(32, 4), (256, 12)])
def test_room(data_width, width):
    """Blocks of growing share of improbable values: some are just short enough, of some words are dropped."""
    codec = CodecConfig(width, 2, 12, 5, 40)
    bench = Bench(EncoderCell(small(codec, data_width=data_width)))
    table = SymbolTable(codec, (0, 3), (4093, 3))
    rng = random.Random(f"room {data_width}")
    shares = [0, *sorted(rng.choices(range(codec.block), k=3)), codec.block]
    rare = width // 2  # improbable values at which coded and raw are about equally long
    shares += [max(0, codec.block * rare // 12 + k) for k in (-8, -2, 0, 2, 4, 8)]
    blocks = [[rng.choice([3, 5])] * share + [rng.randrange(3)] * (codec.block - share) for share in shares]
    for block in blocks:
        rng.shuffle(block)
    _, job = check(bench, table, blocks, 1, raw_share=0.2, busy=random_busy(rng))
    assert 0 < sum(head["failed"] for head in job.heads) < len(blocks), job.heads


def test_streams_without_bytes():
    """Rows of one value have no offsets; a block of one value has hardly any symbols either."""
    codec = CodecConfig(2, 4, 6, 5, 20)
    bench = Bench(EncoderCell(small(codec)))
    table = SymbolTable(codec, (0, 1, 2, 3), (16, 16, 16, 16))
    blocks = [[0], [3], [1] * 20, [2], [0, 1, 2, 3]]
    for busy in (1.0, 0.3):
        _, job = check(bench, table, blocks, busy, raw_share=0.1, busy=busy)
        assert all(head["offset_bytes"] == 0 for head in job.heads)


def test_widest():
    """128 values in a beat."""
    codec = CodecConfig(8, 2, 6, 5, 150)
    bench = Bench(EncoderCell(small(codec, data_width=512, stream_width=1024)))
    rng = random.Random("widest")
    table = random_table(rng, codec)
    check(bench, table, [random_block(rng, table, n) for n in (129, 1, 20)], 1, busy=0.7)


@pytest.mark.parametrize("streams", [1, 2])
def test_clear(streams):
    """After ``clear`` at any moment all is as after reset."""
    codec = CodecConfig(4, 4, 6, 5, 12)
    bench = Bench(EncoderCell(small(codec, streams)))
    bench.reset = bench.dut.clear
    table, other = (SymbolTable(codec, (0, 3, 4, v), (30, 4, 20, 10)) for v in (9, 7))
    rng = random.Random(f"clear {streams}")
    for cycles in (2, 5, *(rng.randint(6, 90) for _ in range(4))):
        blocks = [random_block(rng, table, rng.choice([1, 5, 12])) for _ in range(6)]
        first = Job(bench.dut.p, other, blocks, cycles)
        before = first.inputs(), first.gates(bench, random_busy(rng)), cycles
        check(bench, table, blocks[:2], cycles, busy=0.7, interrupted=before)


def test_timing():
    """What the documentation says: a value per cycle and one cycle more per block; the latencies."""
    codec = CodecConfig(4, 4, 6, 5, 64)
    bench = Bench(EncoderCell(small(codec, data_width=64)))
    table = SymbolTable(codec, (0, 3, 4, 9), (30, 4, 20, 10))
    rng = random.Random("timing")
    blocks = [[rng.randrange(16) for _ in range(32)] for _ in range(4)]
    eager = dict.fromkeys(NAMES, 1.0)
    for raw_share in (0, 1):
        # The table comes first.
        run, _ = check(bench, table, blocks, 1, raw_share=raw_share, busy=eager | {"fill": lambda now: now > 8})
        heads, first = run.offers["head"], run.times["fill"][0]
        assert heads[0] - first == EncoderCell.HEAD_CYCLES + 32
        assert heads[-1] - heads[0] == 3 * 33
        assert run.offers["data"][0] - run.times["take"][0] == EncoderCell.DATA_CYCLES
    for size in (8, 18):  # too short for two places to be enough, and just long enough
        run, _ = check(bench, table, [blocks[0][:size]] * 5, 1, raw_share=0, busy=eager)
        heads, chunks = run.offers["head"], len(run.out["data"]) // 5
        assert heads[4] - heads[2] == 2 * (size + 1) + max(0, chunks + 14 - size)
    # Of two complete blocks the data come without a stall but one cycle between them.
    run, _ = check(bench, table, blocks[:2], 1, raw_share=0, busy=eager | {"head": lambda now: now > 100})
    times = run.times["data"]
    assert times[-1] - times[0] == len(times)


@pytest.mark.parametrize("last_bytes, failed", [(3, 0), (4, 1)])
def test_size_beyond_its_field(last_bytes, failed):
    """65535 bytes of symbols are told; with one more, for which there is room, the block is of no use."""
    dut = EncoderLane(small(CodecConfig(block=65535), data_width=32))

    async def main(ctx):
        ctx.set(dut.symbols.payload.bytes, 4)
        ctx.set(dut.symbols.valid, 1)  # and ready, always
        await ctx.tick().repeat((1 << 14) - 1)
        ctx.set(dut.symbols.payload, {"bytes": last_bytes, "last": 1})
        await ctx.tick()
        ctx.set(dut.symbols.valid, 0)
        ctx.set(dut.offsets.payload.last, 1)
        ctx.set(dut.offsets.valid, 1)
        await ctx.tick()
        head = ctx.get(dut.head.payload)
        assert ctx.get(dut.head.valid) and head["failed"] == failed
        assert failed or (head["symbol_bytes"], head["offset_bytes"]) == (65535, 0)

    simulate(dut, main)
