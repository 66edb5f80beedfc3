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
    seen : layout of what the port offers, see :class:`DigitPort`.
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
        self.seen = data.StructLayout({
            "digit": self.digit, "last": 1, "size": bits_for(self.bytes), "exhausted": 1, "offered": 1,
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


def next_bits(m: Module, state, seen, name: str) -> Signal:
    """A digit's worth of bits: the next ones of the stream, most significant first."""
    digit = len(state.digit)
    bits = Signal(digit, name=name)
    m.d.comb += bits.eq((Cat(seen.digit, state.digit) << state.position)[digit : 2 * digit])
    return bits


class DigitPort(wiring.Component):
    """Shows the digit behind the one that is held, which needs no register: the port offers it until it is taken.

    Combinational. ``ready`` of a port is its bit of ``release``. A word with ``last`` ends its stream even if ``bytes``
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
    seen : Out, what :class:`ReaderStep` needs: ``digit`` (zeros past the end), whether it is the ``last``, how many
        bytes of it count (``size``), whether it is the word's last (``exhausted``), whether there is any (``offered``).
    release : In(S), the word at this port has been read.
    """

    def __init__(self, shape: ReaderShape, streams: int):
        self.shape = shape
        super().__init__(
            {
                "words": In(stream.Signature(word_layout(shape.word))).array(streams),
                "here": In(streams),
                "state": In(shape.state),
                "seen": Out(shape.seen),
                "release": In(streams),
            }
        )

    def elaborate(self, platform):
        m = Module()
        shape = self.shape
        K = self.shape.bytes
        seen = self.seen
        place = Signal.like(self.state.place)
        if shape.places > 1:
            m.d.comb += place.eq(self.state.place)
        at = [turn & (place == k) for turn in self.here for k in range(shape.places)]
        digits = [port.p.data.word_select(k, shape.digit) for port in self.words for k in range(shape.places)]
        whole = select(m, Cat(at), digits, "digit_here")
        offered = select(m, self.here, [port.valid for port in self.words], "offered")
        word_last = select(m, self.here, [port.p.last for port in self.words], "last_here")
        bytes_here = select(m, self.here, [port.p.bytes for port in self.words], "bytes_here")
        left = Signal(range(-shape.word // 8, shape.word // 8 + 1))  # bytes from this place on
        counts = Signal(K)
        m.d.comb += [
            left.eq(bytes_here - place * K),
            counts.eq(Cat(~word_last | (left >= n + 1) for n in range(K))),
            # A digit has its first byte on top, a word at the bottom.
            seen.digit.eq(Cat(
                whole.word_select(n, 8) & (counts[n] & ~has_ended(self.state)).replicate(8) for n in reversed(range(K))
            )),
            seen.last.eq(word_last & ((left <= K) | (place == shape.places - 1))),
            seen.exhausted.eq(seen.last | (place == shape.places - 1)),
            seen.size.eq(sum(counts)),
            seen.offered.eq(offered),
            *(port.ready.eq(release) for port, release in zip(self.words, self.release, strict=True)),
        ]
        return m


class ReaderStep(wiring.Component):
    """Moves by as many bits as are taken, and takes a digit in where the position passes the one held.

    When a block is over, ``close`` is held: what is left, up to the word with ``last``, is read and dropped, a
    digit a turn. A stream with something left is known by an ``end`` that lies far behind its position.

    Combinational; the state, all 0 for a new stream, is in the ring. ``release`` is low while nothing is offered.

    Members
    -------
    state : In, what is known of the stream.
    seen : In, what its port offers, see :class:`DigitPort`.
    after : Out, what is known of it after this turn.
    release : Out(1), the word at the port has been read.
    active : In(1), a block has begun: take digits in. Without it ``take`` may be anything, as it is after a reset.
    take : In, how many bits go; more than 0 only if :func:`can_read`, more than a digit's only at position 0.
    close : In(1), no more bits will be taken, read to the end.
    """

    def __init__(self, shape: ReaderShape):
        self.shape = shape
        super().__init__(
            {
                "state": In(shape.state),
                "seen": In(shape.seen),
                "after": Out(shape.state),
                "release": Out(1),
                "active": In(1),
                "take": In(range(2 * shape.digit)),
                "close": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        shape, state, seen, after = self.shape, self.state, self.seen, self.after
        ended = Signal()
        pop = Signal()
        consume = Signal()
        moved = Signal(range(3 * shape.digit))
        first_end = Signal.like(state.end)  # `end` once the digit at the port is the one held
        m.d.comb += [
            ended.eq(has_ended(state)),
            moved.eq(state.position + self.take),
            pop.eq(((moved >= shape.digit) | ((state.end == EMPTY) & seen.offered)) & self.active),
            consume.eq(seen.offered & ~ended & (pop | self.close)),
            self.release.eq(consume & seen.exhausted),
            first_end.eq(Mux(seen.last, shape.at_digit - seen.size, OPEN)),
            after.eq(state),
            after.position.eq(moved),
        ]
        if shape.places > 1:
            with m.If(consume):
                m.d.comb += after.place.eq(Mux(seen.exhausted, 0, state.place + 1))
        with m.If(pop):
            m.d.comb += [after.digit.eq(seen.digit), after.end.eq(first_end)]
            with m.If(ended):
                late = state.end >= shape.furthest - shape.bytes
                m.d.comb += after.end.eq(Mux(late, shape.furthest, state.end + shape.bytes))
        with m.Elif(self.close & consume & seen.last):
            m.d.comb += [after.end.eq(ENDED), after.position.eq(0)]
        return m
