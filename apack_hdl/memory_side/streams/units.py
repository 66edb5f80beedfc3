"""Between beats of containers and dense beats."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.utils import bits_for

from ...arithmetic import select
from ..parameters import MemorySide


class UnitStore:
    """Holds what is between dense values and beats, in units of V bits: a beat of V values of w bits is w units, and
    a beat of the stream is K units, K bits of a container. So all that is ever shifted by is whole units.

    Parameters
    ----------
    m : module in which its registers and gates are made.
    drop : Value(1), the lowest ``units`` (1..K) leave in this cycle.

    Members
    -------
    units : the store, 2K units, zeros above the ``level``.
    level : units held; ``kept``: the same after those that leave.
    """

    def __init__(self, m: Module, p: MemorySide, *, drop: Value, units: Value):
        K, V = p.value_bits, p.beat_values
        self.size, self.unit, self.steps = 2 * K, V, range(K)
        self.level = Signal(bits_for(2 * K), name="level")
        self.kept = Signal(bits_for(2 * K), name="kept")
        self.units = Signal(2 * K * V, reset_less=True, name="store")
        self.rest = Signal.like(self.units, name="rest_units")
        cut = [Value.cast(self.units[n * V :]) for n in range(1, K + 1)]
        chosen = Cat(~drop, (drop & (units == n) for n in range(1, K + 1)))
        rest = select(m, chosen, [self.units, *cut], "behind")
        m.d.comb += [self.kept.eq(Mux(drop, self.level - units, self.level)), self.rest.eq(rest)]
        m.d.sync += [self.level.eq(self.kept), self.units.eq(self.rest)]

    def add(self, m: Module, bits: Value, units: Value):
        """Put so many ``units`` behind those that are kept, K at most; there must be room, and zeros above them."""
        places = [Cat(Const(0, n * self.unit), bits) for n in self.steps]
        added = select(m, Cat(self.kept == n for n in self.steps), places, "added")
        m.d.sync += [self.level.eq(self.kept + units), self.units.eq(self.rest | added)]

    def clear(self, m: Module):
        """Forget all."""
        m.d.sync += [self.level.eq(0), self.units.eq(0)]
