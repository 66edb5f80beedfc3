"""Tiles and cycles of the machine model: the search against a walk through all tiles, arrays within their peak."""

from dataclasses import replace
from itertools import permutations, product

import pytest
from system_layers import LAYERS, convolution, product_layer

from golden.system import load_machine
from golden.system.cycles import compute_cycles
from golden.system.machine import Array, Buffers
from golden.system.tiling import CANDIDATES, RELEVANT, best_of, cuts, search

MACHINE = load_machine("tensorcore")


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


@pytest.mark.parametrize("layer", [
    product_layer(2048, 1536, 384), product_layer(1577, 84, 1140), product_layer(300, 1000, 700),
    convolution(150, 64, 192, 3, 2), convolution(60, 200, 100, 3, 1, images=3),
], ids=lambda layer: f"{layer.m}x{layer.n}x{layer.k}")
def test_large_layers_get_the_best_of_all_cuts(layer):
    """Where the search looks at some candidates only, it finds what a look at all of them finds."""
    buffers = load_machine("npu").buffers
    every = cuts(layer)
    assert max(every.counts[1:]) > CANDIDATES or every.counts[0] > 3 * CANDIDATES
    key, _, best = best_of(layer, buffers, every, [range(count) for count in every.counts])
    found = search(layer, buffers)
    assert found.input + found.weights + found.sum_bytes + found.output == key[1]
    assert found.fits and best.fits and search(layer, buffers).tile[:3] == best.tile[:3]


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
