"""Code to row by division: c[i] <= floor(dif / t) says the same as t * c[i] <= dif."""

from collections.abc import Callable

from amaranth import Cat, Const, Module, Mux, Signal

from golden.config import CodecConfig

from .arithmetic import leading_zeros, select
from .ring import Ring, Unit


def interval(ring: Ring) -> Cat:
    """``t``. Its top bit is always 1, also where no block has begun, and needs no register."""
    return Cat(ring["t_low"], Const(1, 1))


class DivisionSearch:
    """Divides ``dif`` by ``t`` and compares the quotient with the rows' cumulative counts (:mod:`apack_hdl.search`).

    Two bits of the quotient at a time: three subtractors of M+3 bits. Quotient and remainder take the place of ``dif``,
    so nothing else has to be carried but ``3 * t``. One bit comes first, alone, which only damaged streams set: the
    quotient has P+1 bits, and ``dif`` can be had back from it, whatever it was: ``remainder + t * quotient``.

    What a row leaves of it is ``remainder + t * (quotient - c)``, and the size of its part is ``t * count``. The
    leading zeros of ``t * count`` are those of ``count``, or one less, since ``t`` is normalized. So the *count* is
    normalized, and the product's top bit can then be in two places only: no leading zeros are counted behind the
    multiplier. Without ``go`` the row is taken to own all counts, which changes nothing.

    Parameters
    ----------
    config : the codec's parameters.
    m, ring : what the units are built in.
    rows : f() -> the table, as the stream at the stage being built sees it.
    """

    def __init__(self, config: CodecConfig, m: Module, ring: Ring, rows: Callable):
        self.config, self.m, self.ring, self.rows = config, m, ring, rows

    def find(self) -> list[Unit]:
        P = self.config.prob_bits
        digits = [1] * (P % 2) + [2] * (P // 2)
        left = [sum(digits[k + 1 :]) for k in range(len(digits))]
        units = [Unit(400, self._begin)]
        for bits, rest in zip(digits, left, strict=True):
            units.append(Unit(450 if bits == 2 else 400, lambda bits=bits, rest=rest: self._divide(bits, rest)))
        return [*units, Unit(400, self._compare)]

    def narrow(self) -> list[Unit]:
        return [Unit(600, self._take), Unit(550, self._scale), Unit(800, self._multiply)]

    def _begin(self):
        """The quotient's top bit: is ``dif`` beyond the end of the interval?"""
        ring, cfg = self.ring, self.config
        top = ring["dif"][cfg.prob_bits :]
        less = Signal(cfg.mult_bits + 1)
        self.m.d.comb += less.eq(top - interval(ring))
        ring["quotient"] = ~less[-1]
        ring["remainder"] = Mux(less[-1], top, less[: cfg.mult_bits])
        ring["low"] = ring["dif"][: cfg.prob_bits]
        ring["three_t"] = interval(ring) + (interval(ring) << 1)

    def _divide(self, bits: int, left: int):
        """``bits`` bits more of the quotient; ``left`` remain."""
        m, ring, cfg = self.m, self.ring, self.config
        name = f"{left}"
        multiples = [interval(ring), interval(ring) << 1, ring["three_t"]][: (1 << bits) - 1]
        open_ = Cat(ring["low"][left : left + bits], ring["remainder"])
        lesses = []
        for k, multiple in enumerate(multiples, 1):
            less = Signal(cfg.mult_bits + bits + 1, name=f"less{name}_{k}")
            m.d.comb += less.eq(open_ - multiple)
            lesses.append(less)
        fits = Signal(len(lesses) + 1, name=f"fits{name}")
        chosen = Signal(len(fits), name=f"digit{name}")
        m.d.comb += [
            fits.eq(Cat(Const(1, 1), *(~less[-1] for less in lesses))),
            chosen.eq(fits & ~(fits >> 1)),
        ]
        remainders = [open_[: cfg.mult_bits], *(less[: cfg.mult_bits] for less in lesses)]
        ring["remainder"] = select(m, chosen, remainders, f"remainder{name}")
        digit = fits[1] if bits == 1 else Cat(chosen[1] | chosen[3], fits[2])
        ring["quotient"] = Cat(digit, ring["quotient"])
        ring["low"] = ring["low"][: max(1, left)]

    def _compare(self):
        m, ring = self.m, self.ring
        rows = list(self.rows())
        reached = Signal(len(rows), name="reached")
        inside = [~row.c[-1] & (ring["quotient"] >= row.c[:-1]) for row in rows[1:]]
        m.d.comb += reached.eq(Cat(Const(1, 1), *inside))
        ring["chosen"] = reached & ~(reached >> 1) & ring["go"].replicate(len(rows))

    def _take(self):
        """The row's counts, and the quotient's place among them."""
        m, ring, P = self.m, self.ring, self.config.prob_bits
        cumulative = [row.c for row in self.rows()]
        ends = [*cumulative[1:], Const(1 << P, P + 1)]
        c = select(m, ring["chosen"], [value[:P] for value in cumulative], "found_c")
        chosen = Cat(ring["chosen"], ~ring["go"])
        end = select(m, chosen, [*ends, Const(1 << P, P + 1)], "found_end")
        ring["count"] = (end - c)[: P + 1]
        ring["within"] = (ring["quotient"] - c)[: P + 1]

    def _scale(self):
        ring, P = self.ring, self.config.prob_bits
        zeros = leading_zeros(self.m, ring["count"], "zeros")
        ring["scaled"] = Cat((ring["count"] << zeros)[:P], Const(1, 1))  # no count is 0
        ring["zeros"] = zeros

    def _multiply(self):
        ring, R = self.ring, self.config.range_bits
        ring["product"] = (interval(ring) * ring["scaled"])[: R + 1]
        ring["rest"] = (interval(ring) * ring["within"] + ring["remainder"])[:R]
