"""The block codec for users: all blocks of a tensor in lock step, one numpy operation for thousands of values.

Bit for bit the same as :mod:`golden.reference`. Blocks are independent, so each is a lane. Only the recurrences of
:mod:`golden.recurrence` go value by value; the rest works on chunks of ``steps x lanes`` values that stay in cache:

- encoder: values -> limits and offsets (look-up) -> recurrence -> pieces of the code, joined two or more at a
  time -> added up at their bit positions (:class:`golden.bits.BitSums`), carries resolved at the end;
- decoder: recurrence -> rows -> positions of the offsets -> offsets, several per access -> values.
"""

from dataclasses import dataclass

import numpy as np

from .bits import BitSums, BitWindows, copy_segments, group_size, join, pack_codes, part, running_ends, unpack_codes
from .config import check_int
from .errors import FormatError, UncodableError
from .recurrence import RangeDecoder, RangeEncoder, decoder_rows, longest_shift, upper_limits
from .table import SymbolTable

__all__ = ["Coded", "decode_blocks", "encode_blocks", "pack_codes", "unpack_codes"]

# Lanes: enough that numpy's cost per call vanishes, few enough that a row of each array stays in the second-level cache.
MAX_LANES = 4096
CHUNK_VALUES = 1 << 17
# A tile of lanes is finished (joined, scattered) at a time: its streams' ends, too, must stay in that cache.
TILE = 1024
# Bytes that the sums of a group of lanes may span; more lanes do not run at once.
GROUP_BYTES = 1 << 28
_NO_CODE = 1 << 8  # offset length of a value without a code: more than any group of true lengths


@dataclass(frozen=True, slots=True)
class Coded:
    """Coded blocks.

    Members
    -------
    data : block after block its symbol stream, then its offset stream: uint8, one-dimensional.
    symbol_bytes, offset_bytes : lengths of each block's streams: int64, shape ``(blocks,)``.
    """

    data: np.ndarray
    symbol_bytes: np.ndarray
    offset_bytes: np.ndarray


