"""Which activation is computed with which weights, and from which activation: found from shapes and order.

Tensor packs and model files name tensors, operators and shapes, but not always the graph between them. Of all ways to
give each weight tensor an activation that its shape can produce, the one is taken in which inputs are nearest before
their outputs and the order of weights is that of activations (README.md, "Layers from tensors").
"""

from dataclasses import dataclass

import numpy as np

from .matching import FORBIDDEN, assign
from .shapes import (
    CONVOLUTIONS,
    DENSE,
    DEPTHWISE,
    MAGNITUDES,
    POINTWISE,
    RECURRENT,
    TRANSPOSED,
    Image,
    Kernel,
    images,
    kernel,
    kernels_last,
    strides,
)
from .tensors import Tensor

NO_INPUT, FAR = 40.0, 30.0  # costs of an input that is nowhere, and of one that is very far
UNEQUAL, MULTIPLIED = 2.0, 10.0  # costs of strides that differ down and across, of more outputs than depthwise inputs
FUSED, ADDED, SAME_LAYER = 3.0, 6.0, -50.0  # costs of operators in between, and of names that agree


@dataclass(frozen=True)
class Pair:
    """Weights, the index of the activation they give, that of the activation they take (None: not among them).

    ``groups``, ``strides`` (down, across) of a convolution; ``columns``, ``terms`` (n and k) of other products.
    """

    weights: Tensor
    output: int
    input: int | None
    cost: float
    groups: int = 1
    strides: tuple[int, int] = (1, 1)
    columns: int = 0
    terms: int = 0


