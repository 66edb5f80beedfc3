"""Engines of several streams as emitted Verilog, all streams in flight together; and that the bench would notice.

Registers start with random values.
"""

import random

import numpy as np
import pytest
from test_emitted_verilog import values_for

from apack_hdl.simulation import against_golden, deal, simulate, simulate_queues
from apack_hdl.simulation.result import engine_result
from apack_hdl.simulation.work import Plan, Work
from golden.config import CodecConfig
from golden.errors import UncodableError
from golden.table import SymbolTable

CONFIG = CodecConfig(width=5, rows=7, prob_bits=6, mult_bits=5, block=300)
TABLES = [
    SymbolTable(CONFIG, (0, 1, 2, 3, 8, 20, 28), (30, 12, 8, 6, 5, 0, 3)),
    SymbolTable(CONFIG, (0, 4, 9, 10), (10, 12, 40, 2)),
    SymbolTable(CONFIG, (0,), (64,)),
    SymbolTable(CONFIG, (0, 30, 31), (1, 1, 62)),
]
ENGINES = {
    "encoder": {"word": 16, "streams": 3, "banks": 2},
    "decoder": {"word": 16, "streams": 4, "search": "division", "banks": 2},
}


@pytest.fixture(scope="module")
def benches(build):
    return build(CONFIG, ENGINES)


def queue(rng, *blocks):
    """Blocks of so many values, as (number of the table, values)."""
    return [(number, np.array(values_for(rng, TABLES[number], count), np.uint8)) for number, count in blocks]


def run(built, queues, **how):
    options = {name: {k: v for k, v in own.items() if k != "word"} for name, own in ENGINES.items()}
    return simulate_queues(TABLES, queues, word=16, **options, build_dir=built, **how)


