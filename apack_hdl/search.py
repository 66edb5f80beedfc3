"""Code to row: how the decoder finds the part of the interval that the code lies in, and how it narrows it to that.

A search is a chain of units in a :class:`~apack_hdl.ring.Ring`, in two halves. They find there ``t_low`` (M-1 bits:
``t``, whose top bit is always set; the interval's size is ``t * 2**P``), ``dif`` (R bits, the code's place in it) and
``go`` (a value is decoded in this turn).

``find()`` leaves ``chosen``, one-hot over the rows, without ``go`` all zero. The row is the last one that begins at or
below ``dif``, rows behind the last used one left out: their count is 0, and a damaged stream could reach them.

``narrow()`` leaves ``rest`` (R bits, ``dif - t * c``), ``product`` (R+1 bits, ``t * count`` moved left until bit R-1
or R is set) and ``zeros`` (by how many bits). Without ``go`` nothing moves: ``rest`` is ``dif``, ``product`` is
``t * 2**P``, ``zeros`` is 0.
"""

from collections.abc import Callable

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.utils import bits_for

from golden.config import CodecConfig

from .arithmetic import leading_zeros, select
from .division import DivisionSearch, interval
from .ring import Ring, Unit


class LevelSearch:
    """Compares ``dif`` with where the rows begin: in levels, each of which divides the rows left by ``radix``.

    A level takes ``radix - 1`` multipliers and comparators. With as many as there are rows there is one level only
    (flash); with a radix of 2 the search is bisection.

    Parameters
    ----------
    config : the codec's parameters.
    m, ring : what the units are built in.
    rows : f() -> the table, as the stream at the stage being built sees it.
    radix : 2 or more.
    """

    def __init__(self, config: CodecConfig, m: Module, ring: Ring, rows: Callable, radix: int):
        self.config, self.m, self.ring, self.rows = config, m, ring, rows
        self.radices = level_radices(config.rows, radix)

    def find(self) -> list[Unit]:
        units = []
        for level, radix in enumerate(self.radices):
            units += [
                Unit(700, lambda level=level, radix=radix: self._multiply(level, radix)),
                Unit(450, lambda level=level, radix=radix: self._compare(level, radix)),
            ]
        return units

    def narrow(self) -> list[Unit]:
        return [Unit(350, self._size), Unit(550, self._scale)]

    def _multiply(self, level: int, radix: int):
        """Where the groups of rows begin that are left at this level, but for the first."""
        m, ring, cfg = self.m, self.ring, self.config
        before = _product(self.radices[:level])  # groups so far
        size = _product(self.radices[level + 1 :])  # rows in a group from now on
        cumulative = [row.c for row in self.rows()]
        behind = Const(cfg.total, cfg.prob_bits + 1)  # there are no rows there
        cumulative += [behind] * (_product(self.radices) - cfg.rows)
        for k in range(1, radix):
            entries = [cumulative[(group * radix + k) * size] for group in range(before)]
            c = select(m, ring["chosen"], entries, f"c{level}_{k}") if level else entries[0]
            begin = Signal(cfg.range_bits, name=f"product{level}_{k}")
            m.d.comb += begin.eq(interval(ring) * c)
            ring[f"begin{k}"] = begin
            ring[f"behind{k}"] = c[-1]

    def _compare(self, level: int, radix: int):
        """The group that ``dif`` lies in, and its bounds."""
        m, ring, cfg = self.m, self.ring, self.config
        begins = [ring[f"begin{k}"] for k in range(1, radix)]
        reached = Signal(radix, name=f"reached{level}")
        chosen = Signal(radix, name=f"chosen{level}")
        inside = [~ring[f"behind{k}"] & (ring["dif"] >= begin) for k, begin in enumerate(begins, 1)]
        m.d.comb += [
            reached.eq(Cat(Const(1, 1), *inside)),
            chosen.eq(reached & ~(reached >> 1) & ring["go"].replicate(radix)),
        ]
        first = ring["begin"] if level else Const(0, cfg.range_bits)
        end = ring["end"] if level else interval(ring) << cfg.prob_bits
        ring["begin"] = select(m, chosen, [first, *begins], f"found_begin{level}")
        ring["end"] = select(m, chosen, [*begins, end], f"found_end{level}")
        groups = [group & choice for group in ring["chosen"] for choice in chosen] if level else list(chosen)
        ring["chosen"] = Cat(groups[: cfg.rows])

    def _size(self):
        ring, cfg = self.ring, self.config
        whole = Mux(ring["go"], 0, interval(ring)) << cfg.prob_bits
        ring["rest"] = (ring["dif"] - ring["begin"])[: cfg.range_bits]
        ring["size"] = ((ring["end"] - ring["begin"]) | whole)[: cfg.range_bits]

    def _scale(self):
        ring, cfg = self.ring, self.config
        # One value never takes more than P bits, so the shifter need not reach further.
        ring["zeros"] = leading_zeros(self.m, ring["size"], "zeros")[: bits_for(cfg.prob_bits)]
        ring["product"] = (ring["size"] << ring["zeros"])[: cfg.range_bits + 1]


def level_radices(rows: int, radix: int) -> list[int]:
    """Radices of the levels for ``rows`` rows: ``radix``, or less in the last; their product is ``rows`` or more."""
    radices, left = [], rows
    while left > 1:
        radices.append(min(radix, left))
        left = -(-left // radix)
    return radices


def _product(numbers) -> int:
    result = 1
    for number in numbers:
        result *= number
    return result


SEARCHES = {
    "flash": lambda config, *place: LevelSearch(config, *place, radix=config.rows),
    "bisection": lambda config, *place: LevelSearch(config, *place, radix=2),
    "quaternary": lambda config, *place: LevelSearch(config, *place, radix=4),
    "division": DivisionSearch,
}
