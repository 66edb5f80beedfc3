"""Streams dealt out, gathered and copied: nothing lost, each block where it belongs, a transfer per cycle."""

import random

import pytest
from amaranth.lib import data
from drivers import Bench

from apack_hdl.memory_side.parts.dealing import RADIX, Fork, Gather, Spread, groups
from apack_hdl.memory_side.parts.spare import Spare

LAYOUT = data.StructLayout({"number": 8, "last": 1})
SHARES = [[1, 1], [2, 1, 3], [1]]


def transfers(rng, count):
    return [{"number": k, "last": int(rng.random() < 0.4)} for k in range(count)]


def dealt(items, shares, end):
    """The items of each part: blocks in turn."""
    parts, turns = [[] for _ in shares], [k for k, share in enumerate(shares) for _ in range(share)]
    block = 0
    for item in items:
        parts[turns[block % len(turns)]].append(item)
        block += item["last"] if end else 1
    return parts


def check(dut, inputs, wanted):
    """Runs with stalls, and one without, which is returned."""
    bench, counts = Bench(dut), {name: len(items) for name, items in wanted.items()}
    rng = random.Random(str(wanted))
    for seed in range(4):
        busy = {name: rng.choice([1.0, 0.5, 0.2]) for name in (*inputs, *wanted)} if seed else 1.0
        run = bench.run(inputs, counts, seed=seed, busy=busy)
        assert run.out == wanted, seed
        if not seed:
            fast = run
    return fast


@pytest.mark.parametrize("shares", SHARES, ids=str)
@pytest.mark.parametrize("end", ["last", None])
def test_spread_and_gather(shares, end):
    items = transfers(random.Random(str(shares)), 30)
    parts = dealt(items, shares, end)
    outer = {f"o_{k}": part for k, part in enumerate(parts)}
    run = check(Spread(LAYOUT, shares, end), {"i": items}, outer)
    assert run.times["i"] == list(range(30))
    run = check(Gather(LAYOUT, shares, end), {f"i_{k}": part for k, part in enumerate(parts)}, {"o": items})
    assert run.times["o"] == list(range(1, 31))


def test_fork_and_spare():
    items = transfers(random.Random(1), 30)
    run = check(Fork(LAYOUT, 3), {"i": items}, {f"o_{k}": items for k in range(3)})
    assert run.times["i"] == list(range(30))
    run = check(Spare(LAYOUT), {"i": items}, {"o": items})
    assert run.times["o"] == list(range(1, 31))


def test_groups():
    """No node has more branches than it can, and the levels are no more than needed."""
    for count in range(2, 65):
        parts = groups(list(range(count)))
        assert sum(parts, []) == list(range(count))
        assert len(parts) <= RADIX and all(0 < len(part) <= RADIX for part in parts)
        assert len(parts) > 1
