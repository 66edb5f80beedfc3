"""The decoder: the values and the verdict of any two streams, whatever stalls, reloads and resets come."""

import random

import pytest
from drivers import Bench, PathFinder, reload_gates
from models import decode_damaged, random_block, random_config, random_table, value_in, words

from apack_hdl.decoder import Decoder
from apack_hdl.layouts import WORD_BITS
from apack_hdl.table import load_rows
from golden import reference
from golden.config import CodecConfig
from golden.errors import FormatError
from golden.table import SymbolTable

PORTS = ("blocks", "symbols", "offsets", "values", "report")
NO_ERROR = {"symbols_short": 0, "symbols_long": 0, "offsets_short": 0, "offsets_long": 0}
# Values of the first row take 15 bits of both streams.
DEAR = SymbolTable(CodecConfig(16, 2, 15, 16, 40), (0, 1 << 15), (1, (1 << 15) - 1))


def inputs_of(tables, word, seed):
    """Everything that goes in. Behind a stream's end its last word holds anything."""
    orders = [order for _, orders in tables for order in orders]
    junk = random.Random(f"{seed} junk")
    return {
        "load": sum((load_rows(table) for table, _ in tables), []),
        "blocks": [{"count_m1": count - 1} for count, _, _ in orders],
        "symbols": sum((words(symbols, word, junk=junk, error=junk.getrandbits(1)) for _, symbols, _ in orders), []),
        "offsets": sum((words(offsets, word, junk=junk) for _, _, offsets in orders), []),
    }


def check(config, tables, *, word=32, seed=0, busy=1.0, bench=None, **options):
    """``tables``: (table, orders) pairs; an order is (count, symbol stream, offset stream).

    A table is offered while the last block before it is under way.
    """
    bench = bench or Bench(Decoder(config, word=word))
    values, reports, firsts = [], [], []
    for table, orders in tables:
        firsts.append(len(reports))
        for count, symbols, offsets in orders:
            decoded, report = decode_damaged(table, symbols, offsets, count)
            values += [{"data": v, "last": int(i == count - 1)} for i, v in enumerate(decoded)]
            reports.append(report)
    busy = {name: busy.get(name, 1.0) if isinstance(busy, dict) else busy for name in PORTS}
    busy |= reload_gates(bench, "blocks", config.rows, firsts, firsts, busy["blocks"], seed)
    outputs = {"values": len(values), "report": len(reports)}
    run = bench.run(inputs_of(tables, word, seed), outputs, seed=seed, busy=busy, **options)
    assert run.out["values"] == values, (seed, tables)
    assert run.out["report"] == reports, (seed, tables)
    return run


def encoded(table, blocks):
    """Orders for blocks of values, with the streams as they should be."""
    return [(len(block), *reference.encode_block(table, block)) for block in blocks]


def random_blocks(rng, table, most=6):
    """Blocks of one value, of as many as there may be, and between."""
    block = table.config.block
    sizes = [rng.choice([1, 1, min(2, block), block, rng.randint(1, block)]) for _ in range(rng.randint(1, most))]
    return [random_block(rng, table, n) for n in sizes]


def damaged(rng, table, orders):
    """Orders with streams cut, lengthened, emptied, of any bits or all ones, or for more or fewer values."""
    result = []
    for count, *streams in orders:
        for i, data in enumerate(streams):
            streams[i] = rng.choice([
                data,
                data,
                data[: rng.randrange(len(data) + 1)],
                data[:-1],
                data + rng.randbytes(rng.choice([1, 2, 3, 12])),
                b"",
                rng.randbytes(rng.randrange(2 * len(data) + 3)),
                b"\xff" * len(data),
            ])
        count += rng.choice([0, 0, -1, -5, 1, 9])
        result.append((min(max(1, count), table.config.block), *streams))
    return result


def random_busy(rng):
    return {name: rng.choice([1.0, 1.0, 0.6, 0.2]) for name in PORTS}


