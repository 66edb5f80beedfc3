"""From coded blocks to bytes in memory: coded or raw, where to, and their entries in the directory."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..layouts import (
    SIZE_BITS,
    beat_layout,
    chunk_layout,
    entry_layout,
    head_layout,
    job_layout,
    write_range_layout,
)
from ..parameters import MemorySide
from ..parts.fifo import Fifo
from ..parts.flow import fork
from .crc import Crc32
from .raw_packer import RawPacker

AHEAD = 4  # blocks between the choice of their form and their entry


class BlockWriter(wiring.Component):
    """Takes coded blocks out of the encoders, chooses the shorter form, and has it written with its directory entry.

    A block takes its chunks and some cycles more, 4 at least from one block's choice to the next one's.

    Members
    -------
    job : In, layout of a job, while it lasts; it begins with ``begin`` (In, 1).
    head, coded, raw : In; take : Out: the array of encoders, see :class:`..encoders.array.EncoderArray`.
    ranges, chunks, entries : Out: the writer, see :class:`..axi.writer.AxiWriter`.
    blocks : Out(32), entries that have been handed over.
    stored_bytes : Out(40), bytes of the blocks chosen so far.
    done : Out(1), the last block's entry has been handed over.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "job": In(job_layout(p)), "begin": In(1),
            "head": In(stream.Signature(head_layout(p))),
            "take": Out(stream.Signature(data.StructLayout({"raw": 1}))),
            "coded": In(stream.Signature(chunk_layout(p))),
            "raw": In(stream.Signature(beat_layout(p))),
            "ranges": Out(stream.Signature(write_range_layout(p))),
            "chunks": Out(stream.Signature(chunk_layout(p))),
            "entries": Out(stream.Signature(entry_layout(p))),
            "blocks": Out(32), "stored_bytes": Out(40), "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.packer = packer = RawPacker(p)
        m.submodules.crc = crc = Crc32(p)
        m.submodules.routes = routes = Fifo(data.StructLayout({"raw": 1}), AHEAD)
        sizes_layout = data.StructLayout({"symbol_bytes": SIZE_BITS, "offset_bytes": SIZE_BITS, "final": 1})
        m.submodules.sizes = sizes = Fifo(sizes_layout, AHEAD)
        connect(m, flipped(self.raw), packer.beats)
        m.d.comb += packer.width.eq(self.job.width)
        self._choose(m, routes, sizes)
        self._pass_chunks(m, routes, packer, crc)
        self._enter(m, sizes, crc)
        return m

    def _choose(self, m: Module, routes: Fifo, sizes: Fifo):
        """The form of each block, in four steps: its head, both sizes, the choice, and who has to know of it."""
        p, job = self.p, self.job
        head = Signal(head_layout(p), reset_less=True)
        left = Signal(32, reset_less=True)  # values of the blocks that have not come yet
        raw_bits = Signal(SIZE_BITS + 4, reset_less=True)
        coded_bytes = Signal(SIZE_BITS + 1, reset_less=True)
        raw = Signal()
        final = Signal()
        address = Signal(p.address_width, reset_less=True)
        size = Signal(SIZE_BITS, reset_less=True)
        told = Signal(4)  # to whom the choice has gone
        told_all = Signal()
        sinks = [self.take, self.ranges, routes.i, sizes.i]
        m.d.comb += [
            self.take.p.raw.eq(raw), routes.i.p.raw.eq(raw),
            self.ranges.p.address.eq(address), self.ranges.p.bytes.eq(size), self.ranges.p.flush.eq(final | job.slots),
            sizes.i.p.symbol_bytes.eq(Mux(raw, 0, head.symbol_bytes)),
            sizes.i.p.offset_bytes.eq(Mux(raw, size, head.offset_bytes)),
            sizes.i.p.final.eq(final),
        ]
        with m.FSM():
            with m.State("HEAD"):
                m.d.comb += self.head.ready.eq(1)
                m.d.sync += head.eq(self.head.p)
                with m.If(self.head.valid):
                    m.next = "SIZES"
            with m.State("SIZES"):
                values = Signal(p.count_bits + 1)
                m.d.comb += values.eq(head.count_m1 + 1)
                m.d.sync += [
                    raw_bits.eq(values * job.width), coded_bytes.eq(head.symbol_bytes + head.offset_bytes),
                    final.eq(left == values), left.eq(left - values),
                ]
                m.next = "CHOICE"
            with m.State("CHOICE"):
                raw_bytes = Signal(SIZE_BITS)
                no_gain = Signal()
                m.d.comb += [
                    raw_bytes.eq((raw_bits + 7) >> 3),
                    no_gain.eq(head.failed | (coded_bytes >= raw_bytes)),
                ]
                m.d.sync += [raw.eq(no_gain), size.eq(Mux(no_gain, raw_bytes, coded_bytes)), told.eq(0)]
                m.next = "TELL"
            with m.State("TELL"):
                m.d.comb += [sink.valid.eq(~told[k]) for k, sink in enumerate(sinks)]
                m.d.comb += told_all.eq(1)
                for k, sink in enumerate(sinks):
                    with m.If(sink.ready):
                        m.d.sync += told[k].eq(1)
                    with m.Elif(~told[k]):
                        m.d.comb += told_all.eq(0)
                with m.If(told_all):
                    m.d.sync += [
                        self.stored_bytes.eq(self.stored_bytes + size),
                        address.eq(address + Mux(job.slots, job.slot_bytes, size)),
                    ]
                    m.next = "HEAD"
        with m.If(self.begin):
            m.d.sync += [left.eq(job.length), address.eq(job.data_address), self.stored_bytes.eq(0)]

    def _pass_chunks(self, m: Module, routes: Fifo, packer: RawPacker, crc: Crc32):
        """The chunks of a block in the form that was chosen, to the writer and the checksum."""
        raw = Signal()
        offsets = Signal()
        end = Signal()
        source = Signal(chunk_layout(self.p))
        offered = Signal()
        ready = Signal()
        m.d.comb += [
            raw.eq(routes.o.p.raw),
            source.eq(Mux(raw, packer.chunks.p.as_value(), self.coded.p.as_value())),
            offered.eq(routes.o.valid & Mux(raw, packer.chunks.valid, self.coded.valid)),
            end.eq(source.last & (raw | offsets)),
            packer.chunks.ready.eq(routes.o.valid & raw & ready),
            self.coded.ready.eq(routes.o.valid & ~raw & ready),
            routes.o.ready.eq(offered & ready & end),
            self.chunks.p.eq(source.as_value()),
        ]
        m.d.comb += [crc.chunks.p[name].eq(source[name]) for name in chunk_layout(self.p).members]
        m.d.comb += crc.chunks.p.end.eq(end)
        m.d.comb += ready.eq(fork(m, "chunks", offered, self.chunks, crc.chunks))
        with m.If(offered & ready):
            m.d.sync += offsets.eq((offsets | source.last) & ~end)

    def _enter(self, m: Module, sizes: Fifo, crc: Crc32):
        """The entry of a block whose bytes have all been handed over."""
        entry = self.entries.p
        address = Signal(self.p.address_width, reset_less=True)
        both = Signal()
        m.d.comb += [
            both.eq(sizes.o.valid & crc.crc.valid),
            self.entries.valid.eq(both),
            sizes.o.ready.eq(both & self.entries.ready),
            crc.crc.ready.eq(both & self.entries.ready),
            entry.address.eq(address),
            entry.symbol_bytes.eq(sizes.o.p.symbol_bytes),
            entry.offset_bytes.eq(sizes.o.p.offset_bytes),
            entry.crc32.eq(crc.crc.payload),
            entry.flush.eq(sizes.o.p.final),
        ]
        with m.If(both & self.entries.ready):
            m.d.sync += [address.eq(address + 8), self.blocks.eq(self.blocks + 1), self.done.eq(sizes.o.p.final)]
        with m.If(self.begin):
            m.d.sync += [address.eq(self.job.directory_address), self.blocks.eq(0), self.done.eq(0)]
