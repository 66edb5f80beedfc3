"""The block codec, written to be read: one value at a time, in plain integers.

This is the specification in FORMAT.md as code. It is slow on purpose; users run :mod:`golden.lockstep`,
which must agree with it bit for bit. `low` is an integer of any length here; what hardware does about its
carries is nobody's business but the hardware's.
"""

from collections.abc import Sequence

from .errors import FormatError, UncodableError
from .table import SymbolTable


def narrow(table: SymbolTable, t: int, row: int) -> tuple[int, int, int]:
    """Take ``row``'s part of the interval whose size is ``t * 2**P``, ``2**(M-1) <= t < 2**M``.

    Returns where the part begins, a; by how many bits it must be shifted to fill R = M + P bits again, d; and
    the top M bits of its size after that, the next t. What lies below those bits is given up.
    """
    cfg = table.config
    size = t * table.counts[row]
    d = cfg.range_bits - size.bit_length()
    return t * table.cumulative[row], d, size << d >> cfg.prob_bits


def encode_block(table: SymbolTable, values: Sequence[int]) -> tuple[bytes, bytes]:
    """Code W-bit unsigned ``values`` (at least one); returns the symbol stream and the offset stream.

    Raises UncodableError for a value whose row has count zero.
    """
    cfg = table.config
    low, t, shifted = 0, (1 << cfg.mult_bits) - 1, 0
    offsets, offset_len = 0, 0
    for v in values:
        row = int(table.row_of_value[v])
        if table.counts[row] == 0:
            raise UncodableError(f"value {v} falls into row {row}, whose probability count is 0")
        a, d, t = narrow(table, t, row)
        low, shifted = (low + a) << d, shifted + d
        offsets = offsets << table.offset_bits[row] | (v - table.v_min[row])
        offset_len += table.offset_bits[row]
    # The interval is at least half of what R bits can say, so a multiple of that half lies in it: one bit names it.
    half = 1 << (cfg.range_bits - 1)
    code = (low + half - 1) // half
    return _to_bytes(code, shifted + 1), _to_bytes(offsets, offset_len)


def decode_block(table: SymbolTable, symbols: bytes, offsets: bytes, count: int) -> list[int]:
    """The ``count`` values of a block, from its two streams.

    Raises FormatError if a stream is shorter or longer than those values need.
    """
    cfg = table.config
    code, offset_bits = _Bits(symbols), _Bits(offsets)
    t, dif = (1 << cfg.mult_bits) - 1, code.take(cfg.range_bits)
    shifted, values = 0, []
    for _ in range(count):
        row = find_row(table, t, dif)
        a, d, t = narrow(table, t, row)
        # `dif` stays below t * 2**P. Only in a stream that no encoder wrote can it have a bit to lose here.
        dif = ((dif - a) << d | code.take(d)) % (1 << cfg.range_bits)
        shifted += d
        values.append((table.v_min[row] + offset_bits.take(table.offset_bits[row])) % cfg.values)
    needed = shifted // 8 + 1
    if len(symbols) != needed:
        raise FormatError(f"symbol stream: {count} values need {needed} bytes, there are {len(symbols)}")
    needed = (offset_bits.position + 7) // 8
    if len(offsets) != needed:
        raise FormatError(f"offset stream: {count} values need {needed} bytes, there are {len(offsets)}")
    return values


def find_row(table: SymbolTable, t: int, dif: int) -> int:
    """The row that ``dif`` lies in: the last one with a count that begins at or below it."""
    return max(i for i, count in enumerate(table.counts) if count and t * table.cumulative[i] <= dif)


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
