"""Model archives: round trips, exact bytes, random access, damage found, small claims believed only when they fit."""

import json
import re
import tracemalloc
import zlib
from importlib import resources

import numpy as np
import pytest

from apack_hdl import cli
from golden.archive import MAX_NAMES, Archive, archive
from golden.archive_index import entry_bytes, parse_entry, parse_table, table_bytes
from golden.config import CodecConfig
from golden.container import compress
from golden.errors import FormatError
from golden.header import Header
from golden.table import SymbolTable

RNG = np.random.default_rng(11)


def laplacian(count, scale, dtype=np.int8):
    limits = np.iinfo(dtype)
    return np.rint(RNG.laplace(0, scale, count)).clip(max(limits.min, -2000), min(limits.max, 2000)).astype(dtype)


def tensors():
    """Every dtype, widths from 2 to 16, empty and scalar tensors, odd names, tensors that do not shrink."""
    yield "", laplacian(900, 3), 8
    yield "a\nb\\n\\", laplacian((7, 5, 3), 40), 8
    yield "ünï", RNG.integers(0, 256, 1000).astype(np.uint8), 8  # without a table
    yield "four", laplacian(3000, 2).clip(-8, 7), 4
    yield "two", RNG.integers(0, 4, (2, 0, 3)).astype(np.uint8), 2
    yield "scalar", np.array(-3, np.int8), 8
    for kind in ("<i2", ">i2", "<u2", ">u4", "<i4", "<i8", ">u8"):
        yield kind, np.abs(laplacian(1200, 60, np.int16)).clip(0, 500).astype(kind), 9
    yield "wide", laplacian(40_000, 500, np.int16), 16  # more values than 16-bit blocks can have
    yield "constant", np.zeros(70_000, np.int8), 8


def same(a, b) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)


@pytest.mark.parametrize("config", [CodecConfig(), CodecConfig(rows=64, prob_bits=15, mult_bits=2, block=500),
                                    CodecConfig(rows=2, prob_bits=1, mult_bits=16, block=32767)])
def test_round_trip(config, tmp_path):
    given, done = list(tensors()), []
    wide = SymbolTable(config.with_(width=16, block=1), (0, 40000), (config.total // 2, config.total // 2))
    data = archive(given, config, tables={"wide": wide}, progress=done.append)
    assert len(done) == len(given)
    (tmp_path / "m.apka").write_bytes(data)
    for source in (data, tmp_path / "m.apka"):
        with Archive(source) as opened:
            assert list(opened.headers) == [name for name, _, _ in given]
            for name, array, width in reversed(given):
                assert same(opened.read(name), array) and opened.headers[name].config.width == width
    with Archive(data) as opened:
        assert opened.headers["ünï"].table is None and opened.headers["wide"].config.block <= 32767
        with pytest.raises(ValueError, match="name must be that of a tensor in the archive, not 'no'"):
            opened.read("no")


def test_nothing_at_all():
    with Archive(archive([])) as opened:
        assert opened.headers == {}


def test_tensors_take_less_than_files():
    given = [(str(i), laplacian(2000, 2 + i), 8) for i in range(20)]
    files = sum(len(compress(array)) for _, array, _ in given)
    assert len(archive(given)) < files - 15 * len(given)  # names included


# Worked out by hand from FORMAT.md: the table of its section 8, as an entry of an archive.
TABLE = SymbolTable(CodecConfig(8, 4, 4, 5, 6), (0, 1, 4, 252), (9, 3, 1, 3))


def test_entry_bytes():
    """Sizes less 1: 0, 2, 247, of order 0 (19 bits; order 1: 20); counts 9, 3, 1, of order 2 (11 bits; order 1: 12)."""
    codes = "0000" + "1" + "011" + "000000011111000" + "0010" + "01101" + "111" + "101"
    padded = codes + "0" * (-len(codes) % 8)
    assert table_bytes(TABLE) == bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8))
    document = resources.files("golden").joinpath("FORMAT.md").read_text("utf-8")
    assert f"`{table_bytes(TABLE).hex(' ').upper()}`" in document
    front = Header(TABLE.config, np.dtype("i1"), (2, 7), True, TABLE)
    # dtype 4, signed 1 << 4, W - 1 = 7 << 5, K = 4 << 9
    word = (4 | 16 | 7 << 5 | 4 << 9).to_bytes(2, "little")
    assert entry_bytes(front) == word + bytes([2, 2, 7]) + table_bytes(TABLE)
    assert parse_entry(b"x" + entry_bytes(front), 1, (4, 5, 6)) == (front, 1 + len(entry_bytes(front)))


