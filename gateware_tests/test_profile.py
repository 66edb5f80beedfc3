"""Profiling: what is captured is what the network computes on these inputs, prepared as asked, every value counted."""

import json
import re
import wave
import zipfile
from pathlib import Path

import model_files as make
import numpy as np
import pytest

from apack_hdl import cli
from golden.errors import FormatError
from golden.tensors import Pack, Recipe, simulate_onnx
from golden.tensors.feeds import Port, Preparation, find_files, read_inputs, split
from golden.tensors.observe import best_range
from golden.tensors.onnx_model import OnnxModel
from golden.tensors.profile import profile
from golden.tensors.run_onnx import OnnxRunner
from golden.tensors.run_tflite import TfliteRunner

RNG = np.random.default_rng(8)
INT8 = RNG.integers(-128, 128, (3, 4)).astype(np.int8)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def load(path):
    """The info of a pack, and its tensors by (name, input)."""
    with Pack(path) as pack:
        return pack.info, {(r.name, r.meta["input"]): (r, a) for r, a in pack}


@pytest.fixture
def tflite():
    pytest.importorskip("ai_edge_litert")
    Path("m.tflite").write_bytes(make.tflite_bytes(INT8, INT8.ravel(), scale=0.5))
    return "m.tflite"


def test_tflite(tflite):
    """Two files of five and two steps: codes of the input, of a layer within rounding, of a table function exactly."""
    inputs = [RNG.integers(-128, 128, (n, 1, 4)).astype(np.int8) for n in (5, 2)]
    for i, array in enumerate(inputs):
        np.save(f"{i}.npy", array)
    info = profile(tflite, ["0.npy", "1.npy"], "out.npz")
    found, tensors = load("out.npz")
    assert found | {"tensors": 8} == info and info["inputs"] == ["0.npy[0:5]", "1.npy[0:2]"]
    assert set(tensors) == {("w", None), ("four", None), *((n, i) for n in ("in", "mid", "out") for i in (0, 1))}
    assert np.array_equal(tensors["w", None][1], INT8.ravel())
    for i, array in enumerate(inputs):
        record, codes = tensors["in", i]
        assert np.array_equal(codes, array.ravel()) and record.meta["shape"] == list(array.shape)
        assert (record.meta["scale"], record.meta["zero_point"], record.bits) == ([0.5], [3], 8)
        sums = (array[:, 0].astype(int) - 3) @ INT8.T.astype(int)
        expected = np.clip(np.rint((sums + np.arange(3)) * 0.125) - 4, -128, 127)
        middle = tensors["mid", i][1]
        assert np.abs(middle - expected.ravel()).max() <= 1
        real = 1 / (1 + np.exp(-2.0 * (middle.astype(float) + 4)))
        assert np.abs(tensors["out", i][1] - np.clip(np.rint(real * 256) - 128, -128, 127)).max() <= 1
    assert tensors["out", 0][0].meta["layer"] == "2:LOGISTIC"


def test_tflite_keeps_what_it_needs_no_more():
    """Every result of a chain, though the interpreter would by itself use the memory of early ones again."""
    pytest.importorskip("ai_edge_litert")
    Path("m.tflite").write_bytes(make.tflite_chain(6))
    np.save("x.npy", RNG.integers(-128, 128, (1, 64)).astype(np.int8))
    profile("m.tflite", ["x.npy"], "out.npz")
    _, tensors = load("out.npz")
    assert len(tensors) == 7
    for i in range(6):
        codes = tensors[f"t{i}", 0][1].astype(float)
        real = 1 / (1 + np.exp(-(codes / 16 if i == 0 else (codes + 128) / 256)))
        assert np.abs(tensors[f"t{i + 1}", 0][1] - np.clip(np.rint(real * 256) - 128, -128, 127)).max() <= 1


