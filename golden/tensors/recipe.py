"""The standard recipe of post-training quantization for weights: scales from the extremes, round to nearest even.

Symmetric: ``scale = max|x| / (2**(b-1) - 1)``, codes ``-(2**(b-1)-1) .. 2**(b-1)-1``, zero point 0. Asymmetric:
``scale = (max(x, 0) - min(x, 0)) / (2**b - 1)``, codes ``0 .. 2**b - 1``, zero point ``rint(-min(x, 0) / scale)``.
Extremes are those of the tensor or, per channel, of each slice along the output channel's axis.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..config import check_int

BITS = (4, 6, 8)
PART_VALUES = 1 << 20  # worked on at a time, so that a large tensor is never in memory as floats


@dataclass(frozen=True)
class Recipe:
    """How float weights become integers: ``bits`` is 4, 6 or 8. Raises TypeError, ValueError."""

    bits: int = 8
    symmetric: bool = True
    per_channel: bool = True

    def __post_init__(self):
        check_int("bits of the quantization", self.bits, 4, 8)
        if self.bits not in BITS:
            raise ValueError(f"bits of the quantization must be 4, 6 or 8, not {self.bits}")
        for name in ("symmetric", "per_channel"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be a bool, not {getattr(self, name)!r}")

    def __str__(self) -> str:
        sign = "symmetric" if self.symmetric else "asymmetric"
        return f"{self.bits} bits, {sign}, per {'channel' if self.per_channel else 'tensor'}, round to nearest"

    def quantize(self, array, axis: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Codes (int8 or, asymmetric, uint8, in the array's shape), scales and zero points (1-D, 1 or channels).

        ``array`` needs ``shape`` and rows by slices, so it may be a file's. ``axis`` is the output channels', or
        None where a tensor has none. Raises ValueError for values that are not finite.
        """
        shape = tuple(array.shape)
        axis = axis % len(shape) if self.per_channel and axis is not None else None
        low, high = self._extremes(array, axis)
        top = 2 ** (self.bits - 1) - 1 if self.symmetric else 2**self.bits - 1
        span = np.maximum(high, -low) if self.symmetric else high - low
        scale = np.where(span > 0, span / top, 1.0)  # float64: a span of the smallest floats must not vanish
        zero = np.zeros_like(scale) if self.symmetric else np.rint(-low / scale)
        along = [1] * len(shape)
        along[0 if axis is None else axis] = -1
        by, at = scale.reshape(along), zero.reshape(along)
        codes = np.empty(shape, np.int8 if self.symmetric else np.uint8)
        for rows in parts(shape):
            here = rows if axis == 0 else slice(None)
            values = np.rint(np.asarray(array[rows], np.float32) / by[here]) + at[here]
            codes[rows] = np.clip(values, -top if self.symmetric else 0, top)
        return codes, scale, zero.astype(np.int64)

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
        along = [1] * codes.ndim
        along[axis if scale.size > 1 else 0] = -1
        return ((codes.astype(np.float32) - zero.reshape(along)) * scale.reshape(along)).astype(np.float32)


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
