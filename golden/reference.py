"""The block codec, written to be read: one value at a time, in plain integers.

This is the specification in FORMAT.md as code. It is slow on purpose; users run :mod:`golden.lockstep`,
which must agree with it bit for bit. `low` is an integer of any length here; what hardware does about its
carries is nobody's business but the hardware's.
"""

from collections.abc import Sequence

from .errors import FormatError, UncodableError
from .table import SymbolTable


def bounds(table: SymbolTable, rng: int, row: int) -> tuple[int, int]:
    """The part a..b-1 of the interval 0..rng-1 that belongs to ``row``.

    The multiplier sees only the top M bits of ``rng``; the last row that has a count takes what the
    truncation leaves over.
    """
    cfg, c = table.config, table.cumulative
    t = rng >> (cfg.range_bits - cfg.mult_bits)

    def scaled(count: int) -> int:
        s = cfg.scale_shift
        return t * count >> s if s >= 0 else t * count << -s

    return scaled(c[row]), rng if c[row + 1] == cfg.total else scaled(c[row + 1])


def encode_block(table: SymbolTable, values: Sequence[int]) -> tuple[bytes, bytes]:
    """Code W-bit unsigned ``values`` (at least one); returns the symbol stream and the offset stream.

    Raises UncodableError for a value whose row has count zero.
    """
    R = table.config.range_bits
    low, rng, shifted = 0, (1 << R) - 1, 0
    offsets, offset_len = 0, 0
    for v in values:
        row = int(table.row_of_value[v])
        if table.counts[row] == 0:
            raise UncodableError(f"value {v} falls into row {row}, whose probability count is 0")
        a, b = bounds(table, rng, row)
        d = R - (b - a).bit_length()
        low, rng, shifted = (low + a) << d, (b - a) << d, shifted + d
        offsets = offsets << table.offset_bits[row] | (v - table.v_min[row])
        offset_len += table.offset_bits[row]
    # A multiple of half the register's span lies inside the final interval: one bit is enough to name it.
    half = 1 << (R - 1)
    code = (low + half - 1) // half
    return _to_bytes(code, shifted + 1), _to_bytes(offsets, offset_len)


def decode_block(table: SymbolTable, symbols: bytes, offsets: bytes, count: int) -> list[int]:
    """The ``count`` values of a block, from its two streams.

    Raises FormatError if a stream is shorter or longer than those values need.
    """
    R, total, c = table.config.range_bits, table.config.total, table.cumulative
    code, offset_bits = _Bits(symbols), _Bits(offsets)
    rng, dif = (1 << R) - 1, code.take(R)
    used, values = 0, []
    for _ in range(count):
        row = max(i for i in range(len(table.v_min)) if c[i] < total and bounds(table, rng, i)[0] <= dif)
        a, b = bounds(table, rng, row)
        d = R - (b - a).bit_length()
        rng, dif, used = (b - a) << d, (dif - a) << d | code.take(d), used + d
        values.append(table.v_min[row] + offset_bits.take(table.offset_bits[row]))
    if len(symbols) != used // 8 + 1:
        raise FormatError(f"symbol stream: {count} values need {used // 8 + 1} bytes, there are {len(symbols)}")
    needed = (offset_bits.position + 7) // 8
    if len(offsets) != needed:
        raise FormatError(f"offset stream: {count} values need {needed} bytes, there are {len(offsets)}")
    return values


def _to_bytes(bits: int, length: int) -> bytes:
    """``length`` bits, most significant first, padded with zeros to whole bytes."""
    size = (length + 7) // 8
    return (bits << (size * 8 - length)).to_bytes(size, "big")


class _Bits:
    """Reads a stream from its most significant bit on; past its end there are zeros."""

    def __init__(self, data: bytes):
        self.bits, self.length, self.position = int.from_bytes(data, "big"), len(data) * 8, 0

    def take(self, n: int) -> int:
        self.position += n
        left = self.length - self.position
        return (self.bits >> left if left >= 0 else self.bits << -left) & ((1 << n) - 1)
