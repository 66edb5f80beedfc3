"""The two recurrences of the coder, stepped over many independent streams ("lanes") at once.

Everything else in the codec is feed-forward and happens elsewhere, on whole chunks. Both recurrences run in
floating point, where three things are free that integers have to pay for: normalizing (overwrite the
exponent), leading zeros (read the exponent) and the scale shift s of either sign (counts are stored as
``c / 2**P``, and ``(t*c) >> s`` is ``floor(T * c/2**P)`` with T = ``range`` without its low R-M bits).
It is exact because no product has more than M+P significant bits and no other number more than R, or
R + :attr:`RangeDecoder.fraction` in the decoder.

Neither recurrence knows of tables: they take the interval limits of each value (encoder) or a look-up array
(decoder), so lanes could as well belong to different tables.
"""

from dataclasses import dataclass

import numpy as np

from .bits import FIELD, BitWindows
from .config import CodecConfig
from .table import SymbolTable


@dataclass(frozen=True)
class _Format:
    """A floating-point format: its dtypes, the bits of its fraction field, the exponent of 1.0."""

    real: type
    integer: type
    fraction: int
    bias: int

    def field(self, exponent: int) -> np.ndarray:
        """Bit pattern of ``2**exponent``."""
        return np.array((exponent + self.bias) << self.fraction, self.integer)


_SINGLE, _DOUBLE = _Format(np.float32, np.int32, 23, 127), _Format(np.float64, np.int64, 52, 1023)


def upper_limits(table: SymbolTable) -> np.ndarray:
    """c[i+1] of every row, but ``2**(P+1)`` for the last one with a count: int64, shape ``(rows,)``.

    At that limit ``T * c/2**P`` exceeds ``range``, so ``min(.., range)`` hands the row what truncation left.
    """
    upper = np.array(table.cumulative[1:])
    upper[upper == table.config.total] *= 2
    return upper


def longest_shift(table: SymbolTable) -> int:
    """Most bits one value can shift out: a row with count k keeps ``range >= k * 2**(R-1-P)`` before normalizing."""
    return table.config.prob_bits + 1 - min(c for c in table.counts if c).bit_length()


class RangeEncoder:
    """``range`` of many encoders, one step per row of :meth:`steps`.

    Members
    -------
    real : dtype of the limits: float32 where products fit its 24 significant bits, else float64.
    """

    def __init__(self, config: CodecConfig, lanes: int):
        f = self._format = _SINGLE if config.mult_bits + config.prob_bits <= 24 else _DOUBLE
        self.real, self.config = f.real, config
        self._range = np.full(lanes, 2**config.range_bits - 1, f.real)
        self._truncated = np.empty(lanes, f.real)

    def steps(self, lower: np.ndarray, upper: np.ndarray):
        """Step through rows of limits ``c/2**P`` (:attr:`real`, shape ``(steps, n)``, the first n lanes), in place.

        ``lower`` becomes a, the lower end of the values' intervals; ``upper`` becomes their size b - a, not normalized.
        A value with the limits 0 and 2 changes nothing.
        """
        f, cfg, n = self._format, self.config, lower.shape[1]
        bits = self._range[:n].view(f.integer)
        rng, truncated = self._range[:n], self._truncated[:n]
        truncated_bits = truncated.view(f.integer)
        keep = np.array(-1 << (f.fraction + 1 - cfg.mult_bits), f.integer)
        fraction, top = np.array((1 << f.fraction) - 1, f.integer), f.field(cfg.range_bits - 1)
        bit_and, bit_or, multiply, floor = np.bitwise_and, np.bitwise_or, np.multiply, np.floor
        minimum, subtract, rounds = np.minimum, np.subtract, cfg.scale_shift > 0
        for a, b, size_bits in zip(lower, upper, upper.view(f.integer), strict=True):
            bit_and(bits, keep, truncated_bits)
            multiply(truncated, a, a)
            multiply(truncated, b, b)
            if rounds:
                floor(a, a)
                floor(b, b)
            minimum(b, rng, out=b)
            subtract(b, a, b)
            bit_and(size_bits, fraction, bits)
            bit_or(bits, top, bits)

    def shifts(self, sizes: np.ndarray, out: np.ndarray):
        """The shifts d that normalize ``sizes`` (as :meth:`steps` leaves them), into ``out`` (int32)."""
        f = self._format
        np.right_shift(sizes.view(f.integer), f.fraction, out=out, casting="unsafe")
        np.subtract(f.bias + self.config.range_bits - 1, out, out=out)


