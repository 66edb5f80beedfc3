"""The encoder of several streams in turn: each stream's bytes are the golden ones, whatever the others do."""

import gc
import random
import warnings
from bisect import bisect_right
from itertools import accumulate

import pytest
from amaranth.hdl import UnusedElaboratable
from drivers import Bench
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
    used_rows,
    value_in,
)

from apack_hdl.encoder import Encoder
from apack_hdl.layouts import WORD_BITS
from apack_hdl.table import load_rows
from golden.config import CodecConfig
from golden.table import SymbolTable

STREAMS = range(2, 9)
SMALL = SymbolTable(CodecConfig(4, 4, 6, 5, 200), (0, 3, 4, 9), (30, 4, 20, 10))
PORTS = ("values", "symbols", "offsets")


def port(name, stream, bench):
    return name if bench.dut.streams == 1 else f"{name}_{stream}"


class Plan:
    """Phases of (bank, table, blocks of each stream), and when what may be offered.

    A table is offered once all blocks coded with what it replaces have begun, a block once its table is offered:
    no earlier, but no later either.
    """

    def __init__(self, bench, phases, share, seed):
        self.bench, self.phases, self.seed = bench, phases, seed
        self.rows, self.streams = bench.dut.config.rows, bench.dut.streams
        self.rng = random.Random(f"{seed} plan")
        self.values = [[transfers(blocks[s]) for _, _, blocks in phases] for s in range(self.streams)]
        self.firsts = [[0, *accumulate(map(len, own))][:-1] for own in self.values]  # values before each phase
        self.share = {name: share.get(name, 1.0) if isinstance(share, dict) else share for name in self.names()}

    def names(self):
        return [port(name, s, self.bench) for name in PORTS for s in range(self.streams)]

    def begun(self, stream, phase):
        """Whether all the stream's blocks of a phase have begun."""
        blocks = self.phases[phase][2][stream]
        start = self.firsts[stream][phase] + sum(map(len, blocks[:-1]))
        return not blocks or len(self.bench.result.times[port("values", stream, self.bench)]) > start

    def may_load(self, now):
        phase = self.bench.made("load") // self.rows
        before = [k for k in range(phase) if self.phases[k][0] == self.phases[phase][0]]
        return self.rng.random() < 0.7 and all(self.begun(s, before[-1]) for s in range(self.streams) if before)

    def may_go(self, stream):
        name = port("values", stream, self.bench)

        def may(now):
            phase = bisect_right(self.firsts[stream], self.bench.made(name)) - 1
            return self.bench.made("load") > phase * self.rows and self.rng.random() < self.share[name]

        return may

    def job(self):
        """Inputs, output counts, golden streams and ``busy``."""
        dut, two = self.bench.dut, self.bench.dut.banks == 2
        mark = [{"bank": bank} if two else {} for bank, _, _ in self.phases]
        load = [row | m for (_, table, _), m in zip(self.phases, mark, strict=True) for row in load_rows(table)]
        inputs, outputs, want, busy = {"load": load}, {}, {}, dict(self.share)
        for s in range(self.streams):
            name = port("values", s, self.bench)
            inputs[name] = [v | m for own, m in zip(self.values[s], mark, strict=True) for v in own]
            busy[name] = self.may_go(s)
            streams = [coded(table, block) for _, table, blocks in self.phases for block in blocks[s]]
            want[port("symbols", s, self.bench)] = [(symbols, error) for symbols, _, error in streams]
            want[port("offsets", s, self.bench)] = [(offsets, 0) for _, offsets, _ in streams]
        for name, streams in want.items():
            outputs[name] = sum(count_words(data, dut.word) for data, _ in streams)
        return inputs, outputs, want, busy | {"load": self.may_load}


def check(bench, phases, *, busy=1.0, seed=0, **options):
    """One run; the bytes of every stream are compared."""
    inputs, outputs, want, busy = Plan(bench, phases, busy, seed).job()
    run = bench.run(inputs, outputs, seed=seed, busy=busy, **options)
    for name, streams in want.items():
        assert bytes_of(run.out[name], bench.dut.word) == streams, (seed, name, phases)
    return run


def random_busy(rng, bench):
    streams = range(bench.dut.streams)
    return {port(name, s, bench): rng.choice([1.0, 1.0, 0.5, 0.2]) for name in PORTS for s in streams}


def random_blocks(rng, table, most=3):
    block = table.config.block
    sizes = [rng.choice([1, 1, min(2, block), block, rng.randint(1, block)]) for _ in range(rng.randrange(most + 1))]
    return [random_block(rng, table, n) for n in sizes]


