"""An encoder's buffers: one of its streams, two blocks."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ...layouts import value_layout, word_layout
from ...registers import payload_register
from ..layouts import SIZE_BITS, beat_layout, drain_layout, head_layout, take_layout
from ..parameters import MemorySide
from .values import ValueStore
from .words import WORD, WordStore


class EncoderLane(wiring.Component):
    """The buffers around one stream of an encoder: two places for blocks, in turn filled, coded and given away.

    A block is coded from its first beat on, and kept, values and coded streams, until it is known which of them is
    wanted: ``head`` tells of it once it is complete, and for each head taken there must come a ``take``. The next
    block's head, and a ``take`` for it, need not wait for the data of the one before.

    From a ``take`` to the first of its data: 4 cycles; one chunk or beat per cycle, one cycle without between blocks.
    ``data`` comes from registers. ``head`` comes from registers by way of an incrementer. ``take.ready`` comes from a
    register. For ``fill`` and ``values`` see :class:`ValueStore`, for ``symbols`` and ``offsets`` :class:`WordStore`.

    Members
    -------
    fill : stream of beats, in: blocks of 1..``p.codec.block`` values.
    head : stream out. ``take`` : stream in.
    data : stream out (:func:`drain_layout`): a raw block's beats; or a coded one's symbols, then its offsets, each
        from the beginning of a chunk and zeros behind its last byte, one chunk of 0 bytes for no offsets.
    values, symbols, offsets : the encoder's stream.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        words = stream.Signature(word_layout(WORD))
        super().__init__({
            "fill": In(stream.Signature(beat_layout(p))),
            "head": Out(stream.Signature(head_layout(p))),
            "take": In(stream.Signature(take_layout())),
            "data": Out(stream.Signature(drain_layout(p))),
            "values": Out(stream.Signature(value_layout(p.codec))),
            "symbols": In(words),
            "offsets": In(words),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.values_in = self.store = store = ValueStore(self.p)
        m.submodules.words_out = self.coder = coder = WordStore(self.p)
        connect(m, flipped(self.fill), store.fill)
        connect(m, store.values, flipped(self.values))
        connect(m, flipped(self.symbols), coder.symbols)
        connect(m, flipped(self.offsets), coder.offsets)
        free = Signal(2)
        m.d.comb += [store.free.eq(free), coder.free.eq(free), store.read.eq(coder.coded)]
        self._tell(m, free)
        self._drain(m, free)
        return m

    def _tell(self, m: Module, free: Signal):
        """Heads of complete blocks, each once."""
        told = Signal(2)
        here = Signal()
        waits = self.coder.coded & ~told
        sizes = Signal(self.coder.sizes[0].shape())
        head = self.head.payload
        symbol_bytes = Signal(SIZE_BITS + 1)  # there is room for 65536 if a raw block may have 65535
        m.d.comb += [
            symbol_bytes.eq((sizes[0].word << 2) + sizes[0].bytes),
            self.head.valid.eq(Mux(here, waits[1], waits[0])),
            sizes.eq(Mux(here, self.coder.sizes[1].as_value(), self.coder.sizes[0].as_value())),
            head.count_m1.eq(Mux(here, *(Cat(self.store.tail[q], self.store.last_row[q]) for q in (1, 0)))),
            head.symbol_bytes.eq(symbol_bytes),
            head.offset_bytes.eq((sizes[1].word << 2) + sizes[1].bytes),
            head.failed.eq(Mux(here, self.coder.failed[1], self.coder.failed[0]) | symbol_bytes[-1]),
        ]
        for q in range(2):
            with m.If(free[q]):
                m.d.sync += told[q].eq(0)
        with m.If(self.head.valid & self.head.ready):
            m.d.sync += [told.bit_select(here, 1).eq(1), here.eq(~here)]

    def _drain(self, m: Module, free: Signal):
        """Rows of the block that was taken, into ``data``: fetched; in a memory's output; in the register."""
        room = Signal()  # for a row in the memories' outputs
        fetched = self._fetch(m, room)
        came = Signal(fetched.payload.shape(), reset_less=True)
        there = Signal()
        give = Signal()
        m.d.comb += [
            give.eq(there & (~self.data.valid | self.data.ready)),
            room.eq(~there | give),
            free.eq(Cat(came.place == q for q in range(2)) & (give & came.end).replicate(2)),
        ]
        with m.If(room):
            m.d.sync += [there.eq(fetched.valid), came.eq(fetched.payload)]
        payload = payload_register(m, self.data)
        found = 0
        for k, read in enumerate([self.store.read_data[0], self.store.read_data[1], self.coder.read_data]):
            found = found | Mux(came.source[k], read, 0)
        with m.If(~self.data.valid | self.data.ready):
            m.d.sync += [self.data.valid.eq(there), payload.data.eq(found)]
            m.d.sync += [payload[name].eq(came[name]) for name in ("count", "last", "raw", "end")]

    def _fetch(self, m: Module, room: Signal):
        """One row after the other of the block that was taken; returns what is being fetched, as a stream of what is
        known of it: fields of ``data``, and ``place``, and ``source``, one-hot: whose output it comes from."""
        p, store, coder = self.p, self.store, self.coder
        fields = {name: field.shape for name, field in self.data.payload.shape() if name != "data"}
        fetched = stream.Signature(data.StructLayout(fields | {"place": 1, "source": 3})).create()
        size_layout, row_bits = coder.sizes[0][0].shape(), max(store.row_bits, coder.row_bits)
        asked = Signal()
        wanted = Signal(take_layout(), reset_less=True)
        busy = Signal()
        here = Signal()
        second = Signal()
        raw = Signal(reset_less=True)
        row = Signal(row_bits, reset_less=True)
        left = Signal(row_bits, reset_less=True)
        fetch = Signal()
        final = Signal()
        over = Signal()
        symbols, offsets, size = (Signal(size_layout, name=name) for name in ("symbols_size", "offsets_size", "size"))
        last_row, tail = (Mux(here, own[1], own[0]) for own in (store.last_row, store.tail))
        m.d.comb += [
            self.take.ready.eq(~asked),
            symbols.eq(Mux(here, coder.sizes[1][0].as_value(), coder.sizes[0][0].as_value())),
            offsets.eq(Mux(here, coder.sizes[1][1].as_value(), coder.sizes[0][1].as_value())),
            size.eq(Mux(second, offsets.as_value(), symbols.as_value())),
            final.eq(left == 0),
            over.eq(final & (raw | second)),
            fetch.eq(busy & room),
        ]
        with m.If(self.take.valid & ~asked):
            m.d.sync += [asked.eq(1), wanted.eq(self.take.payload)]
        lane_bits = exact_log2(coder.lanes)
        with m.If(asked & ~busy):
            m.d.sync += [asked.eq(0), busy.eq(1), raw.eq(wanted.raw), second.eq(0)]
            m.d.sync += row.eq(Mux(wanted.raw, 0, coder.first_row(here, 0)))
            m.d.sync += left.eq(Mux(wanted.raw, last_row, symbols.word >> lane_bits))
        with m.If(fetch):
            m.d.sync += [row.eq(Mux(second, row - 1, row + 1)), left.eq(left - 1)]
            with m.If(final):
                m.d.sync += [row.eq(coder.first_row(here, 1)), left.eq(offsets.word >> lane_bits), second.eq(1)]
            with m.If(over):
                m.d.sync += [busy.eq(0), here.eq(~here)]
        in_place, info = Cat(~here, here), fetched.payload
        bytes_before = (size.word & (coder.lanes - 1)) << 2
        m.d.comb += [
            coder.read_enable.eq(fetch & ~raw), coder.read_row.eq(row),
            store.read_enable.eq(in_place & (fetch & raw).replicate(2)), store.read_row.eq(row),
            fetched.valid.eq(busy),
            info.raw.eq(raw), info.last.eq(final), info.end.eq(over), info.place.eq(here),
            info.source.eq(Cat(in_place & raw.replicate(2), ~raw)),
        ]
        with m.If(raw):
            m.d.comb += info.count.eq(Mux(final, tail + 1, p.beat_values))
        with m.Else():
            m.d.comb += info.count.eq(Mux(final, bytes_before + size.bytes, p.data_bytes))
        return fetched
