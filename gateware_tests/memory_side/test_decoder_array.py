"""The array of decoders: every block once, whole, in order or with its number, whatever stalls."""

import random

import pytest
from decoder_jobs import Job, Tensor, random_busy, small_side
from drivers import Bench

from apack_hdl.memory_side.decoder_array import DecoderArray


def check(bench, tensor, blocks, seed, busy=1.0, **options):
    """One run; what comes out is compared."""
    p = bench.dut.p
    job = Job(p, tensor, blocks, seed)
    run = job.run(bench, busy, **options)
    given, expected = job.given(run.out["values"]), job.expected()
    if p.order == "by id":
        given, expected = sorted(given), sorted(expected)
    assert given == expected, seed
    return run


@pytest.mark.parametrize("order", ["in order", "by id"])
@pytest.mark.parametrize("engines", [1, 2, 3])
def test_random(engines, order):
    rng = random.Random(f"{engines} {order}")
    p = small_side(rng, streams=rng.choice([1, 2]) if engines < 9 else 1, engines=engines, order=order)
    bench = Bench(DecoderArray(p))
    for k in range(2):
        tensor = Tensor(rng, p.codec, rng.choice([None, rng.randint(2, p.codec.width)]))
        blocks = tensor.blocks(4 * engines) + tensor.damaged(2 * engines)
        rng.shuffle(blocks)
        check(bench, tensor, blocks, f"{engines} {k}", random_busy(rng))
