"""Decoded values on their way to the accelerator."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ...arithmetic import select
from ..axi.ports import axi_stream
from ..layouts import ID_BITS, out_beat_layout
from ..parameters import MemorySide
from .stream_in import transfer_layout
from .units import UnitStore


class StreamOut(wiring.Component):
    """Makes an AXI4-Stream of beats of decoded values.

    Values have a container of 8 or 16 bits each, sign-extended if the job says ``signed``; or, if it says ``dense``,
    w bits each, the first value in the lowest bits, none left out between them.

    A job is a packet: TLAST ends it. In a block by id each of its blocks is one, with the block's number as TID.
    TUSER, with TLAST, says that the job has failed: that beat has no bytes then, and what came before it is not all
    there is.

    Two cycles from a beat to the stream; one beat a cycle. All outputs but ``beats.ready`` are registered; it depends
    combinationally on ``stream.tready``.

    Members
    -------
    beats : In, stream of beats.
    begin : In, stream of :func:`.stream_in.transfer_layout`, one for each job; taken when the one before has left.
    stream : AXI4-Stream, out.
    fail : In(1), drop what is left of the job, and end its packet so. Held until ``idle``.
    idle : Out(1), all of the job has been taken.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        self.by_id = p.order == "by id"
        super().__init__({
            "beats": In(stream.Signature(out_beat_layout(p))),
            "begin": In(stream.Signature(transfer_layout(p))),
            "stream": Out(axi_stream(p.stream_width, user_width=1, id_width=ID_BITS if self.by_id else 0)),
            "fail": In(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, out, beat, V, K = self.p, self.stream, self.beats.p, self.p.beat_values, self.p.value_bits
        beat_bytes = p.stream_width // 8
        self.job = job = Signal(transfer_layout(p), reset_less=True)
        left = Signal(32)  # values of the job that have not come yet
        flush = Signal()  # the packet ends
        tail = Signal(bits_for(2 * beat_bytes), reset_less=True)  # bytes left of it
        number = Signal(ID_BITS, reset_less=True)  # of the block that is in the store
        full = Signal()
        units = Signal(bits_for(K))
        width = Signal(bits_for(K))
        give = Signal()
        last = Signal()
        free = Signal()
        ends = Signal()
        store = UnitStore(m, p, drop=give, units=units)
        m.d.comb += [
            full.eq(store.level >= K),
            units.eq(Mux(full, K, store.level)),
            width.eq(Mux(job.dense, job.width, K)),
            free.eq(~out.tvalid | out.tready),
            last.eq(flush & (tail <= beat_bytes)),
            give.eq(free & (full | flush)),
            self.beats.ready.eq((left != 0) & (store.kept < K) & ~flush & ~self.fail),
            ends.eq((left == beat.count) | (beat.last & self.by_id)),
            self.idle.eq((left == 0) & ~flush & (store.level == 0) & ~out.tvalid),
            self.begin.ready.eq(self.idle & ~self.fail),
        ]
        with m.If(out.tready):
            m.d.sync += out.tvalid.eq(0)
        with m.If(give):
            m.d.sync += [
                out.tvalid.eq(1), out.tdata.eq(store.units), out.tlast.eq(last), out.tuser.eq(0),
                out.tkeep.eq(Cat(~last | (tail > n) for n in range(beat_bytes))),
                flush.eq(flush & ~last), tail.eq(tail - beat_bytes),
            ]
            if self.by_id:
                m.d.sync += out.tid.eq(number)
            with m.If(last):  # units behind the last value hold nothing
                store.clear(m)
        with m.If(self.beats.valid & self.beats.ready):
            store.add(m, self._bits(m, beat), width)
            bits = (store.kept << exact_log2(V)) + beat.count * width
            m.d.sync += [left.eq(left - beat.count), flush.eq(ends), tail.eq((bits + 7) >> 3), number.eq(beat.id)]
        with m.If(self.begin.valid & self.begin.ready):
            m.d.sync += [job.eq(self.begin.p), left.eq(self.begin.p.length)]
            store.clear(m)
        with m.If(self.fail & free):
            # What had been offered has been taken; then this, unless the packet has ended.
            unfinished = (left != 0) | flush | (store.level != 0)
            m.d.sync += [
                left.eq(0), flush.eq(0), out.tvalid.eq(unfinished), out.tkeep.eq(0), out.tlast.eq(1), out.tuser.eq(1),
            ]
            store.clear(m)
        return m

    def _bits(self, m: Module, beat):
        """The beat's values as the job wants them, from bit 0 on, and zeros."""
        p, K, job = self.p, self.p.value_bits, self.job
        widths = range(2, p.codec.width + 1)
        sign = Signal(K)  # the bits of a container above a value that is negative
        whole = [Signal(K, name=f"whole{k}") for k in range(len(beat.values))]
        m.d.comb += sign.eq(Cat(job.signed & (job.width <= bit) for bit in range(K)))
        for k, (container, value) in enumerate(zip(whole, beat.values, strict=True)):
            top = select(m, Cat(job.width == w for w in widths), [value[w - 1] for w in widths], f"sign{k}")
            m.d.comb += container.eq((value | (sign & top.replicate(K))) & (beat.count > k).replicate(K))
        forms = [Cat(whole), *(Cat(v[:w] for v in whole) for w in widths)]
        return select(m, Cat(~job.dense, (job.dense & (job.width == w) for w in widths)), forms, "bits")
