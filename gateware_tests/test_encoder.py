"""The encoder: bit for bit the golden streams, whatever stalls, reloads, resets, carries and values come."""

import random

import pytest
from drivers import Bench, PathFinder, reload_gates
from models import (
    bytes_of,
    carry_runs,
    coded,
    count_words,
    long_run,
    random_block,
    random_config,
    random_table,
    steps,
    transfers,
    value_in,
)

from apack_hdl.encoder import Encoder
from apack_hdl.layouts import WORD_BITS
from apack_hdl.table import load_rows
from golden.config import CodecConfig
from golden.table import SymbolTable

PORTS = ("values", "symbols", "offsets")
# Values of the first row take 15 bits of both streams, so that hardly a cycle passes without a digit.
DEAR = SymbolTable(CodecConfig(16, 2, 15, 16, 40), (0, 1 << 15), (1, (1 << 15) - 1))


def check(config, tables, *, word=32, seed=0, busy=1.0, bench=None, **options):
    """``tables``: (table, blocks) pairs. A table is offered while the last block before it is under way."""
    bench = bench or Bench(Encoder(config, word=word))
    blocks = sum((blocks for _, blocks in tables), [])
    want = [coded(table, block) for table, blocks in tables for block in blocks]
    firsts, earliest = [0], [0]  # values before each table; and before it may be offered
    for _, own in tables[:-1]:
        firsts.append(firsts[-1] + sum(map(len, own)))
        earliest.append(firsts[-1] - (len(own[-1]) > 1))
    busy = {name: busy.get(name, 1.0) if isinstance(busy, dict) else busy for name in PORTS}
    busy |= reload_gates(bench, "values", config.rows, firsts, earliest, busy["values"], seed)
    inputs = {"load": sum((load_rows(table) for table, _ in tables), []), "values": transfers(blocks)}
    outputs = {
        "symbols": sum(count_words(symbols, word) for symbols, _, _ in want),
        "offsets": sum(count_words(offsets, word) for _, offsets, _ in want),
    }
    run = bench.run(inputs, outputs, seed=seed, busy=busy, **options)
    assert bytes_of(run.out["symbols"], word) == [(symbols, error) for symbols, _, error in want], (seed, tables)
    assert bytes_of(run.out["offsets"], word) == [(offsets, 0) for _, offsets, _ in want], (seed, tables)
    return run


def random_blocks(rng, table, most=6):
    """Blocks of one value, of as many as there may be, and between."""
    block = table.config.block
    sizes = [rng.choice([1, 1, min(2, block), block, rng.randint(1, block)]) for _ in range(rng.randint(1, most))]
    return [random_block(rng, table, n) for n in sizes]


def random_busy(rng):
    return {name: rng.choice([1.0, 1.0, 0.6, 0.2]) for name in PORTS}


@pytest.mark.parametrize("seed", range(40))
def test_random(seed):
    """Random configurations; tables are replaced on the way, offered while a block is under way."""
    rng = random.Random(seed)
    config = random_config(rng, wide=seed % 4 == 0)
    tables = [random_table(rng, config) for _ in range(rng.randint(1, 3))]
    tables = [(table, random_blocks(rng, table)) for table in tables]
    check(config, tables, word=rng.choice(WORD_BITS), seed=seed, busy=random_busy(rng))


CORNERS = [
    CodecConfig(2, 2, 1, 2, 1),
    CodecConfig(2, 2, 1, 2, 40),
    CodecConfig(16, 3, 15, 16, 40),
    CodecConfig(16, 5, 15, 16, 40),
    CodecConfig(3, 16, 4, 2, 40),  # more rows than values
    CodecConfig(16, 64, 6, 2, 40),
]


@pytest.mark.parametrize("config", CORNERS, ids=str)
@pytest.mark.parametrize("style", ["even", "skewed", "certain"])
def test_corners(config, style):
    rng = random.Random(f"{config} {style}")
    tables = [random_table(rng, config, style=style) for _ in range(2)]
    check(config, [(table, random_blocks(rng, table)) for table in tables], word=16)