class Shapes:
    """The model's tensors with their layouts."""

    def __init__(self, weights: list[Tensor], activations: list[Tensor]):
        self.activations = activations
        self.kernels_last = kernels_last([(w.op, list(w.shape)) for w in weights if w.op in CONVOLUTIONS])
        self.kernels = {w.label: kernel(w.op, list(w.shape), self.kernels_last) for w in weights}
        channels = {k.outputs for k in self.kernels.values() if k}
        self.images: list[Image | None] = images(
            [(w.op, list(w.shape)) for w in weights], [list(a.shape) for a in activations], channels)

    def find_input(self, w: Tensor, k: Kernel, output: Image, before: int) -> tuple[int, int, tuple[int, int]] | None:
        """(index, groups, strides) of the nearest activation before that a convolution can take, if there is one."""
        for index in range(before - 1, -1, -1):
            source = self.images[index]
            if source is None:
                continue
            groups = group_count(k, source.channels)
            if groups and (steps := self._strides(w, k, source, output)):
                return index, groups, steps
        return None

    def _strides(self, w: Tensor, k: Kernel, source: Image, output: Image) -> tuple[int, int] | None:
        if source.images != output.images:
            return None
        sides = (source.height, output.height, k.height), (source.width, output.width, k.width)
        if w.op in TRANSPOSED:
            ups = tuple(out // size for size, out, _ in sides)
            return ups if all(up * size == out for up, (size, out, _) in zip(ups, sides, strict=True)) else None
        found = []
        for size, out, length in sides:
            near = min(strides(size, out, length), key=lambda step, q=size / out: abs(step - q), default=None)
            if near is None:
                return None
            found.append(near)
        common = strides(*sides[0]) & strides(*sides[1])  # mostly they are equal
        if found[0] != found[1] and common:
            quotient = max(source.height / output.height, source.width / output.width)
            found = [min(common, key=lambda step: abs(step - quotient))] * 2
        return tuple(found)


def group_count(k: Kernel, channels: int) -> int:
    """Groups with which a kernel takes so many channels; 0 if it cannot."""
    if k.inputs == channels:
        return 1
    if (k.depthwise or k.inputs == 1) and channels > 1 and k.outputs % channels == 0:
        return channels
    return 0


def pairs(weights: list[Tensor], shapes: Shapes) -> dict[str, Pair]:
    """By the weights' label, the pair of each weight tensor that got an activation."""
    activations = shapes.activations
    if not weights or not activations:
        return {}
    found, costs = {}, np.full((len(weights), len(activations)), 2 * FORBIDDEN)
    for row, w in enumerate(weights):
        for column, a in enumerate(activations):
            pair = possible(w, a, column, shapes)
            if pair:
                apart = 100 * (row / len(weights) - column / len(activations))
                found[row, column] = pair
                costs[row, column] = pair.cost + 1e-4 * apart * apart
    columns = assign(costs)
    return {w.label: found[row, column] for row, (w, column) in enumerate(zip(weights, columns, strict=True))
            if column >= 0}


def possible(w: Tensor, a: Tensor, index: int, shapes: Shapes) -> Pair | None:
    """The pair of weights and an activation if shapes and operators allow it."""
    cost = operator_cost(w, a)
    if cost is None:
        return None
    k, out = shapes.kernels[w.label], shapes.images[index]
    if k is None:
        return _dense(w, a, index, cost, shapes)
    return _convolution(w, k, out, index, cost, shapes) if out else None


def _convolution(w: Tensor, k: Kernel, out: Image, index: int, cost: float, shapes: Shapes) -> Pair | None:
    grouped = w.op in TRANSPOSED and k.outputs == 1  # such weights tell outputs of one group
    parts = 2 if shapes.activations[index].op in MAGNITUDES else 1  # of a number in the output
    if parts * out.channels != (k.inputs if grouped else k.outputs):
        return None
    source = shapes.find_input(w, k, out, index)
    if source is None:
        groups = out.channels if k.depthwise or (k.inputs == 1 and k.outputs > 1 and w.op in DEPTHWISE) else 1
        return Pair(w, index, None, cost + NO_INPUT, groups)
    at, groups, steps = source
    cost += min(FAR, index - 1 - at) + UNEQUAL * (steps[0] != steps[1])
    if groups > 1 and k.outputs != groups and not grouped:
        cost += MULTIPLIED
    return Pair(w, index, at, cost, groups, steps)


def operator_cost(w: Tensor, a: Tensor) -> float | None:
    """What it costs to take an activation for these weights' result, by their operators; None if it cannot be."""
    if w.layer and w.layer == a.layer:
        return SAME_LAYER
    if a.op in CONVOLUTIONS | DENSE:
        if (a.op in CONVOLUTIONS) != (w.op in CONVOLUTIONS):
            return None
        return None if (a.op in DEPTHWISE) != (w.op in DEPTHWISE) and a.op.isupper() and w.op.isupper() else 0.0
    if a.op in POINTWISE:
        return ADDED if a.op in ("Add", "ADD", "Sum") else FUSED
    if a.op in MAGNITUDES:
        return ADDED if w.op in CONVOLUTIONS else None
    # Names of packs that were made by hand: an operator of the activation's own name.
    return FUSED if a.op and a.op.islower() and w.op not in CONVOLUTIONS else None


def _dense(w: Tensor, a: Tensor, index: int, cost: float, shapes: Shapes) -> Pair | None:
    if w.op not in DENSE or w.op in RECURRENT or len(w.shape) != 2:
        return None
    first, second = w.shape
    ways = {"MatMul": [(second, first)], "Gemm": [(second, first), (first, second)]}.get(w.op, [(first, second)])
    best = None
    for columns, terms in ways:
        if (a.shape[-1] != columns and len(a.shape) > 1) or a.values % columns:
            continue
        rows = a.values // columns
        near = next((i for i in range(index - 1, -1, -1) if _feeds(shapes.activations[i], rows, terms)), None)
        far = NO_INPUT if near is None else min(FAR, index - 1 - near)
        if best is None or cost + far < best.cost:
            best = Pair(w, index, near, cost + far, columns=columns, terms=terms)
    return best


def _feeds(a: Tensor, rows: int, terms: int) -> bool:
    """Whether an activation can be a matrix of so many rows and columns."""
    if a.values != rows * terms:
        return False
    return len(a.shape) < 2 or a.shape[-1] == terms or a.shape[0] == rows
