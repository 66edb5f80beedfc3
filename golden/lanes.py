"""Coding of one group of blocks in lock step: each block is a lane, a chunk of ``steps x lanes`` values at a time.

Lanes are sorted by falling length, so those that go on are always the first ones.
"""

from collections.abc import Iterator

import numpy as np

from .bits import BitSums, BitWindows, group_size, join, joined_lengths, part, running_ends, spread
from .codec import code_type
from .errors import UncodableError
from .recurrence import RangeDecoder, RangeEncoder, longest_shift
from .table import SymbolTable

# Values in a chunk: its arrays should stay in the second-level cache, yet be long enough for numpy.
CHUNK_VALUES = 1 << 16
# Codes are fetched so many bytes of each lane at a time: whole cache lines, but not a power of two of them, or
# the rows would compete for few sets of the cache.
SPAN_BYTES = 192
# Offset length of a value without a code: more than any group of true lengths has.
_NO_CODE = 1 << 8


def encode_lanes(table: SymbolTable, codes: np.ndarray, starts: np.ndarray, counts: np.ndarray):
    """Symbol and offset streams of the blocks ``codes[starts[i] : starts[i]+counts[i]]``, ``counts`` falling.

    Returns two pairs like :meth:`golden.bits.BitSums.streams`. Raises UncodableError without a text.
    """
    cfg, widest = table.config, max(table.offset_bits)
    symbol_group, offset_group = group_size(cfg.range_bits, longest_shift(table)), group_size(widest, widest)
    encoder, covers_all = RangeEncoder(cfg, len(counts)), table.covers_all()
    limits, fields = _encoder_tables(table, encoder.real)
    symbols, offsets = (BitSums(len(counts), int(bits * counts[0])) for bits in expected_bits(table))
    symbols.skip(cfg.range_bits)
    reader, shift = _Reader(codes, starts, counts, cfg.values), np.zeros(len(counts), np.uint32)
    for first, steps, n, whole in _chunks(counts, max(symbol_group, offset_group)):
        index = reader.read(first, steps, n, whole)
        pieces, sizes = limits.take(index, axis=1, mode="clip")
        entries = fields.take(index, mode="clip")
        pieces *= encoder.steps(sizes)
        pieces = pieces.astype(np.int32).view(np.uint32)
        shifts = np.empty((steps + 1, n), np.uint32)
        shifts[0] = shift[:n]  # a piece of the code lies behind the one before by the shift of the value before
        encoder.shifts(sizes, shifts[1:])
        shift[:n] = shifts[steps]
        symbols.add(*join(pieces, shifts[:steps], symbol_group))
        values, lengths = join(entries & np.uint32(0xFFFF), entries >> np.uint32(16), offset_group)
        if not covers_all and lengths.max() >= _NO_CODE:
            raise UncodableError
        if widest:
            offsets.add(values, lengths)
    # The code is `low` rounded up to a multiple of half the register's span: one bit more than was shifted out.
    half = np.full((1, len(counts)), (1 << (cfg.range_bits - 1)) - 1, np.uint32)
    symbols.add(half, shift[None])
    return symbols.streams(symbols.ends - cfg.range_bits + 1), offsets.streams(offsets.ends)


def expected_bits(table: SymbolTable) -> tuple[float, float]:
    """Symbol and offset bits per value of a tensor that is distributed like the table's counts, and a little more."""
    counts = np.array(table.counts, np.float64)
    p = counts / table.config.total
    return 1.1 * float(p @ -np.log2(np.maximum(p, 1e-9))), 1.1 * float(p @ table.offset_bits)


def _encoder_tables(table: SymbolTable, real: type) -> tuple[np.ndarray, np.ndarray]:
    """By code, and at the end for no value at all.

    Returns ``c`` and count of its row; its offset, with the offset length << 16.
    """
    cfg, rows = table.config, table.row_of_value
    counts = np.array(table.counts)[rows]
    used = counts > 0
    limits = np.zeros((2, cfg.values + 1), real)
    limits[0, :-1] = np.where(used, np.array(table.cumulative)[rows], 0)
    limits[1] = cfg.total
    limits[1, :-1][used] = counts[used]
    fields = np.zeros(cfg.values + 1, np.uint32)
    lengths = np.where(used, np.array(table.offset_bits)[rows], _NO_CODE)
    fields[:-1] = lengths << 16 | np.arange(cfg.values) - np.array(table.v_min)[rows]
    return limits, fields


