"""The recurrence of the encoder: the one loop that cannot be pipelined within a stream."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.config import CodecConfig

from .arithmetic import leading_zeros
from .layouts import interval_layout, step_layout
from .registers import payload_register


def scale_count(m: Module, config: CodecConfig, count: Value, c_low: Value) -> tuple[Value, Value, Value, Value]:
    """Shift ``count`` until bit P is set, so that the top bit of ``t * count`` can be in two places only.

    A count of 0, a value without a code, is taken for 2**P counts from 0 on: such an interval changes nothing.
    Returns ``coded`` (not so), the P bits below bit P, by how far they were shifted, and ``c_low``.
    """
    P = config.prob_bits
    coded = Signal()
    zeros = leading_zeros(m, count, "zeros")
    m.d.comb += coded.eq(count != 0)
    return coded, (count << zeros)[:P], zeros & coded.replicate(len(zeros)), c_low & coded.replicate(P)


def narrow(m: Module, config: CodecConfig, t: Value, scaled: Value, c_low: Value) -> tuple[Value, Value, Value]:
    """One step of the recurrence with what :func:`scale_count` made: the next ``t`` (M bits); whether the product had
    its top bit in the upper of two places, so that d is one less than the shift; and ``a`` (R bits)."""
    M, P = config.mult_bits, config.prob_bits
    product = Signal(M + P + 1)
    begin = Signal(M + P)
    m.d.comb += [product.eq(t * Cat(scaled, Const(1, 1))), begin.eq(t * c_low)]
    high = product[-1]
    return Mux(high, product[P + 1 :], product[P:-1]), high, begin


class RangeCoder(wiring.Component):
    """Narrows the interval of size ``t * 2**P`` to each value's part of it, and keeps ``t`` normalized.

    The loop holds one multiplier and one 2:1 multiplexer, no more. The next ``t`` is the top M bits of
    ``t * count`` after normalization; with the *count* normalized beforehand, which is outside of the loop, the
    product's top bit can be in two places only. Where the part begins, ``a = t * c_low``, is found beside it.

    ``finish`` becomes the step that ends the code (FORMAT.md, termination): add half of what R bits can say less
    one, keep one more bit; ``t`` starts afresh. A value that has no code raises ``error`` for the rest of its block
    and changes nothing else, so that the block still ends as it should.

    Latency 2 cycles; one interval per cycle. ``i.ready`` depends combinationally on ``o.ready``.

    Members
    -------
    i : stream of intervals, in.
    o : stream of steps, out: add ``a``, move by ``d`` bits.
    """

    def __init__(self, config: CodecConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(interval_layout(config))),
                "o": Out(stream.Signature(step_layout(config))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        cfg, M, P, R = self.config, self.config.mult_bits, self.config.prob_bits, self.config.range_bits
        advance = Signal()
        m.d.comb += [advance.eq(~self.o.valid | self.o.ready), self.i.ready.eq(advance)]

        # First cycle: normalize the count.
        valid = Signal()
        finish, coded = (Signal(reset_less=True, name=name) for name in ("scaled_finish", "scaled_coded"))
        scaled, c_low = (Signal(P, reset_less=True, name=name) for name in ("scaled", "scaled_c_low"))
        # How far to move, d: known but for one, by which the product's top bit decides, so late that it only chooses.
        more, less = (Signal(bits_for(P), reset_less=True, name=name) for name in ("scaled_more", "scaled_less"))
        ends = self.i.p.finish
        coded_next, scaled_next, zeros, c_low_next = scale_count(m, cfg, self.i.p.count, self.i.p.c_low)
        with m.If(advance):
            m.d.sync += [
                valid.eq(self.i.valid),
                finish.eq(ends),
                coded.eq(coded_next),
                scaled.eq(scaled_next),
                c_low.eq(c_low_next),
                more.eq(Mux(ends, 1, zeros)),
                less.eq(Mux(ends, 1, zeros - 1)),
            ]

        # Second cycle, the loop.
        step = payload_register(m, self.o)
        t = Signal(M, init=-1)
        error = Signal()
        t_next, high, begin = narrow(m, cfg, t, scaled, c_low)
        failed = ~finish & (error | ~coded)
        with m.If(advance):
            m.d.sync += self.o.valid.eq(valid)
        with m.If(advance & valid):
            m.d.sync += [
                t.eq(t_next | finish.replicate(M)),
                error.eq(failed),
                step.a.eq(Mux(finish, (1 << R - 1) - 1, begin)),
                step.d.eq(Mux(high, less, more)),
                step.finish.eq(finish),
                step.error.eq(error),
            ]
        return m
