"""The encoder: values in, two streams out."""

from amaranth import Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CodecConfig, check_int

from .code import CarryResolver, CodeAccumulator
from .encoder_ring import EncoderRing
from .layouts import check_banks, row_load_layout, value_layout, word_layout
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

    Several streams take turns, one a cycle: each is an encoder of its own, S times slower, and all share the table,
    the arithmetic and the pipeline. None can block another one, whatever it does or does not do. A single stream
    has its own structure: a chain of components that wait for each other.

    Latency from a block's last value to the last word of ``symbols``, and to that of ``offsets``, nothing stalling:

    ==============  ====  ====  ====  ====  ====  ====  ====  ====
    streams S        1     2     3     4     5     6     7     8
    ==============  ====  ====  ====  ====  ====  ====  ====  ====
    symbols          9     11    12    15    15    17    20    23
    offsets          6     6     6     8     7     8     10    12
    ==============  ====  ====  ====  ====  ====  ====  ====  ====

    and S cycles more for each digit of an unresolved carry run. All outputs are registered but ``ready``:
    ``values.ready`` depends combinationally on the ``ready`` of its own stream's outputs (not so with 6 streams and
    more) and, with one stream, on ``load.valid`` and both ``bank``; ``load.ready`` on its ``bank``.

    Parameters
    ----------
    config : the codec's parameters. ``config.block`` bounds the block length.
    word : bits of an output word, 16, 32 or 64.
    streams : S, 1..8.
    banks : 1 or 2 tables. With two, one can be loaded while blocks are coded with the other.

    Members
    -------
    load : stream of N rows (:func:`apack_hdl.table.load_rows`), in. Taken while no block of the bank is in progress;
        none begins with the bank while a table for it is offered or half loaded, or before a first one is loaded,
        after reset too. With two banks, ``bank`` of the first row says which.
    values : stream of values, in, with ``last`` at the end of every block of 1..``config.block`` values. With two
        banks, ``bank`` of a block's first value says which. An array of S streams if ``streams`` is not 1.
    symbols, offsets : streams of words, out. Arrays likewise.

    Raises TypeError or ValueError for a parameter of the wrong kind or out of range.
    """

    BLOCK_CYCLES = 1  # cycles that a block takes besides one per value

    def __init__(self, config: CodecConfig, *, word: int = 32, streams: int = 1, banks: int = 1):
        self.config, self.word, self.banks = config, check_word(word), check_banks(banks)
        self.streams = check_int("streams", streams, 1, 8, "more would not make the pipeline faster")
        values, words = stream.Signature(value_layout(config, banks=banks)), stream.Signature(word_layout(word))

        def ports(member):
            return member if streams == 1 else member.array(streams)

        super().__init__(
            {
                "load": In(stream.Signature(row_load_layout(config, banks=banks))),
                "values": ports(In(values)),
                "symbols": ports(Out(words)),
                "offsets": ports(Out(words)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.table = table = RowTable(self.config, banks=self.banks)
        connect(m, flipped(self.load), table.load)
        if self.streams == 1:
            self._chain(m, table)
        else:
            self._ring(m, table)
        return m

    def _ring(self, m: Module, table: RowTable):
        m.submodules.ring = ring = EncoderRing(self.config, word=self.word, streams=self.streams, banks=self.banks)
        m.d.comb += [table.busy.eq(ring.busy), ring.loading.eq(table.loading), Value.cast(ring.tables).eq(table.rows)]
        for s in range(self.streams):
            connect(m, flipped(self.values[s]), ring.values[s])
            connect(m, ring.symbols[s], flipped(self.symbols[s]))
            connect(m, ring.offsets[s], flipped(self.offsets[s]))

    def _chain(self, m: Module, table: RowTable):
        cfg = self.config
        m.submodules.lookup = lookup = RowLookup(cfg, banks=self.banks)
        m.submodules.range_coder = range_coder = RangeCoder(cfg)
        m.submodules.accumulator = accumulator = CodeAccumulator(cfg)
        m.submodules.carry = carry = CarryResolver(cfg)
        m.submodules.symbol_words = symbol_words = DigitJoiner(self.word)
        m.submodules.offset_packer = offset_packer = OffsetPacker(cfg)
        m.submodules.offset_words = offset_words = DigitJoiner(self.word)

        m.d.comb += [
            table.busy.eq(lookup.busy),
            lookup.hold.eq(table.loading),
            Value.cast(lookup.tables).eq(table.rows),
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
