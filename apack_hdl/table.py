"""The table's registers and the port that loads them."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig
from golden.table import SymbolTable

from .layouts import check_banks, row_load_layout, table_layout


def load_rows(table: SymbolTable) -> list[dict[str, int]]:
    """The N transfers that load ``table``: its rows, behind as many empty ones as are missing to N.

    An empty row starts where the next one starts and has count 0. In front, empty rows need no special case:
    both searches take the *last* row that fits.
    """
    missing = table.config.rows - len(table.v_min)
    rows = zip((0,) * missing + table.v_min, (0,) * missing + table.counts, strict=True)
    return [{"v_min": v, "count": c} for v, c in rows]


class RowTable(wiring.Component):
    """N rows in flip-flops, or two banks of N: one can be loaded while blocks work with the other.

    Loading takes N transfers, first row first, each taken at once unless a block uses the bank. Counts are added up on
    their way in. The rows form a shift register, so that loading needs no address and no write decoder.

    ``load.ready`` depends combinationally on ``busy`` and, with two banks, on the payload's ``bank``; ``loading``
    on the offer.

    Parameters
    ----------
    config : the codec's parameters.
    banks : 1 or 2.

    Members
    -------
    load : stream of rows, in. With two banks its ``bank`` counts in a table's first row.
    busy : In(banks), blocks are under way that use the bank. Must not rise where ``loading`` is high.
    loading : Out(banks), a table for the bank is offered or half loaded, or none has been loaded yet: do not begin
        a block with it.
    rows : Out, the table; with two banks an array of both.

    The neighbour promises: counts add up to 2**P, ``v_min`` starts at 0 and never falls.

    Raises TypeError or ValueError for a number of banks that there cannot be.
    """

    def __init__(self, config: CodecConfig, *, banks: int = 1):
        self.config, self.banks = config, check_banks(banks)
        table = table_layout(config)
        super().__init__(
            {
                "load": In(stream.Signature(row_load_layout(config, banks=banks))),
                "busy": In(banks),
                "loading": Out(banks),
                "rows": Out(table if banks == 1 else data.ArrayLayout(table, banks)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg, new = self.config, self.load.payload
        done = Signal(range(cfg.rows))
        loaded = Signal(self.banks)  # a table has been loaded since reset
        total = Signal(cfg.prob_bits + 1)
        last = Signal()
        chosen = self._bank(m, done)
        m.d.comb += [
            last.eq(done == cfg.rows - 1),
            self.load.ready.eq(~(chosen & self.busy).any()),
            self.loading.eq((chosen & (self.load.valid | (done != 0)).replicate(self.banks)) | ~loaded),
        ]
        with m.If(self.load.valid & self.load.ready):
            # A whole table passes through, so what stood here before does not matter; `total` must restart.
            m.d.sync += [done.eq(done + 1), total.eq(total + new.count)]
            with m.If(last):
                m.d.sync += [done.eq(0), total.eq(0), loaded.eq(loaded | chosen)]
        for bank, out in enumerate([self.rows] if self.banks == 1 else self.rows):
            # The first row begins at 0 with 0 counts before it, and needs no registers for that.
            row = table_layout(cfg).elem_shape
            rows = Signal(data.ArrayLayout(row, cfg.rows - 1), name=f"kept{bank}", reset_less=True)
            m.d.comb += out.eq(Cat(Const(0, row.size), rows))
            with m.If(self.load.valid & self.load.ready & chosen[bank]):
                self._shift_in(m, rows, total)
        return m

    def _bank(self, m: Module, done):
        """One-hot: where the table at the port goes, ``done`` of whose rows have been taken."""
        if self.banks == 1:
            return Const(1, 1)
        begun = Signal()
        chosen = Signal(2)
        m.d.comb += chosen.eq(Cat(~chosen[1], Mux(done == 0, self.load.p.bank, begun)))
        with m.If(self.load.valid & self.load.ready):
            m.d.sync += begun.eq(chosen[1])
        return chosen

    def _shift_in(self, m: Module, rows, total):
        """One row more, the others move up; ``total`` counts lie before it."""
        v_min = self.load.p.v_min
        m.d.sync += [rows[-1].v_min.eq(v_min), rows[-1].c.eq(total)]
        for here, above in zip(list(rows)[:-1], list(rows)[1:], strict=True):
            m.d.sync += here.eq(above)
