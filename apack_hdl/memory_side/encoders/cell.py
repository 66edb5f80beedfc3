"""An encoder with its buffers, the unit of which a chip has as many as it likes."""

from amaranth import Module, ResetInserter
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ...encoder import Encoder
from ...layouts import row_load_layout
from ..layouts import beat_layout, drain_layout, head_layout, take_layout
from ..parameters import MemorySide
from ..parts.dealing import Gather, Spread
from .lane import EncoderLane
from .words import WORD


class EncoderCell(wiring.Component):
    """An encoder of S streams and, for each of them, an :class:`EncoderLane`; blocks go to the streams in turn.

    With one stream the ports are the lane's. With more there is a register before, or behind, each of them.

    One value per cycle and one cycle more per block, if beats come and data go in time: a place is taken from a
    block's first beat to its last chunk, and there are two for a stream. With one stream, n values and c chunks, and a
    head answered by a ``take`` in the next cycle, n >= c + 14 suffices; where it does not, c + 14 - n cycles are lost
    every other block. Latencies with one stream, nothing stalling: from a block's first beat to its head
    ``HEAD_CYCLES`` + n, from a ``take`` to the first chunk or beat ``DATA_CYCLES``; a cycle without data between two
    blocks.

    Members
    -------
    load : stream of N rows, in. ``clear`` : In, forget everything, also the table's being loaded.
    fill : stream of beats, in. Not more than the codec's longest block in a block.
    head : stream out, of each block in turn. ``take`` : stream in, for each head taken, in their order.
    data : stream out, of the blocks in their order, raw or coded.
    """

    module = "encoder_cell"
    HEAD_CYCLES = 12
    DATA_CYCLES = 4

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "load": In(stream.Signature(row_load_layout(p.codec))),
            "clear": In(1),
            "fill": In(stream.Signature(beat_layout(p))),
            "head": Out(stream.Signature(head_layout(p))),
            "take": In(stream.Signature(take_layout())),
            "data": Out(stream.Signature(drain_layout(p))),
        })

    def elaborate(self, platform):
        m = Module()
        S = self.p.encoder_lanes

        def add(name, part):
            m.submodules[name] = ResetInserter(self.clear)(part)
            return part

        encoder = add("encoder", Encoder(self.p.codec, **self.p.encoder | {"word": WORD, "banks": 1}))
        connect(m, flipped(self.load), encoder.load)
        lanes = [add(f"lane_{s}", EncoderLane(self.p)) for s in range(S)]
        for s, lane in enumerate(lanes):
            values, symbols, offsets = (
                getattr(encoder, name) if S == 1 else getattr(encoder, name)[s]
                for name in ("values", "symbols", "offsets")
            )
            connect(m, lane.values, values)
            connect(m, symbols, lane.symbols)
            connect(m, offsets, lane.offsets)
        if S == 1:
            connect(m, flipped(self.fill), lanes[0].fill)
            connect(m, flipped(self.take), lanes[0].take)
            connect(m, lanes[0].head, flipped(self.head))
            connect(m, lanes[0].data, flipped(self.data))
            return m
        for name, end in (("fill", "last"), ("take", None)):
            port = getattr(self, name)
            spread = add(name, Spread(port.payload.shape(), [1] * S, end))
            connect(m, flipped(port), spread.i)
            for s, lane in enumerate(lanes):
                connect(m, spread.o[s], getattr(lane, name))
        for name, end in (("head", None), ("data", "end")):
            port = getattr(self, name)
            gather = add(name, Gather(port.payload.shape(), [1] * S, end))
            connect(m, gather.o, flipped(port))
            for s, lane in enumerate(lanes):
                connect(m, getattr(lane, name), gather.i[s])
        return m
