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

from .bits import BitWindows
from .config import CodecConfig
from .table import SymbolTable


@dataclass(frozen=True)
class _Format:
    """A floating-point format: its dtypes, bits of the fraction field, exponent of 1.0. Methods give bit patterns."""

    real: type
    integer: type
    fraction: int
    bias: int

    def power(self, exponent: int) -> np.ndarray:
        """The number ``2**exponent``."""
        return np.array((exponent + self.bias) << self.fraction, self.integer)

    def fraction_mask(self) -> np.ndarray:
        """All but sign and exponent."""
        return np.array((1 << self.fraction) - 1, self.integer)

    def top_bits(self, count: int) -> np.ndarray:
        """Sign, exponent and the ``count`` most significant bits, the implied one included."""
        return np.array(-1 << (self.fraction + 1 - count), self.integer)


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
        keep, fraction, top = f.top_bits(cfg.mult_bits), f.fraction_mask(), f.power(cfg.range_bits - 1)
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
        """The shifts d that normalize ``sizes`` (as :meth:`steps` leaves them), into ``out`` (uint32)."""
        f = self._format
        exponents = np.right_shift(sizes.view(f.integer), f.fraction, out=sizes.view(f.integer))
        np.copyto(out, exponents, casting="unsafe")
        np.subtract(f.bias + self.config.range_bits - 1, out, out=out)


def decoder_rows(table: SymbolTable) -> np.ndarray:
    """Row found for each quotient q of the decoder's search, the last used one with ``c[i] <= q``: ``(2**(P+1),)``.

    The quotient can exceed ``2**P`` by what truncation left over, and the last entry is for one just below 0.
    """
    used = np.flatnonzero(table.counts)
    rows = np.full(2 * table.config.total, used[-1])
    rows[: table.config.total] = np.repeat(np.arange(len(table.counts)), table.counts)
    rows[-1] = used[0]
    return rows


class RangeDecoder:
    """``range`` and ``dif`` of many decoders, one step per value.

    Members
    -------
    ended : of each lane that has ended, the bit of its stream that would be the next to enter ``dif``: int64.
    """

    def __init__(self, table: SymbolTable, windows: BitWindows):
        cfg = self._config = table.config
        R, lanes, growth, rows = cfg.range_bits, len(windows.starts), longest_shift(table), decoder_rows(table)
        self._windows = windows
        self._limits = np.stack((np.array(table.cumulative)[rows], upper_limits(table)[rows])) / cfg.total
        # Behind the binary point of `dif` there is room for the bits of the stream that so many steps can shift in.
        self._refill_steps = min(min(_DOUBLE.fraction + 1 - R, windows.WIDTH) // max(growth, 1), 16)
        self._ahead = self._refill_steps * growth
        self._range = np.full(lanes, 2**R - 1, np.float64)
        first = windows.at(windows.starts) >> np.uint64(64 - R)
        # `dif` must start below `range`; no encoder writes such a stream. All ones from there on keep the last row
        # coming, which is what unbounded integers would do as well.
        self._invalid = np.flatnonzero(first == 2**R - 1)
        first[self._invalid] -= np.uint64(1)
        self._dif = first.astype(np.float64)
        self._positions = windows.starts + R
        self.ended = self._positions.copy()
        self._memory = np.empty((6, lanes))

    def steps(self, first: int, fields: np.ndarray, out: np.ndarray, ends: dict[int, slice]):
        """Decode one value per row of ``out``, of the first n lanes: shape ``(steps, n)``.

        ``out`` receives the ``fields`` of the rows found: they have one entry per quotient (:func:`decoder_rows`).
        ``first``: number of the first step; ``ends``: by number of a step, the lanes whose last it is.
        """
        f, cfg, n = _DOUBLE, self._config, out.shape[1]
        P, R = cfg.prob_bits, cfg.range_bits
        rng, dif = self._range[:n], self._dif[:n]
        truncated, quotient, shift, shifts = self._memory[:4, :n]
        shift, shifts = shift.view(np.int64), shifts.view(np.int64)
        limits = self._memory[4:].reshape(-1)[: 2 * n].reshape(2, n)
        a, size = limits
        rng_bits, dif_bits, size_bits = rng.view(np.int64), dif.view(np.int64), size.view(np.int64)
        truncated_bits, found = truncated.view(np.int64), quotient.view(np.int64)
        keep, fraction, top = f.top_bits(cfg.mult_bits), f.fraction_mask(), f.power(R - 1)
        # (dif+1)*2**P - 1/2 over T is never an integer: its floor is the last count c with floor(T*c/2**P) <= dif.
        # Adding 2**(52-P), less half a unit of the last place, rounds to that floor in the low bits.
        almost_one, unit = np.array(1 - 2.0 ** -(P + 1)), np.array(2.0 ** (f.fraction - P) - 2.0 ** -(P + 1))
        mask = np.array(2 * cfg.total - 1)
        bit_and, bit_or, add, subtract, multiply = np.bitwise_and, np.bitwise_or, np.add, np.subtract, np.multiply
        divide, floor, minimum, rounds = np.divide, np.floor, np.minimum, cfg.scale_shift > 0
        take_limits, take_fields, until_refill = self._limits.take, fields.take, 0
        for number, entry in enumerate(out, first):
            fresh = not until_refill
            if fresh:
                self._refill(n)
                until_refill = self._refill_steps
            until_refill -= 1
            bit_and(rng_bits, keep, truncated_bits)
            floor(dif, quotient)
            add(quotient, almost_one, quotient)
            divide(quotient, truncated, quotient)
            add(quotient, unit, quotient)
            bit_and(found, mask, found)
            take_limits(found, 1, limits, "clip")
            take_fields(found, 0, entry, "clip")
            multiply(truncated, a, a)
            multiply(truncated, size, size)
            if rounds:
                floor(limits, limits)
            minimum(size, rng, out=size)
            subtract(dif, a, dif)
            subtract(size, a, size)
            bit_and(size_bits, fraction, rng_bits)
            bit_or(rng_bits, top, rng_bits)
            subtract(rng_bits, size_bits, shift)
            add(dif_bits, shift, dif_bits)  # a zero becomes something far below any bit of the stream
            if fresh:
                shift, shifts = shifts, shift
            else:
                add(shifts, shift, shifts)
            if number in ends:
                lanes = ends[number]
                self.ended[lanes] = self._positions[lanes] + (shifts[lanes] >> f.fraction)
            if not until_refill:
                shifts >>= f.fraction
                self._positions[:n] += shifts
        if until_refill:
            self._positions[:n] += shifts >> f.fraction

    def _refill(self, n: int):
        """Put the bits of the stream that follow ``dif`` behind its binary point."""
        bits = self._windows.at(self._positions[:n])
        if len(self._invalid):
            bits[self._invalid[self._invalid < n]] = ~np.uint64(0)
        bits >>= np.uint64(64 - self._ahead)
        one = 2.0 ** (_DOUBLE.fraction - self._ahead)  # a number whose fraction field ends at the last bit wanted
        bits |= np.array(one).view(np.uint64)
        ahead = bits.view(np.float64)
        ahead -= one
        dif = self._dif[:n]
        np.floor(dif, dif)
        dif += ahead