def test_tflite_states_begin_anew_with_each_file():
    """The variable's first value is no weight, reading it no new tensor; sums go on within a file only."""
    pytest.importorskip("ai_edge_litert")
    Path("m.tflite").write_bytes(make.tflite_sums(np.array([0, 0, 0, 0], np.int8)))
    ones = np.ones((4, 1, 4), np.int8)
    np.save("a.npy", ones)
    np.save("b.npy", 5 * ones[:2])
    info = profile("m.tflite", ["a.npy", "b.npy"], "out.npz", how=Preparation.parse("steps=2"))
    _, tensors = load("out.npz")
    assert {name for name, _ in tensors} == {"in", "sum"}
    assert [tensors["sum", i][1].reshape(2, 4)[:, 0].tolist() for i in range(3)] == [[1, 2], [3, 4], [5, 10]]
    assert info["skipped"] == [{"reason": "initial states", "tensors": 1, "values": 4}]


def test_interpreter_that_dies_is_one_line(tflite, refused, monkeypatch):
    """A damaged model may end the process of the interpreter: that is not ours, and its end is told."""
    np.save("x.npy", np.zeros((2, 1, 4), np.int8))
    reset = TfliteRunner.reset

    def dies(runner):
        details = reset(runner)
        runner._worker._process.kill()
        return details

    monkeypatch.setattr(TfliteRunner, "reset", dies)
    refused("m.tflite", "--inputs", "x.npy", words="m.tflite: the interpreter broke down (SIGKILL)")


def test_beginning_is_kept_and_all_is_counted(tflite):
    steps = RNG.integers(-128, 128, (6, 1, 4)).astype(np.int8)
    np.save("x.npy", steps)
    profile(tflite, ["x.npy"], "out.npz", values=10, how=Preparation.parse("steps=3"), weights=False)
    info, tensors = load("out.npz")
    assert info["inputs"] == ["x.npy[0:3]", "x.npy[3:6]"] and info["preprocessing"] == "steps=3"
    for i in (0, 1):
        record, codes = tensors["in", i]
        assert np.array_equal(codes, steps[3 * i : 3 * i + 3].ravel()[:10])
        assert (record.meta["n_stored"], record.meta["n_total"], record.meta["shape"]) == (10, 12, [3, 1, 4])
    assert ("w", None) not in tensors


def save(name, nodes, inputs, outputs, constants, opset=21):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    made = [onnx.helper.make_node(op, ins.split(), outs.split(), **more) for op, ins, outs, more in nodes]
    onnx.save(make.onnx_model(made, inputs, outputs, constants, opset), name)
    return name


def test_onnx_qdq():
    """Codes of QuantizeLinear, once each though a reshaped copy is quantized again; constants behind it are weights."""
    path = save("m.onnx", [
        ("QuantizeLinear", "x s z", "xq", {}), ("DequantizeLinear", "xq s z", "xd", {}),
        ("DequantizeLinear", "w s", "wd", {}), ("MatMul", "xd wd", "y0", {}), ("Relu", "y0", "y1", {}),
        ("QuantizeLinear", "y1 s z", "yq", {}), ("DequantizeLinear", "yq s z", "yd", {}),
        ("Reshape", "yd shape", "r", {}), ("QuantizeLinear", "r s z", "rq", {}),
        ("DequantizeLinear", "rq s z", "y", {}),
    ], [("x", "FLOAT", ["n", 4])], [("y", "FLOAT", None)], {
        "w": INT8.T.copy(), "s": np.array(0.25, np.float32), "z": np.array(7, np.uint8), "shape": np.array([-1]),
    })
    x = RNG.normal(size=(2, 4)).astype(np.float32) * 8
    np.save("x.npy", x)
    profile(path, ["x.npy"], "out.npz")
    _, tensors = load("out.npz")
    assert [key for key in tensors] == [("w", None), ("x", 0), ("y1", 0)]
    codes = np.clip(np.rint(x / 0.25) + 7, 0, 255)
    assert np.array_equal(tensors["x", 0][1], codes.ravel())
    y = np.maximum((codes - 7) * 0.25 @ (INT8.T * 0.25), 0)
    assert np.array_equal(tensors["y1", 0][1], np.clip(np.rint(y / 0.25) + 7, 0, 255).ravel())
    assert tensors["y1", 0][0].meta["op"] == "Relu" and tensors["y1", 0][0].meta["zero_point"] == [7]


