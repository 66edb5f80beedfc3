"""The tables that software has written, for one direction."""

from amaranth import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from ...layouts import row_load_layout
from ...registers import payload_register
from ..parameters import MemorySide
from ..parts.place import place
from ..parts.ram import Ram


def table_number_layout(p: MemorySide) -> data.StructLayout:
    """Which ``table`` to load."""
    return data.StructLayout({"table": bits_for(max(1, p.tables - 1))})


def table_write_layout(p: MemorySide) -> data.StructLayout:
    """A row to store, when ``valid``: into ``row`` of ``table``, its ``v_min`` and ``count``. There is no waiting."""
    row = row_load_layout(p.codec)
    return data.StructLayout({
        "valid": 1, "table": bits_for(max(1, p.tables - 1)), "row": bits_for(p.codec.rows - 1),
        "v_min": row["v_min"].shape, "count": row["count"].shape,
    })


class TableStore(wiring.Component):
    """Keeps ``p.tables`` tables, and loads one of them into the engines.

    From ``load`` to the first row 3 cycles, then one row every 2 cycles; more where rows are written at the same time,
    or not taken. A row that is written while its table is being loaded is loaded old or new. ``rows`` is registered;
    ``load.ready`` depends on registers only. Tables have no reset: load only what has been written.

    Members
    -------
    table_write : In, see :func:`table_write_layout`.
    clear : In(1), stop loading.
    load : stream of :func:`table_number_layout`, in; taken the cycle after the last row has left.
    rows : stream of rows, out, N for each load, first row first.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "table_write": In(table_write_layout(p)),
            "clear": In(1),
            "load": In(stream.Signature(table_number_layout(p))),
            "rows": Out(stream.Signature(row_load_layout(p.codec))),
        })

    def elaborate(self, platform):
        m = Module()
        p, write = self.p, self.table_write
        row_bits = ceil_log2(p.codec.rows)
        layout = row_load_layout(p.codec)
        store = place(m, platform, "store", Ram(layout.size, p.tables << row_bits))
        row = Signal(range(p.codec.rows + 1))  # to fetch next
        # Fetched: the memory's output is a row that has not moved on.
        fetched, wanted, moving = (Signal(name=n) for n in ("fetched", "wanted", "moving"))
        loading, finished = Signal(name="loading"), Signal(name="finished")

        def address(table, row):
            return Cat(row[:row_bits], table) if p.tables > 1 else row[:row_bits]

        stored = Signal(layout)
        m.d.comb += [
            stored.v_min.eq(write.v_min), stored.count.eq(write.count),
            store.write_enable.eq(write.valid), store.write_address.eq(address(write.table, write.row)),
            store.write_data.eq(stored),
            # Not in a cycle in which a row is written: it could be the same one.
            wanted.eq(loading & (row != p.codec.rows) & (~fetched | moving) & ~write.valid),
            moving.eq(fetched & ~self.rows.valid),
            store.read_enable.eq(wanted), store.read_address.eq(address(self.load.payload.table, row)),
            self.load.ready.eq(finished),
        ]
        payload = payload_register(m, self.rows)
        read = Signal(layout)
        m.d.comb += read.eq(store.read_data)
        m.d.sync += [fetched.eq(wanted | (fetched & ~moving)), row.eq(row + wanted), finished.eq(0)]
        with m.If(moving):
            m.d.sync += [self.rows.valid.eq(1), payload.v_min.eq(read.v_min), payload.count.eq(read.count)]
        with m.If(self.rows.valid & self.rows.ready):
            m.d.sync += self.rows.valid.eq(0)
            with m.If((row == p.codec.rows) & ~fetched):
                m.d.sync += [loading.eq(0), finished.eq(1)]
        with m.If(self.load.valid & ~loading & ~finished):
            m.d.sync += [loading.eq(1), row.eq(0)]
        with m.If(self.clear):
            m.d.sync += [loading.eq(0), finished.eq(0), fetched.eq(0), self.rows.valid.eq(0)]
        return m
