"""Model files from strangers, damaged, lying or malicious: one line that names the file, quickly, in little memory."""

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import model_files as make
import numpy as np
import pytest

from apack_hdl import cli
from golden.errors import FormatError
from golden.tensors import Recipe, open_model
from golden.tensors.base import BOMB_BYTES

RNG = np.random.default_rng(11)
INT8 = RNG.integers(-128, 128, (3, 4)).astype(np.int8)
KINDS = ("tflite", "onnx", "safetensors", "pt", "npz", "npy")


def onnx_bytes(**attributes):
    onnx = pytest.importorskip("onnx")
    nodes = [onnx.helper.make_node("DequantizeLinear", ["w", "s"], ["y"], **attributes)]
    constants = {"w": RNG.integers(-128, 128, (40, 40)).astype(np.int8), "s": np.array(0.5, np.float32)}
    return make.onnx_model(nodes, [], [("y", "FLOAT", [40, 40])], constants).SerializeToString()


def good_file(kind: str) -> bytes:
    """A small file of a kind that is read."""
    out = io.BytesIO()
    if kind == "tflite":
        pytest.importorskip("ai_edge_litert")
        return make.tflite_bytes(INT8, INT8.ravel())
    if kind == "onnx":
        return onnx_bytes()
    if kind == "safetensors":
        return pytest.importorskip("safetensors.numpy").save({"w": INT8, "f": np.ones((3, 3), np.float32)})
    if kind == "pt":
        return make.torch_bytes({"w": make.torch_tensor("CharStorage", "0", 12, (3, 4), (4, 1))}, {"0": INT8})
    if kind == "npz":
        meta = b'{"tensors": [{"key": "w", "kind": "weight", "bits": 8, "name": "w"}]}'
        np.savez_compressed(out, w=INT8, meta=np.frombuffer(meta, np.uint8))
    else:
        np.save(out, INT8)
    return out.getvalue()


