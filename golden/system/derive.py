"""Layers of a model out of its tensors."""

from collections import Counter
from dataclasses import replace
from math import prod

from .layers import SCORES, Layer, Operand, Window
from .pairing import Pair, Shapes, pairs
from .shapes import DENSE, IN_PLACE, LOOKUPS, PRODUCTS, RECURRENT, TRANSPOSED, Kernel
from .tensors import Tensor

ADDITIONS = {"Add", "ADD", "Sum", "Mul", "MUL"}


class Derivation:
    """The layers of one model, in the order in which they are computed.

    Members
    -------
    layers : list of :class:`Layer`. notes : what could not be found out, each with how often.
    """

    def __init__(self, weights: list[Tensor], activations: list[Tensor]):
        self.weights, self.activations = weights, activations
        self.notes: Counter[str] = Counter()
        self.shapes = Shapes(weights, activations)
        self.paired = pairs([w for w in weights if w.op not in LOOKUPS | RECURRENT], self.shapes)
        self.width = Counter(a.width for a in activations).most_common(1)[0][0] if activations else 8
        self.used = Counter(p.input for p in self.paired.values() if p.input is not None)
        self._lost_singles = Counter(self.shapes.kernels[w.label].inputs for w in weights if self._last(w))
        self.layers = self._all()

    def _all(self) -> list[Layer]:
        placed: list[tuple[float, Layer]] = []
        for w in sorted(self.weights, key=self._last):
            pair = self.paired.get(w.label)
            if pair:
                placed.append((pair.output, self._product(pair)))
            elif w.op in LOOKUPS:
                placed.append((-1.0, self._lookup(w)))
            elif w.op in RECURRENT and self.steps:
                placed.append((self._recurrent_place(w), self._recurrent(w)))
            else:
                placed.append(self._alone(w))
        outputs = {p.output for p in self.paired.values()}
        for index, a in enumerate(self.activations):
            if index not in outputs and a.op not in IN_PLACE | RECURRENT:
                layer = self._attention(index) if a.op in PRODUCTS else self._elementwise(index)
                if layer:
                    placed.append((index, layer))
        return [layer for _, layer in sorted(placed, key=lambda item: item[0])]

    def _last(self, w: Tensor) -> bool:
        """Whether weights are a kernel of one value without an activation: such get what all others leave."""
        k = self.shapes.kernels.get(w.label)
        return bool(k) and k.height * k.width == 1 and w.label not in self.paired and w.op not in TRANSPOSED

    def _input(self, index: int | None, values: int) -> Operand:
        """An activation as an input; one that is not among the tensors has the model's usual width."""
        if index is not None:
            return self.activations[index].operand()
        self.notes["inputs that are not among the activations: taken to be of the usual width and ratio"] += 1
        return Operand(None, values, self.width, "activations")

    def _product(self, pair: Pair) -> Layer:
        kernel = self.shapes.kernels[pair.weights.label]
        return self._convolution(pair, kernel) if kernel else self._dense(pair)

    def _dense(self, pair: Pair) -> Layer:
        out, w = self.activations[pair.output], pair.weights
        rows = out.values // pair.columns
        return Layer(w.name, "fully connected", 1, rows, pair.columns, pair.terms, None,
                     self._input(pair.input, rows * pair.terms), w.operand(), out.operand(), self._added(pair))

    def _convolution(self, pair: Pair, k: Kernel) -> Layer:
        out, image = self.activations[pair.output], self.shapes.images[pair.output]
        w, groups = pair.weights, pair.groups
        if w.op in TRANSPOSED:
            return self._transposed(pair, k)
        source = self.shapes.images[pair.input] if pair.input is not None else None
        channels = k.inputs * groups
        height, width = (source.height, source.width) if source else (image.height, image.width)
        window = Window(image.images, height, width, image.height, image.width, k.height, k.width, *pair.strides)
        kind = "depthwise" if groups > 1 and k.inputs == 1 else "convolution"
        return Layer(
            w.name, kind, groups, image.images * image.height * image.width, k.outputs // groups,
            k.inputs * k.height * k.width, window, self._input(pair.input, image.images * height * width * channels),
            w.operand(), out.operand(), self._added(pair), note="" if source else "input assumed, stride 1",
        )

    def _transposed(self, pair: Pair, k: Kernel) -> Layer:
        """Every input gives a kernel's worth of outputs: a product without windows."""
        out, image = self.activations[pair.output], self.shapes.images[pair.output]
        grouped = k.outputs == 1 and image.channels > 1
        rows = image.images * image.height * image.width // prod(pair.strides)
        groups, terms = (k.inputs, 1) if grouped else (1, k.inputs)
        return Layer(pair.weights.name, "convolution", groups, rows, k.outputs * k.height * k.width, terms, None,
                     self._input(pair.input, rows * k.inputs), pair.weights.operand(), out.operand(), None)

    def _added(self, pair: Pair) -> Operand | None:
        """The other side of an addition that is fused behind the product."""
        a = self.activations[pair.output]
        if a.op not in ADDITIONS:
            return None
        same = (i for i in range(pair.output - 1, -1, -1)
                if i != pair.input and self.activations[i].shape == a.shape and a.shape)
        index = next(same, None)
        return None if index is None else self.activations[index].operand()

    def _elementwise(self, index: int) -> Layer | None:
        """What only moves values: pools, additions, normalizations."""
        a = self.activations[index]
        same = [i for i in range(index - 1, -1, -1) if self.activations[i].values == a.values]
        if index == 0:
            return None  # nothing is known to come before it
        source = same[0] if same else index - 1
        extra = None
        if a.op in ADDITIONS and len(same) > 1:
            extra = self.activations[same[1]].operand()
        return Layer(a.name, "elementwise", input=self.activations[source].operand(), output=a.operand(), extra=extra)

    def _attention(self, index: int) -> Layer | None:
        """A product of two activations: scores (queries, keys) or context (weights of attention, values)."""
        a, before = self.activations[index], self.activations[index - 1] if index else None
        if len(a.shape) < 3:
            return self._unknown(index)
        *heads, m, n = a.shape
        groups = prod(heads)
        softmax = before is not None and before.op.upper().startswith("SOFTMAX") and before.shape[:-1] == a.shape[:-1]
        projections = [p.output for p in self.paired.values() if p.output < index and p.columns]
        recent = sorted(projections)[-3:]
        if softmax:
            k = before.shape[-1]
            other = recent[-1] if recent else None
            left = before.operand()
        else:
            wide = self.activations[recent[0]].shape[-1] if recent else 0
            k = wide // heads[-1] if heads and wide % heads[-1] == 0 else 0
            other = recent[0] if recent else None
            left = self.activations[recent[1]].operand() if len(recent) > 1 else None
        if not k or left is None:
            return self._unknown(index)
        right = Operand(self.activations[other].label if other is not None else None, groups * k * n, self.width,
                        "activations")
        note = "" if softmax else SCORES
        return Layer(a.name, "attention", groups, m, n, k, None, left, right, a.operand(), note=note)

    def _unknown(self, index: int) -> Layer | None:
        self.notes["products of activations whose shapes are not clear: traffic only"] += 1
        return self._elementwise(index)

    @property
    def steps(self) -> int:
        """Steps of a recurrent network: how many vectors its activations have, as most of its weights see it."""
        # A weight tensor [n, k] takes vectors of k and gives n, which are three or four gates of a state.
        matrices = [w.shape for w in self.weights if w.op in RECURRENT and len(w.shape) > 1]
        sides = {size for *_, n, k in matrices for size in (k, n // 4, n // 3)}
        found = Counter()
        for a in self.activations:
            found.update(a.values // side for side in sides
                         if side > 1 and a.values > side and a.values % side == 0
                         and (len(a.shape) == 1 or a.shape[-1] == side))
        return found.most_common(1)[0][0] if found else 0

    def _recurrent_place(self, w: Tensor) -> float:
        """In the middle of what its operators give."""
        places = [i for i, a in enumerate(self.activations) if a.op == w.op]
        return places[0] if places else 0.5

    def _recurrent(self, w: Tensor) -> Layer:
        columns, terms = (w.shape if len(w.shape) == 2 else (w.shape[-2], prod(w.shape) // w.shape[-2]))
        near = next((a for a in self.activations if a.values == self.steps * terms), None)
        source = near.operand() if near else self._input(None, self.steps * terms)
        out = Operand(None, self.steps * columns, self.width, "activations")
        return Layer(w.name, "recurrent", 1, 1, columns, terms, None, source, w.operand(), out, steps=self.steps)

    def _lookup(self, w: Tensor) -> Layer:
        """Rows of a table, one for each place of the first activation that has their length."""
        length = w.shape[-1] if len(w.shape) > 1 else 1
        out = next((a for a in self.activations if length > 1 and a.values % length == 0), None)
        rows = out.values // length if out else 1
        if not out:
            self.notes["tables of which it is not known how many rows are looked up: one"] += 1
        operand = w.operand(min(w.values, rows * length))
        return Layer(w.name, "lookup", weights=operand, output=out.operand() if out else None, steps=rows)

    def _alone(self, w: Tensor) -> tuple[float, Layer]:
        """Weights without an activation of their own: a product with one that fits them, or traffic."""
        k = self.shapes.kernels.get(w.label)
        found = None
        if k and w.op not in TRANSPOSED:
            found = self._lost_convolution(w, k)
        elif is_matrix(w):
            found = self._lost_matrix(w)
        if found:
            return found
        self.notes["weights without an activation that could be their result: read once, not multiplied"] += 1
        n, k = w.shape if is_matrix(w) else (0, 0)
        return len(self.activations) + 1.0, Layer(w.name, "weights only", n=n, k=k, weights=w.operand())

    def _lost_convolution(self, w: Tensor, k: Kernel) -> tuple[float, Layer] | None:
        """A convolution whose result is not there, with the picture that the fewest others take.

        Kernels of one value also come behind pools that are not there (squeeze and excitation): they get one only where
        there are as many pictures that nobody else takes as there are such kernels.
        """
        single = self._last(w)
        fitting = [i for i, image in enumerate(self.shapes.images) if image and image.channels == k.inputs
                   and not (single and self.used[i])]
        if len(fitting) < (self._lost_singles[k.inputs] if single else 1):
            return None
        self._lost_singles[k.inputs] -= single
        index = min(fitting, key=lambda i: (self.used[i], i))
        self.used[index] += 1
        self.notes["convolutions whose result is not among the activations: as large as their input"] += 1
        image = self.shapes.images[index]
        size = image.height, image.width
        window = Window(image.images, *size, *size, k.height, k.width, 1, 1)
        rows = image.images * image.height * image.width
        out = Operand(None, rows * k.outputs, self.width, "activations")
        return index + 0.5, Layer(
            w.name, "convolution", 1, rows, k.outputs, k.inputs * k.height * k.width, window,
            self.activations[index].operand(), w.operand(), out, note="result not among the activations")

    def _lost_matrix(self, w: Tensor) -> tuple[float, Layer] | None:
        """A product whose result is not there: of the last activation that fits before the next one's result."""
        n, k = reversed(w.shape) if w.op == "MatMul" else w.shape
        after = self.weights[self.weights.index(w) + 1:]
        end = next((self.paired[o.label].output for o in after if o.label in self.paired), len(self.activations))
        index = next((i for i in range(end - 1, -1, -1) if self.activations[i].shape[1:]
                      and self.activations[i].shape[-1] == k), None)
        if index is None:
            return None
        self.notes["products whose result is not among the activations"] += 1
        a = self.activations[index]
        rows = a.values // k
        out = Operand(None, rows * n, self.width, "activations")
        return index + 0.5, Layer(w.name, "fully connected", 1, rows, n, k, None, a.operand(), w.operand(), out,
                                  note="result not among the activations")


def unmultiplied(layers: list[Layer]) -> float:
    """The share of weights, in values, that no layer multiplies; tables that rows are looked up in do not count."""
    found = Counter()
    for layer in layers:
        if layer.weights and layer.weights.kind == "weights" and layer.kind != "lookup":
            found[layer.kind == "weights only"] += layer.weights.values
    return found[True] / found.total() if found.total() else 0.0


def is_matrix(w: Tensor) -> bool:
    """Whether weights without an activation are surely those of a product, [n, k] as files of named tensors have it."""
    named = w.role in ("projection", "feed-forward", "head") or w.op in DENSE
    return named and len(w.shape) == 2 and w.op not in RECURRENT


def derive(
    weights: list[Tensor], activations: list[Tensor], resident_bytes: float
) -> tuple[list[Layer], dict[str, int]]:
    """The layers of a model in order, and notes with how often each applies.

    ``resident_bytes``: room for weights of recurrent layers that are to stay on chip over all steps; if they are more,
    they come anew in each step.
    """
    found = Derivation(weights, activations)
    recurrent = [layer for layer in found.layers if layer.kind == "recurrent"]
    if sum(layer.weights.values * layer.weights.width / 8 for layer in recurrent) > resident_bytes:
        found.layers = [_streamed(layer) if layer.kind == "recurrent" else layer for layer in found.layers]
        found.notes["recurrent weights do not fit on chip: read in each step"] += len(recurrent)
    return found.layers, dict(found.notes)


def _streamed(layer: Layer) -> Layer:
    return replace(layer, resident=False)