def float_network():
    """Conv, Relu, then a dense layer on what is flattened."""
    c = RNG.normal(size=(2, 3, 3, 3)).astype(np.float32)
    m = RNG.normal(size=(8, 5)).astype(np.float32)
    path = save("f.onnx", [
        ("Conv", "x c", "a", {"name": "conv"}), ("Relu", "a", "b", {}), ("Flatten", "b", "flat", {}),
        ("MatMul", "flat m", "y", {}),
    ], [("x", "FLOAT", [1, 3, 4, 4])], [("y", "FLOAT", [1, 5])], {"c": c, "m": m})
    return path, c, m


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_float_onnx(bits):
    """What layers read is quantized by its extremes, with weights that were quantized before."""
    path, c, m = float_network()
    xs = RNG.normal(size=(3, 1, 3, 4, 4)).astype(np.float32)
    for i, x in enumerate(xs):
        np.save(f"{i}.npy", x)
    recipe = Recipe(bits)
    info = profile(path, sorted(Path().glob("?.npy")), "out.npz", quantize=recipe, activation_bits=bits)
    _, tensors = load("out.npz")
    scale = float(np.float32((xs.max() - xs.min()) / (2**bits - 1)))
    zero = np.rint(-xs.min() / scale)
    for i, x in enumerate(xs):
        record, codes = tensors["x", i]
        expected = np.clip(np.rint(x / scale) + zero, 0, 2**bits - 1).transpose(0, 2, 3, 1)
        assert np.array_equal(codes, expected.ravel()) and record.bits == bits
        assert record.meta["shape"] == [1, 4, 4, 3] and record.meta["layout"] == "channels last"
        assert record.meta["scale"] == pytest.approx([scale]) and record.meta["zero_point"] == [zero]
    assert {name for name, _ in tensors} == {"x", "b", "c", "m"}
    assert np.array_equal(tensors["c", None][1].reshape(c.shape), recipe.quantize(c, 0)[0])
    assert np.array_equal(tensors["m", None][1].reshape(m.shape), recipe.quantize(m, 1)[0])
    # the second layer reads what the quantized first one makes
    w = recipe.restore(*recipe.quantize(c, 0), 0)
    x = (tensors["x", 0][1].reshape(1, 4, 4, 3).transpose(0, 3, 1, 2).astype(float) - zero) * scale
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    real = np.maximum(np.einsum("nchwij,ocij->nhwo", windows, w), 0).ravel()
    record, codes = tensors["b", 0]
    assert np.abs(codes - np.clip(np.rint(real / record.meta["scale"][0]), 0, 2**bits - 1)).max() <= 1
    low, high = {8: (25, 80), 4: (0, 30), 3: (-5, 25)}[bits]
    assert low < info["output_sqnr_db"]["y"] < high


@pytest.mark.parametrize("bits", [3, 4])
def test_scales_of_least_error(bits):
    """Scales from extremes are spoilt by tails; those of least error leave some values outside."""
    m = RNG.normal(size=(64, 5)).astype(np.float32)
    path = save("t.onnx", [("MatMul", "x m", "y", {})], [("x", "FLOAT", ["n", 64])], [("y", "FLOAT", None)], {"m": m})
    xs = RNG.laplace(size=(3, 50, 64)).astype(np.float32)
    for i, x in enumerate(xs):
        np.save(f"{i}.npy", x)
    errors, sqnr = {}, {}
    for scales in ("extremes", "mse"):
        recipe = Recipe(bits, scales=scales)
        info = profile(path, sorted(Path().glob("?.npy")), "out.npz", quantize=recipe, activation_bits=bits)
        assert {"extremes": "the extremes over", "mse": "least squared error over"}[scales] in info["quantized_by"]
        record, codes = load("out.npz")[1]["x", 0]
        (scale,), (zero,) = record.meta["scale"], record.meta["zero_point"]
        errors[scales] = np.square((codes - float(zero)) * scale - xs[0].ravel()).mean()
        sqnr[scales] = info["output_sqnr_db"]["y"]
        assert codes.max() < 2**bits
    assert errors["mse"] < 0.6 * errors["extremes"] and sqnr["mse"] > sqnr["extremes"] + 1.5


