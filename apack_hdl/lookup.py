"""Value to row: the first step of the encoder."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig

from .layouts import interval_layout, offset_layout, table_layout, value_layout


class RowLookup(wiring.Component):
    """Finds each value's row and splits the value into an interval of counts and an offset.

    The row is the last one whose ``v_min`` the value reaches: N-1 comparators and an and-or selection.
    Behind a block's last value one more transfer, ``finish``, leaves on both outputs; it costs a cycle in which
    no value is taken. A value whose row has count zero raises ``error`` for the rest of its block and is passed
    on as an interval that changes nothing, so that the block still ends as it should.

    Latency 1 cycle; one value per cycle. ``values.ready`` depends combinationally on both outputs' ``ready``.

    Members
    -------
    values : stream in, W-bit values with ``last``.
    intervals, offsets : streams out, always offered together and taken each on its own.
    rows : In, the table; must not change between a block's first and last value.
    hold : In(1), do not begin a block now.
    busy : Out(1), a block has begun and its last value has not been taken yet.
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
        interval, offset = self.intervals, self.offsets
        finishing = Signal()
        error = Signal()
        room = Signal()
        take = Signal()
        found = self._find(m)

        m.d.comb += [
            room.eq((~interval.valid | interval.ready) & (~offset.valid | offset.ready)),
            self.values.ready.eq(room & ~finishing & (self.busy | ~self.hold)),
            take.eq(self.values.valid & self.values.ready),
        ]
        with m.If(interval.ready):
            m.d.sync += interval.valid.eq(0)
        with m.If(offset.ready):
            m.d.sync += offset.valid.eq(0)
        with m.If(take | (finishing & room)):
            uncodable = Signal()
            m.d.comb += uncodable.eq(take & (found["c_low"] == found["c_high"]))
            m.d.sync += [
                interval.valid.eq(1),
                offset.valid.eq(1),
                interval.p.finish.eq(finishing),
                offset.p.finish.eq(finishing),
                interval.p.error.eq(error | uncodable),
                error.eq(~finishing & (error | uncodable)),
                finishing.eq(take & self.values.p.last),
                self.busy.eq(take & ~self.values.p.last),
                interval.p.c_low.eq(Mux(uncodable, 0, found["c_low"])),
                interval.p.c_high.eq(Mux(uncodable, self.config.total, found["c_high"])),
                offset.p.data.eq(Mux(finishing, 0, self.values.p.data - found["v_min"])),
                offset.p.bits.eq(Mux(finishing, 0, found["ol"])),
            ]
        return m

    def _find(self, m: Module) -> dict[str, Signal]:
        """The fields of the row that ``values`` shows now."""
        cfg, value, rows = self.config, self.values.p.data, list(self.rows)
        reached = Signal(cfg.rows)
        m.d.comb += reached.eq(Cat(Const(1, 1), *(value >= row.v_min for row in rows[1:])))
        chosen = Signal(cfg.rows)
        m.d.comb += chosen.eq(reached & ~(reached >> 1))

        def select(name, entries):
            selected = Signal(len(entries[0]), name=f"found_{name}")
            picked = 0
            for i, entry in enumerate(entries):
                picked = picked | Mux(chosen[i], entry, 0)
            m.d.comb += selected.eq(picked)
            return selected

        ends = [row.c for row in rows[1:]] + [Const(cfg.total, cfg.prob_bits + 1)]
        return {
            "v_min": select("v_min", [row.v_min for row in rows]),
            "ol": select("ol", [row.ol for row in rows]),
            "c_low": select("c_low", [row.c for row in rows]),
            "c_high": select("c_high", ends),
        }
