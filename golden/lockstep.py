"""The block codec for users: all blocks of a tensor in lock step, one numpy operation for thousands of values.

Bit for bit the same as :mod:`golden.reference`. Blocks are independent, so each is a lane. Only the recurrences of
:mod:`golden.recurrence` go value by value; :mod:`golden.lanes` does the rest on chunks of values that stay in cache:

- encoder: values -> limits and offsets (look-up) -> recurrence -> pieces of the code, joined two or more at a
  time -> added up at their bit positions (:class:`golden.bits.BitSums`), carries resolved at the end;
- decoder: recurrence -> rows -> positions of the offsets -> offsets, several per access -> values.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .bits import copy_segments, pack_codes, unpack_codes
from .codec import code_type
from .config import check_int
from .errors import FormatError, UncodableError
from .lanes import decode_lanes, encode_lanes, expected_bits
from .table import SymbolTable

__all__ = ["Coded", "decode_blocks", "encode_blocks", "pack_codes", "unpack_codes"]

# Lanes that run together: enough that numpy's cost per call does not matter, few enough that the arrays of one step
# stay in the second-level cache; fewer if their streams would span more than so many bytes.
MAX_LANES = 4096
GROUP_BYTES = 1 << 28


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
    shape ``(blocks,)``, counts at least 1; blocks may overlap. Raises UncodableError naming the first value without a
    code, TypeError and ValueError for arguments that break these rules.
    """
    cfg = table.config
    codes = _array("codes", codes, code_type(cfg.width))
    starts, counts = _integers("starts", starts), _integers("counts", counts)
    _check_inside("codes", len(codes), starts, counts, least=1)
    if cfg.width not in (8, 16) and codes.size:
        check_int("codes", codes.max(), 0, cfg.values - 1)
    symbol_bytes, offset_bytes, done = np.zeros_like(counts), np.zeros_like(counts), []
    for lanes in _groups(counts, sum(expected_bits(table)) * counts.max(initial=0) / 4):
        try:
            streams = encode_lanes(table, codes, starts[lanes], counts[lanes])
        except UncodableError:
            raise UncodableError(_first_uncodable(table, codes, starts, counts)) from None
        (symbols, symbol_bytes[lanes]), (offsets, offset_bytes[lanes]) = streams
        done.append((lanes, symbols, offsets))
    sizes = symbol_bytes + offset_bytes
    begins = np.cumsum(sizes) - sizes
    data = np.empty(int(sizes.sum()), np.uint8)
    for lanes, symbols, offsets in done:
        n, m = symbol_bytes[lanes], offset_bytes[lanes]
        copy_segments(data, begins[lanes], symbols, np.cumsum(n) - n, n)
        copy_segments(data, begins[lanes] + n, offsets, np.cumsum(m) - m, m)
    return Coded(data, symbol_bytes, offset_bytes)


def decode_blocks(
    table: SymbolTable,
    data: np.ndarray,
    starts: np.ndarray,
    symbol_bytes: np.ndarray,
    offset_bytes: np.ndarray,
    counts: np.ndarray,
) -> np.ndarray:
    """The codes of all blocks, one block after the other: uint8 (W <= 8) or uint16, one-dimensional.

    Block i has ``counts[i]`` values (at least 1); its symbol stream starts at ``data[starts[i]]`` (uint8), its offset
    stream right behind it. Raises FormatError naming the first block with a stream shorter or longer than its values
    need, TypeError and ValueError for arguments that break these rules. Offsets beyond the end of their row, which
    no encoder writes, are added modulo ``2**W``.
    """
    data = _array("data", data, np.uint8)
    starts, counts = _integers("starts", starts), _integers("counts", counts)
    sizes = np.stack((_integers("symbol_bytes", symbol_bytes), _integers("offset_bytes", offset_bytes)))
    _check_inside("data", len(data), starts, sizes.sum(axis=0), least=0)
    if counts.shape != starts.shape or counts.min(initial=1) < 1 or sizes.min(initial=0) < 0:
        raise ValueError(f"counts (at least 1) and bytes (at least 0) must be given for each of {len(starts)} blocks")
    begins, needed = np.cumsum(counts) - counts, np.zeros_like(sizes)
    codes = np.empty(int(counts.sum()), code_type(table.config.width))
    for lanes in _groups(counts, 2 * sizes.sum(axis=0).max(initial=0) + 2 * counts.max(initial=0)):
        values, needed[:, lanes] = decode_lanes(table, data, starts[lanes], *sizes[:, lanes], counts[lanes])
        rows = np.arange(len(values)) * values.shape[1]
        copy_segments(codes, begins[lanes], values.reshape(-1), rows, counts[lanes])
    bad = np.flatnonzero((needed != sizes).any(axis=0))
    if len(bad):
        i = bad[0]
        k = int(needed[0, i] == sizes[0, i])
        raise FormatError(
            f"block {i}: {('symbol', 'offset')[k]} stream: "
            f"{counts[i]} values need {needed[k, i]} bytes, there are {sizes[k, i]}"
        )
    return codes


def _groups(counts: np.ndarray, lane_bytes: float) -> Iterator[np.ndarray]:
    """Indices of the blocks that run together, the longest first."""
    order = np.argsort(-counts, kind="stable")
    lanes = max(1, min(MAX_LANES, int(GROUP_BYTES / max(lane_bytes, 1))))
    for first in range(0, len(order), lanes):
        yield order[first : first + lanes]


def _first_uncodable(table, codes, starts, counts) -> str:
    """Which value it is."""
    uncodable = (np.array(table.counts) == 0)[table.row_of_value]
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        block = codes[start : start + count]
        if uncodable[block].any():
            value = int(block[np.argmax(uncodable[block])])
            break
    return f"value {value} falls into row {table.row_of_value[value]}, whose probability count is 0"


def _array(name, array, dtype) -> np.ndarray:
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        what = getattr(array, "dtype", type(array).__name__)
        raise TypeError(f"{name} must be a numpy array of {np.dtype(dtype)}, not {what}")
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}")
    return np.ascontiguousarray(array)


def _integers(name, array) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name} must be integers, not {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}")
    return array.astype(np.int64)


def _check_inside(name, length, starts, sizes, least) -> None:
    """Every block must lie within the array called ``name``."""
    if starts.shape != sizes.shape:
        raise ValueError(f"starts must have one entry per block: {len(sizes)} blocks, {len(starts)} starts")
    wrong = np.flatnonzero((sizes < least) | (starts < 0) | (sizes > length - starts))
    if len(wrong):
        i = wrong[0]
        where = f"{starts[i]}..{starts[i] + sizes[i] - 1}"
        raise ValueError(f"block {i} must have at least {least} items, all in {name}[0..{length - 1}], not {where}")
