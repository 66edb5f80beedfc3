"""The encoder's pipeline for several streams in turn."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig

from .encoder_stages import EncoderStages
from .layouts import table_layout, value_layout, word_layout
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

    Values move on with every cycle, whatever happens. A value enters the pipeline, or passes one of its gates, only if
    all behind is ready for it as far as the next gate, or the words. Otherwise it stays, at its port or at the gate,
    until its stream's next turn: a stream that stalls leaves its turns unused and cannot be in another one's way.
    Before the first gate the lookup begins with whatever is offered, which changes nothing. Five streams and more
    have no second gate, so no value waits but at its port.

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
        self._room = {stage: Signal(name=f"room_{stage}") for stage in self._gates[1:]}  # room for what arrives
        self._early = {}  # what was asked before the gate's own stage
        stages = EncoderStages(m, turns, self.config, self.tables, self._symbol_words, self._offset_words)
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
                getattr(stages, step)()
        for bank in range(self.banks):
            uses = [used & (own == bank) for used, own in self._users]
            m.d.comb += self.busy[bank].eq(Cat(*uses).any())
        return m

    def _begin(self, m: Module, turns: Turns):
        """The value at the stream's port, and where in its block it stands."""
        within = Signal(self.streams)  # a block has begun and its end has not been coded
        finishing = Signal(self.streams)  # its last value has been admitted
        self._within = within
        self._finishing = finishing
        self._bank_of = Signal(self.streams)
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

