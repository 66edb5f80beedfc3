"""What is done with a value in the stages of the encoder's pipeline."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data

from golden.config import CodecConfig

from .layouts import DIGIT
from .lookup import find_row, offset_bits, row_fields
from .range_coder import scale_count
from .turns import Turns
from .words import TurnJoiner


class EncoderStages:
    """The steps of a value's way, each a method, to be called in order with a cut or none in between.

    They add to the module ``m`` and find in ``turns`` what the steps before have put there. From the component that
    calls they need: ``value``, ``bank`` and ``first`` (of its block) from the start; from "shift_offset" on ``step``
    (a value is to be coded in this turn) and from "narrow" on ``finish`` (the end of its block is). States change
    where ``step`` or ``finish`` says so only.

    Parameters
    ----------
    m, turns : what to add to.
    config : the codec's parameters.
    tables : the banks' tables.
    symbol_words, offset_words : where digits go.
    """

    def __init__(self, m: Module, turns: Turns, config: CodecConfig, tables, symbol_words: TurnJoiner,
                 offset_words: TurnJoiner):
        self.m, self.turns, self.config, self.tables = m, turns, config, tables
        self.symbol_words, self.offset_words = symbol_words, offset_words

    def compare(self):
        m, turns = self.m, self.turns
        chosen = find_row(m, self.tables, Cat(~turns["bank"], turns["bank"]), turns["value"])
        turns.put("chosen", chosen)

    def find(self):
        """The row's fields; what the table does not store of them."""
        m, turns = self.m, self.turns
        cfg = self.config
        found = row_fields(m, cfg, self.tables, turns["chosen"])
        turns.put("c_low", found["c"][: cfg.prob_bits])
        turns.put("count", (found["end"] - found["c"])[: cfg.prob_bits + 1])
        turns.put("below", (found["above"] - found["v_min"] - 1)[: cfg.width])
        turns.put("offset", (turns["value"] - found["v_min"])[: cfg.width])

    def normalize(self):
        """What of the recurrence can be done before it."""
        m, turns = self.m, self.turns
        fields = scale_count(m, self.config, turns["count"], turns["c_low"])
        for name, value in zip(("coded", "scaled", "zeros", "begin"), fields, strict=True):
            turns.put(name, value)

    def multiply(self):
        """Halves of both products, so that a stage may end within them."""
        turns = self.turns
        t = turns.put("t", turns.recall("t", self.config.mult_bits, init=-1), init=-1)
        half = self.config.prob_bits // 2
        for name in ("scaled", "begin"):
            factor = turns[name]
            turns.put(f"{name}_high", t * factor[half:])
            turns.put(f"{name}_low", t * factor[:half])

    def narrow(self):
        """The recurrence of ``t``, as in :class:`.range_coder.RangeCoder`, and what it does to the code."""
        m, turns = self.m, self.turns
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

    def shift(self):
        """Bring ``a`` to its place in the window: one digit and R bits, and a carry above."""
        m, turns = self.m, self.turns
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

    def add(self):
        """The sum of the steps, of which complete digits leave, see :class:`.code.CodeAccumulator`."""
        m, turns = self.m, self.turns
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

    def resolve(self):
        """Hold back what a carry may still change, see :class:`.code.CarryResolver`, and let a digit go."""
        m, turns = self.m, self.turns
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
        flushing_next = Signal()
        holding_next = Signal()
        held_next = Signal(held.shape())
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

        words = self.symbol_words
        # The carry comes late: what it turns over is known before.
        carried = (carry & arrives).replicate(DIGIT)
        turned = held.data ^ (held.data + 1)[:DIGIT]
        m.d.comb += [
            words.turn.eq(Cat(turns.here(s) for s in range(turns.streams))),
            words.i.valid.eq(passes | send),
            words.i.p.data.eq(Mux(flushing, ~run_carry.replicate(DIGIT), held.data ^ (turned & carried))),
            words.i.p.bytes.eq(Mux(flushing, 2, held.bytes)),
            words.i.p.last.eq(held.last & ~flushing),
            words.i.p.error.eq(held.error),
        ]

    def measure_offset(self):
        m, turns = self.m, self.turns
        turns.put("bits", offset_bits(m, turns["below"]))

    def shift_offset(self):
        """Bring an offset to its place behind the ones before it."""
        m, turns = self.m, self.turns
        step, first = turns["step"], turns["first"]
        position = turns.put("offset_position", turns.recall("offset_position", 5) & ~first.replicate(5))
        moved = Signal(range(2 * DIGIT + 1), name="offset_moved")
        overflows = moved > DIGIT  # a full digit stays, so that a stream's last one is not empty
        m.d.comb += moved.eq(position + turns["bits"])
        # Whether the value is admitted is known late; what is made of one that is not goes no further.
        turns.keep("offset_position", Mux(step, Mux(overflows, moved - DIGIT, moved)[:5], position))
        turns.put("offset_complete", overflows & step, init=0)
        turns.put("offset_placed", (turns["offset"] << (2 * DIGIT - moved)[:6])[: 2 * DIGIT])

    def pack_offset(self):
        """Join the offset to what is there, and let a digit go."""
        m, turns = self.m, self.turns
        complete, finish = turns["offset_complete"], turns["finish"]
        window, joined = turns.recall("offset_window", DIGIT), Signal(2 * DIGIT, name="joined")
        before = window & ~turns["first"].replicate(DIGIT)
        placed = turns["offset_placed"] & turns["step"].replicate(2 * DIGIT)
        m.d.comb += joined.eq(Cat(Const(0, DIGIT), before) | placed)
        turns.keep("offset_window", Mux(complete, joined[:DIGIT], joined[DIGIT:]))
        words = self.offset_words
        m.d.comb += [
            words.turn.eq(Cat(turns.here(s) for s in range(turns.streams))),
            words.i.valid.eq(complete | finish),
            words.i.p.data.eq(joined[DIGIT:]),
            words.i.p.last.eq(finish),
            words.i.p.bytes.eq(Mux(finish, (turns["offset_position"] + 7) >> 3, 2)),
        ]
