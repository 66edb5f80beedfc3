"""The .apack file: round trips, damage, hostile headers, random access, arguments."""

import os
import tracemalloc
import zlib

import numpy as np
import pytest

from golden import blocks
from golden.codec import from_codes, is_signed, to_codes
from golden.config import CodecConfig
from golden.container import Reader, compress, decompress, write_atomic, write_file
from golden.errors import FormatError
from golden.header import DIRECTORY, Header
from golden.reference import encode_block, find_row, narrow
from golden.table import SymbolTable

# Four rows, two coded blocks and a raw one in 57 bytes.
TINY = SymbolTable(CodecConfig(8, 4, 4, 5, 6), (0, 1, 4, 252), (9, 3, 1, 3))
TENSOR = np.array([[0, -1, 2, 17, -1, 0, 0], [0, 0, 0, 0, 0, 100, -100]], np.int8)
FILE = compress(TENSOR, table=TINY)
TABLE_AT, DIRECTORY_AT, CRC_AT = 17, 22, 46


def bell(shape, width, dtype, seed=1):
    limits = np.iinfo(dtype)
    values = np.random.default_rng(seed).normal(0, width, shape).round()
    return values.clip(limits.min, limits.max).astype(dtype)


def same(array, file):
    back = decompress(file)
    assert back.dtype.str == array.dtype.str
    assert back.shape == array.shape
    assert np.array_equal(back, array)


