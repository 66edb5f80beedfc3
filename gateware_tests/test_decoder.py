"""The decoder: the values and the verdict of any streams, however many take turns, and whatever stalls, reloads and
resets come."""

import random

import pytest
from drivers import Bench, PathFinder, willing
from models import decode_damaged, field, random_block, random_config, random_table, value_in, words
from test_words import rejected

from apack_hdl.decoder import MOST_STREAMS, Decoder
from apack_hdl.layouts import WORD_BITS
from apack_hdl.search import SEARCHES
from apack_hdl.table import load_rows
from golden import reference
from golden.config import CodecConfig
from golden.errors import FormatError
from golden.table import SymbolTable

PORTS = ("blocks", "symbols", "offsets", "values", "report")
NO_ERROR = {"symbols_short": 0, "symbols_long": 0, "offsets_short": 0, "offsets_long": 0}
# Values of the first row take 15 bits of both streams.
DEAR = SymbolTable(CodecConfig(16, 2, 15, 16, 40), (0, 1 << 15), (1, (1 << 15) - 1))
EVEN = SymbolTable(CodecConfig(4, 4, 4, 4, 100), (0, 4, 8, 12), (4, 4, 4, 4))


class Raw(bytes):
    """A symbol stream, empty, of a raw block with values of ``width`` bits."""

    width: int


