"""Offsets: the bits that are stored as they are."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig

from .layouts import DIGIT, digit_layout, offset_layout


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
