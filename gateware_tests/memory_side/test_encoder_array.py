"""The array of encoders: all blocks, in order; and how fast."""

import random

import pytest
from drivers import Bench
from encoder_jobs import Job, random_blocks, small_side
from models import random_table

from apack_hdl.memory_side.encoders.array import EncoderArray
from apack_hdl.memory_side.parameters import MemorySide
from golden.config import CodecConfig
from golden.table import SymbolTable

BUSY = [1.0, 1.0, 0.7, 0.3, 0.1]
NAMES = ("load", "fill", "head", "take", "coded", "raw")
CODEC = CodecConfig(4, 4, 6, 5, 64)
TABLE = SymbolTable(CODEC, (0, 3, 4, 9), (30, 4, 20, 10))


def check(bench, table, blocks, seed, busy=1.0, raw_share=0.4, **options):
    """One run; what comes out is compared. ``busy``: as for :meth:`drivers.Bench.run`. Returns the run and the job."""
    job = Job(bench.dut.p, table, blocks, seed, raw_share)
    inputs, outputs = job.array_ports()
    run = bench.run(inputs, outputs, seed=seed, busy=job.gates(bench, busy), **options)
    job.check_array(run)
    return run, job


def random_busy(rng):
    return {name: rng.choice(BUSY) for name in NAMES}


def even_blocks(rng, count, size):
    """Blocks of values of which any is as likely: long carries are not to be expected."""
    return [[rng.randrange(16) for _ in range(size)] for _ in range(count)]


@pytest.mark.parametrize("engines, streams, levels", [(1, 1, 0), (2, 1, 1), (3, 2, None), (9, 1, 2)])
def test_random(engines, streams, levels):
    """Random tables and blocks, every port stalling; and the latencies, by levels of the tree."""
    rng = random.Random(f"array {engines} {streams}")
    options = {"streams": streams} if streams > 1 else {}
    bench = Bench(EncoderArray(small_side(rng, engines=engines, encoder=options, block=16, data_width=32)))
    for k in range(2 if engines < 3 else 1):
        table = random_table(rng, bench.dut.p.codec)
        blocks = random_blocks(rng, bench.dut.p, table, engines + 5)
        check(bench, table, blocks, f"{engines} {k}", random_busy(rng))
    if levels is not None:
        table = random_table(rng, bench.dut.p.codec, style="even")
        blocks = [[rng.getrandbits(bench.dut.p.codec.width) for _ in range(8)]]  # hardly any run of carries
        run, _ = check(bench, table, blocks, 1, busy=dict.fromkeys(NAMES, 1.0) | {"fill": lambda now: now > 12})
        data = (run.offers["coded"] + run.offers["raw"])[0]
        assert run.offers["head"][0] - run.times["fill"][0] == 8 + EncoderArray.HEAD_CYCLES + 2 * levels
        assert data - run.times["take"][0] == EncoderArray.DATA_CYCLES + 2 * levels


@pytest.mark.parametrize("engines, size", [(1, 24), (2, 24), (4, 32), (8, 40)])
def test_rate(engines, size):
    """Each engine has a value per cycle, but one cycle per block, while what comes out is taken."""
    bench = Bench(EncoderArray(MemorySide(codec=CODEC, engines=engines, data_width=128)))
    blocks = even_blocks(random.Random(engines), 3 * engines, size)
    run, _ = check(bench, TABLE, blocks, engines, raw_share=0.5)
    heads = run.times["head"]
    rounds = 2
    assert heads[-1] - heads[-1 - rounds * engines] <= rounds * (size + 1) + 1


def test_out():
    """Blocks that are complete leave without a cycle between them."""
    bench = Bench(EncoderArray(MemorySide(codec=CODEC, engines=2, data_width=32)))
    blocks = even_blocks(random.Random(1), 4, 20)
    start = 120
    late = dict.fromkeys(NAMES, 1.0) | dict.fromkeys(("coded", "raw"), lambda now: now >= start)
    run, _ = check(bench, TABLE, blocks, 1, busy=late)
    times = sorted(run.times["coded"] + run.times["raw"])
    assert times == list(range(start, start + len(times)))


def test_clear_and_busy():
    """After ``clear`` at any moment all is as after reset; ``busy`` while a block is there."""
    bench = Bench(EncoderArray(MemorySide(codec=CODEC, engines=2, data_width=32)))
    dut, seen = bench.dut, []
    bench.reset = dut.clear
    rng = random.Random("clear")
    other = SymbolTable(CODEC, (0, 3, 4, 7), (30, 4, 20, 10))

    def probe(ctx):
        seen.append(ctx.get(dut.busy))

    for cycles in (2, 5, *(rng.randint(6, 90) for _ in range(4))):
        size = rng.choice([1, 3, 12])
        blocks = even_blocks(rng, 4, size)
        first = Job(dut.p, other, blocks, cycles)
        before = first.inputs(), first.gates(bench, random_busy(rng)), cycles
        seen.clear()
        run, job = check(bench, TABLE, blocks, cycles, busy=0.7, interrupted=before, probe=probe)
        begins, ends = run.times["fill"][:: -(-size // dut.p.beat_values)], job.ends(run)
        here = [any(b < now <= e for b, e in zip(begins, ends, strict=True)) for now in range(len(seen) - cycles)]
        assert seen[cycles:] == here