def try_to_read(path: Path) -> str:
    """Read everything; gives the message if it is refused. Any other exception is a fault of the reader."""
    try:
        with open_model(path, quantize=Recipe()) as model:
            for record, array in model:
                assert array.size <= 1 << 24, record
    except FormatError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error), str(error)
        return str(error)
    except ValueError as error:  # such as floats that are not finite
        assert "\n" not in str(error)
        return str(error)
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_cut_short(tmp_path, kind):
    data, path = good_file(kind), tmp_path / f"m.{kind}"
    path.write_bytes(data)
    assert try_to_read(path) == ""
    refused = 0
    for length in sorted({*range(0, 40, 3), *(int(n) for n in np.linspace(0, len(data) - 1, 60))}):
        path.write_bytes(data[:length])
        refused += bool(try_to_read(path))
    assert refused >= 30  # a cut behind all that matters may go unnoticed


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_changed(tmp_path, kind):
    data, path = good_file(kind), tmp_path / f"m.{kind}"
    refused = 0
    tracemalloc.start()
    for _ in range(250):
        broken = bytearray(data)
        for at in RNG.integers(0, len(data), RNG.integers(1, 4)):
            broken[at] = RNG.choice([0, 1, 127, 128, 255, broken[at] ^ 1 << RNG.integers(8)])
        path.write_bytes(broken)
        refused += bool(try_to_read(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused > 5, refused
    assert peak < 100_000_000


@pytest.mark.parametrize("name", ["m.tflite", "m.onnx", "m.safetensors", "m.pt", "m.bin", "m.npz", "m.npy", "m.h5"])
@pytest.mark.parametrize("data", [b"", b"hello, world: this is no model at all", bytes(4096)])
def test_no_model_at_all(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    assert try_to_read(path)


class Run:
    """Unpickles to the result of a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("content", [
    Run(os.mkdir, "owned"), {"w": Run(eval, "__import__('os').mkdir('owned')")},
    Run(pickle.loads, pickle.dumps(Run(os.mkdir, "owned"))), Run(getattr, "", "join"),
])
def test_pickle_that_runs_code(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("m.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content))
    assert "is not run here; allowed are tensors" in try_to_read(Path("m.pt"))
    Path("bare.pt").write_bytes(pickle.dumps(content))
    assert "not a PyTorch file" in try_to_read(Path("bare.pt"))
    assert not Path("owned").exists()


@pytest.mark.parametrize("program, words", [
    (b"\x80\x02]r\xff\xff\xff\x7f.", ""),  # puts a list at place 2^31 of the table of references
    (b"\x80\x02X\xff\xff\xff\x7fabc.", "damaged"),  # a text of 2 GB
    (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "damaged"),  # 2^63 bytes
    (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb.", "sets attributes of what has none"),
    (b"\x80\x02]q\x00h\x00a.", ""),  # a list that contains itself
    (b"\x80\x02" + b"]q\x00" + b"".join(b"](h%ch%cl" % (i, i) for i in range(60)) + b".", ""),
    (b"\x80\x02(K\x01K\x02K\x03K\x04tQ.", "damaged"),  # a storage that is none
])
def test_pickles_that_ask_for_much(tmp_path, program, words):
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
    tracemalloc.start()
    message = try_to_read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message and words in message and peak < 20_000_000


def test_shared_lists_are_looked_at_once(tmp_path):
    """Sixty lists, each holding the one before twice: 2^60 ways through."""
    content = [1]
    for _ in range(60):
        content = [content, content]
    path = tmp_path / "m.pt"
    path.write_bytes(make.torch_bytes(content, {}))
    assert "holds no quantized tensor" in try_to_read(path)


@pytest.mark.parametrize("shape, stride, offset, words", [
    ((3, 5), (5, 1), 0, "must lie within its storage"), ((3, 4), (4, 1), 1, "must lie within its storage"),
    ((1 << 40, 1 << 40), (0, 0), 0, "claims"), ((1000, 1000), (0, 0), 0, "must lie within its storage"),
    ((3, -4), (4, 1), 0, "natural numbers"), ((3, 4), (4,), 0, "natural numbers"),
    (("3", 4), (4, 1), 0, "natural numbers"), ((3, 4), (-4, 1), 8, "natural numbers"),
])
def test_torch_tensors_outside_their_storage(tmp_path, shape, stride, offset, words):
    path = tmp_path / "m.pt"
    tensor = make.torch_tensor("CharStorage", "0", 12, shape, stride, offset)
    path.write_bytes(make.torch_bytes({"w": tensor}, {"0": INT8}))
    assert words in try_to_read(path)


def test_torch_storage_that_is_not_there(tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(make.torch_bytes({"w": make.torch_tensor("CharStorage", "7", 12, (3, 4), (4, 1))}, {}))
    assert "tensor 'w' is damaged" in try_to_read(path)
    path.write_bytes(make.torch_bytes({"w": make.torch_tensor("CharStorage", "0", 99, (99,), (1,))}, {"0": INT8}))
    assert "99 values take more" in try_to_read(path)


def test_zip_bombs(tmp_path):
    """A member that grows a thousandfold is refused before it is unpacked."""
    zeros = bytes(BOMB_BYTES + 128)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|i1", "fortran_order": False, "shape": (BOMB_BYTES,)})
    with zipfile.ZipFile(tmp_path / "m.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", header.getvalue() + zeros[:BOMB_BYTES])
    pickled = make.torch_bytes({"w": make.torch_tensor("CharStorage", "0", 1 << 26, (1 << 26,), (1,))}, {})
    (tmp_path / "m.pt").write_bytes(pickled)
    with zipfile.ZipFile(tmp_path / "m.pt", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", zeros)
    del zeros
    for name in ("m.npz", "m.pt"):
        tracemalloc.start()
        assert "-fold growth is read above" in try_to_read(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
        tracemalloc.stop()


def test_npz_header_that_claims_too_much(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|i1", "fortran_order": False, "shape": (1 << 45,)})
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("w.npy", header.getvalue() + b"abc")
    assert "does not agree with its" in try_to_read(tmp_path / "m.npz")


def test_npy_header_of_another_length(tmp_path):
    """Numpy would take the 2 GB that the header claims to have before it looks for them."""
    (tmp_path / "m.npy").write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", (1 << 31) - 1) + bytes(100))
    tracemalloc.start()
    assert "its header claims 2,147,483,647 bytes" in try_to_read(tmp_path / "m.npy")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("dims", [(1 << 40, 1 << 40), (-1, 4), (1,) * 40, (1 << 20, 1 << 20)])
def test_onnx_dimensions_no_tensor_has(tmp_path, dims):
    onnx = pytest.importorskip("onnx")
    model = onnx.load_model_from_string(onnx_bytes())
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    assert "claims" in try_to_read(path) or "at most 32 dimensions" in try_to_read(path)


@pytest.mark.parametrize("data, words", [
    (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(2000), "claims to end"),
    (b"\x08" + b"\xff" * 2000, "has no end"), (b"\x0b" * 2000, "wire type 3"),
])
def test_onnx_wire_format(tmp_path, data, words):
    pytest.importorskip("onnx")
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    assert words in try_to_read(path)


def test_safetensors_header_of_another_size(tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "m.safetensors"
    header = b'{"w":{"dtype":"I8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(100))
    assert try_to_read(path)
    path.write_bytes(struct.pack("<Q", 1 << 62) + header)
    assert try_to_read(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", ["tensors", "footprint", "profile"])
def test_command_line_says_it_in_one_line(tmp_path, monkeypatch, capsys, kind, command):
    monkeypatch.chdir(tmp_path)
    path = Path(f"m.{kind}")
    path.write_bytes(good_file(kind)[:70])
    np.save("x.npy", INT8)
    more = ["--inputs", "x.npy", "-o", "out.npz"] if command == "profile" else []
    with pytest.raises(SystemExit) as ended:
        cli.main([command, str(path), *more])
    said = capsys.readouterr()
    assert ended.value.code == 2 and said.out == "" and said.err.count("\n") == 1
    assert said.err.startswith(f"apack: {path}: ") and not Path("out.npz").exists()


def test_missing_extra_names_it(tmp_path, monkeypatch):
    """Without the packages: one line with the extra to install, no traceback."""
    import sys

    for kind, package in (("tflite", "tflite"), ("onnx", "onnx"), ("safetensors", "safetensors")):
        path = tmp_path / f"m.{kind}"
        path.write_bytes(good_file(kind))
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(ValueError, match=rf"takes the package {package}: pip install 'apack-hdl\[{package}\]'"):
                open_model(path)
