"""Cycles of the MAC array and bytes between it and the buffers (README.md, "Compute")."""

from .layers import Layer
from .machine import Array


def compute_cycles(layer: Layer, array: Array) -> float:
    """Cycles that the array takes, waiting for nothing; edges of matrices leave multipliers idle."""
    if not layer.macs:
        moved = max((o.values for o in layer.operands if o.kind == "activations"), default=0)
        return 0 if layer.kind in ("lookup", "weights only") else ceil_div(moved, array.vector_lanes)
    if array.kind == "cores":
        return layer.steps * ceil_div(core_operations(layer, array), array.units)
    folds, streamed = systolic_folds(layer, array)
    skew = array.rows + array.columns - 2  # from the first operand in to the last sum out
    fill = array.rows if array.dataflow == "weights" else 0  # new weights come in row by row
    return layer.steps * folds * (streamed + skew + fill)


def core_operations(layer: Layer, array: Array) -> int:
    """Multiplications of m x k by k x n blocks that one step takes; any core can do any of them."""
    across = ceil_div(layer.m, array.m) * ceil_div(layer.n, array.n)
    return layer.groups * across * ceil_div(layer.k, array.k)


def systolic_folds(layer: Layer, array: Array) -> tuple[int, int]:
    """How often the grid is filled anew in one step, and the vectors that stream through it each time."""
    if array.packs_groups and layer.kind == "depthwise":
        columns = ceil_div(layer.groups * layer.n, array.columns)
        long, streamed = (layer.k, layer.m) if array.dataflow == "weights" else (layer.m, layer.k)
        return ceil_div(long, array.rows) * columns, streamed
    if array.dataflow == "weights":
        return layer.groups * ceil_div(layer.k, array.rows) * ceil_div(layer.n, array.columns), layer.m
    return layer.groups * ceil_div(layer.m, array.rows) * ceil_div(layer.n, array.columns), layer.k


def operand_bytes(layer: Layer, array: Array) -> float:
    """Bytes that the array reads from the buffers and writes back (sums of 32 bits)."""
    if not layer.macs:
        return sum(o.values * o.width / 8 for o in layer.operands)
    a, b = layer.input.width / 8, layer.weights.width / 8
    sums = 4 * layer.groups * layer.m * layer.n
    if array.kind == "cores":
        block = array.m * array.k * a + array.k * array.n * b
        return layer.steps * (core_operations(layer, array) * block / array.sharing + sums)
    inputs, weights = layer.groups * layer.m * layer.k * a, layer.groups * layer.k * layer.n * b
    inputs *= ceil_div(layer.n, array.columns)
    if array.dataflow == "weights":
        sums *= 2 * ceil_div(layer.k, array.rows) - 1  # added up in the buffer, fold by fold
    else:
        weights *= ceil_div(layer.m, array.rows)
    return layer.steps * (inputs + weights + sums)


def ceil_div(a: int, b: int) -> int:
    """The quotient, rounded up."""
    return -(-int(a) // int(b))
