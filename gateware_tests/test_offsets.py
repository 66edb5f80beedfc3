"""OffsetPacker: offsets to bits."""

import random

import pytest
from drivers import Bench
from models import digits

from apack_hdl.offsets import OffsetPacker
from golden.config import CodecConfig


def packed(offsets):
    """(value, bits) pairs behind one another, as a stream."""
    total, size = 0, 0
    for value, bits in offsets:
        total, size = total << bits | value, size + bits
    return (total << -size % 8).to_bytes((size + 7) // 8, "big")


def check_packer(config, blocks, seed, busy=1.0):
    inputs = []
    for block in blocks:
        for value, bits in block:  # any size that needs so many bits
            below = random.Random(f"{seed} {value}").randrange(1 << bits >> 1, 1 << bits)
            inputs.append({"data": value, "below": below, "finish": 0})
        inputs.append({"data": 1, "below": 1, "finish": 1})  # means nothing
    want = sum((digits(packed(block)) for block in blocks), [])
    run = Bench(OffsetPacker(config)).run({"i": inputs}, {"o": len(want)}, seed=seed, busy=busy)
    assert run.out["o"] == want
    return run


@pytest.mark.parametrize("width", [2, 3, 7, 8, 9, 15, 16])
@pytest.mark.parametrize("busy", [1.0, {"i": 0.3}, {"o": 0.3}])
def test_packer(width, busy):
    rng, blocks = random.Random(f"{width} {busy}"), []
    for _ in range(30):
        sizes = rng.choice([[0], [width], [0, 0, 1], range(width + 1)])
        block = [(rng.getrandbits(bits), bits) for bits in rng.choices(sizes, k=rng.choice([1, 2, 8, 33]))]
        blocks.append([(rng.choice([value, (1 << bits) - 1]), bits) for value, bits in block])
    check_packer(CodecConfig(width=width, block=64), blocks, 0, busy)


def test_packer_ends_at_every_bit():
    """All lengths from none to three digits; a full last digit is not followed by an empty one."""
    check_packer(CodecConfig(), [[(1, 1)] * n for n in range(50)], 0)


def test_packer_rate():
    run = check_packer(CodecConfig(width=16, block=64), [[(k, 16) for k in range(n)] for n in (1, 20, 2)], 0)
    assert run.times["i"] == list(range(1 + 20 + 2 + 3))
    ends = [t for t, digit in zip(run.times["o"], run.out["o"], strict=True) if digit["last"]]
    assert ends == [2 + 1, 2 + 1 + 21, 2 + 1 + 21 + 3]
