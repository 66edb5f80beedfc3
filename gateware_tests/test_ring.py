"""Ring: units cut into even stages, and a state that comes round."""

import random

import pytest
from amaranth import Module
from amaranth.lib import wiring
from drivers import simulate

from apack_hdl.ring import Ring, Unit, spread


def test_spread_known():
    assert spread([5, 5, 5, 5], 2) == {1}
    assert spread([9, 1, 1, 1], 2) == {0}
    assert spread([1, 1, 1, 1, 9], 3) == {1, 3}, "as even as can be"
    assert spread([3, 4], 1) == set()
    assert spread([3, 4], 5) == {0}, "no more stages than units"


@pytest.mark.parametrize("seed", range(20))
def test_spread_is_best(seed):
    """No other way to cut has a shorter longest stage."""
    rng = random.Random(seed)
    delays = [rng.randint(1, 9) for _ in range(rng.randint(1, 8))]
    stages = rng.randint(1, 8)

    def longest(ends):
        sums, total = [], 0
        for number, delay in enumerate(delays):
            total += delay
            if number in ends or number == len(delays) - 1:
                sums.append(total)
                total = 0
        assert len(sums) <= stages
        return max(sums)

    def best(left, stages):  # the plain recursion
        if stages == 1 or len(left) == 1:
            return sum(left)
        return min(max(sum(left[:n]), best(left[n:], stages - 1) if left[n:] else 0) for n in range(1, len(left) + 1))

    assert longest(spread(delays, stages)) == best(delays, stages)


class Counters(wiring.Component):
    """S counters that share an adder: each adds its number once a turn."""

    def __init__(self, streams):
        self.streams = streams
        super().__init__({"steps": wiring.In(4).array(streams), "seen": wiring.Out(16), "whose": wiring.Out(streams)})

    def elaborate(self, platform):
        m = Module()
        ring = Ring(m, self.streams, {"sum": 16}, reset={"sum"})
        m.d.comb += [self.seen.eq(ring["sum"]), self.whose.eq(ring.here)]

        def number():
            ring["number"] = ring.pick(list(self.steps), "number")

        def add():
            ring["sum"] = (ring["sum"] + ring["number"])[:16]

        ring.run([Unit(1, number), Unit(1, add)])
        return m


@pytest.mark.parametrize("streams", range(1, 9))
def test_state_comes_round(streams):
    """Stream 0 is at the first stage when reset ends; all others are in the pipeline, and add nothing there yet."""
    dut = Counters(streams)

    async def testbench(ctx):
        for j in range(streams):
            ctx.set(dut.steps[j], j + 1)
        for cycle in range(5 * streams):
            j, turn = cycle % streams, cycle // streams
            assert ctx.get(dut.whose) == 1 << j
            assert ctx.get(dut.seen) == (j + 1) * turn
            await ctx.tick()

    simulate(dut, testbench)
