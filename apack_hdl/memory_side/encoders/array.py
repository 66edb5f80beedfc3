"""The encoders of a chip, with one port for all of them."""

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect
from amaranth.utils import bits_for

from ...layouts import row_load_layout
from ..layouts import beat_layout, chunk_layout, drain_layout, head_layout, take_layout
from ..parameters import MemorySide
from ..parts.dealing import RADIX, Fork, Gather, Spread, tree
from ..parts.place import place
from ..parts.spare import Spare
from .cell import EncoderCell


class EncoderArray(wiring.Component):
    """E encoder cells: block k goes to cell k mod E, and blocks leave in the order in which they came.

    Between the ports and the cells are trees of registers, 8 branches on each: L = 0 levels for one cell, 1 for up to
    8, 2 for up to 64. With more than one cell ``fill.ready`` and ``take.ready`` are registers'. That of ``load``
    depends combinationally on those of the cells, from level to level; so do those of the cells' heads on
    ``head.ready``. ``coded`` and ``raw`` come from registers, and no path goes on from their ``ready``.

    E values per cycle, less a cycle per block and cell, if beats come and data go in time: that takes blocks of n
    values and c chunks with n >= E c, as the cells share the ports, and n >= c + 14 + 2 L (see :class:`EncoderCell`).
    Latencies, with one stream and L levels, nothing stalling, a block of n values: from its first beat to its head
    ``HEAD_CYCLES`` + n + 2 L; from its ``take`` to its data ``DATA_CYCLES`` + 2 L, or right behind the last block's:
    then there is no cycle between blocks of different cells, and one between those of a single cell.

    Members
    -------
    load : stream of N rows, in, for all encoders. ``clear`` : In, forget everything; it takes effect in the cycle
        after, in which nothing is taken or offered.
    fill : stream of beats, in.
    head : stream out: an encoded block, in turn. For each one taken a ``take``, stream in, must come: what to do with
        it. Further heads may be taken before that, and before its data have come.
    coded : stream of chunks out: of each block to be coded the symbols, then the offsets, each from the beginning of a
        chunk. ``raw`` : stream of beats out, of each block to be raw. Both in the order of the blocks.
    busy : Out(1), a block is in here: from the cycle after its first beat was taken, to its last chunk or beat.
    """

    HEAD_CYCLES = EncoderCell.HEAD_CYCLES
    DATA_CYCLES = EncoderCell.DATA_CYCLES + 1

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "load": In(stream.Signature(row_load_layout(p.codec))),
            "clear": In(1),
            "fill": In(stream.Signature(beat_layout(p))),
            "head": Out(stream.Signature(head_layout(p))),
            "take": In(stream.Signature(take_layout())),
            "coded": Out(stream.Signature(chunk_layout(p))),
            "raw": Out(stream.Signature(beat_layout(p))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.p
        clear = Signal()
        m.d.sync += clear.eq(self.clear)
        cells = [place(m, platform, f"cell_{k}", EncoderCell(p)) for k in range(p.engines)]
        m.d.comb += [cell.clear.eq(clear) for cell in cells]

        def joined(name, node):
            return tree(m, name, [getattr(cell, name) for cell in cells], node, clear)

        fill = joined("fill", lambda shares: Spread(beat_layout(p), shares, "last"))
        take = joined("take", lambda shares: Spread(take_layout(), shares))
        load = joined("load", lambda shares: Fork(row_load_layout(p.codec), len(shares)))
        head = joined("head", lambda shares: Gather(head_layout(p), shares))
        drain = joined("data", lambda shares: Gather(drain_layout(p), shares, "end"))

        for outer, inner in ((self.fill, fill), (self.take, take), (self.load, load)):
            m.d.comb += [
                inner.valid.eq(outer.valid & ~clear), inner.payload.eq(outer.payload),
                outer.ready.eq(inner.ready & ~clear),
            ]
        out = Spare(drain_layout(p))  # or else the path of a `ready` from outside would go on to the cells' memories
        m.submodules.out = ResetInserter(clear)(out)
        connect(m, drain, out.i)
        self._give(m, out.o, clear)
        self._count(m, out.o, clear)
        m.d.comb += [
            self.head.valid.eq(head.valid & ~clear), self.head.payload.eq(head.payload),
            head.ready.eq(self.head.ready),
        ]
        return m

    def _give(self, m: Module, drain, clear):
        """What comes out of the tree to the port where it belongs."""
        data = drain.payload
        m.d.comb += [
            self.coded.valid.eq(drain.valid & ~data.raw & ~clear),
            self.coded.payload.data.eq(data.data), self.coded.payload.bytes.eq(data.count),
            self.coded.payload.last.eq(data.last),
            self.raw.valid.eq(drain.valid & data.raw & ~clear),
            self.raw.payload.values.eq(data.data), self.raw.payload.count.eq(data.count),
            self.raw.payload.last.eq(data.last),
            drain.ready.eq(Mux(data.raw, self.raw.ready, self.coded.ready)),
        ]

    def _count(self, m: Module, drain, clear):
        """Blocks in here, those under way in the trees too."""
        within = Signal()
        comes = Signal()
        leaves = Signal()
        blocks = Signal(bits_for(self._most_blocks()))
        take = self.fill.valid & self.fill.ready
        m.d.comb += [
            comes.eq(take & ~within),
            leaves.eq(drain.valid & drain.ready & drain.payload.end),
            self.busy.eq((blocks != 0) & ~clear),
        ]
        with m.If(take):
            m.d.sync += within.eq(~self.fill.payload.last)
        with m.If(comes & ~leaves):
            m.d.sync += blocks.eq(blocks + 1)
        with m.If(leaves & ~comes):
            m.d.sync += blocks.eq(blocks - 1)
        with m.If(clear):
            m.d.sync += [within.eq(0), blocks.eq(0)]

    def _most_blocks(self) -> int:
        """In all places, and, of a single beat each, in all registers."""
        cells, lanes = self.p.engines, self.p.encoder_lanes
        return 3 * cells * lanes + 2 * cells + 4 * RADIX