def test_tables_of_all_kinds():
    for width, rows, prob_bits in ((2, 2, 1), (4, 16, 4), (8, 16, 10), (8, 64, 15), (16, 64, 15), (16, 2, 15)):
        config = CodecConfig(width=width, rows=rows, prob_bits=prob_bits)
        for k in {1, 2, rows}:
            inner = RNG.choice(np.arange(1, config.values), k - 1, replace=False)
            cuts = np.sort(RNG.choice(config.total + 1, k - 1, replace=True))
            counts = np.diff(np.concatenate(([0], cuts, [config.total])))
            table = SymbolTable(config, (0, *np.sort(inner).tolist()), tuple(counts.tolist()))
            data = table_bytes(table)
            assert parse_table(config, k, data, 0) == (table, len(data))


FROZEN = (
    "41504b41010a0800400002000000120000000b000000f40c01361b3e03b98cabae03ae006000010378da2be72a030001"
    "f200f80d00020070e1897200000200ff12d9412d335547449d63c21b00ebac03d40973b4ff800000"
)


def test_frozen_bytes():
    """Changing these is a breaking change."""
    data = archive([("w", np.array([0, -1, 2, 17, -1, 0] * 9, np.int8), 8), ("v", np.zeros(3, np.uint8), 4)])
    assert data.hex() == FROZEN


def test_damage_is_found():
    """Whatever byte is changed, whatever is cut off or added."""
    given = [("first", laplacian(300, 3), 8), ("second", RNG.integers(0, 16, 50).astype(np.uint8), 4)]
    data = archive(given, CodecConfig(block=100))
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= 1 << at % 8
        with pytest.raises(FormatError):
            read_all(bytes(broken))
    for cut in range(len(data)):
        with pytest.raises(FormatError):
            read_all(data[:cut])
    with pytest.raises(FormatError):
        read_all(data + b"\0")


def read_all(data: bytes) -> list:
    with Archive(data) as opened:
        return [opened.read(name) for name in opened.headers]


def sealed(fixed: bytes, index: bytes, names: bytes) -> bytes:
    """An archive without blocks that says so, with a good checksum."""
    front = fixed + len(index).to_bytes(4, "little") + len(names).to_bytes(4, "little") + index + names
    return front + zlib.crc32(front).to_bytes(4, "little")


def fixed(count, prob_bits=10, mult_bits=8, block=16384, start=b"APKA\1"):
    return start + bytes([prob_bits, mult_bits]) + block.to_bytes(3, "little") + count.to_bytes(4, "little")


ENTRY = entry_bytes(Header(CodecConfig(), np.dtype("i1"), (0,), True, None))


@pytest.mark.parametrize("data, words", [
    (sealed(fixed(1, start=b"APCK\1"), ENTRY, zlib.compress(b"x")), "an archive starts with"),
    (sealed(fixed(1, start=b"APKA\2"), ENTRY, zlib.compress(b"x")), "an archive starts with"),
    (sealed(fixed(2), ENTRY, zlib.compress(b"x")), "tensor 1: the index ends within an entry"),
    (sealed(fixed(2**32 - 1), ENTRY, zlib.compress(b"x")), "tensor 1: the index ends"),
    (sealed(fixed(1), ENTRY + b"\0", zlib.compress(b"x")), "the index must have 4 bytes, not 5"),
    (sealed(fixed(1, prob_bits=16), ENTRY, zlib.compress(b"x")), "prob_bits must be in"),
    (sealed(fixed(1, block=0), ENTRY, zlib.compress(b"x")), "block must be in"),
    (sealed(fixed(1), b"\xff\xff\xff", zlib.compress(b"x")), "no tensor has dtype code 15"),
    (sealed(fixed(1), b"\x04\x00\x01\x00", zlib.compress(b"x")), "1 bits"),
    (sealed(fixed(1), b"\xf4\x82\x00", zlib.compress(b"x")), "65 rows"),
    (sealed(fixed(1), b"\xf4\x04\x00\x00", zlib.compress(b"x")), "an entry is wrong: the index ends within a table"),
    (sealed(fixed(1), b"\xf4\x04\x00" + bytes(9), zlib.compress(b"x")), "a number in the table has more than 16 bits"),
    (sealed(fixed(1), b"\xf4\x00\x02" + b"\xff" * 8 + b"\x7f\x02", zlib.compress(b"x")), "below 2..63 bytes"),
    (sealed(fixed(1), b"\xf4\x00\x01\xff\xff\xff\xff\xff\xff\x3f", zlib.compress(b"x")), "its index needs"),
    (sealed(fixed(1), ENTRY, b"names"), "the names cannot be read"),
    (sealed(fixed(1), ENTRY, zlib.compress(b"\xff")), "the names cannot be read"),
    (sealed(fixed(1), ENTRY, zlib.compress(b"x\ny")), "there must be 1 different names, not 2"),
    (sealed(fixed(2), 2 * ENTRY, zlib.compress(b"x\nx")), "there must be 2 different names, not 1"),
    (sealed(fixed(1), ENTRY, zlib.compress(b"x") + b"y"), "one zlib stream"),
    (sealed(fixed(1), ENTRY, zlib.compress(bytes(MAX_NAMES + 1))), "one zlib stream of at most"),
])
def test_false_claims(data, words):
    tracemalloc.start()
    with pytest.raises(FormatError, match=words):
        read_all(data)
    assert tracemalloc.get_traced_memory()[1] < 10 * MAX_NAMES
    tracemalloc.stop()