class RangeDecoder:
    """``range`` and ``dif`` of many decoders, one step per value.

    Members
    -------
    steps_per_refill : ``dif`` carries enough bits of the stream behind its binary point for so many steps.
    positions : of the bit that follows ``dif`` in each lane's stream: int64, right after each :meth:`steps`.
    """

    def __init__(self, config: CodecConfig, limits: np.ndarray, longest_shift: int, windows: BitWindows):
        """``limits``: c[i] and c[i+1] of the row found for each quotient, over ``2**P``: float64, ``(2, 2**(P+1))``.

        The row found for the quotient q is the last used one with ``c[i] <= q``; the last entry is for a q just below 0.
        """
        R, lanes = config.range_bits, len(windows.starts)
        self._config, self._limits, self._windows = config, limits, windows
        spare = min(_DOUBLE.fraction + 1 - R, FIELD)
        self.steps_per_refill = min(spare // max(longest_shift, 1), 16)
        self._ahead = self.steps_per_refill * longest_shift
        self._range = np.full(lanes, 2**R - 1, np.float64)
        first = windows.at(windows.starts) >> np.uint64(64 - R)
        # `dif` must start below `range`; no encoder writes such a stream. All ones from there on keep the last row coming,
        # which is what unbounded integers would do as well.
        self._invalid = np.flatnonzero(first == 2**R - 1)
        first[self._invalid] -= np.uint64(1)
        self._dif = first.astype(np.float64)
        self.positions = windows.starts + R
        self._real = [np.empty(lanes, np.float64) for _ in range(3)]
        self._both = np.empty(2 * lanes, np.float64)

    def steps(self, found: np.ndarray, shifts: np.ndarray):
        """Decode one value per row of ``found`` and the first n lanes: int64, shape ``(steps, n)``.

        ``found`` receives the quotients (see ``limits``), ``shifts`` the bits shifted out times ``2**52``.
        ``steps`` must be a multiple of :attr:`steps_per_refill`.
        """
        f, cfg, n = _DOUBLE, self._config, found.shape[1]
        P, R = cfg.prob_bits, cfg.range_bits
        rng, dif = self._range[:n], self._dif[:n]
        truncated, quotient, shifted = (x[:n] for x in self._real)
        limits = self._both[: 2 * n].reshape(2, n)
        a, size = limits
        rng_bits, dif_bits, size_bits = rng.view(np.int64), dif.view(np.int64), size.view(np.int64)
        truncated_bits, quotient_bits = truncated.view(np.int64), quotient.view(np.int64)
        keep = np.array(-1 << (f.fraction + 1 - cfg.mult_bits))
        fraction, top = np.array((1 << f.fraction) - 1), f.field(R - 1)
        # (dif+1)*2**P - 1/2 over T is never an integer: its floor is the last count c with floor(T*c/2**P) <= dif.
        # Adding 2**(52-P), less half a unit of the last place, rounds to that floor in the low bits.
        almost_one, unit = np.array(1 - 2.0 ** -(P + 1)), np.array(2.0 ** (f.fraction - P) - 2.0 ** -(P + 1))
        mask = np.array(len(self._limits[0]) - 1)
        bit_and, bit_or, add, subtract, multiply = np.bitwise_and, np.bitwise_or, np.add, np.subtract, np.multiply
        divide, floor, minimum, take, rounds = np.divide, np.floor, np.minimum, self._limits.take, cfg.scale_shift > 0
        for step, (q, d) in enumerate(zip(found, shifts, strict=True)):
            if step % self.steps_per_refill == 0:
                if step:
                    self._advance(shifts[step - self.steps_per_refill : step])
                self._refill(n)
            bit_and(rng_bits, keep, truncated_bits)
            floor(dif, quotient)
            add(quotient, almost_one, quotient)
            divide(quotient, truncated, quotient)
            add(quotient, unit, quotient)
            bit_and(quotient_bits, mask, q)
            take(q, 1, limits, "clip")
            multiply(truncated, a, a)
            multiply(truncated, size, size)
            if rounds:
                floor(limits, limits)
            minimum(size, rng, out=size)
            subtract(dif, a, dif)
            subtract(size, a, size)
            bit_and(size_bits, fraction, rng_bits)
            bit_or(rng_bits, top, rng_bits)
            subtract(rng_bits, size_bits, d)
            add(dif_bits, d, dif_bits)  # a zero becomes something far below any bit of the stream
        self._advance(shifts[step + 1 - self.steps_per_refill :])

    def _advance(self, shifts: np.ndarray):
        """Move the positions on by some rows of shifts."""
        total = shifts.sum(axis=0) if len(shifts) != 1 else shifts[0].copy()
        total >>= 52
        self.positions[: len(total)] += total

    def _refill(self, n: int):
        """Put the bits of the stream that follow ``dif`` behind its binary point."""
        windows = self._windows.at(self.positions[:n])
        if len(self._invalid):
            windows[self._invalid[self._invalid < n]] = ~np.uint64(0)
        windows >>= np.uint64(64 - self._ahead)
        one = 2.0 ** (52 - self._ahead)  # a number whose fraction field ends at the last bit wanted
        windows |= np.array(one).view(np.uint64)
        fractions = windows.view(np.float64)
        fractions -= one
        dif = self._dif[:n]
        np.floor(dif, dif)
        dif += fractions
