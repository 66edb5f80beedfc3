"""ShapeShifter: a width for every small group of values, that of its largest.

A. Delmas Lascorz, S. Sharify et al., "ShapeShifter: Enabling Fine-Grain Data Width Adaptation in Deep Learning",
MICRO 2019; here its memory compression.

A group is, if there is a mask, a bit for every value that says whether it is not zero; the width less 1 in
``ceil(log2(W))`` bits; and the values, those that are zero left out if there is a mask. Signed values are stored in
two's complement, which takes no more than the paper's sign and magnitude. Which code is zero and whether there is a
sign: W + 1 bits for the tensor. The last group may be short.
"""

from dataclasses import dataclass

import numpy as np

from ..search import histogram
from .integers import bit_length
from .readings import Reading, pieces, readings
from .streams import Reader, field


@dataclass(frozen=True)
class ShapeShifter:
    """``group``: values that share a width, a power of two up to 128. ``mask``: whether zeros are left out."""

    group: int
    mask: bool

    def bits(self, codes: np.ndarray, width: int) -> int:
        """Exact size in bits."""
        return width + 1 + self._cheapest(codes, width)[0]

    def encode(self, codes: np.ndarray, width: int) -> str:
        """The bit string."""
        reading = self._cheapest(codes, width)[1]
        values = reading.values(width)[codes].tolist()
        out = [field(reading.zero, width), field(reading.signed, 1)]
        for first in range(0, len(values), self.group):
            some = values[first : first + self.group]
            bits = max(_needed(value, reading.signed) for value in some)
            out += ["01"[value != 0] for value in some] if self.mask else []
            out += [field(bits - 1, _field_bits(width))]
            out += [field(value % (1 << bits), bits) for value in some if value or not self.mask]
        return "".join(out)

    def decode(self, bits: str, count: int, width: int) -> np.ndarray:
        """The ``count`` codes."""
        reader, values = Reader(bits), []
        reading = Reading(reader.take(width), bool(reader.take(1)))
        while len(values) < count:
            size = min(self.group, count - len(values))
            stored = [reader.take(1) for _ in range(size)] if self.mask else [1] * size
            taken = reader.take(_field_bits(width)) + 1
            for there in stored:
                value = reader.take(taken) if there else 0
                values.append(value - (1 << taken) if reading.signed and value >> (taken - 1) else value)
        return np.array([reading.code(value, width) for value in values], np.uint16)

    def _cheapest(self, codes: np.ndarray, width: int) -> tuple[int, Reading]:
        counts = histogram(codes, width)
        return min((self._group_bits(codes, width, reading, counts), reading) for reading in readings(counts))

    def _group_bits(self, codes: np.ndarray, width: int, reading: Reading, counts: np.ndarray) -> int:
        needed = _needed_by_code(reading, width)
        groups = -(-len(codes) // self.group)
        bits = groups * _field_bits(width) + (len(codes) if self.mask else 0)
        for piece in pieces(codes):
            padded = np.zeros((-(-len(piece) // self.group), self.group), np.uint8)
            padded.reshape(-1)[: len(piece)] = needed[piece]
            stored = np.full(len(padded), self.group)
            stored[-1] -= padded.size - len(piece)
            if self.mask:
                zeros = np.zeros(padded.shape, np.uint8)
                zeros.reshape(-1)[: len(piece)] = piece == reading.zero
                stored -= _fold(np.add, zeros)
            bits += int(stored @ _fold(np.maximum, padded).astype(np.int64))
        return bits


def _fold(operation: np.ufunc, groups: np.ndarray) -> np.ndarray:
    """The operation over each row, halving rows: much faster than reducing along a short axis."""
    while groups.shape[1] > 1:
        half = groups.shape[1] // 2
        groups = operation(groups[:, :half], groups[:, half:])
    return groups[:, 0]


def _field_bits(width: int) -> int:
    return (width - 1).bit_length()


def _needed(value: int, signed: bool) -> int:
    """Bits that hold a value, at least 1."""
    return (value if value >= 0 else ~value).bit_length() + 1 if signed else max(1, value.bit_length())


def _needed_by_code(reading: Reading, width: int) -> np.ndarray:
    values = reading.values(width)
    if reading.signed:
        return (bit_length(np.where(values < 0, ~values, values)) + 1).astype(np.uint8)
    return np.maximum(1, bit_length(values)).astype(np.uint8)
