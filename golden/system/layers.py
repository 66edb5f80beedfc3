"""Layers as the machine sees them: matrix multiplications, some of them with windows, and plain traffic."""

from dataclasses import dataclass, replace

SCORES = "queries by keys"  # the note of the first of attention's two products


@dataclass(frozen=True)
class Operand:
    """A tensor that a layer reads or writes.

    Members
    -------
    tensor : its name among the footprint's figures, for its ratio; None where nothing is known about it.
    values : of the whole tensor, for all images. width : bits of a value. kind : "weights" or "activations".
    """

    tensor: str | None
    values: int
    width: int
    kind: str


@dataclass(frozen=True)
class Window:
    """Where the rows of a convolution's matrix come from.

    ``images`` pictures of ``height`` x ``width`` give ``rows`` x ``columns`` outputs each, with kernels of
    ``kernel_h`` x ``kernel_w`` every ``stride_h`` rows and ``stride_w`` columns.
    """

    images: int
    height: int
    width: int
    rows: int
    columns: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int


@dataclass(frozen=True)
class Layer:
    """One layer: ``groups`` products of an m by k with a k by n matrix, or traffic alone (m = n = k = 0).

    Members
    -------
    name, kind : kinds are "convolution", "depthwise", "fully connected", "recurrent", "attention", "lookup",
        "elementwise" and "weights only" (of which nothing but the weights is known).
    window : of a convolution; k is then the input channels of a group times the kernel.
    input, weights, output, extra : operands; extra is read besides (the other side of an addition).
    resident : whether the weights stay on chip over the ``steps`` of a recurrent layer, each of which has m rows.
    note : how shapes were found, where that was no plain matter.
    """

    name: str
    kind: str
    groups: int = 1
    m: int = 0
    n: int = 0
    k: int = 0
    window: Window | None = None
    input: Operand | None = None
    weights: Operand | None = None
    output: Operand | None = None
    extra: Operand | None = None
    steps: int = 1
    resident: bool = True
    note: str = ""

    @property
    def macs(self) -> int:
        """Multiplications and additions, all groups and steps."""
        return self.groups * self.m * self.n * self.k * self.steps

    @property
    def operands(self) -> tuple[Operand, ...]:
        """All there are."""
        return tuple(o for o in (self.input, self.weights, self.output, self.extra) if o)


def batched(layer: Layer, images: int) -> Layer:
    """The layer for so many inputs at once: weights are shared, all else is there so many times."""
    if images == 1:
        return layer

    def times(operand: Operand | None) -> Operand | None:
        shared = operand is None or operand.kind == "weights"
        return operand if shared else replace(operand, values=operand.values * images)

    changes = {name: times(getattr(layer, name)) for name in ("input", "output", "extra", "weights")}
    if layer.window:
        changes["window"] = replace(layer.window, images=layer.window.images * images)
    rows = "groups" if layer.kind == "attention" else "m"
    return replace(layer, **changes, **{rows: getattr(layer, rows) * images})
