"""Code to row: how the decoder finds the interval that the code lies in."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.config import CodecConfig

from .arithmetic import scaled
from .layouts import table_layout


class FlashSearch(wiring.Component):
    """All rows at once: N-1 multipliers and comparators. Combinational.

    The row is the last one whose lower bound ``dif`` reaches, rows behind the last used one left out.

    Members
    -------
    rng, dif : In(R), the interval's size and the code's place in it.
    rows : In, the table.
    row : Out, index of the row found.
    a : Out(R), its lower bound.
    size : Out(R), the size of its interval, never 0.
    """

    def __init__(self, config: CodecConfig):
        self.config = config
        R = config.range_bits
        super().__init__(
            {
                "rng": In(R),
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
        t = Signal(cfg.mult_bits)
        m.d.comb += t.eq(self.rng[cfg.range_bits - cfg.mult_bits :])

        lower = [Const(0, cfg.range_bits)]
        lower += [scaled(m, cfg, t, row.c, f"lower{i}") for i, row in enumerate(rows[1:], 1)]
        behind = [row.c[-1] for row in rows] + [Const(1, 1)]  # c = 2**P
        upper = [Mux(end, self.rng, bound) for bound, end in zip([*lower[1:], self.rng], behind[1:], strict=True)]
        inside = [~end & (self.dif >= bound) for bound, end in zip(lower[1:], behind[1:-1], strict=True)]
        reached = Signal(cfg.rows)
        chosen = Signal(cfg.rows)
        m.d.comb += [
            reached.eq(Cat(Const(1, 1), *inside)),
            chosen.eq(reached & ~(reached >> 1)),
        ]

        def select(entries):
            picked = 0
            for i, entry in enumerate(entries):
                picked = picked | Mux(chosen[i], entry, 0)
            return picked

        b = Signal(cfg.range_bits)
        m.d.comb += [
            self.row.eq(select([Const(i, len(self.row)) for i in range(cfg.rows)])),
            self.a.eq(select(lower)),
            b.eq(select(upper)),
            self.size.eq(b - self.a),
        ]
        return m
