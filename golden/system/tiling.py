"""The tiles and the order of loops that move the fewest bytes: searched for each layer (README.md, "Tiles")."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np

from .cycles import ceil_div
from .layers import Layer
from .machine import KIB, Buffers

CANDIDATES = 24  # sizes tried along a dimension at a time; all different numbers of tiles if there are no more of them
ROUNDS = 4  # of looking around the best so far; the fourth seldom finds anything
SUM_BYTES = 4  # of an output that is not complete yet
ORDERS = tuple(permutations("mnk"))  # outermost loop first
RELEVANT = {"input": "mk", "weights": "nk", "output": "mn"}


@dataclass(frozen=True)
class Tiling:
    """What a layer moves to and from memory, in values, and in how many tiles.

    Members
    -------
    input, weights, output : values moved, repeats included. sum_bytes : of incomplete outputs, out and in again.
    input_tiles, weight_tiles, output_tiles : how many transfers that is.
    order : loops, outermost first. tile : rows, columns, terms, groups of a tile.
    fits : False if no tile fits the buffers; then everything is moved as if the smallest did.
    """

    input: float
    weights: float
    output: float
    sum_bytes: float
    input_tiles: int
    weight_tiles: int
    output_tiles: int
    order: str
    tile: tuple[int, int, int, int]
    fits: bool = True


@dataclass(frozen=True)
class RowTile:
    """A way to cut the m rows: how many tiles, outputs and inputs (per channel) of the largest, all inputs read."""

    count: int
    rows: int
    inputs: int
    total: int


def sizes(length: int) -> list[int]:
    """The smallest tile for each number of tiles that a dimension can be cut into, largest first."""
    found, pieces = [], 1
    while pieces <= length:
        size = ceil_div(length, pieces)
        found.append(size)
        if size == 1:
            break
        pieces = ceil_div(length, size - 1)
    return found


def spread(count: int, limit: int) -> np.ndarray:
    """At most ``limit`` of so many candidates, closer together at the beginning; all if there are no more."""
    return np.arange(count) if count <= limit else np.unique(np.geomspace(1, count, limit).astype(int) - 1)


def around(index: int, count: int, limit: int) -> np.ndarray:
    """Candidates next to one, as many as ``limit`` at most."""
    first = max(0, min(index - limit // 2, count - limit))
    return np.arange(first, min(count, first + limit))


def row_tiles(layer: Layer) -> list[RowTile]:
    """Cuts of the rows: of whole images, of bands of rows of one image, of parts of one row."""
    w = layer.window
    if w is None:
        return [RowTile(ceil_div(layer.m, size), size, size, layer.m) for size in sizes(layer.m)]
    high, wide = spans(w.rows, w.height, w.kernel_h, w.stride_h), spans(w.columns, w.width, w.kernel_w, w.stride_w)
    full_h, full_w = high(w.rows), wide(w.columns)
    found = [
        RowTile(ceil_div(w.images, n), n * w.rows * w.columns, n * full_h[0] * full_w[0],
                w.images * full_h[1] * full_w[1])
        for n in sizes(w.images)
    ]
    for rows in sizes(w.rows)[1:]:
        most, total = high(rows)
        found.append(RowTile(w.images * ceil_div(w.rows, rows), rows * w.columns, most * full_w[0],
                             w.images * total * full_w[1]))
    most_h, total_h = high(1)
    for columns in sizes(w.columns)[1:]:
        most, total = wide(columns)
        found.append(RowTile(w.images * w.rows * ceil_div(w.columns, columns), columns, most_h * most,
                             w.images * total_h * total))
    return found


def spans(outputs: int, inputs: int, kernel: int, stride: int):
    """A function from a tile's outputs along one side to the inputs of the largest tile and of all tiles together."""
    pad = max(0, (outputs - 1) * stride + kernel - inputs) // 2

    @lru_cache(None)
    def span(size: int) -> tuple[int, int]:
        first = np.arange(0, outputs, size)
        last = np.minimum(first + size, outputs) - 1
        low = np.clip(first * stride - pad, 0, inputs)
        high = np.clip(last * stride - pad + kernel, 0, inputs)
        return int((high - low).max()), int((high - low).sum())

    return span


@dataclass(frozen=True)
class Cuts:
    """All ways to cut a layer's dimensions: the candidates of each, of which a search looks at some at a time."""

    rows: list[RowTile]
    n: list[int]
    k: list[int]
    groups: list[int]

    @property
    def counts(self) -> tuple[int, ...]:
        return len(self.rows), len(self.n), len(self.k), len(self.groups)


