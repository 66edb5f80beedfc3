"""The machine model: what must hold of time and energy whatever the machine, and answers that must be true."""

from copy import deepcopy
from dataclasses import replace

import pytest
from system_layers import LAYERS, convolution, layers_of_sample, product_layer

from golden.system import load_machine, load_memory
from golden.system.choice import choose
from golden.system.cycles import ceil_div
from golden.system.layers import Operand
from golden.system.machine import IDEAL, Codec, Engines
from golden.system.running import run, run_all, total
from golden.system.scheme import RAW, Scheme, uniform
from golden.system.schemes import schemes
from golden.system.study import (
    LOSSES,
    WORTH,
    Case,
    block_study,
    break_even,
    largest,
    lost,
    pipeline_of,
    smallest_bandwidth,
)
from golden.system.timing import Work
from golden.system.timing import losses as work_losses

MACHINE, MEMORY = load_machine("tensorcore"), load_memory("ddr4-3200")
CODEC = MACHINE.codec


@pytest.fixture(scope="module")
def sample_layers():
    return layers_of_sample()


# What must hold


def ideal(codec: Codec = CODEC) -> Codec:
    return replace(codec.without_cost(), block_bytes=0.0)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: f"{layer.m}x{layer.n}x{layer.k}")
def test_ratio_one_without_latency_is_the_baseline(layer):
    raw, same = run(layer, MACHINE, MEMORY, RAW), run(layer, MACHINE, MEMORY, uniform(1.0, ideal()))
    assert same.time == pytest.approx(raw.time, rel=1e-9) and same.traffic == raw.traffic
    assert same.energy == pytest.approx(raw.energy, rel=1e-12)


def test_ratio_one_is_never_faster_than_the_baseline(sample_layers):
    layers, _ = sample_layers
    raw = total(run_all(layers, MACHINE, MEMORY, RAW))
    assert total(run_all(layers, MACHINE, MEMORY, uniform(1.0, CODEC))).time >= raw.time


def test_infinite_bandwidth_leaves_compute(sample_layers):
    layers, _ = sample_layers
    memory = replace(MEMORY.scaled(1e6), latency_ns=0.0)
    raw, half = (total(run_all(layers, MACHINE, memory, s)) for s in (RAW, uniform(0.5, ideal())))
    assert raw.time / half.time == pytest.approx(1.0, abs=1e-3)
    assert raw.time == pytest.approx(raw.compute, rel=1e-3)


def test_without_compute_time_is_the_memory_s(sample_layers):
    layers, _ = sample_layers
    machine = replace(MACHINE, array=replace(MACHINE.array, clock_ghz=100.0, units=1 << 20))
    found = total(run_all(layers, machine, replace(MEMORY, latency_ns=0.0), RAW))
    for layer in LAYERS:  # of a tile: no more and no less than what is moved
        one = run(layer, machine, MEMORY, RAW)
        assert one.time == pytest.approx(one.memory + MEMORY.latency_ns, rel=0.01)
    prefetched = 0.05  # first weights are not waited for
    assert found.memory * (1 - prefetched) <= found.time <= found.memory * 1.05


def test_layers_read_anew_take_the_same(sample_layers):
    """Layers that are equal are the same layer, whichever of them was seen first."""
    again = deepcopy(sample_layers[0])
    for machine in (MACHINE, load_machine("tpu")):  # which keeps outputs on chip
        for scheme in (RAW, uniform(0.6, CODEC)):
            assert run_all(again, machine, MEMORY, scheme) == run_all(sample_layers[0], machine, MEMORY, scheme)


def test_weights_are_loaded_ahead():
    """Not waited for, nor their decoders' latency; without prefetch both are."""
    layer = product_layer(1, 256, 256)
    buffers = replace(MACHINE.buffers, prefetch=False)
    slow = replace(CODEC, decoders=replace(CODEC.decoders, latency_cycles=10_000.0))
    times = [[run(layer, replace(MACHINE, buffers=b), MEMORY, uniform(0.6, codec)).time for codec in (CODEC, slow)]
             for b in (MACHINE.buffers, buffers)]
    assert times[0][0] <= times[1][0] and times[0][1] <= times[1][1]
    alone = Scheme("w", slow, {"w": 0.6}, raw=frozenset({"in", "out"}))
    ahead, waited = (run(layer, replace(MACHINE, buffers=b), MEMORY, alone) for b in (MACHINE.buffers, buffers))
    assert waited.time - ahead.time > 9_000 / CODEC.decoders.clock_ghz > ahead.time


