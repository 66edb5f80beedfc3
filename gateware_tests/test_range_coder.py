"""RangeCoder: the steps that golden arithmetic takes, one per cycle."""

import random

import pytest
from drivers import Bench
from models import follow_boundary, random_config, random_table, steps, used_rows

from apack_hdl.range_coder import RangeCoder
from golden.config import CodecConfig


def intervals(table, rows, error):
    """A block's intervals; ``error`` from the middle of the block on."""
    half, c = len(rows) // 2, table.cumulative
    result = [
        {"c_low": c[row], "c_high": c[row + 1], "finish": 0, "error": int(error and k >= half)}
        for k, row in enumerate(rows)
    ]
    return [*result, {"c_low": c[-2], "c_high": c[-1], "finish": 1, "error": int(error)}]


def check(config, seed, busy, blocks=5, count=40):
    rng = random.Random(f"{seed} blocks")
    table, inputs, want = random_table(rng, config), [], []
    for _ in range(blocks):
        rows = rng.choices(used_rows(table), k=rng.choice([1, 2, 7, count]))
        if rng.random() < 0.5:
            rows = follow_boundary(table, rng.getrandbits(4), 4, len(rows))
        given = intervals(table, rows, rng.random() < 0.3)
        inputs += given
        for i, (a, d) in zip(given, steps(table, rows), strict=True):
            want.append({"a": a, "d": d, "finish": i["finish"], "error": i["error"]})
    run = Bench(RangeCoder(config)).run({"i": inputs}, {"o": len(want)}, seed=seed, busy=busy)
    assert run.out["o"] == want, table
    return run


@pytest.mark.parametrize("seed", range(30))
def test_random(seed):
    rng = random.Random(seed)
    busy = {"i": rng.choice([1.0, 0.6, 0.2]), "o": rng.choice([1.0, 0.6, 0.2])}
    check(random_config(rng, wide=True), seed, busy)


CORNERS = [
    CodecConfig(2, 2, 1, 2, 2, 8),
    CodecConfig(2, 3, 15, 24, 16, 8),
    CodecConfig(2, 3, 15, 16, 16, 8),
    CodecConfig(2, 3, 2, 24, 2, 8),  # s < 0
    CodecConfig(2, 3, 15, 16, 2, 8),
]


@pytest.mark.parametrize("config", CORNERS, ids=str)
def test_corners(config):
    for seed in range(6):
        check(config, seed, 1.0)


def test_latency_and_rate():
    run = check(CodecConfig(2, 4, 8, 12, 6, 64), 1, 1.0)
    assert run.times["i"] == list(range(len(run.times["i"])))
    assert run.times["o"] == [cycle + 1 for cycle in run.times["i"]]
