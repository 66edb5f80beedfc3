"""The lock-step codec agrees with the readable one, whatever the configuration, the lengths and the bytes."""

import numpy as np
import pytest

from golden import bits, lanes, lockstep, reference
from golden.codec import code_type
from golden.config import CodecConfig
from golden.errors import FormatError, UncodableError
from golden.table import SymbolTable

SEED = 20240517


def random_config(rng):
    width, rows = int(rng.integers(2, 17)), int(rng.integers(2, 65))
    prob_bits = int(rng.integers((rows - 1).bit_length(), 16))
    return CodecConfig(width=width, rows=rows, prob_bits=prob_bits, mult_bits=int(rng.integers(2, 17)), block=4096)


def random_table(rng, config):
    """Any cut; counts from even to a single one, with zeros anywhere."""
    n = int(rng.integers(1, min(config.rows, config.values) + 1))
    v_min = [0, *sorted(rng.choice(np.arange(1, config.values), n - 1, replace=False).tolist())]
    weights = rng.random(n) ** rng.integers(1, 12)
    weights[rng.random(n) < rng.choice([0, 0, 0.3, 0.9])] = 0
    if not weights.any():
        weights[rng.integers(n)] = 1
    counts = np.floor(weights / weights.sum() * config.total).astype(int)
    counts[np.argmax(counts)] += config.total - counts.sum()
    return SymbolTable(config, tuple(v_min), tuple(counts.tolist()))


def random_codes(rng, table, n):
    """Values from rows as likely as the table says, all alike, or the opposite."""
    counts = np.array(table.counts)
    used = np.flatnonzero(counts)
    p = counts[used] ** float(rng.choice([1, 0, -1]))
    rows = rng.choice(used, n, p=p / p.sum())
    values = np.array(table.v_min)[rows] + (rng.random(n) * np.array(table.sizes)[rows]).astype(int)
    return values.astype(code_type(table.config.width))


def cut(counts):
    counts = np.asarray(counts)
    return np.cumsum(counts) - counts, counts


def encode(table, codes, counts):
    return lockstep.encode_blocks(table, codes, *cut(counts))


def decode(table, coded, counts):
    starts, _ = cut(coded.symbol_bytes + coded.offset_bytes)
    return lockstep.decode_blocks(table, coded.data, starts, coded.symbol_bytes, coded.offset_bytes, np.asarray(counts))


def check(table, codes, counts):
    """Both ways, byte for byte, against the reference. Returns what the reference wrote."""
    coded = encode(table, codes, counts)
    expected = [reference.encode_block(table, codes[s : s + n].tolist()) for s, n in zip(*cut(counts), strict=True)]
    assert coded.symbol_bytes.tolist() == [len(symbols) for symbols, _ in expected]
    assert coded.offset_bytes.tolist() == [len(offsets) for _, offsets in expected]
    assert coded.data.tobytes() == b"".join(symbols + offsets for symbols, offsets in expected)
    back = decode(table, coded, counts)
    assert back.dtype == codes.dtype
    np.testing.assert_array_equal(back, codes)
    return expected


@pytest.mark.parametrize("part", range(6))
def test_random_configurations(part):
    for case in range(60):
        rng = np.random.default_rng([SEED, part, case])
        table = random_table(rng, random_config(rng))
        counts = rng.integers(1, rng.choice([2, 5, 40, 300]), rng.integers(1, 9))
        try:
            check(table, random_codes(rng, table, counts.sum()), counts)
        except AssertionError:
            print(f"part {part}, case {case}: {table}, lengths {counts}")
            raise