def test_wrong_arguments():
    with pytest.raises(ValueError, match="'x' is there twice"):
        archive([("x", np.zeros(3, np.int8), 8)] * 2)
    with pytest.raises(TypeError, match="^y: array must have dtype"):
        archive([("y", np.zeros(3), 8)])
    with pytest.raises(ValueError, match="^z: values must all be in -8..7"):
        archive([("z", np.array([99], np.int8), 4)])
    with pytest.raises(ValueError, match="^x: the table must be for"):
        archive([("x", np.zeros(3, np.int8), 8)], tables={"x": TABLE})
    with pytest.raises(TypeError, match="source must be a path or bytes, not int"):
        Archive(3)


@pytest.fixture
def apack(tmp_path, monkeypatch, capsys):
    """Runs a command line in an empty folder; gives its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


def test_commands(apack, tmp_path):
    """A pack with an activation of two inputs and two tensors of one name, there and back."""
    arrays = [laplacian((30, 20), 4), laplacian(500, 2).clip(-8, 7), laplacian(400, 3), laplacian(400, 5)]
    entries = [{"key": f"t{i}", "kind": "weight", "name": "w", "bits": 8 - 4 * i} for i in range(2)]
    entries += [{"key": f"t{i + 2}", "kind": "activation", "name": "relu", "input": i} for i in range(2)]
    meta = np.frombuffer(json.dumps({"tensors": entries}).encode(), np.uint8)
    np.savez(tmp_path / "m.npz", meta=meta, **{f"t{i}": array for i, array in enumerate(arrays)})
    code, text, said = apack("archive", "m.npz", "-o", "m.apka", "--json", "-")
    assert (code, said) == (0, "") and json.loads(text)["archive_bytes"] == (tmp_path / "m.apka").stat().st_size
    assert json.loads(text)["raw_bytes"] == 600 + 250 + 400 + 400
    code, text, said = apack("extract", "m.apka", "-o", "back.npz")
    assert (code, said) == (0, "") and "30x20" in text
    with np.load(tmp_path / "back.npz") as back:
        assert list(back) == ["w", "w #2", "relu [0]", "relu [1]"]
        assert all(same(back[name], array) for name, array in zip(back, arrays, strict=True))
    assert apack("extract", "m.apka", "relu [1]", "-o", "one.npz")[0] == 0
    assert apack("table", "one.npz")[0] == 0
    code, text, said = apack("archive", "m.npz", "-o", "w.apka", "--kind", "weight")
    assert code == 0 and "2 tensors" in text


@pytest.mark.parametrize("line, words", [
    ("archive no.npz -o m.apka", "no.npz: No such file"),
    ("archive float.npz -o m.apka", "float.npz: holds no quantized tensor .1 x floating point .needs --quantize"),
    ("archive w.npy -o .", "must be a file"),
    ("archive w.npy -o m.apka --kind activation", "w.npy: --kind: holds no tensor of kind activation"),
    ("archive w.npy -o m.apka --rows 1", "--rows: must be in 2..64, not 1"),
    ("extract w.npy", "w.npy: an archive starts with"),
    ("extract w.npy -o no/m.npz", "there is no folder no"),
    ("extract good.apka w v", "good.apka: NAME must be .* not 'v'"),
])
def test_commands_refuse(apack, tmp_path, line, words):
    """One line, and nothing is written."""
    np.save("w.npy", np.zeros(40, np.int8))
    np.savez("float.npz", x=np.zeros(3))
    (tmp_path / "good.apka").write_bytes(archive([("w", np.zeros(3, np.int8), 8)]))
    before = sorted(tmp_path.iterdir())
    code, text, said = apack(*line.split())
    assert code == 2 and text == "" and len(said.splitlines()) == 1 and re.search(words, said), said
    assert sorted(tmp_path.iterdir()) == before
