"""Ranges of bytes in, what the memory holds there out."""

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import bits_for

from golden.config import check_int

from ..layouts import SIZE_BITS, range_layout, read_chunk_layout
from ..parameters import MemorySide
from ..parts.memory_fifo import MemoryFifo
from ..parts.spare import Spare
from .aligner import Aligner, aligned_layout
from .bursts import BurstCutter, burst_beats, run_layout
from .ports import BURST_INCR, CACHE, PROT, axi_read


class AxiReader(wiring.Component):
    """Reads ranges of bytes, at any address, 0..65535 bytes long, in order.

    Reads are bursts of whole beats with rising addresses and one ID, which end at multiples of
    :func:`.bursts.burst_beats` beats, so never go across 4 KiB. Up to ``p.outstanding`` of them are under way, of as
    many ranges as it takes; addresses do not wait for data (but only some ``p.outstanding`` + 2 ranges are held, those
    that need no burst of their own among them). Data leave low-aligned, zeros behind the last byte.

    **Nothing is read twice.** A range that begins in the beat in which the one before ended (ranges of 0 bytes aside)
    goes on with that beat as it is. Between ranges that is right as long as the memory's content does not change:
    while nothing is under way, the beat is only kept if ``keep`` is 1.

    A range takes a cycle for each of its chunks, and one more if it does not begin with a beat that was kept. From
    a range to its ``arvalid`` 4 cycles; from a range's second beat (its only one, if there is no second) to its first
    chunk 3 cycles. ``ranges.ready`` depends combinationally on ``axi.arready`` and ``stop``; AXI's outputs and
    ``chunks`` are registered, ``axi.rready`` but for ``stop``.

    **stop** ends everything: no new address is offered (one that is stays until taken), what is under way is read and
    dropped, ranges are taken and dropped, chunks are withdrawn. When ``stop`` is 0 again, ranges wait until nothing is
    under way.

    Parameters
    ----------
    p : how the memory-side block is built.
    tag : bits of a range's tag, 1..64.

    Members
    -------
    ranges : stream of :func:`..layouts.range_layout`, in.
    chunks : stream of :func:`..layouts.read_chunk_layout`, out.
    axi : read channels.
    stop : In(1). ``keep`` : In(1), see above.
    idle : Out(1), nothing is under way and nothing is held but, perhaps, a kept beat.

    Raises TypeError or ValueError for a tag of the wrong kind or out of range.
    """

    def __init__(self, p: MemorySide, tag: int):
        self.p, self.tag = p, check_int("tag", tag, 1, 64, "a field without bits would be lost in Verilog")
        super().__init__({
            "ranges": In(stream.Signature(range_layout(p, tag))),
            "chunks": Out(stream.Signature(read_chunk_layout(p, tag))),
            "axi": Out(axi_read(p.address_width, p.data_width)),
            "stop": In(1), "keep": In(1), "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.p
        under_way = Signal(bits_for(p.outstanding), name="under_way")
        drop = Signal()
        planner, aligner = ReadPlanner(p, self.tag), Aligner(p, self.tag)
        plans = MemoryFifo(aligned_layout(p, self.tag), max(2, 1 << (p.outstanding - 1).bit_length()))
        beats = Spare(data.StructLayout({"data": p.data_width, "error": 1}))
        for name, part in {"planner": planner, "plans": plans, "beats": beats, "aligner": aligner}.items():
            m.submodules[name] = ResetInserter(drop)(part)

        draining = Signal()
        m.d.sync += draining.eq(drop & (self.stop | (under_way != 0)))
        m.d.comb += [
            drop.eq(self.stop | draining),
            planner.ranges.payload.eq(self.ranges.payload),
            planner.ranges.valid.eq(self.ranges.valid & ~drop),
            self.ranges.ready.eq(self.stop | (planner.ranges.ready & ~draining)),
            planner.forget.eq(self.idle & ~self.keep),
            self.idle.eq((under_way == 0) & planner.idle & plans.empty & aligner.idle),
        ]
        connect(m, planner.plans, plans.i)
        connect(m, plans.o, aligner.plans)
        connect(m, beats.o, aligner.beats)
        connect(m, aligner.chunks, flipped(self.chunks))
        self._channels(m, planner.bursts, beats.i, under_way, drop)
        return m

    def _channels(self, m: Module, bursts, beats, under_way: Signal, drop: Signal):
        p, axi = self.p, self.axi
        address = Signal(p.address_width, reset_less=True)
        count_m1 = Signal(8, reset_less=True)
        room = Signal()
        issued = Signal()
        done = Signal()
        m.d.comb += [
            axi.araddr.eq(address),
            axi.arlen.eq(count_m1),
            axi.arsize.eq(p.data_shift),
            axi.arburst.eq(BURST_INCR),
            axi.arcache.eq(CACHE),
            axi.arprot.eq(PROT),
            room.eq((~axi.arvalid | axi.arready) & (under_way != p.outstanding) & ~drop),
            bursts.ready.eq(room),
            issued.eq(bursts.valid & room),
            beats.payload.data.eq(axi.rdata),
            beats.payload.error.eq(axi.rresp[1]),
            beats.valid.eq(axi.rvalid),
            axi.rready.eq(beats.ready | drop),
            done.eq(axi.rvalid & axi.rready & axi.rlast),
        ]
        m.d.sync += axi.arvalid.eq(issued | (axi.arvalid & ~axi.arready))
        with m.If(issued):
            m.d.sync += [address.eq(bursts.payload.beat << p.data_shift), count_m1.eq(bursts.payload.count_m1)]
        with m.If(issued != done):
            m.d.sync += under_way.eq(Mux(issued, under_way + 1, under_way - 1))


class ReadPlanner(wiring.Component):
    """Finds out which beats a range is in, what of them is to be read, and how its chunks come out of them.

    Two registers for a range, then :class:`.bursts.BurstCutter`; one range per cycle, one burst per cycle. ``ready``
    of ``ranges`` depends combinationally on both outputs' ``ready``.

    Members
    -------
    ranges : stream of :func:`..layouts.range_layout`, in.
    plans : stream of :func:`.aligner.aligned_layout`, out, one for each range.
    bursts : stream of :func:`.bursts.run_layout`, out.
    forget : In(1), the last range's last beat is not kept. Only while ``idle``.
    idle : Out(1), no range and no burst is held.
    """

    def __init__(self, p: MemorySide, tag: int):
        self.p, self.tag = p, tag
        self.beat_bits = p.address_width - p.data_shift
        super().__init__({
            "ranges": In(stream.Signature(range_layout(p, tag))),
            "plans": Out(stream.Signature(aligned_layout(p, tag))),
            "bursts": Out(stream.Signature(run_layout(self.beat_bits, 8))),
            "forget": In(1), "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, count_bits = self.p, SIZE_BITS + 1 - self.p.data_shift
        m.submodules.cutter = cutter = BurstCutter(self.beat_bits, count_bits, burst_beats(p))
        connect(m, cutter.bursts, flipped(self.bursts))
        sized, sized_valid, sized_ready = self._sizes(m, count_bits)

        beat = Signal(self.beat_bits, reset_less=True)
        after = Signal(self.beat_bits, reset_less=True)
        count_m1 = Signal(count_bits, reset_less=True)
        plan = Signal(aligned_layout(p, self.tag), reset_less=True)
        valid = Signal()
        end = Signal(self.beat_bits, reset_less=True)  # the last beat of the last range with bytes
        kept = Signal()
        skip = Signal()
        nothing = Signal()
        ready = Signal()
        m.d.comb += [
            skip.eq(kept & (sized.beat == end)),
            sized_ready.eq(~valid | ready),
            # To both outputs at once, or to none.
            ready.eq(self.plans.ready & (nothing | cutter.runs.ready)),
            self.plans.payload.eq(plan),
            self.plans.valid.eq(valid & (nothing | cutter.runs.ready)),
            cutter.runs.payload.beat.eq(Mux(plan.skip, after, beat)),
            cutter.runs.payload.count_m1.eq(count_m1 - plan.skip),
            cutter.runs.valid.eq(valid & ~nothing & self.plans.ready),
            self.idle.eq(~sized_valid & ~valid & ~cutter.bursts.valid),
        ]
        with m.If(sized_ready):
            m.d.sync += [
                valid.eq(sized_valid),
                beat.eq(sized.beat),
                after.eq(sized.beat + 1),
                count_m1.eq(sized.count_m1),
                nothing.eq(sized.plan.empty | (skip & (sized.count_m1 == 0))),
                plan.eq(sized.plan),
                plan.skip.eq(sized.plan.empty | skip),
            ]
        with m.If(sized_valid & sized_ready & ~sized.plan.empty):
            m.d.sync += [end.eq(sized.beat + sized.count_m1), kept.eq(1)]
        with m.Elif(self.forget):
            m.d.sync += kept.eq(0)
        return m

    def _sizes(self, m: Module, count_bits: int):
        """The first register: how many beats and chunks a range is. Returns register, valid, ready."""
        p, given = self.p, self.ranges.payload
        sized = Signal(
            data.StructLayout({"beat": self.beat_bits, "count_m1": count_bits, "plan": aligned_layout(p, self.tag)}),
            name="sized", reset_less=True,
        )
        valid, ready = Signal(name="sized_valid"), Signal(name="sized_ready")
        offset = given.address[: p.data_shift]
        empty = Signal()
        bytes_m1 = Signal(SIZE_BITS)
        span_m1 = Signal(SIZE_BITS + 1)
        m.d.comb += [
            empty.eq(given.bytes == 0),
            bytes_m1.eq(Mux(empty, 0, given.bytes - 1)),
            span_m1.eq(bytes_m1 + offset),
            self.ranges.ready.eq(~valid | ready),
        ]
        beats_m1, chunks_m1 = span_m1[p.data_shift :], bytes_m1[p.data_shift :]
        with m.If(self.ranges.ready):
            m.d.sync += [
                valid.eq(self.ranges.valid),
                sized.beat.eq(given.address[p.data_shift :]),
                sized.count_m1.eq(beats_m1),
                sized.plan.tag.eq(given.tag),
                sized.plan.empty.eq(empty),
                sized.plan.skip.eq(0),
                sized.plan.chunks_m1.eq(chunks_m1),
                sized.plan.tail.eq(beats_m1[0] ^ chunks_m1[0]),  # there are as many beats as chunks, or one more
                sized.plan.offset.eq(offset),
                sized.plan.last_bytes.eq(Mux(empty, 0, bytes_m1[: p.data_shift] + 1)),
            ]
        return sized, valid, ready
