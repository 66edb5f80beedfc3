"""Elements of arrays, picked by an index."""

from .names import unique
from .tree import Assign, Cat, Const, Expr, Module, Net, Op, Ref, cat
from .widths import select


def find_elements(module: Module):
    """An element picked by its index is a choice, not a shift by a multiple of its size, which is how Yosys puts it."""
    values = {a.target.net: a.value for a in module.assigns if isinstance(a.target, Ref) and a.target.whole}
    for i, assign in enumerate(module.assigns):
        match assign.value:
            case Op(">>", (array, Ref(offset))):
                match values.get(offset):
                    case Op("*", (index, Const(bits))):
                        value = _pick(array, index, int(bits, 2), assign.target.width)
                        module.assigns[i] = Assign(assign.target, value)


def _pick(array: Expr, index: Expr, stride: int, width: int) -> Op:
    """What begins at bit ``index * stride`` of ``array``, zeros behind its end."""
    count = 1 << index.width
    missing = max(0, (count - 1) * stride + width - array.width)
    padded = cat([Const("0" * missing), array])
    elements = [select(padded, i * stride + width - 1, i * stride) for i in range(count)]
    return Op("?:", (index, elements[1], elements[0])) if count == 2 else Op("pick", (index, *elements))


def line_up(module: Module):
    """Put the elements to pick from side by side in a vector, where Verilog can pick one: ``choices[{i, 3'd0} +: 8]``.

    Each has a power of two of bits, so that no multiplication is left.
    """
    assigns = []
    for assign in module.assigns:
        match assign:
            case Assign(Ref(net) as target, Op("pick", (index, *elements))):
                shift = (target.width - 1).bit_length()
                gap = Const("0" * ((1 << shift) - target.width))
                choices = unique(f"{net}_choices", {*module.nets})
                module.nets[choices] = Net(len(elements) << shift)
                row = Cat(tuple(part for element in reversed(elements) for part in (gap, element) if part.width))
                at = cat([index, Const("0" * shift)])
                picked = Op("+:", (module.whole(choices), at, Const("0" * target.width)))
                assigns += [Assign(module.whole(choices), row), Assign(target, picked)]
            case _:
                assigns.append(assign)
    module.assigns = assigns
