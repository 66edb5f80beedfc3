"""The weight coder of Arm's Ethos-U NPUs: runs of zeros, a palette, Golomb-Rice codes that change with the statistics.

Library: the codec in Arm's compiler Vela (``ethos-u-vela``), whose streams are what the NPU reads; they are whole
multiples of 16 bytes.

Values handed to it are -255..255, so codes are read with a zero and with or without sign, as suits them best (tried
on the first 8,192 values; W + 1 bits say which). Codes of more than 8 bits are two tensors, low bytes and high bits.
"""

import numpy as np

from ..search import histogram
from . import readings
from .readings import Reading, pieces, planes
from .streams import Reader, field, join, joined_bits, split

TRIED = 1 << 13


class Mlw:
    """A stream for every 2**20 values, as the library takes a Python list. Needs ethos-u-vela."""

    def bits(self, codes: np.ndarray, width: int) -> int:
        """Exact size in bits: the coder is run."""
        heads, streams = _coded(codes, width)
        return len(heads) + joined_bits(streams)

    def encode(self, codes: np.ndarray, width: int) -> str:
        """The bit string: each tensor's zero and sign, then the streams."""
        heads, streams = _coded(codes, width)
        return heads + join(streams)

    def decode(self, bits: str, count: int, width: int) -> np.ndarray:
        """The ``count`` codes. The library ends the process if a stream is damaged: for streams of one's own only."""
        from ethosu import mlw_codec

        reader = Reader(bits)
        widths = _widths(width)
        heads = [Reading(reader.take(w), bool(reader.take(1))) for w in widths]
        some = -(-count // readings.PIECE)
        streams = split(reader, some * len(widths))
        code = np.zeros(count, np.uint16)
        for i, (w, reading) in enumerate(zip(widths, heads, strict=True)):
            values = [v for part in streams[i * some : (i + 1) * some] for v in mlw_codec.decode(bytearray(part))]
            code |= np.array([reading.code(value, w) for value in values], np.uint16) << 8 * i
        return code


def _widths(width: int) -> list[int]:
    """Bits of the codes that are coded apart."""
    return [8, max(2, width - 8)] if width > 8 else [width]


def _coded(codes: np.ndarray, width: int) -> tuple[str, list[bytes]]:
    heads, streams = "", []
    for part, w in zip(planes(codes) if width > 8 else [codes], _widths(width), strict=True):
        reading = _best_reading(part[:TRIED], w)
        heads += field(reading.zero, w) + field(reading.signed, 1)
        streams += [_encode(piece, reading, w) for piece in pieces(part)]
    return heads, streams


def _best_reading(codes: np.ndarray, width: int) -> Reading:
    tried = readings.readings(histogram(codes, width))
    return min(tried, key=lambda reading: len(_encode(codes, reading, width)))


def _encode(codes: np.ndarray, reading: Reading, width: int) -> bytes:
    from ethosu import mlw_codec

    return bytes(mlw_codec.encode(reading.values(width)[codes].tolist()))