EVEN = {n: tuple([4096 // n] * n) for n in (1, 2, 16, 64)}


@pytest.mark.parametrize(
    "config, counts",
    [
        (CodecConfig(16, 64, 15, 16), tuple([1] * 63 + [2**15 - 63])),
        (CodecConfig(16, 64, 15, 2), tuple([2**15 - 63] + [1] * 63)),
        (CodecConfig(16, 64, 6, 2), (1,) * 64),
        (CodecConfig(2, 2, 1, 2), (1, 1)),
        (CodecConfig(2, 4, 15, 16), (1, 1, 1, 2**15 - 3)),
        (CodecConfig(8, 16, 10, 8), (0, 0, 0, 1, 1023, 0)),
        (CodecConfig(8, 16, 10, 16), (512, 0, 0, 0, 512)),
        (CodecConfig(8, 16, 10, 14), (1, 1022, 1)),  # R = 24: the last that fits single precision
        (CodecConfig(8, 16, 10, 15), (1, 1022, 1)),
        (CodecConfig(12, 16, 12, 3), EVEN[1]),  # one row with everything: no symbol bits at all but the one
        (CodecConfig(12, 16, 12, 3), (0, 4096, 0)),
        (CodecConfig(12, 64, 12, 7), EVEN[64]),
        (CodecConfig(9, 16, 12, 16), EVEN[16]),
        (CodecConfig(16, 2, 12, 16), EVEN[2]),
    ],
)
def test_corners(config, counts):
    rng = np.random.default_rng(SEED)
    v_min = tuple(int(v) for v in np.linspace(0, config.values, len(counts), endpoint=False))
    table = SymbolTable(config, v_min, counts)
    lengths = np.array([1, 1, 2, 3, 700, 33, 1])
    for _ in range(3):
        check(table, random_codes(rng, table, lengths.sum()), lengths)


def weights_table(**changes):
    config = CodecConfig(**changes)
    rows = 16
    v_min = tuple(config.values * i // rows for i in range(rows))
    counts = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512 - 255 + 1, 128, 64, 32, 16, 8, 7]
    return SymbolTable(config, v_min, tuple(counts))


def test_thousands_of_lanes_of_unequal_lengths():
    rng = np.random.default_rng(SEED)
    table = weights_table()
    counts = rng.integers(1, 40, 9000)  # more than run together
    assert len(counts) > 2 * lockstep.MAX_LANES
    check(table, random_codes(rng, table, counts.sum()), counts)


def test_one_long_block_among_short_ones():
    rng = np.random.default_rng(SEED)
    table = weights_table(width=5)
    counts = np.array([3, 1, 20000, 1, 1500, 7])
    check(table, random_codes(rng, table, counts.sum()), counts)


@pytest.mark.parametrize("width", [5, 12])
def test_every_boundary(monkeypatch, width):
    """Groups of lanes, chunks of steps, spans of the reader, first guesses of the length: all as small as can be."""
    monkeypatch.setattr(lockstep, "MAX_LANES", 5)
    monkeypatch.setattr(lanes, "CHUNK_VALUES", 1)
    monkeypatch.setattr(lanes, "SPAN_BYTES", 1)
    monkeypatch.setattr(lanes, "expected_bits", lambda table: (0, 0))
    rng = np.random.default_rng(SEED)
    table = weights_table(width=width)
    counts = [*range(1, 50), 64, 64, 64, 1100, 1100]
    check(table, random_codes(rng, table, sum(counts)), counts)


def test_data_unlike_the_table():
    """Streams several times as long as the table lets expect."""
    table = SymbolTable(CodecConfig(), (0, 128), (1, 1023))
    codes = np.zeros(20000, np.uint8)
    check(table, codes, [9000, 11000])


def test_blocks_anywhere():
    """Blocks may overlap, leave gaps and come in any order; the array need not be contiguous."""
    rng = np.random.default_rng(SEED)
    table = weights_table()
    codes = random_codes(rng, table, 2000)[::2]
    starts, counts = np.array([900, 0, 10, 500, 0]), np.array([100, 1000, 1, 77, 400])
    coded = lockstep.encode_blocks(table, codes, starts, counts)
    streams = [reference.encode_block(table, codes[s : s + n].tolist()) for s, n in zip(starts, counts, strict=True)]
    assert coded.data.tobytes() == b"".join(symbols + offsets for symbols, offsets in streams)
    gaps = b"".join(b"\xff" * i + symbols + offsets for i, (symbols, offsets) in enumerate(streams))
    at = np.cumsum(coded.symbol_bytes + coded.offset_bytes + np.arange(5)) - coded.symbol_bytes - coded.offset_bytes
    order = [3, 1, 4, 0, 2]
    data = np.frombuffer(gaps, np.uint8)
    sizes = coded.symbol_bytes[order], coded.offset_bytes[order]
    back = lockstep.decode_blocks(table, data, at[order], *sizes, counts[order])
    np.testing.assert_array_equal(back, np.concatenate([codes[starts[i] : starts[i] + counts[i]] for i in order]))


def test_no_blocks():
    none = np.zeros(0, np.int64)
    coded = lockstep.encode_blocks(weights_table(), np.zeros(0, np.uint8), none, none)
    assert len(coded.data) == len(coded.symbol_bytes) == len(coded.offset_bytes) == 0
    assert len(lockstep.decode_blocks(weights_table(), coded.data, none, none, none, none)) == 0


def even_table(rows, **changes):
    """All rows alike and t the same for ever: no code point is given up, so the coder can follow any."""
    config = CodecConfig(rows=rows, **changes)
    v_min = tuple(config.values * i // rows for i in range(rows))
    return SymbolTable(config, v_min, tuple([config.total // rows] * rows))


def longest_carry(table, count):
    """Values whose code is .1000..., though what all but the last add up to is .0111...: that carries through it all.

    The decoder follows .0111... until only the row above it is needed.
    """
    R = table.config.range_bits
    stream = b"\x7f" + b"\xff" * (count * table.config.prob_bits // 8 + 8)
    t, code, values, row = (1 << table.config.mult_bits) - 1, reference._Bits(stream), [], 0
    dif, low, shifted = code.take(R), 0, 0
    while len(values) < count or row + 1 == len(table.counts):
        assert low >> (R + 1) == (1 << shifted) - 1 >> 2  # one zero and all ones
        row = reference.find_row(table, t, dif)
        a, d, t = reference.narrow(table, t, row)
        dif, low, shifted = (dif - a) << d | code.take(d), (low + a) << d, shifted + d
        values.append(table.v_min[row])
    return [*values[:-1], table.v_min[row + 1]]


@pytest.mark.parametrize(
    "changes", [{}, {"prob_bits": 15, "mult_bits": 16, "width": 4}, {"prob_bits": 4, "mult_bits": 3}]
)
def test_longest_carry(changes):
    table = even_table(16, **changes)
    blocks = [longest_carry(table, n) for n in (10, 20, 300, 6000)]
    streams = check(table, np.concatenate(blocks).astype(np.uint8), [len(b) for b in blocks])
    for symbols, _ in streams:
        assert symbols[0] == 0x80 and not any(symbols[1:-5])
    assert len(streams[-1][0]) > 2900


def test_long_carries_take_no_longer():
    """Carries that travelled word by word would here take thousands of rounds over a million words."""
    table = even_table(64, width=6)
    block = longest_carry(table, 20000)
    codes, counts = np.tile(np.array(block, np.uint8), 250), [len(block)] * 250
    coded = encode(table, codes, counts)
    assert coded.data.tobytes() == b"".join(reference.encode_block(table, block)) * 250
    np.testing.assert_array_equal(decode(table, coded, counts), codes)


def is_valid(table, symbols, count):
    """Whether ``dif`` stays below ``t * 2**P``, as in every stream that an encoder wrote."""
    code, t = reference._Bits(symbols), (1 << table.config.mult_bits) - 1
    dif = code.take(table.config.range_bits)
    for _ in range(count):
        if dif >= t << table.config.prob_bits:
            return False
        a, d, t = reference.narrow(table, t, reference.find_row(table, t, dif))
        dif = (dif - a) << d | code.take(d)
    return True


def outcome(function, *arguments):
    try:
        return list(function(*arguments))
    except FormatError as error:
        return str(error).removeprefix("block 0: ")


def test_damaged_streams():
    """Values or FormatError, never anything else; and just what the reference says unless ``dif`` went astray."""
    agreed = 0
    for case in range(400):
        rng = np.random.default_rng([SEED, case])
        table = random_table(rng, random_config(rng))
        count = int(rng.integers(1, 60))
        symbols, offsets = reference.encode_block(table, random_codes(rng, table, count).tolist())
        data = bytearray(symbols + offsets)
        kind = case % 4
        if kind == 0:  # a few bytes wrong
            for i in rng.integers(0, len(data), 3):
                data[i] = rng.integers(256)
        elif kind == 1:  # noise of the right length
            data = bytearray(rng.bytes(len(data)))
        elif kind == 2:  # the worst start there is
            data[: len(symbols)] = b"\xff" * len(symbols)
        size = len(symbols)
        if kind == 3:  # noise of any length
            data = bytearray(rng.bytes(rng.integers(0, 100)))
            size = int(rng.integers(0, len(data) + 1))
        sizes = [0], [size], [len(data) - size], [count]
        found = outcome(lockstep.decode_blocks, table, np.frombuffer(bytes(data), np.uint8), *sizes)
        if isinstance(found, list):
            assert len(found) == count and max(found) < table.config.values
        expected = outcome(reference.decode_block, table, bytes(data[:size]), bytes(data[size:]), count)
        if is_valid(table, bytes(data[:size]), count):
            agreed += 1
            assert found == expected, f"case {case}: {table}"
    assert agreed > 100


def test_noise_in_long_blocks():
    """Numbers that went astray must not grow until they overflow: warnings are errors here."""
    rng = np.random.default_rng(SEED)
    for table in (weights_table(), weights_table(mult_bits=2), SymbolTable(CodecConfig(), (0,), (1024,))):
        data = rng.integers(0, 256, 40000, np.uint8)
        data[:500] = 255
        sizes = np.arange(20) * 1000, np.full(20, 600), np.full(20, 400), np.full(20, 5000)
        with pytest.raises(FormatError, match="^block 0: "):
            lockstep.decode_blocks(table, data, *sizes)


@pytest.mark.parametrize("stream, change", [("symbol", 1), ("symbol", -1), ("offset", 1), ("offset", -1)])
def test_wrong_lengths(stream, change):
    rng = np.random.default_rng(SEED)
    table = weights_table()
    counts = np.array([50, 60, 70, 80])
    codes = random_codes(rng, table, counts.sum())
    coded = encode(table, codes, counts)
    sizes = {"symbol": coded.symbol_bytes.copy(), "offset": coded.offset_bytes.copy()}
    starts, _ = cut(sizes["symbol"] + sizes["offset"])
    data = np.append(coded.data, np.uint8(0))
    sizes[stream][[1, 3]] += change
    if change > 0 and stream == "symbol":
        sizes["offset"][[1, 3]] -= 1  # stay inside
    with pytest.raises(FormatError, match=rf"^block 1: {stream} stream: 60 values need \d+ bytes, there are \d+$"):
        lockstep.decode_blocks(table, data, starts, sizes["symbol"], sizes["offset"], counts)


def test_first_value_without_a_code_is_named():
    table = SymbolTable(CodecConfig(), (0, 10, 20, 30), (512, 0, 512, 0))
    codes = np.array([1, 2, 25, 40, 3, 12, 1, 31, 14, 4, 4, 4], np.uint8)
    starts, counts = np.array([0, 4, 7]), np.array([3, 3, 5])  # 40 is in no block, 31 in a longer one than 12
    with pytest.raises(UncodableError) as error:
        lockstep.encode_blocks(table, codes, starts, counts)
    with pytest.raises(UncodableError) as expected:
        reference.encode_block(table, [3, 12, 1])
    assert str(error.value) == str(expected.value) == "value 12 falls into row 1, whose probability count is 0"


@pytest.mark.parametrize(
    "change, error, text",
    [
        ({"codes": [1, 2]}, TypeError, "codes must be a numpy array of uint8, not list"),
        ({"codes": np.zeros(4, np.int8)}, TypeError, "codes must be a numpy array of uint8, not int8"),
        ({"codes": np.zeros((2, 2), np.uint8)}, ValueError, "codes must have one dimension, not 2"),
        ({"codes": np.full(4, 64, np.uint8)}, ValueError, "codes must be in 0..63, not 64"),
        ({"starts": [0.5]}, TypeError, "starts must be integers, not float64"),
        ({"counts": [[4]]}, ValueError, "counts must have one dimension, not 2"),
        ({"starts": [0, 1]}, ValueError, "starts must have one entry per block: 1 blocks, 2 starts"),
        ({"counts": [0]}, ValueError, "block 0 must have at least 1 items, all in codes"),
        ({"counts": [5]}, ValueError, "block 0 must have at least 1 items, all in codes.0..3., not 0..4"),
        ({"starts": [-1]}, ValueError, "block 0 must have at least 1 items, all in codes.0..3., not -1..2"),
    ],
)
def test_encode_arguments(change, error, text):
    arguments = {"codes": np.zeros(4, np.uint8), "starts": [0], "counts": [4]} | change
    with pytest.raises(error, match=text):
        lockstep.encode_blocks(weights_table(width=6), **arguments)


@pytest.mark.parametrize(
    "change, error, text",
    [
        ({"data": b"1234"}, TypeError, "data must be a numpy array of uint8, not bytes"),
        ({"offset_bytes": [3]}, ValueError, "block 0 must have at least 0 items, all in data.0..3., not 0..4"),
        ({"counts": [0]}, ValueError, "counts .at least 1. and bytes .at least 0. must be given for each of 1 blocks"),
        ({"counts": [1, 1]}, ValueError, "must be given for each of 1 blocks"),
        ({"symbol_bytes": [-1], "offset_bytes": [2]}, ValueError, "bytes .at least 0."),
        ({"symbol_bytes": ["2"]}, TypeError, "symbol_bytes must be integers"),
    ],
)
def test_decode_arguments(change, error, text):
    good = {"data": np.zeros(4, np.uint8), "starts": [0], "symbol_bytes": [2], "offset_bytes": [2], "counts": [4]}
    with pytest.raises(error, match=text):
        lockstep.decode_blocks(weights_table(), **good | change)


@pytest.mark.parametrize("width", range(2, 17))
def test_packed_codes(width):
    rng = np.random.default_rng([SEED, width])
    for count in (0, 1, 7, 8, 9, 500):
        codes = rng.integers(0, 1 << width, count).astype(code_type(width))
        packed = lockstep.pack_codes(codes, width)
        text = "".join(format(c, f"0{width}b") for c in codes.tolist())
        text += "0" * (-len(text) % 8)
        assert packed.dtype == np.uint8
        assert packed.tobytes() == bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))
        back = lockstep.unpack_codes(packed, width, count)
        assert back.dtype == codes.dtype
        np.testing.assert_array_equal(back, codes)
        with pytest.raises(ValueError, match=f"data must have {len(packed)} bytes"):
            lockstep.unpack_codes(np.append(packed, np.uint8(0)), width, count)


def test_packed_codes_arguments():
    with pytest.raises(ValueError, match="width must be in 2..16, not 17"):
        lockstep.pack_codes(np.zeros(8, np.uint16), 17)
    with pytest.raises(ValueError, match="width must be in 2..16, not 1"):
        lockstep.unpack_codes(np.zeros(1, np.uint8), 1, 8)


def test_sums_are_exact_where_fields_overlap():
    """Random fields that overlap as much as they may, against Python's integers."""
    rng = np.random.default_rng(SEED)
    for _ in range(20):
        k, n = int(rng.integers(1, 60)), int(rng.integers(1, 5))
        lengths = rng.integers(0, 33, (k, n)).astype(np.uint32)
        fields = rng.integers(0, 1 << 31, (k, n)).astype(np.uint32) >> lengths.astype(np.uint32)[:, ::-1] % 31
        sums = bits.BitSums(n, 0)
        sums.skip(40)
        # Each field less than one unit of all that went before: halve what could reach beyond.
        total = [0] * n
        for step in range(k):
            for lane in range(n):
                length, field = int(lengths[step, lane]), int(fields[step, lane])
                field &= (1 << length) - 1
                fields[step, lane] = field
                total[lane] = (total[lane] << length) + field
        sums.add(fields, lengths)
        data, sizes = sums.streams(sums.ends)
        expected = b""
        for lane in range(n):
            size = 40 + int(lengths[:, lane].sum())
            expected += (total[lane] << -size % 8).to_bytes((size + 7) // 8, "big")
        assert data.tobytes() == expected and sizes.sum() == len(expected)


def test_bench():
    from golden import bench

    texts = []
    results = bench.run(size_mb=0.05, seed=3, repeat=1, progress=texts.append)
    names = bench.codecs()
    assert [r["codec"] for r in results] == list(names) * len(bench.TENSORS)
    assert len(texts) == 2 * len(results)
    for result in results:
        assert 0.2 < result["ratio"] < 0.9
        assert all(value > 0 for value in result.values() if isinstance(value, float))
        if result["codec"] == bench.LOCKSTEP:
            assert result["encode_times"] == result["decode_times"] == 1
    for bad in ({"size_mb": 0}, {"repeat": 0}):
        with pytest.raises(ValueError):
            bench.run(**bad)
