"""One ``always`` block per register; Yosys has a next-state variable, a block for it, and a block that copies it."""

from collections import Counter

from .names import plain
from .tree import Assign, If, Module, Ref, assigns_in, read_counts, refs, replace_refs, rewrite
from .widths import select


def fold_next_state(module: Module):
    """Assign registers where their next state is decided, and put reset first.

    Where some bits of a register are never assigned, Yosys decides on each part in a block of its own.
    """
    reads = read_counts(module)
    deciding = {}
    for process in module.processes:
        targets = {ref.net for assign in assigns_in(process.body) for ref in refs(assign.target)}
        if process.clock is None and len(targets) == 1:
            deciding.setdefault(targets.pop(), []).append(process)
    folded = []
    for process in module.processes:
        if process.clock is None:
            continue
        (copy,) = process.body
        sources = deciding.get(copy.value.net, []) if isinstance(copy.value, Ref) else []
        if sources and copy.value.whole and reads[copy.value.net] == 1:
            parts = [_retarget(source.body, copy.value.net, copy.target) for source in sources]
            process.body = sum(map(_reset_first, parts), ())
            folded += sources
        else:
            process.body = _reset_first(process.body)
    module.processes = [process for process in module.processes if not any(process is gone for gone in folded)]


def show_registers(module: Module):
    """A register that shares its name with another net, and is what an output shows, becomes that output."""
    shared = Counter(map(plain, module.nets))
    clocked = [process for process in module.processes if process.clock]
    registers = {ref.net for process in clocked for assign in assigns_in(process.body) for ref in refs(assign.target)}
    shown, kept = {}, []
    for assign in module.assigns:
        match assign:
            case Assign(Ref(output, whole=True), Ref(net, whole=True)) if (
                net in registers - shown.keys() and shared[plain(net)] > 1
                and module.nets[output].direction == "output" and not module.nets[net].direction
            ):
                shown[net] = output
            case _:
                kept.append(assign)
    module.assigns = kept
    for net, output in shown.items():
        del module.nets[net]
        if net in module.states:
            module.states[output] = module.states.pop(net)
    module.replace(lambda ref: Ref(shown.get(ref.net, ref.net), ref.high, ref.low, ref.whole))


def _retarget(body: tuple, old: str, new) -> tuple:
    """``body`` assigning to ``new`` what it assigned to ``old``; a register keeps its value without being told to."""

    def change(assign: Assign) -> tuple:
        target = replace_refs(assign.target, lambda ref: select(new, ref.high, ref.low) if ref.net == old else ref)
        return () if target == assign.value else (Assign(target, assign.value),)

    return rewrite(body, change, lambda condition: condition)


def _reset_first(body: tuple) -> tuple:
    """``rest; if (rst) q <= 0`` means the same as ``if (rst) q <= 0; else rest``, which is how people write it."""
    match body:
        case (*rest, If(Ref() as condition, (Assign(target, _),) as then, ())) if rest:
            if all(_within(assign.target, target) for assign in assigns_in(tuple(rest))):
                return (If(condition, then, tuple(rest)),)
    return body


def _within(inner, outer) -> bool:
    return isinstance(outer, Ref) and all(
        ref.net == outer.net and outer.low <= ref.low and ref.high <= outer.high for ref in refs(inner)
    )

