"""The recurrence of the encoder: the one loop that cannot be pipelined within a stream."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from golden.config import CodecConfig

from .arithmetic import leading_zeros
from .layouts import interval_layout, step_layout


class RangeCoder(wiring.Component):
    """Narrows the interval of size ``t * 2**P`` to each value's part of it, and keeps ``t`` normalized.

    The loop holds one multiplier and one 2:1 multiplexer, no more. The next ``t`` is the top M bits of
    ``t * count`` after normalization; with the *count* normalized beforehand, which is outside of the loop, the
    product's top bit can be in two places only. Where the part begins, ``a = t * c_low``, is outside, too.

    ``finish`` becomes the step that ends the code (FORMAT.md, termination): add half of what R bits can say less
    one, keep one more bit; ``t`` starts afresh.

    Latency 3 cycles; one interval per cycle. ``i.ready`` depends combinationally on ``o.ready``.

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

        # First cycle: shift the count until bit P is set.
        shape = interval_layout(cfg)
        counted = Signal(shape, reset_less=True)
        counted_valid = Signal()
        zeros = leading_zeros(m, self.i.p.count, "zeros")
        shift = Signal(bits_for(P), reset_less=True)
        with m.If(advance):
            m.d.sync += [
                counted_valid.eq(self.i.valid),
                counted.eq(self.i.p),
                counted.count.eq(self.i.p.count << zeros),
                shift.eq(zeros),
            ]

        # Second cycle, the loop.
        t = Signal(M, init=-1)
        used = Signal(M, reset_less=True)
        narrowed = Signal(shape, reset_less=True)
        narrowed_valid = Signal()
        d = Signal(bits_for(P), reset_less=True)
        product = Signal(M + P + 1)
        high = Signal()
        m.d.comb += [product.eq(t * counted.count), high.eq(product[-1])]
        with m.If(advance):
            m.d.sync += [
                narrowed_valid.eq(counted_valid),
                narrowed.eq(counted),
                used.eq(t),
                d.eq(shift - high),
            ]
            with m.If(counted_valid):
                m.d.sync += t.eq(Mux(counted.finish, -1, Mux(high, product[P + 1 :], product[P:-1])))

        # Third cycle: where the part begins.
        step = self.o.p
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(narrowed_valid),
                step.a.eq(Mux(narrowed.finish, (1 << R - 1) - 1, used * narrowed.c_low)),
                step.d.eq(Mux(narrowed.finish, 1, d)),
                step.finish.eq(narrowed.finish),
                step.error.eq(narrowed.error),
            ]
        return m