def test_latency_is_counted_once():
    """A block's first value is there after the latency, the others turn by turn: not after the turns, and then it."""
    decoder = Engines(1, 6, 1.0, 1.0, 2, 23, 1.0)
    assert decoder.latency_ns == 23 and decoder.beyond_turns_ns == 23 + 1 - 3 * 6
    encoder = Engines(1, 1, 2.0, 1.0, 1, 9, 1.0, interface_cycles=4)
    assert encoder.latency_ns == 6.5 and encoder.beyond_turns_ns == (9 + 1 - 2 + 4) / 2
    free = replace(MEMORY.scaled(1e6), latency_ns=0.0)
    alone = Scheme("i", CODEC, {"in": 0.6}, raw=frozenset({"w", "out"}))  # 64 values: a block, all of it a part
    found = run(product_layer(1, 64, 64), MACHINE, free, alone)
    side = CODEC.decoders
    turns = (64 / side.values_per_cycle + side.block_cycles) * side.streams / side.clock_ghz
    assert found.time == pytest.approx(turns + side.beyond_turns_ns + found.compute, rel=1e-3)
    layer = product_layer(64, 64, 64)
    times = [run(layer, MACHINE, MEMORY, uniform(0.6, replace(CODEC, encoders=replace(CODEC.encoders, **change)))).time
             for change in ({}, {"interface_cycles": 1000.0}, {"latency_cycles": 1009.0})]
    assert times[1] - times[0] == pytest.approx(1000 / CODEC.encoders.clock_ghz)
    assert times[2] == pytest.approx(times[1])


def losses(found):
    return [getattr(found, name) for name in LOSSES]


def test_what_engines_and_blocks_cost_adds_up(sample_layers):
    """And each part goes with its cause."""
    layers, _ = sample_layers
    coders = CODEC.decoders, CODEC.encoders
    quick = replace(CODEC, **{side: replace(e, latency_cycles=0.0) for side, e in
                              zip(("decoders", "encoders"), coders, strict=True)})
    usual, short, free = (total(run_all(layers, MACHINE, MEMORY, uniform(0.6, c)))
                          for c in (CODEC, quick, CODEC.without_cost()))
    exact = total(run_all(layers, MACHINE, replace(MEMORY, burst_bytes=1), uniform(0.6, ideal())))
    assert all(part > 0 for part in losses(usual))
    assert short.pipeline == 0 and losses(short)[1:] == pytest.approx(losses(usual)[1:])
    assert short.time == pytest.approx(usual.time - usual.pipeline)
    assert sum(losses(free)[:3]) == pytest.approx(0, abs=1e-3 * free.time)
    assert free.time == pytest.approx(usual.time - sum(losses(usual)[:3]), rel=1e-3)
    assert usual.alone <= exact.time <= 1.003 * usual.alone  # compression alone; bytes are still whole
    raw = total(run_all(layers, MACHINE, MEMORY, RAW))
    assert losses(raw)[:3] == [0, 0, 0] and raw.rounding < 0.01 * raw.time


def test_losses_by_hand():
    work = Work(compute=10, moving=10, load=4, store=2, room=100, memory_latency=1, decode=20, encode=6, first=8,
                last=3, latency_in=6, latency_out=5, rest_in=2, rest_out=1)
    assert work.times() == (11 + 12 + 7, 11 + 7)
    exact = Work(compute=10, moving=8, load=3, store=1, room=100, memory_latency=1)
    # Without pipelines 9 + 12 + 3, without first blocks 5 + 16 + 2, without engines 5 + 10 + 2, exactly 4 + 10 + 1.
    assert work_losses(work, exact) == (6, 1, 6, 2)


def test_shares_of_the_loss():
    """Of the first blocks with long blocks, of bursts with short ones; more engines take away the rate's alone."""
    layers = [convolution(28, 16, 32, 3, 1)] * 3
    case = Case(layers, MACHINE, MEMORY, uniform(0.6, CODEC))
    rows = {row["block"]: row for row in block_study(case, (64, 1024))}
    for row in rows.values():
        parts = {name: share for name, share in row["lost"].items() if name != "all"}
        assert sum(parts.values()) == pytest.approx(row["lost"]["all"]) and parts["left_raw"] == 0
        saved = 1 - 1 / row["alone_speedup"]  # of raw storage's time
        assert 1 / row["speedup"] == pytest.approx(1 - saved * (1 - row["lost"]["all"]))
    short, long = rows[64]["lost"], rows[1024]["lost"]
    assert long["first_block"] > short["first_block"] and long["rounding"] < short["rounding"]
    some = replace(uniform(0.6, CODEC), raw=frozenset({"w", "out"}))
    raw, part, everything = (case.run(s) for s in (RAW, some, case.scheme))
    assert part.alone > everything.alone and lost(raw, part, everything.alone)["left_raw"] > 0.1
    assert lost(raw, raw, raw.alone) is None


