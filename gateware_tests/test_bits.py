"""BitReader: bits are those of the stream, then zeros; the verdict on the stream's length is exact."""

import random

import pytest
from drivers import Bench
from models import digits, field

from apack_hdl.bits import BitReader


class Reader:
    """Drives the reading side, one block after the other: a block is ``(data, takes)``. Used as a probe."""

    def __init__(self, dut, blocks, slack, rng, busy):
        self.dut, self.slack, self.rng, self.busy = dut, slack, rng, busy
        self.blocks, self.takes, self.position, self.fresh = list(blocks), None, 0, True
        self.advances, self.cycle, self.closing = [], -1, False

    def __call__(self, ctx):
        dut, self.cycle = self.dut, self.cycle + 1
        ctx.set(dut.advance, 0)
        ctx.set(dut.close, 0)
        if not self.blocks:
            assert not ctx.get(dut.closed)
            return
        data, takes = self.blocks[0]
        if self.takes is None:
            self.takes, self.position = list(takes), 0
        if self.takes:
            assert not ctx.get(dut.closed)
            self.read(ctx, data)
        else:
            self.close(ctx, data)

    def read(self, ctx, data):
        dut = self.dut
        if not ctx.get(dut.valid):
            return
        assert ctx.get(dut.bits) == field(data, self.position, 16), (self.blocks[0], self.position)
        if self.position == 0:
            assert ctx.get(dut.first) == field(data, 0, 32)
        if self.rng.random() < self.busy:
            take = self.takes.pop(0)
            ctx.set(dut.take, take)
            ctx.set(dut.advance, 1)
            self.position += take
            self.advances.append(self.cycle)
        else:
            ctx.set(dut.take, self.rng.randrange(32))  # without advance it means nothing

    def close(self, ctx, data):
        dut = self.dut
        ctx.set(dut.close, 1)
        if ctx.get(dut.closed):
            beyond, (low, high) = self.position - 8 * len(data), self.slack
            got = ctx.get(dut.short), ctx.get(dut.long)
            assert got == (beyond > high, beyond < low), (self.blocks[0], self.position)
            self.blocks.pop(0)
            self.takes = None


def check(blocks, slack, seed, feed=1.0, busy=1.0):
    dut = BitReader(slack)
    reader = Reader(dut, blocks, slack, random.Random(f"{seed} reader"), busy)
    inputs = sum((digits(data) for data, _ in blocks), [])
    bench = Bench(dut)
    bench.run({"i": inputs}, {}, seed=seed, busy=feed, after=400, probe=reader)
    assert not reader.blocks, f"{len(reader.blocks)} blocks were not closed"
    return reader


def random_takes(rng, first):
    most = rng.choice([1, 4, 16])
    return [first] + [rng.choice([rng.randint(0, most), most]) for _ in range(rng.choice([0, 1, 5, 30]))]


SLACKS = [(-7, 0)] + [(R - 8, R - 1) for R in (3, 8, 9, 15, 16, 17, 24, 30, 31)]


@pytest.mark.parametrize("slack", SLACKS, ids=str)
@pytest.mark.parametrize("feed,busy", [(1.0, 1.0), (0.3, 1.0), (1.0, 0.3), (0.5, 0.5)])
def test_random(slack, feed, busy):
    """Lengths around the right one, so that each verdict is often close."""
    rng = random.Random(f"{slack} {feed} {busy}")
    low, high = slack
    blocks = []
    for _ in range(40):
        takes = random_takes(rng, high + 1 if high else rng.randint(0, 16))
        right = (sum(takes) - low) // 8
        length = max(0, right + rng.choice([0, 0, -1, 1, -2, 2, rng.randint(-9, 9)]))
        blocks.append((rng.randbytes(length), takes))
    check(blocks, slack, 0, feed, busy)


@pytest.mark.parametrize("slack", SLACKS, ids=str)
def test_far_too_short_or_long(slack):
    """Any number of bits past the end is short, any number of bytes left is long; and the next block is right."""
    rng, first = random.Random(str(slack)), slack[1] + 1
    blocks = [(b"", [first, *[16] * n]) for n in range(12)]
    blocks += [(rng.randbytes(2), [first, *[16] * n]) for n in range(12)]
    blocks += [(rng.randbytes(n), [first]) for n in range(12)] + [(rng.randbytes(90), [first])]
    rng.shuffle(blocks)
    check(blocks, slack, 0)


def test_close_at_once():
    check([(bytes([0x55] * n), []) for n in (0, 1, 2, 3, 4, 5, 9, 0)], (-7, 0), 0)


def test_16_bits_every_cycle():
    data = random.Random(0).randbytes(100)
    reader = check([(data, [16] * 50), (data, [31, 1] + [16] * 48)], (-7, 0), 0)
    first = reader.advances[0]
    assert first == 2
    assert reader.advances[:50] == list(range(first, first + 50))
    assert reader.advances[50:] == list(range(reader.advances[50], reader.advances[50] + 50))
