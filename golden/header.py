"""All that stands before the blocks of an ``.apack`` file: header, symbol table and directory (see FORMAT.md)."""

import struct
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from .codec import fits_dtype
from .config import CodecConfig
from .errors import FormatError
from .table import SymbolTable

MAGIC, VERSION = b"APCK", 1
_FIXED = struct.Struct("<4s7B3sB")
_SIGNED = 1  # the only flag: codes are two's complement

DTYPES = {0: "|u1", 1: "<u2", 2: "<u4", 3: "<u8", 4: "|i1", 5: "<i2", 6: "<i4", 7: "<i8"}
DTYPES |= {code + 8: text.replace("<", ">") for code, text in DTYPES.items() if text[0] == "<"}
DTYPE_CODES = {text: code for code, text in DTYPES.items()}

# One entry per block; no symbol stream means that the block is raw.
DIRECTORY = np.dtype([("symbol_bytes", "<u2"), ("offset_bytes", "<u2"), ("crc32", "<u4")])

# No header with its table is longer: 15 bytes, 32 dimensions of at most 9 bytes, 63 times 16 + 16 bits.
MAX_FRONT = 1024


@dataclass(frozen=True)
class Header:
    """What a file says about its tensor, and how it is coded.

    Members
    -------
    config : W, P, M and the block size. Its ``rows`` are those the table has (at least 2): a file says
        nothing about how many more the hardware has room for.
    dtype, shape : of the tensor. signed : whether its codes are two's complement.
    table : None if all blocks are raw.
    """

    config: CodecConfig
    dtype: np.dtype
    shape: tuple[int, ...]
    signed: bool
    table: SymbolTable | None

    @cached_property
    def values(self) -> int:
        """Values in the tensor."""
        return prod(self.shape)

    @cached_property
    def block_count(self) -> int:
        """Blocks in the file."""
        return -(-self.values // self.config.block)

    def to_bytes(self) -> bytes:
        """Header and table as they are stored."""
        cfg, table = self.config, self.table
        rows = len(table.v_min) if table else 0
        codec = (cfg.width, cfg.prob_bits, cfg.mult_bits, rows, cfg.block.to_bytes(3, "little"))
        flags = _SIGNED if self.signed else 0
        fixed = _FIXED.pack(MAGIC, VERSION, DTYPE_CODES[self.dtype.str], flags, *codec, len(self.shape))
        return fixed + b"".join(map(leb128, self.shape)) + (table_bytes(table) if table else b"")


def parse(front: bytes) -> tuple[Header, int]:
    """The header at the start of ``front`` (the file's first MAX_FRONT bytes, or all of it), and its length with table.

    Raises FormatError for anything FORMAT.md does not allow.
    """
    if len(front) < _FIXED.size:
        raise FormatError(f"an .apack file has at least {_FIXED.size} bytes, this one {len(front)}")
    magic, version, code, flags, width, prob_bits, mult_bits, rows, block, ndim = _FIXED.unpack_from(front)
    if magic != MAGIC:
        raise FormatError(f"an .apack file starts with {MAGIC!r}, not {magic!r}")
    _require(version == VERSION, "version", f"{VERSION}", version)
    _require(code in DTYPES, "dtype code", f"one of {', '.join(map(str, DTYPES))}", code)
    _require(flags <= _SIGNED, "flags", "0 or 1", flags)
    _require(rows <= 64, "number of rows", "in 0..64", rows)
    _require(ndim <= 32, "number of dimensions", "in 0..32", ndim)
    try:
        config = CodecConfig(width, max(rows, 2), prob_bits, mult_bits, int.from_bytes(block, "little"))
    except ValueError as error:
        raise FormatError(f"header: {error}") from None
    dtype = np.dtype(DTYPES[code])
    _require(fits_dtype(width, flags == _SIGNED, dtype), "dtype", f"wide enough for {width}-bit codes", dtype)
    shape, end = read_shape(front, _FIXED.size, ndim, dtype)
    table, end = _read_table(config, rows, front, end)
    return Header(config, dtype, shape, flags == _SIGNED, table), end


def read_shape(data: bytes, start: int, ndim: int, dtype: np.dtype) -> tuple[tuple[int, ...], int]:
    """The ``ndim`` dimensions at ``start`` and the position behind them. Raises FormatError if they are none."""
    shape, end = [], start
    for _ in range(ndim):
        dim, end = read_leb128(data, end)
        shape.append(dim)
    # numpy cannot make an array beyond this, even one that is empty because of another dimension.
    spanned = prod(filter(None, shape)) * dtype.itemsize
    _require(spanned < 2**63, "size of the tensor", "below 2**63 bytes", shape)
    return tuple(shape), end


def _require(condition: bool, name: str, allowed: str, got) -> None:
    if not condition:
        raise FormatError(f"header: {name} must be {allowed}, not {got}")


def leb128(value: int) -> bytes:
    """Seven bits a byte, least significant first; the top bit says that more bytes follow."""
    data = []
    while value >= 128:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes([*data, value])


def read_leb128(data: bytes, start: int) -> tuple[int, int]:
    """The number at ``start`` and the position behind it. At most 63 bits, in as few bytes as it needs."""
    value = 0
    for i, byte in enumerate(data[start : start + 9]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            _require(byte or not i, "dimension", "in its shortest form", f"{i + 1} bytes for {value}")
            return value, start + i + 1
    raise FormatError("header: a dimension ends beyond the file or has more than 9 bytes")


def table_bytes(table: SymbolTable) -> bytes:
    """The table as it is stored: v_min but the first (it is 0), counts but the last (it is what is missing to 2**P)."""
    bits, length = 0, 0
    for size, fields in ((table.config.width, table.v_min[1:]), (table.config.prob_bits + 1, table.counts[:-1])):
        for field in fields:
            bits, length = bits << size | field, length + size
    return (bits << -length % 8).to_bytes((length + 7) // 8, "big")


def _read_table(config: CodecConfig, rows: int, front: bytes, start: int) -> tuple[SymbolTable | None, int]:
    """The table of ``rows`` rows at ``start`` (None for no rows) and the position behind it."""
    if not rows:
        return None, start
    width, count_bits = config.width, config.prob_bits + 1
    left = (rows - 1) * (width + count_bits)
    end = start + (left + 7) // 8
    if end > len(front):
        raise FormatError("the file ends within the table")
    bits = int.from_bytes(front[start:end], "big")
    padding = -left % 8
    _require(bits & ((1 << padding) - 1) == 0, "padding of the table", "zero", front[end - 1])
    bits >>= padding

    def take(size: int) -> int:
        nonlocal left
        left -= size
        return bits >> left & ((1 << size) - 1)

    v_min = [0] + [take(width) for _ in range(rows - 1)]
    counts = [take(count_bits) for _ in range(rows - 1)]
    _require(sum(counts) <= config.total, "sum of the counts", f"at most {config.total}", sum(counts))
    try:
        return SymbolTable(config, tuple(v_min), (*counts, config.total - sum(counts))), end
    except ValueError as error:
        raise FormatError(f"table: {error}") from None
