"""The code value on its way out: steps are summed, digits leave, carries are resolved."""

from amaranth import Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CodecConfig

from .layouts import DIGIT, digit_layout, step_layout
from .registers import payload_register


class CodeAccumulator(wiring.Component):
    """Sums the steps into the code and lets it go a digit at a time, with the carry into the digit before.

    ``low`` is never shifted by d. Each ``a`` is added at the current position into a window of one digit and R
    more bits; when the position passes the digit, the digit leaves and the window moves on by a whole digit.
    One barrel shifter, one adder, nothing fed back but the window.

    Latency 1 cycle; one step per cycle. ``i.ready`` depends combinationally on ``o.ready``.

    Members
    -------
    i : stream of steps, in.
    o : stream of digits with ``carry``, out. A stream has at least one digit, and its last has 1 or 2 bytes.
    """

    def __init__(self, config: CodecConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(step_layout(config))),
                "o": Out(stream.Signature(digit_layout(carry=True))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        R, step, digit = self.config.range_bits, self.i.p, payload_register(m, self.o)
        window_left = Signal(1 + DIGIT + R, reset_less=True)  # the top bit is the carry
        position_left = Signal(range(DIGIT), reset_less=True)
        within = Signal()  # a block has begun: what was left counts

        window, position = Signal.like(window_left, name="window"), Signal.like(position_left, name="position")

        added = Signal(1 + DIGIT + R)
        moved = Signal(range(DIGIT + self.config.prob_bits))
        complete = Signal()
        take = Signal()
        m.d.comb += [
            window.eq(window_left & within.replicate(len(window))),
            position.eq(position_left & within.replicate(len(position))),
            added.eq(window + ((step.a << DIGIT) >> position)),
            moved.eq(position + step.d),
            complete.eq(moved[4:] != 0),
            self.i.ready.eq(~self.o.valid | self.o.ready),
            take.eq(self.i.ready & self.i.valid),
        ]
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid & (complete | step.finish))
        with m.If(take):
            # Behind the bit that ends the code the last digit is padded with zeros.
            kept = Signal(DIGIT)
            m.d.comb += kept.eq(Mux(step.finish, ~(Const((1 << DIGIT - 1) - 1, DIGIT) >> position), -1))
            m.d.sync += [
                digit.data.eq(added[R:-1] & kept),
                digit.carry.eq(added[-1]),
                digit.last.eq(step.finish),
                digit.bytes.eq(Mux(step.finish & (position < 8), 1, 2)),
                digit.error.eq(step.error),
                within.eq(~step.finish),
                position_left.eq(moved[:4]),
                window_left.eq(Mux(complete, added[:R] << DIGIT, added)),
            ]
        return m


class CarryResolver(wiring.Component):
    """Holds back what a carry may still change: one digit, and the run of all-ones digits behind it.

    A carry turns the held digit into the next number and the run into zeros. The run is a counter, so any
    length costs nothing until it is resolved: then it takes a cycle a digit, and ``i`` waits. Real tensors
    meet a run about once in 2**16 digits.

    One digit per cycle otherwise, and one cycle for a stream's end, which hides behind the next one's first values.
    ``i.ready`` depends combinationally on ``o.ready`` and ``i.valid``.

    Members
    -------
    i : stream of digits with ``carry``, in. The first digit of a stream never carries.
    o : stream of final digits, out.
    """

    def __init__(self, config: CodecConfig):
        self.config = config
        super().__init__(
            {
                "i": In(stream.Signature(digit_layout(carry=True))),
                "o": Out(stream.Signature(digit_layout())),
            }
        )

    def elaborate(self, platform):
        m = Module()
        i, o = self.i, self.o
        # At most this many digits in a block: P bits a value.
        longest = (self.config.block * self.config.prob_bits) // DIGIT + 1
        run = Signal(range(longest + 1))
        run_carry = Signal(reset_less=True)
        held = Signal(digit_layout(), reset_less=True)
        holding = Signal()
        draining = Signal()
        room = Signal()
        out = payload_register(m, o)
        m.d.comb += room.eq(~o.valid | o.ready)

        def send(data, *, last=0, count=2, error=0):
            return [
                o.valid.eq(1),
                out.data.eq(data),
                out.last.eq(last),
                out.bytes.eq(count),
                out.error.eq(error),
            ]

        def hold(digit):
            return [
                held.data.eq(digit.data),
                held.last.eq(digit.last),
                held.bytes.eq(digit.bytes),
                held.error.eq(digit.error),
                holding.eq(1),
            ]

        with m.If(room):
            m.d.sync += o.valid.eq(0)
            with m.If(draining & (run != 0)):
                m.d.sync += [
                    *send(Mux(run_carry, 0, (1 << DIGIT) - 1)),
                    run.eq(run - 1),
                    draining.eq((run != 1) | held.last),
                ]
            with m.Elif(draining):  # nothing can come behind a last digit: let it go too
                m.d.sync += [
                    *send(held.data, last=1, count=held.bytes, error=held.error),
                    holding.eq(0),
                    draining.eq(0),
                ]
            with m.Elif(i.valid):
                m.d.comb += i.ready.eq(1)
                with m.If(holding & (i.p.data.all()) & ~i.p.carry & ~i.p.last):
                    m.d.sync += run.eq(run + 1)
                with m.Elif(holding):
                    m.d.sync += [
                        *send(held.data + i.p.carry),
                        *hold(i.p),
                        run_carry.eq(i.p.carry),
                        draining.eq((run != 0) | i.p.last),
                    ]
                with m.Else():
                    m.d.sync += [*hold(i.p), draining.eq(i.p.last)]
        return m
