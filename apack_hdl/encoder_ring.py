"""The encoder's pipeline for several streams in turn."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig

from .layouts import DIGIT, table_layout, value_layout, word_layout
from .lookup import find_row, offset_bits, row_fields
from .range_coder import scale_count
from .turns import Turns
from .words import TurnJoiner

# A value's way: what is done in each stage.
STAGES = (
    ("compare",),
    ("find",),
    ("normalize", "measure_offset"),
    ("multiply", "shift_offset"),
    ("narrow", "pack_offset"),
    ("shift",),
    ("add",),
    ("resolve",),
)
OFFSET_STAGE = 3  # where the offsets' state begins
# The stages that a value enters only if its stream has room behind them: at the first one it is taken from its port, at
# the others it can be parked. The last stage must lie less than S stages behind such a gate, for then all that the
# stream did before has arrived when the gate is asked; and gates lie S apart, to be asked together. Parking costs 8 to
# 20 gates a bit, so that gates stand where little has to be kept: before a multiplication, a shift, an addition.
GATES = {2: (1, 3, 5, 7), 3: (2, 5), 4: (1, 5), 5: (3,), 6: (3,), 7: (2,), 8: (1,)}
KEPT = {
    3: ("step", "finish", "first", "coded", "scaled", "zeros", "begin", "offset", "bits"),
    5: ("step", "finish", "first", "error", "a", "less", "more"),
    7: ("finish", "arrives", "error", "digit", "carry", "bytes"),
}
MARKS = ("step", "finish", "arrives")  # of what is kept this tells that something is to be done


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
        self._gates = GATES[self.streams]
        self._room = {stage: Signal(name=f"room_{stage}") for stage in self._gates[1:]}

        self._early = {}

        self._begin(m, turns)
        for stage, steps in enumerate(STAGES):
            self._ask_for_room(m, turns, stage)
            if stage in self._gates[1:]:
                self._pass_gate(m, turns, stage)
            elif stage:
                turns.cut()
            if 0 < stage <= self._gates[0]:  # a value that may begin a block looks at the table
                self._users.append((turns["begins"], turns["bank"]))
            if stage == self._gates[0]:
                self._admit(m, turns)
            for step in steps:
                getattr(self, f"_{step}")(m, turns)
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
        turns.put("finishing", turns.pick("finishing_now", finishing), init=0)
        first = turns.put("first", ~turns.pick("within", within))
        if self.banks == 1:
            bank, held = turns.put("bank", Const(0, 1)), self.loading
        else:
            new = turns.pick("new_bank", [port.p.bank for port in self.values])
            bank = turns.put("bank", Mux(first, new, turns.pick("old_bank", self._bank_of)))
            held = Mux(bank, self.loading[1], self.loading[0])
        # A block begins to look at its table before its first value is admitted, and keeps it from then on.
        begins = turns.put("begins", offered & first & ~held, init=0)
        turns.put("there", begins | (offered & ~first & ~turns["finishing"]), init=0)
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
        """Take a value from its port. From here on what the stream remembers may change."""
        may = self._may_enter(turns)
        step = turns.put("step", turns["there"] & may, init=0)
        finish = turns.put("finish", turns["finishing"] & may, init=0)
        last, bank = turns["last"], turns["bank"]
        for s, port in enumerate(self.values):
            here = turns.here(s)
            m.d.comb += port.ready.eq(here & step)
            with m.If(here & step):
                m.d.sync += [self._within[s].eq(1), self._finishing[s].eq(last), self._bank_of[s].eq(bank)]
            with m.If(here & finish):
                m.d.sync += [self._within[s].eq(0), self._finishing[s].eq(0)]

    def _pass_gate(self, m: Module, turns: Turns, stage: int):
        """Keep what arrives until there is room behind."""
        arrives = turns["step"] | turns["finish"] if "step" in KEPT[stage] else turns["present"]
        go = Signal(name=f"go_{stage}")
        full = turns.park(KEPT[stage], arrives, go)
        m.d.comb += [go.eq(full & self._may_enter(turns)), self._room[stage].eq(~full | go)]
        for name in KEPT[stage]:
            if name in MARKS:
                turns.put(name, turns[name] & go, init=0)
        if "first" in KEPT[stage]:  # what a block starts with may be there before its first value goes on
            turns.put("first", turns["first"] & full)

    def _ask_for_room(self, m: Module, turns: Turns, gate: int):
        """Look whether words have room for what gets past a gate, at the end of the stage before it if the stream's
        words are there by then, so that the ports are not in the gate's way. Room, once there, remains."""
        for name, words, asking, stage in (
            ("symbol_room", self._symbol_words, self._gates[-1], len(STAGES) - 1),
            ("offset_room", self._offset_words, max(g for g in self._gates if g <= OFFSET_STAGE), OFFSET_STAGE + 1),
        ):
            if gate == asking and gate - 1 + self.streams > stage:
                room = Signal(name=name)
                m.d.sync += room.eq(turns.pick(name, words.room))
                self._early[name] = room

    def _may_enter(self, turns: Turns) -> Value:
        """Whether there is room behind the current stage, a gate, for a value of the stream whose turn it is."""
        following = [gate for gate in self._gates if gate > turns.stage]
        if following:
            may = self._room[following[0]]
        else:
            room = self._room_for("symbol_room", self._symbol_words, turns)
            flushing, tail = (turns.put(n, turns.recall(n, 1, init=0), init=0) for n in ("flushing", "tail"))
            turns.put("send", room & (flushing | tail), init=0)
            may = room & ~flushing
        if turns.stage == max(gate for gate in self._gates if gate <= OFFSET_STAGE):
            may = may & self._room_for("offset_room", self._offset_words, turns)
        return may

    def _room_for(self, name: str, words: TurnJoiner, turns: Turns) -> Value:
        return self._early[name] if name in self._early else turns.pick(name, words.room)

    def _normalize(self, m: Module, turns: Turns):
        """What of the recurrence can be done before it."""
        fields = scale_count(m, self.config, turns["count"], turns["c_low"])
        for name, value in zip(("coded", "scaled", "zeros", "begin"), fields, strict=True):
            turns.put(name, value)

    def _multiply(self, m: Module, turns: Turns):
        """Halves of both products, so that a stage may end within them."""
        t = turns.put("t", turns.recall("t", self.config.mult_bits, init=-1), init=-1)
        half = self.config.prob_bits // 2
        for name in ("scaled", "begin"):
            factor = turns[name]
            turns.put(f"{name}_high", t * factor[half:])
            turns.put(f"{name}_low", t * factor[:half])

    def _narrow(self, m: Module, turns: Turns):
        """The recurrence of ``t``, as in :class:`.range_coder.RangeCoder`, and what it does to the code."""
        R, t, step, finish = self.config.range_bits, turns["t"], turns["step"], turns["finish"]
        P, half = self.config.prob_bits, self.config.prob_bits // 2
        product, begin = Signal(R + 1, name="product"), Signal(R, name="begin")
        m.d.comb += [
            product.eq((turns["scaled_high"] << half) + turns["scaled_low"] + (t << P)),
            begin.eq((turns["begin_high"] << half) + turns["begin_low"]),
        ]
        high = product[-1]
        t_next = Mux(high, product[P + 1 :], product[P:-1])
        turns.keep("t", Mux(step, t_next, t) | finish.replicate(len(t)))
        # The step that ends the code adds half of what R bits can say less one, and keeps one bit (FORMAT.md).
        turns.put("a", Mux(finish, (1 << R - 1) - 1, begin))
        # By how far to move, d, is `zeros` or one less. The product's top bit comes late: it is added a stage later.
        less = Signal(5)  # d or d - 1, in two's complement
        m.d.comb += less.eq(Mux(finish, 0, turns["zeros"] - 1))
        turns.put("less", less)
        turns.put("more", ~high | finish)
        error = turns.recall("error", 1) & ~turns["first"] | step & ~turns["coded"]
        turns.keep("error", turns.put("error", error))

    def _shift(self, m: Module, turns: Turns):
        """Bring ``a`` to its place in the window: one digit and R bits, and a carry above."""
        position = turns.put("position", turns.recall("position", 4) & ~turns["first"].replicate(4))
        moved = Signal(5)
        placed = ((turns["a"] << DIGIT) >> position)[: DIGIT + self.config.range_bits]
        window = turns.recall("window", 1 + DIGIT + self.config.range_bits)
        m.d.comb += moved.eq(position + turns["less"] + turns["more"])
        # In a turn without a value, or one that stays at a gate, nothing moves; that is known late.
        active = turns["step"] | turns["finish"]
        turns.keep("position", Mux(active, moved[:4], position))
        turns.put("complete", moved[4] & active, init=0)
        turns.put("placed", placed & active.replicate(len(placed)))
        turns.put("window", window & ~turns["first"].replicate(len(window)))

    def _add(self, m: Module, turns: Turns):
        """The sum of the steps, of which complete digits leave, see :class:`.code.CodeAccumulator`."""
        R, complete, finish = self.config.range_bits, turns["complete"], turns["finish"]
        added = Signal(1 + DIGIT + R)
        m.d.comb += added.eq(turns["window"] + turns["placed"])
        turns.keep("window", Mux(complete, added[:R] << DIGIT, added))
        # Behind the bit that ends the code the last digit is padded with zeros.
        padding = Const((1 << DIGIT - 1) - 1, DIGIT) >> turns["position"]
        turns.put("digit", added[R:-1] & ~(padding & finish.replicate(DIGIT)))
        turns.put("carry", added[-1])
        turns.put("bytes", Mux(finish & (turns["position"] < 8), 1, 2))
        turns.put("arrives", complete | finish, init=0)
        turns.put("present", turns["step"] | finish)

    def _resolve(self, m: Module, turns: Turns):
        """Hold back what a carry may still change, see :class:`.code.CarryResolver`, and let a digit go."""
        digit, carry, last, arrives = (turns[n] for n in ("digit", "carry", "finish", "arrives"))
        send, flushing = turns["send"], turns["flushing"]
        longest = (self.config.block * self.config.prob_bits) // DIGIT + 1
        held = turns.recall("held", data.StructLayout({"data": DIGIT, "bytes": 2, "last": 1, "error": 1}))
        run, run_carry = turns.recall("run", range(longest + 1)), turns.recall("run_carry", 1)
        holding = turns.recall("holding", 1, init=0)

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
        # The carry comes late: what it turns over is known before.
        carried = (carry & arrives).replicate(DIGIT)
        turned = held.data ^ (held.data + 1)[:DIGIT]
        m.d.comb += [
            words.turn.eq(Cat(turns.here(s) for s in range(self.streams))),
            words.i.valid.eq(passes | send),
            words.i.p.data.eq(Mux(flushing, ~run_carry.replicate(DIGIT), held.data ^ (turned & carried))),
            words.i.p.bytes.eq(Mux(flushing, 2, held.bytes)),
            words.i.p.last.eq(held.last & ~flushing),
            words.i.p.error.eq(held.error),
        ]

    def _measure_offset(self, m: Module, turns: Turns):
        turns.put("bits", offset_bits(m, turns["below"]))

    def _shift_offset(self, m: Module, turns: Turns):
        """Bring an offset to its place behind the ones before it."""
        step, first = turns["step"], turns["first"]
        position = turns.put("offset_position", turns.recall("offset_position", 5) & ~first.replicate(5))
        moved = Signal(range(2 * DIGIT + 1), name="offset_moved")
        overflows = moved > DIGIT  # a full digit stays, so that a stream's last one is not empty
        m.d.comb += moved.eq(position + turns["bits"])
        # Whether the value is admitted is known late; what is made of one that is not goes no further.
        turns.keep("offset_position", Mux(step, Mux(overflows, moved - DIGIT, moved)[:5], position))
        turns.put("offset_complete", overflows & step, init=0)
        turns.put("offset_placed", (turns["offset"] << (2 * DIGIT - moved)[:6])[: 2 * DIGIT])

    def _pack_offset(self, m: Module, turns: Turns):
        """Join the offset to what is there, and let a digit go."""
        complete, finish = turns["offset_complete"], turns["finish"]
        window, joined = turns.recall("offset_window", DIGIT), Signal(2 * DIGIT, name="joined")
        before = window & ~turns["first"].replicate(DIGIT)
        placed = turns["offset_placed"] & turns["step"].replicate(2 * DIGIT)
        m.d.comb += joined.eq(Cat(Const(0, DIGIT), before) | placed)
        turns.keep("offset_window", Mux(complete, joined[:DIGIT], joined[DIGIT:]))
        words = self._offset_words
        m.d.comb += [
            words.turn.eq(Cat(turns.here(s) for s in range(self.streams))),
            words.i.valid.eq(complete | finish),
            words.i.p.data.eq(joined[DIGIT:]),
            words.i.p.last.eq(finish),
            words.i.p.bytes.eq(Mux(finish, (turns["offset_position"] + 7) >> 3, 2)),
        ]
