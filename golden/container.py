"""The ``.apack`` file: one tensor, its table, its blocks; random access by block. FORMAT.md is its specification.

``compress`` and ``decompress`` go between arrays and bytes; ``write_file`` and ``Reader`` between arrays and files.
"""

import errno
import io
import os
import zlib
from pathlib import Path

import numpy as np

from . import blocks, codec, header
from .blocks import Progress
from .config import DEFAULT_PRESET, MAX_RAW_BYTES, CodecConfig, check_int, preset
from .errors import FormatError
from .files import open_regular
from .header import DIRECTORY, Header
from .search import histogram, search_table
from .table import SymbolTable


def compress(
    array: np.ndarray,
    *,
    table: SymbolTable | None = None,
    config: CodecConfig | str | None = None,
    bits: int | None = None,
    block: int | None = None,
    method: str = "optimal",
    cover_all: bool = False,
    progress: Progress | None = None,
) -> bytes:
    """The ``.apack`` file of a tensor: never longer than its dense W-bit codes plus header and directory.

    Parameters
    ----------
    array : integers, any shape, byte order and memory layout.
    table : the table to code with (a value it has no code for makes its block raw). Made from the tensor if absent.
    config : parameters, or a preset's name, "balanced" if absent; not together with a table, which has its own.
    bits : W. By default that of a table or of parameters, else the dtype's 8 or 16; wider dtypes need it.
    block : values per block, instead of the configuration's.
    method, cover_all : how to make the table, see :func:`golden.search.search_table`.
    progress : called with the number of values done and in all.

    Raises TypeError for an argument of the wrong kind (arrays of floats among them), ValueError for one out of
    range or a value that W bits cannot hold.
    """
    array = codec.check_array("array", array)
    config = _choose_config(array.dtype, table, config, bits, block)
    signed = codec.is_signed(array, config.width)
    values = array.reshape(-1)
    if table is None:
        table = search_table(config, _histogram(values, config.width), method=method, cover_all=cover_all).table
    front = Header(config, array.dtype, array.shape, signed, table)
    directory, payload = blocks.encode(front, values, progress)
    raw_bytes = int(blocks.raw_bytes(front, 0, front.block_count).sum())
    if table is not None and len(header.table_bytes(table)) + len(payload) >= raw_bytes:
        front = Header(config, array.dtype, array.shape, signed, None)
        directory, payload = blocks.encode(front, values)
    start = front.to_bytes() + directory.tobytes()
    return start + zlib.crc32(start).to_bytes(4, "little") + payload


