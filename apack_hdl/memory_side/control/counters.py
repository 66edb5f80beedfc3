"""Counters of 64 bits: short ones count, and one adder adds them to a memory's rows in turn."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ...arithmetic import select
from ...registers import payload_register
from ..axi.lite import access_layout, answer_layout
from ..parameters import MemorySide
from ..parts.place import place
from ..parts.ram import Ram
from .registers import COUNTED, COUNTERS, DIRECTIONS

BITS = 64


def passing_layout(p: MemorySide) -> data.StructLayout:
    """What a direction does in a cycle: ``values`` that pass, bits of each (``width``), bytes ``stored``, and which of
    stream, memory and engines it waits for (``stalls``, from the lowest bit)."""
    return data.StructLayout({
        "values": bits_for(p.beat_values), "width": 5, "stored": bits_for(p.data_bytes), "stalls": 3,
    })


class Counters(wiring.Component):
    """Counts what passes, in 64 bits each: 12 flip-flops or so a counter instead of 64, and one wide adder for all.

    A counter's turn comes every 12 cycles; what was counted since is added to its row then. Reading the low half waits
    for the turn (its answer comes 6 to 17 cycles after the access, others 3) and takes the high half along; reading any
    high half gives that one. Writes are ignored. What passes is counted 3 cycles later.

    Members
    -------
    access, answer : streams, see :mod:`..axi.lite`: only accesses to the counters' page, without its upper address
        bits. Beyond the last counter there is an error. Outputs are registered but ``access.ready``, which depends on
        registers only.
    clear : In, a bit for each counter: to be 0 again.
    passing : In, an array of :func:`passing_layout`, compression and decompression.
    """

    def __init__(self, p: MemorySide, address_width: int):
        self.p = p
        super().__init__({
            "access": In(stream.Signature(access_layout(address_width))),
            "answer": Out(stream.Signature(answer_layout())),
            "clear": In(len(COUNTERS)),
            "passing": In(data.ArrayLayout(passing_layout(p), len(DIRECTIONS))),
        })

    def elaborate(self, platform):
        m = Module()
        count = len(COUNTERS)
        self.turn = [Signal(count, name=f"turn{stage}", init=1 if not stage else 0) for stage in range(4)]
        m.d.sync += [self.turn[0].eq(self.turn[0].rotate_left(1)), Cat(self.turn[1:]).eq(Cat(self.turn[:-1]))]
        number = Signal(range(count))
        m.d.sync += number.eq(Mux(self.turn[0][-1], 0, number + 1))
        amount, cleared = self._short_counters(m)

        # A row is read in its turn, added to in the next stage, written back in the one behind that.
        store = place(m, platform, "store", Ram(BITS, count))
        numbers = [number, *(Signal.like(number, name=f"number{stage}", reset_less=True) for stage in range(1, 4))]
        old, total = (Signal(BITS, reset_less=True, name=name) for name in ("old", "total"))
        m.d.sync += [Cat(numbers[1:]).eq(Cat(numbers[:-1])), total.eq(old + amount)]
        m.d.sync += old.eq(Mux(cleared, 0, store.read_data))
        m.d.comb += [
            store.read_enable.eq(1), store.read_address.eq(number),
            store.write_enable.eq(self.turn[3].any()), store.write_address.eq(numbers[3]), store.write_data.eq(total),
        ]
        self._answers(m, numbers[0], total)
        return m

    def _short_counters(self, m: Module):
        """What the counter in stage 1 has counted, a cycle later; and whether its row is to be 0 before."""
        turn, steps, fractions = self.turn[1], [], []
        for direction in range(len(DIRECTIONS)):
            step = self._steps(m, direction)
            steps += [step[name] for name in COUNTED]
            fractions += [3 if name == "raw_bytes" else 0 for name in COUNTED]
        wholes = []
        to_clear = Signal(len(COUNTERS), init=-1)  # rows begin with anything
        m.d.sync += to_clear.eq((to_clear & ~turn) | self.clear)
        for name, mine, dropped, step, fraction in zip(COUNTERS, turn, self.clear, steps, fractions, strict=True):
            most = len(COUNTERS) * ((1 << len(step)) - 1) + (1 << fraction) - 1
            short = Signal(bits_for(most), name=name)
            # Bytes are what is counted, bits what passes: a remainder of 0..7 bits stays.
            rest = Mux(dropped, 0, Mux(mine, short[:fraction], short) if fraction else Mux(mine, 0, short))
            m.d.sync += short.eq(rest + step)
            wholes.append(short[fraction:])
        amount = Signal(max(map(len, wholes)), reset_less=True)
        m.d.sync += amount.eq(select(m, turn, wholes, "counted"))
        return amount, (to_clear & turn).any()

    def _steps(self, m: Module, direction: int) -> dict[str, Signal]:
        """By how much each of a direction's counters rises, registers 2 cycles behind; raw bytes in bits."""
        now, name = self.passing[direction], DIRECTIONS[direction]
        held = Signal(passing_layout(self.p), name=f"{name}_held")
        steps = {
            "values": held.values, "raw_bytes": held.values * held.width, "stored_bytes": held.stored,
            "stall_stream": held.stalls[0], "stall_memory": held.stalls[1], "stall_engines": held.stalls[2],
        }
        m.d.sync += held.eq(now)
        registers = {}
        for what, step in steps.items():
            most = self.p.beat_values * self.p.codec.width
            bits = bits_for(most) if what == "raw_bytes" else len(step)
            registers[what] = Signal(bits, name=f"{name}_{what}_step")
            m.d.sync += registers[what].eq(step)
        return registers

    def _answers(self, m: Module, number, total):
        """Take a number when its turn comes, and answer."""
        access, answer = self.access, self.answer
        index, high = access.payload.address[1:6], access.payload.address[0]
        # A turn that begins after the access: what was written to COUNTERS_CLEAR before is in it.
        asked = [Signal(name=f"asked{stage}") for stage in range(4)]
        busy, sent, known, waits, ready = (Signal(name=n) for n in ("busy", "sent", "known", "waits", "found"))
        taken = Signal(BITS, reset_less=True)
        m.d.comb += [
            known.eq(index < len(COUNTERS)),
            waits.eq(known & ~high & ~access.payload.write),
            asked[0].eq(busy & (index == number)),
            access.ready.eq(sent),
        ]
        m.d.sync += [Cat(asked[1:]).eq(Cat(asked[:-1])), sent.eq(0)]
        payload = payload_register(m, answer)
        with m.If(access.valid & ~busy & ~sent & ~answer.valid):
            m.d.sync += busy.eq(1)
        with m.If(busy & asked[3]):
            m.d.sync += taken.eq(total)
        m.d.sync += ready.eq(busy & ~ready & (asked[3] | ~waits))
        with m.If(ready):
            m.d.sync += [answer.valid.eq(1), sent.eq(1), busy.eq(0), payload.error.eq(~known)]
            shown = Mux(high, taken[32:], taken[:32])
            m.d.sync += payload.data.eq(Mux(known, shown, 0))
        with m.If(answer.valid & answer.ready):
            m.d.sync += answer.valid.eq(0)
