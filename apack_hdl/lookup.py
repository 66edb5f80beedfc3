"""Value to row: the first step of the encoder."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig

from .arithmetic import leading_zeros, select
from .layouts import interval_layout, offset_layout, table_layout, value_layout
from .registers import payload_register


def find_row(m: Module, tables, bank: Value, value: Value) -> Value:
    """One-hot over all rows of all ``tables``: the last row of table ``bank`` that ``value`` reaches.

    N-1 comparators a table. ``bank`` is one-hot.
    """
    chosen = []
    for number, rows in enumerate(tables):
        reached = Signal(len(rows), name="reached" if len(tables) == 1 else f"reached{number}")
        m.d.comb += reached.eq(Cat(Const(1, 1), *(value >= row.v_min for row in list(rows)[1:])))
        here = reached & ~(reached >> 1)
        chosen.append(here if len(tables) == 1 else here & bank[number].replicate(len(rows)))
    return Cat(*chosen)


def row_fields(m: Module, config: CodecConfig, tables, chosen: Value) -> dict[str, Signal]:
    """What the tables say of the row ``chosen``: ``v_min`` and ``c``, ``above`` and ``end``, those of the next row.

    Of the last row the next one's ``v_min``, 2**W, is 0 here: all is modulo 2**W.
    """
    rows = [row for table in tables for row in table]
    next_rows = [row for table in tables for row in [*list(table)[1:], None]]
    entries = {
        "v_min": [row.v_min for row in rows],
        "c": [row.c for row in rows],
        "above": [Const(0) if row is None else row.v_min for row in next_rows],
        "end": [Const(config.total) if row is None else row.c for row in next_rows],
    }
    return {name: select(m, chosen, entry, f"found_{name}") for name, entry in entries.items()}


def offset_bits(m: Module, below: Value) -> Signal:
    """``ceil(log2(size))`` of a row's size, given ``below``, the size less one (W bits)."""
    # It is the number of bits of size - 1; a one appended below makes "no bits" countable.
    zeros = leading_zeros(m, Cat(Const(1, 1), below), "size_zeros")
    bits = Signal(range(len(below) + 1), name="offset_bits")
    m.d.comb += bits.eq(len(below) - zeros)
    return bits


class RowLookup(wiring.Component):
    """Finds each value's row and splits the value into an interval of counts and an offset.

    The row is the last one whose ``v_min`` the value reaches: N-1 comparators and an and-or selection.
    Behind a block's last value one more transfer, ``finish``, leaves on both outputs; it costs a cycle in which
    no value is taken.

    Latency 2 cycles (compare, select); one value per cycle. ``values.ready`` depends combinationally on both outputs'
    ``ready``, on ``hold`` and, with two banks, on the payload's ``bank``.

    Parameters
    ----------
    config : the codec's parameters.
    banks : 1 or 2.

    Members
    -------
    values : stream in, W-bit values with ``last``, and with ``bank`` if there are two.
    intervals, offsets : streams out, always offered together and taken each on its own.
    tables : In, array of the banks' tables; one must not change while ``busy``.
    hold : In(banks), do not begin a block with the bank now.
    busy : Out(banks), a block has begun with the bank, and not all of its values have been looked up.
    """

    def __init__(self, config: CodecConfig, *, banks: int = 1):
        self.config, self.banks = config, banks
        super().__init__(
            {
                "values": In(stream.Signature(value_layout(config, banks=banks))),
                "intervals": Out(stream.Signature(interval_layout(config))),
                "offsets": Out(stream.Signature(offset_layout(config))),
                "tables": In(data.ArrayLayout(table_layout(config), banks)),
                "hold": In(banks),
                "busy": Out(banks),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg, value = self.config, self.values.p
        within = Signal()  # a block has begun,
        finishing = Signal()  # its last value has been taken
        room = Signal()
        take = Signal()
        if self.banks == 1:
            bank = used = Const(1, 1)
        else:  # one-hot: of the value at the port, and of the one before it
            bank = Signal(2)
            used = Signal(2, reset_less=True)
            m.d.comb += bank.eq(Mux(within, used, Cat(~value.bank, value.bank)))
            with m.If(take):
                m.d.sync += used.eq(bank)
        m.d.comb += [
            self.values.ready.eq(room & ~finishing & (within | ~(bank & self.hold).any())),
            take.eq(self.values.valid & self.values.ready),
        ]

        # First cycle: which rows does the value reach?
        compared = Signal()
        at_end = Signal(reset_less=True)
        code = Signal(cfg.width, reset_less=True)
        chosen = Signal(cfg.rows * self.banks, reset_less=True)
        m.d.comb += self.busy.eq(used & (within | compared).replicate(self.banks))
        with m.If(room):
            m.d.sync += [compared.eq(take | finishing), at_end.eq(finishing), finishing.eq(take & value.last)]
        row = find_row(m, self.tables, bank, value.data)
        with m.If(take):
            m.d.sync += [chosen.eq(row), code.eq(value.data), within.eq(~value.last)]

        # Second cycle: the fields of the last row reached.
        found = row_fields(m, cfg, self.tables, chosen)
        interval, offset = payload_register(m, self.intervals), payload_register(m, self.offsets)
        m.d.comb += room.eq(
            (~self.intervals.valid | self.intervals.ready) & (~self.offsets.valid | self.offsets.ready)
        )
        with m.If(self.intervals.ready):
            m.d.sync += self.intervals.valid.eq(0)
        with m.If(self.offsets.ready):
            m.d.sync += self.offsets.valid.eq(0)
        with m.If(room & compared):
            m.d.sync += [
                self.intervals.valid.eq(1),
                interval.c_low.eq(found["c"]),
                interval.count.eq(found["end"] - found["c"]),
                interval.finish.eq(at_end),
                self.offsets.valid.eq(1),
                offset.data.eq(code - found["v_min"]),
                offset.below.eq(found["above"] - found["v_min"] - 1),
                offset.finish.eq(at_end),
            ]
        return m
