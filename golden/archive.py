"""The model archive: many tensors in one file, with what they share stored once. FORMAT.md, section 9, specifies it.

A tensor takes some 25 bytes less than in an ``.apack`` file of its own, which matters for models of small tensors.
"""

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from . import blocks, codec
from .archive_index import config_of, entry_bytes, parse_entry
from .config import CodecConfig
from .errors import FormatError
from .files import open_regular
from .header import DIRECTORY, Header
from .search import histogram, search_table
from .table import SymbolTable

MAGIC, VERSION = b"APKA", 1
_FIXED = struct.Struct("<4s3B3s3I")  # magic, version, P, M, B; tensors, bytes of the index, bytes of the names
MAX_NAMES = 1 << 24  # bytes of all names: a bomb of a few kB would otherwise fill the memory
CHECKSUM_BYTES = 4
FRONT_BYTES = _FIXED.size + CHECKSUM_BYTES  # what an archive takes before its first tensor


def archive(
    tensors: Iterable[tuple[str, np.ndarray, int]], config: CodecConfig | None = None, *,
    tables: dict[str, SymbolTable] | None = None, progress: Callable[[int], object] | None = None,
) -> bytes:
    """The archive of some tensors.

    Parameters
    ----------
    tensors : name, integers of any shape, and W of each; names differ. They are taken one at a time.
    config : parameters, of which the width is not used. tables : by name, instead of one made from the tensor.
    progress : called with 1 after every tensor.

    Raises TypeError or ValueError, with the tensor's name in front, if values do not fit W bits; ValueError for a name
    that is there twice.
    """
    config, names = config or CodecConfig(), {}
    shared, index, directories, payload = (config.prob_bits, config.mult_bits, config.block), [], [], []
    for name, array, width in tensors:
        if name in names:
            raise ValueError(f"names of tensors must differ, but {name!r} is there twice")
        names[name] = None
        try:
            header, directory, data = _coded(array, width, config, shared, (tables or {}).get(name))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None
        index.append(entry_bytes(header))
        directories.append(directory.tobytes())
        payload.append(data)
        if progress:
            progress(1)
    entries, texts = b"".join(index), zlib.compress("\n".join(map(_escaped, names)).encode(), 9)
    counts = len(names), len(entries), len(texts)
    fixed = _FIXED.pack(MAGIC, VERSION, *shared[:2], shared[2].to_bytes(3, "little"), *counts)
    front = b"".join((fixed, entries, texts, *directories))
    return b"".join((front, zlib.crc32(front).to_bytes(CHECKSUM_BYTES, "little"), *payload))


def _escaped(name: str) -> str:
    """The name on one line."""
    return name.replace("\\", "\\\\").replace("\n", "\\n")


def _unescaped(line: str) -> str:
    return "\\".join(part.replace("\\n", "\n") for part in line.split("\\\\"))


def _coded(array, width: int, config: CodecConfig, shared, table) -> tuple[Header, np.ndarray, bytes]:
    """A tensor's header, directory and blocks."""
    codes, signed = codec.to_codes(array, width)
    own = config_of(width, config.rows, shared)
    if table is None:
        table = search_table(own, histogram(codes, width)).table
    elif replace(table.config, rows=own.rows, block=own.block) != own:
        raise ValueError(f"the table must be for {own}, not {table.config}")
    header = Header(own, array.dtype, array.shape, signed, table)
    directory, data = blocks.encode(header, codes)
    raw = int(blocks.raw_bytes(header, 0, header.block_count).sum())
    if len(entry_bytes(header)) + len(data) >= len(entry_bytes(replace(header, table=None))) + raw:
        header = replace(header, table=None)
        directory, data = blocks.encode(header, codes)
    return header, directory, data