@pytest.mark.parametrize("seed", range(30))
def test_right_streams(seed):
    """Random configurations; tables are replaced on the way, offered while a block is under way."""
    rng = random.Random(seed)
    config = random_config(rng, wide=seed % 4 == 0)
    tables = [random_table(rng, config) for _ in range(rng.randint(1, 3))]
    blocks = [random_blocks(rng, table) for table in tables]
    tables = [(table, encoded(table, own)) for table, own in zip(tables, blocks, strict=True)]
    run = check(config, tables, word=rng.choice(WORD_BITS), seed=seed, busy=random_busy(rng))
    assert [v["data"] for v in run.out["values"]] == [v for own in blocks for block in own for v in block]
    assert run.out["report"] == [NO_ERROR] * len(run.out["report"])


@pytest.mark.parametrize("seed", range(30))
def test_damaged_streams(seed):
    """As many values as promised, the right verdict, and nothing of it reaches the next block."""
    rng = random.Random(f"{seed} damaged")
    config = random_config(rng)
    tables = [random_table(rng, config) for _ in range(2)]
    tables = [(table, damaged(rng, table, encoded(table, random_blocks(rng, table, 10)))) for table in tables]
    check(config, tables, word=rng.choice(WORD_BITS), seed=seed, busy=random_busy(rng))


@pytest.mark.parametrize("seed", range(40))
def test_model_of_damage_is_the_reference(seed):
    """Where the reference gives values the model gives the same and finds no fault; else it finds one."""
    rng = random.Random(seed)
    config = random_config(rng)
    table = random_table(rng, config)
    for count, symbols, offsets in damaged(rng, table, encoded(table, random_blocks(rng, table, 20))):
        values, report = decode_damaged(table, symbols, offsets, count)
        try:
            assert reference.decode_block(table, symbols, offsets, count) == values and report == NO_ERROR
        except FormatError as error:
            stream = str(error).split()[0]
            needed, there = (int(n) for n in str(error).split("need ")[1].replace(" bytes, there are", "").split())
            assert report[f"{stream}s_short"] == (there < needed) and report[f"{stream}s_long"] == (there > needed)


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
    check(config, [(table, encoded(table, random_blocks(rng, table))) for table in tables], word=16)


@pytest.mark.parametrize("v_min,counts", [((0,), (16,)), ((0, 1, 2), (0, 16, 0)), ((0, 15), (0, 16))])
def test_certain_row(v_min, counts):
    """Symbols of no bits, and offsets of no bits where the row has one value: the streams are there all the same."""
    table = SymbolTable(CodecConfig(4, 3, 4, 4, 40), v_min, counts)
    rng, row = random.Random(0), counts.index(16)
    orders = encoded(table, [[value_in(rng, table, row) for _ in range(n)] for n in (1, 40, 2, 17)])
    assert all(symbols == b"\0" for _, symbols, _ in orders)
    run = check(table.config, [(table, orders)], busy=0.7)
    assert run.out["report"] == [NO_ERROR] * 4


@pytest.mark.parametrize("late", ["symbols", "offsets"])
def test_one_stream_is_late(late):
    """Nothing goes wrong and no value is made up while one stream has not come; only a little of the other is read."""
    orders = encoded(DEAR, [[k * 777 % (1 << 15) for k in range(40)]] * 2)
    run = check(DEAR.config, [(DEAR, orders)], word=16, busy={late: lambda cycle: cycle >= 200})
    assert run.times["values"][0] > 200
    other = "offsets" if late == "symbols" else "symbols"
    assert sum(t < 200 for t in run.times[other]) <= 6


def test_nothing_is_taken():
    """Values and reports are offered though nobody is ready."""
    table = SymbolTable(CodecConfig(4, 4, 4, 4, 8), (0, 4, 8, 12), (4, 4, 4, 4))
    orders = encoded(table, [[1], [2, 3]])
    free = check(table.config, [(table, orders)])
    wait = {name: lambda now: now > 200 for name in ("values", "report")}
    run = check(table.config, [(table, orders)], busy=wait)
    for name in ("values", "report"):
        assert run.offers[name][0] == free.offers[name][0] < 30
        assert run.times[name][0] == 201
    assert [t for t in run.times["blocks"] if t < 200] == run.times["blocks"][:1], "a block began before the report"


