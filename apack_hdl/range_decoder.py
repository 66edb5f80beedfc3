"""The recurrence of the decoder: search, subtract, normalize, refill."""

from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.config import CodecConfig

from .arithmetic import leading_zeros
from .bits import BitReader
from .layouts import block_layout, digit_layout, row_layout, table_layout
from .search import FlashSearch


class RangeDecoder(wiring.Component):
    """Follows the code through a block: ``t`` as the encoder had it, and ``dif``, the code less the encoder's ``low``.

    Behind the block's last value it reads the symbol stream to its end and judges its length (``done``).

    One value per cycle while the symbol stream keeps up and ``symbols`` is taken; 4 cycles a block besides, when
    order and digits are waiting and ``release`` comes at once. ``symbols`` is registered; ``digits.ready`` depends
    combinationally on ``symbols.ready``.

    Members
    -------
    blocks : stream of orders, in, one per block.
    digits : the symbol stream, in.
    symbols : stream of rows, out.
    rows : In, the table; must not change while ``busy``.
    hold : In(1), do not begin a block now.
    busy : Out(1), a block is being decoded and not released.
    done : Out(1), the block is over and its stream read to the end; ``short``, ``long`` are valid.
    short, long : Out(1), the symbol stream ended too early or had bytes left over.
    release : In(1), with ``done``: get ready for the next block.
    """

    def __init__(self, config: CodecConfig):
        self.config = config
        super().__init__(
            {
                "blocks": In(stream.Signature(block_layout(config))),
                "digits": In(stream.Signature(digit_layout())),
                "symbols": Out(stream.Signature(row_layout(config))),
                "rows": In(table_layout(config)),
                "hold": In(1),
                "busy": Out(1),
                "done": Out(1),
                "short": Out(1),
                "long": Out(1),
                "release": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg, M, P, R = self.config, self.config.mult_bits, self.config.prob_bits, self.config.range_bits
        # The code has one bit more than were shifted out, and the decoder has read R bits ahead of those; a
        # stream of the right length, padded to a byte, thus ends R-1 .. R-8 bits before the position.
        m.submodules.bits = bits = BitReader(slack=(R - 8, R - 1))
        m.submodules.search = search = FlashSearch(cfg)
        wiring.connect(m, wiring.flipped(self.digits), bits.i)

        t = Signal(M, reset_less=True)
        dif = Signal(R, reset_less=True)
        left = Signal.like(self.blocks.p.count_m1, reset_less=True)
        # One value never takes more than P bits, so the shifters need not reach further.
        d = Signal(bits_for(P))
        normalized = Signal(R)
        rest = Signal(R)
        m.d.comb += [
            search.t.eq(t),
            search.dif.eq(dif),
            search.rows.eq(self.rows),
            d.eq(leading_zeros(m, search.size, "zeros")),
            normalized.eq(search.size << d),
            rest.eq(dif - search.a),
            self.busy.eq(1),
        ]
        with m.If(self.symbols.ready):
            m.d.sync += self.symbols.valid.eq(0)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.busy.eq(0), self.blocks.ready.eq(~self.hold)]
                with m.If(self.blocks.valid & ~self.hold):
                    m.d.sync += left.eq(self.blocks.p.count_m1)
                    m.next = "START"
            with m.State("START"):
                with m.If(bits.valid):
                    m.d.comb += [bits.advance.eq(1), bits.take.eq(R)]
                    m.d.sync += [t.eq(-1), dif.eq(bits.first[-R:])]
                    m.next = "DECODE"
            with m.State("DECODE"):
                with m.If(bits.valid & (~self.symbols.valid | self.symbols.ready)):
                    m.d.comb += [bits.advance.eq(1), bits.take.eq(d)]
                    m.d.sync += [
                        t.eq(normalized[P:]),
                        dif.eq((Cat(bits.bits[-P:], rest) << d)[P : P + R]),
                        left.eq(left - 1),
                        self.symbols.valid.eq(1),
                        self.symbols.p.row.eq(search.row),
                        self.symbols.p.last.eq(left == 0),
                    ]
                    with m.If(left == 0):
                        m.next = "CLOSE"
            with m.State("CLOSE"):
                m.d.comb += bits.close.eq(1)
                with m.If(bits.closed):
                    m.d.sync += [self.done.eq(1), self.short.eq(bits.short), self.long.eq(bits.long)]
                    m.next = "DONE"
            with m.State("DONE"):
                with m.If(self.release):
                    m.d.sync += self.done.eq(0)
                    m.next = "IDLE"
        return m