@pytest.mark.parametrize("counts, low, high, lows, highs", [
    ([9, 0, 0, 9], 0.0, 0.0, (0, 0), (0, 0)),  # nothing but zeros
    ([0] * 1000 + [100] * 1000 + [1], -1.0, 1.0, (-0.25, 0), (0.85, 1)),  # one side is empty
    ([1000] * 20 + [0] * 179 + [1], 0.0, 100.0, (0, 0), (9, 11)),  # a value far off
])
def test_best_range(counts, low, high, lows, highs):
    found = best_range(np.array(counts), low, high, 3)
    assert lows[0] <= found[0] <= lows[1] and highs[0] <= found[1] <= highs[1]


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
def test_values_beyond_the_extremes_saturate(bits):
    """Quantization before a tensor can push it beyond what the float network showed."""
    path, _, _ = float_network()
    model = OnnxModel(path, quantize=Recipe())
    simulate_onnx.insert_quantizers(model, {"x": (-1.0, 3.0)}, bits)
    made = OnnxRunner(model, bits)
    x = np.zeros((1, 3, 4, 4), np.float32)
    x[0, 0, 0, :3] = (-9, 9, 3)
    _, (codes,) = made.run({"x": x})
    zero = round((2**bits - 1) / 4)
    assert codes[0, 0, 0].tolist() == [0, 2**bits - 1, 2**bits - 1, zero] and made.captured[0]["name"] == "x"


@pytest.mark.parametrize("bits", [4, 8])
def test_keys_and_values_are_told(bits):
    """Also behind the clipping that fewer than 8 bits take."""
    path = save("a.onnx", [
        *(("MatMul", f"x w{name}", name, {}) for name in "qkv"), ("Transpose", "k", "kt", {"perm": [0, 2, 1]}),
        ("MatMul", "q kt", "scores", {}), ("Softmax", "scores", "p", {}), ("MatMul", "p v", "c", {}),
        ("MatMul", "c wo", "y", {}),
    ], [("x", "FLOAT", [1, 3, 4])], [("y", "FLOAT", None)],
        {f"w{name}": RNG.normal(size=(4, 4)).astype(np.float32) for name in "qkvo"})
    np.save("x.npy", RNG.normal(size=(1, 3, 4)).astype(np.float32))
    profile(path, ["x.npy"], "out.npz", quantize=Recipe(), activation_bits=bits)
    roles = {name: record.meta["role"] for (name, _), (record, _) in load("out.npz")[1].items()}
    weights = dict.fromkeys((f"w{name}" for name in "qkvo"), "projection")
    assert roles == {**weights, "x": None, "q": None, "k": "kv", "v": "kv", "p": None, "c": None}


def test_state_is_carried_within_a_file():
    """y = state + x, fed back: running sums, that start anew with each file and go on between inputs of one file."""
    path = save("r.onnx", [
        ("Add", "state x", "y", {}), ("QuantizeLinear", "y s z", "q", {}),
    ], [("x", "FLOAT", [1]), ("state", "FLOAT", [1])], [("y", "FLOAT", [1]), ("q", "UINT8", [1])],
        {"s": np.array(1, np.float32), "z": np.array(0, np.uint8)})
    np.save("a.npy", np.arange(1, 5, dtype=np.float32)[:, None])
    np.save("b.npy", np.full((2, 1), 9, np.float32))
    profile(path, ["a.npy", "b.npy"], "out.npz", how=Preparation.parse("steps=2"), carry={"state": "y"})
    _, tensors = load("out.npz")
    assert [tensors["y", i][1].tolist() for i in range(3)] == [[1, 3], [6, 10], [9, 18]]


