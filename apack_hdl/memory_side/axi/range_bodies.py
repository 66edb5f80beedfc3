"""Ranges and their bytes in; bursts, and beats for them, out."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..blocks.merger import Merger
from ..layouts import SIZE_BITS, chunk_layout, write_range_layout
from ..parameters import MemorySide
from ..parts.fifo import Fifo
from .bursts import BurstCutter, burst_beats, run_layout
from .entry_lines import strobed_layout


class RangeBodies(wiring.Component):
    """Says where the beats of ranges go, and fills them.

    A range without ``flush`` gives the beats that it completes, one with ``flush`` also the rest. Two ranges can wait
    for their chunks; their bursts do not.

    Two cycles from a range to its first burst, two from the chunk that completes a beat to the beat; ``ranges.ready``
    depends combinationally on ``bursts.ready``, ``chunks.ready`` on ``beats.ready`` and its own ``bytes``.

    Members
    -------
    ranges : stream of :func:`..layouts.write_range_layout`, in.
    chunks : stream of :func:`..layouts.chunk_layout`, in, see :class:`.writer.AxiWriter`.
    bursts : stream of :func:`.bursts.run_layout`, out.
    beats : stream of :func:`.entry_lines.strobed_layout`, out.
    idle : Out(1), nothing is held.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        self.beat_bits = p.address_width - p.data_shift
        super().__init__({
            "ranges": In(stream.Signature(write_range_layout(p))),
            "chunks": In(stream.Signature(chunk_layout(p))),
            "bursts": Out(stream.Signature(run_layout(self.beat_bits, 8))),
            "beats": Out(stream.Signature(strobed_layout(p))),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, given = self.p, self.ranges.payload
        body = data.StructLayout({"lane": p.data_shift, "bytes": SIZE_BITS, "flush": 1})
        m.submodules.bodies = bodies = Fifo(body, 2)
        addressing, filling = self._bursts(m, bodies.i), self._fill(m, bodies.o)
        m.d.comb += [
            bodies.i.payload.lane.eq(given.address),
            bodies.i.payload.bytes.eq(given.bytes),
            bodies.i.payload.flush.eq(given.flush),
            self.idle.eq(~addressing & ~bodies.o.valid & ~filling),
        ]
        return m

    def _bursts(self, m: Module, bodies):
        """Beats that a range is going to complete. Returns whether any range is held."""
        p, given, count_bits = self.p, self.ranges.payload, SIZE_BITS + 1 - self.p.data_shift
        m.submodules.cutter = cutter = BurstCutter(self.beat_bits, count_bits, burst_beats(p))
        connect(m, cutter.bursts, flipped(self.bursts))
        valid, room = Signal(name="sized_valid"), Signal(name="sized_room")
        beat = Signal(self.beat_bits, reset_less=True)
        count = Signal(count_bits, reset_less=True)
        end = Signal(SIZE_BITS + 1)
        offset = given.address[: p.data_shift]
        m.d.comb += [
            end.eq(given.bytes + (offset + Mux(given.flush, p.data_bytes - 1, 0))),
            room.eq(~valid | (count == 0) | cutter.runs.ready),
            self.ranges.ready.eq(room & bodies.ready),
            bodies.valid.eq(self.ranges.valid & room),
            cutter.runs.valid.eq(valid & (count != 0)),
            cutter.runs.payload.beat.eq(beat),
            cutter.runs.payload.count_m1.eq(count - 1),
        ]
        with m.If(room):
            m.d.sync += valid.eq(self.ranges.valid & bodies.ready)
        with m.If(self.ranges.valid & self.ranges.ready):
            m.d.sync += [beat.eq(given.address[p.data_shift :]), count.eq(end[p.data_shift :])]
        return valid | cutter.bursts.valid

    def _fill(self, m: Module, bodies):
        """Chunks to beats. Returns whether any byte is held or awaited."""
        p, chunk = self.p, self.chunks.payload
        m.submodules.merger = merger = Merger(p)
        piece, merged = merger.pieces.payload, merger.merged.payload
        valid = Signal(name="filling")
        left = Signal(SIZE_BITS, reset_less=True)
        lane = Signal(p.data_shift, reset_less=True)
        flush = Signal(reset_less=True)
        empty = Signal()
        taken = Signal()
        last = Signal()
        m.d.comb += [
            empty.eq(chunk.bytes == 0),
            last.eq(chunk.bytes == left),
            merger.pieces.valid.eq(self.chunks.valid & valid & ~empty),
            self.chunks.ready.eq(empty | (valid & merger.pieces.ready)),  # none must wait for a range that never comes
            taken.eq(merger.pieces.valid & merger.pieces.ready),
            piece.data.eq(chunk.data),
            piece.bytes.eq(chunk.bytes),
            piece.lane.eq(lane),
            piece.end.eq(last & flush),
            bodies.ready.eq(~valid | (taken & last)),
            self.beats.valid.eq(merger.merged.valid),
            merger.merged.ready.eq(self.beats.ready),
            self.beats.payload.data.eq(merged.data),
            self.beats.payload.strobe.eq(Cat((k >= merged.low) & (k < merged.high) for k in range(p.data_bytes))),
        ]
        with m.If(bodies.ready):
            m.d.sync += [
                valid.eq(bodies.valid),
                left.eq(bodies.payload.bytes),
                lane.eq(bodies.payload.lane),
                flush.eq(bodies.payload.flush),
            ]
        with m.Elif(taken):
            m.d.sync += left.eq(left - chunk.bytes)
        return valid | ~merger.idle
