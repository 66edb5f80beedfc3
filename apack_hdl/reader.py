"""Words to bits: the reading end of both streams, of S engine streams in turn."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from .arithmetic import select
from .layouts import word_layout

# How far a stream has been read, field ``end`` of a reader's state. From ENDED on it counts bytes: at ENDED the
# stream's end lies a whole digit behind the beginning of the digit held, and at ENDED plus a digit's bytes just there.
EMPTY, OPEN, ENDED = range(3)


class ReaderShape:
    """How a reader of a stream is laid out.

    Parameters
    ----------
    word : bits of a word at the port, 16, 32 or 64.
    most : bits that are taken at once, 1..16. As long as 8 are enough, digits are bytes, which halves the state.
    first : bits that the first take of a stream may have, 0..31.
    slack : ``(low, high)``: how many bits past the end of a stream of the right length the position may be.

    Members
    -------
    digit : bits of a digit, 8 or 16.
    state : layout of what a reader remembers of a stream from turn to turn. ``digit``: bits that have been taken in.
        ``position``: the next bit's place in them. ``end``: see EMPTY, OPEN, ENDED. ``place``: the next digit's place
        in the word at the port.
    """

    def __init__(self, word: int, most: int, first: int, slack: tuple[int, int]):
        self.word, self.slack = word, slack
        self.digit = 8 if most <= 8 and first < 16 else 16
        self.bytes = self.digit // 8
        self.places = word // self.digit
        self.at_digit = ENDED + self.bytes
        # The last `end` that matters: with it any position in the digit is out of `slack`.
        self.furthest = self.at_digit + slack[1] // 8 + 1
        self.state = data.StructLayout({
            "digit": self.digit,
            "position": exact_log2(self.digit),
            "end": bits_for(self.furthest),
            "place": bits_for(max(1, self.places - 1)),
        })

    def verdict(self, m: Module, state, name: str) -> tuple[Value, Value]:
        """(short, long): whether an ended stream ended too early for the position, or had bytes left over."""
        low, high = self.slack
        end = Signal(range(-self.at_digit, 1 << len(state.end)), name=f"{name}_end")  # bytes, up to the digit held
        beyond = Signal(len(end) + 4, name=f"{name}_beyond")  # bits, up to the position
        m.d.comb += [end.eq(state.end - self.at_digit), beyond.eq((end << 3) + state.position)]
        return beyond.as_signed() > high, beyond.as_signed() < low


def has_ended(state) -> Value:
    """The last digit has been taken in: zeros from now on."""
    return state.end[1:].any()


def can_read(state, offered) -> Value:
    """A digit's worth of bits can be read: a digit is held, and one more is ``offered``, or there is none."""
    return has_ended(state) | (state.end[0] & offered)


