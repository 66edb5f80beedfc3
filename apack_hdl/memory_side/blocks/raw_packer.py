"""Raw blocks: codes of any width, without gaps."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ...arithmetic import select
from ..layouts import beat_layout, chunk_layout
from ..parameters import MemorySide

LEAST = 2  # bits of a code


class RawPacker(wiring.Component):
    """Packs the codes of a block, ``width`` bits each, most significant bit first (FORMAT.md 5.4), zeros behind them.

    V codes of w bits are w units of V bits, so that every beat begins at a whole unit of its chunk, and what moves it
    there is small. (If a chunk has no more than V bits, a unit is a chunk, and nothing is moved.) There is a
    register after each step: fixed wiring for each w; move; put behind what is there.

    A beat takes as many cycles as it completes chunks, one at least, from block to block too. From a beat to the first
    chunk that it completes: 3 cycles. ``chunks`` come from registers by way of a comparison; ``beats.ready`` depends
    combinationally on ``chunks.ready``.

    Members
    -------
    beats : stream of beats, in; what is behind a beat's ``count`` values does not matter.
    width : In(5), w, 2..W; must not change from the cycle before a block's first beat to its last chunk.
    clear : In(1), forget everything.
    chunks : stream of chunks, out.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        self.unit = min(p.beat_values, p.data_width)
        self.units = p.data_width // self.unit  # of a chunk
        self.scale = p.beat_values // self.unit  # units that a bit of all codes makes
        self.bits = p.data_width - self.unit + p.beat_values * p.codec.width  # of a beat in its place
        super().__init__({
            "beats": In(stream.Signature(beat_layout(p))),
            "width": In(5),
            "clear": In(1),
            "chunks": Out(stream.Signature(chunk_layout(p))),
        })

    def elaborate(self, platform):
        m = Module()
        valid, ready = (Signal(2, name=name) for name in ("valid", "ready"))  # of the first two steps' registers
        end = Signal(bits_for(self.bits), reset_less=True)  # where the block ends, from its chunk's beginning
        lasts = Signal(2, reset_less=True)
        m.d.comb += self.beats.ready.eq(~valid[0] | ready[0])
        packed, length = self._wire(m)
        with m.If(self.beats.ready):
            m.d.sync += [valid[0].eq(self.beats.valid), lasts[0].eq(self.beats.payload.last)]

        moved = Signal(self.bits, reset_less=True)
        position = Signal(bits_for(self.units - 1))
        m.d.comb += ready[0].eq(~valid[1] | ready[1])
        with m.If(ready[0]):
            m.d.sync += [valid[1].eq(valid[0]), lasts[1].eq(lasts[0]), end.eq(position * self.unit + length)]
            m.d.sync += moved.eq(self._moved(packed, position))
            with m.If(valid[0]):
                after = (position + self._units_of_beat()) & (self.units - 1)
                m.d.sync += position.eq(Mux(lasts[0], 0, after))
        self._collect(m, moved, valid[1], lasts[1], end, ready[1])
        with m.If(self.clear):
            m.d.sync += [valid.eq(0), position.eq(0)]
        return m

    def _units_of_beat(self) -> Value:
        return self.width * self.scale

    def _wire(self, m: Module) -> tuple[Signal, Signal]:
        """A beat's codes as one string of bits, the first in the lowest place; and how many they are."""
        p, beat = self.p, self.beats.payload
        widths = range(LEAST, p.codec.width + 1)
        chosen = Signal(len(widths), reset_less=True)
        codes = [Signal(p.codec.width, name=f"code_{k}") for k in range(p.beat_values)]
        packed = Signal(p.beat_values * p.codec.width, reset_less=True)
        length = Signal(bits_for(len(packed)), reset_less=True)
        m.d.sync += chosen.eq(Cat(self.width == w for w in widths))
        for k, code in enumerate(codes):
            m.d.comb += code.eq(beat.values[k][: len(code)] & (beat.count > k).replicate(len(code)))
        strings = [Cat(Cat(reversed(code[:w])) for code in codes) for w in widths]
        wired = select(m, chosen, strings, "wired")
        with m.If(self.beats.ready):
            m.d.sync += [packed.eq(wired), length.eq(beat.count * self.width)]
        return packed, length

    def _moved(self, packed: Value, position: Value) -> Value:
        """``packed`` behind ``position`` units."""
        for k in range(exact_log2(self.units)):
            packed = Mux(position[k], Cat(Const(0, self.unit << k), packed), packed)
        return packed

    def _collect(self, m: Module, moved: Value, offered: Value, last: Value, end: Value, taken: Signal):
        """Put beats together, and give chunks from what is there."""
        p, size = self.p, self.p.data_bytes
        store = Signal(self.bits)
        units = Signal(bits_for(self.units - 1 + p.codec.width * self.scale))  # that are there, unless ``ending``
        ending = Signal()
        left = Signal(bits_for(-(-self.bits // 8)), reset_less=True)  # bytes of the block
        final = Signal()
        give = Signal()
        room = Signal()
        shift = exact_log2(self.units)
        chunk = self.chunks.payload
        m.d.comb += [
            final.eq(left <= size),
            self.chunks.valid.eq(ending | (units >> shift).any()),
            chunk.data.eq(Cat(Cat(reversed(store.word_select(k, 8))) for k in range(size))),
            chunk.last.eq(ending & final),
            chunk.bytes.eq(Mux(chunk.last, left, size)),
            give.eq(self.chunks.valid & self.chunks.ready),
            # Room for a beat is where less than a chunk is there, or remains.
            room.eq(Mux(ending, final & give, ~(units >> shift + 1).any() & (~units[shift:].any() | give))),
            taken.eq(room),
        ]
        rest = Mux(give, store >> p.data_width, store)
        with m.If(give):
            m.d.sync += [store.eq(rest), left.eq(left - size), ending.eq(ending & ~final)]
            with m.If(~ending):
                m.d.sync += units.eq(units - self.units)
        with m.If(offered & room):
            whole = units & (self.units - 1)
            m.d.sync += [store.eq(rest | moved), ending.eq(last), left.eq((end + 7) >> 3)]
            m.d.sync += units.eq(Mux(last, 0, whole + self._units_of_beat()))
        with m.If(self.clear):
            m.d.sync += [store.eq(0), units.eq(0), ending.eq(0)]