def run_at_full_rate(table, blocks, word):
    """A run without stalls: a block's values follow each other, and it costs 6 cycles more than it has values."""
    run = check(table.config, [(table, encoded(table, blocks))], word=word)
    start = 0
    for block in blocks:
        times = run.times["values"][start : start + len(block)]
        assert times == list(range(times[0], times[0] + len(block)))
        start += len(block)
    costs = [b - a for a, b in zip(run.times["report"], run.times["report"][1:], strict=False)]
    assert costs == [len(block) + 6 for block in blocks[1:]]


@pytest.mark.parametrize("word", WORD_BITS)
@pytest.mark.parametrize("table", [DEAR, SymbolTable(DEAR.config, (0,), (1 << 15,))], ids=["15 + 15", "0 + 16 bits"])
def test_rate(word, table):
    """At the most bits there can be in each stream."""
    run_at_full_rate(table, [[k * 777 % (1 << 15) for k in range(n)] for n in (1, 40, 1, 1, 2, 3, 17, 40, 5, 1)], word)


@pytest.mark.parametrize("seed", range(8))
def test_rate_of_any_table(seed):
    rng = random.Random(seed)
    config = random_config(rng)
    table = random_table(rng, config, style="skewed" if seed % 2 else "")
    blocks = [random_block(rng, table, rng.choice([1, config.block, rng.randint(1, config.block)])) for _ in range(12)]
    run_at_full_rate(table, blocks, rng.choice(WORD_BITS))


def test_rate_of_a_long_block():
    """The default configuration at its usual block: sustained rate above .98 values per cycle."""
    rng = random.Random(1)
    table = random_table(rng, CodecConfig(block=2000), style="random")
    run = check(table.config, [(table, encoded(table, [random_block(rng, table, 2000) for _ in range(2)]))])
    assert 2000 / (run.times["report"][1] - run.times["report"][0]) > 0.98


@pytest.mark.parametrize("seed", range(12))
def test_reset(seed):
    """Reset at any moment, in whatever state: then a table and clean blocks, as if nothing had been."""
    rng = random.Random(seed)
    config = random_config(rng, block=30)
    bench = Bench(Decoder(config, word=32))
    for again in range(4):
        old, new = random_table(rng, config), random_table(rng, config)
        orders = damaged(rng, old, encoded(old, random_blocks(rng, old)))
        first = inputs_of([(old, orders)], 32, seed)
        if again == 0:
            first["load"] *= 2  # reset can come in the middle of the second one
        interrupted = (first, random_busy(rng) | {"blocks": lambda now: now > config.rows}, rng.randrange(2, 60))
        orders = encoded(new, random_blocks(rng, new, 3))
        check(config, [(new, orders)], seed=again, bench=bench, interrupted=interrupted)


def test_combinational_paths():
    """Only `ready` depends on inputs: on the outputs' `ready`, a table being offered, and the word it is about."""
    rng = random.Random(0)
    orders = encoded(DEAR, [[value_in(rng, DEAR, 0) for _ in range(n)] for n in (40, 1, 3, 20)])
    bench = Bench(Decoder(DEAR.config, word=32))
    finder = PathFinder(bench.dut, 0)
    busy = {"values": 0.6, "symbols": 0.8, "offsets": 0.8}
    check(DEAR.config, [(DEAR, orders)] * 3, word=32, bench=bench, busy=busy, probe=finder)
    assert finder.paths == {
        ("values.ready", "symbols.ready"),
        ("values.ready", "offsets.ready"),
        ("symbols.valid", "symbols.ready"),
        ("symbols.payload", "symbols.ready"),
        ("offsets.valid", "offsets.ready"),
        ("offsets.payload", "offsets.ready"),
        ("load.valid", "blocks.ready"),
    }