class Reader(wiring.Component):
    """Shows the next bits of the stream whose turn it is, and moves by as many as are taken; zeros past the end.

    One digit is kept, and a position within. The digit behind it is the one that the port offers: it stays there
    until it is taken, so it needs no register. Combinational; the state is in the ring.

    When a block is over, ``close`` is held: what is left, up to the word with ``last``, is read and dropped, a
    digit a turn. A stream with something left is known by an ``end`` that lies far behind its position.

    ``ready`` of a port depends combinationally on ``here``, ``state``, ``take``, ``fresh``, ``fetch``, ``close`` and on
    what the port offers; it is low while nothing is offered. A word with ``last`` ends its stream even if ``bytes``
    says more than a word can hold.

    Parameters
    ----------
    shape : of what is read.
    streams : S.

    Members
    -------
    words : S streams of words, in; ``error`` is not looked at, nor ``bytes`` without ``last``.
    here : In(S), one-hot: whose turn it is.
    state : In, what is known of that stream.
    after : Out, what is known of it after this turn.
    fresh : In(1), the state means nothing: a new stream begins.
    fetch : In(1), a digit may be taken in if none is held.
    window : Out, two digits: the one held and the one behind it.
    bits : Out, a digit's worth of bits: the next ones, most significant first.
    take : In, how many bits go; more than 0 only if :func:`can_read`, more than a digit's only at position 0.
    close : In(1), no more bits will be taken, read to the end.
    """

    def __init__(self, shape: ReaderShape, streams: int):
        self.shape = shape
        super().__init__(
            {
                "words": In(stream.Signature(word_layout(shape.word))).array(streams),
                "here": In(streams),
                "state": In(shape.state),
                "after": Out(shape.state),
                "fresh": In(1),
                "fetch": In(1),
                "window": Out(2 * shape.digit),
                "bits": Out(shape.digit),
                "take": In(range(2 * shape.digit)),
                "close": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        shape, digit_bits = self.shape, self.shape.digit
        place = Signal.like(self.state.place)
        digit, last, size, exhausted, offered = self._digit_at_port(m, place)
        end, position = Signal.like(self.state.end), Signal.like(self.state.position)
        ended, pop, consume = Signal(), Signal(), Signal()
        second = Signal(digit_bits)
        moved = Signal(range(3 * digit_bits))
        m.d.comb += [
            end.eq(Mux(self.fresh, EMPTY, self.state.end)),
            position.eq(Mux(self.fresh, 0, self.state.position)),
            ended.eq(end[1:].any()),
            second.eq(Mux(ended, 0, digit)),
            self.window.eq(Cat(second, self.state.digit)),
            self.bits.eq((self.window << self.state.position)[digit_bits : 2 * digit_bits]),
            moved.eq(position + self.take),
            # Between blocks a state is anything: a block begins with a fresh one.
            pop.eq(self.fetch & ((moved >= digit_bits) | ((end == EMPTY) & offered))),
            consume.eq(offered & ~ended & (pop | self.close)),
        ]
        for port, turn in zip(self.words, self.here, strict=True):
            m.d.comb += port.ready.eq(turn & consume & exhausted)

        first_end = Signal.like(end)  # `end` once the digit at the port is the one held
        after, limit = self.after, shape.furthest
        m.d.comb += [
            first_end.eq(Mux(last, shape.at_digit - size, OPEN)),
            after.eq(self.state),
            after.end.eq(end),
            after.position.eq(moved),
            after.place.eq(place),
        ]
        if shape.places > 1:
            m.d.comb += place.eq(Mux(self.fresh, 0, self.state.place))
            with m.If(consume):
                m.d.comb += after.place.eq(Mux(exhausted, 0, place + 1))
        with m.If(pop):
            m.d.comb += [after.digit.eq(second), after.end.eq(first_end)]
            with m.If(ended):
                m.d.comb += after.end.eq(Mux(end >= limit - shape.bytes, limit, end + shape.bytes))
        with m.Elif(self.close & consume & last):
            m.d.comb += [after.end.eq(ENDED), after.position.eq(0)]
        return m

    def _digit_at_port(self, m: Module, place: Signal):
        """What the port of the stream that is here offers at ``place``: a digit, whether it is the last, how many bytes
        of it count, whether the word has no further one, whether there is anything."""
        shape, K = self.shape, self.shape.bytes
        at = [turn & (place == k) for turn in self.here for k in range(shape.places)]
        digits = [port.p.data.word_select(k, shape.digit) for port in self.words for k in range(shape.places)]
        whole = select(m, Cat(at), digits, "digit_here")
        offered = select(m, self.here, [port.valid for port in self.words], "offered")
        word_last = select(m, self.here, [port.p.last for port in self.words], "last_here")
        bytes_here = select(m, self.here, [port.p.bytes for port in self.words], "bytes_here")
        left = Signal(range(-shape.word // 8, shape.word // 8 + 1))  # bytes from this place on
        counts = [~word_last | (left >= n + 1) for n in range(K)]
        last, exhausted, size = Signal(), Signal(), Signal(range(K + 1))
        digit = Signal(shape.digit)
        m.d.comb += [
            left.eq(bytes_here - place * K),
            # A digit has its first byte on top, a word at the bottom.
            digit.eq(Cat(whole.word_select(n, 8) & counts[n].replicate(8) for n in reversed(range(K)))),
            last.eq(word_last & ((left <= K) | (place == shape.places - 1))),
            exhausted.eq(last | (place == shape.places - 1)),
            size.eq(sum(counts)),
        ]
        return digit, last, size, exhausted, offered
