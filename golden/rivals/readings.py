"""How a scheme may read the codes: which code is its zero, whether the top bit is a sign, and as which bytes.

The published schemes take zero to be the number 0 and small values to lie around it. Quantized tensors often have
their zero elsewhere (a zero point), and rivals are told neither that nor the sign. So each may choose what suits it
best, and pays for saying so: the zero with W bits, the sign with one.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

PIECE = 1 << 20  # values worked on at once, so that memory stays bounded; a multiple of every group size


class Reading(NamedTuple):
    """``value = (code - zero) mod 2**W``, and minus ``2**W`` where that has its top bit set, if ``signed``."""

    zero: int
    signed: bool

    def values(self, width: int) -> np.ndarray:
        """The value of each code: int32, shape ``(2**W,)``."""
        values = (np.arange(1 << width, dtype=np.int32) - self.zero) % (1 << width)
        return np.where(values >> (width - 1), values - (1 << width), values) if self.signed else values

    def code(self, value: int, width: int) -> int:
        """The code of a value."""
        return (value + self.zero) % (1 << width)


def readings(counts: np.ndarray) -> list[Reading]:
    """Those worth trying for a histogram: zero is code 0 or the most frequent code, signed or not."""
    return [Reading(zero, signed) for zero in sorted({0, int(counts.argmax())}) for signed in (False, True)]


def pieces(array: np.ndarray) -> Iterator[np.ndarray]:
    """A one-dimensional array, ``PIECE`` values at a time."""
    return (array[first : first + PIECE] for first in range(0, len(array), PIECE))


def layouts(codes: np.ndarray, width: int) -> list[list[bytes]]:
    """Ways to hand codes to a byte-oriented coder, each a list of streams to be coded apart.

    8 bits: the codes. Below: one code a byte, or packed densely (two 4-bit codes a byte, say, the first one in the
    high bits). Above: two bytes, the low one first, or all low bytes and then all high bytes as streams of their own.
    """
    if width == 8:
        return [[codes.tobytes()]]
    if width < 8:
        return [[codes.astype(np.uint8).tobytes()], [packed(codes, width)]]
    return [[codes.astype("<u2").tobytes()], [part.tobytes() for part in planes(codes)]]


def packed(codes: np.ndarray, width: int) -> bytes:
    """Codes of 2 to 7 bits, one after the other, most significant bit first, padded with zeros to a byte."""
    parts = (codes[first : first + PIECE] for first in range(0, len(codes), PIECE))  # PIECE values fill whole bytes
    shifts = np.arange(width - 1, -1, -1, dtype=np.uint8)
    return b"".join(np.packbits(part.astype(np.uint8)[:, None] >> shifts & 1).tobytes() for part in parts)


def unpacked(data: bytes, width: int, count: int) -> np.ndarray:
    """The inverse of :func:`packed`: uint8, shape ``(count,)``."""
    digits = np.unpackbits(np.frombuffer(data, np.uint8))[: count * width].reshape(count, width)
    return (digits @ (1 << np.arange(width)[::-1])).astype(np.uint8)


def planes(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The low bytes and the high bytes of codes of more than 8 bits: uint8."""
    return (codes & 255).astype(np.uint8), (codes >> 8).astype(np.uint8)


def from_layout(streams: list[bytes], which: int, width: int, count: int) -> np.ndarray:
    """The codes that number ``which`` of :func:`layouts` turned into ``streams``."""
    if width > 8 and which:
        low, high = (np.frombuffer(stream, np.uint8).astype(np.uint16) for stream in streams)
        return high << 8 | low
    if width > 8:
        return np.frombuffer(streams[0], "<u2").astype(np.uint16)
    return unpacked(streams[0], width, count) if which else np.frombuffer(streams[0], np.uint8)
