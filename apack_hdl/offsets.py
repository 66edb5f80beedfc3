"""Offsets: the bits that are stored as they are."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig

from .layouts import DIGIT, digit_layout, offset_layout
from .lookup import offset_bits
from .registers import payload_register


class OffsetPacker(wiring.Component):
    """Puts offsets of 0..W bits behind one another, most significant bit first, and lets whole digits go.

    A full digit stays until more bits come, so that the last digit of a stream is never empty
    (``bytes`` = 0) unless the stream is.

    Latency 2 cycles; one offset per cycle. ``i.ready`` depends combinationally on ``o.ready``.

    Members
    -------
    i : stream of offsets, in.
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
        i, digit = self.i, payload_register(m, self.o, without=("error",))
        advance = Signal()
        m.d.comb += [advance.eq(~self.o.valid | self.o.ready), i.ready.eq(advance)]

        # First cycle: how many bits?
        valid = Signal()
        finish = Signal(reset_less=True)
        data = Signal(self.config.width, reset_less=True)
        bits = Signal(range(self.config.width + 1), reset_less=True)
        values = (~i.p.finish).replicate(self.config.width)  # at a block's end there are no bits
        size = offset_bits(m, i.p.below & values)
        with m.If(advance):
            m.d.sync += [valid.eq(i.valid), finish.eq(i.p.finish), data.eq(i.p.data & values), bits.eq(size)]

        # Second cycle: behind the others.
        window_left = Signal(DIGIT, reset_less=True)
        position_left = Signal(range(DIGIT + 1), reset_less=True)
        within = Signal()  # a block has begun: what was left counts
        window = Signal(DIGIT)
        position = Signal(range(DIGIT + 1))
        moved = Signal(range(2 * DIGIT + 1))
        joined = Signal(2 * DIGIT)
        overflows = Signal()
        m.d.comb += [
            window.eq(window_left & within.replicate(len(window))),
            position.eq(position_left & within.replicate(len(position))),
            moved.eq(position + bits),
            joined.eq(window << DIGIT | (data << (2 * DIGIT - moved)[:6])),
            overflows.eq(moved > DIGIT),
        ]
        with m.If(advance):
            m.d.sync += self.o.valid.eq(valid & (overflows | finish))
        with m.If(advance & valid):
            m.d.sync += [
                digit.data.eq(joined[DIGIT:]),
                digit.last.eq(finish),
                digit.bytes.eq(Mux(finish, (position + 7) >> 3, 2)),
                position_left.eq(Mux(overflows, moved - DIGIT, moved)),
                window_left.eq(Mux(overflows, joined[:DIGIT], joined[DIGIT:])),
                within.eq(~finish),
            ]
        return m