def random_phases(rng, config, streams, banks, count):
    phases = []
    for k in range(count):
        bank = rng.randrange(banks) if k > 1 else k % banks
        table = random_table(rng, config)
        phases.append((bank, table, [random_blocks(rng, table) for _ in range(streams)]))
    return phases


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("seed", range(2))
def test_random(streams, seed):
    """Random configurations, tables replaced on the way, every port stalling in its own way."""
    rng = random.Random(f"{streams} {seed}")
    config = random_config(rng, rows=rng.randint(2, 7), block=rng.choice([1, 9, 30]))
    bench = Bench(Encoder(config, word=rng.choice(WORD_BITS), streams=streams))
    phases = random_phases(rng, config, streams, 1, rng.randint(1, 3))
    check(bench, phases, busy=random_busy(rng, bench), seed=seed)


@pytest.mark.parametrize("streams", [1, 2, 4])
def test_banks(streams):
    """Two tables: one is loaded while blocks use the other, and streams use both at the same time."""
    for seed in range(2):
        rng = random.Random(f"{streams} {seed}")
        config = random_config(rng, rows=5, block=20)
        bench = Bench(Encoder(config, word=32, streams=streams, banks=2))
        phases = random_phases(rng, config, streams, 2, 5)
        check(bench, phases, busy=random_busy(rng, bench), seed=seed)


@pytest.mark.parametrize("streams", [2, 5])
def test_a_bank_is_free_of_the_other(streams):
    """Stream 0 stops in the middle of a block for ever: the other bank can be loaded and used, its own cannot."""
    config, rng = SMALL.config, random.Random(streams)
    bench = Bench(Encoder(config, word=32, streams=streams, banks=2))
    other, third = random_table(rng, config, style="even"), random_table(rng, config, style="even")
    blocks = [[]] + [[random_block(rng, other, 50)] for _ in range(streams - 1)]
    inputs, outputs, want, _ = Plan(bench, [(1, other, blocks)], 1.0, 0).job()
    inputs["load"] = [row | {"bank": bank} for bank, table in ((0, SMALL), (1, other), (0, third))
                      for row in load_rows(table)]
    inputs["values_0"] = [{"data": 5, "last": 0, "bank": 0}] * 3
    done = lambda: all(len(bench.result.times[name]) == n for name, n in outputs.items())  # noqa: E731
    with pytest.raises(AssertionError, match="watchdog"):
        bench.run(inputs, outputs, seed=0, watchdog=600)
    assert done() and len(bench.result.times["load"]) == 2 * config.rows
    for name, streams_ in want.items():
        assert bytes_of(bench.result.out[name], 32) == streams_


@pytest.mark.parametrize("streams", [2, 3, 4, 5])
@pytest.mark.parametrize("stalled", PORTS)
def test_a_stalled_stream_disturbs_no_other(streams, stalled):
    """One port of one stream is never willing: the other streams take a value in every turn of theirs."""
    rng, victim = random.Random(f"{streams} {stalled}"), streams // 2
    bench = Bench(Encoder(SMALL.config, word=16, streams=streams))
    blocks = [[value_in(rng, SMALL, rng.randrange(4)) for _ in range(70)] for _ in range(streams)]
    inputs, outputs, want, _ = Plan(bench, [(0, SMALL, [[block] for block in blocks])], 1.0, 0).job()
    loaded = SMALL.config.rows
    busy = {f"values_{s}": lambda now: now > loaded for s in range(streams)}
    busy[f"{stalled}_{victim}"] = lambda now: stalled == "values" and loaded < now < loaded + 40
    with pytest.raises(AssertionError, match="watchdog"):
        bench.run(inputs, outputs, seed=0, watchdog=150 + 75 * streams, busy=busy)
    run = bench.result
    assert len(run.times[f"values_{victim}"]) < 60 and len(run.out[f"symbols_{victim}"]) < 20
    for s in set(range(streams)) - {victim}:
        times = run.times[f"values_{s}"]
        if not any(n for n, _ in carry_runs(SMALL.config, steps(SMALL, [SMALL.row_of_value[v] for v in blocks[s]]))):
            assert times == [*range(times[0], times[0] + 70 * streams, streams)]
        for name in (f"symbols_{s}", f"offsets_{s}"):
            assert bytes_of(run.out[name], 16) == want[name]


@pytest.mark.parametrize("streams", [2, 3, 4, 8])
def test_uneven_streams(streams):
    """No block at all, one value, ten, long ones, all beside each other; a block of n values takes n + 1 turns."""
    rng = random.Random(streams)
    bench = Bench(Encoder(SMALL.config, word=32, streams=streams))
    lengths = [[60, 60], [1] * 30, [], [10, 1, 10], [2, 1, 1, 3, 40], [1], [99], [1, 70]][:streams]
    blocks = [[[value_in(rng, SMALL, rng.randrange(4)) for _ in range(n)] for n in own] for own in lengths]
    run = check(bench, [(0, SMALL, blocks)])
    for s, own in enumerate(blocks):
        runs = [carry_runs(SMALL.config, steps(SMALL, [SMALL.row_of_value[v] for v in block])) for block in own]
        times = run.times[f"values_{s}"]
        if own and not any(runs):
            assert (times[-1] - times[0]) // streams + 1 == sum(lengths[s]) + len(own) - 1


