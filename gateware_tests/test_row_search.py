"""FlashSearch: the decoder's row search against the plain one."""

import random

import pytest
from drivers import simulate
from models import hardware_rows, missing_rows, random_config, random_table

from apack_hdl.search import FlashSearch
from golden import reference
from golden.config import CodecConfig


def check(table, cases):
    """``cases``: (t, dif) pairs; dif may be anything of R bits."""
    dut, missing = FlashSearch(table.config), missing_rows(table)

    async def testbench(ctx):
        ctx.set(dut.rows, hardware_rows(table))
        for t, dif in cases:
            ctx.set(dut.t, t)
            ctx.set(dut.dif, dif)
            row = reference.find_row(table, t, dif)
            want = row + missing, t * table.cumulative[row], t * table.counts[row]
            assert (ctx.get(dut.row), ctx.get(dut.a), ctx.get(dut.size)) == want, (t, dif, table)

    simulate(dut, testbench, clocked=False)


CORNERS = [
    CodecConfig(3, 5, 3, 2, 8),
    CodecConfig(3, 5, 4, 3, 8),
    CodecConfig(3, 2, 1, 6, 8),
    CodecConfig(4, 7, 5, 2, 8),
]


@pytest.mark.parametrize("config", CORNERS, ids=str)
@pytest.mark.parametrize("style", ["even", "random", "skewed", "holes", "certain"])
def test_every_place(config, style):
    """All sizes of the interval and all places, those beyond its end too."""
    M, R = config.mult_bits, config.range_bits
    for seed in range(2):
        table = random_table(random.Random(seed), config, style=style)
        check(table, [(t, dif) for t in range(1 << M - 1, 1 << M) for dif in range(1 << R)])


@pytest.mark.parametrize("seed", range(20))
def test_edges(seed):
    """Both sides of every beginning and end."""
    rng = random.Random(seed)
    config = random_config(rng, wide=True)
    table, M, R = random_table(rng, config), config.mult_bits, config.range_bits
    cases = []
    for t in [1 << M - 1, (1 << M) - 1, *(rng.randrange(1 << M - 1, 1 << M) for _ in range(4))]:
        edges = {t * c + side for c in table.cumulative for side in (-1, 0)} | {0, (1 << R) - 1}
        cases += [(t, dif) for dif in edges if 0 <= dif < 1 << R]
    check(table, cases)
