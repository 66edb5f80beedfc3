"""Ranges of bytes and entries of the directory in, bursts to the memory out."""

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..layouts import chunk_layout, entry_layout, write_range_layout
from ..parameters import MemorySide
from ..parts.fifo import Fifo
from ..parts.spare import Spare
from .entry_lines import EntryLines
from .ports import BURST_INCR, CACHE, PROT, axi_write
from .range_bodies import RangeBodies


class AxiWriter(wiring.Component):
    """Writes ranges of bytes, at any address, and entries of the directory, each in their order.

    Writes are bursts of whole beats with rising addresses and one ID, which end at multiples of
    :func:`.bursts.burst_beats` beats, so never go across 4 KiB. Up to ``p.outstanding`` of them wait for their
    answers. Only bytes that belong to ranges and entries are strobed. A beat that a range leaves unfilled, without
    ``flush``, waits for the next range; a beat is never written twice but by a range that goes back.

    A burst is offered as soon as its range was taken, and its data are waited for: so a **range's chunks must follow
    whatever happens** to later ranges. They may wait for entries to be taken: two lines of 64 bytes of them are held
    apart from the data, and the bursts of a line that is complete go before those of ranges. So what a line waits for
    are ranges taken before its last entry, and these have the other line, as long as ranges are taken no more than
    eight entries ahead. No chunk has bytes of two ranges.

    A beat per cycle for full chunks; fewer bytes in a chunk cost nothing but that. Between ranges no cycle is lost, but
    one at a flush whose bytes make two beats. From a range to its ``awvalid`` 3 cycles, from the chunk that
    completes a beat to ``wvalid`` 3 cycles, and not before 2 cycles after its burst's ``awvalid``.
    All outputs to AXI are registers; ``ranges.ready`` depends combinationally on ``axi.awready``,
    ``chunks.ready`` on its own ``bytes``, all on ``stop``.

    **stop** ends everything: no new address is offered, beats that are still to come of bursts that were are written
    without any strobe, what is held is forgotten, ranges, chunks and entries are taken and dropped. When ``stop`` is 0
    again, they wait until nothing is under way.

    Members
    -------
    ranges : stream of :func:`..layouts.write_range_layout`, in.
    chunks : stream of :func:`..layouts.chunk_layout`, in; each may have any number of bytes, ``last`` means nothing.
    entries : stream of :func:`..layouts.entry_layout`, in.
    axi : write channels.
    stop : In(1).
    idle : Out(1), nothing is held and all answers are in.
    error : Out(1), an answer was an error; for a cycle each, the one in which ``idle`` rises at the latest.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "ranges": In(stream.Signature(write_range_layout(p))),
            "chunks": In(stream.Signature(chunk_layout(p))),
            "entries": In(stream.Signature(entry_layout(p))),
            "axi": Out(axi_write(p.address_width, p.data_width)),
            "stop": In(1), "idle": Out(1), "error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.p
        under_way = Signal(bits_for(p.outstanding), name="under_way")
        drop = Signal()
        draining = Signal()
        bodies, lines = RangeBodies(p), EntryLines(p)
        m.submodules.bodies, m.submodules.lines = ResetInserter(drop)(bodies), ResetInserter(drop)(lines)
        m.d.sync += draining.eq(drop & (self.stop | (under_way != 0)))
        m.d.comb += [
            drop.eq(self.stop | draining),
            self.idle.eq((under_way == 0) & bodies.idle & lines.idle),
        ]
        for mine, theirs in (
            (self.ranges, bodies.ranges), (self.chunks, bodies.chunks), (self.entries, lines.entries)
        ):
            m.d.comb += [
                theirs.payload.eq(mine.payload),
                theirs.valid.eq(mine.valid & ~drop),
                mine.ready.eq(self.stop | (theirs.ready & ~draining)),
            ]
        bursts = self._addresses(m, bodies.bursts, lines.bursts, under_way, drop)
        self._data(m, bursts, bodies.beats, lines.beats, drop)
        return m

    def _addresses(self, m: Module, of_ranges, of_entries, under_way: Signal, drop: Signal):
        """The address channel, and answers. Returns the queue of bursts whose data are to come."""
        p, axi = self.p, self.axi
        m.submodules.offered = offered = Fifo(data.StructLayout({"entries": 1, "count_m1": 8}), max(2, p.outstanding))
        address = Signal(p.address_width, reset_less=True)
        count_m1 = Signal(8, reset_less=True)
        entries = Signal()
        room = Signal()
        issued = Signal()
        burst = Signal.like(of_ranges.payload, name="burst")
        m.d.comb += [
            entries.eq(of_entries.valid),
            room.eq((~axi.awvalid | axi.awready) & (under_way != p.outstanding) & ~drop),
            of_ranges.ready.eq(room & ~entries),
            of_entries.ready.eq(room & entries),
            issued.eq(room & (of_ranges.valid | of_entries.valid)),
            burst.eq(Mux(entries, of_entries.payload, of_ranges.payload)),
            offered.i.valid.eq(issued),
            offered.i.payload.entries.eq(entries),
            offered.i.payload.count_m1.eq(burst.count_m1),
            axi.awaddr.eq(address),
            axi.awlen.eq(count_m1),
            axi.awsize.eq(p.data_shift),
            axi.awburst.eq(BURST_INCR),
            axi.awcache.eq(CACHE),
            axi.awprot.eq(PROT),
            axi.bready.eq(1),
        ]
        m.d.sync += [
            axi.awvalid.eq(issued | (axi.awvalid & ~axi.awready)),
            self.error.eq(axi.bvalid & axi.bresp[1]),
        ]
        with m.If(issued):
            m.d.sync += [address.eq(burst.beat << p.data_shift), count_m1.eq(burst.count_m1)]
        with m.If(issued ^ axi.bvalid):
            m.d.sync += under_way.eq(Mux(issued, under_way + 1, under_way - 1))
        return offered.o

    def _data(self, m: Module, bursts, of_ranges, of_entries, drop: Signal):
        """The data channel."""
        p, axi = self.p, self.axi
        word = data.StructLayout({"data": p.data_width, "strobe": p.data_bytes, "last": 1})
        m.submodules.words = words = Spare(word)  # so that `wready` does not reach into what makes the data
        busy = Signal()
        entries = Signal(reset_less=True)
        left = Signal(8, reset_less=True)
        put = Signal()
        last = Signal()
        m.d.comb += [
            last.eq(left == 0),
            words.i.valid.eq(busy & (drop | Mux(entries, of_entries.valid, of_ranges.valid))),
            put.eq(words.i.valid & words.i.ready),
            of_ranges.ready.eq(busy & ~entries & words.i.ready),
            of_entries.ready.eq(busy & entries & words.i.ready),
            words.i.payload.data.eq(Mux(entries, of_entries.payload.data, of_ranges.payload.data)),
            words.i.payload.strobe.eq(
                Mux(entries, of_entries.payload.strobe, of_ranges.payload.strobe) & ~drop.replicate(p.data_bytes)
            ),
            words.i.payload.last.eq(last),
            bursts.ready.eq(~busy | (put & last)),
            axi.wvalid.eq(words.o.valid),
            words.o.ready.eq(axi.wready),
            axi.wdata.eq(words.o.payload.data),
            axi.wstrb.eq(words.o.payload.strobe),
            axi.wlast.eq(words.o.payload.last),
        ]
        with m.If(bursts.ready):
            m.d.sync += [
                busy.eq(bursts.valid), entries.eq(bursts.payload.entries), left.eq(bursts.payload.count_m1)
            ]
        with m.Elif(put):
            m.d.sync += left.eq(left - 1)