CERTAIN = [((0,), (16,)), ((0, 1), (16, 0)), ((0, 1, 2), (0, 16, 0)), ((0, 15), (0, 16))]


@pytest.mark.parametrize("v_min,counts", CERTAIN)
def test_certain_row(v_min, counts):
    """One row has all counts, so symbols take no bits; where it has one value, offsets take none either."""
    table = SymbolTable(CodecConfig(4, 3, 4, 4, 40), v_min, counts)
    rng, row = random.Random(0), counts.index(16)
    blocks = [[value_in(rng, table, row) for _ in range(n)] for n in (1, 40, 2, 17)]
    run = check(table.config, [(table, blocks)])
    assert [word["bytes"] for word in run.out["symbols"]] == [1] * 4
    if table.sizes[row] == 1:
        assert [word["bytes"] for word in run.out["offsets"]] == [0] * 4


@pytest.mark.parametrize("length", [1, 2, 5, 20, 45])
@pytest.mark.parametrize("carry", [0, 1])
def test_long_carry_run(length, carry):
    """Values whose code becomes a run of all-ones digits, before a carry comes or fails to come."""
    rng = random.Random(length)
    config = CodecConfig(4, 4, 6, 14, 120 + 20 * length)
    table, rows = long_run(config, rng, length, carry)
    assert any(n >= length and c == carry for n, c in carry_runs(config, steps(table, rows)))
    blocks = [[value_in(rng, table, row) for row in rows], [table.v_min[rows[0]]]]
    check(config, [(table, blocks)], word=16, busy=0.7)


HOLES = [(0, 20, 0, 12, 0), (7, 0, 0, 25), (0, 0, 32), (5, 0, 9, 18, 0), (32, 0)]


@pytest.mark.parametrize("seed", range(10))
def test_uncodable(seed):
    """`error` for blocks with a value that has no code, and for no others; everything else as usual."""
    rng = random.Random(seed)
    counts = HOLES[seed % len(HOLES)]
    v_min = (0, *sorted(rng.sample(range(1, 16), len(counts) - 1)))
    config = CodecConfig(4, 5, 5, 5, 20)
    table = SymbolTable(config, v_min, counts)
    bad = [v for v in range(16) if not table.counts[table.row_of_value[v]]]
    blocks = []
    for _ in range(12):
        block = random_block(rng, table, rng.choice([1, 2, 20]))
        if rng.random() < 0.5:
            block[rng.choice([0, -1, rng.randrange(len(block))])] = rng.choice(bad)
        blocks.append(block)
    run = check(config, [(table, blocks + [[bad[0]], [bad[0]] * 20])], seed=seed, busy=random_busy(rng))
    assert any(word["error"] for word in run.out["symbols"])


@pytest.mark.parametrize("late,now", [("symbols", "offsets"), ("offsets", "symbols")])
def test_one_output_stalls(late, now):
    """While one output is not taken the other goes on a little, then waits; nothing is lost, whichever it is."""
    table = DEAR
    blocks = [[k * 777 % (1 << 15) for k in range(40)]]
    free = check(table.config, [(table, blocks)], word=16)
    run = check(table.config, [(table, blocks)], word=16, busy={late: lambda cycle: cycle >= 200})
    assert run.offers[late][0] == free.offers[late][0], "valid waits for ready"
    assert run.times[late][0] == 200
    early = [t for t in run.times[now] if t < 200]
    assert 1 <= len(early) < 12 and early[-1] < 30
    assert sum(t < 200 for t in run.times["values"]) < 12


def test_nothing_is_taken():
    """Both outputs make their first offer though nobody is ready."""
    table = SymbolTable(CodecConfig(4, 4, 4, 4, 8), (0, 4, 8, 12), (4, 4, 4, 4))
    free = check(table.config, [(table, [[1, 2], [3]])])
    wait = {"symbols": lambda now: now > 200, "offsets": lambda now: now > 200}
    run = check(table.config, [(table, [[1, 2], [3]])], busy=wait)
    for name in ("symbols", "offsets"):
        assert run.offers[name][0] == free.offers[name][0] < 30
        assert run.times[name][0] == 201


