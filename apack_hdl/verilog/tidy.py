"""Nameless nets are written out where they are used, and cases say no more than they do."""

import re

from .fields import ANONYMOUS
from .tree import Assign, Case, Const, Expr, If, Module, Net, Op, Ref, cat, read_counts, read_masks, refs, replace_refs
from .widths import select

SHORT = 4  # operands up to which a condition is written out wherever it is used, not only if used once


def write_out(module: Module):
    """Replace nameless nets by their expressions, if read once, or if short conditions.

    Widths must be exact (:mod:`.widths`): then an expression means the same wherever it stands.
    """
    reads = read_counts(module)
    connected = {ref.net for instance in module.instances for expr in instance.ports.values() for ref in refs(expr)}
    formulas = {
        assign.target.net: assign.value
        for assign in module.assigns
        if isinstance(assign.target, Ref) and assign.target.whole and ANONYMOUS.match(assign.target.net)
        if assign.target.net not in connected and not module.nets[assign.target.net].direction
        if not _picks(assign.value)
    }
    written, kept = {}, set()

    def write(ref: Ref) -> Expr:
        net = ref.net
        if net not in formulas:
            return ref
        if net not in written:
            written[net] = replace_refs(formulas[net], write)
        part = select(written[net], ref.high, ref.low)
        if part is None or not (reads[net] == 1 or _is_short(written[net])):
            kept.add(net)
            return ref
        return part

    module.replace(write, targets=False)
    gone = formulas.keys() - kept
    module.assigns = [a for a in module.assigns if not (isinstance(a.target, Ref) and a.target.net in gone)]
    for net in gone:
        del module.nets[net]


def simplify_cases(body: tuple) -> tuple:
    """Statements without case items in which nothing happens; a case with one item left is an ``if``, and an ``if``
    that always holds is none."""
    result = []
    for statement in body:
        match statement:
            case If(Const("1"), then, _):
                result += simplify_cases(then)
                continue
            case If(condition, then, otherwise):
                statement = If(condition, simplify_cases(then), simplify_cases(otherwise))
            case Case(subject, items):
                statement = _simple_case(subject, [(labels, simplify_cases(inner)) for labels, inner in items])
        result.append(statement)
    return tuple(result)


def _simple_case(subject: Expr, items: list) -> Case | If:
    labels = [label.bits for labels, _ in items for label in labels]
    exclusive = len({*labels}) == len(labels) and not any("?" in bits for bits in labels)
    if exclusive and all(labels for labels, _ in items):
        items = [(labels, inner) for labels, inner in items if inner]
        if len(items) == 1 and len(items[0][0]) == 1:
            return If(Op("==", (subject, items[0][0][0])), items[0][1])
    return Case(subject, tuple(items))


def assign_constants(module: Module):
    """A block that only assigns a constant becomes an ``assign``: reading nothing, it would never run."""
    for process in module.processes:
        match process.body:
            case (Assign(Ref(_, _, _, True), Const()) as assign,) if process.clock is None:
                module.assigns.append(assign)
                process.body = ()
    module.processes = [process for process in module.processes if process.body]


def mention_unused(top: Module):
    """Read the inputs, and bits of inputs, that change nothing, so that nobody has to wonder (or lint complain)."""
    read = read_masks(top)
    idle = []
    for name, net in top.nets.items():
        if net.direction == "input":
            idle += [top.bits(name, high, low) for high, low in _zeros(read[name], net.width)]
    if idle:
        top.nets["unused_inputs"] = Net(1)
        top.assigns.append(Assign(top.whole("unused_inputs"), Op("r&", (cat([Const("0"), *idle]),))))


def _zeros(mask: int, width: int) -> list[tuple[int, int]]:
    """``(high, low)`` of the runs of zeros among the ``width`` low bits of ``mask``, the highest first."""
    bits = f"{mask & ((1 << width) - 1):0{width}b}"
    return [(width - 1 - run.start(), width - run.end()) for run in re.finditer("0+", bits)]


def _picks(expr: Expr) -> bool:
    return isinstance(expr, Op) and expr.name == "pick"


def _is_short(expr: Expr) -> bool:
    return expr.width == 1 and len([*refs(expr)]) <= SHORT and not _chooses(expr)


def _chooses(expr: Expr) -> bool:
    return isinstance(expr, Op) and (expr.name == "?:" or any(_chooses(arg) for arg in expr.args))