class Work:
    """A bench and what goes through it.

    ``phases``: a table each, and per stream the orders (count, symbol stream, offset stream) to decode with it; a raw
    block has a :class:`Raw` for its symbol stream. With two banks they take turns. A table is offered as soon as the
    orders before it that need its bank have been taken, the last of which is then under way; an order when its table is
    on offer.
    """

    def __init__(self, decoder, phases, seed):
        self.decoder, self.phases, self.seed, self.bench = decoder, phases, seed, None
        names = range(decoder.streams)
        self.port = {(p, j): p if decoder.streams == 1 else f"{p}_{j}" for p in PORTS for j in names}
        self.orders = [[order for _, streams in phases for order in streams[j]] for j in names]
        # How many orders each stream has in phases before k.
        self.before = [[sum(len(s[j]) for _, s in phases[:k]) for k in range(len(phases) + 1)] for j in names]

    def inputs(self):
        """Everything that goes in. Behind a stream's end its last word holds anything."""
        junk, word, banks = random.Random(f"{self.seed} junk"), self.decoder.word, self.decoder.banks
        result = {"load": []}
        for k, (table, _) in enumerate(self.phases):
            rows = load_rows(table)
            result["load"] += [row | ({"bank": k % 2 if n == 0 else junk.getrandbits(1)} if banks == 2 else {})
                               for n, row in enumerate(rows)]
        for j, orders in enumerate(self.orders):
            bank = [k % 2 for k, (_, streams) in enumerate(self.phases) for _ in streams[j]]
            result[self.port["blocks", j]] = [
                {"count_m1": count - 1} | ({"bank": b} if banks == 2 else {})
                | ({"raw": int(isinstance(symbols, Raw))} if self.decoder.raw else {})
                for (count, symbols, _), b in zip(orders, bank, strict=True)
            ]
            for name, n in (("symbols", 1), ("offsets", 2)):
                error = junk.getrandbits(1)
                streams = [words(order[n], word, junk=junk, error=error) for order in orders]
                result[self.port[name, j]] = sum(streams, [])
        return result

    def expected(self):
        """What should come out."""
        result = {}
        for j in range(self.decoder.streams):
            values, reports = [], []
            for table, streams in self.phases:
                for count, symbols, offsets in streams[j]:
                    decode = decode_raw if isinstance(symbols, Raw) else decode_damaged
                    decoded, report = decode(table, symbols, offsets, count)
                    values += [{"data": v, "last": int(i == count - 1)} for i, v in enumerate(decoded)]
                    reports.append(report)
            result |= {self.port["values", j]: values, self.port["report", j]: reports}
        return result

    def busy(self, bench, busy):
        """``busy`` by port, with what makes tables and orders come when they should."""
        rng, rows = random.Random(f"{self.seed} load"), self.decoder.config.rows
        result = {name: busy.get(name, busy.get(kind, 1.0)) if isinstance(busy, dict) else busy
                  for (kind, _), name in self.port.items()}

        def may_load(now):
            free = max(0, bench.made("load") // rows - self.decoder.banks + 1)
            taken = [len(bench.result.times[self.port["blocks", j]]) for j in range(self.decoder.streams)]
            return all(n >= before[free] for n, before in zip(taken, self.before, strict=True)) and rng.random() < 0.7

        def may_order(j, share):
            name, rng = self.port["blocks", j], random.Random(f"{self.seed} order {j}")

            def may(now):
                phase = sum(first <= bench.made(name) for first in self.before[j][1:])
                return bench.made("load") > phase * rows and willing(share, rng, now)

            return may

        gates = {self.port["blocks", j]: may_order(j, result[self.port["blocks", j]])
                 for j in range(self.decoder.streams)}
        return result | gates | {"load": may_load}


def decode_raw(table, symbols, offsets, count):
    """Values and report of a raw block, whatever it holds."""
    end = (count * symbols.width + 7) // 8
    report = {"offsets_short": int(len(offsets) < end), "offsets_long": int(len(offsets) > end)}
    return [field(offsets, k * symbols.width, symbols.width) for k in range(count)], NO_ERROR | report


def check(decoder, phases, *, seed=0, busy=1.0, bench=None, **options):
    """Run ``phases`` (see Work) and compare."""
    work, bench = Work(decoder, phases, seed), bench or Bench(decoder)
    expected = work.expected()
    outputs = {name: len(payloads) for name, payloads in expected.items()}
    run = bench.run(work.inputs(), outputs, seed=seed, busy=work.busy(bench, busy), **options)
    assert run.out == expected, (seed, phases)
    return run


def encoded(table, blocks):
    """Orders for blocks of values, with the streams as they should be."""
    return [(len(block), *reference.encode_block(table, block)) for block in blocks]


def random_blocks(rng, table, most=6, least=1):
    """Blocks of one value, of as many as there may be, and between."""
    block = table.config.block
    sizes = [rng.choice([1, 1, min(2, block), block, rng.randint(1, block)]) for _ in range(rng.randint(least, most))]
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


def random_busy(rng, streams=1):
    """For each port of each stream."""
    names = [name if streams == 1 else f"{name}_{j}" for name in PORTS for j in range(streams)]
    return {name: rng.choice([1.0, 1.0, 0.6, 0.2]) for name in names}


def raw_orders(rng, width, most, number):
    """Raw blocks of any length, some of them cut or lengthened."""
    symbols, orders = Raw(), []
    symbols.width = width
    for _ in range(number):
        count = rng.choice([1, most, rng.randint(1, most)])
        data = rng.randbytes((count * width + 7) // 8)
        orders.append((count, symbols, rng.choice([data, data, data[:-1], data + b"x", data + bytes(9), b""])))
    return orders


@pytest.mark.parametrize("streams,search", [(1, "flash"), (1, "division"), (2, "bisection"), (6, "division"),
                                            (3, "quaternary")])
def test_raw_blocks(streams, search):
    """Raw blocks among coded ones, of tensors as wide as the engine is built for or narrower; damaged or not."""
    rng = random.Random(f"raw {streams} {search}")
    config = random_config(rng, block=(most := 12), rows=4, prob_bits=rng.choice([4, 9]), width=rng.choice([5, 8, 16]))
    decoder = Decoder(config, True, word=rng.choice(WORD_BITS), streams=streams, search=search, banks=streams % 2 + 1)
    bench = Bench(decoder)
    for width in (config.width, rng.randint(2, config.width - 1)):
        bench.levels = {"raw_mask": (1 << width) - 1}
        phases = []
        for _ in range(2):
            table = random_table(rng, config)
            orders = [encoded(table, random_blocks(rng, table, 1)) for _ in range(streams)]
            orders = [damaged(rng, table, own) if rng.random() < 0.3 else own for own in orders]
            orders = [own + raw_orders(rng, width, most, 2) for own in orders]
            phases.append((table, [rng.sample(own, len(own)) for own in orders]))
        check(decoder, phases, seed=width, busy=rng.choice([1.0, 0.6]), bench=bench)


@pytest.mark.parametrize("streams", [1, 2])
def test_rate_of_raw_blocks(streams):
    """The same time as coded ones, before them, behind them, and between them."""
    decoder = Decoder(CodecConfig(16, 4, 10, 8, 40), True, streams=streams, search="division")
    symbols = Raw()
    symbols.width = 16
    lengths = [5, 40, 1, 2, 40, 40]
    table = random_table(random.Random(0), decoder.config, style="even")
    coded = encoded(table, [random_block(random.Random(n), table, n) for n in lengths])
    raw = [(n, symbols, bytes(range(2 * n))) for n in lengths]
    orders = [coded[0], *raw[:3], coded[3], raw[4], *coded[5:], *coded[1:2]]
    bench = Bench(decoder, levels={"raw_mask": 0xFFFF})
    run = check(decoder, [(table, [orders] * streams)], bench=bench)
    for name, ends in run.times.items():
        if name.startswith("report"):
            costs = [(b - a) // streams for a, b in zip(ends, ends[1:], strict=False)]
            assert costs == [count + decoder.BLOCK_CYCLES for count, _, _ in orders[1:]]


# Every other pair, for time; the tests below draw from all.
SEARCH_OF_EACH = [(S, search) for S in range(1, MOST_STREAMS + 1) for k, search in enumerate(SEARCHES) if (S + k) % 2]


@pytest.mark.parametrize("streams,search", SEARCH_OF_EACH)
def test_any_number_of_streams(streams, search):
    """Random configurations and stalls, uneven work, a table or two, one bank or two; streams damaged or not."""
    rng = random.Random(f"{streams} {search}")
    config = random_config(rng, block=rng.choice([1, 9]), rows=rng.choice([2, 3, 5]), prob_bits=rng.choice([3, 6, 9]))
    banks = rng.choice([1, 2])
    phases = []
    for _ in range(rng.randint(1, 3)):
        table = random_table(rng, config)
        orders = [encoded(table, random_blocks(rng, table, 2, least=0)) for _ in range(streams)]
        if rng.random() < 0.3:
            orders = [damaged(rng, table, own) for own in orders]
        phases.append((table, orders))
    decoder = Decoder(config, word=rng.choice(WORD_BITS), streams=streams, search=search, banks=banks)
    check(decoder, phases, seed=streams, busy=random_busy(rng, streams))


@pytest.mark.parametrize("seed", range(8))
def test_right_streams(seed):
    """One stream, random configurations; tables are replaced on the way, offered while a block is under way."""
    rng = random.Random(seed)
    config = random_config(rng, wide=seed == 0)
    tables = [random_table(rng, config) for _ in range(rng.randint(1, 3))]
    blocks = [random_blocks(rng, table) for table in tables]
    phases = [(table, [encoded(table, own)]) for table, own in zip(tables, blocks, strict=True)]
    decoder = Decoder(config, word=rng.choice(WORD_BITS), search=rng.choice([*SEARCHES]))
    run = check(decoder, phases, seed=seed, busy=random_busy(rng))
    assert [v["data"] for v in run.out["values"]] == [v for own in blocks for block in own for v in block]
    assert run.out["report"] == [NO_ERROR] * len(run.out["report"])


@pytest.mark.parametrize("seed", range(8))
def test_damaged_streams(seed):
    """As many values as promised, the right verdict, and nothing of it reaches the next block."""
    rng = random.Random(f"{seed} damaged")
    config = random_config(rng)
    tables = [random_table(rng, config) for _ in range(2)]
    phases = [(table, [damaged(rng, table, encoded(table, random_blocks(rng, table, 6)))]) for table in tables]
    decoder = Decoder(config, word=rng.choice(WORD_BITS), search=[*SEARCHES][seed % len(SEARCHES)])
    check(decoder, phases, seed=seed, busy=random_busy(rng))


@pytest.mark.parametrize("seed", range(20))
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
    CodecConfig(16, 64, 6, 2, 9),
]


@pytest.mark.parametrize("config", CORNERS, ids=str)
def test_corners(config):
    rng = random.Random(str(config))
    tables = [random_table(rng, config, style=style) for style in ("even", "skewed", "certain")]
    phases = [(table, [encoded(table, random_blocks(rng, table))]) for table in tables]
    check(Decoder(config, word=16, search=rng.choice([*SEARCHES])), phases)


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("v_min,counts", [((0,), (16,)), ((0, 1, 2), (0, 16, 0)), ((0, 15), (0, 16))])
def test_certain_row(v_min, counts, search):
    """Symbols of no bits, and offsets of no bits where the row has one value: the streams are there all the same."""
    table = SymbolTable(CodecConfig(4, 3, 4, 4, 40), v_min, counts)
    rng, row = random.Random(0), counts.index(16)
    orders = encoded(table, [[value_in(rng, table, row) for _ in range(n)] for n in (1, 40, 2, 17)])
    assert all(symbols == b"\0" for _, symbols, _ in orders)
    run = check(Decoder(table.config, search=search), [(table, [orders])], busy=0.7)
    assert run.out["report"] == [NO_ERROR] * 4


@pytest.mark.parametrize("late", ["symbols", "offsets"])
def test_one_stream_is_late(late):
    """Nothing goes wrong and no value is made up while one stream has not come; only a little of the other is read."""
    orders = encoded(DEAR, [[k * 777 % (1 << 15) for k in range(40)]] * 2)
    run = check(Decoder(DEAR.config, word=16), [(DEAR, [orders])], busy={late: lambda cycle: cycle >= 200})
    assert run.times["values"][0] > 200
    other = "offsets" if late == "symbols" else "symbols"
    assert sum(t < 200 for t in run.times[other]) <= 3


def test_nothing_is_taken():
    """Values and reports are offered though nobody is ready; a second block begins, and does not end."""
    orders = encoded(EVEN, [[1], [2], [3]])
    free = check(Decoder(EVEN.config), [(EVEN, [orders])])
    run = check(Decoder(EVEN.config), [(EVEN, [orders])], busy={"values": lambda now: now > 200})
    assert run.offers["values"][0] == free.offers["values"][0] < 30
    assert run.times["values"][0] == 201
    run = check(Decoder(EVEN.config), [(EVEN, [orders])], busy={"report": lambda now: now > 200})
    assert run.offers["report"][0] == free.offers["report"][0] < 30
    assert run.times["report"][0] == 201
    assert sum(t < 200 for t in run.times["blocks"]) == 2
    assert sum(t < 200 for t in run.times["values"]) == 2


def run_at_full_rate(decoder, table, blocks):
    """A run without stalls: a block's values follow each other turn by turn, and it costs 2 turns more than it has
    values."""
    S = decoder.streams
    run = check(decoder, [(table, [encoded(table, blocks)] * S)])
    for j in range(S):
        suffix = f"_{j}" if S > 1 else ""
        start = 0
        for block in blocks:
            times = run.times[f"values{suffix}"][start : start + len(block)]
            assert times == list(range(times[0], times[0] + S * len(block), S))
            start += len(block)
        ends = run.times[f"report{suffix}"]
        costs = [(b - a) // S for a, b in zip(ends, ends[1:], strict=False)]
        assert costs == [len(block) + decoder.BLOCK_CYCLES for block in blocks[1:]]
    return run


@pytest.mark.parametrize("word", [16, 32])
@pytest.mark.parametrize("table", [DEAR, SymbolTable(DEAR.config, (0,), (1 << 15,))], ids=["15 + 15", "0 + 16 bits"])
def test_rate(word, table):
    """At the most bits there can be in each stream."""
    blocks = [[k * 777 % (1 << 15) for k in range(n)] for n in (1, 40, 1, 1, 2, 3, 17, 40, 5, 1)]
    run_at_full_rate(Decoder(table.config, word=word), table, blocks)


@pytest.mark.parametrize("seed", range(4))
def test_rate_of_any_table(seed):
    rng = random.Random(seed)
    config = random_config(rng, rows=rng.choice([3, 5]))
    table = random_table(rng, config, style="skewed" if seed % 2 else "")
    blocks = [random_block(rng, table, rng.choice([1, config.block, rng.randint(1, config.block)])) for _ in range(4)]
    decoder = Decoder(config, word=rng.choice(WORD_BITS), streams=rng.randint(1, 5), search=rng.choice([*SEARCHES]))
    run_at_full_rate(decoder, table, blocks)


@pytest.mark.parametrize("streams,search", [(1, "flash"), (7, "division")])
def test_rate_of_long_blocks(streams, search):
    """The default configuration: sustained rate above .98 values per cycle in all."""
    rng, length = random.Random(1), 240 // streams
    config = CodecConfig(block=length)
    table = random_table(rng, config, style="random")
    decoder = Decoder(config, streams=streams, search=search)
    run = run_at_full_rate(decoder, table, [random_block(rng, table, length)])
    times = sorted(t for name, taken in run.times.items() if name.startswith("values") for t in taken)
    assert len(times) / (times[-1] - times[0] + 1) > 0.98


def uneven(streams, lengths):
    """Orders for EVEN: streams in turn have blocks of these lengths, of which 0 is no block at all."""
    rng = random.Random(0)
    lengths = [lengths[j % len(lengths)] for j in range(streams)]
    return [encoded(EVEN, [random_block(rng, EVEN, n)] if n else []) for n in lengths]


def test_uneven_lengths():
    """0, 1, 10 and many values together: each stream ends when it would alone."""
    bench = Bench(decoder := Decoder(EVEN.config, streams=5))
    orders = uneven(5, [10, 0, 40, 1])
    together = check(decoder, [(EVEN, orders)], bench=bench)
    for j in range(5):
        alone = [own if i == j else [] for i, own in enumerate(orders)]
        run = check(decoder, [(EVEN, alone)], bench=bench)
        for kind in PORTS:
            assert run.times[f"{kind}_{j}"] == together.times[f"{kind}_{j}"]


def test_stalled_stream():
    """One stream that stalls, at whatever port, changes nothing for the others: not by one cycle."""
    streams, until = 3, 400
    bench = Bench(decoder := Decoder(EVEN.config, streams=streams, search="division"))
    orders = uneven(streams, [10, 40, 1])
    free = check(decoder, [(EVEN, orders)], bench=bench)
    assert free.cycles < until - 200
    for stalled in PORTS:
        run = check(decoder, [(EVEN, orders)], bench=bench, busy={f"{stalled}_1": lambda now: now > until})
        for kind in PORTS:
            for j in (0, 2):
                assert run.times[f"{kind}_{j}"] == free.times[f"{kind}_{j}"], stalled
        assert run.times["report_1"][-1] > until, stalled


@pytest.mark.parametrize("seed", range(3))
def test_streams_do_not_notice_each_other(seed):
    """Whatever happens on the others' ports, a stream's transfers come in the same cycles."""
    rng = random.Random(seed)
    config, streams = random_config(rng, rows=4, block=20), rng.randint(2, 4)
    table = random_table(rng, config)
    orders = [encoded(table, random_blocks(rng, table, 3)) for _ in range(streams)]
    decoder = Decoder(config, streams=streams, search=rng.choice([*SEARCHES]))
    bench, me = Bench(decoder), rng.randrange(streams)
    mine = {f"{kind}_{me}": share for kind, share in zip(PORTS, rng.choices([1.0, 0.6, 0.3], k=5), strict=True)}
    shares = (1.0, 0.2)  # of the others
    others = [{f"{kind}_{j}": share for kind in PORTS for j in range(streams)} for share in shares]
    runs = [check(decoder, [(table, orders)], bench=bench, busy=busy | mine) for busy in others]
    for name in mine:
        assert runs[0].times[name] == runs[1].times[name]
    assert runs[0].times != runs[1].times


def test_bank_is_loaded_while_the_other_is_in_use():
    """The next table goes in while a block with the one before runs; its blocks wait for no other's end."""
    rng = random.Random(0)
    long, short = encoded(EVEN, [random_block(rng, EVEN, 100)]), encoded(EVEN, [[1]])
    phases = [(EVEN, [long, short]), (EVEN, [[], short]), (EVEN, [short, short])]
    run = check(Decoder(EVEN.config, streams=2, banks=2), phases)
    end = run.times["report_0"][0]
    assert run.times["load"][7] < 60 < end, "the second table waited for a block that works with the first"
    assert run.times["report_1"][1] < 60, "and so did its block"
    assert run.times["load"][8] >= end, "the third table did not wait for a block that works with the first"


@pytest.mark.parametrize("seed", range(5))
def test_reset(seed):
    """Reset at any moment, in whatever state: then a table and clean blocks, as if nothing had been."""
    rng = random.Random(seed)
    config, streams = random_config(rng, block=30, rows=rng.choice([2, 5])), [1, 2, 5, 3, 1][seed]
    bench = Bench(decoder := Decoder(config, streams=streams, search=rng.choice([*SEARCHES]), banks=rng.choice([1, 2])))
    for again in range(3):
        old, new = random_table(rng, config), random_table(rng, config)
        orders = [damaged(rng, old, encoded(old, random_blocks(rng, old))) for _ in range(streams)]
        first = Work(decoder, [(old, orders)], seed).inputs()
        if again == 0:
            first["load"] *= 2  # reset can come in the middle of the second one
        late = {name: lambda now: now > config.rows for name in first if name.startswith("blocks")}
        interrupted = (first, random_busy(rng, streams) | late, rng.randrange(2, 60))
        orders = [encoded(new, random_blocks(rng, new, 3)) for _ in range(streams)]
        check(decoder, [(new, orders)], seed=again, bench=bench, interrupted=interrupted)


@pytest.mark.parametrize("streams", [1, 2])
def test_combinational_paths(streams):
    """Only `ready` depends on inputs."""
    rng = random.Random(0)
    lengths = (3, 1, 1, 1, 12) * (3 - streams)
    orders = [encoded(DEAR, [[value_in(rng, DEAR, 0) for _ in range(n)] for n in lengths])] * streams
    bench = Bench(decoder := Decoder(DEAR.config, word=32, streams=streams))
    finder = PathFinder(bench.dut, 0)
    busy = {"values": 0.6, "symbols": 0.8, "offsets": 0.8, "report": 0.1, "blocks": 0.8}
    check(decoder, [(DEAR, orders)] * 2, bench=bench, busy=busy, probe=finder)
    paths = {
        ("symbols.valid", "symbols.ready"),
        ("symbols.payload", "symbols.ready"),
        ("offsets.valid", "offsets.ready"),
        ("offsets.payload", "offsets.ready"),
        ("blocks.valid", "blocks.ready"),
        ("report.ready", "blocks.ready"),
        ("load.valid", "blocks.ready"),
    }
    if streams == 1:  # a turn is a cycle
        causes = ("values.ready", "report.ready", "blocks.valid", "load.valid", "symbols.valid", "offsets.valid")
        paths |= {(cause, f"{name}.ready") for cause in causes for name in ("symbols", "offsets")}
        assert finder.paths == paths
    else:
        own = {(a.replace(".", f"_{j}.") if not a.startswith("load") else a, b.replace(".", f"_{j}."))
               for a, b in paths for j in range(streams)}
        assert finder.paths == own


@pytest.mark.parametrize("options,error,words_", [
    ({"streams": 0}, ValueError, "streams must be in 1..8, not 0"),
    ({"streams": 9}, ValueError, "streams must be in 1..8, not 9"),
    ({"streams": 2.0}, TypeError, "streams must be an integer in 1..8, not 2.0"),
    ({"search": "linear"}, ValueError, "search must be one of flash, bisection, quaternary, division, not 'linear'"),
    ({"search": 3}, TypeError, "search must be one of"),
    ({"banks": 3}, ValueError, "banks must be in 1..2, not 3"),
    ({"word": 8}, ValueError, "word must be one of 16, 32, 64, not 8"),
    ({"raw": 1}, TypeError, "raw must be True or False, not 1"),
])
def test_refused(options, error, words_):
    rejected(lambda: Decoder(CodecConfig(), **options), error, words_)