def test_named_arrays_and_constants():
    path = save("n.onnx", [("Add", "a b", "c", {}), ("Mul", "c k", "d", {}), ("QuantizeLinear", "d s", "q", {})],
                [("a", "FLOAT", [2]), ("b", "FLOAT", [2]), ("k", "FLOAT", [])], [("q", "UINT8", [2])],
                {"s": np.array(1, np.float32)})
    np.savez("in.npz", a=np.array([1, 2], np.float32), b=np.array([10, 20], np.float32))
    profile(path, ["in.npz"], "out.npz", constants={"k": "3"})
    assert load("out.npz")[1]["d", 0][1].tolist() == [33, 66]


def test_same_pack_twice(tflite):
    np.save("x.npy", RNG.integers(-128, 128, (6, 1, 4)).astype(np.int8))
    for name in ("a.npz", "b.npz"):
        profile(tflite, ["x.npy"], name)
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()
    with zipfile.ZipFile("a.npz") as archive:  # else two packs made within two seconds would be equal by chance
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


FLOAT = np.dtype(np.float32)


def one(file, port, text=""):
    """The steps of a file as a network input takes them."""
    (item,) = read_inputs([file], {port.name: port}, port.name, Preparation.parse(text))
    return [step[port.name] for step in item.steps]


def test_pictures():
    image = pytest.importorskip("PIL.Image")
    pixels = RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    image.fromarray(pixels).save("p.png")
    (rows,) = one("p.png", Port("x", (None, 4, 6, 3), FLOAT))
    assert rows.shape == (1, 4, 6, 3) and np.allclose(rows[0], pixels / 255)
    (planes,) = one("p.png", Port("x", (1, 3, None, None), FLOAT), "order=bgr,mean=0.1/0.2/0.3,std=2,span=-1..1")
    real = (pixels[:, :, ::-1] / 127.5 - 1 - [0.1, 0.2, 0.3]) / 2
    assert np.allclose(planes[0], real.transpose(2, 0, 1), atol=1e-6)
    (codes,) = one("p.png", Port("x", (1, 4, 6, 3), np.dtype(np.int8), 0.5, 3))
    assert codes.dtype == np.int8 and np.array_equal(codes[0], pixels.astype(int) - 128)
    (codes,) = one("p.png", Port("x", (1, 4, 6, 3), np.dtype(np.uint8), 0.01, 3), "mean=0.5")
    assert np.abs(codes[0] - np.clip(np.rint((pixels / 255 - 0.5) / 0.01) + 3, 0, 255)).max() <= 1
    (middle,) = one("p.png", Port("x", (1, 4, 4, 3), FLOAT), "fit=crop")
    assert np.allclose(middle[0], pixels[:, 1:5] / 255)
    (gray,) = one("p.png", Port("x", (1, 1, 4, 6), FLOAT))
    assert gray.shape == (1, 1, 4, 6)
    assert one("p.png", Port("x", (1, 3, None, None), FLOAT), "size=8x10")[0].shape == (1, 3, 8, 10)


@pytest.mark.parametrize("width, channels", [(1, 1), (2, 1), (2, 2), (3, 1), (4, 2)])
def test_sound(width, channels):
    samples = RNG.integers(-100, 100, (50, channels))
    wide = samples << 8 * (width - 1)
    data = (wide + 128).astype(np.uint8).tobytes() if width == 1 else b"".join(
        int(v).to_bytes(width, "little", signed=True) for v in wide.ravel())
    with wave.open("s.wav", "wb") as file:
        file.setparams((channels, width, 8000, 50, "NONE", ""))
        file.writeframes(data)
    steps = one("s.wav", Port("x", (1, 20), FLOAT), "hop=10")
    expected = samples.mean(axis=1) / 128
    assert len(steps) == 4
    for i, step in enumerate(steps):
        assert step.shape == (1, 20) and np.allclose(step[0], expected[10 * i : 10 * i + 20], atol=1e-6)


def test_sound_is_resampled():
    """A slow sine keeps its shape at half the rate."""
    pytest.importorskip("scipy")
    time = np.arange(800) / 8000
    with wave.open("s.wav", "wb") as file:
        file.setparams((1, 2, 8000, 800, "NONE", ""))
        file.writeframes(np.rint(np.sin(2 * np.pi * 100 * time) * 2**14).astype("<i2").tobytes())
    (step,) = one("s.wav", Port("x", (400,), FLOAT), "rate=4000")
    assert np.abs(step - 0.5 * np.sin(2 * np.pi * 100 * time[::2]))[20:-20].max() < 0.01


