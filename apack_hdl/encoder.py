"""The encoder: values in, two streams out."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CodecConfig

from .code import CarryResolver, CodeAccumulator
from .layouts import row_load_layout, value_layout, word_layout
from .lookup import RowLookup
from .offsets import OffsetPacker
from .range_coder import RangeCoder
from .table import RowTable
from .words import DigitJoiner, check_word


class Encoder(wiring.Component):
    """Codes blocks of values, one value per cycle, into a symbol stream and an offset stream per block.

    A block costs one cycle more than it has values. Nothing is lost when a side stalls; when one output stalls,
    the other goes on only as far as the registers between them reach, so both must be taken.

    A value whose row has count zero does not stop the block: both streams end as they should, and the last
    word of ``symbols`` carries ``error``. They do not decode to the values then and are to be thrown away.

    Latency: 10 cycles from a block's last value to the last word of ``symbols`` (more by the length of an
    unresolved carry run, a cycle a digit), 5 to the last word of ``offsets``. ``values.ready`` depends
    combinationally on both outputs' ``ready`` and on ``load.valid``; payloads and ``valid`` are registered.

    Parameters
    ----------
    config : the codec's parameters. ``config.block`` bounds the block length.
    word : bits of an output word, 16, 32 or 64.

    Members
    -------
    load : stream of N rows (:func:`apack_hdl.table.load_rows`), in. Taken between blocks only, and before the
        next block begins; no block begins before a first table is loaded, after reset too.
    values : stream of values, in, with ``last`` at the end of every block of 1..``config.block`` values.
    symbols, offsets : streams of words, out.
    """

    BLOCK_CYCLES = 1  # cycles that a block takes besides one per value

    def __init__(self, config: CodecConfig, *, word: int = 32):
        self.config, self.word = config, check_word(word)
        words = stream.Signature(word_layout(word))
        super().__init__(
            {
                "load": In(stream.Signature(row_load_layout(config))),
                "values": In(stream.Signature(value_layout(config))),
                "symbols": Out(words),
                "offsets": Out(words),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg = self.config
        m.submodules.table = table = RowTable(cfg)
        m.submodules.lookup = lookup = RowLookup(cfg)
        m.submodules.range_coder = range_coder = RangeCoder(cfg)
        m.submodules.accumulator = accumulator = CodeAccumulator(cfg)
        m.submodules.carry = carry = CarryResolver(cfg)
        m.submodules.symbol_words = symbol_words = DigitJoiner(self.word)
        m.submodules.offset_packer = offset_packer = OffsetPacker(cfg)
        m.submodules.offset_words = offset_words = DigitJoiner(self.word)

        connect(m, flipped(self.load), table.load)
        m.d.comb += [
            table.busy.eq(lookup.busy),
            lookup.hold.eq(table.loading),
            lookup.rows.eq(table.rows),
        ]
        connect(m, flipped(self.values), lookup.values)
        connect(m, lookup.intervals, range_coder.i)
        connect(m, range_coder.o, accumulator.i)
        connect(m, accumulator.o, carry.i)
        connect(m, carry.o, symbol_words.i)
        connect(m, symbol_words.o, flipped(self.symbols))
        connect(m, lookup.offsets, offset_packer.i)
        connect(m, offset_packer.o, offset_words.i)
        connect(m, offset_words.o, flipped(self.offsets))
        return m