TENSORS = {
    "int8": bell(5000, 9, np.int8),
    "uint8": np.abs(bell(5000, 20, np.int16)).astype(np.uint8),
    "int16": bell(5000, 700, np.int16),
    "uint16": np.abs(bell(5000, 700, np.int16)).astype(np.uint16),
    "extremes": np.array([-128, 127, 0, -1] * 50, np.int8),
    "empty": np.zeros((0,), np.int8),
    "empty 3-d": np.zeros((3, 0, 2), np.uint16),
    "one value": np.array([200], np.uint8),
    "0-d": np.array(-5, np.int8),
    "numpy scalar": np.int16(-300),
    "all equal": np.full(9000, -7, np.int8),
    "4-d": bell((3, 5, 7, 11), 5, np.int8),
    "every second": bell((40, 60), 5, np.int8)[::2, ::-3],
    "Fortran order": np.asfortranarray(bell((40, 60), 5, np.int16)),
    "big-endian": bell((7, 100), 90, np.int16).astype(">i2"),
    "noise": np.random.default_rng(3).integers(0, 256, 3000).astype(np.uint8),
    "read-only": np.frombuffer(b"hello" * 100, np.uint8),
}


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("block", [1, 1000, 16384])
def test_round_trip(name, block):
    array = TENSORS[name][..., :40] if block == 1 and TENSORS[name].ndim else TENSORS[name]
    file = compress(array, block=block)
    same(np.asarray(array), file)
    info = Reader(file).info()
    raw = sum(-(-n * info["config"]["width"] // 8) for n in blocks.value_counts(Reader(file).header, 0, info["blocks"]))
    assert len(file) <= raw + info["header_bytes"] + info["directory_bytes"]


ALL_INTEGERS = ("i1", "u1", "<i2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8", ">u8")


@pytest.mark.parametrize("bits", [2, 4, 7, 8])
@pytest.mark.parametrize(
    "dtype, negative",
    [(dtype, False) for dtype in ALL_INTEGERS] + [(dtype, True) for dtype in ALL_INTEGERS if "i" in dtype],
)
def test_few_bits_in_any_integer(dtype, bits, negative):
    dtype = np.dtype(dtype)
    values = np.arange(1 << bits) - (1 << (bits - 1) if negative else 0)
    if values.max() > np.iinfo(dtype).max:
        values = values[: 1 << (bits - 1)]
    file = compress(np.resize(values, 777).astype(dtype), bits=bits)
    same(np.resize(values, 777).astype(dtype), file)
    assert Reader(file).header.signed == (dtype.kind == "i" and values.max() < 1 << (bits - 1))


@pytest.mark.parametrize("bits", range(2, 17))
def test_every_code_there_and_back(bits):
    codes = np.arange(1 << bits).astype(np.uint8 if bits <= 8 else np.uint16)
    for signed in (False, True):
        values = from_codes(codes, bits, signed, np.int32)
        assert values[-1] == (-1 if signed else (1 << bits) - 1)
        back, was_signed = to_codes(values, bits)
        assert was_signed == signed
        assert back.dtype == codes.dtype and np.array_equal(back, codes)


def test_groups_change_nothing(monkeypatch):
    array, calls = bell(30000, 9, np.int8), []
    whole = compress(array, block=700)
    monkeypatch.setattr(blocks, "GROUP_VALUES", 5000)
    assert compress(array, block=700, progress=lambda *done: calls.append(done)) == whole
    assert calls == [(n, 30000) for n in (4900, 9800, 14700, 19600, 24500, 29400, 30000)]
    calls.clear()
    assert np.array_equal(decompress(whole, progress=lambda *done: calls.append(done)), array)
    assert calls[-1] == (30000, 30000) and len(calls) == 7


def test_table_of_a_file_makes_the_same_file():
    array = bell((50, 100), 9, np.int8)
    file = compress(array, block=512, config="paper")
    with Reader(file) as reader:
        assert reader.config.mult_bits == 16 and reader.config.block == 512
        assert compress(array, table=reader.table) == file


def test_table_is_left_out_where_it_does_not_pay():
    few = bell(8, 9, np.int8)
    assert Reader(compress(few)).table is None
    assert Reader(compress(np.tile(few, 100))).table is not None


def test_value_without_a_code_makes_its_block_raw():
    table = SymbolTable(CodecConfig(block=100), (0, 1, 200), (1000, 24, 0))
    array = np.zeros(500, np.uint8)
    array[250] = 201
    file = compress(array, table=table)
    same(array, file)
    assert Reader(file).info()["raw_blocks"] == 1
    assert np.flatnonzero(Reader(file).blocks["symbol_bytes"] == 0).tolist() == [2]


def test_block_that_only_keeps_its_size_is_raw():
    block = [2, 2]
    assert sum(map(len, encode_block(TINY, block))) == len(block)
    array = np.array([0] * 30 + block, np.int8)
    file = compress(array, table=TINY)
    same(array, file)
    assert Reader(file).blocks["symbol_bytes"].tolist() == [1, 1, 1, 1, 1, 0]


def test_info_adds_up():
    info = Reader(FILE).info()
    parts = ("header", "table", "directory", "symbol", "offset", "raw_block")
    assert sum(info[f"{part}_bytes"] for part in parts) == info["file_bytes"] == len(FILE)
    assert (info["blocks"], info["raw_blocks"], info["rows"], info["raw_bytes"]) == (3, 1, 4, 14)
    assert info["ratio"] == len(FILE) / 14


# Damage


def test_every_changed_byte_is_found():
    same(TENSOR, FILE)
    for position in range(len(FILE)):
        for change in range(1, 256):
            damaged = bytearray(FILE)
            damaged[position] ^= change
            with pytest.raises(FormatError):
                decompress(damaged)


def test_every_truncation_and_extension_is_found():
    for length in range(len(FILE)):
        with pytest.raises(FormatError):
            Reader(FILE[:length])
    for extra in (b"\0", b"\xff", FILE):
        with pytest.raises(FormatError):
            Reader(FILE + extra)


def test_damaged_block_is_named():
    damaged = bytearray(FILE)
    damaged[-1] ^= 1
    reader = Reader(damaged)
    assert np.array_equal(reader.read_blocks(0, 2), TENSOR.ravel()[:12])
    with pytest.raises(FormatError, match="block 2: checksum"):
        reader.read_block(2)


# Headers that break the rules, with a checksum that is right


def forged(changes, tail=None):
    """FILE with bytes replaced (position: bytes) and the header's checksum made anew.

    ``tail`` is (position, bytes): what stands from there on up to the checksum.
    """
    data = bytearray(FILE)
    for position, new in changes.items():
        data[position : position + len(new)] = new
    start = bytes(data[:CRC_AT]) if tail is None else bytes(data[: tail[0]]) + tail[1]
    return start + zlib.crc32(start).to_bytes(4, "little") + bytes(data[CRC_AT + 4 :])


def table_bits(*fields):
    """Five bytes of table: three starts of 8 bits, three counts of 5, one bit of padding."""
    sizes = (8, 8, 8, 5, 5, 5, 1)
    return int("".join(f"{field:0{size}b}" for field, size in zip(fields, sizes, strict=True)), 2).to_bytes(5, "big")


HOSTILE = {
    "magic": ({0: b"APAK"}, "starts with"),
    "version": ({4: b"\x02"}, "version must be 1, not 2"),
    "dtype unknown": ({5: b"\x08"}, "dtype code must be one of .*, not 8"),
    "dtype unsigned": ({5: b"\x00"}, "wide enough for 8-bit codes"),
    "dtype signed, codes unsigned": ({6: b"\x00"}, "wide enough for 8-bit codes"),
    "flags": ({6: b"\x03"}, "flags must be 0 or 1, not 3"),
    "W too small": ({7: b"\x01"}, "width must be in 2..16, not 1"),
    "W too large": ({7: b"\x11"}, "width must be in 2..16"),
    "W wider than dtype": ({7: b"\x09"}, "wide enough for 9-bit codes"),
    "P": ({8: b"\x10"}, "prob_bits must be in"),
    "P too small for the rows": ({8: b"\x01"}, "prob_bits must be in 2..15"),
    "M too small": ({9: b"\x01"}, "mult_bits must be in 2..16, not 1"),
    "M too large": ({9: b"\x11"}, "mult_bits must be in 2..16, not 17"),
    "K": ({10: b"\x41"}, "number of rows must be in 0..64, not 65"),
    "K beyond the file": ({8: b"\x06", 10: b"\x40"}, "ends within the table"),
    "block size 0": ({11: b"\0\0\0"}, "block must be in"),
    "block size too large": ({11: b"\0\0\x01"}, "block must be in"),
    "dimensions": ({14: b"\x21"}, "number of dimensions must be in 0..32"),
    "v_min equal": ({TABLE_AT: table_bits(1, 1, 252, 7, 4, 1, 0)}, "rise strictly"),
    "v_min falling": ({TABLE_AT: table_bits(4, 1, 252, 7, 4, 1, 0)}, "rise strictly"),
    "v_min zero": ({TABLE_AT: table_bits(0, 1, 252, 7, 4, 1, 0)}, "rise strictly"),
    "count too large": ({TABLE_AT: table_bits(1, 4, 252, 17, 0, 0, 0)}, "sum of the counts"),
    "counts too large": ({TABLE_AT: table_bits(1, 4, 252, 7, 7, 7, 0)}, "sum of the counts must be at most 16, not 21"),
    "padding of the table": ({TABLE_AT: table_bits(1, 4, 252, 7, 4, 1, 1)}, "padding of the table"),
    "raw block too short": ({DIRECTORY_AT + 18: b"\x01"}, "block 2: 0 . 1 bytes"),
    "raw block too long": ({DIRECTORY_AT + 18: b"\x03"}, "block 2: 0 . 3 bytes"),
    "coded block longer than raw": ({DIRECTORY_AT: b"\x04"}, "block 0: 4 . 2 bytes where 6 are enough"),
    "sizes beyond the file": ({DIRECTORY_AT: b"\x03"}, "file must have 58 bytes, not 57"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_header(name):
    changes, message = HOSTILE[name]
    with pytest.raises(FormatError, match=message):
        decompress(forged(changes))


def assembled(shape, *stored):
    """A file of TINY's parameters with these blocks, each (length of the symbol stream, bytes)."""
    entries = [(n, len(data) - n, zlib.crc32(data)) for n, data in stored]
    start = Header(TINY.config, np.dtype(np.int8), shape, True, TINY).to_bytes()
    start += np.array(entries, DIRECTORY).tobytes()
    return start + zlib.crc32(start).to_bytes(4, "little") + b"".join(data for _, data in stored)


@pytest.mark.parametrize(
    "symbol_bytes, data, message",
    [
        (3, "80 2C 00 D0 DC", "symbol stream: 6 values need 2 bytes, there are 3"),
        (1, "80 D0 DC", "symbol stream: 6 values need 2 bytes, there are 1"),
        (2, "80 2C D0 DC 00", "offset stream: 6 values need 2 bytes, there are 3"),
        (2, "80 2C D0", "offset stream: 6 values need 2 bytes, there are 1"),
    ],
)
def test_stream_of_wrong_length(symbol_bytes, data, message):
    """Sizes and checksums are right, only decoding can tell. The number is that of the block in the file."""
    raw, good, bad = (0, bytes(6)), (2, bytes.fromhex("80 2C D0 DC")), (symbol_bytes, bytes.fromhex(data))
    assert decompress(assembled((18,), raw, good, good)).tolist() == [0] * 6 + [0, -1, 2, 17, -1, 0] * 2
    with pytest.raises(FormatError, match=f"^block 2: {message}"):
        decompress(assembled((18,), raw, good, bad))


@pytest.mark.parametrize("symbols", ["FF FF", "F8 00", "87 FF", "FF FF FF"])
def test_symbols_that_no_encoder_writes(symbols):
    """The code point lies, at once or later, in what a step has given up: any values, or FormatError, but an end."""
    data = bytes.fromhex(symbols)
    with pytest.raises(AssertionError, match="given up"):
        follow(TINY, data, 6)
    for offset_bytes in range(6 - len(data)):
        try:
            values = decompress(assembled((6,), (len(data), data + bytes(offset_bytes))))
            assert values.shape == (6,) and values.dtype == np.int8
        except FormatError as error:
            assert "block 0: " in str(error) and "stream: 6 values need" in str(error)


def follow(table, symbols, count):
    """Walk through the rows of a symbol stream as long as its code point lies in the interval."""
    cfg, t = table.config, (1 << table.config.mult_bits) - 1
    bits, at = int.from_bytes(symbols + bytes(9), "big"), 8 * len(symbols) + 72 - cfg.range_bits
    dif = bits >> at
    for _ in range(count):
        assert dif < t << cfg.prob_bits, "given up"
        a, d, t = narrow(table, t, find_row(table, t, dif))
        at -= d
        dif = dif - a << d | bits >> at & (1 << d) - 1


def fix_block_checksum(file, index, start, end):
    at = DIRECTORY_AT + 8 * index + 4
    file[at : at + 4] = zlib.crc32(file[start:end]).to_bytes(4, "little")
    file[CRC_AT : CRC_AT + 4] = zlib.crc32(file[:CRC_AT]).to_bytes(4, "little")


@pytest.mark.parametrize(
    "dims, message",
    [
        (b"\x02" + b"\xff" * 8 + b"\x7f" + b"\x02", "below 2..63 bytes"),  # the product overflows 64 bits
        (b"\x02" + b"\xff" * 8 + b"\x7f" + b"\x00", "header|file"),  # empty, but no array can have that shape
        (b"\x03" + b"\x00" + b"\x80\x80\x80\x80\x80\x01" * 2, "below 2..63 bytes"),
        (b"\x01" + b"\xff" * 9 + b"\x01", "more than 9 bytes"),
        (b"\x01" + b"\x8e\x00", "shortest form"),
        (b"\x01" + b"\xff" * 8 + b"\x7f", "header and directory need"),
        (b"\x20" + b"\x01" * 3, "."),
    ],
)
def test_hostile_dimensions(dims, message):
    tracemalloc.start()
    with pytest.raises(FormatError, match=message):
        decompress(forged({}, (14, dims + FILE[TABLE_AT:CRC_AT])))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000


def test_coded_block_without_table():
    start = FILE[:10] + b"\0" + FILE[11:TABLE_AT] + FILE[DIRECTORY_AT:CRC_AT]
    with pytest.raises(FormatError, match="block 0: coded, without a table"):
        decompress(start + zlib.crc32(start).to_bytes(4, "little") + FILE[CRC_AT + 4 :])


def test_random_files_with_right_checksums_end_in_order():
    """Whatever stands in table, directory and blocks: values of the right shape, or FormatError."""
    random, refused = np.random.default_rng(11), 0
    for _ in range(2000):
        file = bytearray(FILE)
        for _ in range(random.integers(1, 4)):
            file[random.choice([*range(7, 11), *range(TABLE_AT, DIRECTORY_AT), *range(50, 57)])] = random.integers(256)
        for index, start, end in ((0, 50, 54), (1, 54, 55), (2, 55, 57)):
            fix_block_checksum(file, index, start, end)
        try:
            assert decompress(file).shape == TENSOR.shape
        except FormatError:
            refused += 1
    assert 0 < refused < 2000


# Files


def test_random_access_touches_only_its_blocks(tmp_path):
    array, path = bell((60, 70), 9, np.int8), tmp_path / "x.apack"
    write_file(path, array, block=500)
    with Reader(path) as reader:
        starts = reader._starts.copy()
        assert (reader.shape, reader.dtype, len(reader.blocks)) == ((60, 70), np.int8, 9)
        assert np.array_equal(reader.read_all(), array)
        for i in range(9):
            assert np.array_equal(reader.read_block(i), array.ravel()[500 * i : 500 * i + 500])
            assert np.array_equal(reader.read_blocks(i, 9), array.ravel()[500 * i :])
        assert reader.read_blocks(9, 9).shape == (0,)
        for first, last in ((-1, 2), (3, 2), (0, 10)):
            with pytest.raises(ValueError, match="(first|last) must be in"):
                reader.read_blocks(first, last)
        with pytest.raises(ValueError, match="index must be in 0..8, not 9"):
            reader.read_block(9)
    # All other blocks in ruins: block 4 is still there.
    data = bytearray(path.read_bytes())
    data[starts[0] : starts[4]] = bytes(starts[4] - starts[0])
    data[starts[5] :] = bytes(starts[9] - starts[5])
    path.write_bytes(data)
    with Reader(path) as reader:
        assert np.array_equal(reader.read_block(4), array.ravel()[2000:2500])
        with pytest.raises(FormatError, match="block 3: checksum"):
            reader.read_blocks(3, 5)


def test_file_that_shrinks_while_open(tmp_path):
    path = tmp_path / "x.apack"
    write_file(path, np.random.default_rng(1).integers(0, 256, 1 << 20).astype(np.uint8))
    with Reader(path) as reader:
        os.truncate(path, path.stat().st_size - 1)
        with pytest.raises(FormatError, match="shorter"):
            reader.read_all()


def test_empty_file(tmp_path):
    path = tmp_path / "x.apack"
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="at least 15 bytes, this one 0"):
        Reader(path)
    with pytest.raises(FileNotFoundError):
        Reader(tmp_path / "no such file")


def test_writing_is_atomic(tmp_path, monkeypatch):
    path = tmp_path / "x.apack"
    write_file(path, TENSOR, table=TINY)
    assert path.read_bytes() == FILE
    with pytest.raises(ValueError, match="values must"):
        write_file(path, np.array([300]), bits=8)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_file(path, np.zeros(5, np.int8))
    assert os.listdir(tmp_path) == ["x.apack"]
    assert path.read_bytes() == FILE


# Arguments


@pytest.mark.parametrize(
    "array, got",
    [
        (np.zeros(3), "float64"),
        (np.zeros(3, bool), "bool"),
        (np.zeros(3, complex), "complex128"),
        (np.array(["a"]), "<U1"),
        (np.array([1, None]), "object"),
        (np.zeros(3, "m8[s]"), "timedelta64"),
        (np.zeros(3, [("a", "i1")]), "'i1'"),
        ([1, 2, 3], "list"),
        (np.ma.masked_array([1], dtype=np.int8), "MaskedArray"),
    ],
)
def test_wrong_kind_of_array(array, got):
    with pytest.raises(TypeError, match=f"^array must (have dtype int8, int16, .*|be a numpy array), not .*{got}"):
        compress(array)


def test_too_many_dimensions():
    if int(np.__version__.split(".")[0]) < 2:
        pytest.skip("numpy allows no more than 32 itself")
    with pytest.raises(ValueError, match="dimensions of array must be in 0..32, not 33"):
        compress(np.zeros((1,) * 33, np.int8))


@pytest.mark.parametrize(
    "values, dtype, bits, message",
    [
        ([0, 5], np.int32, None, "bits must be given .* dtype int32"),
        ([0, 5], np.uint64, None, "bits must be given .* dtype uint64"),
        ([0, 5], np.int8, 9, "bits must be in 2..8, not 9 .*dtype int8"),
        ([0, 5], np.int8, 1, "bits must be in 2..16, not 1"),
        ([0, 5], np.int32, 17, "bits must be in 2..16, not 17"),
        ([0, 16], np.uint8, 4, "must all be in 0..15 for bits = 4, not 16"),
        ([-9, 7], np.int8, 4, "must all be in -8..7 or all in 0..15 for bits = 4, not -9"),
        ([-9, 70], np.int8, 4, "not -9"),
        ([-8, 8], np.int8, 4, "not 8"),
        ([0, 16], np.int8, 4, "not 16"),
        ([0, 1 << 63], np.uint64, 16, "not 9223372036854775808"),
    ],
)
def test_wrong_values(values, dtype, bits, message):
    with pytest.raises(ValueError, match=message):
        compress(np.array(values, dtype), bits=bits)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"bits": 8.0}, TypeError, "bits must be an integer in 2..16, not 8.0"),
        ({"block": 0}, ValueError, "block must be in 1..65535, not 0"),
        ({"block": 70000}, ValueError, "block must be in 1..65535, not 70000"),
        ({"block": "4"}, TypeError, "block must be an integer in 1..65535, not '4'"),
        ({"config": "int8"}, ValueError, "preset must be one of small, balanced, .*, not 'int8'"),
        ({"config": 8}, TypeError, "config must be a CodecConfig or the name of a preset, not 8"),
        ({"table": {}}, TypeError, "table must be a SymbolTable, not {}"),
        ({"table": TINY, "config": "balanced"}, ValueError, "config must be absent where a table is given"),
        ({"table": TINY, "bits": 7}, ValueError, "bits must be in 8..8, not 7 .*table"),
        ({"method": "guess"}, ValueError, "method must be"),
    ],
)
def test_wrong_options(options, error, message):
    with pytest.raises(error, match=message):
        compress(TENSOR, **options)


