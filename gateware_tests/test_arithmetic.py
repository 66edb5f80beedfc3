"""Leading zeros and selection against integer arithmetic."""

import random

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from drivers import simulate

from apack_hdl.arithmetic import leading_zeros, select


class Unit(wiring.Component):
    """Inputs of the given widths; ``build(m, *inputs)`` returns the results."""

    def __init__(self, build, *widths):
        self.build, self.widths = build, widths
        super().__init__({f"i{k}": In(w) for k, w in enumerate(widths)} | {"o": Out(64).array(2)})

    def elaborate(self, platform):
        m = Module()
        results = self.build(m, *(getattr(self, f"i{k}") for k in range(len(self.widths))))
        for port, result in zip(self.o, results, strict=False):
            m.d.comb += port.eq(result)
        return m


def check(unit, cases, expected):
    """``expected(*case)`` are the results of each case."""

    async def testbench(ctx):
        for case in cases:
            for k, value in enumerate(case):
                ctx.set(getattr(unit, f"i{k}"), value)
            want = expected(*case)
            assert [ctx.get(port) for port in unit.o[: len(want)]] == want, case

    simulate(unit, testbench, clocked=False)


def some(rng, bits, count=150):
    """Numbers of all magnitudes, of at most ``bits`` bits: all of them if they are few."""
    if 1 << bits <= count:
        return list(range(1 << bits))
    return [rng.getrandbits(bits) >> rng.randrange(bits) for _ in range(count)] + [0, (1 << bits) - 1]


@pytest.mark.parametrize("bits", range(2, 33))
def test_leading_zeros(bits):
    unit = Unit(lambda m, value: [leading_zeros(m, value, "zeros")], bits)
    values = [v for v in some(random.Random(bits), bits) if v] + [1 << n for n in range(bits)]
    check(unit, [(v,) for v in values], lambda v: [bits - v.bit_length()])


@pytest.mark.parametrize("widths", [(1, 1), (5, 3, 4), (8,) * 7, (2, 9) * 8], ids=str)
def test_select(widths):
    """One entry of several, of unequal widths too."""
    rng = random.Random(str(widths))
    unit = Unit(lambda m, chosen, *entries: [select(m, chosen, entries, "x")], len(widths), *widths)
    cases = []
    for i in range(len(widths)):
        cases += [(1 << i, *(rng.getrandbits(w) for w in widths)) for _ in range(5)]
        cases.append((1 << i, *((1 << w) - 1 for w in widths)))
    check(unit, cases, lambda chosen, *entries: [entries[chosen.bit_length() - 1]])
