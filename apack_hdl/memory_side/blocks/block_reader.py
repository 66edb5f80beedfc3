"""From a job to what has to be read for it: directory, blocks, in the order of the blocks."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...registers import payload_register
from ..layouts import ID_BITS, SIZE_BITS, chunk_layout, job_layout, range_layout
from ..parameters import MemorySide
from .directory import Directory


def tag_layout(p: MemorySide) -> data.StructLayout:
    """What is known of bytes when they are asked for. ``block``: they are of a block, else of the directory;
    ``offsets``: of its offset stream or its raw codes, else of its symbol stream; ``raw``, ``count_m1``: of the
    block."""
    return data.StructLayout({"block": 1, "offsets": 1, "raw": 1, "count_m1": p.count_bits})


class BlockReader(wiring.Component):
    """Asks for the bytes of a job's blocks as soon as there is a decoder for each.

    A block takes 5 cycles from its entry to its last range, and the next one's begins then.

    Members
    -------
    job : In, layout of a job, while it lasts; it begins with ``begin`` (In, 1).
    hold : In(1), do not ask for blocks yet; the directory is read nevertheless.
    ranges : Out, stream of ranges with tags of :func:`tag_layout`.
    directory : In, stream of chunks: those that are not of a block.
    reserve : Out, stream: a place in a decoder, for the block with this ``id``.
    expected : Out, stream: the checksum of each block in turn.
    blocks : Out(32), blocks that have been asked for. ``stored_bytes`` : Out(40), their bytes.
    done : Out(1), all have been asked for.
    corrupt : Out(1), block number ``blocks`` cannot have the sizes that its entry gives.
    starved : Out(1), there is a block to ask for, but no place in a decoder.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "job": In(job_layout(p)), "begin": In(1), "hold": In(1),
            "ranges": Out(stream.Signature(range_layout(p, tag_layout(p).size))),
            "directory": In(stream.Signature(chunk_layout(p))),
            "reserve": Out(stream.Signature(data.StructLayout({"id": ID_BITS}))),
            "expected": Out(stream.Signature(32)),
            "blocks": Out(32), "stored_bytes": Out(40), "done": Out(1), "corrupt": Out(1), "starved": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, job = self.p, self.job
        m.submodules.index = index = Directory(p)
        m.d.comb += [
            index.job.eq(job), index.begin.eq(self.begin),
            index.chunks.valid.eq(self.directory.valid), self.directory.ready.eq(index.chunks.ready),
            index.chunks.p.eq(self.directory.p),
        ]
        # One range at a time: of the directory, which is rare and urgent, or of a block.
        asked = payload_register(m, self.ranges)
        free = Signal()
        wanted = Signal()
        mine = Signal(range_layout(p, tag_layout(p).size))
        m.d.comb += [free.eq(~self.ranges.valid | self.ranges.ready), index.ranges.ready.eq(free)]
        with m.If(self.ranges.ready):
            m.d.sync += self.ranges.valid.eq(0)
        with m.If(free & index.ranges.valid):
            m.d.sync += [
                self.ranges.valid.eq(1), asked.tag.eq(0),
                asked.address.eq(index.ranges.p.address), asked.bytes.eq(index.ranges.p.bytes),
            ]
        with m.Elif(free & wanted):
            m.d.sync += [self.ranges.valid.eq(1), asked.eq(mine)]
        self._ask(m, index, mine, wanted, free & ~index.ranges.valid)
        return m

    def _ask(self, m: Module, index: Directory, mine, wanted: Signal, taken):
        """Block by block: its entry, the sizes it may have, a place for it, its two streams."""
        p, job = self.p, self.job
        left = Signal(32)  # values of the blocks that have not been asked for
        address = Signal(p.address_width, reset_less=True)  # of the block
        entry = Signal(index.entries.p.shape(), reset_less=True)
        count = Signal(range(p.codec.block + 1), reset_less=True)
        raw_bits = Signal(SIZE_BITS + 4, reset_less=True)
        size = Signal(SIZE_BITS + 1, reset_less=True)
        raw = Signal()
        tag = Signal(tag_layout(p))
        m.d.comb += [
            raw.eq(entry.symbol_bytes == 0),
            tag.block.eq(1), tag.raw.eq(raw), tag.count_m1.eq(count - 1), mine.tag.eq(tag),
            self.reserve.p.id.eq(self.blocks), self.expected.payload.eq(entry.crc32),
            self.done.eq(left == 0),
        ]
        with m.FSM():
            with m.State("ENTRY"):
                m.d.comb += index.entries.ready.eq((left != 0) & ~self.hold & ~self.corrupt)
                m.d.sync += [entry.eq(index.entries.p), count.eq(Mux(left <= job.block, left, job.block))]
                with m.If(index.entries.valid & index.entries.ready):
                    m.next = "SIZES"
            with m.State("SIZES"):
                m.d.sync += [raw_bits.eq(count * job.width), size.eq(entry.symbol_bytes + entry.offset_bytes)]
                m.next = "CHECK"
            with m.State("CHECK"):
                raw_bytes = Signal(SIZE_BITS + 1)
                possible = Signal()
                m.d.comb += [
                    raw_bytes.eq((raw_bits + 7) >> 3),
                    possible.eq(Mux(raw, size == raw_bytes, size < raw_bytes)),
                    self.expected.valid.eq(possible),
                ]
                with m.If(~possible):
                    m.d.sync += self.corrupt.eq(1)
                    m.next = "ENTRY"
                with m.Elif(self.expected.ready):
                    m.next = "PLACE"
            with m.State("PLACE"):
                m.d.comb += [self.reserve.valid.eq(1), self.starved.eq(~self.reserve.ready)]
                with m.If(self.reserve.ready):
                    m.next = "SYMBOLS"
            with m.State("SYMBOLS"):
                m.d.comb += [wanted.eq(1), mine.address.eq(address), mine.bytes.eq(entry.symbol_bytes)]
                with m.If(taken):
                    m.d.sync += address.eq(address + Mux(job.slots, 0, entry.symbol_bytes))
                    m.next = "OFFSETS"
            with m.State("OFFSETS"):
                # With slots the address moves on by whole slots, so the streams' own sizes are added on the way only.
                begin = Signal(p.address_width)
                m.d.comb += [
                    begin.eq(address + Mux(job.slots, entry.symbol_bytes, 0)),
                    wanted.eq(1), tag.offsets.eq(1), mine.address.eq(begin), mine.bytes.eq(entry.offset_bytes),
                ]
                with m.If(taken):
                    m.d.sync += [
                        address.eq(address + Mux(job.slots, job.slot_bytes, entry.offset_bytes)),
                        left.eq(left - count), self.blocks.eq(self.blocks + 1),
                        self.stored_bytes.eq(self.stored_bytes + size),
                    ]
                    m.next = "ENTRY"
        with m.If(self.begin):
            m.d.sync += [
                left.eq(job.length), address.eq(job.data_address), self.blocks.eq(0), self.stored_bytes.eq(0),
                self.corrupt.eq(0),
            ]