def cuts(layer: Layer) -> Cuts:
    """Of rows, columns, terms (whole kernels), groups."""
    w = layer.window
    kernel = w.kernel_h * w.kernel_w if w else 1
    return Cuts(row_tiles(layer), sizes(layer.n), [size * kernel for size in sizes(layer.k // kernel)],
                sizes(layer.groups))


@lru_cache(4096)
def search(layer: Layer, buffers: Buffers) -> Tiling:
    """The tiling with the fewest raw bytes that is found; among equals the one with the fewest tiles.

    All of it where a dimension has ``CANDIDATES`` sizes or fewer; else so many first, spread over all, and then those
    next to the best, again and again.
    """
    every = cuts(layer)
    limits = 3 * CANDIDATES, CANDIDATES, CANDIDATES, CANDIDATES  # rows are whole images, bands, or parts of a row
    key, at, tiling = best_of(layer, buffers, every, [spread(*pair) for pair in zip(every.counts, limits, strict=True)])
    for _ in range(ROUNDS if any(n > limit for n, limit in zip(every.counts, limits, strict=True)) else 0):
        near = [around(*pair) for pair in zip(at, every.counts, limits, strict=True)]
        found = best_of(layer, buffers, every, near)
        if found[0] >= key:
            break
        key, at, tiling = found
    return tiling


def best_of(layer: Layer, buffers: Buffers, every: Cuts, tried: list[np.ndarray]) -> tuple[tuple, tuple, Tiling]:
    """Of the candidates with the indices ``tried`` of each dimension: (bytes, tiles), its indices, the tiling.

    One that does not fit is worse than any that does.
    """
    window = layer.window
    kernel = window.kernel_h * window.kernel_w if window else 1
    index = [a.reshape(-1) for a in np.meshgrid(*tried, indexing="ij")]
    n, k, g = (np.array(all_of)[i] for all_of, i in zip((every.n, every.k, every.groups), index[1:], strict=True))
    count, tile_m, tile_in, total_in = (np.array([getattr(r, name) for r in every.rows])[index[0]]
                                        for name in ("count", "rows", "inputs", "total"))
    a, b = layer.input.width / 8, layer.weights.width / 8
    half = KIB / 2  # the other half is being filled
    tile_sizes = np.array([g * tile_in * (k // kernel) * a, g * n * k * b, g * tile_m * n * SUM_BYTES])
    room = np.array([buffers.inputs_kib * half, buffers.weights_kib * half, buffers.outputs_kib * KIB])
    fits = (tile_sizes <= room[:, None]).all(axis=0)
    any_fits = bool(fits.any())
    if not any_fits:
        fits = tile_sizes.sum(axis=0) == tile_sizes.sum(axis=0).min()
    n, k, g, count, tile_m, total_in, *index = (x[fits] for x in (n, k, g, count, tile_m, total_in, *index))
    trips = {"m": count, "n": -(-layer.n // n), "k": -(-layer.k // k)}
    outer = -(-layer.groups // g)
    channels = layer.groups * (layer.k // kernel)
    best = None
    for order in ORDERS:
        again = {name: repeats(order, relevant, trips) for name, relevant in RELEVANT.items()}
        moved_in = total_in * channels * again["input"]
        moved_w = layer.groups * layer.n * layer.k * again["weights"]
        outputs = layer.groups * layer.m * layer.n
        sums = outputs * SUM_BYTES * 2.0 * (again["output"] - 1)
        volume = moved_in * a + moved_w * b + sums + outputs * layer.output.width / 8
        number = outer * trips["m"] * trips["n"] * trips["k"]
        at = int(np.lexsort((number, volume))[0])
        key = (not any_fits, volume[at], number[at])
        if best is None or key < best[0]:
            tiles = [int(outer[at] * again[name][at] * np.prod([trips[d][at] for d in RELEVANT[name]]))
                     for name in ("input", "weights", "output")]
            tiles[2] = int(outer[at] * trips["m"][at] * trips["n"][at])
            best = key, tuple(int(i[at]) for i in index), Tiling(
                float(moved_in[at]), float(moved_w[at]), float(outputs), float(sums[at]), *tiles, "".join(order),
                (int(tile_m[at]), int(n[at]), int(k[at]), int(g[at])), any_fits)
    return best


def repeats(order, relevant: str, trips: dict) -> np.ndarray:
    """How often a tensor is moved: the trips of loops that do not index it but lie outside one that does."""
    result = np.ones_like(trips["m"])
    inside = np.zeros(trips["m"].shape, bool)  # whether a loop that indexes it, of more than one trip, lies further in
    for loop in reversed(order):
        if loop in relevant:
            inside |= trips[loop] > 1
        else:
            result = np.where(inside, result * trips[loop], result)
    return result
