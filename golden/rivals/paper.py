"""APack as its paper publishes it: table by local moves, every row stored, the textbook's arithmetic coder.

A. Delmas Lascorz, M. Mahmoud, A. Moshovos, "APack: Off-Chip, Lossless Data Compression for Efficient Deep Learning
Inference", arXiv 2201.08830, 2022. The coder is that of I. H. Witten, R. M. Neal, J. G. Cleary, "Arithmetic Coding
for Data Compression", Communications of the ACM 30(6), 1987, with LO and HI of 16 bits and underflow bits.

The table has 16 rows (``2**W`` where that is less) of v_min (W bits), OL (0..W) and a count of 10 bits. Counts are
the rows' shares of 1024, at least 1 where a row has values; a row with nearly all of them leaves one to another, so
that every count fits its field. Offsets are ``code - v_min`` in OL bits. The symbols are cut into as many sub-streams
as the paper has engines, 64, but of 256 to 1,024 values, so that all can be counted in lock-step; each ends with 2
bits.
"""

from dataclasses import dataclass

import numpy as np

from ..heuristic import equal_step_cut
from ..search import RowCost, histogram
from .integers import bit_length
from .streams import Reader, field

ROWS, COUNT_BITS, REGISTER_BITS = 16, 10, 16
TOTAL, TOP, HALF = 1 << COUNT_BITS, (1 << REGISTER_BITS) - 1, 1 << REGISTER_BITS - 1
END_BITS = 2
ENGINES, SHORTEST, LONGEST = 64, 256, 1024
LANES = 1024  # sub-streams counted at once

# How many leading bits LO and HI have in common, by LO ^ HI; how many ones 15 bits begin with.
SAME_BITS = (REGISTER_BITS - bit_length(np.arange(TOP + 1))).astype(np.int32)
LEADING_ONES = (REGISTER_BITS - 1 - bit_length(~np.arange(HALF) & TOP >> 1)).astype(np.int32)


@dataclass(frozen=True)
class Table:
    """``v_min``, ``counts``: int64, shape ``(rows,)``; the counts add up to 1024, none is above 1023."""

    width: int
    v_min: np.ndarray
    counts: np.ndarray

    @property
    def offset_bits(self) -> np.ndarray:
        """OL of each row: int64."""
        return bit_length(np.diff(self.v_min, append=1 << self.width) - 1)

    @property
    def row_of_code(self) -> np.ndarray:
        """int64, shape ``(2**W,)``."""
        return np.searchsorted(self.v_min, np.arange(1 << self.width), "right") - 1

    @property
    def bounds(self) -> np.ndarray:
        """Cumulative counts: int64, shape ``(rows + 1,)``."""
        return np.concatenate(([0], np.cumsum(self.counts)))

    @property
    def bits(self) -> int:
        """What the table takes to store."""
        return len(self.v_min) * (self.width + self.width.bit_length() + COUNT_BITS)

    def stored(self) -> str:
        """The table as a bit string."""
        rows = zip(self.v_min.tolist(), self.offset_bits.tolist(), self.counts.tolist(), strict=True)
        sizes = self.width, self.width.bit_length(), COUNT_BITS
        return "".join(field(value, bits) for row in rows for value, bits in zip(row, sizes, strict=True))

    @classmethod
    def read(cls, reader: Reader, width: int) -> "Table":
        """The inverse of :meth:`stored`."""
        sizes = width, width.bit_length(), COUNT_BITS
        rows = [[reader.take(bits) for bits in sizes] for _ in range(min(ROWS, 1 << width))]
        v_min, _, counts = np.array(rows, np.int64).T
        return cls(width, v_min, counts)


def search(counts: np.ndarray, width: int) -> Table:
    """The table for a histogram that is not empty."""
    cut = equal_step_cut(RowCost(counts), 1 << width, ROWS)
    mass = np.add.reduceat(counts, cut[:-1])
    share = np.maximum(np.rint(mass * (TOTAL / float(mass.sum()))).astype(np.int64), mass > 0)
    largest = int(share.argmax())
    share[largest] += TOTAL - share.sum()
    if share[largest] == TOTAL:
        share[largest] -= 1
        share[largest - 1] += 1
    return Table(width, cut[:-1], share)


