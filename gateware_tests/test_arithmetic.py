"""Leading zeros, scaling and normalization against integer arithmetic."""

import random

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from drivers import simulate
from models import random_config

from apack_hdl.arithmetic import leading_zeros, normalize, scaled
from golden.config import CodecConfig


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


@pytest.mark.parametrize("bits", range(2, 26))
def test_leading_zeros(bits):
    unit = Unit(lambda m, value: [leading_zeros(m, value, "zeros")], bits)
    values = [v for v in some(random.Random(bits), bits) if v] + [1 << n for n in range(bits)]
    check(unit, [(v,) for v in values], lambda v: [bits - v.bit_length()])


CORNERS = [
    CodecConfig(2, 2, 1, 2, 2, 1),
    CodecConfig(8, 16, 10, 16, 8),
    CodecConfig(8, 16, 10, 16, 16),
    CodecConfig(8, 16, 4, 24, 2),  # s = -18: the product is shifted to the left
    CodecConfig(8, 16, 15, 24, 16),
    CodecConfig(8, 16, 15, 16, 16),
    CodecConfig(8, 2, 1, 24, 2),
]
CONFIGS = CORNERS + [random_config(random.Random(seed)) for seed in range(8)]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_scaled(config):
    s, rng = config.scale_shift, random.Random(str(config))
    unit = Unit(lambda m, t, c: [scaled(m, config, t, c, "x")], config.mult_bits, config.prob_bits + 1)
    cases = [(t, c) for t in some(rng, config.mult_bits, 20) for c in some(rng, config.prob_bits, 20)]
    check(unit, cases, lambda t, c: [t * c >> s if s >= 0 else t * c << -s])


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_normalize(config):
    R, P = config.range_bits, config.prob_bits
    unit = Unit(lambda m, size: normalize(m, config, size), R)
    sizes = [v for v in some(random.Random(str(config)), R) if v >> R - 1 - P] + [1 << n for n in range(R - 1 - P, R)]
    check(unit, [(v,) for v in sizes], lambda v: [v << R - v.bit_length(), R - v.bit_length()])