@pytest.mark.parametrize("streams", [2, 3, 4, 6])
def test_rate(streams):
    """With all streams busy, one value a cycle in total: the default configuration, blocks of 200 values."""
    config = CodecConfig(block=200)
    rng = random.Random(streams)
    table = random_table(rng, config, style="random")
    used = used_rows(table)
    blocks = [[[value_in(rng, table, rng.choice(used)) for _ in range(200)]] for _ in range(streams)]
    run = check(Bench(Encoder(config, streams=streams)), [(0, table, blocks)])
    times = sorted(t for s in range(streams) for t in run.times[f"values_{s}"])
    assert 200 * streams / (times[-1] - times[0] + 1) > 0.98


LATENCY = {1: (9, 6), 2: (11, 6), 3: (12, 6), 4: (15, 8), 5: (15, 7), 6: (17, 8), 7: (20, 10), 8: (23, 12)}


@pytest.mark.parametrize("streams", LATENCY)
def test_latency(streams):
    """From a block's last value to the last words, as documented."""
    table = SymbolTable(CodecConfig(2, 2, 2, 4, 8), (0, 2), (2, 2))
    bench = Bench(Encoder(table.config, word=32, streams=streams))
    run = check(bench, [(0, table, [[[1, 3, 0]] * 3] * streams)])
    for s in range(streams):
        last = run.times[port("values", s, bench)][2::3]
        for name, latency in zip(("symbols", "offsets"), LATENCY[streams], strict=True):
            assert run.times[port(name, s, bench)] == [t + latency for t in last], name


@pytest.mark.parametrize("streams", [2, 4, 8])
def test_uncodable(streams):
    """`error` where a block has a value without a code, in no other block and no other stream."""
    rng = random.Random(streams)
    table = SymbolTable(CodecConfig(4, 5, 5, 5, 20), (0, 3, 5, 11, 13), (0, 20, 0, 12, 0))
    blocks = []
    for _ in range(streams):
        own = [random_block(rng, table, rng.choice([1, 2, 20])) for _ in range(6)]
        for block in own:
            if rng.random() < 0.4:
                block[rng.choice([0, -1, rng.randrange(len(block))])] = rng.choice([0, 6, 15])
        blocks.append(own)
    bench = Bench(Encoder(table.config, word=16, streams=streams))
    run = check(bench, [(0, table, blocks)], busy=random_busy(rng, bench))
    assert any(word["error"] for s in range(streams) for word in run.out[f"symbols_{s}"])


@pytest.mark.parametrize("streams", [2, 3, 5])
def test_long_carry_runs(streams):
    """Runs of all-ones digits in all streams at once, met by a carry or not, while others go on."""
    rng = random.Random(streams)
    config = CodecConfig(4, 4, 6, 14, 320)
    table, rows = long_run(config, rng, 10, streams % 2)
    found = carry_runs(config, steps(table, rows))
    assert any(length >= 10 for length, _ in found)
    blocks = [[[value_in(rng, table, row) for row in rows], [table.v_min[rows[0]]] * (s + 1)] for s in range(streams)]
    blocks[-1].reverse()
    bench = Bench(Encoder(config, word=16, streams=streams))
    check(bench, [(0, table, blocks)], busy=random_busy(rng, bench) | {"symbols_0": 1.0, "values_0": 1.0})


@pytest.mark.parametrize("streams", [2, 3, 5])
def test_reset(streams):
    """Reset at any moment, in whatever state: then a table and clean blocks, as if nothing had been."""
    rng = random.Random(streams)
    config = random_config(rng, rows=5, block=30)
    bench = Bench(Encoder(config, streams=streams))
    for seed in range(3):
        old, new = random_table(rng, config), random_table(rng, config)
        first = {"load": load_rows(old) * 2}
        for s in range(streams):
            first[f"values_{s}"] = transfers([rng.choices(range(config.values), k=rng.choice([1, 30]))] * 4)
        interrupted = (first, random_busy(rng, bench), config.rows + rng.randrange(2, 30 * streams))
        phases = [(0, new, [random_blocks(rng, new) for _ in range(streams)])]
        check(bench, phases, seed=seed, busy=random_busy(rng, bench), interrupted=interrupted)


@pytest.mark.parametrize("streams,error", [(0, ValueError), (9, ValueError), (True, TypeError), (2.0, TypeError)])
def test_streams_are_limited(streams, error):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)  # what a failing constructor leaves is never used
        with pytest.raises(error, match=r"^streams must be .*1\.\.8"):
            Encoder(CodecConfig(), streams=streams)
        gc.collect()
