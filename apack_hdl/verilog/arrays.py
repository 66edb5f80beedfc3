"""Elements of arrays, picked by an index."""

from .tree import Assign, Case, Const, Module, Op, Process, Ref, cat
from .widths import select


def choose_elements(module: Module):
    """An element picked by its index is a choice, not a shift by a multiple of its size, which is how Yosys puts it."""
    values = {a.target.net: a.value for a in module.assigns if isinstance(a.target, Ref) and a.target.whole}
    kept = []
    for assign in module.assigns:
        match assign.value:
            case Op(">>", (array, Ref(offset))):
                match values.get(offset):
                    case Op("*", (index, Const(bits))):
                        kept += _choice(module, assign.target, array, index, int(bits, 2))
                        continue
        kept.append(assign)
    module.assigns = kept


def _choice(module: Module, target, array, index, stride: int) -> list[Assign]:
    """``target`` gets what begins at bit ``index * stride`` of ``array``."""
    width, count = target.width, -(-array.width // stride)
    padded = cat([Const("0" * (width + stride)), array])
    elements = [select(padded, i * stride + width - 1, i * stride) for i in range(count)]
    if index.width == 1:
        zeros = Const("0" * width)
        return [Assign(target, Op("?:", (index, elements[1] if count > 1 else zeros, elements[0])))]
    labels = [Const(f"{i:0{index.width}b}") for i in range(min(count, 1 << index.width))]
    items = [((label,), (Assign(target, element),)) for label, element in zip(labels, elements, strict=False)]
    if len(items) == 1 << index.width:
        items[-1] = ((), items[-1][1])
    else:
        items.append(((), (Assign(target, Const("0" * width)),)))
    module.processes.append(Process((Case(index, tuple(items)),)))
    return []