@pytest.mark.parametrize("shape, port, steps", [
    ((4,), (1, 4), 1), ((1, 4), (1, 4), 1), ((5, 4), (1, 4), 5), ((5, 1, 4), (1, 4), 5), ((5, 4), (None, 4), 1),
    ((2, 5, 4), (None, 4), 2), ((), (), 1), ((3,), (), 3), ((6, 7), (1, None, None), 1),
])
def test_arrays_become_steps(shape, port, steps):
    array = RNG.normal(size=shape).astype(np.float32)
    parts = split(array, Port("x", port, FLOAT))
    assert len(parts) == steps and all(len(p.shape) == len(port) for p in parts)
    assert np.array_equal(np.concatenate([p.ravel() for p in parts]), array.ravel())


@pytest.mark.parametrize("text", ["size=3", "sise=3x3", "fit=long", "mean=a", "std=0", "rate=-1", "steps", "span=1",
                                  "size=99999x99999"])
def test_wrong_preparation(text):
    with pytest.raises(ValueError, match="NAME=VALUE|cannot be|must"):
        Preparation.parse(text)


def test_find_files():
    for name in ("b.png", "a.wav", "note.txt"):
        Path(name).write_bytes(b"")
    assert [p.name for p in find_files(["."])] == ["a.wav", "b.png"]
    for wrong in (["note.txt"], ["none.png"]):
        with pytest.raises((ValueError, OSError)):
            find_files(wrong)
    Path("empty").mkdir()
    with pytest.raises(ValueError, match="empty: no picture"):
        find_files(["empty"])


@pytest.fixture
def refused(capsys):
    """Runs a command line that must fail: one line with these words, exit code 2, no pack."""

    def run(*arguments, words):
        with pytest.raises(SystemExit) as ended:
            cli.main(["profile", *arguments, "-o", "out.npz"])
        said = capsys.readouterr()
        assert ended.value.code == 2 and said.out == ""
        assert re.fullmatch(r"apack: [^\n]+\n", said.err) and words in said.err, said.err
        assert not list(Path().glob("*out.npz*"))

    return run


