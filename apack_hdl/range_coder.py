"""The range recurrence of the encoder: the one loop that cannot be pipelined within a stream."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig

from .arithmetic import normalize, scaled
from .layouts import interval_layout, step_layout


class RangeCoder(wiring.Component):
    """Narrows ``range`` to each interval and renormalizes it: multiply, subtract, count leading zeros, shift.

    ``finish`` becomes the step that ends the code (FORMAT.md, termination): add half the register's span less
    one, keep one more bit; ``range`` starts afresh.

    Latency 1 cycle; one interval per cycle. ``i.ready`` depends combinationally on ``o.ready``.

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
        cfg, interval, step = self.config, self.i.p, self.o.p
        full = (1 << cfg.range_bits) - 1
        rng = Signal(cfg.range_bits, init=full)

        t = Signal(cfg.mult_bits)
        m.d.comb += t.eq(rng[cfg.range_bits - cfg.mult_bits :])
        a = scaled(m, cfg, t, interval.c_low, "a")
        b = scaled(m, cfg, t, interval.c_high, "b")
        size = Signal(cfg.range_bits)
        # c_high = 2**P, its top bit: the last row that has a count takes what the truncation leaves over.
        m.d.comb += size.eq(Mux(interval.c_high[-1], rng, b) - a)
        normalized, d = normalize(m, cfg, size)

        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [
                rng.eq(Mux(interval.finish, full, normalized)),
                step.a.eq(Mux(interval.finish, full >> 1, a)),
                step.d.eq(Mux(interval.finish, 1, d)),
                step.finish.eq(interval.finish),
                step.error.eq(interval.error),
            ]
        return m