def test_config_gives_the_width_unless_bits_does_and_a_preset_leaves_it_to_the_tensor():
    assert Reader(compress(np.arange(16), config=CodecConfig(width=5))).config.width == 5
    assert Reader(compress(np.arange(16, dtype=np.int16), config="paper")).config.width == 16
    assert Reader(compress(np.arange(16, dtype=np.int8), config="paper")).config.mult_bits == 16
    assert Reader(compress(np.arange(16), config="small", bits=6)).config.width == 6
    assert Reader(compress(np.arange(16, dtype=np.int16))).config.width == 16


def test_configuration_of_a_file():
    """What a file says of it; R is not said, it follows."""
    info = Reader(compress(bell(40000, 9, np.int8))).info()
    config = {"width": 8, "rows": info["rows"], "prob_bits": 10, "mult_bits": 8, "block": 16384}
    assert info["config"] == config and info["blocks"] == 3


def test_wrong_source():
    with pytest.raises(TypeError, match="source must be a path or bytes, not list"):
        Reader([1, 2])


def test_wrong_codes():
    codes = np.array([0, 15], np.uint8)
    with pytest.raises(TypeError, match="codes must be an array of uint8 for bits = 4"):
        from_codes(codes.astype(np.int16), 4, True, np.int8)
    with pytest.raises(TypeError, match="dtype must be int8, .*, not float64"):
        from_codes(codes, 4, True, float)
    with pytest.raises(ValueError, match="codes must be in 0..15, not 16"):
        from_codes(codes + np.uint8(1), 4, True, np.int8)
    with pytest.raises(ValueError, match="holds all unsigned codes of 8 bits, not int8"):
        from_codes(codes, 8, False, np.int8)
    assert is_signed(np.array([0, 7], np.int8), 4) and not is_signed(np.array([0, 8], np.int8), 4)


def test_write_atomic_follows_links_and_refuses_devices(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"
    for target in (tmp_path, "/dev/null"):
        with pytest.raises(OSError, match="not a regular file"):
            write_atomic(target, b"new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "link"]
