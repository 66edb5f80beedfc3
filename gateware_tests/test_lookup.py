"""RowLookup: every value becomes its row's interval and its offset; every block ends with one transfer more."""

import random

import pytest
from drivers import Bench, simulate
from models import hardware_rows, random_config, random_table, transfers

from apack_hdl.lookup import RowLookup
from golden.config import CodecConfig
from golden.table import SymbolTable


def expected(table, blocks):
    """The two output streams, `finish` transfers included. Uncodable values have no counts."""
    intervals, offsets = [], []
    for block in blocks:
        for v in block:
            row = int(table.row_of_value[v])
            c_low = table.cumulative[row] % table.config.total  # 2**P where the row has no counts: P bits do
            intervals.append({"c_low": c_low, "count": table.counts[row], "finish": 0})
            offsets.append({"data": v - table.v_min[row], "below": table.sizes[row] - 1, "finish": 0})
        intervals.append({"finish": 1})
        offsets.append({"finish": 1})
    return intervals, offsets


def that_matters(payloads):
    """Of a `finish` transfer nothing but the flag matters."""
    return [{k: v for k, v in p.items() if not p["finish"] or k == "finish"} for p in payloads]


@pytest.mark.parametrize("seed", range(30))
def test_random(seed):
    rng = random.Random(seed)
    config = random_config(rng, wide=True)
    table = random_table(rng, config)
    blocks = [rng.choices(range(config.values), k=rng.choice([1, 1, 2, 5, 20])) for _ in range(6)]
    intervals, offsets = expected(table, blocks)
    busy = {name: rng.choice([1.0, 0.7, 0.2]) for name in ("values", "intervals", "offsets")}
    bench = Bench(RowLookup(config), {"tables": [hardware_rows(table)]})
    outputs = {"intervals": len(intervals), "offsets": len(offsets)}
    run = bench.run({"values": transfers(blocks)}, outputs, seed=seed, busy=busy)
    assert that_matters(run.out["intervals"]) == intervals, table
    assert that_matters(run.out["offsets"]) == offsets, table


@pytest.mark.parametrize("config", [CodecConfig(3, 8, 5, 4, 8), CodecConfig(6, 11, 5, 4, 8)], ids=str)
def test_every_value(config):
    for seed in range(4):
        table = random_table(random.Random(seed), config)
        blocks = [[v] for v in range(config.values)]
        intervals, offsets = expected(table, blocks)
        bench = Bench(RowLookup(config), {"tables": [hardware_rows(table)]})
        outputs = {"intervals": len(intervals), "offsets": len(offsets)}
        run = bench.run({"values": transfers(blocks)}, outputs, seed=seed)
        assert that_matters(run.out["intervals"]) == intervals, table
        assert that_matters(run.out["offsets"]) == offsets, table


def test_one_cycle_more_than_values():
    config = CodecConfig(4, 4, 4, 4, 64)
    table = SymbolTable(config, (0, 3, 4, 9), (4, 4, 4, 4))
    blocks = [[5] * n for n in (1, 1, 7, 1, 30)]
    count = sum(map(len, blocks)) + len(blocks)
    bench = Bench(RowLookup(config), {"tables": [hardware_rows(table)]})
    run = bench.run({"values": transfers(blocks)}, {"intervals": count, "offsets": count}, seed=0)
    assert run.times["intervals"] == run.times["offsets"] == list(range(2, count + 2))


def test_hold_stops_the_next_block_only():
    config = CodecConfig(4, 4, 4, 4, 64)
    table = SymbolTable(config, (0, 3, 4, 9), (4, 4, 4, 4))
    dut = RowLookup(config)

    async def testbench(ctx):
        async def give(last):
            ctx.set(dut.values.payload, {"data": 5, "last": last})
            ctx.set(dut.values.valid, 1)
            taken = ctx.get(dut.values.ready)
            await ctx.tick()
            return taken

        ctx.set(dut.tables, [hardware_rows(table)])
        ctx.set(dut.intervals.ready, 1)
        ctx.set(dut.offsets.ready, 1)
        ctx.set(dut.hold, 1)
        for _ in range(5):
            assert not await give(0) and not ctx.get(dut.busy)
        ctx.set(dut.hold, 0)
        assert await give(0) and ctx.get(dut.busy)
        ctx.set(dut.hold, 1)
        for _ in range(3):
            assert await give(0) and ctx.get(dut.busy)
        for _ in range(2):
            assert await give(1)
            ctx.set(dut.hold, 1)
            for wait in range(6):
                # The last value and `finish` are still looked up; then the table is free.
                assert ctx.get(dut.busy) == (wait < 2)
                assert not await give(1)
            ctx.set(dut.hold, 0)  # for a block of one value
            assert ctx.get(dut.values.ready)

    simulate(dut, testbench)