class Archive:
    """A model archive, open for reading, one tensor at a time.

    Parameters
    ----------
    source : path of a file, or its bytes.

    Members
    -------
    headers : by name, a :class:`golden.header.Header` for each tensor, in the archive's order.

    Use as a context manager, or ``close()``. Raises FormatError, here and in every method, if the file is not as
    FORMAT.md says, OSError if it cannot be read.
    """

    def __init__(self, source: str | os.PathLike | bytes):
        if not isinstance(source, str | os.PathLike | bytes | bytearray | memoryview):
            raise TypeError(f"source must be a path or bytes, not {type(source).__name__}")
        self._file = open_regular(source) if isinstance(source, str | os.PathLike) else io.BytesIO(source)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> None:
        size = self._file.seek(0, os.SEEK_END)
        fixed = self._read(0, _FIXED.size, size)
        magic, version, prob_bits, mult_bits, block, count, index_bytes, name_bytes = _FIXED.unpack(fixed)
        if magic != MAGIC or version != VERSION:
            raise FormatError(f"an archive starts with {MAGIC + bytes([VERSION])!r}, not {fixed[:5]!r}")
        behind = _FIXED.size + index_bytes + name_bytes
        front = self._read(0, behind, size)
        headers = _index(front[_FIXED.size : _FIXED.size + index_bytes], count,
                         (prob_bits, mult_bits, int.from_bytes(block, "little")))
        # Compared before anything is allocated: a few bytes can claim any number of blocks.
        starts = np.cumsum([0] + [header.block_count * DIRECTORY.itemsize for header in headers], dtype=object)
        front = self._read(0, behind + starts[-1] + CHECKSUM_BYTES, size)
        if zlib.crc32(front[:-CHECKSUM_BYTES]) != int.from_bytes(front[-CHECKSUM_BYTES:], "little"):
            raise FormatError("index: checksum is wrong")
        names = _names(front[_FIXED.size + index_bytes : behind], count)
        self.headers = dict(zip(names, headers, strict=True))
        self._places, at = {}, len(front)
        for name, start, end in zip(names, starts, starts[1:], strict=False):
            directory = np.frombuffer(front[behind + start : behind + end], DIRECTORY)
            blocks.check_sizes(self.headers[name], directory)
            self._places[name] = directory, at
            at += _stored(directory)
        if at != size:
            raise FormatError(f"the archive must have {at} bytes, not {size}")

    def read(self, name: str) -> np.ndarray:
        """A tensor. Raises ValueError if there is none of that name."""
        if name not in self.headers:
            raise ValueError(f"name must be that of a tensor in the archive, not {name!r}")
        header, (directory, at) = self.headers[name], self._places[name]
        out, block = np.empty(header.values, header.dtype), header.config.block
        for first, last in blocks.groups(0, len(directory), block):
            some = directory[first:last]
            data = self._read(at, at + _stored(some), None)
            codes = blocks.decode(header, first, some, data)
            out[first * block : first * block + len(codes)] = codec.from_codes(
                codes, header.config.width, header.signed, header.dtype)
            at += len(data)
        return out.reshape(header.shape)

    def _read(self, start: int, end: int, size: int | None) -> bytes:
        if size is not None and end > size:
            raise FormatError(f"the archive has {size} bytes, its index needs {end}")
        self._file.seek(start)
        data = self._file.read(end - start)
        if len(data) != end - start:
            raise FormatError("the archive became shorter while it was read")
        return data


def _stored(directory: np.ndarray) -> int:
    return int(directory["symbol_bytes"].sum(dtype=np.int64) + directory["offset_bytes"].sum(dtype=np.int64))


def _index(data: bytes, count: int, shared: tuple[int, int, int]) -> list[Header]:
    headers, at = [], 0
    for number in range(count):
        try:
            header, at = parse_entry(data, at, shared)
        except FormatError as error:
            raise FormatError(f"tensor {number}: {error}") from None
        headers.append(header)
    if at != len(data):
        raise FormatError(f"the index must have {at} bytes, not {len(data)}")
    return headers


def _names(data: bytes, count: int) -> list[str]:
    unpack = zlib.decompressobj()
    try:
        text = unpack.decompress(data, MAX_NAMES).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise FormatError(f"the names cannot be read ({error})") from None
    if not unpack.eof or unpack.unused_data:
        raise FormatError(f"the names must be one zlib stream of at most {MAX_NAMES} bytes")
    names = [_unescaped(line) for line in text.split("\n")] if count else []
    if len(names) != count or len(set(names)) != count:
        raise FormatError(f"there must be {count} different names, not {len(set(names))}")
    return names