def _chunks(counts: np.ndarray, multiple: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut the steps of lanes with falling ``counts`` into chunks.

    Yields the first step; the number of steps, a multiple of ``multiple``; the lanes that have values there; those of
    them that have a value in every step.
    """
    longest, first = int(counts[0]), 0
    while first < longest:
        lanes = int(np.searchsorted(-counts, -first, "left"))
        steps = min(longest - first, max(16, CHUNK_VALUES // lanes), 1024)
        steps = -(-steps // multiple) * multiple
        yield first, steps, lanes, int(np.searchsorted(-counts, -(first + steps), "right"))
        first += steps


class _Reader:
    """The codes of all lanes, step by step."""

    def __init__(self, codes, starts, counts, nothing):
        self._codes, self._starts, self._counts, self._nothing = codes, starts, counts, nothing
        self._first = self._end = 0

    def read(self, first: int, steps: int, lanes: int, whole: int) -> np.ndarray:
        """The next codes of the first ``lanes`` lanes: int64, ``(steps, lanes)``; ``nothing`` where a lane has ended.

        ``whole``: so many lanes have not.
        """
        if first + steps > self._end:
            span = min(SPAN_BYTES // self._codes.itemsize, int(self._counts[0]) - first)
            self._fetch(first, max(steps, span), lanes)
        index = np.empty((steps, lanes), np.int64)
        index[:] = self._rows[:lanes, first - self._first : first - self._first + steps].T
        if whole < lanes:
            index[:, whole:][np.arange(first, first + steps)[:, None] >= self._counts[whole:lanes]] = self._nothing
        return index

    def _fetch(self, first: int, steps: int, lanes: int):
        """Copy the codes from step ``first`` on into rows that lie close together; anything behind a lane's end."""
        codes, starts = self._codes, self._starts[:lanes] + first
        self._first, self._end = first, first + steps
        inside = starts <= len(codes) - steps
        windows = np.ndarray((max(len(codes) - steps + 1, 0), steps), codes.dtype, codes, strides=codes.strides * 2)
        if inside.all():
            self._rows = windows[starts]
        else:
            self._rows = np.empty((lanes, steps), codes.dtype)
            self._rows[inside] = windows[starts[inside]]
            self._rows[~inside] = codes.take(starts[~inside, None] + np.arange(steps), mode="clip")


def decode_lanes(table, data, starts, symbol_bytes, offset_bytes, counts):
    """Values of the blocks whose symbol streams start at ``data[starts]``, their offset streams behind them.

    ``counts`` is falling.

    Returns the codes, one lane a row, of which lane i has ``counts[i]`` (and something behind them), and the bytes
    that they need of the symbol and of the offset streams, int64.
    """
    cfg, widest = table.config, max(table.offset_bits)
    lanes, longest, group = len(counts), int(counts[0]), group_size(widest, widest)
    symbols = BitWindows(data, starts, symbol_bytes)
    offsets = BitWindows(data, starts + symbol_bytes, offset_bytes)
    decoder, at = RangeDecoder(table, symbols), offsets.starts.copy()
    fields = (np.array(table.offset_bits) << 16 | np.array(table.v_min)).astype(np.uint32)[decoder.rows]
    code = np.dtype(code_type(cfg.width))
    codes = np.empty((lanes, spread(longest, code.itemsize)), code)
    falling, first_lanes = np.unique(-counts, return_index=True)
    ends = {-1 - int(c): slice(a, b) for c, a, b in zip(falling, first_lanes, [*first_lanes[1:], lanes], strict=True)}
    for first, steps, n, whole in _chunks(counts, group):
        entries, inside = np.empty((steps, n), np.uint32), min(steps, longest - first)
        decoder.steps(first, fields, entries[:inside], ends)
        entries[inside:] = 0
        if whole < n:
            entries[:, whole:][np.arange(steps)[:, None] >= counts[whole:n] - first] = 0
        if widest:
            entries += _offsets(offsets, at[:n], entries >> np.uint32(16), group)
        found = np.empty((inside, spread(n, code.itemsize)), code)[:, :n]
        found[:] = entries[:inside]
        codes[:n, first : first + inside] = found.T
    if cfg.width not in (8, 16):
        codes &= codes.dtype.type(cfg.values - 1)  # an offset beyond its row, which no encoder writes
    shifted = decoder.ended - symbols.starts - cfg.range_bits
    return codes, (shifted // 8 + 1, (at - offsets.starts + 7) // 8)


def _offsets(windows, at, lengths, group):
    """Read fields of the given ``lengths`` (uint32, ``(steps, lanes)``) from positions ``at`` on, which move along."""
    levels = joined_lengths(lengths, group)
    joined = levels[-1].astype(np.int64)
    position = running_ends(at, joined)
    position -= joined
    fields = windows.at(position)
    fields >>= np.subtract(64, joined, out=joined).view(np.uint64)
    return part(fields.astype(np.uint32), levels)
