"""A decoder with its buffers."""

from amaranth import Module, ResetInserter
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ...decoder import Decoder
from ...layouts import row_load_layout
from ..layouts import ID_BITS, fill_layout, out_beat_layout
from ..parameters import MemorySide
from .store import WORD, BlockStore
from .values import ValueStore


class DecoderCell(wiring.Component):
    """A decoder of S streams between a store of blocks to decode and a store of decoded values: chunks of stored
    blocks in, beats of V values out, block by block.

    There are 2S places, used cyclically: one block of each stream can be filled in, or leave, while another one is
    decoded. A place is reserved before its block is asked for from the memory, so nothing that comes has to wait.

    One value per cycle is decoded while each stream has a block; a block takes 2 turns of its stream (of S cycles) more
    than it has values. What comes in and leaves meanwhile takes nothing of that.

    Latency from the last chunk of a block of n values, its stream idle, to its first beat (V + 5) S + 6 cycles at most,
    to its last one (n + 5) S + 6.

    All outputs are registered, or outputs of memories, but for ``load.ready``, which depends on nothing outside. The
    memories' enables depend combinationally on ``values.ready``.

    Parameters
    ----------
    p : of the memory-side block.

    Members
    -------
    load : stream of N rows of a table (:func:`apack_hdl.table.load_rows`), in; taken while no block is decoded.
    clear : In(1), forget everything, the table too, as after reset.
    raw_mask : In(W), ``2**w - 1`` if values have w bits. Must not change while there are blocks.
    reserve : stream of ``id``, in: a place for a block to come. ``ready`` while one is free.
    fill : stream of chunks (:func:`..layouts.fill_layout`), in: blocks in the order of their reservations. Its
        ``ready`` is always 1.
    values : stream of beats (:func:`..layouts.out_beat_layout`), out, in the same order.
    """

    module = "decoder_cell"

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "load": In(stream.Signature(row_load_layout(p.codec))),
            "clear": In(1),
            "raw_mask": In(p.codec.width),
            "reserve": In(stream.Signature(data.StructLayout({"id": ID_BITS}))),
            "fill": In(stream.Signature(fill_layout(p))),
            "values": Out(stream.Signature(out_beat_layout(p))),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.store = store = BlockStore(p)
        m.submodules.decoder = decoder = Decoder(p.codec, True, word=WORD, **p.decoder)
        m.submodules.value_store = values = ValueStore(p)
        m.d.comb += [
            decoder.raw_mask.eq(self.raw_mask),
            values.filled.eq(store.filled),
            values.counts.eq(store.counts),
            values.damaged.eq(store.damaged),
        ]
        connect(m, flipped(self.load), decoder.load)
        connect(m, flipped(self.reserve), values.reserve)
        connect(m, flipped(self.fill), store.fill)
        connect(m, values.values, flipped(self.values))
        for name in ("blocks", "symbols", "offsets"):
            for source, sink in zip(getattr(store, name), decoder.each(name), strict=True):
                connect(m, source, sink)
        for name, sinks in (("values", values.decoded), ("report", values.reports)):
            for source, sink in zip(decoder.each(name), sinks, strict=True):
                connect(m, source, sink)
        return ResetInserter(self.clear)(m)
