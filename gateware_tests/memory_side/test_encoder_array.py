"""The array of encoders: all blocks, in order; and how fast."""

import random

import pytest
from drivers import Bench
from encoder_jobs import Job, random_blocks, small_side
from models import random_table

from apack_hdl.memory_side.encoder_array import EncoderArray

BUSY = [1.0, 1.0, 0.7, 0.3, 0.05]
OUTPUTS = ("head", "coded", "raw")


def check(bench, table, blocks, seed, busy=1.0, raw_share=0.4, **options):
    """One run; what comes out is compared. ``busy``: as for :meth:`drivers.Bench.run`."""
    job = Job(bench.dut.p, table, blocks, seed, raw_share)
    inputs, outputs = job.array_ports()
    run = bench.run(inputs, outputs, seed=seed, busy=job.gates(bench, busy), **options)
    job.check_array(run)
    return run


@pytest.mark.parametrize("engines, streams", [(1, 1), (2, 1), (3, 2), (9, 1)])
def test_random(engines, streams):
    """Random tables and blocks, every port stalling."""
    rng = random.Random(f"array {engines} {streams}")
    options = {"streams": streams} if streams > 1 else {}
    bench = Bench(EncoderArray(small_side(rng, engines=engines, encoder=options, block=rng.choice([9, 20]))))
    for k in range(3):
        table = random_table(rng, bench.dut.p.codec)
        busy = {name: rng.choice(BUSY) for name in ("fill", "take", *OUTPUTS)}
        check(bench, table, random_blocks(rng, bench.dut.p, table, 3 * engines + 4), f"{engines} {k}", busy)
