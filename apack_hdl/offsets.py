"""Offsets: the bits that are stored as they are."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig

from .bits import BitReader
from .layouts import DIGIT, digit_layout, offset_layout, row_layout, table_layout, value_layout


class OffsetPacker(wiring.Component):
    """Puts offsets of 0..W bits behind one another, most significant bit first, and lets whole digits go.

    A full digit stays until more bits come, so that the last digit of a stream is never empty
    (``bytes`` = 0) unless the stream is.

    Latency 1 cycle; one offset per cycle. ``i.ready`` depends combinationally on ``o.ready``.

    Members
    -------
    i : stream of offsets, in; ``data`` must be below ``2**bits``.
    o : stream of digits, out.
    """

    def __init__(self, config: CodecConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(offset_layout(config))),
                "o": Out(stream.Signature(digit_layout())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        offset, digit = self.i.p, self.o.p
        window = Signal(DIGIT)
        position = Signal(range(DIGIT + 1))

        moved = Signal(range(2 * DIGIT + 1))
        joined = Signal(2 * DIGIT)
        overflows = Signal()
        take = Signal()
        m.d.comb += [
            moved.eq(position + offset.bits),
            joined.eq(window << DIGIT | (offset.data << (2 * DIGIT - moved)[:6])),
            overflows.eq(moved > DIGIT),
            self.i.ready.eq(~self.o.valid | self.o.ready),
            take.eq(self.i.ready & self.i.valid),
        ]
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid & (overflows | offset.finish))
        with m.If(take):
            m.d.sync += [
                digit.data.eq(joined[DIGIT:]),
                digit.last.eq(offset.finish),
                digit.bytes.eq(Mux(offset.finish, (position + 7) >> 3, 2)),
                position.eq(Mux(overflows, moved - DIGIT, moved)),
                window.eq(Mux(overflows, joined[:DIGIT], joined[DIGIT:])),
            ]
            with m.If(offset.finish):
                m.d.sync += [position.eq(0), window.eq(0)]
        return m


class OffsetUnpacker(wiring.Component):
    """Takes a block's rows, adds to each row's first value the offset from the stream, and gives values.

    Behind the block's last value it reads the offset stream to its end and judges its length (``done``).

    Latency 2 cycles; one value per cycle. ``symbols.ready`` and ``digits.ready`` depend combinationally on
    ``values.ready``.

    Members
    -------
    symbols : stream of rows, in.
    digits : the offset stream, in.
    values : stream of values, out.
    rows : In, the table; must not change before ``done``.
    done : Out(1), the block is over and its stream read to the end; ``short``, ``long`` are valid.
    short, long : Out(1), the offset stream ended too early or had bytes left over.
    release : In(1), with ``done``: get ready for the next block.
    """

    def __init__(self, config: CodecConfig):
        self.config = config
        super().__init__(
            {
                "symbols": In(stream.Signature(row_layout(config))),
                "digits": In(stream.Signature(digit_layout())),
                "values": Out(stream.Signature(value_layout(config))),
                "rows": In(table_layout(config)),
                "done": Out(1),
                "short": Out(1),
                "long": Out(1),
                "release": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # An offset stream of the right length ends at the position, or up to 7 padding bits behind it.
        m.submodules.bits = bits = BitReader(slack=(-7, 0))
        wiring.connect(m, wiring.flipped(self.digits), bits.i)
        row = Signal(table_layout(self.config).elem_shape, reset_less=True)
        row_valid = Signal()
        row_last = Signal()
        closing = Signal()
        room = Signal()
        step = Signal()

        m.d.comb += [
            room.eq(~self.values.valid | self.values.ready),
            step.eq(row_valid & bits.valid & room),
            self.symbols.ready.eq((~row_valid | step) & ~(closing | self.done | (row_valid & row_last))),
            bits.take.eq(row.ol),
            bits.advance.eq(step),
            bits.close.eq(closing),
        ]
        with m.If(self.values.ready):
            m.d.sync += self.values.valid.eq(0)
        with m.If(step):
            offset = Signal(DIGIT)
            m.d.comb += offset.eq(bits.bits >> (DIGIT - row.ol)[:5])
            m.d.sync += [
                row_valid.eq(0),
                self.values.valid.eq(1),
                self.values.p.data.eq(row.v_min + offset),
                self.values.p.last.eq(row_last),
                closing.eq(row_last),
            ]
        with m.If(self.symbols.valid & self.symbols.ready):
            m.d.sync += [row.eq(self.rows[self.symbols.p.row]), row_last.eq(self.symbols.p.last), row_valid.eq(1)]
        with m.If(bits.closed):
            m.d.sync += [closing.eq(0), self.done.eq(1), self.short.eq(bits.short), self.long.eq(bits.long)]
        with m.If(self.done & self.release):
            m.d.sync += self.done.eq(0)
        return m