def test_cut_off_picture_is_named():
    image = pytest.importorskip("PIL.Image")
    image.fromarray(RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save("cut.png")
    Path("cut.png").write_bytes(Path("cut.png").read_bytes()[:1500])
    ports = {"x": Port("x", (1, 32, 32, 3), np.dtype(np.float32), None, 0)}
    with pytest.raises(FormatError, match=r"^cut\.png: .*truncated"):
        list(read_inputs(["cut.png"], ports, "x", Preparation()))


def test_refusals(tflite, refused):
    np.save("x.npy", np.zeros((1, 4), np.int8))
    np.save("bad.npy", np.zeros((1, 5), np.int8))
    Path("broken.png").write_bytes(b"\x89PNG and no more")
    Path("broken.wav").write_bytes(b"RIFF\xff\xff\xff\xffWAVE")
    Path("code.npy").write_bytes(b"\x80\x04K\x01.")
    run = ["m.tflite", "--inputs", "x.npy"]
    refused("m.tflite", "--inputs", "bad.npy", words="shape must be 1x4 as input 'in'")
    for name in ("broken.png", "broken.wav", "code.npy"):
        refused("m.tflite", "--inputs", name, words=name)
    refused("m.tflite", "--inputs", "none.npy", words="none.npy")
    refused(*run, "--set", "y=1", words="--set: must name one of ['in'], not 'y'")
    refused(*run, "--carry", "in=q", words="--carry: must name one of ['out'], not 'q'")
    refused(*run, "--carry", "in=out", words="none is left for the files")
    refused(*run, "--set", "in", words="--set: must be INPUT=VALUE, not 'in'")
    refused(*run, "--preprocess", "size", words="--preprocess: must be NAME=VALUE")
    refused(*run, "--weight-bits", "4", words="--weight-bits: only together with --quantize")
    refused(*run, "--activation-bits", "4", words="--activation-bits: only together with --quantize")
    refused(*run, "--scales", "mse", words="--scales: only together with --quantize")
    for bits in ("1", "9"):
        refused(*run, "--quantize", "--activation-bits", bits, words="2<=x<=8")
        refused(*run, "--quantize", "--weight-bits", bits, words="2<=x<=8")
    refused("x.npy", "--inputs", "x.npy", words="a model that can be run is needed")


def test_float_model_without_recipe(refused):
    path, _, _ = float_network()
    np.save("x.npy", np.zeros((1, 3, 4, 4), np.float32))
    refused(path, "--inputs", "x.npy", words="float ONNX models take --quantize")
    np.save("x.npy", np.full((1, 3, 4, 4), np.nan, np.float32))
    refused(path, "--inputs", "x.npy", "--quantize", words="is not finite")


def test_names_that_are_no_text(refused):
    path, _, _ = float_network()
    data = Path(path).read_bytes()
    assert b"Relu" in data
    Path(path).write_bytes(data.replace(b"Relu", b"\x83elu"))
    np.save("x.npy", np.zeros((1, 3, 4, 4), np.float32))
    refused(path, "--inputs", "x.npy", "--quantize", words="f.onnx: ")


def test_recipe_for_a_quantized_model(refused):
    path = save("q.onnx", [("DequantizeLinear", "w s", "d", {}), ("MatMul", "x d", "y", {})],
                [("x", "FLOAT", [1, 4])], [("y", "FLOAT", [1, 3])],
                {"w": INT8.T.copy(), "s": np.array(0.5, np.float32)}, opset=13)
    np.save("x.npy", np.zeros((1, 4), np.float32))
    refused(path, "--inputs", "x.npy", "--quantize", words="leave --quantize out")


def test_missing_input():
    path = save("two.onnx", [("Add", "a b", "c", {}), ("QuantizeLinear", "c s", "q", {})],
                [("a", "FLOAT", [1]), ("b", "FLOAT", [1])], [("q", "UINT8", [1])], {"s": np.array(1, np.float32)})
    np.save("x.npy", np.zeros(1, np.float32))
    with pytest.raises(ValueError, match=r"inputs \['b'\] get no value"):
        profile(path, ["x.npy"], "out.npz")
    assert not Path("out.npz").exists()


def test_model_that_fails_when_run():
    path = save("m.onnx", [("Reshape", "x shape", "y", {}), ("QuantizeLinear", "y s", "q", {})],
                [("x", "FLOAT", [None])], [("q", "UINT8", None)],
                {"shape": np.array([5]), "s": np.array(1, np.float32)})
    np.save("x.npy", np.zeros(4, np.float32))
    with pytest.raises(FormatError, match="m.onnx: running the model"):
        profile(path, ["x.npy"], "out.npz")


def test_commands(tflite, capsys):
    """The whole way from a model to its footprint, by the command line."""
    np.save("x.npy", RNG.integers(-128, 128, (600, 1, 4)).astype(np.int8))
    for arguments in (
        ["profile", tflite, "--inputs", "x.npy", "-o", "out.npz", "--preprocess", "steps=300", "--json", "p.json"],
        ["tensors", "out.npz", "--json", "t.json"], ["footprint", "out.npz", "--json", "f.json"],
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        said = capsys.readouterr()
        assert ended.value.code == 0 and said.err == "" and said.out
    Path("y.npy").write_bytes(Path("x.npy").read_bytes())
    with pytest.raises(SystemExit) as ended:  # as the shell writes --inputs *.npy
        cli.main(["profile", tflite, "--inputs", "x.npy", "y.npy", "-o", "two.npz"])
    assert ended.value.code == 0 and "2 inputs" in capsys.readouterr().out
    assert json.loads(Path("p.json").read_text())["inputs"] == ["x.npy[0:300]", "x.npy[300:600]"]
    listed = json.loads(Path("t.json").read_text())["tensors"]
    assert sum(t["kind"] == "activation" for t in listed) == 6
