"""Code to row: how the decoder finds the part of the interval that the code lies in."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.config import CodecConfig

from .arithmetic import select
from .layouts import table_layout


class FlashSearch(wiring.Component):
    """All rows at once: N-1 multipliers and comparators. Combinational.

    The row is the last one that begins at or below ``dif``, rows behind the last used one left out: their count is
    0, and a damaged stream could reach them.

    Members
    -------
    t : In(M), the interval's size is ``t * 2**P``.
    dif : In(R), the code's place in it.
    rows : In, the table.
    row : Out, index of the row found.
    a : Out(R), ``t * c``: where its part begins.
    size : Out(R), ``t * count``: the size of its part, never 0.
    """

    def __init__(self, config: CodecConfig):
        self.config = config
        R = config.range_bits
        super().__init__(
            {
                "t": In(config.mult_bits),
                "dif": In(R),
                "rows": In(table_layout(config)),
                "row": Out(bits_for(config.rows - 1)),
                "a": Out(R),
                "size": Out(R),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg, rows = self.config, list(self.rows)
        begins = [Const(0, cfg.range_bits)]
        for i, row in enumerate(rows[1:], 1):
            begin = Signal(cfg.range_bits, name=f"begin{i}")
            m.d.comb += begin.eq(self.t * row.c)
            begins.append(begin)
        inside = [~row.c[-1] & (self.dif >= begin) for row, begin in zip(rows[1:], begins[1:], strict=True)]
        reached = Signal(cfg.rows)
        chosen = Signal(cfg.rows)
        m.d.comb += [
            reached.eq(Cat(Const(1, 1), *inside)),
            chosen.eq(reached & ~(reached >> 1)),
        ]
        ends = [*begins[1:], self.t << cfg.prob_bits]
        m.d.comb += [
            self.row.eq(select(m, chosen, [Const(i, len(self.row)) for i in range(cfg.rows)], "found_row")),
            self.a.eq(select(m, chosen, begins, "found_begin")),
            self.size.eq(select(m, chosen, ends, "found_end") - self.a),
        ]
        return m
