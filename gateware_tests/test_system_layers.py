"""Layers of the machine model: found from tensors, for batches, for one token after another."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from system_layers import LAYERS, activation, convolution, layers_of_sample, weights

from golden.system import load_machine, load_memory
from golden.system.decoding import token_layers
from golden.system.derive import derive, unmultiplied
from golden.system.layers import batched
from golden.system.matching import FORBIDDEN, assign
from golden.system.running import run_all, total
from golden.system.scheme import RAW

MACHINE, MEMORY = load_machine("tensorcore"), load_memory("ddr4-3200")


@pytest.fixture(scope="module")
def sample_layers():
    return layers_of_sample()


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


def test_convolutions_along_one_side_with_steps():
    """Frames of a signal, magnitudes of complex numbers, kernels along the signal: [steps, N, C, W]."""
    activations = [
        activation("x", "Pad", [7, 1, 640]), activation("magnitude", "Sqrt", [7, 1, 129, 4]),
        activation("a", "Relu", [7, 1, 24, 2]), activation("b", "Relu", [7, 1, 32, 1]),
    ]
    tensors = [weights("basis", "Conv", [258, 1, 256]), weights("w0", "Conv", [24, 129, 3]),
               weights("w1", "Conv", [32, 24, 3])]
    found, notes = derive(tensors, activations, 1 << 20)
    assert [(layer.m, layer.n, layer.k) for layer in found] == [(28, 258, 256), (14, 24, 387), (7, 32, 72)]
    assert [layer.window.stride_w for layer in found] == [128, 2, 2] and not notes and unmultiplied(found) == 0
    assert [layer.input.tensor for layer in found] == ["activation x", "activation magnitude", "activation a"]
    last = [activation("x", "INPUT", [1, 100, 12]), activation("y", "Conv", [1, 50, 20])]  # channels at the end
    (layer,), _ = derive([weights("w", "Conv", [20, 12, 5])], last, 1 << 20)
    assert (layer.m, layer.n, layer.k, layer.window.stride_w) == (50, 20, 60, 2)


def test_patches_are_strides_of_a_whole_kernel():
    activations = [activation("x", "INPUT", [1, 3, 64, 64]), activation("y", "Conv", [1, 40, 4, 4])]
    (layer,), notes = derive([weights("w", "Conv", [40, 3, 16, 16])], activations, 1 << 20)
    assert (layer.m, layer.n, layer.k) == (16, 40, 768) and not notes


def test_products_whose_result_is_not_there():
    activations = [activation("x", "Add", [1, 10, 48]), activation("o", "Add", [1, 10, 48]),
                   activation("pool", "GlobalAveragePool", [1, 16, 1, 1]), activation("y", "Conv", [1, 16, 9, 9])]
    tensors = [weights("qkv", "MatMul", [48, 144]), weights("out", "MatMul", [48, 48]),
               weights("squeeze", "Conv", [4, 16, 1, 1]), weights("k", "Conv", [16, 16, 3, 3])]
    found = {layer.name: layer for layer in derive(tensors, activations, 1 << 20)[0]}
    assert (found["qkv"].m, found["qkv"].n, found["qkv"].k, found["qkv"].input.tensor) == (10, 144, 48, "activation x")
    head = derive([*tensors, weights("head", "MatMul", [48, 100])], activations, 1 << 20)
    assert {layer.name: layer.m for layer in head[0]}["head"] == 10 and unmultiplied(head[0]) == 0
    # Kernels of one value: one for each picture that nobody takes, or none of them.
    assert found["squeeze"].kind == "convolution"
    more = [*tensors, weights("other", "Conv", [8, 16, 1, 1]), weights("third", "Conv", [8, 16, 1, 1])]
    kinds = {layer.name: layer.kind for layer in derive(more, activations, 1 << 20)[0]}
    assert kinds["squeeze"] == kinds["other"] == "weights only"
    assert 0 < unmultiplied(derive(more, activations, 1 << 20)[0]) < 0.1
