"""Value to row: the first step of the encoder."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig

from .arithmetic import select
from .layouts import interval_layout, offset_layout, table_layout, value_layout


def find_row(m: Module, tables, bank: Value | None, value: Value) -> Value:
    """One-hot over all rows of all ``tables``: the last row of table ``bank`` that ``value`` reaches.

    N-1 comparators a table. ``bank`` is not looked at where there is only one.
    """
    chosen = []
    for number, rows in enumerate(tables):
        reached = Signal(len(rows), name="reached" if len(tables) == 1 else f"reached{number}")
        m.d.comb += reached.eq(Cat(Const(1, 1), *(value >= row.v_min for row in list(rows)[1:])))
        here = reached & ~(reached >> 1)
        chosen.append(here if len(tables) == 1 else here & (bank == number).replicate(len(rows)))
    return Cat(*chosen)


def row_fields(m: Module, config: CodecConfig, tables, chosen: Value) -> dict[str, Signal]:
    """What the tables say of the row ``chosen``: ``v_min``, ``ol``, ``c``, and ``end``, the ``c`` of the next row."""
    rows = [row for table in tables for row in table]
    ends = [c for table in tables for c in [*(row.c for row in list(table)[1:]), Const(config.total)]]
    fields = {f: select(m, chosen, [row[f] for row in rows], f"found_{f}") for f in ("v_min", "ol", "c")}
    return fields | {"end": select(m, chosen, ends, "found_end")}


class RowLookup(wiring.Component):
    """Finds each value's row and splits the value into an interval of counts and an offset.

    The row is the last one whose ``v_min`` the value reaches: N-1 comparators and an and-or selection.
    Behind a block's last value one more transfer, ``finish``, leaves on both outputs; it costs a cycle in which
    no value is taken. A value whose row has count zero raises ``error`` for the rest of its block and is passed
    on as an interval that changes nothing, so that the block still ends as it should.

    Latency 2 cycles (compare, select); one value per cycle. ``values.ready`` depends combinationally on both outputs'
    ``ready``.

    Members
    -------
    values : stream in, W-bit values with ``last``.
    intervals, offsets : streams out, always offered together and taken each on its own.
    rows : In, the table; must not change while ``busy``.
    hold : In(1), do not begin a block now.
    busy : Out(1), a block has begun, and not all of its values have been looked up.
    """

    def __init__(self, config: CodecConfig):
        self.config = config
        super().__init__(
            {
                "values": In(stream.Signature(value_layout(config))),
                "intervals": Out(stream.Signature(interval_layout(config))),
                "offsets": Out(stream.Signature(offset_layout(config))),
                "rows": In(table_layout(config)),
                "hold": In(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg, value, interval, offset = self.config, self.values.p, self.intervals, self.offsets
        within = Signal()  # a block has begun,
        finishing = Signal()  # its last value has been taken
        room = Signal()
        take = Signal()
        m.d.comb += [
            room.eq((~interval.valid | interval.ready) & (~offset.valid | offset.ready)),
            self.values.ready.eq(room & ~finishing & (within | ~self.hold)),
            take.eq(self.values.valid & self.values.ready),
        ]

        # First cycle: which rows does the value reach?
        compared = Signal()
        at_end = Signal()
        data = Signal(cfg.width, reset_less=True)
        reached = Signal(cfg.rows)
        chosen = Signal(cfg.rows, reset_less=True)
        m.d.comb += [
            reached.eq(Cat(Const(1, 1), *(value.data >= row.v_min for row in list(self.rows)[1:]))),
            self.busy.eq(within | compared),
        ]
        with m.If(room):
            m.d.sync += [compared.eq(take | finishing), at_end.eq(finishing), finishing.eq(take & value.last)]
        with m.If(take):
            m.d.sync += [chosen.eq(reached & ~(reached >> 1)), data.eq(value.data), within.eq(~value.last)]

        # Second cycle: the fields of the last row reached.
        found = self._fields(m, chosen)
        error = Signal()
        uncodable = Signal()
        m.d.comb += uncodable.eq(~at_end & (found["count"] == 0))
        with m.If(interval.ready):
            m.d.sync += interval.valid.eq(0)
        with m.If(offset.ready):
            m.d.sync += offset.valid.eq(0)
        with m.If(room & compared):
            m.d.sync += [
                interval.valid.eq(1),
                interval.p.c_low.eq(Mux(uncodable, 0, found["c_low"])),
                interval.p.count.eq(Mux(uncodable, cfg.total, found["count"])),
                interval.p.finish.eq(at_end),
                interval.p.error.eq(error | uncodable),
                error.eq(~at_end & (error | uncodable)),
                offset.valid.eq(1),
                offset.p.data.eq(Mux(at_end, 0, data - found["v_min"])),
                offset.p.bits.eq(Mux(at_end, 0, found["ol"])),
                offset.p.finish.eq(at_end),
            ]
        return m

    def _fields(self, m: Module, chosen: Signal) -> dict[str, Signal]:
        """What the table says of the row marked in ``chosen``."""
        cfg, rows = self.config, list(self.rows)
        ends = [row.c for row in rows[1:]] + [Const(cfg.total, cfg.prob_bits + 1)]
        fields = {f: select(m, chosen, [row[f] for row in rows], f"found_{f}") for f in ("v_min", "ol", "c")}
        count = Signal(cfg.prob_bits + 1, name="found_count")
        m.d.comb += count.eq(select(m, chosen, ends, "found_end") - fields["c"])
        return {"v_min": fields["v_min"], "ol": fields["ol"], "c_low": fields["c"], "count": count}
