"""FlashSearch: the decoder's row search against the plain one."""

import random

import pytest
from drivers import simulate
from models import hardware_rows, missing_rows, random_config, random_table, search

from apack_hdl.search import FlashSearch
from golden import reference
from golden.config import CodecConfig


def check(table, cases):
    """``cases``: (range, dif) pairs; dif may be anything of R bits."""
    dut, missing = FlashSearch(table.config), missing_rows(table)

    async def testbench(ctx):
        ctx.set(dut.rows, hardware_rows(table))
        for rng, dif in cases:
            ctx.set(dut.rng, rng)
            ctx.set(dut.dif, dif)
            row, a, b = search(table, rng, dif)
            got = ctx.get(dut.row), ctx.get(dut.a), ctx.get(dut.size)
            assert got == (row + missing, a, b - a), (rng, dif, table)
            assert a <= dif < b or dif >= rng

    simulate(dut, testbench, clocked=False)


CORNERS = [
    CodecConfig(3, 5, 3, 5, 5, 8),
    CodecConfig(3, 5, 4, 5, 2, 8),
    CodecConfig(3, 2, 1, 6, 2, 8),  # s < 0
    CodecConfig(4, 7, 5, 6, 3, 8),
]


@pytest.mark.parametrize("config", CORNERS, ids=str)
@pytest.mark.parametrize("style", ["even", "random", "skewed", "holes", "certain"])
def test_every_place(config, style):
    R = config.range_bits
    for seed in range(2):
        table = random_table(random.Random(seed), config, style=style)
        check(table, [(rng, dif) for rng in range(1 << R - 1, 1 << R) for dif in range(1 << R)])


@pytest.mark.parametrize("seed", range(20))
def test_edges(seed):
    """Both sides of every bound."""
    rng = random.Random(seed)
    config = random_config(rng, wide=True)
    table, R = random_table(rng, config), config.range_bits
    cases = []
    for size in [1 << R - 1, (1 << R) - 1, *(rng.randrange(1 << R - 1, 1 << R) for _ in range(4))]:
        bounds = {0, size - 1, (1 << R) - 1}
        for row in range(len(table.v_min)):
            a, b = reference.bounds(table, size, row)
            bounds |= {a, a - 1, b, b - 1}
        cases += [(size, dif) for dif in bounds if 0 <= dif < 1 << R]
    check(table, cases)
