"""The encoder's cell: every block's streams are the golden ones, or its values again, in order, whatever stalls."""

import random

import pytest
from drivers import Bench
from encoder_jobs import Job, random_blocks, small_side
from models import random_table

from apack_hdl.memory_side.encoder_cell import EncoderCell

BUSY = [1.0, 1.0, 0.7, 0.3, 0.05]


def side(rng, streams, **more):
    return small_side(rng, encoder={"streams": streams} if streams > 1 else {}, **more)


def check(bench, table, blocks, seed, busy=1.0, **options):
    """One run; what comes out is compared. ``busy``: as for :meth:`drivers.Bench.run`."""
    job = Job(bench.dut.p, table, blocks, seed)
    inputs, outputs = job.cell_ports()
    run = bench.run(inputs, outputs, seed=seed, busy=job.gates(bench, busy), **options)
    job.check_cell(run)
    return run


def random_busy(rng):
    return {name: rng.choice(BUSY) for name in ("fill", "head", "take", "data")}


@pytest.mark.parametrize("streams", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_random(streams, seed):
    """Random tables, values without a code among them; blocks of all lengths; raw or coded; every port stalling."""
    rng = random.Random(f"{streams} {seed}")
    bench = Bench(EncoderCell(side(rng, streams)))
    for k in range(4):
        table = random_table(rng, bench.dut.p.codec)
        check(bench, table, random_blocks(rng, bench.dut.p, table, 8), f"{seed} {k}", random_busy(rng))
