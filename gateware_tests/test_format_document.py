"""golden/FORMAT.md keeps its word: its example is what the code does, and a decoder made from its text alone works.

The decoder below is written after the document, section by section, and imports nothing of the project.
"""

import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from golden import reference
from golden.config import CodecConfig
from golden.container import Reader, compress
from golden.table import SymbolTable

TEXT = (Path(reference.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
VECTORS = Path(__file__).parent / "vectors"


class Bits:
    """Section 1: a bit stream, most significant bit first; section 4.4: zeros past its end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        value = 0
        for _ in range(n):
            byte = self.data[self.at // 8] if self.at // 8 < len(self.data) else 0
            value = value * 2 + (byte >> (7 - self.at % 8) & 1)
            self.at += 1
        return value


def plain_block(symbols, offsets, n, v_min, count, w, p, m):
    """Sections 3 and 4.4: the codes of one block."""
    r, rows = m + p, len(v_min)
    c = [sum(count[:i]) for i in range(rows + 1)]
    ends = [*v_min[1:], 2**w]
    ol = [next(length for length in range(17) if 2**length >= ends[i] - v_min[i]) for i in range(rows)]
    symbol_bits, offset_bits, codes = Bits(symbols), Bits(offsets), []
    t, dif, moved = 2**m - 1, symbol_bits.take(r), 0
    for _ in range(n):
        assert dif < t * 2**p
        i = max(i for i in range(rows) if count[i] > 0 and t * c[i] <= dif)
        size, d = t * count[i], 0
        while size * 2**d < 2 ** (r - 1):
            d += 1
        dif, moved = ((dif - t * c[i]) * 2**d) + symbol_bits.take(d), moved + d
        t = size * 2**d // 2**p
        codes.append(v_min[i] + offset_bits.take(ol[i]))
    assert len(symbols) == moved // 8 + 1 and len(offsets) == (offset_bits.at + 7) // 8  # section 4.5
    return codes


def plain_symbols(rows, count, p, m):
    """Sections 4.1 and 4.3: the symbol stream of a block whose values are in these rows. Checks what 4.2 says."""
    r, moved, low, t = m + p, 0, 0, 2**m - 1
    c = [sum(count[:i]) for i in range(len(count) + 1)]
    left = []  # number and value of the bits that had left the window, before each value
    for i in rows:
        left.append((moved, low >> r))
        end = low + t * 2**p
        a, size, d = t * c[i], t * count[i], 0
        assert a < 2**r and 2 ** (m - 1) <= size < 2**r
        while size * 2**d < 2 ** (r - 1):
            d += 1
        low, t, moved = (low + a) * 2**d, size * 2**d // 2**p, moved + d
        assert 2 ** (m - 1) <= t < 2**m and d <= p
        assert 0 <= size * 2**d - t * 2**p < 2**p
        assert low + t * 2**p <= end * 2**d and low + t * 2**p < 2 ** (r + moved)
    code = (low + 2 ** (r - 1) - 1) // 2 ** (r - 1)
    assert low <= code * 2 ** (r - 1) < low + t * 2**p and code < 2 ** (moved + 1)
    assert all(0 <= (code >> (moved + 1 - bits)) - value <= 1 for bits, value in left)
    size = moved // 8 + 1
    return (code << (8 * size - moved - 1)).to_bytes(size, "big")


def plain_file(data):
    """Section 5: dtype in numpy's notation, shape, and values of a file."""
    assert data[:5] == b"APCK\x01"
    dtype, flags, w, p, m, k = data[5:11]
    block, ndim, at = int.from_bytes(data[11:14], "little"), data[14], 15
    shape = []
    for _ in range(ndim):
        dim = shift = 0
        while True:
            dim, shift, at = dim + (data[at] % 128 << shift), shift + 7, at + 1
            if data[at - 1] < 128:
                break
        shape.append(dim)
    v_min, count = [], []
    if k:
        table = Bits(data[at:])
        v_min = [0] + [table.take(w) for _ in range(k - 1)]
        count = [table.take(p + 1) for _ in range(k - 1)]
        count.append(2**p - sum(count))
        at += ((k - 1) * (w + p + 1) + 7) // 8
    values_left = 1
    for dim in shape:
        values_left *= dim
    entries = []
    for _ in range((values_left + block - 1) // block):
        fields = ((0, 2), (2, 2), (4, 4))
        entries.append([int.from_bytes(data[at + skip : at + skip + size], "little") for skip, size in fields])
        at += 8
    assert zlib.crc32(data[:at]) == int.from_bytes(data[at : at + 4], "little")
    at, values = at + 4, []
    for symbol_bytes, offset_bytes, crc in entries:
        n = min(block, values_left)
        stored = data[at : at + symbol_bytes + offset_bytes]
        assert zlib.crc32(stored) == crc
        if symbol_bytes:
            codes = plain_block(stored[:symbol_bytes], stored[symbol_bytes:], n, v_min, count, w, p, m)
        else:
            bits = Bits(stored)
            codes = [bits.take(w) for _ in range(n)]
        values += [code - 2**w if flags & 1 and code >= 2 ** (w - 1) else code for code in codes]
        values_left, at = values_left - n, at + symbol_bytes + offset_bytes
    assert at == len(data)
    size, order = 2 ** (dtype % 4), "|" if dtype % 4 == 0 else "><"[dtype < 8]
    return f"{order}{'i' if dtype & 4 else 'u'}{size}", tuple(shape), values


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.apack")), ids=lambda path: path.stem)
def test_decoder_made_from_the_text_reads_the_vectors(path):
    dtype, shape, values = plain_file(path.read_bytes())
    expected = np.load(path.with_suffix(".npy"), allow_pickle=False)
    assert (dtype, shape) == (expected.dtype.str, expected.shape)
    assert values == expected.ravel().tolist()


def random_table(rng, most_mult_bits=16):
    """Counts (some of them 0), their number of bits P, and M."""
    p, m = int(rng.integers(1, 7)), int(rng.integers(2, most_mult_bits + 1))
    cuts = np.sort(rng.integers(0, 2**p + 1, rng.integers(0, min(2**p, 6))))
    return np.diff([0, *cuts, 2**p]).tolist(), p, m


def test_encoder_made_from_the_text():
    """It writes what the project's does; what section 4.2 says holds on the way."""
    rng = np.random.default_rng(42)
    for _ in range(400):
        count, p, m = random_table(rng, most_mult_bits=6)
        v_min = tuple(range(len(count)))
        table = SymbolTable(CodecConfig(4, max(2, len(count)), p, m, 100), v_min, tuple(count))
        used = [i for i, n in enumerate(count) if n]
        # All alike, often the first or the last row: those keep to the ends of the interval.
        rows = rng.choice(used if rng.random() < 0.7 else used[:: max(1, len(used) - 1)], rng.integers(1, 60)).tolist()
        symbols, offsets = reference.encode_block(table, rows)
        assert plain_symbols(rows, count, p, m) == symbols, (count, p, m, rows)
        assert plain_block(symbols, offsets, len(rows), v_min, count, 4, p, m) == rows, (count, p, m, rows)


@pytest.mark.parametrize("m", [4, 6, 8])
def test_loss_is_what_the_text_says(m):
    """Section 4.2: about 2**-M bits per value over the ideal length."""
    count = [95, 96, 150, 90, 60, 60, 30, 4, 1, 1, 30, 60, 60, 91, 96, 100]
    p = np.array(count) / 1024
    rows = np.random.default_rng(m).choice(16, 8000, p=p)
    loss = len(plain_symbols(rows.tolist(), count, 10, m)) * 8 / len(rows) + np.log2(p)[rows].mean()
    assert 0.7 * 2.0**-m < loss < 1.3 * 2.0**-m


# The example of section 8


def rows_of(heading):
    """The cells of the first Markdown table after a heading, without its two header lines."""
    lines = TEXT[TEXT.index(heading) :].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    last = next(i for i in range(first, len(lines)) if not lines[i].startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[first + 2 : last]]


def example():
    """Table and tensor as section 8 gives them."""
    section = TEXT[TEXT.index("## 8.") :]
    parameters = dict(re.findall(r"\b([WKPMB]) = (\d+)", section.split(";")[0]))
    w, k, p, m, b = (int(parameters[name]) for name in "WKPMB")
    rows = rows_of("## 8.")
    table = SymbolTable(CodecConfig(w, k, p, m, b), tuple(int(x[1]) for x in rows), tuple(int(x[4]) for x in rows))
    text = re.search(r"The tensor is int8 of shape 2 x 7: `(.*)` and `(.*)`", section).groups()
    return table, np.array([line.split() for line in text], np.int8)


def hex_dump():
    """(bytes, remark) of each line of section 8.3."""
    block = TEXT[TEXT.index("### 8.3") :].split("```")[1].strip()
    lines = [re.fullmatch(r"((?:[0-9A-F]{2} )+) *(.*)", line).groups() for line in block.splitlines()]
    return [(bytes.fromhex(data), remark) for data, remark in lines]


def test_table_of_the_example():
    table, _ = example()
    for i, (row, v_min, size, bits, count, below, values) in enumerate(rows_of("## 8.")):
        assert (int(row), int(v_min), int(size), int(bits)) == (i, table.v_min[i], table.sizes[i], table.offset_bits[i])
        assert (int(count), int(below)) == (table.counts[i], table.cumulative[i])
        covered = [
            value % 256
            for part in values.split(", ")
            for value in range(int(part.split("..")[0]), int(part.split("..")[-1]) + 1)
        ]
        assert sorted(covered) == list(range(table.v_min[i], table.v_min[i] + table.sizes[i]))


def test_encoder_steps_of_the_example():
    table, tensor = example()
    low, t, left, lines = 0, 31, 0, rows_of("### 8.1")

    def with_point(value):
        return f"{value >> 9:0{left}b}.{value & 511:09b}" if left else f".{value:09b}"

    for step, value in enumerate(tensor.ravel()[:6].tolist(), 1):
        row = int(table.row_of_value[value % 256])
        size = t * table.counts[row]
        a, d, narrower = reference.narrow(table, t, row)
        line = [step, value, value % 256, row, t, a, size, d, with_point(low + a)]
        low, t, left = (low + a) << d, narrower, left + d
        assert lines[step - 1] == [str(x) for x in (*line, with_point(low), size << d, t)]
    assert len(lines) == 6
    assert f"D = {left}, low = {low}, code = ({low} + 255) >> 8 = {(low + 255) >> 8} = " in TEXT
    assert f"`{(low + 255) >> 8:0{left + 1}b}` in {left + 1} bits" in TEXT
    assert {line[7] for line in lines} >= {"0", str(table.config.prob_bits)}
    assert "gives up 300 - 18 * 16 = 12" in TEXT and (lines[2][10], lines[2][11]) == ("300", "18")
    assert (lines[3][9].split(".")[0], lines[4][8].split(".")[0]) == ("0" + "1" * 8, "1" + "0" * 8)  # the carry


def test_streams_of_the_example():
    table, tensor = example()
    codes, dump = (tensor.ravel().astype(int) % 256).tolist(), hex_dump()
    symbols, offsets = reference.encode_block(table, codes[:6])
    assert f"Padded: `{symbols.hex(' ').upper()}`" in TEXT and f"Padded: `{offsets.hex(' ').upper()}`" in TEXT
    assert dump[-3][0] == symbols + offsets
    assert reference.encode_block(table, codes[6:12]) == (dump[-2][0], b"")
    assert "coded as `00` (D = 5" in TEXT and dump[-2][0] == b"\0"


def test_decoder_steps_of_the_example():
    table, _ = example()
    stream = int.from_bytes(hex_dump()[-3][0][:2], "big")
    bits = f"{stream:016b}"
    assert f"is `{bits}`, then zeros. The first R = 9 bits are dif = {int(bits[:9], 2)}." in TEXT.replace("\n", " ")
    t, dif, at, bits, lines = 31, int(bits[:9], 2), 9, bits + "0" * 9, rows_of("### 8.2")
    for step in range(1, 7):
        begins = [t * c for c in table.cumulative[:4]]
        row = reference.find_row(table, t, dif)
        a, d, narrower = reference.narrow(table, t, row)
        taken = bits[at : at + d]
        line = [step, t, dif, ", ".join(map(str, begins)), row, dif - a, t * table.counts[row], d, taken or "none"]
        assert lines[step - 1] == [str(x) for x in line]
        t, dif, at = narrower, (dif - a) << d | int(taken or "0", 2), at + d
    assert len(lines) == 6


def test_bytes_of_the_example():
    table, tensor = example()
    dump = hex_dump()
    file = b"".join(data for data, _ in dump)
    assert compress(tensor, table=table) == file == (VECTORS / "tiny.apack").read_bytes()
    assert f"\n{len(file)} bytes:" in TEXT
    assert plain_file(file) == ("|i1", (2, 7), tensor.ravel().tolist())
    for data, remark in dump:  # checksums are repeated in words, the other way round
        for crc in re.findall(r"0x([0-9A-F]{8})", remark):
            assert data[-4:] == int(crc, 16).to_bytes(4, "little")
    header_crc = next(i for i, (_, remark) in enumerate(dump) if "bytes before" in remark)
    assert f"of the {sum(len(data) for data, _ in dump[:header_crc])} bytes before" in dump[header_crc][1]
    with Reader(file) as reader:
        assert reader.table.v_min == table.v_min and reader.table.counts == table.counts


def test_limits_of_the_text():
    """Section 2's table of parameters is what CodecConfig enforces."""
    limits = {cells[0]: cells[2] for cells in rows_of("## 2.")}
    assert limits == {
        "W": "2..16",
        "K": "1..64, and K <= 2**P",
        "P": "1..15",
        "M": "2..16",
        "B": "1..floor(65535 * 8 / W)",
    }
    base = dict(width=8, rows=2, prob_bits=1, mult_bits=2, block=1)
    good = [{"width": 2}, {"width": 16}, {"prob_bits": 15}, {"mult_bits": 16}, {"prob_bits": 15, "mult_bits": 16}]
    good += [{"rows": 64, "prob_bits": 6}, {"block": 65535}, {"width": 3, "block": 174760}]
    configs = [CodecConfig(**base | changes) for changes in [{}, *good]]
    assert "`R = M + P` follows from them, 3..31" in TEXT
    spans = {config.range_bits for config in configs}
    assert (min(spans), max(spans)) == (3, 31)
    bad = [{"width": 1}, {"width": 17}, {"rows": 65, "prob_bits": 7}, {"rows": 5, "prob_bits": 2}, {"prob_bits": 0}]
    bad += [{"prob_bits": 16}, {"mult_bits": 1}, {"mult_bits": 17}]
    bad += [{"block": 0}, {"block": 65536}, {"width": 3, "block": 174761}]
    for changes in bad:
        with pytest.raises(ValueError, match="must be in"):
            CodecConfig(**base | changes)


def test_dtype_table_of_the_text():
    for name, *codes in rows_of("The dtype byte is a sum"):
        kind, order = ("u" if "unsigned" in name else "i"), ("<" if "little" in name else ">")
        for size, code in zip((1, 2, 4, 8), codes, strict=True):
            dtype = np.dtype(f"{order}{kind}{size}")
            if code:
                assert compress(np.zeros(3, dtype), bits=4)[5] == int(code)
            else:
                assert dtype.itemsize == 1  # has no byte order
