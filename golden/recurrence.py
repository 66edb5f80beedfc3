"""The two recurrences of the coder, stepped over many independent streams ("lanes") at once.

Everything else in the codec is feed-forward and happens elsewhere, on whole chunks. Both recurrences run in
floating point, where two things are free that integers have to pay for: normalizing (overwrite the exponent) and
leading zeros (read the exponent). It is exact: no product has more than R = M+P significant bits, and ``dif`` has
room behind its R bits for bits of the stream.

Neither recurrence knows of tables: they take the count of each value (encoder) or look-up arrays (decoder), so lanes
could as well belong to different tables.
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

    def top_bits(self, count: int) -> np.ndarray:
        """Sign, exponent and the ``count`` most significant bits, the implied one included."""
        return np.array(-1 << (self.fraction + 1 - count), self.integer)


_SINGLE, _DOUBLE = _Format(np.float32, np.int32, 23, 127), _Format(np.float64, np.int64, 52, 1023)


def longest_shift(table: SymbolTable) -> int:
    """Most bits one value can shift out: a row with count k has the size ``t * k >= 2**(M-1) * k``."""
    return table.config.prob_bits + 1 - min(c for c in table.counts if c).bit_length()


class RangeEncoder:
    """t of many encoders, one step per value.

    Members
    -------
    real : dtype of counts: float32 where products fit its 24 significant bits, else float64.
    """

    def __init__(self, config: CodecConfig, lanes: int):
        f = self._format = _SINGLE if config.range_bits <= 24 else _DOUBLE
        self.real, self._config = f.real, config
        self._t = np.full(lanes, (1 << config.mult_bits) - 1, f.real)

    def steps(self, sizes: np.ndarray) -> np.ndarray:
        """Step through rows of counts (:attr:`real`, shape ``(steps, n)``, the first n lanes).

        ``sizes`` is changed: the count of each value becomes the size of its part of the interval, not normalized.
        Returns t before each step, of the same dtype and shape. A value with the count ``2**P`` changes nothing.
        """
        f, cfg, (steps, n) = self._format, self._config, sizes.shape
        t = np.empty((steps + 1, n), f.real)
        t[0] = self._t[:n]
        kept = f.top_bits(cfg.mult_bits) & ~f.top_bits(1)
        top = f.power(cfg.mult_bits - 1)
        bit_and, bit_or, multiply = np.bitwise_and, np.bitwise_or, np.multiply
        rows = zip(t[:-1], sizes, sizes.view(f.integer), t[1:].view(f.integer), strict=True)
        for now, size, size_bits, next_bits in rows:
            multiply(now, size, size)
            bit_and(size_bits, kept, next_bits)
            bit_or(next_bits, top, next_bits)
        self._t[:n] = t[steps]
        return t[:-1]

    def shifts(self, sizes: np.ndarray, out: np.ndarray):
        """The shifts d that normalize ``sizes`` (as :meth:`steps` leaves them), into ``out`` (uint32)."""
        f = self._format
        np.right_shift(sizes.view(f"u{sizes.itemsize}"), f.fraction, out=out, casting="unsafe")
        np.subtract(f.bias + self._config.range_bits - 1, out, out=out)


class RangeDecoder:
    """t and ``dif`` of many decoders, one step per value.

    Members
    -------
    rows : row found for each quotient ``dif // t`` below ``2**P``: the one with ``c[i] <= q < c[i+1]``.
    ended : of each lane that has ended, the bit of its stream that would be the next to enter ``dif``: int64.
    """

    def __init__(self, table: SymbolTable, windows: BitWindows):
        cfg = self._config = table.config
        lanes, growth = len(windows.starts), longest_shift(table)
        counts = np.array(table.counts)
        self.rows = np.repeat(np.arange(len(counts)), counts)
        self._limits = np.stack((np.array(table.cumulative)[self.rows], counts[self.rows] / cfg.total))
        # Behind the binary point of `dif` there is room for the bits of the stream that so many steps can shift in.
        # One bit of the fraction field stays free: so `dif / t` just below a whole number is never rounded up to it.
        spare = min(_DOUBLE.fraction - cfg.range_bits, windows.WIDTH)
        self._refill_steps = min(spare // max(growth, 1), 16)
        self._ahead, self._until_refill = self._refill_steps * growth, 0
        self._words, self._positions = windows.words, windows.starts + cfg.range_bits
        self._t = np.full(lanes, (1 << cfg.mult_bits) - 1, np.float64)
        self._dif = (windows.at(windows.starts) >> np.uint64(64 - cfg.range_bits)).astype(np.float64)
        self.ended = self._positions.copy()
        self._memory = np.empty((4, lanes))

    def steps(self, first: int, fields: np.ndarray, out: np.ndarray, ends: dict[int, slice]):
        """Decode one value per row of ``out``, of the first n lanes: shape ``(steps, n)``.

        ``out`` receives the ``fields`` of the rows found, given by quotient like :attr:`rows`.
        ``first``: number of the first step; ``ends``: by number of a step, the lanes whose last it is.
        """
        n = out.shape[1]
        t, dif, (quotient, found) = self._t[:n], self._dif[:n], self._memory[:2, :n]
        limits = self._memory[2:].reshape(-1)[: 2 * n].reshape(2, n)
        a, size = limits
        t_bits, size_bits, found = (x.view(np.int64) for x in (t, size, found))
        kept = _DOUBLE.top_bits(self._config.mult_bits)
        divide, multiply, subtract, bit_and, copyto = np.divide, np.multiply, np.subtract, np.bitwise_and, np.copyto
        take_limits, take_fields, refill = self._limits.take, fields.take, self._refiller(t, dif, self._positions[:n])
        until_refill = self._until_refill
        for number, entry in enumerate(out, first):
            if not until_refill:
                refill()
                until_refill = self._refill_steps
            until_refill -= 1
            divide(dif, t, quotient)
            copyto(found, quotient, "unsafe")
            take_limits(found, 1, limits, "clip")
            take_fields(found, 0, entry, "clip")
            multiply(t, a, a)
            multiply(t, size, size)
            subtract(dif, a, dif)
            bit_and(size_bits, kept, t_bits)  # t and dif stay as small as they get: only their quotient matters
            if number in ends:
                lanes = ends[number]
                scale = t[lanes].view(np.int64) >> _DOUBLE.fraction
                self.ended[lanes] = self._positions[lanes] + (_DOUBLE.bias + self._config.mult_bits - 1 - scale)
        self._until_refill = until_refill

    def _refiller(self, t: np.ndarray, dif: np.ndarray, positions: np.ndarray):
        """A function without arguments that normalizes t and ``dif`` and fetches bits of the streams.

        It puts those that follow behind the binary point of ``dif``. Views and constants are made once: with few lanes
        they cost more than the work.
        """
        t_bits, dif_bits = t.view(np.int64), dif.view(np.int64)
        shift, bits = np.empty_like(positions), np.empty(len(positions), np.uint64)
        unsigned_shift, ahead = shift.view(np.uint64), bits.view(np.float64)
        exponent, top = _DOUBLE.top_bits(1), _DOUBLE.power(self._config.mult_bits - 1)
        fraction, word, within = np.array(_DOUBLE.fraction), np.array(5), np.array(31)
        beyond = np.array(64 - self._ahead, np.uint64)
        unit = _DOUBLE.power(_DOUBLE.fraction - self._ahead)  # its fraction field ends at the last bit wanted
        unit_bits, unit = unit.view(np.uint64), unit.view(np.float64)
        most = np.array(float(1 << self._config.range_bits))
        add, subtract, bit_and, bit_or = np.add, np.subtract, np.bitwise_and, np.bitwise_or
        left_shift, right_shift, floor, minimum = np.left_shift, np.right_shift, np.floor, np.minimum
        take = self._words.take

        def refill():
            bit_and(t_bits, exponent, shift)
            subtract(top, shift, shift)
            add(t_bits, shift, t_bits)
            add(dif_bits, shift, dif_bits)  # a zero becomes something far below any bit of the stream
            right_shift(shift, fraction, shift)
            add(positions, shift, positions)
            right_shift(positions, word, shift)
            take(shift, 0, bits, "clip")
            bit_and(positions, within, shift)
            left_shift(bits, unsigned_shift, bits)
            right_shift(bits, beyond, bits)
            bit_or(bits, unit_bits, bits)
            subtract(ahead, unit, ahead)
            floor(dif, dif)
            # Behind its end and in a damaged stream a lane's `dif` can exceed R bits; it must not grow for ever.
            minimum(dif, most, out=dif)
            add(dif, ahead, dif)

        return refill
