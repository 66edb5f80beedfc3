"""The two recurrences of the coder, stepped over many independent streams ("lanes") at once.

Everything else in the codec is feed-forward and happens elsewhere, on whole chunks. Both recurrences run in
floating point, where two things are free that integers have to pay for: normalizing (overwrite the exponent) and
leading zeros (read the exponent). T stands for ``t * 2**P``, so that a row begins at ``T * c / 2**P``. It is exact:
no product has more than R = M+P significant bits, and ``dif`` has room behind its R bits for bits of the stream.

Neither recurrence knows of tables: they take ``c`` and count of each value (encoder) or a look-up array
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


def longest_shift(table: SymbolTable) -> int:
    """Most bits one value can shift out: a row with count k has the size ``t * k >= 2**(M-1) * k``."""
    return table.config.prob_bits + 1 - min(c for c in table.counts if c).bit_length()


class _Sizes:
    """T of many streams: floating-point numbers of M significant bits, from ``2**(R-1)`` on and below ``2**R``."""

    def __init__(self, config: CodecConfig, f: _Format, lanes: int):
        self.values = np.full(lanes, (2**config.mult_bits - 1) * config.total, f.real)
        # What the size of a part keeps when it becomes T, and the exponent it gets.
        self.kept, self.top = f.top_bits(config.mult_bits) & f.fraction_mask(), f.power(config.range_bits - 1)


class RangeEncoder:
    """T of many encoders, one step per row of :meth:`steps`.

    Members
    -------
    real : dtype of the limits: float32 where products fit its 24 significant bits, else float64.
    """

    def __init__(self, config: CodecConfig, lanes: int):
        f = self._format = _SINGLE if config.range_bits <= 24 else _DOUBLE
        self.real, self.config, self._sizes = f.real, config, _Sizes(config, f, lanes)

    def steps(self, lower: np.ndarray, sizes: np.ndarray):
        """Step through rows of limits over ``2**P`` (:attr:`real`, shape ``(steps, n)``, the first n lanes), in place.

        ``lower`` is ``c`` of each value and becomes a, where its part of the interval begins; ``sizes`` is its count
        and becomes the part's size, not normalized. A value with the limits 0 and 1 changes nothing.
        """
        t, kept, top = self._sizes.values[: lower.shape[1]], self._sizes.kept, self._sizes.top
        t_bits = t.view(self._format.integer)
        bit_and, bit_or, multiply = np.bitwise_and, np.bitwise_or, np.multiply
        for a, size, size_bits in zip(lower, sizes, sizes.view(self._format.integer), strict=True):
            multiply(t, a, a)
            multiply(t, size, size)
            bit_and(size_bits, kept, t_bits)
            bit_or(t_bits, top, t_bits)

    def shifts(self, sizes: np.ndarray, out: np.ndarray):
        """The shifts d that normalize ``sizes`` (as :meth:`steps` leaves them), into ``out`` (uint32)."""
        f = self._format
        exponents = np.right_shift(sizes.view(f.integer), f.fraction, out=sizes.view(f.integer))
        np.copyto(out, exponents, casting="unsafe")
        np.subtract(f.bias + self.config.range_bits - 1, out, out=out)


def decoder_rows(table: SymbolTable) -> np.ndarray:
    """Row found for each quotient q of the decoder's search, the last used one with ``c[i] <= q``: ``(2**(P+1),)``.

    The last entry is for a q just below 0. Others from ``2**P`` on are met in damaged streams only.
    """
    used = np.flatnonzero(table.counts)
    rows = np.full(2 * table.config.total, used[-1])
    rows[: table.config.total] = np.repeat(np.arange(len(table.counts)), table.counts)
    rows[-1] = used[0]
    return rows


class RangeDecoder:
    """T and ``dif`` of many decoders, one step per value.

    Members
    -------
    ended : of each lane that has ended, the bit of its stream that would be the next to enter ``dif``: int64.
    """

    def __init__(self, table: SymbolTable, windows: BitWindows):
        cfg = self._config = table.config
        R, lanes, growth, rows = cfg.range_bits, len(windows.starts), longest_shift(table), decoder_rows(table)
        self._windows = windows
        self._limits = np.stack((np.array(table.cumulative)[rows], np.array(table.counts)[rows])) / cfg.total
        # Behind the binary point of `dif` there is room for the bits of the stream that so many steps can shift in.
        self._refill_steps = min(min(_DOUBLE.fraction + 1 - R, windows.WIDTH) // max(growth, 1), 16)
        self._ahead = self._refill_steps * growth
        self._sizes = _Sizes(cfg, _DOUBLE, lanes)
        self._dif = (windows.at(windows.starts) >> np.uint64(64 - R)).astype(np.float64)
        self._positions = windows.starts + R
        self.ended = self._positions.copy()
        self._memory = np.empty((5, lanes))

    def steps(self, first: int, fields: np.ndarray, out: np.ndarray, ends: dict[int, slice]):
        """Decode one value per row of ``out``, of the first n lanes: shape ``(steps, n)``.

        ``out`` receives the ``fields`` of the rows found: they have one entry per quotient (:func:`decoder_rows`).
        ``first``: number of the first step; ``ends``: by number of a step, the lanes whose last it is.
        """
        f, cfg, n = _DOUBLE, self._config, out.shape[1]
        P, kept, top = cfg.prob_bits, self._sizes.kept, self._sizes.top
        t, dif = self._sizes.values[:n], self._dif[:n]
        quotient, shift, shifts = self._memory[:3, :n]
        shift, shifts = shift.view(np.int64), shifts.view(np.int64)
        limits = self._memory[3:].reshape(-1)[: 2 * n].reshape(2, n)
        a, size = limits
        t_bits, dif_bits, size_bits, found = (x.view(np.int64) for x in (t, dif, size, quotient))
        # (dif + 1/2) / t is never an integer, so that 1/2 less, rounded, is its floor. Over T instead of t it is a
        # count over 2**P, and adding 2**(52-P) rounds that to a whole count, in the low bits.
        half, unit = np.array(0.5), np.array(2.0 ** (f.fraction - P) - 2.0 ** -(P + 1))
        mask, exponent = np.array(2 * cfg.total - 1), ~f.fraction_mask()
        bit_and, bit_or, add, subtract, multiply = np.bitwise_and, np.bitwise_or, np.add, np.subtract, np.multiply
        divide, floor = np.divide, np.floor
        take_limits, take_fields, until_refill = self._limits.take, fields.take, 0
        for number, entry in enumerate(out, first):
            fresh = not until_refill
            if fresh:
                self._refill(n)
                until_refill = self._refill_steps
            until_refill -= 1
            floor(dif, quotient)
            add(quotient, half, quotient)
            divide(quotient, t, quotient)
            add(quotient, unit, quotient)
            bit_and(found, mask, found)
            take_limits(found, 1, limits, "clip")
            take_fields(found, 0, entry, "clip")
            multiply(t, limits, limits)
            subtract(dif, a, dif)
            bit_and(size_bits, kept, t_bits)
            bit_or(t_bits, top, t_bits)
            bit_and(size_bits, exponent, shift)
            subtract(top, shift, shift)
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
        bits >>= np.uint64(64 - self._ahead)
        one = 2.0 ** (_DOUBLE.fraction - self._ahead)  # a number whose fraction field ends at the last bit wanted
        bits |= np.array(one).view(np.uint64)
        ahead = bits.view(np.float64)
        ahead -= one
        dif = self._dif[:n]
        np.floor(dif, dif)
        dif += ahead
