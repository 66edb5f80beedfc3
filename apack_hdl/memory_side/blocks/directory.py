"""The directory of stored blocks, read ahead."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ...arithmetic import select
from ...registers import payload_register
from ..layouts import SIZE_BITS, chunk_layout, job_layout
from ..parameters import MemorySide

ENTRY_BYTES = 8
LINE_ENTRIES = 8  # read at a time: 64 bytes, what memories transfer at least


def stored_layout() -> data.StructLayout:
    """An entry as it lies in memory (FORMAT.md 5.3)."""
    return data.StructLayout({"symbol_bytes": SIZE_BITS, "offset_bytes": SIZE_BITS, "crc32": 32})


class Directory(wiring.Component):
    """Reads the entries of a job's blocks, eight at a time, two such lines ahead, and none that the job does not need.

    An entry can be taken every second cycle.

    Members
    -------
    job : In, layout of a job, while it lasts; it begins with ``begin`` (In, 1), when all of the one before is over.
    ranges : Out, stream of ``address`` and ``bytes``: lines to read.
    chunks : In, stream of chunks: their bytes. Taken at once: a line is asked for when there is room for it.
    entries : Out, stream of :func:`stored_layout`.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        line = data.StructLayout({"address": p.address_width, "bytes": SIZE_BITS})
        super().__init__({
            "job": In(job_layout(p)), "begin": In(1),
            "ranges": Out(stream.Signature(line)),
            "chunks": In(stream.Signature(chunk_layout(p))),
            "entries": Out(stream.Signature(stored_layout())),
        })

    def elaborate(self, platform):
        m = Module()
        asked = Signal(range(3))  # lines that have been asked for and are not used up
        used_up = Signal()
        asking = Signal()
        m.d.comb += asking.eq(self.ranges.valid & self.ranges.ready)
        self._ask(m, asked)
        self._give(m, used_up)
        with m.If(asking != used_up):
            m.d.sync += asked.eq(Mux(asking, asked + 1, asked - 1))
        return m

    def _ask(self, m: Module, asked: Signal):
        """Ask for lines. How many entries the last one has comes from subtracting blocks: nothing is divided."""
        left = Signal(32)  # values of blocks whose entries are not yet in a line
        count = Signal(range(LINE_ENTRIES + 1))
        line = self.ranges.p
        address = Signal(self.p.address_width, reset_less=True)
        m.d.comb += [line.address.eq(address), line.bytes.eq(count << 3)]
        full = Signal()
        m.d.comb += [
            full.eq((count == LINE_ENTRIES) | ((left == 0) & (count != 0))),
            self.ranges.valid.eq(full & (asked != 2)),
        ]
        with m.If(self.ranges.valid & self.ranges.ready):
            m.d.sync += [address.eq(address + LINE_ENTRIES * ENTRY_BYTES), count.eq(0)]
        with m.Elif(~full & (left != 0)):
            m.d.sync += [count.eq(count + 1), left.eq(Mux(left <= self.job.block, 0, left - self.job.block))]
        with m.If(self.begin):
            m.d.sync += [left.eq(self.job.length), address.eq(self.job.directory_address), count.eq(0)]

    def _give(self, m: Module, used_up: Signal):
        """Lines come in piece by piece, and leave entry by entry."""
        size = self.p.data_bytes
        pieces = max(1, LINE_ENTRIES * ENTRY_BYTES // size)
        lines = [Signal(8 * ENTRY_BYTES * LINE_ENTRIES, name=f"line{k}", reset_less=True) for k in range(2)]
        counts = [Signal(range(LINE_ENTRIES + 1), name=f"count{k}") for k in range(2)]  # entries not given yet
        whole = Signal(2)
        piece = Signal(bits_for(max(1, pieces - 1)))
        coming = Signal()
        going = Signal()
        bytes_here = Signal(bits_for(LINE_ENTRIES * ENTRY_BYTES))
        payload = payload_register(m, self.entries)
        m.d.comb += [
            self.chunks.ready.eq(1),
            bytes_here.eq(piece * size + self.chunks.p.bytes),
        ]
        with m.If(self.chunks.valid):
            m.d.sync += piece.eq(Mux(self.chunks.p.last, 0, piece + 1))
            for k in range(2):
                with m.If(coming == k):
                    for at in range(pieces):
                        with m.If(piece == at):
                            m.d.sync += lines[k][8 * size * at : 8 * size * (at + 1)].eq(self.chunks.p.data)
                    with m.If(self.chunks.p.last):
                        m.d.sync += [counts[k].eq(bytes_here >> 3), whole[k].eq(1)]
            with m.If(self.chunks.p.last):
                m.d.sync += coming.eq(~coming)
        with m.If(self.entries.ready):
            m.d.sync += self.entries.valid.eq(0)
        here = Signal()
        give = Signal()
        m.d.comb += [here.eq(Mux(going, whole[1], whole[0])), give.eq(here & ~self.entries.valid)]
        first = select(m, Cat(~going, going), [line[: 8 * ENTRY_BYTES] for line in lines], "first")
        with m.If(give):
            m.d.sync += [self.entries.valid.eq(1), Value.cast(payload).eq(first)]
            for k in range(2):
                with m.If(going == k):
                    m.d.sync += [lines[k].eq(lines[k] >> 8 * ENTRY_BYTES), counts[k].eq(counts[k] - 1)]
                    with m.If(counts[k] == 1):
                        m.d.sync += [whole[k].eq(0), going.eq(~going)]
                        m.d.comb += used_up.eq(1)