def _choose_config(dtype, table, config, bits, block) -> CodecConfig:
    """The parameters to use, from those of compress()."""
    if table is not None:
        if not isinstance(table, SymbolTable):
            raise TypeError(f"table must be a SymbolTable, not {table!r}")
        if config is not None:
            raise ValueError("config must be absent where a table is given, which has its own")
        config = table.config
        check_int("bits", config.width if bits is None else bits, config.width, config.width, "the table's width")
    elif config is None or isinstance(config, str):  # a preset leaves the width open
        config = preset(DEFAULT_PRESET if config is None else config)
        bits = codec.default_bits(dtype) if bits is None else bits
    elif not isinstance(config, CodecConfig):
        raise TypeError(f"config must be a CodecConfig or the name of a preset, not {config!r}")
    if bits is not None:
        config = config.with_(width=check_int("bits", bits, 2, 16))
    if block is not None:
        config = config.with_(block=check_int("block", block, 1, MAX_RAW_BYTES * 8 // config.width))
    return config


def _histogram(values: np.ndarray, width: int) -> np.ndarray:
    """How often each code occurs: int64, shape (2**W,)."""
    starts = range(0, len(values) or 1, blocks.GROUP_VALUES)
    parts = (values[start : start + blocks.GROUP_VALUES] for start in starts)
    return sum(histogram(codec.mask_codes(part, width), width) for part in parts)


def decompress(data: bytes, *, progress: Progress | None = None) -> np.ndarray:
    """The tensor in the bytes of an ``.apack`` file: same values, dtype and shape.

    The memory it takes is the tensor's, which a small file can make large: ask ``Reader(data).shape`` first
    where files come from strangers. Raises FormatError for a file that is damaged in any way.
    """
    with Reader(data) as reader:
        return reader.read_all(progress=progress)


def write_file(path: str | os.PathLike, array: np.ndarray, **options) -> None:
    """Write a tensor to an ``.apack`` file, whole or not at all. Options and errors as for :func:`compress`."""
    write_atomic(path, compress(array, **options))


def write_atomic(path: str | os.PathLike, data: bytes) -> None:
    """Put ``data`` into a file that has its old content until all of the new one is there.

    A link stays a link: what it points to is written. Raises OSError for a directory, a device, a pipe.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


class Reader:
    """An ``.apack`` file, read block by block: only header, directory and the blocks asked for are touched.

    Parameters
    ----------
    source : path of a file, or its bytes.

    Members
    -------
    header : :class:`golden.header.Header`; ``config``, ``table`` (None if every block is raw), ``shape`` and
        ``dtype`` of the tensor are those of the header.
    blocks : directory, one entry per block: ``symbol_bytes`` (0: the block is raw), ``offset_bytes``, ``crc32``.

    Values are numbered in C order; block i holds those from ``i * config.block`` on. Use as a context manager,
    or ``close()``. Raises FormatError, here and in every method, if the file is not as FORMAT.md says.
    """

    def __init__(self, source: str | os.PathLike | bytes | bytearray | memoryview):
        if isinstance(source, str | os.PathLike):
            self._file = open_regular(source)
        elif isinstance(source, bytes | bytearray | memoryview):
            self._file = io.BytesIO(source)
        else:
            raise TypeError(f"source must be a path or bytes, not {type(source).__name__}")
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._size = self._file.seek(0, os.SEEK_END)
        front = self._read(0, min(self._size, header.MAX_FRONT))
        self.header, end = header.parse(front)
        self.config, self.table = self.header.config, self.header.table
        self.shape, self.dtype = self.header.shape, self.header.dtype
        self._front_bytes = end
        # Compared before anything is allocated: a few bytes can claim any number of blocks.
        end += self.header.block_count * DIRECTORY.itemsize
        if end + 4 > self._size:
            raise FormatError(f"the file has {self._size} bytes, header and directory need {end + 4}")
        start = self._read(0, end + 4)
        if zlib.crc32(start[:end]) != int.from_bytes(start[end:], "little"):
            raise FormatError("header: checksum is wrong")
        self.blocks = np.frombuffer(start[self._front_bytes : end], DIRECTORY)
        blocks.check_sizes(self.header, self.blocks)
        sizes = self.blocks["symbol_bytes"] + self.blocks["offset_bytes"].astype(np.int64)
        self._starts = end + 4 + np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        if self._starts[-1] != self._size:
            raise FormatError(f"the file must have {self._starts[-1]} bytes, not {self._size}")

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read_block(self, index: int) -> np.ndarray:
        """The values of one block, one-dimensional. Raises ValueError if there is no such block."""
        index = check_int("index", index, 0, len(self.blocks) - 1)
        return self.read_blocks(index, index + 1)

    def read_blocks(self, first: int, last: int, *, progress: Progress | None = None) -> np.ndarray:
        """The values of the blocks ``first .. last-1``, one-dimensional. Raises ValueError if there are not so many."""
        last = check_int("last", last, 0, len(self.blocks))
        first = check_int("first", first, 0, last)
        base, block = first * self.config.block, self.config.block
        out = np.empty(min(last * block, self.header.values) - min(base, self.header.values), self.dtype)
        for start, stop in blocks.groups(first, last, block):
            data = self._read(int(self._starts[start]), int(self._starts[stop]))
            codes = blocks.decode(self.header, start, self.blocks[start:stop], data)
            at = start * block - base
            done = at + len(codes)
            out[at:done] = codec.from_codes(codes, self.config.width, self.header.signed, self.dtype)
            if progress:
                progress(done, len(out))
        return out

    def read_all(self, *, progress: Progress | None = None) -> np.ndarray:
        """The tensor."""
        return self.read_blocks(0, len(self.blocks), progress=progress).reshape(self.shape)

    def info(self) -> dict:
        """Sizes in bytes and the like, ready for JSON; ``ratio`` is that of the file to the dense W-bit codes."""
        raw = self.blocks["symbol_bytes"] == 0
        table_bytes = len(header.table_bytes(self.table)) if self.table else 0
        raw_bytes = (self.header.values * self.config.width + 7) // 8
        return {
            "dtype": self.dtype.str,
            "shape": list(self.shape),
            "values": self.header.values,
            "signed": self.header.signed,
            "config": self.config.to_dict(),
            "rows": len(self.table.v_min) if self.table else 0,
            "blocks": len(self.blocks),
            "raw_blocks": int(raw.sum()),
            "header_bytes": self._front_bytes - table_bytes + 4,
            "table_bytes": table_bytes,
            "directory_bytes": self.blocks.nbytes,
            "symbol_bytes": int(self.blocks["symbol_bytes"].sum()),
            "offset_bytes": int(self.blocks["offset_bytes"][~raw].sum()),
            "raw_block_bytes": int(self.blocks["offset_bytes"][raw].sum()),
            "file_bytes": self._size,
            "raw_bytes": raw_bytes,
            "ratio": self._size / raw_bytes if raw_bytes else None,
        }

    def _read(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        data = self._file.read(end - start)
        if len(data) != end - start:
            raise FormatError("the file became shorter while it was read")
        return data
