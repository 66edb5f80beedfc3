"""The decoder's cell: the golden values of every stored block, coded or raw, in order, whatever stalls."""

import random

import pytest
from decoder_jobs import Job, Tensor, random_busy, small_side
from drivers import Bench

from apack_hdl.memory_side.decoder_cell import DecoderCell


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
    for k in range(3):
        config = bench.dut.p.codec
        tensor = Tensor(rng, config, narrower(rng, config))
        blocks = tensor.blocks(3 * streams) + tensor.damaged(3 * streams)
        rng.shuffle(blocks)
        check(bench, tensor, blocks, f"{streams} {k}", random_busy(rng))