def run_at_full_rate(table, blocks, word):
    """A run without stalls: all values follow each other, with a gap of one cycle behind each block."""
    run = check(table.config, [(table, blocks)], word=word)
    expected, now = [], run.times["values"][0]
    for block in blocks:
        expected += range(now, now + len(block))
        now += len(block) + 1
    assert run.times["values"] == expected
    return run


@pytest.mark.parametrize("word", WORD_BITS)
def test_rate_and_latency(word):
    """One cycle per value and one per block at the most bits there can be: 15 of the symbol, 16 of the offset."""
    for table in (DEAR, SymbolTable(DEAR.config, (0,), (1 << 15,))):
        blocks = [[k * 777 % (1 << 15) for k in range(n)] for n in (1, 40, 1, 1, 2, 3, 17, 40, 5, 1)]
        run = run_at_full_rate(table, blocks, word)
        last = [run.times["values"][sum(map(len, blocks[: k + 1])) - 1] for k in range(len(blocks))]
        for name, latency in (("symbols", 9), ("offsets", 6)):
            ends = [t for t, w in zip(run.times[name], run.out[name], strict=True) if w["last"]]
            assert ends == [t + latency for t in last], name


@pytest.mark.parametrize("seed", range(8))
def test_rate(seed):
    """The same for any table, where no carry run comes in between."""
    rng = random.Random(seed)
    config = random_config(rng)
    table = random_table(rng, config, style="skewed" if seed % 2 else "")
    blocks = [random_block(rng, table, rng.choice([1, config.block, rng.randint(1, config.block)])) for _ in range(12)]
    rows = [[int(table.row_of_value[v]) for v in block] for block in blocks]
    blocks = [block for block, own in zip(blocks, rows, strict=True) if not carry_runs(config, steps(table, own))]
    run_at_full_rate(table, blocks, rng.choice(WORD_BITS))


def test_rate_of_a_long_block():
    """The default configuration at its usual block: sustained rate above .98 values per cycle."""
    config = CodecConfig(block=3000)
    rng = random.Random(1)
    table = random_table(rng, config, style="random")
    blocks = [random_block(rng, table, 3000)]
    run = check(config, [(table, blocks)])
    assert 3000 / (run.times["values"][-1] - run.times["values"][0] + 1) > 0.98


@pytest.mark.parametrize("seed", range(12))
def test_reset(seed):
    """Reset at any moment, in whatever state: then a table and clean blocks, as if nothing had been."""
    rng = random.Random(seed)
    config = random_config(rng, block=30)
    bench = Bench(Encoder(config, word=32))
    for again in range(4):
        old, new = random_table(rng, config), random_table(rng, config)
        any_values = [rng.choices(range(config.values), k=rng.choice([1, 30])) for _ in range(4)]  # without a code, too
        first = {"load": load_rows(old), "values": transfers(any_values)}
        if again == 0:
            first["load"] *= 2  # reset can come in the middle of the second one
        interrupted = (first, random_busy(rng) | {"values": lambda now: now > config.rows}, rng.randrange(2, 60))
        check(config, [(new, random_blocks(rng, new, 3))], seed=again, bench=bench, interrupted=interrupted)


def test_combinational_paths():
    """Only `ready` depends on inputs: on the outputs' `ready`, and on a table being offered."""
    rng = random.Random(0)
    blocks = [[value_in(rng, DEAR, 0) for _ in range(n)] for n in (40, 1, 3, 20)]
    bench = Bench(Encoder(DEAR.config, word=16))
    finder = PathFinder(bench.dut, 0)
    busy = {"values": 0.9, "symbols": 0.4, "offsets": 0.4}
    check(DEAR.config, [(DEAR, blocks)] * 3, word=16, bench=bench, busy=busy, probe=finder)
    assert finder.paths == {
        ("symbols.ready", "values.ready"),
        ("offsets.ready", "values.ready"),
        ("load.valid", "values.ready"),
    }