def test_decoders_of_other_streams_have_their_own_pipelines():
    assert [pipeline_of(CODEC.decoders, n) for n in (1, 2, 6, 8)] == [3, 7, CODEC.decoders.latency_cycles, 31]


def test_energies_add_up(sample_layers):
    layers, _ = sample_layers
    runs = run_all(layers, MACHINE, MEMORY, uniform(0.6, CODEC))
    found = total(runs)
    assert found.energy == pytest.approx(sum(r.energy for r in runs))
    e = MACHINE.energy
    assert found.mac_pj == pytest.approx(sum(layer.macs for layer in layers) * (e.multiply_pj + e.add_pj))
    moved = 8 * (found.read * MEMORY.read_pj + found.write * MEMORY.write_pj)
    assert found.memory_pj == pytest.approx(moved + MEMORY.background_mw * found.time)
    assert found.codec_pj == pytest.approx(found.decoded * CODEC.decoders.pj_per_value
                                           + found.encoded * CODEC.encoders.pj_per_value)
    assert found.traffic == pytest.approx(found.weights + found.activations)


def times(layers, schemes=None, machines=None, memories=None):
    """Times of a list of variants of one of the three."""
    usual = uniform(0.6, CODEC)
    variants = [(s, MACHINE, MEMORY) for s in schemes or ()] + [(usual, m, MEMORY) for m in machines or ()]
    variants += [(usual, MACHINE, m) for m in memories or ()]
    return [total(run_all(layers, machine, memory, scheme)).time for scheme, machine, memory in variants]


def falling(found):
    assert all(a >= b * (1 - 1e-9) for a, b in zip(found, found[1:], strict=False)) and found[0] > found[-1], found


def with_engines(**changes):
    return uniform(0.6, replace(CODEC, decoders=replace(CODEC.decoders, **changes), parallel=576))


def test_more_of_anything_is_never_slower(sample_layers):
    layers, _ = sample_layers
    falling(times(layers, [uniform(r, CODEC) for r in (1.0, 0.8, 0.6, 0.4, 0.2)]))
    falling(times(layers, memories=[MEMORY.scaled(f) for f in (0.25, 0.5, 1, 2, 4)]))
    falling(times(layers, machines=[replace(MACHINE, array=replace(MACHINE.array, units=n)) for n in (1, 4, 16, 64)]))
    falling(times(layers, [with_engines(count=n) for n in (1, 4, 16, 64, 256)]))
    falling(times(layers, [with_engines(clock_ghz=f) for f in (0.1, 0.5, 1, 2)]))
    falling(times(layers, [with_engines(block_cycles=n) for n in (1000, 100, 10, 0)]))
    falling(times(layers, [with_engines(latency_cycles=n) for n in (1000, 100, 10, 0)]))
    falling(times(layers, [with_engines(streams=n) for n in (8, 4, 2, 1)]))


def test_larger_buffers_never_move_more(sample_layers):
    layers, _ = sample_layers
    found = [total(run_all(layers, replace(MACHINE, buffers=MACHINE.buffers.scaled(f)), MEMORY, RAW))
             for f in (1 / 64, 1 / 16, 1)]
    falling([run.traffic for run in found])


def test_outputs_that_stay_on_chip_are_not_moved():
    first, second = LAYERS[0], replace(product_layer(784, 8, 32), name="next")
    second = replace(second, input=first.output, output=Operand("end", 784 * 8, 8, "activations"))
    kept = replace(MACHINE, buffers=replace(MACHINE.buffers, keep_kib=64.0))
    apart, together = (total(run_all([first, second], m, MEMORY, RAW)) for m in (MACHINE, kept))
    assert apart.traffic - together.traffic == 2 * first.output.values
    third = replace(second, name="third")  # which reads it, too: it has to be there still
    again = total(run_all([first, second, third], kept, MEMORY, RAW))
    assert again.traffic == total(run_all([first, second, third], MACHINE, MEMORY, RAW)).traffic


def test_transfers_are_whole_bursts():
    operand = Operand("t", 1000, 8, "weights")
    scheme = Scheme("s", replace(CODEC, parallel=1, least_block=100, block=100), {"t": 0.5})
    assert RAW.stored_bytes(operand, 1000, 64) == 1024
    assert CODEC.aligned and scheme.stored_bytes(operand, 1000, 64) == 10 * 64  # each block of 50 and 9 bytes
    packed = replace(scheme, codec=replace(scheme.codec, aligned=False))
    assert packed.stored_bytes(operand, 1000, 64) == 64 * ceil_div(500 + 90, 64)
    longer = replace(scheme, codec=replace(scheme.codec, block=1000, parallel=10), least={"t": 500})
    assert longer.stored_bytes(operand, 1000, 64) == 2 * 64 * ceil_div(250 + 9, 64)
    assert replace(scheme, ratios={"t": 1.5}).stored_bytes(operand, 1000, 64) == 1024  # never more than raw


