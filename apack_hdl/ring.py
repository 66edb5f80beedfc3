"""Streams that take turns: the registers that carry each one's state through the stages, and where they go."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

from amaranth import Cat, Const, Module, Signal, Value

from .arithmetic import select


class Unit(NamedTuple):
    """Combinational work that no register cuts. ``delay``: picoseconds, roughly; only proportions matter.

    ``work()`` reads from the ring and puts into it.
    """

    delay: int
    work: Callable[[], None]


class Ring:
    """A pipeline of S stages that S streams go round in turn, so that each stage holds another stream's state.

    A stream comes by at a stage every S cycles. Its state lives in the registers between the stages, whose number is
    the price of a stream; nothing has to be forwarded or held, for a stream is never in the pipeline twice.

    The stages are built one after the other. ``ring[name]`` is a signal of the stage being built, ``ring[name] =
    value`` gives it to the units and stages that follow, and :meth:`cut` begins the next stage. What is not looked at
    any more costs nothing: synthesis drops registers without readers.

    Parameters
    ----------
    m : the module that everything goes into.
    streams : S, 1 or more. A ring of one has one stage, whose end is its beginning a cycle later.
    state : name and shape of what a stream keeps from turn to turn.
    reset : names of those that reset sets to 0. All others start with anything.
    """

    def __init__(self, m: Module, streams: int, state: dict, reset: set[str]):
        self.m, self.streams, self.stage, self._reset = m, streams, 0, reset
        self._entry = {name: self._register(name, shape) for name, shape in state.items()}
        self._live = dict(self._entry)
        self._slot = Const(1, 1)
        if streams > 1:  # one-hot, for it is compared with in every stage
            self._slot = Signal(streams, name="slot", init=1)
            m.d.sync += self._slot.eq(Cat(self._slot[-1], self._slot[:-1]))

    def _register(self, name: str, shape) -> Signal:
        return Signal(shape, name=f"{name}_{self.stage}", reset_less=name not in self._reset)

    def __getitem__(self, name: str):
        return self._live[name]

    def __setitem__(self, name: str, value):
        value = Value.cast(value) if isinstance(value, int) else value
        shape = value.shape()
        shape = len(value) if isinstance(value, Value) else shape
        signal = Signal(shape, name=f"{name}_in_{self.stage}")
        self.m.d.comb += signal.eq(value)
        self._live[name] = signal

    @property
    def here(self) -> Value:
        """One-hot, S bits: the stream at the stage being built."""
        return Cat(self._slot[(j + self.stage) % self.streams] for j in range(self.streams))

    def pick(self, entries: Sequence[Value], name: str) -> Signal:
        """What belongs to the stream that is here, of one entry per stream."""
        return select(self.m, self.here, entries, f"{name}_here_{self.stage}")

    def cut(self):
        """Registers for all there is: what follows is the next stage."""
        self.stage += 1
        for name, value in self._live.items():
            register = self._register(name, value.shape())
            self.m.d.sync += register.eq(value)
            self._live[name] = register

    def run(self, units: Sequence[Unit]):
        """Do the units' work in order, cut into S stages as even as can be, and close the ring."""
        ends = spread([unit.delay for unit in units], self.streams)
        for number, unit in enumerate(units):
            unit.work()
            if number in ends:
                self.cut()
        while self.stage < self.streams - 1:
            self.cut()
        for name, register in self._entry.items():
            self.m.d.sync += register.eq(self._live[name])


def spread(delays: Sequence[int], stages: int) -> set[int]:
    """Behind which of a chain of units to cut, for at most ``stages`` stages whose longest is as short as can be.

    Of several such ways the one whose stages differ least.
    """
    count = len(delays)

    def stage_delays(cuts):
        edges = [0, *(cut + 1 for cut in cuts), count]
        return [sum(delays[a:b]) for a, b in zip(edges, edges[1:], strict=False)]

    def badness(cuts):
        sums = stage_delays(cuts)
        return max(sums), sum(s * s for s in sums)

    return set(min(combinations(range(count - 1), min(stages, count) - 1), key=badness))
