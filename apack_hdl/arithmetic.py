"""Small combinational arithmetic shared by encoder and decoder."""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.utils import bits_for, ceil_log2

from golden.config import CodecConfig


def leading_zeros(m: Module, value: Value, name: str) -> Signal:
    """Leading zeros of ``value``, as a tree: log2 levels instead of a priority chain. All zero: any number.

    Returns a signal of ``ceil_log2(len(value))`` bits.
    """
    levels = ceil_log2(len(value))
    # Ones below pad to a power of two without changing the count of a value that is not zero.
    rest = Cat(Const(-1, (1 << levels) - len(value)), value) if len(value) < 1 << levels else value
    count = []
    for level in reversed(range(levels)):
        half = 1 << level
        upper_is_zero = Signal(name=f"{name}_skip{half}")
        halved = Signal(half, name=f"{name}_in{half}")  # a Signal: as an expression it would be emitted once per use
        m.d.comb += [
            upper_is_zero.eq(rest[half:] == 0),
            halved.eq(Mux(upper_is_zero, rest[:half], rest[half:])),
        ]
        rest = halved
        count.append(upper_is_zero)
    zeros = Signal(levels, name=name)
    m.d.comb += zeros.eq(Cat(*reversed(count)))
    return zeros


def scaled(m: Module, config: CodecConfig, t: Value, count: Value, name: str) -> Signal:
    """``(t * count) >> s``: a cumulative count brought to the scale of ``range`` by its top M bits ``t``. R bits.

    The result fits R bits for every count below 2**P; at 2**P it wraps, and the caller must not use it.
    """
    product = Signal(config.mult_bits + config.prob_bits, name=f"{name}_product")
    m.d.comb += product.eq(t * count[: config.prob_bits])
    result = Signal(config.range_bits, name=name)
    s = config.scale_shift
    m.d.comb += result.eq(product >> s if s >= 0 else product << -s)
    return result


def normalize(m: Module, config: CodecConfig, size: Value) -> tuple[Signal, Signal]:
    """Shift an interval's ``size`` left until its top bit is set; returns (range, d), d in 0..P."""
    zeros = leading_zeros(m, size, "zeros")
    d = Signal(bits_for(config.prob_bits), name="d")
    # One value never shrinks the interval by more than P bits, so the shifter need not reach further.
    m.d.comb += d.eq(zeros)
    normalized = Signal(config.range_bits, name="normalized")
    m.d.comb += normalized.eq(size << d)
    return normalized, d