@pytest.mark.parametrize(("stall", "most"), [(0.0, 100_000), (0.5, 6_000)])
def test_streams_of_very_different_lengths(built, benches, stall, most):
    """0, 1, 10 and many values; every table of four is loaded while blocks of another one are under way."""
    rng = random.Random(f"lengths {stall}")
    long = [(number, 300) for number in range(4) for _ in range(most // 1200)]
    queues = [[], queue(rng, (2, 1)), queue(rng, (0, 3), (0, 1), (1, 5), (3, 1)), queue(rng, *long)]
    result = run(built, queues, stall=stall, simulator="verilator")
    assert result.identical, result.mismatch
    assert [stream.values for stream in result.decoder.streams] == [0, 1, 10, sum(count for _, count in long)]
    assert [stream.blocks for stream in result.decoder.streams] == [0, 1, 4, len(long)]
    assert [stream.values for stream in result.encoder.streams] == [sum(count for _, count in long), 1, 10], "0 and 3"
    assert (result.tables, result.values) == (4, result.encoder.values) and result.decoder.busy_cycles == 0
    if not stall:
        for engine in result.engines.values():  # a stream alone has its own turns only
            alone = max(engine.streams, key=lambda stream: stream.values)
            assert 0.96 / len(engine.streams) <= alone.values_per_cycle <= 1 / len(engine.streams)


def test_a_value_a_cycle_of_all_streams_together(built, benches):
    rng = random.Random("rate")
    queues = [queue(rng, *[(0, 300)] * 5) for _ in range(12)]
    result = run(built, queues, simulator="verilator")
    assert result.identical
    for engine in result.engines.values():
        assert 0.98 <= engine.busy_values_per_cycle <= 1 and engine.values_per_cycle <= engine.busy_values_per_cycle
        assert engine.busy_cycles > 0.95 * engine.cycles


@pytest.mark.parametrize("name", ENGINES)
def test_a_stream_that_is_never_served_stops_no_other(benches, name):
    rng = random.Random(name)
    work = Work(TABLES[:2], [queue(rng, (0, 300), (0, 300), (1, 300)) for _ in range(12)])
    plan = Plan(work, name, ENGINES[name])
    outputs = {"encoder": ("symbols_1", "offsets_1"), "decoder": ("values_1", "report_1")}[name]
    for dead in outputs:
        (episode,) = benches[name].run(plan.inputs(), stall={dead: 1.0}, cycles=[20_000])
        result = engine_result(plan, ENGINES[name], episode)
        own = [stream for number, stream in enumerate(result.streams) if number != 1]
        assert all(stream.mismatch is None for stream in own), "no table is replaced: two banks, two tables"
        assert result.streams[1].mismatch is not None and len(episode.outputs[dead]) == 0
        assert all(stream.values_per_cycle >= 0.96 / len(result.streams) for stream in own)


@pytest.mark.parametrize("name", ENGINES)
def test_tables_and_blocks_wait_for_each_other(benches, name):
    """A table begins when all blocks of the one it replaces have begun, a block when its table has. Without that the
    bench would not know which table a block meets, and says so."""
    rng = random.Random(f"waits {name}")
    queues = [queue(rng, *[(number, 40) for number in range(4) for _ in range(3)]) for _ in range(12)]
    plan = Plan(Work(TABLES, queues), name, ENGINES[name])
    (episode,) = benches[name].run(plan.inputs(), waits=[plan.waits()])
    assert plan.compare(episode.outputs) == [None] * plan.streams
    loads = episode.times["load"].reshape(4, CONFIG.rows)
    begins = plan.names("values" if name == "encoder" else "blocks")
    for port, share in zip(begins, plan.shares, strict=True):
        rows = share.firsts if name == "encoder" else np.arange(len(share.counts))
        begun = episode.times[port][rows]
        for number in (2, 3):
            assert begun[share.table <= number - 2].max() < loads[number, 0]
            assert loads[number, 0] < begun[share.table == number].min()
    (careless,) = benches[name].run(plan.inputs())
    assert plan.compare(careless.outputs) != [None] * plan.streams


# What the comparison notices


def swapped(outputs, name):
    kind = {"encoder": "offsets", "decoder": "values"}[name]
    outputs[f"{kind}_0"], outputs[f"{kind}_1"] = outputs[f"{kind}_1"], outputs[f"{kind}_0"]
    return "stream 0, block 0, "


def lost(outputs, name):
    kind = {"encoder": "symbols", "decoder": "values"}[name]
    outputs[f"{kind}_1"] = np.delete(outputs[f"{kind}_1"], 2, axis=0)
    return "stream 1, block 0, "


def reported(outputs, name):
    kind = {"encoder": "symbols", "decoder": "report"}[name]
    outputs[f"{kind}_1"][0, 3 if name == "encoder" else 1] = 1
    return "stream 1, block 0"


@pytest.mark.parametrize("fault", [swapped, lost, reported])
def test_a_wrong_stream_is_noticed(monkeypatch, fault):
    where = {}

    class Tampering(against_golden.PysimBench):
        def run(self, episode, **how):
            (done,) = super().run(episode, **how)
            where[self.direction] = fault(done.outputs, self.direction)
            return [done]

    codes = np.array(values_for(random.Random(3), TABLES[0], 90), np.uint8)
    how = {"encoder": {"streams": 2}, "decoder": {"streams": 2}, "simulator": "pysim", "word": 16}
    assert simulate(TABLES[0], codes, **how).identical
    monkeypatch.setattr(against_golden, "PysimBench", Tampering)
    result = simulate(TABLES[0], codes, **how)
    assert not result.identical
    for name, engine in result.engines.items():
        assert engine.mismatch.startswith(where[name]), engine.mismatch
        assert f"{name}: {engine.mismatch}" in result.mismatch
        assert engine.flagged == (fault is reported)


# Dealing


def test_deal():
    codes = np.arange(20, dtype=np.uint8)

    def sizes(**how):
        return [[len(values) for _, values in blocks] for blocks in deal(TABLES[0], codes, **how)]

    assert sizes(streams=1) == [[20]]
    assert sizes(streams=3) == [[7], [7], [6]], "a block for each stream"
    assert sizes(streams=3, block=4) == [[4]] * 5, "unless told otherwise"
    assert sizes(streams=50) == [[1]] * 20
    assert [number for ((number, _),) in deal(TABLES[0], codes, streams=2, number=3)] == [3, 3]


def test_deal_gives_all_streams_the_same_number_of_blocks():
    codes = np.zeros(1000, np.uint8)  # blocks have 300 values at most
    for streams, sizes in ((1, [250] * 4), (3, [167] * 5 + [165]), (4, [250] * 4)):
        assert [len(values) for ((_, values),) in deal(TABLES[0], codes, streams=streams)] == sizes


def test_shares_of_a_plan():
    """A stream with several queues takes the blocks of one table from all of them before those of the next."""
    values = [np.full(count, 0, np.uint8) for count in (1, 2, 3, 4, 5)]
    queues = [[(0, values[0]), (2, values[1])], [], [(0, values[2]), (1, values[3])], [(1, values[4])]]
    plan = Plan(Work(TABLES, queues), "decoder", {"word": 16, "streams": 2, "banks": 2})
    assert [share.counts.tolist() for share in plan.shares] == [[1, 3, 4, 2], [5]]
    assert plan.inputs()["blocks_0"].tolist() == [[0, 0], [2, 0], [3, 1], [1, 0]]
    rows = CONFIG.rows
    assert plan.inputs()["load"][:, 2].tolist() == [0] * rows + [1] * rows + [0] * rows + [1] * rows
    assert plan.waits() == {
        "blocks_0": [(3, "load", 2 * rows + 1)], "blocks_1": [],
        "load": [(2 * rows, "blocks_0", 2), (3 * rows, "blocks_0", 3), (3 * rows, "blocks_1", 1)],
    }


@pytest.mark.parametrize(("queues", "error", "message"), [
    ([], ValueError, "queues must hold at least one block"),
    ([[], []], ValueError, "queues must hold at least one block"),
    ([[(0, [1, 2])]], TypeError, "codes must be an array, not list"),
    ([[(4, np.zeros(1, np.uint8))]], ValueError, "the number of a block's table must be in 0..3, not 4"),
    ([[], [(0, np.zeros(0, np.uint8))]], ValueError, "queue 1: values in a block must be in 1..300, not 0"),
    ([[(0, np.zeros(301, np.uint8))]], ValueError, "queue 0: values in a block must be in 1..300, not 301"),
    ([[(1, np.zeros(1, np.uint8)), (0, np.zeros(1, np.uint8))]], ValueError, "table must not fall from block to"),
    ([[(0, np.full(1, 24, np.uint8))]], UncodableError, "24"),
])
def test_wrong_queues(queues, error, message):
    with pytest.raises(error, match=message):
        simulate_queues(TABLES, queues, simulator="pysim")


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"encoder": {"streams": 0}}, ValueError, "streams must be in 1..8, not 0"),
    ({"encoder": {"search": "flash"}}, TypeError, "search is no option of the encoder"),
    ({"decoder": {"search": "guess"}}, ValueError, "search must be one of flash, .*, not 'guess'"),
    ({"decoder": {"banks": 3}}, ValueError, "banks must be in 1..2, not 3"),
    ({"netlists": {"encoder": []}}, ValueError, "simulator must be verilator for netlists"),
])
def test_wrong_engines(change, error, message):
    with pytest.raises(error, match=message):
        simulate(TABLES[0], np.zeros(3, np.uint8), simulator="pysim", **change)