def test_ratios_leave_out_what_blocks_take():
    entry = {"values": 1000, "whole_values": 4000, "raw_bits": 8000, "apack_bits": 5000, "floor_bits": 4000.0,
             "rivals": {}, "name": "n"}
    weight, first, second = ({"key": key, "kind": kind, **entry} for key, kind in
                             (("w", "weight"), ("a0", "activation"), ("a1", "activation")))
    second["apack_bits"] = 6000
    weight["whole_floor_bits"] = 20_000.0  # of 4,000 values; in proportion it would be 16,000
    found = schemes([weight, first, second], 100, MACHINE)["apack"]
    blocks = 10 * 8 * CODEC.block_bytes
    ratios = (5000 - blocks + 1000) / 8000, (5500 - blocks) / 8000
    assert found.ratios == dict(zip(("weights w", "activation n"), ratios, strict=True))
    assert found.means == dict(zip(("weights", "activations"), ratios, strict=True))
    weight["whole_floor_bits"] = 4000 * 8.0
    assert schemes([weight], 100, MACHINE)["apack"].ratios == {"weights w": 1.0}  # never more than raw


def test_blocks_fit_the_engines():
    codec = Codec(4096, 128, 9.0, Engines(4, 8, 1.0, 1.0, 2, 18, 1.0), IDEAL)
    assert [codec.block_for(n) for n in (32, 32 * 128, 32 * 1000, 10**6)] == [128, 128, 1000, 4096]


# Answers


def test_break_even_is_where_time_is_equal(sample_layers):
    layers, _ = sample_layers
    decoders = replace(CODEC.decoders, streams=1, clock_ghz=4.0)
    machine = replace(MACHINE, codec=replace(CODEC, decoders=decoders, aligned=False))
    case = Case(layers, machine, MEMORY, uniform(0.6, machine.codec))
    raw, ratio = case.run(RAW).time, break_even(case)["time"]
    assert 0.3 < ratio < 1
    below, above = (case.run(uniform(ratio * f, machine.codec)).time for f in (0.99, 1.01))
    assert below < raw < above


def test_break_even_of_what_is_chosen_is_where_choosing_pays(sample_layers):
    case = Case(sample_layers[0], MACHINE, MEMORY, uniform(0.6, CODEC), choosing=True)
    raw, ratio = case.run(RAW), break_even(case)["time"]

    def product(some: float) -> float:
        found = case.coded(scheme=uniform(some, CODEC))
        return found.time * found.energy / (raw.time * raw.energy)

    assert 0.3 < ratio < 1 and product(ratio * 0.99) < 1 - WORTH < product(ratio * 1.01) <= 1


def test_smallest_bandwidth_is_as_fast_as_raw(sample_layers):
    layers, _ = sample_layers
    case = Case(layers, MACHINE, MEMORY, uniform(0.5, ideal()))
    share = smallest_bandwidth(case)
    assert 0.4 < share < 0.7
    assert case.coded(memory=MEMORY.scaled(share)).time == pytest.approx(case.run(RAW).time, rel=1e-3)
    never = Case(layers, MACHINE, MEMORY, uniform(1.0, CODEC))
    assert smallest_bandwidth(never) is None


def test_what_is_chosen_is_better_than_all_raw_and_all_coded(sample_layers):
    layers, _ = sample_layers
    names = {o.tensor for layer in layers for o in layer.operands if o.tensor}
    scheme = Scheme("s", CODEC, dict.fromkeys(names, 0.7))
    chosen = choose(layers, MACHINE, MEMORY, scheme)
    assert chosen.raw - {None} < names and chosen.raw & names  # some of each
    raw, all_coded, some = (total(run_all(layers, MACHINE, MEMORY, s)) for s in (RAW, scheme, chosen))
    assert some.time * some.energy < min(r.time * r.energy for r in (raw, all_coded))
    assert 0 < some.decoded < all_coded.decoded
    assert len(set(chosen.least.values())) > 1  # blocks of different lengths, too
    one = [total(run_all(layers, MACHINE, MEMORY, replace(chosen, least=dict.fromkeys(names, length))))
           for length in (128, 512, 2048)]
    assert some.time * some.energy < min(r.time * r.energy for r in one)
    free = choose(layers, MACHINE, MEMORY, replace(scheme, codec=ideal()))
    assert len(free.raw & names) < len(chosen.raw & names)


def test_largest():
    assert largest(lambda x: x <= 0.3, 0, 1) == pytest.approx(0.3, abs=1e-4)
    assert largest(lambda x: True, 0, 1) == 1 and largest(lambda x: False, 0, 1) is None
