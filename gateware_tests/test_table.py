"""RowTable: what it holds after loading is what the golden table says."""

import random

import pytest
from amaranth import ResetInserter, Signal
from drivers import simulate
from models import padded_rows, random_config, random_table

from apack_hdl.layouts import check_banks
from apack_hdl.table import RowTable, load_rows
from golden.config import CodecConfig
from golden.table import SymbolTable


def held(ctx, table):
    """The rows as (v_min, c)."""
    return [tuple(ctx.get(row[f]) for f in ("v_min", "c")) for row in table]


async def load(ctx, dut, rows, rng, allowed, *, first=True):
    """Offer ``rows``; ``allowed(k)`` cycles pass before row k may be taken. Nothing else may be taken.

    ``first``: no table has been loaded since reset, so that no block may begin even between tables.
    """
    for k, row in enumerate(rows):
        for _ in range(rng.choice([0, 0, 1, 3])):
            await ctx.tick()
            assert ctx.get(dut.loading) == (first or k > 0), "nothing is offered, but rows may be missing"
        ctx.set(dut.load.payload, row)
        ctx.set(dut.load.valid, 1)
        for _ in range(allowed(k)):
            ctx.set(dut.busy, 1)
            assert ctx.get(dut.loading) and not ctx.get(dut.load.ready)
            await ctx.tick()
        ctx.set(dut.busy, 0)
        assert ctx.get(dut.loading) and ctx.get(dut.load.ready)
        await ctx.tick()
        ctx.set(dut.load.valid, 0)


CORNERS = [
    CodecConfig(2, 2, 1, 2, 1),
    CodecConfig(16, 64, 15, 16, 8),
    CodecConfig(15, 63, 6, 2, 8),
    CodecConfig(3, 16, 4, 2, 8),  # more rows than values
]


@pytest.mark.parametrize("seed", range(24))
def test_load(seed):
    rng = random.Random(seed)
    config = CORNERS[seed] if seed < len(CORNERS) else random_config(rng, wide=True)
    dut = RowTable(config)

    async def testbench(ctx):
        for n in range(4):  # a table replaces the one before, be it longer or shorter
            table = random_table(rng, config)
            await load(ctx, dut, load_rows(table), rng, lambda k: 3 if k == 0 else 0, first=n == 0)
            assert not ctx.get(dut.loading)
            want = padded_rows(table)
            assert held(ctx, dut.rows) == want, table
            for _ in range(3):
                await ctx.tick()
            assert held(ctx, dut.rows) == want, "the table must stay as it is"

    simulate(dut, testbench)


def test_one_row_per_cycle():
    config = CodecConfig(4, 7, 5, 4, 8)
    dut, table = RowTable(config), random_table(random.Random(1), config)

    async def testbench(ctx):
        ctx.set(dut.busy, 0)
        ctx.set(dut.load.valid, 1)
        for row in load_rows(table):
            ctx.set(dut.load.payload, row)
            assert ctx.get(dut.load.ready)
            await ctx.tick()
        ctx.set(dut.load.valid, 0)
        assert not ctx.get(dut.loading)
        assert held(ctx, dut.rows) == padded_rows(table)

    simulate(dut, testbench)


@pytest.mark.parametrize("before", range(1, 5))
def test_reset_while_loading(before):
    """Reset forgets the rows that came before it, and that there was a table: the next row is the first."""
    rng = random.Random(before)
    config = CodecConfig(4, 5, 5, 4, 8)
    dut, reset = RowTable(config), Signal()
    first, second = (random_table(rng, config, style="even") for _ in range(2))

    async def testbench(ctx):
        await load(ctx, dut, load_rows(first)[:before], rng, lambda k: 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        assert ctx.get(dut.loading), "no block may begin before a table is loaded"
        await load(ctx, dut, load_rows(second), rng, lambda k: 0)
        assert not ctx.get(dut.loading)
        assert held(ctx, dut.rows) == padded_rows(second)

    simulate(ResetInserter(reset)(dut), testbench)


def test_load_rows():
    config = CodecConfig(4, 4, 3, 4, 8)
    rows = load_rows(SymbolTable(config, (0, 3, 9), (5, 0, 3)))
    assert rows == [{"v_min": v, "count": c} for v, c in [(0, 0), (0, 5), (3, 0), (9, 3)]]
    assert len(load_rows(SymbolTable(config, (0,), (8,)))) == 4


@pytest.mark.parametrize("seed", range(8))
def test_two_banks(seed):
    """Each bank waits for its own blocks only, and what goes into one leaves the other as it is."""
    rng = random.Random(seed)
    config = random_config(rng)
    dut = RowTable(config, banks=2)
    want, loaded = [None, None], 0

    async def testbench(ctx):
        nonlocal loaded
        for bank in (1, 1, 0, 1, 0, 0):
            table, other = random_table(rng, config), 1 << 1 - bank
            for k, row in enumerate(load_rows(table)):
                for _ in range(rng.choice([0, 0, 2])):
                    ctx.set(dut.load.payload, {"bank": rng.getrandbits(1)})  # not offered
                    await ctx.tick()
                    assert ctx.get(dut.loading) == (k > 0) << bank | (~loaded & 3)
                # Behind the first row `bank` means nothing.
                ctx.set(dut.load.payload, row | {"bank": bank if k == 0 else rng.getrandbits(1)})
                ctx.set(dut.load.valid, 1)
                ctx.set(dut.busy, 3 if k == 0 else other)
                for _ in range(rng.randrange(3) if k == 0 else 0):
                    assert ctx.get(dut.loading) == 1 << bank | (~loaded & 3) and not ctx.get(dut.load.ready)
                    await ctx.tick()
                ctx.set(dut.busy, other if loaded & other and rng.random() < 0.8 else 0)
                assert ctx.get(dut.loading) == 1 << bank | (~loaded & 3) and ctx.get(dut.load.ready)
                await ctx.tick()
                ctx.set(dut.load.valid, 0)
            loaded |= 1 << bank
            want[bank] = padded_rows(table)
            assert ctx.get(dut.loading) == ~loaded & 3
            for rows, expected in zip(dut.rows, want, strict=True):
                assert expected is None or held(ctx, rows) == expected

    simulate(dut, testbench)


@pytest.mark.parametrize("banks,error", [(0, ValueError), (3, ValueError), (True, TypeError), (2.0, TypeError)])
def test_banks(banks, error):
    with pytest.raises(error, match=r"banks must be .*1\.\.2"):
        check_banks(banks)
