"""Digits to bits: the reading end of both streams."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import DIGIT, digit_layout

LONGEST_TAKE = 31  # only as the first one of a stream, for the decoder's R bits; later ones reach to a digit


class BitReader(wiring.Component):
    """Shows the next bits of a stream of digits and lets go of as many as are taken; zeros past the end.

    Two digits are kept, and a position within the first. Bits are shown only when both are there (or the
    stream has ended), so up to 16 bits can be taken every cycle, and one digit a cycle keeps up with that.

    ``i.ready`` depends combinationally on ``advance``, ``take`` and ``close``.

    When a block is over, its reader is told to ``close``: it drops what is left through the ``last`` digit,
    says whether the stream had the right length, and starts on the next one.

    Members
    -------
    i : stream of digits, in.
    first : Out(2*16), the two digits; right after a block's start, the first bits of its stream.
    bits : Out(16), the next bits, most significant first.
    valid : Out(1), ``first`` and ``bits`` can be relied on.
    take : In, 0..16 (the first of a stream up to 31): how many bits go, when ``advance`` is high.
    advance : In(1), only while ``valid``.
    close : In(1), held until ``closed``: no more bits will be taken.
    closed : Out(1), one cycle: the stream has been read to its end; ``short`` and ``long`` are true now.
    short, long : Out(1), the stream ended too early, or had bytes left over.

    Parameters
    ----------
    slack : ``(low, high)``: how many bits past the end of a stream of the right length the position may be.
    """

    def __init__(self, slack: tuple[int, int]):
        self.slack = slack
        super().__init__(
            {
                "i": In(stream.Signature(digit_layout())),
                "first": Out(2 * DIGIT),
                "bits": Out(DIGIT),
                "valid": Out(1),
                "take": In(range(LONGEST_TAKE + 1)),
                "advance": In(1),
                "close": In(1),
                "closed": Out(1),
                "short": Out(1),
                "long": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        first, second = (Signal(DIGIT, reset_less=True, name=name) for name in ("first_digit", "second_digit"))
        have_first = Signal()
        have_second = Signal()
        position = Signal(range(DIGIT))
        ended = Signal()  # the last digit has been taken in: zeros from now on
        last_is_first = Signal()
        last_is_second = Signal()  # where the last digit stands now,
        past = Signal(range(4))  # or how many digits ago it left (3: three or more)
        last_bytes = Signal(2, reset_less=True)

        moved = Signal(range(DIGIT + LONGEST_TAKE))
        pop = Signal()
        load = Signal()
        has_room = Signal()
        m.d.comb += [
            self.first.eq(Cat(second, first)),
            self.bits.eq((self.first << position)[DIGIT : 2 * DIGIT]),
            self.valid.eq(have_first & have_second),
            moved.eq(position + self.take),
            pop.eq(self.advance & (moved >= DIGIT)),
            has_room.eq(~have_second | pop),
            self.i.ready.eq((has_room | self.close) & ~ended),
            load.eq(has_room & (ended | self.i.valid)),
        ]
        with m.If(self.advance):
            m.d.sync += position.eq(moved[:4])
        with m.If(self.i.valid & self.i.ready & self.i.p.last):
            m.d.sync += [ended.eq(1), last_bytes.eq(self.i.p.bytes)]

        new = Signal(DIGIT)
        new_is_last = Signal()
        m.d.comb += [
            new.eq(Mux(ended, 0, self.i.p.data)),
            new_is_last.eq(self.i.p.last & ~ended),
        ]
        with m.If(pop):
            m.d.sync += [first.eq(second), last_is_first.eq(last_is_second), have_second.eq(0), last_is_second.eq(0)]
            with m.If(last_is_first | ((past != 0) & (past != 3))):
                m.d.sync += past.eq(past + 1)
        with m.If(load):
            with m.If(have_first):
                m.d.sync += [second.eq(new), have_second.eq(1), last_is_second.eq(new_is_last)]
            with m.Else():
                m.d.sync += [first.eq(new), have_first.eq(1), last_is_first.eq(new_is_last)]

        self._judge(m, position, last_is_first, past, last_bytes)
        # The block may be over long before its stream is: wait for the last digit.
        m.d.comb += self.closed.eq(self.close & ended)
        with m.If(self.closed):
            m.d.sync += [
                *(s.eq(0) for s in (have_first, have_second, position, ended)),
                *(s.eq(0) for s in (last_is_first, last_is_second, past)),
            ]
        return m

    def _judge(self, m: Module, position, last_is_first, past, last_bytes):
        """Compare the position with the end of the stream."""
        low, high = self.slack
        beyond = Signal(range(-DIGIT, 4 * DIGIT))  # bits from the end of the stream to the position
        m.d.comb += beyond.eq(Cat(position, past) - (last_bytes << 3))
        reached = last_is_first | (past != 0)
        m.d.comb += [
            self.short.eq(reached & (beyond > high)),
            self.long.eq(~reached | (beyond < low)),
        ]