def encode_blocks(table: SymbolTable, codes: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> Coded:
    """Code the blocks ``codes[starts[i] : starts[i]+counts[i]]``.

    ``codes``: W-bit unsigned values, uint8 (W <= 8) or uint16, one-dimensional. ``starts``, ``counts``: integers,
    shape ``(blocks,)``, counts at least 1. Raises UncodableError naming the first value without a code, TypeError
    and ValueError for arguments that break the rules above.
    """
    cfg = table.config
    codes = _check_array("codes", codes, np.uint8 if cfg.width <= 8 else np.uint16)
    starts, counts = _check_blocks(starts, counts, len(codes), "codes")
    if cfg.width not in (8, 16) and codes.size:
        check_int("codes", codes.max(), 0, cfg.values - 1)
    symbol_bytes, offset_bytes = np.zeros(len(counts), np.int64), np.zeros(len(counts), np.int64)
    done = []
    lane_bytes = (longest_shift(table) + max(table.offset_bits)) * int(counts.max(initial=0)) // 4
    for lanes in _groups(counts, lane_bytes):
        try:
            streams = _encode_lanes(table, codes, starts[lanes], counts[lanes])
        except UncodableError:
            raise _first_uncodable(table, codes, starts, counts) from None
        (symbols, symbol_bytes[lanes]), (offsets, offset_bytes[lanes]) = streams
        done.append((lanes, symbols, offsets))
    ends = np.cumsum(symbol_bytes + offset_bytes)
    data = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    for lanes, symbols, offsets in done:
        n, m = symbol_bytes[lanes], offset_bytes[lanes]
        copy_segments(data, ends[lanes] - m - n, symbols, np.cumsum(n) - n, n)
        copy_segments(data, ends[lanes] - m, offsets, np.cumsum(m) - m, m)
    return Coded(data, symbol_bytes, offset_bytes)


def decode_blocks(table: SymbolTable, data: np.ndarray, starts: np.ndarray, symbol_bytes: np.ndarray,
                  offset_bytes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The codes of all blocks, one block after the other: uint8 (W <= 8) or uint16, one-dimensional.

    Block i has ``counts[i]`` values (at least 1); its symbol stream starts at ``data[starts[i]]`` (uint8), its offset
    stream right behind it. Raises FormatError naming the first block with a stream shorter or longer than its values
    need, TypeError and ValueError for arguments that break the rules above.
    """
    data = _check_array("data", data, np.uint8)
    symbol_bytes, offset_bytes = _check_integers("symbol_bytes", symbol_bytes), _check_integers("offset_bytes", offset_bytes)
    starts, _ = _check_blocks(starts, symbol_bytes + offset_bytes, len(data), "data", least=0)
    counts = _check_integers("counts", counts)
    if counts.shape != starts.shape or counts.min(initial=1) < 1:
        raise ValueError(f"counts must be {len(starts)} numbers, at least 1 each")
    ends = np.cumsum(counts)
    codes = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8 if table.config.width <= 8 else np.uint16)
    needed = np.zeros((2, len(counts)), np.int64)
    lane_bytes = int((symbol_bytes + offset_bytes).max(initial=0)) * 4 + int(counts.max(initial=0)) * 2
    for lanes in _groups(counts, lane_bytes):
        streams = starts[lanes], symbol_bytes[lanes], offset_bytes[lanes]
        values, needed[:, lanes] = _decode_lanes(table, data, *streams, counts[lanes])
        rows = np.arange(len(values)) * values.shape[1]
        copy_segments(codes, (ends - counts)[lanes], values.reshape(-1), rows, counts[lanes])
    bad = np.flatnonzero((needed != (symbol_bytes, offset_bytes)).any(axis=0))
    if len(bad):
        i = bad[0]
        kind, need, have = next(x for x in zip(("symbol", "offset"), needed[:, i], (symbol_bytes[i], offset_bytes[i]), strict=True) if x[1] != x[2])
        raise FormatError(f"block {i}: {kind} stream: {counts[i]} values need {need} bytes, there are {have}")
    return codes


def _groups(counts: np.ndarray, lane_bytes: int):
    """Lanes that run together, the longest first: index arrays."""
    order = np.argsort(-counts, kind="stable")
    lanes = max(1, min(MAX_LANES, GROUP_BYTES // max(lane_bytes, 1)))
    for first in range(0, len(order), lanes):
        yield order[first : first + lanes]


def _chunks(counts: np.ndarray, multiple: int):
    """Chunks of steps for lanes with (falling) ``counts``: first step, steps, lanes not yet at their end, those that go on.

    ``multiple``: the number of steps is a multiple of it.
    """
    longest, first = int(counts[0]), 0
    while first < longest:
        lanes = int(np.searchsorted(-counts, -first, "left"))
        steps = min(longest - first, max(16, CHUNK_VALUES // lanes), 1024)
        steps = -(-steps // multiple) * multiple
        yield first, steps, lanes, int(np.searchsorted(-counts, -(first + steps), "right"))
        first += steps


class _Scratch:
    """Memory for one array per chunk, of any shape up to a size, always contiguous."""

    def __init__(self):
        self._memory = np.empty(0, np.uint8)

    def array(self, shape: tuple, dtype) -> np.ndarray:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self._memory.size < size:
            self._memory = np.empty(size, np.uint8)
        return self._memory[:size].view(dtype).reshape(shape)


def _encode_lanes(table, codes, starts, counts):
    cfg, growth, widest = table.config, longest_shift(table), max(table.offset_bits)
    lanes, longest = len(counts), int(counts[0])
    symbol_group, offset_group = group_size(cfg.range_bits, growth), group_size(widest, widest)
    encoder = RangeEncoder(cfg, lanes)
    limits, fields = _encoder_tables(table, encoder.real)
    symbols = BitSums(lanes, longest * growth + cfg.range_bits, cfg.range_bits)
    offsets = BitSums(lanes, longest * widest)
    carried = np.zeros(lanes, np.uint32)  # shift of the value before
    memory = [_Scratch() for _ in range(4)]
    for first, steps, n, whole in _chunks(counts, 16):
        index = memory[0].array((steps, n), np.int64)
        _fetch(codes, starts[:n] + first, counts[:n] - first, whole, index, cfg.values)
        ab = memory[1].array((2, steps, n), encoder.real)
        limits.take(index, 1, ab, "clip")
        encoder.steps(ab[0], ab[1])
        shifts = memory[2].array((steps + 1, n), np.uint32)
        shifts[0] = carried[:n]
        encoder.shifts(ab[1], shifts[1:])
        carried[:n] = shifts[-1]
        lower = ab[0].astype(np.int32).view(np.uint32)
        if widest:
            entry = memory[3].array((steps, n), np.uint32)
            fields.take(index, 0, entry, "clip")
        for left in range(0, n, TILE):
            tile = slice(left, min(left + TILE, n))
            joined = join(lower[:, tile], shifts[:-1, tile], symbol_group)
            symbols.add(*joined, left)
            if widest:
                part_ = entry[:, tile]
                joined = join(part_ & np.uint32(0xFFFF), part_ >> np.uint32(16), offset_group)
                if joined[1].max() >= _NO_CODE:
                    raise UncodableError
                offsets.add(*joined, left)
    half = np.full((1, lanes), (1 << (cfg.range_bits - 1)) - 1, np.uint32)
    symbols.add(half, carried[None])
    return symbols.streams(symbols.ends - cfg.range_bits + 1), offsets.streams(offsets.ends)


def _encoder_tables(table, real):
    """Per code (and one more, for no value at all): the limits of its row over 2**P; its offset and offset length << 16."""
    cfg, rows = table.config, table.row_of_value
    limits = np.zeros((2, cfg.values + 1), real)
    limits[1] = 2
    used = np.array(table.counts)[rows] > 0
    limits[0, :-1] = np.where(used, np.array(table.cumulative)[rows] / cfg.total, 0)
    limits[1, :-1] = np.where(used, upper_limits(table)[rows] / cfg.total, 2)
    fields = np.zeros(cfg.values + 1, np.uint32)
    lengths = np.where(used, np.array(table.offset_bits)[rows], _NO_CODE)
    fields[:-1] = lengths << 16 | np.arange(cfg.values) - np.array(table.v_min)[rows]
    return limits, fields


def _fetch(codes, starts, left, whole, index, nothing):
    """Copy the next values of each lane into ``index`` (int64, ``(steps, lanes)``): ``nothing`` where a lane has ended."""
    steps, n = index.shape
    if whole:
        codes.take(starts[:whole], mode="clip")  # fetches the cache lines, many at once
        windows = np.ndarray((len(codes) - steps + 1, steps), codes.dtype, codes, strides=codes.strides * 2)
        index[:, :whole] = windows[starts[:whole]].T
    if whole < n:
        step = np.arange(steps)[:, None]
        rest = index[:, whole:]
        rest[:] = codes.take(starts[whole:] + step, mode="clip")
        rest[step >= left[whole:]] = nothing


def _first_uncodable(table, codes, starts, counts):
    bad = (np.array(table.counts) == 0)[table.row_of_value]
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        found = np.flatnonzero(bad[codes[start : start + count]])
        if len(found):
            value = int(codes[start + found[0]])
            return UncodableError(f"value {value} falls into row {table.row_of_value[value]}, whose probability count is 0")
    raise AssertionError("unreachable")


def _decode_lanes(table, data, starts, symbol_bytes, offset_bytes, counts):
    cfg, widest = table.config, max(table.offset_bits)
    lanes, longest, group = len(counts), int(counts[0]), group_size(widest, widest)
    symbols = BitWindows(data, starts, symbol_bytes)
    offsets = BitWindows(data, starts + symbol_bytes, offset_bytes)
    decoder, at = RangeDecoder(table, symbols), offsets.starts.copy()
    rows = decoder_rows(table)
    fields = (np.array(table.offset_bits)[rows] << 16 | np.array(table.v_min)[rows]).astype(np.uint32)
    values = np.empty((lanes, longest), np.uint8 if cfg.width <= 8 else np.uint16)
    lasts, first_lanes = np.unique(-counts, return_index=True)
    ends = {-1 - int(c): slice(a, b) for c, a, b in zip(lasts, first_lanes, [*first_lanes[1:], lanes], strict=True)}
    memory = _Scratch()
    for first, steps, n, whole in _chunks(counts, group):
        here = min(steps, longest - first)
        entry = memory.array((steps, n), np.uint32)
        decoder.steps(first, fields, entry[:here], ends)
        entry[here:] = 0
        if whole < n:
            entry[:, whole:][np.arange(steps)[:, None] >= counts[whole:n] - first] = 0
        for left in range(0, n, TILE):
            tile = slice(left, min(left + TILE, n))
            found = entry[:, tile]
            if widest:
                found += _offsets(offsets, at[tile], found >> np.uint32(16), group)
            values[tile, first : first + here] = found[:here].astype(values.dtype).T
    if cfg.width not in (8, 16):
        values &= values.dtype.type(cfg.values - 1)
    shifted = decoder.ended - symbols.starts - cfg.range_bits
    return values, (shifted // 8 + 1, (at - offsets.starts + 7) // 8)


def _offsets(windows, at, lengths, group):
    """Read the offsets of the given lengths (uint32, ``(steps, lanes)``) from positions ``at`` on, which move along."""
    joined = lengths
    while len(joined) * group > len(lengths):
        joined = joined[0::2] + joined[1::2]
    joined = joined.astype(np.int64)
    position = running_ends(at, joined)
    position -= joined
    fields = windows.at(position)
    fields >>= np.subtract(64, joined, out=joined).view(np.uint64)
    return part(fields.astype(np.uint32), lengths)


def _check_array(name, array, dtype):
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        raise TypeError(f"{name} must be an array of {np.dtype(dtype)}, not {getattr(array, 'dtype', type(array).__name__)}")
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}")
    return np.ascontiguousarray(array)


def _check_integers(name, array):
    array = np.asarray(array)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}")
    return array.astype(np.int64)


def _check_blocks(starts, sizes, length, what, least=1):
    """``starts`` and ``sizes`` as int64, after checking that every block lies within ``what``."""
    starts, sizes = _check_integers("starts", starts), _check_integers("counts", sizes)
    if starts.shape != sizes.shape:
        raise ValueError(f"starts and counts must have one entry per block, not {len(starts)} and {len(sizes)}")
    wrong = np.flatnonzero((sizes < least) | (starts < 0) | (starts + sizes > length))
    if len(wrong):
        i = wrong[0]
        raise ValueError(f"block {i} must lie within {what} (0..{length}), not at {starts[i]} with {sizes[i]} items")
    return starts, sizes
