"""The index of a model archive: what stands before the blocks, shorter than a file's header for each tensor.

FORMAT.md, section 9, is its specification.
"""

import numpy as np

from .codec import fits_dtype
from .config import CodecConfig
from .errors import FormatError
from .header import DTYPE_CODES, DTYPES, Header, leb128, read_shape
from .table import SymbolTable

MAX_ORDER = 15  # of the codes of a table: four bits say which


def config_of(width: int, rows: int, shared: tuple[int, int, int]) -> CodecConfig:
    """A tensor's parameters, of the archive's P, M and B. Raises ValueError if there is no such configuration."""
    prob_bits, mult_bits, block = shared
    longest = CodecConfig(width=width, block=1).longest_block
    return CodecConfig(width, max(rows, 2), prob_bits, mult_bits, min(block, longest))


def entry_bytes(header: Header) -> bytes:
    """A tensor's entry."""
    rows = len(header.table.v_min) if header.table else 0
    word = DTYPE_CODES[header.dtype.str] | header.signed << 4 | (header.config.width - 1) << 5 | rows << 9
    start = word.to_bytes(2, "little") + bytes([len(header.shape)]) + b"".join(map(leb128, header.shape))
    return start + (table_bytes(header.table) if header.table else b"")


def parse_entry(data: bytes, at: int, shared: tuple[int, int, int]) -> tuple[Header, int]:
    """The entry at ``at`` and the position behind it. Raises FormatError for anything FORMAT.md does not allow."""
    if at + 3 > len(data):
        raise FormatError("the index ends within an entry")
    word, ndim = int.from_bytes(data[at : at + 2], "little"), data[at + 2]
    code, signed, width, rows = word & 15, bool(word >> 4 & 1), (word >> 5 & 15) + 1, word >> 9
    if code not in DTYPES or width < 2 or rows > 64 or ndim > 32:
        raise FormatError(f"no tensor has dtype code {code}, {width} bits, {rows} rows, {ndim} dimensions")
    dtype = np.dtype(DTYPES[code])
    if not fits_dtype(width, signed, dtype):
        raise FormatError(f"dtype must be wide enough for {width}-bit codes, not {dtype}")
    shape, at = read_shape(data, at + 3, ndim, dtype)
    try:
        config, table = config_of(width, rows, shared), None
        if rows:
            table, at = parse_table(config, rows, data, at)
        return Header(config, dtype, shape, signed, table), at
    except ValueError as error:
        raise FormatError(f"an entry is wrong: {error}") from None


def table_bytes(table: SymbolTable) -> bytes:
    """The table: sizes of its rows but the last, less 1, then counts but the last, in exponential Golomb codes."""
    bits = "".join(_list_bits(fields) for fields in ([size - 1 for size in table.sizes[:-1]], table.counts[:-1]))
    padded = bits + "0" * (-len(bits) % 8)
    return int("1" + padded, 2).to_bytes(len(padded) // 8 + 1, "big")[1:]


def _list_bits(fields) -> str:
    """Four bits for the order that makes the codes shortest, then the codes; no fields take no bits."""
    if not fields:
        return ""
    # Beyond the order at which each field takes one bit more than the order, codes only grow.
    orders = range(min(max(fields).bit_length(), MAX_ORDER) + 1)
    order = min(orders, key=lambda k: sum(map(int.bit_length, map((1 << k).__add__, fields))) * 2 - len(fields) * k)
    return f"{order:04b}" + "".join(_golomb(field, order) for field in fields)


def _golomb(value: int, order: int) -> str:
    """Exponential Golomb code: ``value + 2**order``, behind as many zeros as it has bits beyond ``order + 1``."""
    number = value + (1 << order)
    return "0" * (number.bit_length() - order - 1) + f"{number:b}"


def parse_table(config: CodecConfig, rows: int, data: bytes, at: int) -> tuple[SymbolTable, int]:
    """The table of ``rows`` rows at ``at`` and the position behind it. Raises ValueError if it is none."""
    bits = _Bits(data, at)
    sizes, counts = bits.fields(rows - 1), bits.fields(rows - 1)
    v_min = [0]
    for size in sizes:
        v_min.append(v_min[-1] + size + 1)
    return SymbolTable(config, tuple(v_min), (*counts, config.total - sum(counts))), bits.end()


class _Bits:
    """Reads what :func:`table_bytes` writes."""

    def __init__(self, data: bytes, at: int):
        # No table is longer: 2 lists of a 4-bit order and 63 codes of at most 33 bits.
        self._text, self._at, self._next = "".join(f"{byte:08b}" for byte in data[at : at + 640]), at, 0

    def fields(self, count: int) -> list[int]:
        """That many fields and the order before them."""
        order = int(self._take(4), 2) if count else 0
        return [self._golomb(order) for _ in range(count)]

    def _golomb(self, order: int) -> int:
        zeros = 0
        while self._take(1) == "0":
            zeros += 1
            if zeros > 16:
                raise ValueError("a number in the table has more than 16 bits")
        return int("1" + self._take(zeros + order), 2) - (1 << order)

    def _take(self, count: int) -> str:
        part = self._text[self._next : self._next + count]
        if len(part) < count:
            raise ValueError("the index ends within a table")
        self._next += count
        return part

    def end(self) -> int:
        """The position behind the table. Raises ValueError unless the padding is zero."""
        padding = -self._next % 8
        if padding and int(self._take(padding), 2):
            raise ValueError("the padding of a table must be zero")
        return self._at + self._next // 8
