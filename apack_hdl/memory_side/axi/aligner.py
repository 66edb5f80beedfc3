"""Beats of the bus in, a range's bytes from bit 0 on out."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ...registers import payload_register
from ..layouts import SIZE_BITS, read_chunk_layout
from ..parameters import MemorySide


def aligned_layout(p: MemorySide, tag: int) -> data.StructLayout:
    """How a range's chunks come out of its beats.

    ``chunks_m1``: chunks, less one, one also for a range of 0 bytes, which is ``empty``; ``skip``: the first beat is
    there already, from the range before (or none is needed); ``tail``: there is one beat more than chunks;
    ``offset``: of the first byte in its beat; ``last_bytes``: bytes of the last chunk; ``tag``.
    """
    return data.StructLayout({
        "chunks_m1": SIZE_BITS - p.data_shift, "skip": 1, "tail": 1, "empty": 1, "offset": p.data_shift,
        "last_bytes": bits_for(p.data_bytes), "tag": tag,
    })


class Aligner(wiring.Component):
    """Makes chunks of beats: each is cut out of the last beat and the next one.

    The shifter is two halves with a register between, so that its selects can drive a bus of 512 bits.

    Latency 2 cycles from the next beat to the chunk; a chunk per cycle; a cycle more for a range whose first beat is
    not there yet. ``ready`` of both inputs depends combinationally on ``chunks.ready``, and on ``valid`` of the other.

    Members
    -------
    plans : stream of :func:`aligned_layout`, in.
    beats : stream of ``data`` and ``error``, in.
    chunks : stream of :func:`..layouts.read_chunk_layout`, out.
    idle : Out(1), nothing is held.
    """

    def __init__(self, p: MemorySide, tag: int):
        self.p, self.tag = p, tag
        super().__init__({
            "plans": In(stream.Signature(aligned_layout(p, tag))),
            "beats": In(stream.Signature(data.StructLayout({"data": p.data_width, "error": 1}))),
            "chunks": Out(stream.Signature(read_chunk_layout(p, tag))),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.p
        plan = Signal(aligned_layout(p, self.tag), reset_less=True)
        planned = Signal()
        loaded = Signal()
        left = Signal.like(plan.chunks_m1, reset_less=True, name="left")
        held = Signal(data.StructLayout({"data": p.data_width, "error": 1}), reset_less=True)
        last = Signal()
        takes = Signal()
        go = Signal()
        done = Signal()
        next_ready = Signal()
        m.d.comb += [
            last.eq(left == 0),
            takes.eq(~last | plan.tail),
            go.eq(planned & loaded & next_ready & (~takes | self.beats.valid)),
            self.beats.ready.eq(planned & (~loaded | (takes & next_ready))),
            done.eq(go & last),
            self.plans.ready.eq(~planned | done),
        ]
        with m.If(self.beats.valid & self.beats.ready):
            m.d.sync += [held.eq(self.beats.payload), loaded.eq(1)]
        with m.If(go):
            m.d.sync += left.eq(left - 1)
        with m.If(self.plans.ready):
            m.d.sync += [
                planned.eq(self.plans.valid),
                plan.eq(self.plans.payload),
                loaded.eq(self.plans.payload.skip),
                left.eq(self.plans.payload.chunks_m1),
            ]
        self._cut(m, plan, held, last, takes, go, next_ready, planned)
        return m

    def _cut(self, m: Module, plan, held, last, takes, go, next_ready, planned):
        p, chunk = self.p, payload_register(m, self.chunks)
        fine = p.data_shift // 2  # bits of the second half of the shift
        part = Signal(8 * (p.data_bytes + (1 << fine) - 1), reset_less=True)
        fields = {"fine": fine, "bytes": bits_for(p.data_bytes), "last": 1, "tag": self.tag, "error": 1}
        cut = Signal(data.StructLayout(fields), reset_less=True)
        valid = Signal(name="cut_valid")
        both = Cat(held.data, self.beats.payload.data)
        # Whoever has no offset has no bytes of the next beat, and a range of 0 bytes has none at all.
        shares = takes & (plan.offset != 0)
        m.d.comb += [
            next_ready.eq(~valid | ~self.chunks.valid | self.chunks.ready),
            self.idle.eq(~planned & ~valid & ~self.chunks.valid),
        ]
        with m.If(next_ready):
            m.d.sync += valid.eq(go)
        with m.If(go):
            m.d.sync += [
                part.eq(both >> Cat(Const(0, 3 + fine), plan.offset[fine:])),
                cut.fine.eq(plan.offset),
                cut.last.eq(last),
                cut.tag.eq(plan.tag),
                cut.error.eq(~plan.empty & (held.error | (shares & self.beats.payload.error))),
                cut.bytes.eq(p.data_bytes),
            ]
            with m.If(last):
                m.d.sync += cut.bytes.eq(plan.last_bytes)
        mask = Cat((cut.bytes > k).replicate(8) for k in range(p.data_bytes))
        with m.If(~self.chunks.valid | self.chunks.ready):
            m.d.sync += [
                self.chunks.valid.eq(valid),
                chunk.data.eq((part >> Cat(Const(0, 3), cut.fine)) & mask),
                chunk.bytes.eq(cut.bytes),
                chunk.last.eq(cut.last),
                chunk.tag.eq(cut.tag),
                chunk.error.eq(cut.error),
            ]
