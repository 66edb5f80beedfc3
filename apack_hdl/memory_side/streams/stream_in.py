"""The accelerator's values on their way in."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from ...arithmetic import select
from ...registers import payload_register
from ..axi.ports import axi_stream
from ..layouts import beat_layout, job_layout
from ..parameters import MemorySide
from .units import UnitStore

TRANSFER_FIELDS = ("length", "block", "width", "dense", "signed")


def transfer_layout(p: MemorySide) -> data.StructLayout:
    """What the streams' ends have to know of a job; fields as in :func:`..layouts.job_layout`."""
    fields = job_layout(p).members
    return data.StructLayout({name: fields[name] for name in TRANSFER_FIELDS})


class StreamIn(wiring.Component):
    """Cuts an AXI4-Stream into beats of V codes and these into blocks.

    Values have a container of 8 or 16 bits each, of which the low bits count; or, if the job says ``dense``, w bits
    each, the first value in the lowest bits of the first beat, none left out between them. Only the beats that the
    job needs are taken. TLAST may be left out; before the job's last beat it is an error (``short``): the packet has
    ended, and no more is taken.

    One beat a cycle. ``stream.tready`` depends combinationally on ``beats.ready``.

    Members
    -------
    stream : AXI4-Stream, in. TKEEP is not looked at.
    begin : In, stream of :func:`transfer_layout`, one for each job; taken when nothing is left of the one before.
    beats : Out, stream of beats.
    short : Out(1), the packet ended early; until ``clear``.
    clear : In(1), forget the job.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "stream": In(axi_stream(p.stream_width)),
            "begin": In(stream.Signature(transfer_layout(p))),
            "beats": Out(stream.Signature(beat_layout(p))),
            "short": Out(1),
            "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, V, K = self.p, self.p.beat_values, self.p.value_bits
        beat = payload_register(m, self.beats)
        self.job = job = Signal(transfer_layout(p), reset_less=True)
        busy = Signal()  # values of the job have not left yet
        left = Signal(32, reset_less=True)  # so many
        final = Signal(reset_less=True)  # they are one beat at most: a register, as much hangs on it
        second = Signal(reset_less=True)  # two beats
        room = Signal.like(job.block, reset_less=True)  # values that the block still takes
        rest = Signal(bits_for(V), reset_less=True)  # values of the job's last beat
        rest_units = Signal(bits_for(K), reset_less=True)  # and the units they reach into
        usual = Signal(bits_for(K), reset_less=True)  # units of any other beat
        ends = Signal()
        need = Signal(bits_for(K))
        give = Signal()
        store = UnitStore(m, p, drop=give, units=need)
        free = Signal()
        enough = Signal()
        for_both = Signal()
        wanted = Signal()
        over = Signal()
        m.d.comb += [
            ends.eq(final | (room <= V)),
            need.eq(Mux(final, rest_units, usual)),
            free.eq(~self.beats.valid | self.beats.ready),
            enough.eq(store.level >= need),
            give.eq(busy & enough & free),
            # No more is taken than the next beat of values needs: what follows may be another job's. Both cases are
            # worked out beside the choice of ``give``, not behind it.
            for_both.eq(store.level >= need + Mux(second, rest_units, usual)),
            wanted.eq(busy & (~enough | (free & ~final & ~for_both))),
            self.stream.tready.eq(wanted & ~over),
            self.begin.ready.eq(~busy),
        ]
        with m.If(self.beats.ready):
            m.d.sync += self.beats.valid.eq(0)
        with m.If(give):
            m.d.sync += [
                self.beats.valid.eq(1), busy.eq(~final), left.eq(left - V), final.eq(left <= 2 * V),
                second.eq(left <= 3 * V), room.eq(Mux(ends, job.block, room - V)),
                beat.values.eq(self._values(m, store.units)), beat.count.eq(Mux(final, rest, V)), beat.last.eq(ends),
            ]
        with m.If(self.stream.tvalid & self.stream.tready):
            store.add(m, self.stream.tdata, K)
            m.d.sync += over.eq(self.stream.tlast)
        with m.If(wanted & over):
            m.d.sync += self.short.eq(1)
        with m.If(self.begin.valid & self.begin.ready):
            begin = self.begin.p
            last_beat = Signal(bits_for(V))
            m.d.comb += last_beat.eq(Mux(begin.length[: exact_log2(V)] == 0, V, begin.length[: exact_log2(V)]))
            units = (last_beat * Mux(begin.dense, begin.width, K) + (V - 1)) >> exact_log2(V)
            m.d.sync += [
                job.eq(begin), busy.eq(begin.length != 0), left.eq(begin.length), final.eq(begin.length <= V),
                second.eq(begin.length <= 2 * V), room.eq(begin.block), rest.eq(last_beat), over.eq(0),
                rest_units.eq(Mux(begin.dense, units, K)), usual.eq(Mux(begin.dense, begin.width, K)),
            ]
            store.clear(m)
        with m.If(self.clear):
            m.d.sync += [busy.eq(0), self.beats.valid.eq(0), self.short.eq(0)]
        return m

    def _values(self, m, store):
        """The next V values in their containers."""
        p, V, K, job = self.p, self.p.beat_values, self.p.value_bits, self.job
        widths = range(2, p.codec.width + 1)
        chosen = Cat(~job.dense, (job.dense & (job.width == w) for w in widths))
        mask = Signal(K)  # the bits of a container that count
        m.d.comb += mask.eq(Cat(job.width > bit for bit in range(K)))
        forms = [store[: p.stream_width]]
        forms += [Cat(store.bit_select(v * w, w) | Const(0, K) for v in range(V)) for w in widths]
        values = select(m, chosen, forms, "values")
        return values & mask.replicate(V)
