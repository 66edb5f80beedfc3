"""Words to bits: the reading end of both streams, of S engine streams in turn."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from .arithmetic import select
from .layouts import DIGIT, word_layout
from .words import swap_bytes

# How far a stream has been read, field ``end`` of a reader's state. From ENDED on it counts half digits: the stream's
# end lies 16, 8, 0 bits behind the beginning of the digit held, then 8, 16, ... bits before it.
EMPTY, OPEN, ENDED = range(3)
AT_DIGIT = ENDED + 2


def furthest(slack: tuple[int, int]) -> int:
    """The last ``end`` that matters: a position anywhere in the digit is out of ``slack``."""
    return AT_DIGIT + slack[1] // 8 + 1


def reader_layout(word: int, slack: tuple[int, int]) -> data.StructLayout:
    """What a reader remembers of a stream from turn to turn.

    ``digit``: 16 bits that have been taken in. ``position``: the next bit's place in them. ``end``: see EMPTY, OPEN,
    ENDED. ``place``: the next digit's place in the word at the port.
    """
    end = bits_for(furthest(slack))
    return data.StructLayout({"digit": DIGIT, "position": 4, "end": end, "place": bits_for(max(1, word // DIGIT - 1))})


def has_ended(state) -> Signal:
    """The last digit has been taken in: zeros from now on."""
    return state.end[1:].any()


def can_read(state, offered) -> Signal:
    """16 bits can be read: a digit is held, and one more is ``offered``, or there is none."""
    return has_ended(state) | (state.end[0] & offered)


def verdict(m: Module, state, slack: tuple[int, int], name: str) -> tuple[Signal, Signal]:
    """(short, long): whether an ended stream ended too early for the position, or had bytes left over."""
    low, high = slack
    end = Signal(range(-AT_DIGIT, 1 << len(state.end)), name=f"{name}_end")  # bytes from the end to the digit held
    beyond = Signal(range(-8 * AT_DIGIT, 8 << len(state.end)), name=f"{name}_beyond")  # bits, to the position
    m.d.comb += [end.eq(state.end - AT_DIGIT), beyond.eq((end << 3) + state.position)]
    return beyond > high, beyond < low


class Reader(wiring.Component):
    """Shows the next bits of the stream whose turn it is, and moves by as many as are taken; zeros past the end.

    One digit (16 bits) is kept, and a position within. The digit behind it is the one that the port offers: it
    stays there until it is taken, so it needs no register. Combinational; the state is in the ring.

    When a block is over, ``close`` is held: what is left, up to the word with ``last``, is read and dropped, a
    digit a turn. A stream with something left is known by an ``end`` that lies far behind its position.

    ``ready`` of a port depends combinationally on ``here``, ``state``, ``take``, ``advance``, ``close`` and on what
    the port offers; it is low while nothing is offered. A word with ``last`` ends its stream even if ``bytes``
    says more than a word can hold.

    Members
    -------
    words : S streams of words, in; ``error`` is not looked at, nor ``bytes`` without ``last``.
    here : In(S), one-hot: whose turn it is.
    state : In, what is known of that stream (:func:`reader_layout`).
    after : Out, what is known of it after this turn.
    fresh : In(1), the state means nothing: a new stream begins.
    fetch : In(1), a digit may be taken in if none is held.
    window : Out(2*16), the digit held and the one behind it.
    bits : Out(16), the next bits, most significant first.
    take : In, 0..31: how many bits go; more than 0 only if :func:`can_read`, more than 16 only at position 0.
    close : In(1), no more bits will be taken, read to the end.

    Parameters
    ----------
    slack : ``(low, high)``: how many bits past the end of a stream of the right length the position may be.
    """

    def __init__(self, word: int, streams: int, slack: tuple[int, int]):
        self.word, self.slack = word, slack
        layout = reader_layout(word, slack)
        super().__init__(
            {
                "words": In(stream.Signature(word_layout(word))).array(streams),
                "here": In(streams),
                "state": In(layout),
                "after": Out(layout),
                "fresh": In(1),
                "fetch": In(1),
                "window": Out(2 * DIGIT),
                "bits": Out(DIGIT),
                "take": In(range(2 * DIGIT)),
                "close": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        digit, last, size, exhausted, offered = self._digit_at_port(m)
        end, position = Signal.like(self.state.end), Signal(4)
        ended, pop, consume = Signal(), Signal(), Signal()
        second = Signal(DIGIT)
        moved = Signal(range(DIGIT - 1 + 2 * DIGIT))
        m.d.comb += [
            end.eq(Mux(self.fresh, EMPTY, self.state.end)),
            position.eq(Mux(self.fresh, 0, self.state.position)),
            ended.eq(end[1:].any()),
            second.eq(Mux(ended, 0, digit)),
            self.window.eq(Cat(second, self.state.digit)),
            self.bits.eq((self.window << self.state.position)[DIGIT : 2 * DIGIT]),
            moved.eq(position + self.take),
            pop.eq((moved >= DIGIT) | ((end == EMPTY) & self.fetch & offered)),
            consume.eq(offered & ~ended & (pop | self.close)),
        ]
        for port, turn in zip(self.words, self.here, strict=True):
            m.d.comb += port.ready.eq(turn & consume & exhausted)

        first_end = Signal.like(end)  # `end` once the digit at the port is the one held
        m.d.comb += first_end.eq(Mux(last, AT_DIGIT - size, OPEN))
        after, limit = self.after, furthest(self.slack)
        m.d.comb += [
            after.eq(self.state),
            after.end.eq(end),
            after.position.eq(moved),
            after.place.eq(Mux(consume, Mux(exhausted, 0, self.place + 1), self.place)),
        ]
        with m.If(pop):
            m.d.comb += [after.digit.eq(second), after.end.eq(first_end)]
            with m.If(ended):
                m.d.comb += after.end.eq(Mux(end >= limit - 2, limit, end + 2))
        with m.Elif(self.close & consume & last):
            m.d.comb += [after.end.eq(ENDED), after.position.eq(0)]
        return m

    def _digit_at_port(self, m: Module):
        """What the port of the stream that is here offers at the stream's place: digit, and whether it is the last,
        how many bytes of it count, whether the word has no further one, whether there is anything."""
        places = self.word // DIGIT
        self.place = place = Signal.like(self.state.place)
        if places > 1:
            m.d.comb += place.eq(Mux(self.fresh, 0, self.state.place))
        at = [turn & (place == k) for turn in self.here for k in range(places)]
        digits = [swap_bytes(port.p.data.word_select(k, DIGIT)) for port in self.words for k in range(places)]
        whole = select(m, Cat(at), digits, "digit_here")
        offered = select(m, self.here, [port.valid for port in self.words], "offered")
        word_last = select(m, self.here, [port.p.last for port in self.words], "last_here")
        bytes_here = select(m, self.here, [port.p.bytes for port in self.words], "bytes_here")
        left = Signal(range(-self.word // 8, self.word // 8 + 1))  # bytes from this place on
        counts = Signal(2)
        last, exhausted, size = Signal(), Signal(), Signal(range(3))
        digit = Signal(DIGIT)
        m.d.comb += [
            left.eq(bytes_here - (place << 1)),
            counts.eq(Cat(~word_last | (left >= n) for n in (1, 2))),
            digit.eq(whole & swap_bytes(Cat(bit.replicate(8) for bit in counts))),
            last.eq(word_last & ((left <= 2) | (place == places - 1))),
            exhausted.eq(last | (place == places - 1)),
            size.eq(counts[0] + counts[1]),
        ]
        return digit, last, size, exhausted, offered
