"""Run lengths: of any value (RLE), and of zeros only (RLEZ).

S. W. Golomb, "Run-length encodings", IEEE Transactions on Information Theory 12(3), 1966. In accelerators: Eyeriss
(Y.-H. Chen, T. Krishna, J. Emer, V. Sze, ISSCC 2016: runs of zeros in 5 bits), EIE (S. Han et al., ISCA 2016: 4
bits). The length's field has the bits, 1 to 8, that suit the tensor best; which, takes 3.
"""

from collections.abc import Iterator

import numpy as np

from ..search import histogram
from . import readings
from .streams import Reader, field

FIELDS = range(1, 9)
FIELD_BITS = 3


class RunLength:
    """Each run of equal values: the value, W bits, and its length - 1. Longer runs than the field holds are cut."""

    def bits(self, codes: np.ndarray, width: int) -> int:
        """Exact size in bits."""
        return FIELD_BITS + self._cheapest(codes, width)[0]

    def encode(self, codes: np.ndarray, width: int) -> str:
        """The bit string."""
        run_bits = self._cheapest(codes, width)[1]
        out, done = [field(run_bits - 1, FIELD_BITS)], 0
        while done < len(codes):
            end = done + 1
            while end < min(len(codes), done + (1 << run_bits)) and codes[end] == codes[done]:
                end += 1
            out += [field(codes[done], width), field(end - done - 1, run_bits)]
            done = end
        return "".join(out)

    def decode(self, bits: str, count: int, width: int) -> np.ndarray:
        """The ``count`` codes."""
        reader, codes = Reader(bits), []
        run_bits = reader.take(FIELD_BITS) + 1
        while len(codes) < count:
            code = reader.take(width)
            codes += [code] * (reader.take(run_bits) + 1)
        return np.array(codes, np.uint16)

    @staticmethod
    def _cheapest(codes: np.ndarray, width: int) -> tuple[int, int]:
        pairs = np.zeros(len(FIELDS), np.int64)
        for lengths in _runs(codes):
            pairs += [int((lengths + (1 << k) - 1 >> k).sum()) for k in FIELDS]
        return min((int(n) * (width + k), k) for n, k in zip(pairs, FIELDS, strict=True))


class ZeroRunLength:
    """Each value that is not zero: the zeros before it, and the value, W bits.

    A run that the field cannot hold gives pairs whose value is zero itself, each for ``2**k`` zeros (the last one
    of the tensor for fewer). Zero is the most frequent code, named in W bits.
    """

    def bits(self, codes: np.ndarray, width: int) -> int:
        """Exact size in bits."""
        return FIELD_BITS + width + self._cheapest(codes, width)[0]

    def encode(self, codes: np.ndarray, width: int) -> str:
        """The bit string."""
        _, run_bits, zero = self._cheapest(codes, width)
        out, zeros = [field(run_bits - 1, FIELD_BITS), field(zero, width)], 0
        for i, code in enumerate(codes.tolist()):
            if code != zero or zeros == (1 << run_bits) - 1 or i == len(codes) - 1:
                out += [field(zeros, run_bits), field(code, width)]
                zeros = 0
            else:
                zeros += 1
        return "".join(out)

    def decode(self, bits: str, count: int, width: int) -> np.ndarray:
        """The ``count`` codes."""
        reader, codes = Reader(bits), []
        run_bits, zero = reader.take(FIELD_BITS) + 1, reader.take(width)
        while len(codes) < count:
            codes += [zero] * reader.take(run_bits) + [reader.take(width)]
        return np.array(codes, np.uint16)

    @staticmethod
    def _cheapest(codes: np.ndarray, width: int) -> tuple[int, int, int]:
        zero = int(histogram(codes, width).argmax())
        pairs, last = np.zeros(len(FIELDS), np.int64), -1
        for first in range(0, len(codes), readings.PIECE):
            places = np.flatnonzero(codes[first : first + readings.PIECE] != zero) + first
            gaps = np.diff(places, prepend=last) - 1
            last = int(places[-1]) if len(places) else last
            pairs += [len(gaps) + int((gaps >> k).sum()) for k in FIELDS]
        tail = len(codes) - 1 - last
        return min((int(n + (tail + (1 << k) - 1 >> k)) * (width + k), k, zero)
                   for n, k in zip(pairs, FIELDS, strict=True))


def _runs(codes: np.ndarray) -> Iterator[np.ndarray]:
    """Lengths of the runs of equal values, in order, some at a time: int64."""
    start = 0
    for first in range(0, len(codes), readings.PIECE):
        piece = codes[first : first + readings.PIECE + 1]  # and the next one, to see whether it differs
        starts = np.flatnonzero(piece[1:] != piece[:-1]) + first + 1
        yield np.diff(starts, prepend=start)
        start = int(starts[-1]) if len(starts) else start
    if len(codes):
        yield np.array([len(codes) - start])
