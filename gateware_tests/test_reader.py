"""Readers: bits are those of the stream, then zeros; the verdict on the stream's length is exact."""

import random

import pytest
from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from drivers import Bench, simulate
from models import field, words

from apack_hdl.layouts import WORD_BITS, word_layout
from apack_hdl.reader import DigitPort, ReaderShape, ReaderStep, can_read, has_ended, next_bits


class Held(wiring.Component):
    """A reader of one stream, its state in registers."""

    def __init__(self, word, slack, most=16):
        self.shape = ReaderShape(word, most, slack[1] + 1 if most > 8 else 0, slack)
        digit = self.shape.digit
        assert digit == (8 if most <= 8 else 16)
        controls = {"fresh": 1, "take": range(2 * digit), "close": 1}
        shown = {"window": 2 * digit, "bits": digit, "readable": 1, "ended": 1, "short": 1, "long": 1}
        super().__init__(
            {"words": wiring.In(stream.Signature(word_layout(word)))}
            | {name: wiring.In(width) for name, width in controls.items()}
            | {name: wiring.Out(width) for name, width in shown.items()}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.port = port = DigitPort(self.shape, 1)
        m.submodules.step = step = ReaderStep(self.shape)
        wiring.connect(m, wiring.flipped(self.words), port.words[0])
        held, state = (Signal(self.shape.state, name=name) for name in ("held", "state"))
        short, long = self.shape.verdict(m, state, "seen")
        digit = self.shape.digit
        m.d.sync += held.eq(step.after)
        m.d.comb += [
            state.eq(Mux(self.fresh, 0, held)),
            port.here.eq(1),
            port.state.eq(state),
            port.release.eq(step.release),
            step.active.eq(1),
            step.state.eq(state),
            step.seen.eq(port.seen),
            *(getattr(step, name).eq(getattr(self, name)) for name in ("take", "close")),
            self.window.eq(Cat(port.seen.digit, state.digit)[: 2 * digit]),
            self.bits.eq(next_bits(m, state, port.seen, "next_bits")),
            self.readable.eq(can_read(state, self.words.valid)),
            self.ended.eq(has_ended(state)),
            self.short.eq(short),
            self.long.eq(long),
        ]
        return m


class Blocks:
    """Drives the reading side, one block after the other: a block is ``(data, takes)``. Used as a probe."""

    def __init__(self, dut, blocks, rng, busy):
        self.dut, self.rng, self.busy = dut, rng, busy
        self.blocks, self.takes, self.position = list(blocks), None, 0
        self.reads, self.cycle = [], -1

    def __call__(self, ctx):
        self.cycle += 1
        for name in ("fresh", "take", "close"):
            ctx.set(getattr(self.dut, name), 0)
        if not self.blocks:
            return
        data, takes = self.blocks[0]
        if self.takes is None:
            self.takes, self.position = list(takes), 0
            ctx.set(self.dut.fresh, 1)
        elif self.takes:
            self.read(ctx, data)
        else:
            self.close(ctx, data)

    def read(self, ctx, data):
        dut = self.dut
        if not ctx.get(dut.readable) or self.rng.random() >= self.busy:
            return
        assert ctx.get(dut.bits) == field(data, self.position, dut.shape.digit), (self.blocks[0], self.position)
        if self.position == 0:
            assert ctx.get(dut.window) == field(data, 0, 2 * dut.shape.digit)
        take = self.takes.pop(0)
        ctx.set(dut.take, take)
        self.position += take
        self.reads.append(self.cycle)

    def close(self, ctx, data):
        dut = self.dut
        if not ctx.get(dut.ended):
            ctx.set(dut.close, 1)
            return
        beyond, (low, high) = self.position - 8 * len(data), dut.shape.slack
        got = ctx.get(dut.short), ctx.get(dut.long)
        assert got == (beyond > high, beyond < low), (self.blocks[0], self.position)
        self.blocks.pop(0)
        self.takes = None


def check(blocks, slack, seed, feed=1.0, busy=1.0, word=32, most=16):
    dut = Held(word, slack, most)
    reader = Blocks(dut, blocks, random.Random(f"{seed} reader"), busy)
    junk = random.Random(f"{seed} junk")
    inputs = sum((words(data, word, junk=junk) for data, _ in blocks), [])
    Bench(dut).run({"words": inputs}, {}, seed=seed, busy=feed, after=400, probe=reader)
    assert not reader.blocks, f"{len(reader.blocks)} blocks were not closed"
    return reader


def random_takes(rng, first, most=16):
    most = rng.choice([1, 4, most])
    return [first] + [rng.choice([rng.randint(0, most), most]) for _ in range(rng.choice([0, 1, 5, 30]))]


SLACKS = [(-7, 0)] + [(R - 8, R - 1) for R in (3, 8, 15, 16, 17, 31)]


@pytest.mark.parametrize("slack", SLACKS, ids=str)
@pytest.mark.parametrize("feed,busy", [(0.5, 1.0), (1.0, 0.5)])
def test_random(slack, feed, busy):
    """Lengths around the right one, so that each verdict is often close."""
    rng = random.Random(f"{slack} {feed} {busy}")
    low, high = slack
    blocks = []
    for _ in range(15):
        takes = random_takes(rng, high + 1 if high else rng.randint(0, 16))
        right = (sum(takes) - low) // 8
        length = max(0, right + rng.choice([0, 0, -1, 1, -2, 2, rng.randint(-9, 9)]))
        blocks.append((rng.randbytes(length), takes))
    check(blocks, slack, 0, feed, busy, word=rng.choice(WORD_BITS))


@pytest.mark.parametrize("word", WORD_BITS)
@pytest.mark.parametrize("feed,busy", [(1.0, 1.0), (0.3, 1.0), (1.0, 0.3)])
def test_digits_of_a_byte(word, feed, busy):
    """As many as 8 bits at once."""
    rng, blocks = random.Random(f"{word} {feed} {busy}"), []
    for _ in range(20):
        takes = random_takes(rng, rng.randint(0, 8), 8)
        length = max(0, (sum(takes) + 7) // 8 + rng.choice([0, 0, -1, 1, -2, 2, rng.randint(-9, 9)]))
        blocks.append((rng.randbytes(length), takes))
    check(blocks, (-7, 0), 0, feed, busy, word=word, most=8)


@pytest.mark.parametrize("slack", SLACKS, ids=str)
def test_far_too_short_or_long(slack):
    """Any number of bits past the end is short, any number of bytes left is long; and the next block is right."""
    rng, first = random.Random(str(slack)), slack[1] + 1
    blocks = [(b"", [first, *[16] * n]) for n in range(8)]
    blocks += [(rng.randbytes(2), [first, *[16] * n]) for n in range(8)]
    blocks += [(rng.randbytes(n), [first]) for n in range(12)] + [(rng.randbytes(90), [first])]
    rng.shuffle(blocks)
    check(blocks, slack, 0)


def test_close_at_once():
    """Nothing has been read of it."""
    check([(bytes([0x55] * n), []) for n in (0, 1, 2, 3, 4, 5, 9, 0)], (-7, 0), 0)


@pytest.mark.parametrize("word", WORD_BITS)
def test_16_bits_every_cycle(word):
    data = random.Random(0).randbytes(100)
    reader = check([(data, [16] * 50), (data, [31, 1] + [16] * 48)], (-7, 0), 0, word=word)
    for reads in (reader.reads[:50], reader.reads[50:]):
        assert reads == list(range(reads[0], reads[0] + 50))
    assert reader.reads[0] == 1


@pytest.mark.parametrize("word", WORD_BITS)
def test_last_word_ends_the_stream(word):
    """More bytes than a word has, in a stream's last word: it ends with the word, and the next stream is whole."""
    data = bytes(range(1, word // 8 + 1))
    dut = Held(word, (-7, 0))
    reader = Blocks(dut, [(data, [8] * len(data)), (b"next", [16, 16])], random.Random(0), 1.0)
    broken = words(data, word)
    broken[-1]["bytes"] = word // 8 + 1  # the field has room for it
    Bench(dut).run({"words": broken + words(b"next", word)}, {}, seed=0, after=100, probe=reader)
    assert not reader.blocks


@pytest.mark.parametrize("word", WORD_BITS)
def test_not_ready_without_an_offer(word):
    """Whatever the payload is while nothing is offered: unknown in many a test bench, so `ready` must not follow it."""
    dut, rng, seen_ready = Held(word, (-7, 0)), random.Random(word), set()

    async def testbench(ctx):
        ctx.set(dut.close, 1)
        for _ in range(50):
            ctx.set(dut.words.payload.as_value(), rng.getrandbits(len(dut.words.payload.as_value())))
            for valid in (0, 1):
                ctx.set(dut.words.valid, valid)
                assert valid or not ctx.get(dut.words.ready)
            seen_ready.add(ctx.get(dut.words.ready))
            ctx.set(dut.fresh, rng.getrandbits(1))
            await ctx.tick()

    simulate(dut, testbench)
    assert 1 in seen_ready, "with an offer it does become ready"
