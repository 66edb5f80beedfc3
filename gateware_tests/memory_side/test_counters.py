"""Counters: sums exact to the cycle, whenever they are cleared and read."""

import random

import pytest
from amaranth.sim import Simulator
from drivers import PERIOD

from apack_hdl.memory_side.control.counters import Counters
from apack_hdl.memory_side.control.registers import COUNTED, COUNTERS
from apack_hdl.memory_side.parameters import MemorySide
from golden.config import CodecConfig

DELAY = 2  # cycles after which what passes is counted


class Model:
    """The same counters in plain Python: ``history``, what each rose by in each cycle (raw bytes in bits)."""

    def __init__(self):
        self.history, self.since = [], [0] * len(COUNTERS)

    def passed(self, passing):
        row = []
        for values, width, stored, stalls in passing:
            row += [values, values * width, stored, stalls & 1, stalls >> 1 & 1, stalls >> 2]
        self.history.append(row)

    def clear(self, mask):
        """Cleared in the cycle that is to come."""
        for k in range(len(COUNTERS)):
            if mask >> k & 1:
                self.since[k] = max(0, len(self.history) - DELAY)

    def between(self, k, first, last):
        """What counter k can show if it is read between these two cycles."""
        sums = [sum(row[k] for row in self.history[self.since[k] : end]) for end in range(first, last + 1)]
        return {bits // 8 if COUNTED_NAMES[k] == "raw_bytes" else bits for bits in sums}


COUNTED_NAMES = [*COUNTED, *COUNTED]


@pytest.mark.parametrize("seed", range(2))
def test_counts_clears_and_answers(seed):
    rng, model = random.Random(seed), Model()
    p = [MemorySide(CodecConfig(16, block=64)), MemorySide(CodecConfig(5, block=64), data_width=32)][seed]
    dut, cleared, answers = Counters(p, 12), [], []

    async def cycle(ctx, clear=0):
        """One cycle with anything passing."""
        passing = [(rng.choice([0, p.beat_values, rng.randint(0, p.beat_values)]), rng.randint(2, p.codec.width),
                    rng.randint(0, p.data_bytes), rng.getrandbits(3)) for _ in range(2)]
        names = ("values", "width", "stored", "stalls")
        ctx.set(dut.passing, [dict(zip(names, one, strict=True)) for one in passing])
        ctx.set(dut.clear, clear)
        if clear:
            model.clear(clear)
            cleared.append(clear)
        model.passed(passing)
        _, _, taken, valid, answer = await ctx.tick().sample(dut.access.ready, dut.answer.valid, dut.answer.payload)
        if taken:
            ctx.set(dut.access.valid, 0)
        return answer if valid else None

    async def access(ctx, word, write=0):
        ctx.set(dut.access.payload, {"write": write, "address": 0x40 + word, "data": rng.getrandbits(32), "strobe": 15})
        ctx.set(dut.access.valid, 1)
        ctx.set(dut.answer.ready, 1)
        for _ in range(40):
            if (answer := await cycle(ctx)) is not None:
                ctx.set(dut.answer.ready, 0)
                return int(answer.data), int(answer.error)
        raise AssertionError("no answer in 40 cycles")

    async def testbench(ctx):
        await ctx.tick().repeat(20)
        for _ in range(90):
            for _ in range(rng.randrange(30)):
                await cycle(ctx)
            k = rng.randrange(len(COUNTERS))
            if rng.random() < 0.6:
                await cycle(ctx, rng.choice([1 << k, rng.getrandbits(len(COUNTERS)) | 1 << k]))
            start = len(model.history)
            low, error = await access(ctx, 2 * k)
            # Neither what passes after the answer nor what had passed before the access is left out of the number.
            assert not error and low in model.between(k, start - DELAY - 1, len(model.history)), COUNTERS[k]
            answers.append(low)
            kind = rng.random()
            if kind < 0.3:
                assert await access(ctx, 2 * rng.randrange(len(COUNTERS)) + 1) == (0, 0)
            elif kind < 0.5:
                assert (await access(ctx, 2 * k, write=1))[1] == 0
            elif kind < 0.7:
                assert await access(ctx, rng.randint(2 * len(COUNTERS), 63)) == (0, 1)

    sim = Simulator(dut)
    sim.add_clock(PERIOD)
    sim.add_testbench(testbench)
    sim.run()
    assert len(cleared) > 30 and max(answers) > 100
