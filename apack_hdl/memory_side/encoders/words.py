"""Words on their way out of an encoder."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ...layouts import word_layout
from ..parameters import MemorySide
from ..parts.place import place
from ..parts.ram import Ram

WORD = 32  # bits of an encoder's word


class WordStore(wiring.Component):
    """Two places for coded blocks, filled in turn: symbols from a place's first row upwards, offsets from its last
    row downwards, words within a row from the lowest bits on, zeros behind the last byte.

    An encoder is always relieved of its words. What finds no room is dropped, and the block has ``failed``.

    ``symbols.ready`` is 1; ``offsets.ready`` depends combinationally on ``symbols.valid``.

    Members
    -------
    symbols, offsets : streams of words of 32 bits, in.
    coded : Out(2), the block in the place is complete. ``failed`` : Out(2), it is of no use.
    sizes : Out, of each place, of a complete block's ``symbols`` and ``offsets`` (an array in this order): ``word``,
        number of the last word, and ``bytes``, how many of it count, 0 for an empty stream.
    free : In(2), the block in the place is over.
    read_enable : In(1). ``read_row`` : In, 0 for the first row of place 0. ``read_data`` : Out, the cycle after.
    """

    def __init__(self, p: MemorySide):
        self.p, self.lanes = p, p.data_width // WORD
        self.row_bits = bits_for(2 * p.stored_rows - 1)
        self.word_bits = max(1, bits_for(p.stored_rows * self.lanes - 1))
        sizes = data.ArrayLayout(data.StructLayout({"word": self.word_bits, "bytes": 3}), 2)
        words = stream.Signature(word_layout(WORD))
        super().__init__({
            "symbols": In(words),
            "offsets": In(words),
            "coded": Out(2),
            "failed": Out(2),
            "sizes": Out(data.ArrayLayout(sizes, 2)),
            "free": In(2),
            "read_enable": In(1),
            "read_row": In(self.row_bits),
            "read_data": Out(p.data_width),
        })

    def first_row(self, q, offsets):
        """Where the stream of a place, ``q``, begins."""
        rows = self.p.stored_rows
        return Mux(offsets, Mux(q, 2 * rows - 1, rows - 1), Mux(q, rows, 0))

    def elaborate(self, platform):
        m = Module()
        ram = place(m, platform, "words", Ram(self.p.data_width, 2 * self.p.stored_rows, self.lanes))
        valid = Signal()
        word = Signal(word_layout(WORD))
        second = ~self.symbols.valid
        m.d.comb += [
            self.symbols.ready.eq(1),
            self.offsets.ready.eq(second),
            valid.eq(self.symbols.valid | self.offsets.valid),
            word.eq(Mux(second, self.offsets.payload.as_value(), self.symbols.payload.as_value())),
        ]
        ports = [_Pointer(m, self, k, valid & (second == k), word) for k in range(2)]
        here, lane, row = (
            Mux(second, getattr(ports[1], name), getattr(ports[0], name)) for name in ("here", "lane", "row")
        )
        at = Signal(self.lanes)
        q = Signal()
        m.d.comb += [at.eq(lane), q.eq(here)]

        # A row is taken by its first word (of 0 bytes in an empty stream), which clears the rest of it: so there are
        # zeros behind the last one.
        begins = Signal()
        writes = Signal()
        failed = Signal(2)
        full = Signal(2)
        m.d.comb += [
            begins.eq(valid & at[0]),
            writes.eq(valid & ~Mux(q, failed[1], failed[0]) & ~(at[0] & Mux(q, full[1], full[0]))),
            ram.read_enable.eq(self.read_enable),
            ram.read_address.eq(self.read_row),
            self.read_data.eq(ram.read_data),
            self.failed.eq(failed),
            self.coded.eq(ports[0].done & ports[1].done),
        ]
        self._write(m, ram, writes, at, row, word.data)
        for k in range(2):
            left = Signal(range(self.p.stored_rows + 1), init=self.p.stored_rows, name=f"rows_left_{k}")
            m.d.comb += full[k].eq(left == 0)
            with m.If(self.free[k]):
                m.d.sync += [left.eq(self.p.stored_rows), failed[k].eq(0)]
            with m.Elif(q == k):
                with m.If(begins & ~full[k]):
                    m.d.sync += left.eq(left - 1)
                with m.If((begins & full[k]) | (valid & word.error)):
                    m.d.sync += failed[k].eq(1)
        return m

    def _write(self, m: Module, ram: Ram, writes: Value, at: Value, row: Value, word: Value):
        """Into the memory in the next cycle: it may be far away, and wide."""
        lanes = Signal(self.lanes)
        place_of_word = Signal(self.lanes, reset_less=True)
        address = Signal(self.row_bits, reset_less=True)
        data_ = Signal(WORD, reset_less=True)
        m.d.sync += [
            lanes.eq(Cat(writes & at[: k + 1].any() for k in range(self.lanes))),
            place_of_word.eq(at), address.eq(row), data_.eq(word),
        ]
        m.d.comb += [
            ram.write_enable.eq(lanes), ram.write_address.eq(address),
            ram.write_data.eq(Cat(data_ & at_lane.replicate(WORD) for at_lane in place_of_word)),
        ]


class _Pointer:
    """Where the next word of one of the two streams goes, and how long the streams of both places were."""

    def __init__(self, m: Module, store: WordStore, offsets: int, take: Value, word):
        name = ("symbols", "offsets")[offsets]
        self.here, self.done = Signal(name=f"{name}_here"), Signal(2, name=f"{name}_done")
        self.lane = Signal(store.lanes, init=1, name=f"{name}_lane")
        self.row = Signal(store.row_bits, init=store.p.stored_rows - 1 if offsets else 0, name=f"{name}_row")
        number = Signal(store.word_bits, name=f"{name}_word")
        with m.If(take):
            with m.If(word.last):
                m.d.sync += [self.here.eq(~self.here), self.lane.eq(1), number.eq(0)]
                m.d.sync += self.row.eq(store.first_row(~self.here, offsets))
            with m.Else():
                m.d.sync += [self.lane.eq(Cat(self.lane[-1], self.lane[:-1])), number.eq(number + 1)]
                with m.If(self.lane[-1]):
                    m.d.sync += self.row.eq(self.row - 1 if offsets else self.row + 1)
        for q in range(2):
            size = Signal(store.sizes[q][offsets].shape(), name=f"{name}_size_{q}", reset_less=True)
            m.d.comb += store.sizes[q][offsets].eq(size)
            with m.If(store.free[q]):
                m.d.sync += self.done[q].eq(0)
            with m.If(take & word.last & (self.here == q)):
                m.d.sync += [self.done[q].eq(1), size.word.eq(number), size.bytes.eq(word.bytes)]
