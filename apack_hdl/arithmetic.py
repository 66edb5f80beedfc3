"""Small combinational arithmetic shared by encoder and decoder."""

from collections.abc import Sequence

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.utils import ceil_log2


def leading_zeros(m: Module, value: Value, name: str) -> Signal:
    """Leading zeros of ``value``, as a tree: log2 levels instead of a priority chain. All zero: any number.

    Returns a signal of ``ceil_log2(len(value))`` bits.
    """
    levels = ceil_log2(len(value))
    # Ones below pad to a power of two without changing the count of a value that is not zero.
    rest = Cat(Const(-1, (1 << levels) - len(value)), value) if len(value) < 1 << levels else value
    count = []
    for level in reversed(range(levels)):
        half = 1 << level
        upper_is_zero = Signal(name=f"{name}_skip{half}")
        halved = Signal(half, name=f"{name}_in{half}")  # a Signal: as an expression it would be emitted once per use
        m.d.comb += [
            upper_is_zero.eq(rest[half:] == 0),
            halved.eq(Mux(upper_is_zero, rest[:half], rest[half:])),
        ]
        rest = halved
        count.append(upper_is_zero)
    zeros = Signal(levels, name=name)
    m.d.comb += zeros.eq(Cat(*reversed(count)))
    return zeros


def select(m: Module, chosen: Value, entries: Sequence[Value], name: str) -> Signal:
    """The entry whose bit in ``chosen`` is set (exactly one is): and-or, faster than a tree of multiplexers."""
    width = max(len(entry) for entry in entries)
    selected = Signal(width, name=name)
    picked = 0
    for i, entry in enumerate(entries):
        whole = Cat(entry, Const(0, width - len(entry))) if len(entry) < width else entry  # else each | would stretch
        picked = picked | Mux(chosen[i], whole, 0)
    m.d.comb += selected.eq(picked)
    return selected
