"""The tensors of a model as layers are derived from them: one record for each weight, one for each activation."""

import math
import re
from dataclasses import dataclass

from .layers import Operand

BY_LETTERS = 0.9  # of neighbours in the order of letters: then the file's order is that, not the order of layers


@dataclass(frozen=True)
class Tensor:
    """One tensor. ``label`` is its name among ratios: an activation's is the same for all inputs.

    ``values``: of the whole tensor, for one input. ``shape`` may be empty: not known.
    """

    label: str
    name: str
    kind: str
    op: str
    shape: tuple[int, ...]
    width: int
    values: int
    layer: str | None = None
    role: str | None = None

    def operand(self, values: int | None = None) -> Operand:
        """The tensor as what a layer reads or writes."""
        kind = "activations" if self.kind == "activation" else "weights"
        return Operand(self.label, self.values if values is None else values, self.width, kind)


def label(kind: str, key: str, name: str) -> str:
    """What a tensor is called among ratios."""
    return f"activation {name}" if kind == "activation" else f"weights {key}"


def tensors_of(records, figures: dict[str, dict]) -> tuple[list[Tensor], list[Tensor]]:
    """Weights in their natural order, activations of the first input in the order in which they are computed.

    ``figures``: a footprint's entries by key, for widths and sizes that the records do not tell.
    """
    weights, activations, seen = [], [], set()
    first = next((r.meta.get("input") for r in records if r.kind == "activation"), None)
    for record in records:
        if record.key not in figures:
            continue
        entry, meta = figures[record.key], record.meta
        shape = meta.get("shape")
        shape = tuple(shape) if isinstance(shape, list | tuple) and all(type(n) is int and n > 0 for n in shape) else ()
        values = entry["whole_values"]
        if math.prod(shape) != values:
            shape = ()
        tensor = Tensor(
            label(record.kind, record.key, record.name), record.name, record.kind, str(meta.get("op") or ""), shape,
            entry["width"], values, meta.get("layer"), meta.get("role"),
        )
        if record.kind != "activation":
            weights.append(tensor)
        elif meta.get("input") == first and tensor.label not in seen:
            seen.add(tensor.label)
            activations.append(tensor)
    names = [w.name for w in weights]
    rising = sum(a <= b for a, b in zip(names, names[1:], strict=False))
    if rising >= BY_LETTERS * (len(names) - 1):  # by letters: layer10 before layer2
        weights.sort(key=lambda w: natural(w.name))
    return weights, activations


def natural(name: str) -> list:
    """A key that sorts numbers in names by their size."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]
