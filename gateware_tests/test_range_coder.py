"""RangeCoder: the steps that golden arithmetic takes, one per cycle."""

import itertools
import random

import pytest
from drivers import Bench
from models import follow_boundary, random_config, random_table, steps, used_rows

from apack_hdl.range_coder import RangeCoder
from golden.config import CodecConfig
from golden.reference import narrow
from golden.table import SymbolTable


def intervals(rng, table, rows):
    """A block's intervals. Where a block ends the lookup leaves anything in the other fields."""
    result = [{"c_low": table.cumulative[row], "count": table.counts[row], "finish": 0} for row in rows]
    return [*result, {"c_low": rng.getrandbits(1), "count": rng.getrandbits(1), "finish": 1}]


def with_error(rng, given, want):
    """The same with a value in between that has no code: its step changes nothing, the last one tells."""
    place = rng.randrange(len(given))
    nothing = {"c_low": rng.getrandbits(1), "count": 0, "finish": 0}
    return [*given[:place], nothing, *given[place:]], [*want[:place], (0, 0), *want[place:]]


def that_matters(steps):
    """``error`` is looked at where a block ends only."""
    return [{k: v for k, v in step.items() if k != "error" or step["finish"]} for step in steps]


def check(config, seed, busy, blocks=5, count=40):
    rng = random.Random(f"{seed} blocks")
    table, inputs, want = random_table(rng, config), [], []
    for _ in range(blocks):
        rows = rng.choices(used_rows(table), k=rng.choice([1, 2, 7, count]))
        if rng.random() < 0.5:
            rows = follow_boundary(table, rng.getrandbits(4), 4, len(rows))
        given, taken = intervals(rng, table, rows), steps(table, rows)
        error = rng.random() < 0.3
        if error:
            given, taken = with_error(rng, given, taken)
        inputs += given
        want += [{"a": a, "d": d, "finish": 0} for a, d in taken]
        want[-1] |= {"finish": 1, "error": int(error)}
    run = Bench(RangeCoder(config)).run({"i": inputs}, {"o": len(want)}, seed=seed, busy=busy)
    assert that_matters(run.out["o"]) == want, table
    return run


@pytest.mark.parametrize("seed", range(30))
def test_random(seed):
    rng = random.Random(seed)
    busy = {"i": rng.choice([1.0, 0.6, 0.2]), "o": rng.choice([1.0, 0.6, 0.2])}
    check(random_config(rng, wide=True), seed, busy)


CORNERS = [
    CodecConfig(2, 2, 1, 2, 8),
    CodecConfig(2, 3, 15, 16, 8),
    CodecConfig(2, 3, 15, 2, 8),
    CodecConfig(2, 3, 2, 16, 8),
    CodecConfig(2, 9, 4, 3, 8),
]


@pytest.mark.parametrize("config", CORNERS, ids=str)
def test_corners(config):
    for seed in range(6):
        check(config, seed, 1.0)


def test_every_count():
    """Each count from each interval size: where the product's top bit falls, and what is given up."""
    config, inputs, want = CodecConfig(2, 2, 4, 3, 8), [], []
    for counts in itertools.product(range(1, 17), repeat=2):
        t = 7
        for count in (*counts, 1):
            a, d, t_next = narrow(SymbolTable(config, (0, 1), (16 - count, count)), t, 1)
            inputs.append({"c_low": 16 - count, "count": count, "finish": 0})
            want.append({"a": a, "d": d, "finish": 0})
            t = t_next
        inputs.append({"c_low": 0, "count": 0, "finish": 1})
        want.append({"a": 63, "d": 1, "finish": 1, "error": 0})
    run = Bench(RangeCoder(config)).run({"i": inputs}, {"o": len(want)}, seed=0)
    assert that_matters(run.out["o"]) == want


def test_latency_and_rate():
    run = check(CodecConfig(2, 4, 8, 6, 64), 1, 1.0)
    assert run.times["i"] == list(range(len(run.times["i"])))
    assert run.times["o"] == [cycle + 2 for cycle in run.times["i"]]
