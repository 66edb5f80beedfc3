"""Raw blocks: the bytes are those of the golden packing, at full speed."""

import random

import numpy as np
import pytest
from drivers import Bench, willing
from memory_side_models import beats, chunks

from apack_hdl.memory_side.blocks.raw_packer import RawPacker
from apack_hdl.memory_side.parameters import MemorySide
from golden.bits import pack_codes
from golden.config import CodecConfig


def packer(width, data_width, stream_width, block=300):
    codec = CodecConfig(width, 4, 6, 5, block)
    return RawPacker(MemorySide(codec=codec, engines=1, data_width=data_width, stream_width=stream_width))


def random_blocks(rng, p, width, count):
    most = p.codec.block
    sizes = [rng.choice([1, p.beat_values, rng.randint(1, most), rng.randint(1, min(most, 40))]) for _ in range(count)]
    return [[rng.choice([0, (1 << width) - 1, rng.getrandbits(width)]) for _ in range(n)] for n in sizes]


def check(bench, blocks, width, seed, junk=True, busy=1.0, **options):
    rng = random.Random(f"{seed} junk")
    bench.levels = {"width": width}
    shares = busy if isinstance(busy, dict) else dict.fromkeys(bench.streams, busy)
    options["busy"] = shares | {"beats": lambda now: now > 0 and willing(shares["beats"], rng, now)}
    p = bench.dut.p
    fed = [beat for block in blocks for beat in beats(p, block, rng if junk else None)]
    want = [chunk for block in blocks for chunk in chunks(p, pack_codes(np.array(block), width).tobytes())]
    run = bench.run({"beats": fed}, {"chunks": len(want)}, seed=seed, **options)
    assert run.out["chunks"] == want, (seed, width, blocks)
    return run


# Width, bits of the memory's bus, bits of the stream.
SHAPES = [(8, 32, 32), (4, 128, 32), (16, 64, 32), (11, 256, 64), (8, 32, 1024), (16, 256, 64), (5, 64, 64)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_random(shape):
    """Blocks of all lengths, stalls, junk behind the last value; of the widths all, but a few where beats are wide."""
    bench = Bench(packer(*shape))
    rng = random.Random(str(shape))
    widths = range(2, shape[0] + 1)
    for width in rng.sample(widths, 3) if shape[2] > 256 else widths:
        busy = {name: rng.choice([1.0, 0.7, 0.2]) for name in ("beats", "chunks")}
        check(bench, random_blocks(rng, bench.dut.p, width, 4), width, f"{shape} {width}", busy=busy)


@pytest.mark.parametrize("width, data_width, stream_width", [(8, 32, 32), (8, 128, 64), (8, 64, 128), (12, 512, 64)])
def test_rate(width, data_width, stream_width):
    """A beat takes as many cycles as it completes chunks, one at least, from block to block too; latency 3 cycles."""
    bench = Bench(packer(width, data_width, stream_width))
    V = bench.dut.p.beat_values
    for w in range(2, width + 1):
        for size, count in [(V * 12, 3), (5, 20)]:
            run = check(bench, [[1] * size] * count, w, w)
            ends = [min(size, V * (k + 1)) * w for k in range(-(-size // V))]  # bits, after each beat
            whole = [end // data_width for end in ends[:-1]] + [-(-size * w // data_width)]
            completes = [b - a for a, b in zip([0, *whole], whole, strict=False)] * count
            busy = sum(max(1, own) for own in completes[:-1]) + completes[-1]
            assert run.times["chunks"][-1] - run.times["beats"][0] == busy + 2, (w, size)


def test_clear():
    """After ``clear`` at any moment all is as after reset."""
    bench = Bench(packer(8, 64, 32))
    bench.reset = bench.dut.clear
    rng = random.Random("clear")
    for cycles in range(1, 24):
        width = rng.randint(2, 8)
        blocks = random_blocks(rng, bench.dut.p, width, 3)
        junk = [[255] * 40] * 3
        before = {"beats": [beat for block in junk for beat in beats(bench.dut.p, block)]}, rng.choice([1, 0.5]), cycles
        check(bench, blocks[:2], width, cycles, interrupted=before)
