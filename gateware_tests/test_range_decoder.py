"""RangeDecoder: rows and verdict of any symbol stream; what a block costs."""

import random

import pytest
from drivers import Bench, Reported
from models import (
    code_bytes,
    decode_rows,
    digits,
    follow_boundary,
    hardware_rows,
    missing_rows,
    random_config,
    random_table,
    steps,
    used_rows,
)

from apack_hdl.range_decoder import RangeDecoder
from golden.config import CodecConfig
from golden.table import SymbolTable


def check(table, blocks, seed, busy=1.0, promised=None):
    """``blocks``: (number of rows, symbol stream) pairs."""
    missing, rows, reports = missing_rows(table), [], []
    for count, data in blocks:
        decoded, D = decode_rows(table, data, count)
        rows += [{"row": row + missing, "last": int(i == count - 1)} for i, row in enumerate(decoded)]
        reports.append({"short": int(len(data) < D // 8 + 1), "long": int(len(data) > D // 8 + 1)})
    inputs = {
        "blocks": [{"count_m1": count - 1} for count, _ in blocks],
        "digits": sum((digits(data) for _, data in blocks), []),
    }
    bench = Bench(Reported(RangeDecoder(table.config)), {"rows": hardware_rows(table)})
    run = bench.run(inputs, {"symbols": len(rows), "report": len(reports)}, seed=seed, busy=busy)
    assert run.out["symbols"] == rows, table
    assert run.out["report"] == reports, table
    return run


def random_rows(rng, table, count):
    head = follow_boundary(table, rng.getrandbits(4), 4, rng.randint(0, count)) if rng.random() < 0.3 else []
    return head + rng.choices(used_rows(table), k=count - len(head))


@pytest.mark.parametrize("seed", range(25))
def test_right_streams(seed):
    rng = random.Random(seed)
    config = random_config(rng)
    table, blocks = random_table(rng, config), []
    for _ in range(6):
        rows = random_rows(rng, table, min(config.block, rng.choice([1, 2, 9, config.block])))
        data = code_bytes(config, steps(table, rows))
        assert decode_rows(table, data, len(rows))[0] == rows
        blocks.append((len(rows), data))
    busy = {name: rng.choice([1.0, 0.6, 0.2]) for name in ("blocks", "digits", "symbols", "report")}
    run = check(table, blocks, seed, busy)
    assert not any(r["short"] or r["long"] for r in run.out["report"])


@pytest.mark.parametrize("seed", range(25))
def test_any_streams(seed):
    """Cut, lengthened, empty, random, all ones: as many rows as promised, a verdict, and the next block is right."""
    rng = random.Random(seed)
    config = random_config(rng)
    table, blocks = random_table(rng, config), []
    for _ in range(8):
        rows = random_rows(rng, table, rng.randint(1, config.block))
        data = code_bytes(config, steps(table, rows))
        any_length = rng.randrange(2 * len(data) + 3)
        data = rng.choice([
            data,
            data[: rng.randrange(len(data))],
            data[:-1],
            data + rng.randbytes(rng.choice([1, 2, 3, 12])),
            b"",
            rng.randbytes(any_length),
            b"\xff" * any_length,
        ])
        blocks.append((len(rows), data))
    busy = {name: rng.choice([1.0, 0.6, 0.2]) for name in ("blocks", "digits", "symbols", "report")}
    check(table, blocks, seed, busy)


CORNERS = [
    CodecConfig(2, 2, 1, 2, 40),
    CodecConfig(2, 3, 15, 16, 40),
    CodecConfig(2, 3, 15, 2, 40),
    CodecConfig(2, 3, 2, 2, 40),
    CodecConfig(2, 4, 7, 4, 40),
    CodecConfig(2, 4, 7, 4, 40),
]


@pytest.mark.parametrize("config", CORNERS, ids=str)
def test_every_length_of_the_code(config):
    """Blocks of one value more each: the code ends at every place within a byte and a digit."""
    for style in ("random", "skewed", "certain"):
        rng = random.Random(f"{config} {style}")
        table, blocks = random_table(rng, config, style=style), []
        for count in range(1, 41):
            rows = random_rows(rng, table, count)
            blocks.append((count, code_bytes(config, steps(table, rows))))
        run = check(table, blocks, 0)
        assert not any(r["short"] or r["long"] for r in run.out["report"])


def test_block_of_one():
    """A configuration for blocks of one value, whose count field can only say so."""
    table = SymbolTable(CodecConfig(2, 2, 1, 2, 1), (0, 2), (1, 1))
    blocks = [(1, code_bytes(table.config, steps(table, [row]))) for row in (0, 1, 1, 0)]
    check(table, blocks, 0)


def test_rate():
    """One row per cycle for 15 bits each; 4 cycles a block besides."""
    table = SymbolTable(CodecConfig(2, 2, 15, 16, 64), (0, 1), (1, (1 << 15) - 1))
    data = code_bytes(table.config, steps(table, [0] * 40))
    run = check(table, [(40, data)] * 3, 0)
    times = run.times["symbols"]
    for k in range(3):
        assert times[40 * k : 40 * k + 40] == list(range(times[40 * k], times[40 * k] + 40))
    assert [b - a for a, b in zip(run.times["report"], run.times["report"][1:], strict=False)] == [44, 44]
