"""Values on their way into an encoder, kept until the block has left."""

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import bits_for, exact_log2

from ...arithmetic import select
from ...layouts import value_layout
from ..layouts import beat_layout
from ..parameters import MemorySide
from ..parts.place import place
from ..parts.ram import Ram
from ..parts.spare import Spare

GROUP = 16  # values chosen among in one expression


class ValueStore(wiring.Component):
    """Two places for blocks of values, filled in turn, beat by beat. Each block is given once, value by value, from
    its first beat on; then its beats can be read, until its place is freed.

    Each place is a memory of its own: a memory's output is where a beat stays while its values leave, and the encoder
    never waits for the port. One value per cycle, also from one beat, or block, to the next.

    From a beat to its first value: 3 cycles. ``fill.ready`` and ``values`` come from registers, by way of at most a
    multiplexer; ``fill.ready`` does not depend on what is offered.

    Members
    -------
    fill : stream of beats, in.
    values : stream of values, out.
    last_row, tail : Out, of each place: beats and values in the last one, both less one, of a complete block.
    free : In(2), the block in the place is over.
    read : In(2), whether the place's memory is read from outside: not before its block was given.
    read_enable : In(2). ``read_row`` : In. ``read_data`` : Out, of each place, the cycle after.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        self.shift = exact_log2(p.beat_values)
        self.row_bits = max(1, bits_for(p.value_rows - 1))
        beat = p.value_bits * p.beat_values
        super().__init__({
            "fill": In(stream.Signature(beat_layout(p))),
            "values": Out(stream.Signature(value_layout(p.codec))),
            "last_row": Out(data.ArrayLayout(self.row_bits, 2)),
            "tail": Out(data.ArrayLayout(self.shift, 2)),
            "free": In(2),
            "read": In(2),
            "read_enable": In(2),
            "read_row": In(self.row_bits),
            "read_data": Out(data.ArrayLayout(beat, 2)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.p
        rams = [
            place(m, platform, f"values_{q}", Ram(p.value_bits * p.beat_values, p.value_rows)) for q in range(2)
        ]
        waits = Signal(2)  # a complete block of which not all beats have been fetched
        here, row = self._fill(m, rams, waits)

        # Fetching: the beat after the one whose values are being given.
        next_place = Signal()
        next_row = Signal(self.row_bits)
        there = Signal()
        final = Signal()
        fetch = Signal()
        have = Signal()
        complete = Mux(next_place, waits[1], waits[0])
        m.d.comb += [
            there.eq(complete | ((here == next_place) & (row != next_row))),
            final.eq(complete & (next_row == Mux(next_place, self.last_row[1], self.last_row[0]))),
        ]
        with m.If(fetch):
            m.d.sync += next_row.eq(Mux(final, 0, next_row + 1))
            with m.If(final):
                m.d.sync += [next_place.eq(~next_place), waits.bit_select(next_place, 1).eq(0)]

        # Giving: `chosen` is one-hot over the values of both places' beats.
        end = Signal(reset_less=True)
        left = Signal(self.shift, reset_less=True)
        at = Signal(p.beat_values, reset_less=True)
        chosen = [Signal(p.beat_values, name=f"chosen_{q}") for q in range(2)]
        current = Signal(reset_less=True)
        m.submodules.buffer = buffer = Spare(value_layout(p.codec))
        give = Signal()
        over = Signal()
        m.d.comb += [
            give.eq(have & buffer.i.ready),
            over.eq(give & (left == 0)),
            fetch.eq(there & (~have | over)),
            chosen[0].eq(at & (~current).replicate(p.beat_values)),
            chosen[1].eq(at & current.replicate(p.beat_values)),
        ]
        with m.If(fetch):
            m.d.sync += [have.eq(1), current.eq(next_place), end.eq(final), at.eq(1)]
            m.d.sync += left.eq(Mux(final, Mux(next_place, self.tail[1], self.tail[0]), p.beat_values - 1))
        with m.Elif(give):
            m.d.sync += [have.eq(~over), left.eq(left - 1), at.eq(at << 1)]
        entries = [
            ram.read_data.word_select(k, p.value_bits)[: p.codec.width] for ram in rams for k in range(p.beat_values)
        ]
        # In two steps: an expression of all of them would be too deep for simulators.
        picks, both = range(0, len(entries), GROUP), Cat(*chosen)
        picked = [select(m, both[k : k + GROUP], entries[k : k + GROUP], f"picked_{k // GROUP}") for k in picks]
        m.d.comb += [
            buffer.i.valid.eq(have),
            buffer.i.payload.data.eq(reduce(or_, picked)),
            buffer.i.payload.last.eq(end & (left == 0)),
        ]
        connect(m, buffer.o, flipped(self.values))

        for q, ram in enumerate(rams):
            m.d.comb += [
                ram.read_enable.eq(Mux(self.read[q], self.read_enable[q], fetch & (next_place == q))),
                ram.read_address.eq(Mux(self.read[q], self.read_row, next_row)),
                self.read_data[q].eq(ram.read_data),
            ]
        return m

    def _fill(self, m: Module, rams: list, waits: Signal):
        """Write beats; returns the place and the row that the next one goes to."""
        beat = self.fill.payload
        here = Signal()
        row = Signal(self.row_bits)
        full = Signal(2)
        take = Signal()
        m.d.comb += [
            self.fill.ready.eq(~Mux(here, full[1], full[0])),
            take.eq(self.fill.valid & self.fill.ready),
        ]
        with m.If(take):
            m.d.sync += row.eq(Mux(beat.last, 0, row + 1))
            m.d.sync += here.eq(here ^ beat.last)
        for q, ram in enumerate(rams):
            own = Signal(name=f"take_{q}")
            last_row = Signal(self.row_bits, name=f"last_row_{q}", reset_less=True)
            tail = Signal(self.shift, name=f"tail_{q}", reset_less=True)
            m.d.comb += [
                own.eq(take & (here == q)),
                ram.write_enable.eq(own), ram.write_address.eq(row), ram.write_data.eq(beat.values),
                self.last_row[q].eq(last_row), self.tail[q].eq(tail),
            ]
            with m.If(self.free[q]):
                m.d.sync += full[q].eq(0)
            with m.If(own & beat.last):
                m.d.sync += [full[q].eq(1), waits[q].eq(1), last_row.eq(row), tail.eq(beat.count - 1)]
        return here, row
