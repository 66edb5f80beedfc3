"""The table's registers and the port that loads them."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig
from golden.table import SymbolTable

from .arithmetic import leading_zeros
from .layouts import row_load_layout, table_layout


def load_rows(table: SymbolTable) -> list[dict[str, int]]:
    """The N transfers that load ``table``: its rows, behind as many empty ones as are missing to N.

    An empty row starts where the next one starts and has count 0. In front, empty rows need no special case:
    both searches take the *last* row that fits.
    """
    missing = table.config.rows - len(table.v_min)
    rows = zip((0,) * missing + table.v_min, (0,) * missing + table.counts, strict=True)
    return [{"v_min": v, "count": c} for v, c in rows]


class RowTable(wiring.Component):
    """N rows in flip-flops. Loading takes N transfers, first row first; each is taken at once when ``allow`` is high.

    From the two numbers of a row the port derives what the table does not store: the cumulative count and the
    offset length. The rows form a shift register, so that loading needs no address and no write decoder.

    Members
    -------
    load : stream of rows, in.
    allow : In(1), no block is looking. Must stay high until ``loading`` falls again.
    loading : Out(1), a table is offered or half loaded, or none has been loaded yet: do not begin a block.
    rows : Out, the table.

    The neighbour promises: counts add up to 2**P, ``v_min`` starts at 0 and never falls.
    """

    def __init__(self, config: CodecConfig):
        self.config = config
        super().__init__(
            {
                "load": In(stream.Signature(row_load_layout(config))),
                "allow": In(1),
                "loading": Out(1),
                "rows": Out(table_layout(config)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg, new = self.config, self.load.payload
        rows = Signal(table_layout(cfg), reset_less=True)
        done = Signal(range(cfg.rows))
        loaded = Signal()  # a table has been loaded since reset
        total = Signal(cfg.prob_bits + 1)

        m.d.comb += [
            self.load.ready.eq(self.allow),
            self.loading.eq(self.load.valid | (done != 0) | ~loaded),
            self.rows.eq(rows),
            rows[-1].ol.eq(self._offset_bits(m, cfg.values - rows[-1].v_min, "ol_last")),
        ]
        with m.If(self.load.valid & self.load.ready):
            last = Signal()
            m.d.comb += last.eq(done == cfg.rows - 1)
            # A whole table passes through, so what stood here before does not matter; `total` must restart.
            m.d.sync += [
                done.eq(done + 1),
                total.eq(total + new.count),
                rows[-1].v_min.eq(new.v_min),
                rows[-1].c.eq(total),
            ]
            with m.If(last):
                m.d.sync += [done.eq(0), total.eq(0), loaded.eq(1)]
            for index, (here, above) in enumerate(zip(rows, list(rows)[1:], strict=False)):
                m.d.sync += here.ol.eq(above.ol)
                if index > 0:  # the first row begins at 0 with 0 counts before it, and needs no registers for that
                    m.d.sync += [here.v_min.eq(above.v_min), here.c.eq(above.c)]
            # The size of a row is known when the next one arrives.
            m.d.sync += rows[-2].ol.eq(self._offset_bits(m, new.v_min - rows[-1].v_min, "ol_before_last"))
        return m

    def _offset_bits(self, m: Module, size, name: str):
        """``ceil(log2(size))`` for a size of 1..2**W (what an empty row gets is never looked at)."""
        width = self.config.width
        below = Signal(width, name=f"{name}_below")
        m.d.comb += below.eq(size - 1)
        # ceil(log2(size)) is the number of bits of size - 1; a one appended below makes "no bits" countable.
        zeros = leading_zeros(m, Cat(Const(1, 1), below), f"{name}_zeros")
        result = Signal(range(width + 1), name=name)
        m.d.comb += result.eq(width - zeros)
        return result
