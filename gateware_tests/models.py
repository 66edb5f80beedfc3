"""What the gateware should do, in plain Python, and random material to try it on. Knows no HDL."""

import random
from collections.abc import Sequence

from golden import reference
from golden.config import CodecConfig
from golden.table import SymbolTable

DIGIT_BYTES = 2


def random_config(rng: random.Random, *, wide: bool = False, **fixed) -> CodecConfig:
    """A configuration drawn over all that is allowed; ``wide`` or not: big tables are rare, so that runs are quick."""
    rows = fixed.get("rows") or rng.choice([2, 3, 4, 5, 7, 8, 9, rng.randint(2, 64 if wide else 16)])
    least = (rows - 1).bit_length()
    prob_bits = fixed.get("prob_bits") or rng.choice([least, rng.randint(least, 15), min(15, least + 2), 15])
    mult_bits = fixed.get("mult_bits") or rng.choice([2, 3, rng.randint(2, 16), 8, 16])
    width = fixed.get("width") or rng.choice([2, 3, 4, 5, 8, rng.randint(2, 16), 16])
    return CodecConfig(width, rows, prob_bits, mult_bits, fixed.get("block") or rng.randint(1, 64))


def random_table(rng: random.Random, config: CodecConfig, *, style: str = "") -> SymbolTable:
    """A table of 1..N rows. ``style``, drawn if not given: "even" counts, "random" ones, "skewed" (the smallest beside
    the largest), "holes" (rows without a count in front, in the middle, at the end), "certain" (one row has all)."""
    most, total = min(config.rows, config.values), config.total
    style = style or rng.choice(["even", "random", "skewed", "holes", "holes", "certain"])
    rows = rng.choice([1, 2, most, most, rng.randint(1, most)])
    if rng.random() < 0.3:  # neighbours of size 1, and one large row
        first = rng.randint(1, config.values - rows + 1)
        v_min = [0, *range(first, first + rows - 1)]
    else:
        v_min = [0, *sorted(rng.sample(range(1, config.values), rows - 1))]
    if style == "even":
        counts = [total // rows + (i < total % rows) for i in range(rows)]
    elif style == "random":
        counts = _cut(rng, total, rows)
    elif style == "skewed":
        counts = [1] * rows
        counts[rng.randrange(rows)] += total - rows
    else:
        used = rng.randrange(1, rows + 1) if style == "holes" else 1
        counts = [0] * rows
        for row, count in zip(rng.sample(range(rows), used), _cut(rng, total, used), strict=True):
            counts[row] = count
    return SymbolTable(config, tuple(v_min), tuple(counts))


def _cut(rng: random.Random, total: int, parts: int) -> list[int]:
    """``total`` as the sum of ``parts`` random numbers, 0 or more."""
    cuts = [0, *sorted(rng.choices(range(total + 1), k=parts - 1)), total]
    return [b - a for a, b in zip(cuts, cuts[1:], strict=False)]


def used_rows(table: SymbolTable) -> list[int]:
    """The rows that have a count."""
    return [row for row, count in enumerate(table.counts) if count]


def value_in(rng: random.Random, table: SymbolTable, row: int) -> int:
    """A value of ``row``: often its first or its last."""
    last = table.v_min[row] + table.sizes[row] - 1
    return rng.choice([table.v_min[row], last, rng.randint(table.v_min[row], last)])


def random_block(rng: random.Random, table: SymbolTable, count: int) -> list[int]:
    """``count`` values that have a code: from any row, from the rarest ones, or of a kind that provokes carries."""
    rows, style = used_rows(table), rng.choice(["any", "rare", "carry"])
    if style == "rare":
        rows = sorted(rows, key=table.counts.__getitem__)[: (len(rows) + 1) // 2]
    head = follow_boundary(table, rng.getrandbits(3), 3, rng.randint(0, count)) if style == "carry" else []
    rows = head + rng.choices(rows, k=count - len(head))
    return [value_in(rng, table, row) for row in rows]


def follow_boundary(table: SymbolTable, point: int, bits: int, count: int) -> list[int]:
    """Up to ``count`` rows whose intervals hold the code point ``point / 2**bits``, none of them at its beginning.

    `low` stays just below the point, so the code so far ends in a run of ones.
    """
    cfg = table.config
    t, dif, rows = (1 << cfg.mult_bits) - 1, point << cfg.range_bits >> bits, []
    while len(rows) < count and 0 < dif < t << cfg.prob_bits:
        row = reference.find_row(table, t, dif)
        a, d, t = reference.narrow(table, t, row)
        dif = (dif - a) << d
        rows.append(row)
    return rows


def steps(table: SymbolTable, rows: Sequence[int]) -> list[tuple[int, int]]:
    """What each row, then the end of the block, does to the code: (a, d)."""
    t, result = (1 << table.config.mult_bits) - 1, []
    for row in rows:
        a, d, t = reference.narrow(table, t, row)
        result.append((a, d))
    return [*result, ((1 << table.config.range_bits - 1) - 1, 1)]


def code_bytes(config: CodecConfig, block: Sequence[tuple[int, int]]) -> bytes:
    """The symbol stream that a block's steps, the ending one included, add up to."""
    low, length = 0, 0
    for a, d in block[:-1]:
        low, length = (low + a) << d, length + d
    code, length = (low + block[-1][0]) >> config.range_bits - 1, length + 1
    return (code << -length % 8).to_bytes((length + 7) // 8, "big")


def coded(table: SymbolTable, block: Sequence[int]) -> tuple[bytes, bytes, int]:
    """Symbol stream, offset stream and error flag that the encoder gives for any values.

    A value without a code leaves the symbols as they are and has an offset like any other.
    """
    rows = [int(table.row_of_value[v]) for v in block]
    if all(table.counts[row] for row in rows):
        return *reference.encode_block(table, block), 0
    code = code_bytes(table.config, steps(table, [row for row in rows if table.counts[row]]))
    total, size = 0, 0
    for v, row in zip(block, rows, strict=True):
        total, size = total << table.offset_bits[row] | v - table.v_min[row], size + table.offset_bits[row]
    return code, (total << -size % 8).to_bytes((size + 7) // 8, "big"), 1


def carry_runs(config: CodecConfig, block: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The runs of all-ones digits that the steps of a block leave for a carry to decide: (length, carry)."""
    R, low, position, run, runs = config.range_bits, 0, 0, 0, []
    for k, (a, d) in enumerate(block):
        low += a << 16 >> position
        position += d
        last = k == len(block) - 1
        if position >= 16 or last:  # a digit leaves, with the carry into the one before
            digit, carry = low >> R & 0xFFFF, low >> R + 16
            low, position = (low & (1 << R) - 1) << 16, position - 16
            if digit == 0xFFFF and not carry and not last:
                run += 1
            else:
                runs += [(run, carry)] if run else []
                run = 0
    return runs


def long_run(config: CodecConfig, rng: random.Random, length: int, carry: int) -> tuple[SymbolTable, list[int]]:
    """A table and rows whose code meets a run of at least ``length`` all-ones digits, resolved by a carry or not."""
    for _ in range(1000):
        table = random_table(rng, config, style="random")
        used, rows = used_rows(table), follow_boundary(table, 1, 1, config.block - 40)
        outermost = used[-carry]  # below the row that the boundary lies in, or above it: settles the question
        ends = [n for n, row in enumerate(rows) if row != outermost]
        for n in ends[:: max(1, len(ends) // 20)]:
            chosen = rows[:n] + [outermost] + rng.choices(used, k=39)
            if any(r >= length and c == carry for r, c in carry_runs(config, steps(table, chosen))):
                return table, chosen
    raise AssertionError(f"no run of {length} digits was found")


def hardware_rows(table: SymbolTable) -> list[dict]:
    """The N rows as the table port carries them."""
    return [{"v_min": v, "c": c} for v, c in padded_rows(table)]


def padded_rows(table: SymbolTable) -> list[tuple[int, int]]:
    """The N rows as hardware holds them, empty ones in front: (v_min, c)."""
    rows = zip(table.v_min, table.cumulative, strict=False)
    return [(0, 0)] * missing_rows(table) + list(rows)


def missing_rows(table: SymbolTable) -> int:
    """Rows that hardware has and the table does not need."""
    return table.config.rows - len(table.v_min)


def decode_rows(table: SymbolTable, symbols: bytes, count: int) -> tuple[list[int], int]:
    """The rows that an R-bit decoder finds, whatever the stream holds; and D, the bits shifted out."""
    R = table.config.range_bits
    t, dif, D, rows = (1 << table.config.mult_bits) - 1, field(symbols, 0, R), 0, []
    for _ in range(count):
        row = reference.find_row(table, t, dif)
        a, d, t = reference.narrow(table, t, row)
        dif = ((dif - a) << d | field(symbols, R + D, d)) % (1 << R)
        D += d
        rows.append(row)
    return rows, D


def decode_offsets(table: SymbolTable, rows: Sequence[int], offsets: bytes) -> tuple[list[int], int]:
    """The values of W bits that rows and offset stream make, whatever that holds; and the bits they take."""
    position, values = 0, []
    for row in rows:
        OL = table.offset_bits[row]
        values.append((table.v_min[row] + field(offsets, position, OL)) % table.config.values)
        position += OL
    return values, position


def decode_damaged(table: SymbolTable, symbols: bytes, offsets: bytes, count: int) -> tuple[list[int], dict]:
    """The ``count`` values that a decoder gives for any two streams, and its report."""
    rows, D = decode_rows(table, symbols, count)
    values, offset_bits = decode_offsets(table, rows, offsets)
    report = {}
    for name, there, needed in (
        ("symbols", len(symbols), D // 8 + 1),
        ("offsets", len(offsets), (offset_bits + 7) // 8),
    ):
        report |= {f"{name}_short": int(there < needed), f"{name}_long": int(there > needed)}
    return values, report


def field(data: bytes, position: int, bits: int) -> int:
    """``bits`` bits of a stream from ``position`` on; zeros past its end."""
    extended = int.from_bytes(data, "big") << position + bits
    return extended >> 8 * len(data) & (1 << bits) - 1


def transfers(blocks: Sequence[Sequence[int]]) -> list[dict]:
    """Blocks of values as the value stream's payloads."""
    return [{"data": v, "last": int(i == len(b) - 1)} for b in blocks for i, v in enumerate(b)]


def digits(data: bytes, *, error: int = 0) -> list[dict]:
    """A stream's bytes as digits, zeros behind its end."""
    result = []
    for chunk, last in _chunks(data, DIGIT_BYTES):
        value = int.from_bytes(chunk.ljust(DIGIT_BYTES, b"\0"), "big")
        result.append({"data": value, "last": last, "bytes": len(chunk), "error": error * last})
    return result


def words(data: bytes, word: int, *, error: int = 0, junk: random.Random | None = None) -> list[dict]:
    """A stream's bytes as words; with ``junk``, the bytes behind its end are anything, not zeros."""
    result = []
    for chunk, last in _chunks(data, word // 8):
        filling = bytes(junk.getrandbits(8) if junk else 0 for _ in range(word // 8 - len(chunk)))
        value = int.from_bytes(chunk + filling, "little")
        result.append({"data": value, "bytes": len(chunk), "last": last, "error": error * last})
    return result


def count_words(data: bytes, word: int) -> int:
    """Words that a stream takes; an empty one takes one."""
    return len(_chunks(data, word // 8))


def bytes_of(payloads: Sequence[dict], word: int) -> list[tuple[bytes, int]]:
    """Words back to streams: (bytes, error) of each. Checks that a stream's other words are full."""
    result, data = [], b""
    for p in payloads:
        assert p["last"] or (p["bytes"] == word // 8 and not p["error"]), p
        assert p["bytes"] or not data, "an empty word behind others"
        raw = p["data"].to_bytes(word // 8, "little")
        assert not any(raw[p["bytes"] :]), "bytes behind the end are not zero"
        data += raw[: p["bytes"]]
        if p["last"]:
            result.append((data, p["error"]))
            data = b""
    assert not data, "a stream without an end"
    return result


def _chunks(data: bytes, size: int) -> list[tuple[bytes, int]]:
    """``data`` cut into pieces of ``size`` bytes, at least one, and whether each is the last."""
    starts = range(0, max(1, len(data)), size)
    return [(data[i : i + size], int(i + size >= len(data))) for i in starts]
