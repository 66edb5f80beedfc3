"""Digits to words and back: the width of the chip side."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .arithmetic import select
from .layouts import DIGIT, WORD_BITS, digit_layout, word_layout
from .registers import payload_register


def check_word(word: int) -> int:
    """Return ``word`` as a Python ``int`` if there is such a word size.

    Raises TypeError for anything that is not an integer, ValueError for another number.
    """
    problem = f"word must be one of {', '.join(map(str, WORD_BITS))}, not {word!r}"
    if isinstance(word, bool) or not hasattr(word, "__index__"):
        raise TypeError(problem)
    if word not in WORD_BITS:
        raise ValueError(problem)
    return word.__index__()


def swap_bytes(digit) -> Cat:
    """A digit holds its first byte in the upper half, a word in the lower."""
    return Cat(digit[8:16], digit[0:8])


class DigitJoiner(wiring.Component):
    """Digits to words: ``word // 16`` digits fill a word, or fewer if a stream ends; bytes behind its end are 0.

    Latency 1 cycle; one digit per cycle. ``i.ready`` depends combinationally on ``o.ready``.

    Members
    -------
    i : stream of digits, in.
    o : stream of words, out.
    """

    def __init__(self, word: int):
        self.word = check_word(word)
        super().__init__({"i": In(stream.Signature(digit_layout())), "o": Out(stream.Signature(word_layout(word)))})

    def elaborate(self, platform):
        m = Module()
        digit, word, places = self.i.p, payload_register(m, self.o), self.word // DIGIT
        place = Signal(range(max(2, places)))  # a bit at least: Yosys drops what depends on a switch on none
        ends = Signal()
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            ends.eq(digit.last | (place == places - 1)),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            for k in range(places):
                with m.If(place <= k):  # what is behind the stream's end is 0
                    own = (place == k).replicate(DIGIT)
                    m.d.sync += word.data.word_select(k, DIGIT).eq(swap_bytes(digit.data) & own)
            m.d.sync += [
                word.bytes.eq((place << 1) + digit.bytes),
                word.last.eq(digit.last),
                word.error.eq(digit.error & digit.last),
                self.o.valid.eq(ends),
                place.eq(Mux(ends, 0, place + 1)),
            ]
        return m


class TurnJoiner(wiring.Component):
    """Digits of several streams in turn to words, a register for each stream: :class:`DigitJoiner` many times over.

    Latency 1 cycle; one digit per cycle. ``room`` depends combinationally on ``o.ready``.

    Members
    -------
    i : digits, in: ``valid``, and the payload ``p``; there is no ``ready``.
    turn : In(streams), one-hot: the stream that the digit belongs to. It must have had ``room`` since its last one.
    room : Out(streams), the stream can have a digit.
    o : array of streams of words, out.
    """

    def __init__(self, word: int, streams: int):
        self.word, self.streams = check_word(word), streams
        super().__init__(
            {
                "i": In(wiring.Signature({"valid": Out(1), "p": Out(digit_layout())})),
                "turn": In(streams),
                "room": Out(streams),
                "o": Out(stream.Signature(word_layout(word))).array(streams),
            }
        )

    def elaborate(self, platform):
        m = Module()
        digit, places = self.i.p, self.word // DIGIT
        place = [Signal(range(max(2, places)), name=f"place{s}") for s in range(self.streams)]
        at = select(m, self.turn, place, "at")
        last_place = at == places - 1
        ends = Signal()
        m.d.comb += ends.eq(digit.last | last_place)
        for s, o in enumerate(self.o):
            word = payload_register(m, o)
            m.d.comb += self.room[s].eq(~o.valid | o.ready)
            with m.If(o.ready):
                m.d.sync += o.valid.eq(0)
            with m.If(self.i.valid & self.turn[s]):
                m.d.sync += [
                    o.valid.eq(ends),
                    place[s].eq(Mux(ends, 0, at + 1)),
                    word.bytes.eq((at << 1) + digit.bytes),
                    word.last.eq(digit.last),
                    word.error.eq(digit.error & digit.last),
                ]
                for k in range(places):
                    with m.If(at <= k):  # what is behind the stream's end is 0
                        own = (at == k).replicate(DIGIT)
                        m.d.sync += word.data.word_select(k, DIGIT).eq(swap_bytes(digit.data) & own)
        return m
