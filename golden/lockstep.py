"""The block codec for users: all blocks of a tensor in lock step, one numpy operation for thousands of values.

Bit for bit the same as :mod:`golden.reference`. Blocks are independent, so each is a lane. Only the recurrences of
:mod:`golden.recurrence` go value by value; the rest works on chunks of ``steps x lanes`` values that stay in cache:

- encoder: values -> limits and offsets (look-up) -> recurrence -> pieces of the code, joined two or more at a
  time -> added up at their bit positions (:class:`golden.bits.BitSums`), carries resolved at the end;
- decoder: recurrence -> rows -> positions of the offsets -> offsets, several per access -> values.
"""

from dataclasses import dataclass

import numpy as np

from .bits import BitSums, BitWindows, copy_segments, group_size, join, pack_codes, part, unpack_codes
from .config import check_int
from .errors import FormatError, UncodableError
from .recurrence import RangeDecoder, RangeEncoder, longest_shift, upper_limits
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
    symbols = BitSums(lanes, longest * growth + cfg.range_bits)
    offsets = BitSums(lanes, longest * widest)
    symbols.ends[:] = cfg.range_bits
    carried = np.zeros(lanes, np.int32)  # shift of the value before
    memory = [_Scratch() for _ in range(4)]
    for first, steps, n, whole in _chunks(counts, 16):
        index = memory[0].array((steps, n), np.int64)
        _fetch(codes, starts[:n] + first, counts[:n] - first, whole, index, cfg.values)
        ab = memory[1].array((2, steps, n), encoder.real)
        limits.take(index, 1, ab, "clip")
        encoder.steps(ab[0], ab[1])
        shifts = memory[2].array((steps + 1, n), np.int32)
        shifts[0] = carried[:n]
        encoder.shifts(ab[1], shifts[1:])
        carried[:n] = shifts[-1]
        lower = ab[0].astype(np.int32).view(np.uint32)
        if widest:
            entry = memory[3].array((steps, n), np.uint32)
            fields.take(index, 0, entry, "clip")
        for left in range(0, n, TILE):
            tile = slice(left, min(left + TILE, n))
            joined = join(lower[:, tile], shifts[:-1, tile].view(np.uint32), symbol_group)
            symbols.add(*joined, left)
            if widest:
                part_ = entry[:, tile]
                joined = join(part_ & np.uint32(0xFFFF), part_ >> np.uint32(16), offset_group)
                if joined[1].max() >= _NO_CODE:
                    raise UncodableError
                offsets.add(*joined, left)
    half = np.full((1, lanes), (1 << (cfg.range_bits - 1)) - 1, np.uint64)
    symbols.add(half, carried[None].astype(np.int64))
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
        windows = np.lib.stride_tricks.sliding_window_view(codes, steps)
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
    lanes, longest = len(counts), int(counts[0])
    limits, fields = _decoder_tables(table)
    windows = BitWindows(data, starts, symbol_bytes)
    decoder = RangeDecoder(cfg, limits, longest_shift(table), windows)
    group = group_size(widest, widest)
    offset_windows = BitWindows(data, starts + symbol_bytes, offset_bytes)
    offset_at = offset_windows.starts.copy()
    out = np.empty((lanes, longest), np.uint8 if cfg.width <= 8 else np.uint16)
    shifted = np.zeros(lanes, np.int64)
    memory = [_Scratch() for _ in range(3)]
    multiple = int(np.lcm(decoder.steps_per_refill, group))
    for first, steps, n, whole in _chunks(counts, multiple):
        found = memory[0].array((steps, n), np.int64)
        shifts = memory[1].array((steps, n), np.int64)
        before = decoder.positions[whole:n].copy()
        decoder.steps(found, shifts)
        shifted[:whole] = decoder.positions[:whole] - windows.starts[:whole] - cfg.range_bits
        entry = memory[2].array((steps, n), np.uint32)
        fields.take(found, 0, entry, "clip")
        if whole < n:
            gone = np.arange(steps)[:, None] >= counts[whole:n] - first
            rest = shifts[:, whole:] >> 52
            rest[gone] = 0
            shifted[whole:n] = before - windows.starts[whole:n] - cfg.range_bits + rest.sum(axis=0)
            entry[:, whole:][gone] = 0
        for left in range(0, n, TILE):
            tile = slice(left, min(left + TILE, n))
            e = entry[:, tile]
            values = e
            if widest:
                lengths = e >> np.uint32(16)
                values = e + _offsets(offset_windows, offset_at[tile], lengths, group)
            chunk = values[: longest - first].astype(out.dtype)
            out[tile, first : first + steps] = chunk.T
    if cfg.width not in (8, 16):
        out &= out.dtype.type(cfg.values - 1)
    return out, (shifted // 8 + 1, (offset_at - offset_windows.starts + 7) // 8)


def _offsets(windows, at, lengths, group):
    """Read the offsets of the given lengths (uint32, ``(steps, lanes)``) from positions ``at`` on, which move along."""
    joined = lengths.reshape(-1, group, lengths.shape[1]).sum(axis=1, dtype=np.int64)
    position = np.empty_like(joined)
    last = at
    for i, length in enumerate(joined):
        position[i] = last
        at += length
    fields = windows.at(position)
    fields >>= (64 - joined).view(np.uint64)
    return part(fields, lengths, group)


def _decoder_tables(table):
    """Per quotient of the row search: the limits of the row found; its first value and its offset length << 16."""
    cfg, used = table.config, np.flatnonzero(table.counts)
    rows = np.full(2 * cfg.total, used[-1])
    rows[: cfg.total] = np.repeat(np.arange(len(table.counts)), table.counts)
    rows[-1] = used[0]
    limits = np.stack((np.array(table.cumulative)[rows], upper_limits(table)[rows])) / cfg.total
    fields = np.array(table.offset_bits)[rows] << 16 | np.array(table.v_min)[rows]
    return limits, fields.astype(np.uint32)


def _check_array(name, array, dtype):
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        raise TypeError(f"{name} must be an array of {np.dtype(dtype)}, not {getattr(array, 'dtype', type(array).__name__)}")
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}")
    return array


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
