"""The encoder's pipeline for several streams in turn."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig

from .layouts import DIGIT, table_layout, value_layout, word_layout
from .lookup import find_row, offset_bits, row_fields
from .range_coder import narrow, scale_count
from .turns import Turns
from .words import TurnJoiner

# The steps of a value's way, and behind which of them a stage ends, by the number of streams. A stream's words must be
# there when its next value is admitted, and the ports can be asked a stage before that stream's next turn at the
# latest: so there may be 2 S - 1 stages. Seven are as even as they can be without a cut through a multiplier.
STEPS = ("compare", "find", "normalize", "narrow", "shift", "add", "resolve")
CUTS = {
    2: ("find", "narrow"),
    3: ("compare", "find", "normalize", "shift"),
}
FULL = STEPS[:-1]


class EncoderRing(wiring.Component):
    """Codes S >= 2 streams in turn: every S cycles a stream can have a value taken, S streams one a cycle in total.

    A value goes the whole way, from the table's comparators to the words, without waiting: it is *admitted* once the
    words that it may complete have room, and nothing else of its stream is under way then. Until then it stays at
    its port, though the lookup may have begun with it: that changes nothing. So a stream that stalls leaves its turns
    unused and cannot be in another one's way.

    What a stream's turn does is one of
    - a step: a value is coded;
    - finish: behind a block's last value, the step that ends the code;
    - flush: a digit of a run that a carry has decided goes (see :class:`.code.CarryResolver` for what a run is);
    and a block's last digit goes in any turn behind: the first value of a block completes no digit yet.

    Members
    -------
    values : array of S streams in.
    symbols, offsets : arrays of S streams of words, out.
    tables : In, array of the banks' tables; a bank must not change while ``busy``.
    loading : In(banks), do not begin a block with the bank.
    busy : Out(banks), blocks use the bank.
    """

    def __init__(self, config: CodecConfig, *, word: int, streams: int, banks: int = 1):
        self.config, self.word, self.streams, self.banks = config, word, streams, banks
        words = stream.Signature(word_layout(word))
        super().__init__(
            {
                "values": In(stream.Signature(value_layout(config, banks=banks))).array(streams),
                "symbols": Out(words).array(streams),
                "offsets": Out(words).array(streams),
                "tables": In(data.ArrayLayout(table_layout(config), banks)),
                "loading": In(banks),
                "busy": Out(banks),
            }
        )

    def elaborate(self, platform):
        m = Module()
        turns = Turns(m, self.streams)
        m.submodules.symbol_words = self._symbol_words = TurnJoiner(self.word, self.streams)
        m.submodules.offset_words = self._offset_words = TurnJoiner(self.word, self.streams)
        for s in range(self.streams):
            wiring.connect(m, self._symbol_words.o[s], wiring.flipped(self.symbols[s]))
            wiring.connect(m, self._offset_words.o[s], wiring.flipped(self.offsets[s]))
        cuts = CUTS.get(self.streams, FULL)
        stages = len(cuts) + 1
        lookup_ends = sum(step in cuts for step in STEPS[:1])  # the stage of "find", the last that looks at the table
        admit = max(lookup_ends, stages - self.streams)
        offset_stage = max(admit, lookup_ends + 1)

        self._begin(m, turns)
        for step in STEPS:
            getattr(self, f"_{step}")(m, turns)
            if step in cuts:
                turns.cut()
                if turns.stage <= admit:
                    self._users.append((turns["begins"], turns["bank"]))
                if turns.stage == admit:
                    self._admit(m, turns)
                if turns.stage == offset_stage:
                    self._shift_offset(m, turns)
                if turns.stage == offset_stage + 1:
                    self._pack_offset(m, turns)
        for bank in range(self.banks):
            uses = [used & (own == bank) for used, own in self._users]
            m.d.comb += self.busy[bank].eq(Cat(*uses).any())
        return m

    def _begin(self, m: Module, turns: Turns):
        """The value at the stream's port, and where in its block it stands."""
        within = Signal(self.streams)  # a block has begun and its end has not been coded
        finishing = Signal(self.streams)  # its last value has been admitted
        self._within, self._finishing, self._bank_of = within, finishing, Signal(self.streams)
        offered = turns.pick("offered", [port.valid for port in self.values])
        turns.pick("value", [port.p.data for port in self.values])
        turns.pick("last", [port.p.last for port in self.values])
        turns.put("finishing", turns.pick("finishing_now", finishing), reset=True)
        first = turns.put("first", ~turns.pick("within", within))
        if self.banks == 1:
            bank, held = turns.put("bank", Const(0, 1)), self.loading
        else:
            new = turns.pick("new_bank", [port.p.bank for port in self.values])
            bank = turns.put("bank", Mux(first, new, turns.pick("old_bank", self._bank_of)))
            held = Mux(bank, self.loading[1], self.loading[0])
        # A block begins to look at its table before its first value is admitted, and keeps it from then on.
        begins = turns.put("begins", offered & first & ~held, reset=True)
        turns.put("there", begins | (offered & ~first & ~turns["finishing"]), reset=True)
        self._users = [(within[s], self._bank_of[s]) for s in range(self.streams)]

    def _compare(self, m: Module, turns: Turns):
        chosen = find_row(m, self.tables, Cat(~turns["bank"], turns["bank"]), turns["value"])
        turns.put("chosen", chosen)

    def _find(self, m: Module, turns: Turns):
        """The row's fields; what the table does not store of them."""
        cfg = self.config
        found = row_fields(m, cfg, self.tables, turns["chosen"])
        turns.put("c_low", found["c"][: cfg.prob_bits])
        turns.put("count", (found["end"] - found["c"])[: cfg.prob_bits + 1])
        turns.put("below", (found["above"] - found["v_min"] - 1)[: cfg.width])
        turns.put("offset", (turns["value"] - found["v_min"])[: cfg.width])

    def _admit(self, m: Module, turns: Turns):
        """Decide what this turn does. From here on what the stream remembers may change."""
        words = self._symbol_words
        symbol_room = turns.pick("symbol_room", words.room)
        offset_room = turns.pick("offset_room", self._offset_words.room)
        flushing, tail = (turns.put(n, turns.recall(n, 1, reset=True), reset=True) for n in ("flushing", "tail"))
        may = turns.put("may", symbol_room & offset_room & ~flushing)
        step = turns.put("step", turns["there"] & may, reset=True)
        finish = turns.put("finish", turns["finishing"] & may, reset=True)
        turns.put("send", symbol_room & (flushing | tail), reset=True)
        last, bank = turns["last"], turns["bank"]
        for s, port in enumerate(self.values):
            here = turns.here(s)
            m.d.comb += port.ready.eq(here & step)
            with m.If(here & step):
                m.d.sync += [self._within[s].eq(1), self._finishing[s].eq(last), self._bank_of[s].eq(bank)]
            with m.If(here & finish):
                m.d.sync += [self._within[s].eq(0), self._finishing[s].eq(0)]

    def _normalize(self, m: Module, turns: Turns):
        """Make the loop short: the count beforehand, and what a block begins with."""
        fields = scale_count(m, self.config, turns["count"], turns["c_low"])
        for name, value in zip(("coded", "scaled", "zeros", "begin"), fields, strict=True):
            turns.put(name, value)
        turns.put("t", turns.recall("t", self.config.mult_bits) | turns["first"].replicate(self.config.mult_bits))

    def _narrow(self, m: Module, turns: Turns):
        """The recurrence of ``t``, as in :class:`.range_coder.RangeCoder`, and what it does to the code."""
        R, t, step, finish = self.config.range_bits, turns["t"], turns["step"], turns["finish"]
        t_next, high, begin = narrow(m, self.config, t, turns["scaled"], turns["begin"])
        turns.keep("t", Mux(step, t_next, t))
        # The step that ends the code adds half of what R bits can say less one, and keeps one bit (FORMAT.md).
        turns.put("a", begin & step.replicate(R) | Cat(finish.replicate(R - 1), 0))
        # By how far to move, d, is `zeros` or one less. The product's top bit comes late: it is added a stage later.
        less = Signal(5)  # d or d - 1, in two's complement; d is 0 where nothing happens
        m.d.comb += less.eq(Mux(step, turns["zeros"] - 1, Mux(finish, 0, -1)))
        turns.put("less", less)
        turns.put("more", ~(high & step))
        error = turns.recall("error", 1) & ~turns["first"] | step & ~turns["coded"]
        turns.keep("error", turns.put("error", error))

    def _shift(self, m: Module, turns: Turns):
        """Bring ``a`` to its place in the window: one digit and R bits, and a carry above."""
        position = turns.put("position", turns.recall("position", 4) & ~turns["first"].replicate(4))
        moved = Signal(5)
        m.d.comb += moved.eq(position + turns["less"] + turns["more"])
        turns.keep("position", moved[:4])
        turns.put("complete", moved[4])
        turns.put("placed", (turns["a"] << DIGIT) >> position)

    def _add(self, m: Module, turns: Turns):
        """The sum of the steps, of which complete digits leave, see :class:`.code.CodeAccumulator`."""
        R, complete, finish = self.config.range_bits, turns["complete"], turns["finish"]
        window = turns.recall("window", 1 + DIGIT + R)
        added = Signal(1 + DIGIT + R)
        m.d.comb += added.eq((window & ~turns["first"].replicate(len(window))) + turns["placed"])
        turns.keep("window", Mux(complete, added[:R] << DIGIT, added))
        # Behind the bit that ends the code the last digit is padded with zeros.
        padding = Const((1 << DIGIT - 1) - 1, DIGIT) >> turns["position"]
        turns.put("digit", added[R:-1] & ~(padding & finish.replicate(DIGIT)))
        turns.put("carry", added[-1])
        turns.put("bytes", Mux(finish & (turns["position"] < 8), 1, 2))
        turns.put("arrives", complete & turns["step"] | finish, reset=True)

    def _resolve(self, m: Module, turns: Turns):
        """Hold back what a carry may still change, see :class:`.code.CarryResolver`, and let a digit go."""
        digit, carry, last, arrives = (turns[n] for n in ("digit", "carry", "finish", "arrives"))
        send, flushing = turns["send"], turns["flushing"]
        longest = (self.config.block * self.config.prob_bits) // DIGIT + 1
        held = turns.recall("held", data.StructLayout({"data": DIGIT, "bytes": 2, "last": 1, "error": 1}))
        run, run_carry = turns.recall("run", range(longest + 1)), turns.recall("run_carry", 1)
        holding = turns.recall("holding", 1, reset=True)

        value = {"data": digit, "bytes": turns["bytes"], "last": last, "error": turns["error"]}
        new = Cat(value[field] for field in held.shape().members)
        ran = Signal(len(run), name="ran")  # digits of the run so far
        waits, passes, flushes, ends = (Signal(name=n) for n in ("waits", "passes", "flushes", "ends"))
        flushing_next, holding_next, held_next = Signal(), Signal(), Signal(held.shape())
        m.d.comb += [
            ran.eq(run & holding.replicate(len(run))),
            waits.eq(arrives & holding & digit.all() & ~carry & ~last),
            passes.eq(arrives & holding & ~waits),
            flushes.eq(send & flushing),
            ends.eq(send & turns["tail"]),
            flushing_next.eq((passes & (ran != 0)) | (flushing & ~(flushes & (ran == 1)))),
            holding_next.eq(arrives | (holding & ~ends)),
            held_next.eq(Mux(arrives & ~waits, new, held)),
        ]
        turns.keep("held", held_next.as_value())
        turns.keep("run", (ran + waits - flushes)[: len(run)])
        turns.keep("run_carry", Mux(passes, carry, run_carry))
        turns.keep("holding", holding_next)
        turns.keep("flushing", flushing_next)
        turns.keep("tail", holding_next & held_next.last & ~flushing_next)

        words = self._symbol_words
        m.d.comb += [
            words.turn.eq(Cat(turns.here(s) for s in range(self.streams))),
            words.i.valid.eq(passes | send),
            words.i.p.data.eq(Mux(flushing, ~run_carry.replicate(DIGIT), held.data + (carry & arrives))),
            words.i.p.bytes.eq(Mux(flushing, 2, held.bytes)),
            words.i.p.last.eq(held.last & ~flushing),
            words.i.p.error.eq(held.error),
        ]

    def _shift_offset(self, m: Module, turns: Turns):
        """Bring an offset to its place behind the ones before it."""
        step, first, width = turns["step"], turns["first"], self.config.width
        position = turns.put("offset_position", turns.recall("offset_position", 5) & ~first.replicate(5))
        moved = Signal(range(2 * DIGIT + 1), name="offset_moved")
        bits = offset_bits(m, turns["below"])
        overflows = moved > DIGIT  # a full digit stays, so that a stream's last one is not empty
        m.d.comb += moved.eq(position + (bits & step.replicate(len(bits))))
        turns.keep("offset_position", Mux(overflows, moved - DIGIT, moved)[:5])
        turns.put("offset_complete", overflows & step)
        offset = turns["offset"] & step.replicate(width)
        turns.put("offset_placed", (offset << (2 * DIGIT - moved)[:6])[: 2 * DIGIT])

    def _pack_offset(self, m: Module, turns: Turns):
        """Join the offset to what is there, and let a digit go."""
        complete, finish = turns["offset_complete"], turns["finish"]
        window, joined = turns.recall("offset_window", DIGIT), Signal(2 * DIGIT, name="joined")
        m.d.comb += joined.eq(Cat(Const(0, DIGIT), window & ~turns["first"].replicate(DIGIT)) | turns["offset_placed"])
        turns.keep("offset_window", Mux(complete, joined[:DIGIT], joined[DIGIT:]))
        words = self._offset_words
        m.d.comb += [
            words.turn.eq(Cat(turns.here(s) for s in range(self.streams))),
            words.i.valid.eq(complete | finish),
            words.i.p.data.eq(joined[DIGIT:]),
            words.i.p.last.eq(finish),
            words.i.p.bytes.eq(Mux(finish, (turns["offset_position"] + 7) >> 3, 2)),
        ]
