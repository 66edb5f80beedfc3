"""Payloads of the streams and buses, each field explained once.

Everywhere: a *digit* is 16 bits of a stream, first bit of the stream in the most significant place; 16 is the
smallest power of two that no single value can overrun (one value adds at most P <= 15 symbol bits and W <= 16
offset bits). A *word* is what leaves and enters the chip side: 16, 32 or 64 bits, the stream's first byte in
bits 7..0, as a little-endian memory bus carries bytes.
"""

from amaranth.lib import data
from amaranth.utils import bits_for

from golden.config import CodecConfig, check_int

DIGIT = 16
WORD_BITS = (16, 32, 64)


def check_banks(banks: int) -> int:
    """Return ``banks``, how many tables an engine holds, as a Python ``int`` if it is 1 or 2.

    Raises TypeError for anything that is not an integer, ValueError for another number.
    """
    return check_int("banks", banks, 1, 2, "one is in use while the other is loaded; more would wait")


def bank_field(banks: int) -> dict[str, int]:
    """The field ``bank``, which of two tables is meant; none where there is only one."""
    return {"bank": 1} if banks == 2 else {}


def value_layout(config: CodecConfig, *, banks: int = 1) -> data.StructLayout:
    """A tensor value: ``data``, W bits, two's complement read as unsigned; ``last`` value of its block.

    With two banks also ``bank``, the table to code the block with; looked at in a block's first value only.
    """
    return data.StructLayout({"data": config.width, "last": 1} | bank_field(banks))


def block_layout(config: CodecConfig, *, banks: int = 1, raw: bool = False) -> data.StructLayout:
    """An order to decode one block: ``count_m1``, its number of values less one (as AXI counts beats).

    Where there are ``raw`` blocks also ``raw``: the values are the codes in the block's offset stream. With two banks
    also ``bank``, the table that the block was coded with.
    """
    return data.StructLayout(
        {"count_m1": bits_for(config.block - 1)} | ({"raw": 1} if raw else {}) | bank_field(banks)
    )


def row_load_layout(config: CodecConfig, *, banks: int = 1) -> data.StructLayout:
    """One row as it is loaded: ``v_min`` (W bits) and its probability ``count`` (P+1 bits).

    With two banks also ``bank``, where the table is to go; looked at in a table's first row only.
    """
    return data.StructLayout({"v_min": config.width, "count": config.prob_bits + 1} | bank_field(banks))


def table_layout(config: CodecConfig) -> data.ArrayLayout:
    """The N rows of the table as hardware uses them.

    ``v_min``: first value, W bits. ``c``: cumulative count of the rows before it, P+1 bits (a row with
    ``c`` = 2**P lies behind the last used one). A row's offset bits follow from where the next one begins.
    """
    row = data.StructLayout({"v_min": config.width, "c": config.prob_bits + 1})
    return data.ArrayLayout(row, config.rows)


def interval_layout(config: CodecConfig) -> data.StructLayout:
    """What the range coder is told about one value.

    ``c_low`` (P bits), ``count`` (P+1 bits): its row owns the counts ``c_low .. c_low+count-1`` of 2**P; none if the
    value has no code. ``finish``: not a value at all, but the end of the block; the other fields mean nothing then.
    """
    return data.StructLayout({"c_low": config.prob_bits, "count": config.prob_bits + 1, "finish": 1})


def offset_layout(config: CodecConfig) -> data.StructLayout:
    """``data``: an offset, right aligned (W bits); ``below``: the size of its row less one, W bits, whose number of
    bits is that of the offset. ``finish``: the end of the block; the other fields mean nothing then."""
    return data.StructLayout({"data": config.width, "below": config.width, "finish": 1})


def step_layout(config: CodecConfig) -> data.StructLayout:
    """What one value does to the code: add ``a`` (R bits) at the current position, then move it by ``d`` bits, 0..P."""
    return data.StructLayout(
        {"a": config.range_bits, "d": bits_for(config.prob_bits), "finish": 1, "error": 1}
    )


def digit_layout(*, carry: bool = False) -> data.StructLayout:
    """A digit on its way: ``data``; ``last`` of its stream, and then ``bytes`` (0..2) says how much of it counts,
    and ``error`` whether the block is to be thrown away. With ``carry``: one is to be added to the digit before it.

    ``bytes`` = 0 only where the whole stream is empty.
    """
    fields = {"data": DIGIT, "last": 1, "bytes": 2, "error": 1}
    return data.StructLayout(fields | ({"carry": 1} if carry else {}))


def word_layout(word: int) -> data.StructLayout:
    """A word of a stream: ``data``; ``last`` of the block, and then ``bytes`` says how many of its bytes count
    (0 only where the whole stream is empty; otherwise all do); ``error``, with ``last``: the block held a value
    that has no code, so its streams are to be thrown away."""
    return data.StructLayout({"data": word, "bytes": bits_for(word // 8), "last": 1, "error": 1})


def report_layout() -> data.StructLayout:
    """How a decoded block ended: which of its streams was ``short`` or ``long`` for the promised values."""
    return data.StructLayout({"symbols_short": 1, "symbols_long": 1, "offsets_short": 1, "offsets_long": 1})
