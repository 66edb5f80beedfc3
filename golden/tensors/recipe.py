"""The standard recipe of post-training quantization for weights: scales from a range of values, round to nearest even.

Symmetric: ``scale = max|x| / (2**(b-1) - 1)``, codes ``-(2**(b-1)-1) .. 2**(b-1)-1``, zero point 0. Asymmetric:
``scale = (max(x, 0) - min(x, 0)) / (2**b - 1)``, codes ``0 .. 2**b - 1``, zero point ``rint(-min(x, 0) / scale)``.
The range is from the lowest to the highest value of the tensor or, per channel, of each slice along the output
channel's axis. With few bits it pays to give up the outermost values: ``scales="mse"`` shrinks the range by that one of
FACTORS which makes the sum of the squared errors least.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..config import check_int

BITS = range(2, 9)
SCALES_OF = {"extremes": "scales of the extremes", "mse": "scales of least squared error"}
FACTORS = np.linspace(1, 0.2, 33)  # of a range; with 2 bits, least errors are at about a third of a Gaussian's extremes
PART_VALUES = 1 << 20  # worked on at a time, so that a large tensor is never in memory as floats


@dataclass(frozen=True)
class Recipe:
    """How float weights become integers of 2 to 8 ``bits``. Raises TypeError, ValueError."""

    bits: int = 8
    symmetric: bool = True
    per_channel: bool = True
    scales: str = "extremes"

    def __post_init__(self):
        check_int("bits of the quantization", self.bits, BITS[0], BITS[-1])
        for name in ("symmetric", "per_channel"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be a bool, not {getattr(self, name)!r}")
        if self.scales not in SCALES_OF:
            raise ValueError(f"scales must be one of {', '.join(SCALES_OF)}, not {self.scales!r}")

    def __str__(self) -> str:
        sign = "symmetric" if self.symmetric else "asymmetric"
        return f"{self.bits} bits, {sign}, per {'channel' if self.per_channel else 'tensor'}, {SCALES_OF[self.scales]}"

    @property
    def _top(self) -> int:
        """The highest code."""
        return 2 ** (self.bits - 1) - 1 if self.symmetric else 2**self.bits - 1

    def quantize(self, array, axis: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Codes (int8 or, asymmetric, uint8, in the array's shape), scales and zero points (1-D, 1 or channels).

        ``array`` needs ``shape`` and rows by slices, so it may be a file's. ``axis`` is the output channels', or
        None where a tensor has none. Raises ValueError for values that are not finite.
        """
        shape = tuple(array.shape)
        axis = axis % len(shape) if self.per_channel and axis is not None else None
        low, high = self._extremes(array, axis)
        if self.scales == "mse":
            factor = self._best_factor(array, axis, low, high)
            low, high = low * factor, high * factor
        scale, zero = self._scaling(low, high)
        by, at = (along(v, axis, len(shape)) for v in (scale, zero))
        codes = np.empty(shape, np.int8 if self.symmetric else np.uint8)
        for rows in parts(shape):
            here = rows if axis == 0 else slice(None)
            codes[rows] = self._codes(np.asarray(array[rows], np.float32), by[here], at[here])
        return codes, scale, zero.astype(np.int64)

    def _scaling(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scales and zero points of ranges, float64."""
        span = np.maximum(high, -low) if self.symmetric else high - low
        scale = np.where(span > 0, span / self._top, 1.0)  # float64: a span of the smallest floats must not vanish
        return scale, np.zeros_like(scale) if self.symmetric else np.rint(-low / scale)

    def _codes(self, values: np.ndarray, scale: np.ndarray, zero: np.ndarray) -> np.ndarray:
        """Codes, as floats."""
        return np.clip(np.rint(values / scale) + zero, -self._top if self.symmetric else 0, self._top)

    def _best_factor(self, array, axis: int | None, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """That one of FACTORS for each range that makes the sum of its squared errors least."""
        shape, errors = tuple(array.shape), np.zeros((len(FACTORS), len(low)))
        others = tuple(i for i in range(len(shape)) if i != axis)
        for rows in parts(shape):
            values, here = np.asarray(array[rows], np.float32), rows if axis == 0 else slice(None)
            for factor, error in zip(FACTORS, errors, strict=True):
                scale, zero = (along(v, axis, len(shape))[here] for v in self._scaling(low * factor, high * factor))
                error[here] += np.square((self._codes(values, scale, zero) - zero) * scale - values).sum(axis=others)
        return FACTORS[errors.argmin(axis=0)]

    def _extremes(self, array, axis: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value of each channel, 0 included."""
        shape = tuple(array.shape)
        low, high = (np.zeros(shape[axis] if axis is not None else 1) for _ in range(2))
        others = tuple(i for i in range(len(shape)) if i != axis)
        for rows in parts(shape):
            values = np.asarray(array[rows], np.float32)
            if not np.isfinite(values).all():
                raise ValueError("values to quantize must be finite")
            here = rows if axis == 0 else slice(None)
            low[here] = np.minimum(low[here], values.min(axis=others, initial=0))
            high[here] = np.maximum(high[here], values.max(axis=others, initial=0))
        return low, high

    def restore(self, codes: np.ndarray, scale: np.ndarray, zero: np.ndarray, axis: int | None) -> np.ndarray:
        """The floats that codes stand for, float32 in their shape."""
        axis = axis if scale.size > 1 else None
        by, at = (along(v, axis, codes.ndim) for v in (scale, zero))
        return ((codes.astype(np.float32) - at) * by).astype(np.float32)


def along(values: np.ndarray, axis: int | None, dimensions: int) -> np.ndarray:
    """One value for each slice along an axis, or one for all, in a shape to be combined with the tensor."""
    shape = [1] * dimensions
    shape[0 if axis is None else axis] = -1
    return values.reshape(shape)


def parts(shape) -> Iterator[slice]:
    """Slices of the first axis of about PART_VALUES values each."""
    row = int(np.prod(shape[1:], dtype=np.int64)) or 1
    step = max(1, PART_VALUES // row)
    return (slice(i, min(i + step, shape[0])) for i in range(0, shape[0], step))


class BFloat16:
    """Rows of a bfloat16 array, which numpy has no type for, as float32: ``bits`` are its uint16 items."""

    def __init__(self, bits: np.ndarray):
        self.bits, self.shape = bits, bits.shape

    def __getitem__(self, rows) -> np.ndarray:
        return (self.bits[rows].astype(np.uint32) << 16).view(np.float32)