class Published:
    """One table, 64 sub-streams of symbols, one stream of offsets."""

    def bits(self, codes: np.ndarray, width: int) -> int:
        """Exact size in bits."""
        counts = histogram(codes, width)
        table = search(counts, width)
        offsets = int(counts @ table.offset_bits[table.row_of_code])
        return table.bits + symbol_bits(table, codes) + offsets

    def encode(self, codes: np.ndarray, width: int) -> str:
        """The bit string: table, sub-streams, offsets."""
        table = search(histogram(codes, width), width)
        rows = table.row_of_code[codes]
        size = substream(len(codes))
        symbols = [_encode(table.bounds.tolist(), rows[i : i + size].tolist()) for i in range(0, len(codes), size)]
        offsets = zip((codes - table.v_min[rows]).tolist(), table.offset_bits[rows].tolist(), strict=True)
        return table.stored() + "".join(symbols) + "".join(field(offset, bits) for offset, bits in offsets)

    def decode(self, bits: str, count: int, width: int) -> np.ndarray:
        """The ``count`` codes."""
        reader = Reader(bits)
        table, rows = Table.read(reader, width), []
        for left in range(count, 0, -substream(count)):
            rows += _decode(reader, table.bounds.tolist(), min(left, substream(count)))
        offset_bits, v_min = table.offset_bits.tolist(), table.v_min.tolist()
        return np.array([v_min[row] + reader.take(offset_bits[row]) for row in rows], np.uint16)


def substream(count: int) -> int:
    """Values of a sub-stream of a tensor of ``count``."""
    return min(max(-(-count // ENGINES), SHORTEST), LONGEST)


def symbol_bits(table: Table, codes: np.ndarray) -> int:
    """Size of all sub-streams: each has as many bits as its interval was doubled, and 2."""
    size = substream(len(codes))
    starts, row_of_code = range(0, len(codes), size * LANES), table.row_of_code.astype(np.uint8)
    return END_BITS * -(-len(codes) // size) + sum(
        _doublings(table.bounds, row_of_code[codes[first : first + size * LANES]], size) for first in starts
    )


def _doublings(bounds: np.ndarray, rows: np.ndarray, size: int) -> int:
    """Doublings of the intervals of all sub-streams, ``size`` rows each, one step of all at a time.

    The interval is ``low`` and its ``span``, so HI is ``low + span - 1`` and its complement ``-(low + span)``: few and
    cheap operations, as it is their number that takes the time.
    """
    lanes = -(-len(rows) // size)
    padded = np.full((lanes, size), len(bounds) - 1, np.uint8)  # past the end: a row that owns all, changes nothing
    padded.reshape(-1)[: len(rows)] = rows
    steps = np.ascontiguousarray(padded.T)
    below = np.append(bounds[:-1], 0).astype(np.int32)[steps]
    above = np.append(bounds[1:], TOTAL).astype(np.int32)[steps]
    low, span, total = np.zeros(lanes, np.int32), np.full(lanes, TOP + 1, np.int32), np.zeros(lanes, np.int64)
    for start, end in zip(below, above, strict=True):
        start = span * start >> COUNT_BITS
        low += start
        span = (span * end >> COUNT_BITS) - start
        same = SAME_BITS.take(low ^ low + span - 1)
        low = low << same & TOP
        span <<= same
        near = LEADING_ONES.take(low & -(low + span) & TOP >> 1)  # LO is 01.. and HI 10..: doubled about the middle
        low = (low - HALF << near) + HALF
        span <<= near
        total += same
        total += near
    return int(total.sum())


def _encode(bounds: list[int], rows: list[int]) -> str:
    """A sub-stream, bit by bit as in the textbook."""
    low, high, pending, out = 0, TOP, 0, []

    def emit(bit: int):
        nonlocal pending
        out.append(str(bit) + str(1 - bit) * pending)
        pending = 0

    for row in rows:
        size = high - low + 1
        low, high = low + (size * bounds[row] >> COUNT_BITS), low + (size * bounds[row + 1] >> COUNT_BITS) - 1
        while True:
            if high < HALF or low >= HALF:
                emit(low // HALF)
            elif low >= HALF // 2 and high < HALF + HALF // 2:
                pending += 1
            else:
                break
            low, high = _double(low, high)
    pending += 1
    emit(int(low >= HALF // 2))
    return "".join(out)


def _double(low: int, high: int) -> tuple[int, int]:
    """The interval at twice the size, its half of the register (or the middle) made the whole."""
    base = 0 if high < HALF else HALF if low >= HALF else HALF // 2
    return 2 * (low - base), 2 * (high - base) + 1


def _decode(reader: Reader, bounds: list[int], count: int) -> list[int]:
    """The rows of a sub-stream, which ends where the next one begins."""
    text = reader.bits[reader.position :] + "0" * REGISTER_BITS
    low, high, value, position, rows = 0, TOP, int(text[:REGISTER_BITS], 2), 0, []
    for _ in range(count):
        size = high - low + 1
        share = ((value - low + 1 << COUNT_BITS) - 1) // size
        row = max(i for i in range(len(bounds) - 1) if bounds[i] <= share)
        low, high = low + (size * bounds[row] >> COUNT_BITS), low + (size * bounds[row + 1] >> COUNT_BITS) - 1
        while high < HALF or low >= HALF or (low >= HALF // 2 and high < HALF + HALF // 2):
            base = 0 if high < HALF else HALF if low >= HALF else HALF // 2
            value = 2 * (value - base) + int(text[position + REGISTER_BITS])
            low, high = _double(low, high)
            position += 1
        rows.append(row)
    reader.take(position + END_BITS)
    return rows
