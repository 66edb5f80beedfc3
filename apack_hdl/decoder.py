"""The decoder: two streams in, values out."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CodecConfig

from .layouts import block_layout, report_layout, row_load_layout, value_layout, word_layout
from .offsets import OffsetUnpacker
from .range_decoder import RangeDecoder
from .table import RowTable
from .words import DigitSplitter, check_word


class Decoder(wiring.Component):
    """Decodes blocks from their symbol and offset streams, one value per cycle.

    Each order in ``blocks`` gives exactly the number of values it asks for, whatever the streams hold: past the
    end of a stream there are zeros, and what is left over is read and dropped up to ``last``. How it went is
    told in one ``report`` per block, which must be taken before the next block begins.

    A block costs 6 cycles more than it has values, when its streams are waiting and its report is taken at once.

    Both streams must be offered independently of each other: no value leaves before two digits of both, or the end
    of a shorter one, have been taken, and one stream is read no further ahead of the other than registers reach.
    A source that delivers one stream's block whole before it starts on the other's needs a buffer for it.

    ``values`` and ``report`` come from registers. ``symbols.ready`` and ``offsets.ready`` depend combinationally on
    ``values.ready`` and on their own ``valid`` and payload, ``blocks.ready`` on ``load.valid``.

    Parameters
    ----------
    config : the codec's parameters. ``config.block`` bounds the block length.
    word : bits of an input word, 16, 32 or 64.

    Members
    -------
    load : stream of N rows (:func:`apack_hdl.table.load_rows`), in. Taken between blocks only, and before the
        next block begins; no block begins before a first table is loaded, after reset too.
    blocks : stream of orders, in: values in the block, less one.
    symbols, offsets : streams of words, in, with ``last`` at the end of every block.
    values : stream of values, out.
    report : stream of reports, out, one per block.
    """

    # Cycles that a block takes besides one per value, its streams waiting and its report taken at once.
    BLOCK_CYCLES = 6

    def __init__(self, config: CodecConfig, *, word: int = 32):
        self.config, self.word = config, check_word(word)
        words = stream.Signature(word_layout(word))
        super().__init__(
            {
                "load": In(stream.Signature(row_load_layout(config))),
                "blocks": In(stream.Signature(block_layout(config))),
                "symbols": In(words),
                "offsets": In(words),
                "values": Out(stream.Signature(value_layout(config))),
                "report": Out(stream.Signature(report_layout())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg = self.config
        m.submodules.table = table = RowTable(cfg)
        m.submodules.symbol_digits = symbol_digits = DigitSplitter(self.word)
        m.submodules.range_decoder = range_decoder = RangeDecoder(cfg)
        m.submodules.offset_digits = offset_digits = DigitSplitter(self.word)
        m.submodules.offset_unpacker = offset_unpacker = OffsetUnpacker(cfg)

        connect(m, flipped(self.load), table.load)
        m.d.comb += [
            table.busy.eq(range_decoder.busy),
            range_decoder.hold.eq(table.loading),
            range_decoder.rows.eq(table.rows),
            offset_unpacker.rows.eq(table.rows),
        ]
        connect(m, flipped(self.blocks), range_decoder.blocks)
        connect(m, flipped(self.symbols), symbol_digits.i)
        connect(m, symbol_digits.o, range_decoder.digits)
        connect(m, range_decoder.symbols, offset_unpacker.symbols)
        connect(m, flipped(self.offsets), offset_digits.i)
        connect(m, offset_digits.o, offset_unpacker.digits)
        connect(m, offset_unpacker.values, flipped(self.values))

        m.d.comb += [
            self.report.valid.eq(range_decoder.done & offset_unpacker.done),
            self.report.p.symbols_short.eq(range_decoder.short),
            self.report.p.symbols_long.eq(range_decoder.long),
            self.report.p.offsets_short.eq(offset_unpacker.short),
            self.report.p.offsets_long.eq(offset_unpacker.long),
        ]
        with m.If(self.report.valid & self.report.ready):
            m.d.comb += [range_decoder.release.eq(1), offset_unpacker.release.eq(1)]
        return m
