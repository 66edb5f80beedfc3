"""The machine model: layers from tensors, tiles, cycles, and what must hold of time and energy whatever the machine."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from golden.sample import PATH as SAMPLE
from golden.system import load_machine, load_memory
from golden.system.choice import choose
from golden.system.cycles import ceil_div, compute_cycles
from golden.system.decoding import token_layers
from golden.system.derive import derive
from golden.system.layers import Layer, Operand, Window, batched
from golden.system.machine import IDEAL, Array, Buffers, Codec, Engines
from golden.system.matching import FORBIDDEN, assign
from golden.system.running import run, run_all, total
from golden.system.scheme import RAW, Scheme, uniform
from golden.system.schemes import schemes
from golden.system.study import Case, break_even, largest, smallest_bandwidth
from golden.system.tensors import Tensor, tensors_of
from golden.system.tiling import RELEVANT, search
from golden.tensors import open_model

MACHINE, MEMORY = load_machine("tensorcore"), load_memory("ddr4-3200")
CODEC = MACHINE.codec


def operands(inputs, weights, outputs, width=8):
    return {
        "input": Operand("in", inputs, width, "activations"), "weights": Operand("w", weights, width, "weights"),
        "output": Operand("out", outputs, width, "activations"),
    }


def product_layer(m, n, k, groups=1):
    return Layer("l", "fully connected", groups, m, n, k, **operands(groups * m * k, groups * n * k, groups * m * n))


def convolution(side, channels, outputs, kernel, stride, images=1):
    out = (side + 2 * (kernel // 2) - kernel) // stride + 1
    window = Window(images, side, side, out, out, kernel, kernel, stride, stride)
    sizes = images * side * side * channels, channels * outputs * kernel * kernel, images * out * out * outputs
    return Layer("c", "convolution", 1, images * out * out, outputs, channels * kernel * kernel, window,
                 **operands(*sizes))


LAYERS = [convolution(28, 16, 32, 3, 1), convolution(28, 32, 64, 3, 2), product_layer(1, 1000, 512),
          product_layer(64, 64, 32, 4)]


@pytest.fixture(scope="module")
def sample_layers():
    with open_model(SAMPLE) as pack:
        sizes = {r.key: {"whole_values": r.meta["n_total"], "width": r.bits} for r in pack.records}
        return derive(*tensors_of(pack.records, sizes), 1 << 18)


# Assignment


def test_assignment_is_of_least_cost():
    random = np.random.default_rng(1)
    for _ in range(60):
        rows, columns = int(random.integers(1, 5)), int(random.integers(1, 6))
        costs = random.integers(0, 10, (rows, columns)).astype(float)
        costs[random.random((rows, columns)) < 0.25] = FORBIDDEN

        def value(found, costs=costs):
            return sum(costs[row, column] if column >= 0 else FORBIDDEN for row, column in enumerate(found))

        found = assign(costs)
        taken = [column for column in found if column >= 0]
        assert len(taken) == len(set(taken))
        assert value(found) == min(map(value, set(permutations([*range(columns), *[-1] * rows], rows))))


# Layers


def activation(name, op, shape, width=8):
    return Tensor(f"activation {name}", name, "activation", op, tuple(shape), width, int(np.prod(shape)))


def weights(name, op, shape):
    return Tensor(f"weights {name}", name, "weight", op, tuple(shape), 8, int(np.prod(shape)))


def test_a_network_whose_weights_are_out_of_order_is_put_together():
    # Two 3x3 convolutions between two 1x1; a pool; a head. ONNX layout, weights sorted by kernel.
    activations = [
        activation("x", "INPUT", [1, 3, 32, 32]), activation("a", "Conv", [1, 8, 32, 32]),
        activation("b", "Conv", [1, 8, 16, 16]), activation("c", "Conv", [1, 24, 16, 16]),
        activation("p", "GlobalAveragePool", [1, 24, 1, 1]), activation("y", "Gemm", [1, 10]),
    ]
    found, notes = derive([
        weights("k1", "Conv", [24, 8, 1, 1]), weights("k3", "Conv", [8, 8, 3, 3]), weights("k5", "Conv", [8, 3, 5, 5]),
        weights("fc", "Gemm", [10, 24]),
    ], activations, 1 << 20)
    assert [(layer.name, layer.macs) for layer in found if layer.macs] == [
        ("k5", 1024 * 8 * 75), ("k3", 256 * 8 * 72), ("k1", 256 * 24 * 8), ("fc", 240),
    ]
    assert [layer.name for layer in found] == ["k5", "k3", "k1", "p", "fc"] and not notes
    assert found[1].window.stride_h == 2 and found[1].input.tensor == "activation a"


@pytest.mark.parametrize("shape, op, image", [
    ([1, 3, 3, 16], "DEPTHWISE_CONV_2D", [1, 20, 20, 16]), ([16, 1, 3, 3], "Conv", [1, 16, 20, 20]),
])
def test_depthwise_convolutions_have_a_group_a_channel(shape, op, image):
    activations = [activation("x", "INPUT", image), activation("y", op, image)]
    (layer,), _ = derive([weights("w", op, shape)], activations, 1 << 20)
    assert (layer.kind, layer.groups, layer.m, layer.n, layer.k) == ("depthwise", 16, 400, 1, 9)


def test_strides_may_differ_down_and_across():
    activations = [activation("x", "INPUT", [1, 24, 40, 8]), activation("y", "Conv", [1, 12, 40, 8])]
    (layer,), notes = derive([weights("w", "Conv", [8, 1, 3, 3])], activations, 1 << 20)
    assert (layer.kind, layer.window.stride_h, layer.window.stride_w) == ("depthwise", 2, 1) and not notes


def attention_model():
    names = ("q", "k", "v")
    activations = [activation("x", "LayerNormalization", [1, 10, 48])]
    activations += [activation(name, "MatMul", [1, 10, 48]) for name in names]
    activations += [activation("s", "MatMul", [1, 4, 10, 10]), activation("p", "Softmax", [1, 4, 10, 10]),
                    activation("o", "MatMul", [1, 4, 10, 12])]
    return [weights(name, "MatMul", [48, 48]) for name in names], activations


def test_attention_is_two_products_of_activations():
    found, _ = derive(*attention_model(), 1 << 20)
    scores, context = (layer for layer in found if layer.kind == "attention")
    assert (scores.groups, scores.m, scores.n, scores.k) == (4, 10, 10, 12)
    assert (context.groups, context.m, context.n, context.k) == (4, 10, 12, 10)
    assert context.weights.kind == "activations"


def test_a_token_reads_all_weights_and_the_cache():
    layers, notes = token_layers(derive(*attention_model(), 1 << 20)[0], 100, 3)
    dense = [layer for layer in layers if layer.kind == "fully connected"]
    assert sum(layer.weights.values for layer in dense) == 3 * 48 * 48 and {layer.m for layer in dense} == {3}
    cache = [layer.weights.values for layer in layers if layer.kind == "attention"]
    assert cache == [3 * 100 * 48] * 2
    assert notes == {"left out of decoding: elementwise": 1}


def test_decoding_from_names_alone():
    tensors = [replace(weights(f"layers.0.{name}", "", [64, 64]), role=role)
               for name, role in (("k_proj", "projection"), ("v_proj", "projection"), ("mlp.up_proj", "feed-forward"))]
    layers, notes = token_layers(derive(tensors, [], 1 << 20)[0], 50, 2)
    assert [layer.kind for layer in layers] == ["fully connected", "attention"] * 2 + ["fully connected"]
    assert [layer.weights.values for layer in layers if layer.kind == "attention"] == [2 * 50 * 64] * 2
    assert any("unknown ratio" in note for note in notes)
    with pytest.raises(ValueError, match="transformer"):
        token_layers([convolution(8, 3, 8, 3, 1)], 50, 1)


def test_recurrent_weights_that_do_not_fit_are_read_in_each_step():
    activations = [activation("x", "INPUT", [500]), activation("h", "LSTM", [250])]
    tensors = [weights("w", "LSTM", [100, 50]), weights("r", "LSTM", [100, 25])]
    runs = []
    for room in (10_000, 5_000):
        layers, _ = derive(tensors, activations, room)
        assert [layer.steps for layer in layers] == [10, 10]
        runs.append(total(run_all(layers, MACHINE, MEMORY, RAW)).weights)
    assert runs[1] >= 9.5 * runs[0]


def test_the_sample_is_a_network_of_69_million_macs(sample_layers):
    layers, notes = sample_layers
    assert sum(layer.macs for layer in layers) == pytest.approx(69.4e6, rel=0.01)
    assert len([layer for layer in layers if layer.weights]) == 74
    # Convolutions follow one another in the order that the exporter numbered them in, up to the feature pyramid.
    numbers = [int(layer.name.split("_")[1].split(".")[0]) for layer in layers[:46]]
    assert numbers == list(range(46))
    assert sum(notes.values()) == 21


def test_a_batch_multiplies_all_but_weights():
    layer = batched(LAYERS[0], 4)
    assert layer.macs == 4 * LAYERS[0].macs and layer.weights == LAYERS[0].weights
    assert layer.output.values == 4 * LAYERS[0].output.values and layer.window.images == 4


# Tiles


def tiles_of(length, size):
    return [range(start, min(start + size, length)) for start in range(0, length, size)]


def moved_bytes(layer, order, rows, n, k, buffers):
    """Bytes that a nest of loops moves, found by walking through it: a tile is moved when it is not the last one seen.

    None if the tiles do not fit. ``rows``: outputs of a tile along both sides (convolution), or rows.
    """
    w = layer.window
    kernel = w.kernel_h * w.kernel_w if w else 1
    if w:
        pad = max(0, (w.rows - 1) * w.stride_h + w.kernel_h - w.height) // 2

        def covered(part, limit):
            return min(limit, part[-1] * w.stride_h - pad + w.kernel_h) - max(0, part[0] * w.stride_h - pad)

        cuts = list(product(tiles_of(w.rows, rows[0]), tiles_of(w.columns, rows[1])))
        inputs = [covered(a, w.height) * covered(b, w.width) for a, b in cuts]
        outputs = [len(a) * len(b) for a, b in cuts]
    else:
        inputs = outputs = [len(part) for part in tiles_of(layer.m, rows)]
    ns, ks = tiles_of(layer.n, n), tiles_of(layer.k // kernel, k)
    sizes = max(inputs) * len(ks[0]), len(ns[0]) * len(ks[0]) * kernel, max(outputs) * len(ns[0]) * 4
    room = buffers.inputs_kib * 512, buffers.weights_kib * 512, buffers.outputs_kib * 1024
    if any(size > limit for size, limit in zip(sizes, room, strict=True)):
        return None
    loops = {"m": range(len(outputs)), "n": range(len(ns)), "k": range(len(ks))}
    last, volume, visits = dict.fromkeys(RELEVANT), 0, {}
    for place in product(*(loops[dimension] for dimension in order)):
        at = dict(zip(order, place, strict=True))
        now = {name: tuple(at[d] for d in relevant) for name, relevant in RELEVANT.items()}
        if now["input"] != last["input"]:
            volume += inputs[at["m"]] * len(ks[at["k"]])
        if now["weights"] != last["weights"]:
            volume += len(ns[at["n"]]) * len(ks[at["k"]]) * kernel
        if now["output"] != last["output"]:
            size = outputs[at["m"]] * len(ns[at["n"]])
            if now["output"] in visits:
                volume += 8 * size  # out at the last visit, in again now
            visits[now["output"]] = size
        last = now
    return volume + sum(visits.values())


@pytest.mark.parametrize("layer", [
    product_layer(9, 7, 12), product_layer(1, 40, 30), product_layer(12, 8, 10), convolution(6, 5, 4, 3, 1),
    convolution(9, 4, 3, 3, 2), convolution(5, 8, 6, 1, 1),
], ids=lambda layer: f"{layer.m}x{layer.n}x{layer.k}")
@pytest.mark.parametrize("kib", [0.125, 0.5])
def test_the_search_finds_the_least_traffic_of_all_tiles_and_orders(layer, kib):
    buffers = Buffers(kib, kib, kib)
    w = layer.window
    if w:  # bands of rows, or parts of one row, as the search has them
        cuts = [(a, w.columns) for a in range(1, w.rows + 1)] + [(1, b) for b in range(1, w.columns)]
    else:
        cuts = range(1, layer.m + 1)
    channels = layer.k // (w.kernel_h * w.kernel_w if w else 1)
    walked = [
        moved_bytes(layer, order, rows, n, k, buffers)
        for order in permutations("mnk") for rows in cuts for n in range(1, layer.n + 1, 1 + layer.n // 9)
        for k in range(1, channels + 1, 1 + channels // 9)
    ]
    least = min(volume for volume in walked if volume is not None)
    found = search(layer, buffers)
    volume = found.input + found.weights + found.sum_bytes + found.output
    assert found.fits and volume <= least
    again = moved_bytes(layer, found.order, _cut(found, layer), found.tile[1],
                        found.tile[2] * channels // layer.k, buffers)
    assert volume == again


def test_sums_go_out_and_come_back_where_that_moves_least():
    layer, buffers = product_layer(1, 64, 1024), Buffers(64, 0.5, 0.0625)
    found = search(layer, buffers)
    assert found.order.index("k") < found.order.index("n") and found.sum_bytes == 8 * 64 * 3
    volume = found.input + found.weights + found.sum_bytes + found.output
    assert volume == moved_bytes(layer, found.order, *found.tile[:3], buffers)


def _cut(found, layer):
    if not layer.window:
        return found.tile[0]
    w = layer.window
    return (found.tile[0] // w.columns, w.columns) if found.tile[0] >= w.columns else (1, found.tile[0])


def test_large_buffers_move_everything_once():
    for layer in LAYERS:
        found = search(layer, Buffers(1e5, 1e5, 1e5))
        assert (found.input, found.weights, found.output) == (layer.input.values, layer.weights.values,
                                                              layer.output.values)


# Cycles


@pytest.mark.parametrize("m, n, k, cycles", [(4, 4, 4, 1), (5, 4, 4, 1), (32, 32, 4, 1), (33, 32, 4, 2), (1, 1, 1, 1)])
def test_cores_take_whole_blocks(m, n, k, cycles):
    assert compute_cycles(product_layer(m, n, k), MACHINE.array) == cycles


def test_arrays_never_exceed_their_peak():
    for array in (MACHINE.array, load_machine("tpu").array, load_machine("npu").array):
        for layer in LAYERS:
            assert layer.macs <= compute_cycles(layer, array) * array.macs_per_cycle


def test_packed_groups_take_fewer_cycles():
    array = Array("systolic", 1.0, rows=8, columns=8, dataflow="outputs")
    layer = replace(product_layer(64, 1, 9, 16), kind="depthwise")
    assert compute_cycles(layer, array) == 8 * compute_cycles(layer, replace(array, packs_groups=True))


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
    prefetched = 0.05  # first weights are not waited for
    assert found.memory * (1 - prefetched) <= found.time <= found.memory * 1.05


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
    assert scheme.stored_bytes(operand, 1000, 64) == 64 * ceil_div(500 + 90, 64)
    aligned = replace(scheme, codec=replace(scheme.codec, aligned=True))
    assert aligned.stored_bytes(operand, 1000, 64) == 10 * 64
    assert replace(scheme, ratios={"t": 1.5}).stored_bytes(operand, 1000, 64) == 1024  # never more than raw


def test_ratios_leave_out_what_blocks_take():
    entry = {"values": 1000, "whole_values": 4000, "raw_bits": 8000, "apack_bits": 5000, "floor_bits": 4000.0,
             "rivals": {}, "name": "n"}
    weight, first, second = ({"key": key, "kind": kind, **entry} for key, kind in
                             (("w", "weight"), ("a0", "activation"), ("a1", "activation")))
    second["apack_bits"] = 6000
    found = schemes([weight, first, second], 100, MACHINE)["apack"]
    blocks = 10 * 8 * CODEC.block_bytes
    assert found.ratios == {"weights w": (5000 - blocks) / 8000, "activation n": (5500 - blocks) / 8000}
    assert found.means == {"weights": (5000 - blocks) / 8000, "activations": (5500 - blocks) / 8000}


def test_blocks_fit_the_engines():
    codec = Codec(4096, 128, 9.0, Engines(4, 8, 1.0, 1.0, 2, 18, 1.0), IDEAL)
    assert [codec.block_for(n) for n in (32, 32 * 128, 32 * 1000, 10**6)] == [128, 128, 1000, 4096]


# Answers


def test_break_even_is_where_time_is_equal(sample_layers):
    layers, _ = sample_layers
    machine = replace(MACHINE, codec=replace(CODEC, decoders=replace(CODEC.decoders, streams=1, clock_ghz=4.0)))
    case = Case(layers, machine, MEMORY, uniform(0.6, machine.codec))
    raw, ratio = case.run(RAW).time, break_even(case)["time"]
    assert 0.3 < ratio < 1
    below, above = (case.run(uniform(ratio * f, machine.codec)).time for f in (0.99, 1.01))
    assert below < raw < above


def test_smallest_bandwidth_is_as_fast_as_raw(sample_layers):
    layers, _ = sample_layers
    case = Case(layers, MACHINE, MEMORY, uniform(0.5, ideal()))
    share = smallest_bandwidth(case)
    assert 0.4 < share < 0.7
    assert case.run(memory=MEMORY.scaled(share)).time == pytest.approx(case.run(RAW).time, rel=1e-4)
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
    free = choose(layers, MACHINE, MEMORY, replace(scheme, codec=ideal()))
    assert len(free.raw & names) < len(chosen.raw & names)


def test_largest():
    assert largest(lambda x: x <= 0.3, 0, 1) == pytest.approx(0.3)
    assert largest(lambda x: True, 0, 1) == 1 and largest(lambda x: False, 0, 1) is None
