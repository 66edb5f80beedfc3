"""The blocks of an ``.apack`` file: each coded or raw, whichever is shorter, with a checksum in the directory."""

import re
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from . import codec, lockstep
from .errors import FormatError
from .header import DIRECTORY, Header

# Blocks are worked on in groups: enough of them to fill numpy's lanes, few enough to bound the memory.
GROUP_VALUES = 1 << 25

Progress = Callable[[int, int], object]


def groups(first: int, last: int, block: int) -> Iterator[tuple[int, int]]:
    """Cut the blocks ``first .. last-1`` into runs of about GROUP_VALUES values."""
    step = max(1, GROUP_VALUES // block)
    for start in range(first, last, step):
        yield start, min(start + step, last)


def value_counts(header: Header, first: int, last: int) -> np.ndarray:
    """Values in each of the blocks ``first .. last-1``: int64. Only the tensor's last block can be short."""
    block = header.config.block
    return np.minimum(block, header.values - np.arange(first, last, dtype=np.int64) * block)


def raw_bytes(header: Header, first: int, last: int) -> np.ndarray:
    """Size of each of those blocks when it is stored raw: int64."""
    return (value_counts(header, first, last) * header.config.width + 7) // 8


def encode(header: Header, values: np.ndarray, progress: Progress | None = None) -> tuple[np.ndarray, bytes]:
    """Directory and stored blocks of the tensor's values (one-dimensional)."""
    directory, payload, block = np.zeros(header.block_count, DIRECTORY), [], header.config.block
    for first, last in groups(0, header.block_count, block):
        codes = codec.mask_codes(values[first * block : last * block], header.config.width)
        pieces = _encode_group(header, first, last, codes, directory[first:last])
        payload.append(b"".join(pieces))
        directory["crc32"][first:last] = [zlib.crc32(piece) for piece in pieces]
        if progress:
            progress(min(last * block, len(values)), len(values))
    return directory, b"".join(payload)


def _encode_group(header: Header, first: int, last: int, codes: np.ndarray, entries: np.ndarray) -> list[bytes]:
    """The blocks ``first .. last-1`` as stored; their sizes go into ``entries``."""
    counts, raw_sizes = value_counts(header, first, last), raw_bytes(header, first, last)
    starts, pieces = np.cumsum(counts) - counts, [b""] * (last - first)
    if header.table is not None:
        candidates = _codable(header.table, codes, starts)
        coded = lockstep.encode_blocks(header.table, codes, starts[candidates], counts[candidates])
        sizes = coded.symbol_bytes + coded.offset_bytes
        ends = np.cumsum(sizes)
        for i in np.flatnonzero(sizes < raw_sizes[candidates]):
            entries["symbol_bytes"][candidates[i]] = coded.symbol_bytes[i]
            entries["offset_bytes"][candidates[i]] = coded.offset_bytes[i]
            pieces[candidates[i]] = coded.data[ends[i] - sizes[i] : ends[i]].tobytes()
    for k in np.flatnonzero(entries["symbol_bytes"] == 0):
        pieces[k] = lockstep.pack_codes(codes[starts[k] : starts[k] + counts[k]], header.config.width).tobytes()
        entries["offset_bytes"][k] = raw_sizes[k]
    return pieces


def _codable(table, codes: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Indices of the blocks in which every value has a code."""
    if table.covers_all():
        return np.arange(len(starts))
    has_code = (np.array(table.counts) > 0)[table.row_of_value]
    return np.flatnonzero(np.logical_and.reduceat(has_code[codes], starts))


def check_sizes(header: Header, directory: np.ndarray, first: int = 0) -> None:
    """Raise FormatError for an entry whose sizes no block of its can have; ``first``: number of the first one's."""
    symbols, offsets = (directory[name].astype(np.int64) for name in ("symbol_bytes", "offset_bytes"))
    raw = raw_bytes(header, first, first + len(directory))
    good = np.where(symbols > 0, (header.table is not None) & (symbols + offsets < raw), offsets == raw)
    if not good.all():
        i = int(np.argmin(good))
        sizes = f"{symbols[i]} + {offsets[i]} bytes where {raw[i]} are enough"
        problem = sizes if header.table or not symbols[i] else "coded, without a table"
        raise FormatError(f"block {first + i}: {problem}")


def decode(header: Header, first: int, entries: np.ndarray, data: bytes) -> np.ndarray:
    """The codes of the blocks from ``first`` on that ``entries`` describe and ``data`` holds.

    Raises FormatError naming the first damaged block.
    """
    sizes = entries["symbol_bytes"] + entries["offset_bytes"].astype(np.int64)
    ends, view = np.cumsum(sizes), memoryview(data)
    starts = ends - sizes
    for i, crc in enumerate(entries["crc32"].tolist()):
        if zlib.crc32(view[starts[i] : ends[i]]) != crc:
            raise FormatError(f"block {first + i}: checksum is wrong")
    packed, width = np.frombuffer(data, np.uint8), header.config.width
    counts, is_raw = value_counts(header, first, first + len(entries)), entries["symbol_bytes"] == 0
    codes = np.empty(int(counts.sum()), codec.code_type(width))
    value_ends = np.cumsum(counts)
    for i in np.flatnonzero(is_raw):
        block = packed[starts[i] : ends[i]]
        codes[value_ends[i] - counts[i] : value_ends[i]] = lockstep.unpack_codes(block, width, int(counts[i]))
    if not is_raw.all():
        c = np.flatnonzero(~is_raw)
        symbols, offsets = (entries[name][c].astype(np.int64) for name in ("symbol_bytes", "offset_bytes"))
        try:
            coded = lockstep.decode_blocks(header.table, packed, starts[c], symbols, offsets, counts[c])
        except FormatError as error:
            bad, problem = re.fullmatch(r"block (\d+): (.*)", str(error)).groups()
            raise FormatError(f"block {first + c[int(bad)]}: {problem}") from None  # its number in the file
        codes[np.repeat(~is_raw, counts)] = coded
    return codes
