"""Values on their way from a decoder to the accelerator: stored until their block's turn, given as beats."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ...arithmetic import select
from ...layouts import report_layout, value_layout
from ..layouts import ID_BITS, out_beat_layout
from ..parameters import MemorySide
from ..parts.place import place
from ..parts.ram import Ram


class ValueStore(wiring.Component):
    """Two places for decoded blocks for each of S streams of a decoder: values come in, beats of V leave.

    Block j is in place j modulo 2S and comes from stream j modulo S. Of all streams together one value may come in a
    cycle, as a decoder gives them; reports at any time, a block's no earlier than a cycle after its last value. Both
    are always taken, since places are reserved. Blocks leave in the order of their reservations. A beat leaves as
    soon as its V values are there; a block's last beat waits for its report, and frees the place. Where cells give
    their blocks by id all beats wait for the report: nobody must wait for a block that is not complete then.

    Latency from a value to the beat that it completes 3 cycles, if the block's turn has come. A beat a cycle; between
    blocks a cycle in which there is none. ``values.values`` and ``values.id`` are outputs of memories, whose inputs
    depend combinationally on ``values.ready``; everything else is registered.

    Parameters
    ----------
    p : of the memory-side block.

    Members
    -------
    reserve : stream of ``id``, in: room for one more block.
    decoded : array of S streams of values (:func:`apack_hdl.layouts.value_layout`), in.
    reports : array of S streams of reports, in.
    filled, counts, damaged : In, see :class:`.store.BlockStore`.
    values : stream of beats, out. Containers behind a block's last value hold anything.
    """

    def __init__(self, p: MemorySide):
        self.p, self.streams, self.rows = p, p.decoder_lanes, p.value_rows
        S, V = self.streams, p.beat_values
        self.lane_bits = exact_log2(V)
        self.address = bits_for(2 * S * self.rows - 1)
        super().__init__({
            "reserve": In(stream.Signature(data.StructLayout({"id": ID_BITS}))),
            "decoded": In(stream.Signature(value_layout(p.codec))).array(S),
            "reports": In(stream.Signature(report_layout())).array(S),
            "filled": In(data.ArrayLayout(2, S)),
            "counts": In(data.ArrayLayout(p.count_bits, 2 * S)),
            "damaged": In(2 * S),
            "values": Out(stream.Signature(out_beat_layout(p))),
        })

    def elaborate(self, platform):
        m = Module()
        S, V, width = self.streams, self.p.beat_values, self.p.codec.width
        self.ram = place(m, platform, "decoded_values", Ram(V * width, 2 * S * self.rows, V))
        self.ids = place(m, platform, "ids", Ram(ID_BITS, 2 * S))
        # Where the next value of each stream goes: its row, and its lane in it.
        self.at = [
            Signal(self.address + self.lane_bits, name=f"at{j}", init=self._first_row(j) << self.lane_bits)
            for j in range(S)
        ]
        self.reported = [Signal(2, name=f"reported{j}") for j in range(S)]  # blocks, modulo 4
        self.bad = Signal(2 * S, reset_less=True)  # the report of the block in each place
        self._store(m)
        self._report(m)
        freed = self._give(m)
        self._reserve(m, freed)
        return m

    def _first_row(self, number: int) -> int:
        """Of a place."""
        return number * self.rows

    def _store(self, m: Module):
        """One value a cycle, from a register to its place's row."""
        S, V = self.streams, self.p.beat_values
        arrived = Signal(S)
        value = Signal(self.p.codec.width, reset_less=True)
        offered = Cat(port.valid for port in self.decoded)
        at = select(m, arrived, self.at, "at_here")
        m.d.comb += [port.ready.eq(1) for port in self.decoded]
        m.d.sync += [
            arrived.eq(offered), value.eq(select(m, offered, [port.p.data for port in self.decoded], "value_here")),
        ]
        m.d.comb += [
            self.ram.write_enable.eq(
                Cat(at[: self.lane_bits] == lane for lane in range(V)) & arrived.any().replicate(V)
            ),
            self.ram.write_address.eq(at[self.lane_bits :]),
            self.ram.write_data.eq(value.replicate(V)),
        ]
        after = Signal(len(at))
        m.d.comb += after.eq(at + 1)
        for j in range(S):
            with m.If(arrived[j]):
                m.d.sync += self.at[j].eq(after)

    def _report(self, m: Module):
        """A block is over, and its stream goes on in its other place."""
        for j, port in enumerate(self.reports):
            mine, second = (j, j + self.streams), self.reported[j][0]
            starts = [Const(self._first_row(number) << self.lane_bits, len(self.at[j])) for number in mine]
            m.d.comb += port.ready.eq(1)
            with m.If(port.valid):
                m.d.sync += [self.reported[j].eq(self.reported[j] + 1), self.at[j].eq(Mux(second, *starts))]
                for number, own in zip(mine, (~second, second), strict=True):
                    with m.If(own):
                        m.d.sync += self.bad[number].eq(port.payload.as_value().any())

    def _give(self, m: Module):
        """Beats of the oldest block. Returns whether its last one is leaving."""
        S, out = self.streams, self.values
        here = Signal(S, init=1)  # the block's stream
        turn = Signal(2)  # and which of its blocks it is, modulo 4
        first = Signal(self.address)
        row = Signal(self.address, reset_less=True)
        begun = Signal()
        left = Signal(bits_for(self.rows - 1), reset_less=True)  # beats behind this one
        tail = Signal(self.lane_bits, reset_less=True)
        begin = Signal()
        free = Signal()
        last = Signal()
        there = Signal()
        go = Signal()
        places = Signal(2 * S)
        count = select(m, places, list(self.counts), "count_here")
        is_filled = select(m, here, list(self.filled), "filled_here") != turn
        is_reported = select(m, here, self.reported, "reported_here") != turn
        written = select(m, here, [at[self.lane_bits :] for at in self.at], "row_here")
        early = self.p.order == "in order"
        m.d.comb += [
            places.eq(Cat(here & (~turn[0]).replicate(S), here & turn[0].replicate(S))),
            free.eq(~out.valid | out.ready),
            begin.eq(~begun & is_filled & free),
            last.eq(left == 0),
            there.eq(is_reported | (early & ~last & (row != written))),
            go.eq(begun & there & free),
        ]
        with m.If(begin):
            m.d.sync += [begun.eq(1), row.eq(first), left.eq(count >> self.lane_bits), tail.eq(count)]
        with m.If(go):
            m.d.sync += [row.eq(row + 1), left.eq(left - 1)]
            with m.If(last):
                m.d.sync += [
                    begun.eq(0), here.eq(Cat(here[-1], here[:-1])), turn.eq(turn + here[-1]),
                    first.eq(Mux(places[-1], 0, first + self.rows)),
                ]
        self._offer(m, go, row, places, last, tail)
        number = Signal(bits_for(2 * S - 1))
        m.d.comb += [self.ids.read_enable.eq(begin), self.ids.read_address.eq(number)]
        with m.If(go & last):
            m.d.sync += number.eq(Mux(places[-1], 0, number + 1))
        return go & last

    def _offer(self, m: Module, go, row, places, last, tail):
        """Read a row, and offer it with what else is known of the beat."""
        out, width, V = self.values, self.p.codec.width, self.p.beat_values
        known = Signal(data.StructLayout({"count": len(out.p.count), "last": 1, "bad": 1}), reset_less=True)
        m.d.comb += [
            self.ram.read_enable.eq(go),
            self.ram.read_address.eq(row),
            out.p.count.eq(known.count), out.p.last.eq(known.last), out.p.bad.eq(known.bad),
            out.p.id.eq(self.ids.read_data),
            *(out.p["values"][k].eq(self.ram.read_data.word_select(k, width)) for k in range(V)),
        ]
        with m.If(out.ready):
            m.d.sync += out.valid.eq(0)
        with m.If(go):
            m.d.sync += [
                out.valid.eq(1),
                known.count.eq(Mux(last, tail + 1, V)),
                known.last.eq(last),
                known.bad.eq(last & (places & (self.bad | self.damaged)).any()),
            ]

    def _reserve(self, m: Module, freed):
        """Places that are in use, and the numbers of the blocks in them."""
        places = 2 * self.streams
        used = Signal(range(places + 1))
        number = Signal(bits_for(places - 1))
        more = Signal()
        m.d.comb += [
            self.reserve.ready.eq(used != places),
            more.eq(self.reserve.valid & self.reserve.ready),
            self.ids.write_enable.eq(more),
            self.ids.write_address.eq(number),
            self.ids.write_data.eq(self.reserve.p.id),
        ]
        m.d.sync += used.eq(used + more - freed)
        with m.If(more):
            m.d.sync += number.eq(Mux(number == places - 1, 0, number + 1))
