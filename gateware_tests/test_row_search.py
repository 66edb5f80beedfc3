"""The decoder's row searches against the plain one."""

import random

import pytest
from amaranth import Module
from amaranth.lib import wiring
from drivers import simulate
from models import hardware_rows, missing_rows, random_config, random_table

from apack_hdl.layouts import table_layout
from apack_hdl.ring import Ring
from apack_hdl.search import SEARCHES
from golden import reference
from golden.config import CodecConfig


class Search(wiring.Component):
    """A search with ports, all in one stage."""

    def __init__(self, config, name):
        self.config, self.name = config, name
        R = config.range_bits
        inputs = {"t": config.mult_bits, "dif": R, "go": 1, "rows": table_layout(config)}
        self.results = {"chosen": config.rows, "rest": R, "product": R + 1, "zeros": 4}
        super().__init__(
            {name: wiring.In(shape) for name, shape in inputs.items()}
            | {name: wiring.Out(shape) for name, shape in self.results.items()}
        )

    def elaborate(self, platform):
        m = Module()
        ring = Ring(m, 1, {}, set())
        ring["t_low"], ring["dif"], ring["go"] = self.t[:-1], self.dif, self.go
        search = SEARCHES[self.name](self.config, m, ring, lambda: self.rows)
        for unit in [*search.find(), *search.narrow()]:
            unit.work()
        m.d.comb += [getattr(self, name).eq(ring[name]) for name in self.results]
        return m


def check(table, cases, name):
    """``cases``: (t, dif) pairs; dif may be anything of R bits."""
    dut, missing, R = Search(table.config, name), missing_rows(table), table.config.range_bits

    async def testbench(ctx):
        ctx.set(dut.rows, hardware_rows(table))
        for t, dif in cases:
            ctx.set(dut.t, t)
            ctx.set(dut.dif, dif)
            ctx.set(dut.go, 1)
            row = reference.find_row(table, t, dif)
            a, d, next_t = reference.narrow(table, t, row)
            assert ctx.get(dut.chosen) == 1 << row + missing, (t, dif, table)
            assert ctx.get(dut.rest) == dif - a, (t, dif, table)
            product, zeros = ctx.get(dut.product), ctx.get(dut.zeros)
            assert product == t * table.counts[row] << zeros and product >> R - 1, (t, dif, table)
            high = product >> R
            assert (zeros - high, product >> table.config.prob_bits + high) == (d, next_t), (t, dif, table)
            ctx.set(dut.go, 0)  # nothing changes
            assert ctx.get(dut.chosen) == 0 and ctx.get(dut.rest) == dif, (t, dif, table)
            assert (ctx.get(dut.product), ctx.get(dut.zeros)) == (t << table.config.prob_bits, 0), (t, dif, table)

    simulate(dut, testbench, clocked=False)


CORNERS = [
    CodecConfig(3, 5, 3, 2, 8),
    CodecConfig(3, 5, 4, 3, 8),
    CodecConfig(3, 2, 1, 4, 8),
    CodecConfig(4, 7, 5, 2, 8),
]


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("config", CORNERS, ids=str)
def test_every_place(config, name):
    """All sizes of the interval and all places, those beyond its end too."""
    M, R = config.mult_bits, config.range_bits
    for style in ("random", "holes"):
        table = random_table(random.Random(style), config, style=style)
        check(table, [(t, dif) for t in range(1 << M - 1, 1 << M) for dif in range(1 << R)], name)


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("seed", range(4))
def test_edges(seed, name):
    """Both sides of every beginning and end."""
    rng = random.Random(f"{seed} {name}")
    config = random_config(rng, wide=seed == 0)
    table, M, R = random_table(rng, config), config.mult_bits, config.range_bits
    cases = []
    for t in [1 << M - 1, (1 << M) - 1, *(rng.randrange(1 << M - 1, 1 << M) for _ in range(2))]:
        edges = {t * c + side for c in table.cumulative for side in (-1, 0)} | {0, (1 << R) - 1}
        cases += [(t, dif) for dif in edges if 0 <= dif < 1 << R]
    check(table, cases, name)
