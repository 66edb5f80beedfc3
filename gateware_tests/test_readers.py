"""Readers of model files: every value as the file's own library means it, with width, scale, operator and role."""

import json
import logging
import tracemalloc
import warnings
from contextlib import contextmanager

import model_files as make
import numpy as np
import pytest

from golden.errors import FormatError
from golden.tensors import Recipe, named, open_model
from golden.tensors.role_names import name_role, name_roles, pack_roles

RNG = np.random.default_rng(3)
INT8 = RNG.integers(-128, 128, (3, 4)).astype(np.int8)
FLOATS = RNG.normal(size=(6, 5)).astype(np.float32)


def read(path, **options):
    """name -> (record, array) of a file."""
    with open_model(path, **options) as model:
        return {record.name: (record, array) for record, array in model}


def skipped(path, **options):
    with open_model(path, **options) as model:
        return {entry["reason"]: (entry["tensors"], entry["values"]) for entry in model.info["skipped"]}


def test_tflite(tmp_path):
    pytest.importorskip("ai_edge_litert")
    nibbles = RNG.integers(-8, 8, 10).astype(np.int8)
    path = tmp_path / "m.tflite"
    path.write_bytes(make.tflite_bytes(INT8, nibbles, scale=0.5))
    tensors = read(path)
    assert list(tensors) == ["w", "four"]
    record, array = tensors["w"]
    assert array.dtype == np.int8 and np.array_equal(array, INT8)
    assert (record.kind, record.bits, record.meta["op"]) == ("weight", 8, "FULLY_CONNECTED")
    assert record.meta["layer"] == "0:FULLY_CONNECTED"
    assert (record.meta["scale"], record.meta["zero_point"], record.meta["axis"]) == ([0.5], [0], None)
    record, array = tensors["four"]
    assert record.bits == 4 and array.dtype == np.int8 and np.array_equal(array, nibbles)
    assert skipped(path) == {"int32: biases and shapes": (2, 5)}


def test_tflite_with_a_scale_that_is_no_number(tmp_path):
    """A signalling NaN, which numpy warns of when it is made wider: the tensor's integers are good all the same."""
    pytest.importorskip("ai_edge_litert")
    data = make.tflite_bytes(INT8, RNG.integers(-8, 8, 10).astype(np.int8), scale=0.7109375)
    bad, good = np.array([0x7F800001], np.uint32).tobytes(), np.float32(0.7109375).tobytes()
    assert good in data
    (tmp_path / "m.tflite").write_bytes(data.replace(good, bad))
    record, array = read(tmp_path / "m.tflite")["w"]
    assert np.isnan(record.meta["scale"]).all() and np.array_equal(array, INT8)


def qdq(tmp_path, constant, kind, zero, **attributes):
    """A QDQ model whose DequantizeLinear reads ``constant``, by way of Transpose and MatMul."""
    from onnx import helper

    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["d"], **attributes),
        helper.make_node("Transpose", ["d"], ["t"]),
        helper.make_node("MatMul", ["x", "t"], ["y"], name="dense"),
    ]
    constants = {"w": constant, "s": np.array(0.5, np.float32), "z": zero, "b": np.zeros(3, np.int32)}
    model = make.onnx_model(nodes, [("x", "FLOAT", [1, 4])], [("y", "FLOAT", [1, 3])], constants)
    path = tmp_path / f"{kind}.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("kind, dtype, bits", [
    ("INT8", np.int8, 8), ("UINT8", np.uint8, 8), ("INT16", np.int16, 16), ("UINT16", np.uint16, 16),
    ("INT4", np.int8, 4), ("UINT4", np.uint8, 4), ("INT2", np.int8, 2), ("UINT2", np.uint8, 2),
])
@pytest.mark.parametrize("raw", [True, False])
def test_onnx_types(tmp_path, kind, dtype, bits, raw):
    onnx = pytest.importorskip("onnx")
    low = 0 if kind.startswith("U") else -(1 << bits - 1)
    values = RNG.integers(low, low + (1 << bits), (3, 4))
    if not hasattr(onnx.TensorProto, kind):
        pytest.skip(f"this version of onnx has no type {kind}")
    number = getattr(onnx.TensorProto, kind)
    if raw:
        codes = values.ravel() & (1 << bits) - 1
        per = max(1, 8 // bits)
        packed = sum(codes[i::per] << bits * i for i in range(per))
        data = packed.astype(np.uint8) if bits < 8 else values.astype(dtype)
        tensor = onnx.helper.make_tensor("w", number, (3, 4), data.tobytes(), raw=True)
    else:
        tensor = onnx.helper.make_tensor("w", number, (3, 4), values.ravel().tolist())
    zero = onnx.helper.make_tensor("z", number, (), [1])
    ((record, array),) = read(qdq(tmp_path, tensor, kind, zero)).values()
    assert array.dtype == dtype and np.array_equal(array, values)
    assert (record.bits, record.meta["op"], record.meta["layer"]) == (bits, "MatMul", "dense")
    assert (record.meta["scale"], record.meta["zero_point"]) == ([0.5], [1])


def test_onnx_operators_on_integers(tmp_path):
    onnx = pytest.importorskip("onnx")
    weight = RNG.integers(0, 256, (4, 3, 1, 1)).astype(np.uint8)
    scale = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    nodes = [onnx.helper.make_node("QLinearConv", ["x", "s", "z", "w", "ws", "wz", "s", "z"], ["y"], name="conv")]
    constants = {"w": weight, "ws": scale, "wz": np.arange(4, dtype=np.uint8), "s": scale[0], "z": np.uint8(0)}
    constants = {name: np.array(value) for name, value in constants.items()}
    model = make.onnx_model(nodes, [("x", "UINT8", [1, 3, 2, 2])], [("y", "UINT8", [1, 4, 2, 2])], constants)
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    ((record, array),) = read(path).values()
    assert np.array_equal(array, weight) and record.meta["layer"] == "conv"
    assert record.meta["scale"] == pytest.approx(scale.tolist()) and record.meta["zero_point"] == [0, 1, 2, 3]


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_onnx_float_constant_that_the_graph_quantizes(tmp_path, axis):
    """As training with quantization leaves weights: float, then QuantizeLinear and its inverse."""
    onnx = pytest.importorskip("onnx")
    h = onnx.helper
    scale = np.float32(0.01) if axis is None else np.linspace(0.01, 0.03, FLOATS.shape[axis]).astype(np.float32)
    zero = np.full(np.shape(scale), -5, np.int8)
    more = {} if axis is None else {"axis": axis}
    nodes = [h.make_node("QuantizeLinear", ["w", "s", "z"], ["q"], **more),
             h.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], **more),
             h.make_node("MatMul", ["x", "d"], ["y"], name="dense")]
    constants = {"w": FLOATS, "s": np.asarray(scale), "z": np.asarray(zero)}
    model = make.onnx_model(nodes, [("x", "FLOAT", [1, 6])], [("y", "FLOAT", [1, 5])], constants)
    onnx.save(model, tmp_path / "m.onnx")
    ((record, array),) = read(tmp_path / "m.onnx").values()
    by = scale if axis is None else np.expand_dims(scale, 1 - axis)
    assert array.dtype == np.int8 and np.array_equal(array, np.clip(np.rint(FLOATS / by) - 5, -128, 127))
    assert (record.bits, record.meta["op"], record.meta["layer"]) == (8, "MatMul", "dense")
    assert set(skipped(tmp_path / "m.onnx")) == {"floating point (needs --quantize)", zeros_reason()}


def zeros_reason():
    return "scales' zero points and other integers that no operator takes as quantized data"


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_onnx_matmulnbits(tmp_path, bits):
    """N = 3 columns of K = 32 values in blocks of 16; low bits of a byte first."""
    onnx = pytest.importorskip("onnx")
    values, per = RNG.integers(0, 1 << bits, (3, 2, 16)), 8 // bits
    packed = sum(values[:, :, i::per] << bits * i for i in range(per)).astype(np.uint8)
    node = onnx.helper.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=32, N=3, bits=bits,
                                 block_size=16)
    model = make.onnx_model([node], [("x", "FLOAT", [1, 32])], [("y", "FLOAT", [1, 3])],
                            {"w": packed, "s": np.ones(6, np.float32)})
    onnx.save(model, tmp_path / "m.onnx")
    ((record, array),) = read(tmp_path / "m.onnx").values()
    assert record.bits == bits and record.meta["group"] == 16 and np.array_equal(array, values)


def test_onnx_subgraph_and_constant_node(tmp_path):
    """Weights inside the branches of If, one of them a Constant node."""
    onnx = pytest.importorskip("onnx")
    h = onnx.helper
    scale = onnx.numpy_helper.from_array(np.array(0.5, np.float32), "s")

    def branch(name, value, as_node):
        tensor = onnx.numpy_helper.from_array(value, "w")
        nodes = [h.make_node("Constant", [], ["w"], value=tensor)] if as_node else []
        nodes.append(h.make_node("DequantizeLinear", ["w", "s"], [f"{name}_out"]))
        out = h.make_tensor_value_info(f"{name}_out", 1, [3, 4])
        return h.make_graph(nodes, name, [], [out], [scale] if as_node else [scale, tensor])

    node = h.make_node("If", ["c"], ["y"], then_branch=branch("a", INT8, False), else_branch=branch("b", -INT8, True))
    onnx.save(make.onnx_model([node], [("c", "BOOL", [])], [("y", "FLOAT", [3, 4])], {}), tmp_path / "m.onnx")
    with open_model(tmp_path / "m.onnx") as model:
        assert [r.key for r in model.records] == ["w", "w#2"]
        arrays = [array for _, array in model]
    assert np.array_equal(arrays[0], -INT8) and np.array_equal(arrays[1], INT8)  # attributes are sorted: else, then


def test_onnx_large_tensors_stay_in_the_file(tmp_path):
    """A model of 64 MB is opened and listed in a few MB; one tensor at a time takes memory."""
    onnx = pytest.importorskip("onnx")
    big = {f"w{i}": np.full((1024, 16384), i, np.int8) for i in range(4)}
    nodes = [onnx.helper.make_node("DequantizeLinear", [name, "s"], [f"y{name}"]) for name in big]
    outputs = [(f"y{name}", "FLOAT", [1024, 16384]) for name in big]
    model = make.onnx_model(nodes, [], outputs, {**big, "s": np.array(0.5, np.float32)})
    onnx.save(model, tmp_path / "own.onnx")
    onnx.save(model, tmp_path / "other.onnx", save_as_external_data=True, location="data.bin")
    del model
    for name in ("own.onnx", "other.onnx"):
        tracemalloc.start()
        tensors = read(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000, name
        for key, (record, array) in tensors.items():
            assert array[0, 0] == int(key[1:]) == array[-1, -1] and record.meta["n_total"] == 1 << 24


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "", "none.bin"])
def test_onnx_external_data_outside_the_folder(tmp_path, location):
    onnx = pytest.importorskip("onnx")
    (tmp_path / "secret").write_bytes(bytes(12))
    (tmp_path / "m").mkdir()
    tensor = onnx.TensorProto(name="w", data_type=3, dims=[3, 4], data_location=1)
    tensor.external_data.add(key="location", value=location)
    zero = onnx.helper.make_tensor("z", 3, (), [0])
    path = qdq(tmp_path / "m", tensor, "outside", zero)
    with pytest.raises(FormatError, match="external data must be in a file below the model's folder"):
        read(path)


@pytest.mark.parametrize("offset, length", [(8, 12), (-4, 12), (0, 1 << 40)])
def test_onnx_external_data_outside_its_file(tmp_path, offset, length):
    onnx = pytest.importorskip("onnx")
    (tmp_path / "data.bin").write_bytes(bytes(16))
    tensor = onnx.TensorProto(name="w", data_type=3, dims=[3, 4], data_location=1)
    for key, value in (("location", "data.bin"), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    path = qdq(tmp_path, tensor, "beyond", onnx.helper.make_tensor("z", 3, (), [0]))
    with pytest.raises(FormatError, match=r"is said to be at .* bytes; the file has 16"):
        read(path)


def float_model(tmp_path):
    """Gather from an embedding, then MatMul, Gemm with transB, Conv: what a recipe quantizes, and along which axis."""
    onnx = pytest.importorskip("onnx")
    h = onnx.helper
    nodes = [
        h.make_node("Gather", ["embedding", "ids"], ["e"]), h.make_node("MatMul", ["e", "m"], ["a"]),
        h.make_node("Gemm", ["a", "g", "bias"], ["b"], transB=1), h.make_node("Conv", ["x", "c"], ["y"]),
    ]
    constants = {"embedding": FLOATS, "m": FLOATS.T.copy(), "g": FLOATS[:, :].repeat(2, 0)[:, [0, 1, 2, 3, 4, 0]],
                 "bias": FLOATS[0, :1], "c": FLOATS.reshape(6, 5, 1, 1)}
    model = make.onnx_model(nodes, [("ids", "INT64", [2]), ("x", "FLOAT", [1, 5, 4, 4])],
                            [("b", "FLOAT", [2, 12]), ("y", "FLOAT", [1, 6, 4, 4])], constants)
    onnx.save(model, tmp_path / "float.onnx")
    return tmp_path / "float.onnx", constants


def test_onnx_float_weights_by_recipe(tmp_path):
    path, constants = float_model(tmp_path)
    recipe = Recipe(bits=6)
    tensors = read(path, quantize=recipe)
    assert {name: r.meta["axis"] for name, (r, _) in tensors.items()} == {"embedding": None, "m": 1, "g": 0, "c": 0}
    assert tensors["embedding"][0].meta["role"] == "embedding"
    for name, (record, codes) in tensors.items():
        axis, value = record.meta["axis"], constants[name]
        others = tuple(i for i in range(value.ndim) if i != axis) if axis is not None else None
        scale = np.abs(value).max(axis=others) / 31
        assert record.meta["scale"] == pytest.approx(np.atleast_1d(scale).tolist(), rel=1e-6)
        shape = [1] * value.ndim
        shape[axis or 0] = -1
        assert np.array_equal(codes, np.rint(value / np.reshape(scale, shape))) and np.abs(codes).max() == 31
    with pytest.raises(FormatError, match=r"holds no quantized tensor \(5 x floating point \(needs --quantize\)\)"):
        open_model(path)


@pytest.mark.parametrize("turned", [False, True])
def test_output_channels_are_found_behind_a_transpose(tmp_path, turned):
    onnx = pytest.importorskip("onnx")
    nodes = [onnx.helper.make_node("Transpose" if turned else "Identity", ["w"], ["v"]),
             onnx.helper.make_node("MatMul", ["x", "v"], ["y"])]
    wide = [("x", "FLOAT", [1, 5 if turned else 6])], [("y", "FLOAT", [1, 6 if turned else 5])]
    onnx.save(make.onnx_model(nodes, *wide, {"w": FLOATS}), tmp_path / "m.onnx")
    ((record, _),) = read(tmp_path / "m.onnx", quantize=Recipe()).values()
    assert record.meta["axis"] == (0 if turned else 1) and len(record.meta["scale"]) == (6 if turned else 5)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [4, 6, 8])
def test_recipe(bits, symmetric):
    """The codes are the nearest there are, and use their range; constants and zeros do not divide by zero."""
    values = np.concatenate([FLOATS * 3 + 1, np.zeros((1, 5), np.float32), np.full((1, 5), 7, np.float32)])
    codes, scale, zero = Recipe(bits, symmetric).quantize(values, 0)
    low, high = (-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1) if symmetric else (0, 2**bits - 1)
    assert codes.min() >= low and codes.max() == high
    restored = Recipe(bits, symmetric).restore(codes, scale, zero, 0)
    assert np.abs(restored - values).max(axis=1) == pytest.approx(np.zeros(8), abs=scale.max() * 0.51)
    assert (np.abs(restored - values) <= scale[:, None] * (0.5 if symmetric else 1.0) + 1e-5).all()
    assert not codes[6].any() if symmetric else (codes[6] == zero[6]).all()


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_recipe_of_least_error(bits, symmetric):
    """Never worse than the extremes, for each channel; far better with few bits and outliers; in range all the same."""
    values = RNG.laplace(size=(6, 4000)).astype(np.float32)
    values[0, 0], values[5] = 12, 0
    errors = []
    for scales in ("extremes", "mse"):
        recipe = Recipe(bits, symmetric, scales=scales)
        codes, scale, zero = recipe.quantize(values, 0)
        top = 2 ** (bits - 1) - 1 if symmetric else 2**bits - 1
        assert codes.max() <= top and codes.min() >= (-top if symmetric else 0) and not codes[5].any()
        errors.append(np.square(recipe.restore(codes, scale, zero, 0) - values).sum(axis=1))
    extremes, least = errors
    assert (least <= extremes + 1e-9).all()
    if bits < 8:
        assert (least[:5] < 0.75 * extremes[:5]).all()


@pytest.mark.parametrize("arguments, error", [
    ((1,), ValueError), ((9,), ValueError), ((8.0,), TypeError), ((8, 1), TypeError),
    ((8, True, True, "best"), ValueError),
])
def test_recipe_refuses(arguments, error):
    with pytest.raises(error):
        Recipe(*arguments)
    with pytest.raises(ValueError, match="finite"):
        Recipe().quantize(np.array([[1.0, np.nan]]), 0)


def attention(tmp_path):
    """One transformer layer of 4: x, q/k/v, scaled product, softmax, product, output, two feed-forward, head."""
    onnx = pytest.importorskip("onnx")
    h = onnx.helper
    dense = {name: RNG.normal(size=(4, 4)).astype(np.float32) for name in ("q", "k", "v", "o", "f1", "f2", "end")}
    nodes = [h.make_node("Gather", ["table", "ids"], ["x"])]
    nodes += [h.make_node("MatMul", ["x", name], [f"{name}0"]) for name in "qkv"]
    nodes += [
        h.make_node("Add", ["k0", "bias"], ["k1"]), h.make_node("Transpose", ["k1"], ["k2"], perm=[1, 0]),
        h.make_node("MatMul", ["q0", "k2"], ["scores"]), h.make_node("Mul", ["scores", "root"], ["scaled"]),
        h.make_node("Softmax", ["scaled"], ["probs"]), h.make_node("MatMul", ["probs", "v0"], ["context"]),
        h.make_node("MatMul", ["context", "o"], ["out"]), h.make_node("Add", ["out", "x"], ["sum"]),
        h.make_node("MatMul", ["sum", "f1"], ["h0"]), h.make_node("Relu", ["h0"], ["h1"]),
        h.make_node("MatMul", ["h1", "f2"], ["h2"]), h.make_node("MatMul", ["h2", "end"], ["y"]),
    ]
    constants = {**dense, "table": RNG.normal(size=(9, 4)).astype(np.float32), "bias": np.ones(4, np.float32),
                 "root": np.array(0.5, np.float32)}
    model = make.onnx_model(nodes, [("ids", "INT64", [3])], [("y", "FLOAT", [3, 4])], constants)
    onnx.save(model, tmp_path / "attention.onnx")
    return tmp_path / "attention.onnx"


def test_roles_of_a_graph(tmp_path):
    from golden.tensors.onnx_model import OnnxModel
    from golden.tensors.roles import graph_roles

    path = attention(tmp_path)
    roles = {name: record.meta["role"] for name, (record, _) in read(path, quantize=Recipe()).items()}
    assert roles == {"table": "embedding", **dict.fromkeys("qkvo", "projection"), "f1": "feed-forward",
                     "f2": "feed-forward", "end": "head"}
    with OnnxModel(path) as model:
        assert graph_roles(model.graphs[0])[1] == {"k0", "k1", "k2", "v0"}


@pytest.mark.parametrize("form", ["QDQ", "QOperator", "dynamic"])
def test_roles_of_a_graph_quantized_by_onnxruntime(tmp_path, form):
    """The same roles through quantizers, operators on codes, and integer products of inputs quantized at run time."""
    pytest.importorskip("onnxruntime")
    import onnxruntime.quantization as q

    path, out = attention(tmp_path), tmp_path / "q.onnx"

    class Inputs(q.CalibrationDataReader):
        left = [{"ids": RNG.integers(0, 9, 3)}]

        def get_next(self):
            return self.left.pop() if self.left else None

    with warnings.catch_warnings(), monkey_logging():
        warnings.simplefilter("ignore")
        if form == "dynamic":
            q.quantize_dynamic(path, out, extra_options={"DefaultTensorType": 1})
        else:
            q.quantize_static(path, out, Inputs(), quant_format=getattr(q.QuantFormat, form),
                              extra_options={"DefaultTensorType": 1})
    roles = {name.removesuffix("_quantized"): r.meta["role"] for name, (r, _) in read(out).items()}
    roles.pop("bias", None)
    assert roles == {"table": "embedding", **dict.fromkeys("qkvo", "projection"), "f1": "feed-forward",
                     "f2": "feed-forward", "end": "head"}


@contextmanager
def monkey_logging():
    """Without the advice that onnxruntime's quantizer gives."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def test_onnx_data_location_said_twice(tmp_path):
    """The library writes "in this message" behind the data: what replaces the data has to come later still."""
    onnx = pytest.importorskip("onnx")
    big = np.arange(4096, dtype=np.int64).astype(np.int8).reshape(64, 64)
    tensor = onnx.numpy_helper.from_array(big, "w")
    tensor.data_location = onnx.TensorProto.DEFAULT
    zero = onnx.helper.make_tensor("z", 3, (), [1])
    path = qdq(tmp_path, tensor, "twice", zero)
    assert tensor.SerializeToString()[-2:] == b"\x70\x00"  # field 14, 0
    ((_, array),) = read(path).values()
    assert np.array_equal(array, big)


@pytest.mark.parametrize("name, role", [
    ("model.embed_tokens.weight", "embedding"), ("transformer.wte.weight", "embedding"),
    ("model.layers.0.self_attn.k_proj.weight", "projection"), ("h.3.attn.c_attn.weight", "projection"),
    ("bert.encoder.layer.0.attention.output.dense.weight", "projection"),
    ("bert.encoder.layer.0.output.dense.weight", "feed-forward"), ("model.layers.1.mlp.up_proj.weight", "feed-forward"),
    ("lm_head.weight", "head"), ("features.0.conv.weight", None),
])
def test_roles_of_names(name, role):
    assert name_role(name) == role


def test_names_of_other_networks_tell_no_role(tmp_path):
    """Dense layers are called w1, fc2 or head anywhere; only beside attention do they tell a transformer."""
    names = ["w1", "features.w2", "fc1.weight", "classifier.weight", "embed.weight"]
    assert [*map(name_roles([*names, "some.value"]), names)] == [None] * 4 + ["embedding"]
    role = name_roles([*names, "layers.0.attention.wq.weight"])
    assert [*map(role, names)] == ["feed-forward"] * 3 + ["head", "embedding"]
    arrays = {name: RNG.integers(-9, 9, (4, 4)).astype(np.int8) for name in ("w1", "w2", "fc1.weight")}
    safe = pytest.importorskip("safetensors.numpy")
    safe.save_file(arrays, tmp_path / "cnn.safetensors")
    assert {record.meta["role"] for record, _ in read(tmp_path / "cnn.safetensors").values()} == {None}
    safe.save_file(arrays | {"attn.q_proj": arrays["w1"]}, tmp_path / "llm.safetensors")
    roles = {name: record.meta["role"] for name, (record, _) in read(tmp_path / "llm.safetensors").items()}
    assert roles == dict.fromkeys(arrays, "feed-forward") | {"attn.q_proj": "projection"}


def pack_of(kind: str, *tensors):
    """Entries of a pack: (name, operator, shape)."""
    return [{"kind": kind, "name": n, "op": op, "shape": list(shape)} for n, op, shape in tensors]


WEIGHTS = pack_of("weight", ("t", "Gather", (99, 8)), ("m1", "MatMul", (8, 8)), ("m2", "MatMul", (8, 24)),
                  ("m3", "Gemm", (8, 32)), ("m4", "Gemm", (32, 8)), ("c", "Conv", (8, 8, 3, 3)), ("r", "LSTM", (8, 8)))
ATTENTION = pack_of("activation", ("n", "Add", (1, 5, 8)), *((x, "MatMul", (1, 5, 8)) for x in "abc"),
                    ("s", "MatMul", (1, 2, 5, 5)), ("p", "Softmax", (1, 2, 5, 5)), ("o", "MatMul", (1, 5, 8)))


def test_roles_of_a_pack_without_any(tmp_path):
    """From operators and shapes: of a network with attention all, of others the embedding only."""
    weights = ["embedding", "projection", "projection", "feed-forward", "feed-forward", None, None]
    assert pack_roles(WEIGHTS + ATTENTION) == weights + [None, "qkv", "qkv", "qkv", None, None, None]
    assert pack_roles(WEIGHTS) == ["embedding"] + [None] * 6
    flat = pack_of("activation", ("y", "FULLY_CONNECTED", (1, 9)), ("z", "SOFTMAX", (1, 9)))
    assert pack_roles(WEIGHTS + flat) == ["embedding"] + [None] * 8
    assert pack_roles([{"key": "x"}]) == [None]
    named = pack_of("weight", ("l0.attn.k_proj", "?", (8, 2))) + pack_of("activation", ("l0.attn.k_proj", "?", (1, 2)))
    assert pack_roles(named) == ["projection", None]
    path = tmp_path / "p.npz"
    for given, expected in ((None, weights), ("kv", [None, "kv", None, None, None, None, None])):
        entries = [dict(entry, key=f"k{i}") for i, entry in enumerate(WEIGHTS + ATTENTION)]
        entries[1]["role"] = given  # a pack that tells a role itself is left alone
        arrays = {entry["key"]: np.arange(4, dtype=np.int8) for entry in entries}
        np.savez(path, meta=np.frombuffer(json.dumps({"tensors": entries}).encode(), np.uint8), **arrays)
        with open_model(path) as pack:
            assert [record.meta.get("role") for record in pack.records][:7] == expected


def pack_words(codes, bits, order):
    """int32 words from the last axis' codes, ``order[i]`` in the i-th lowest place."""
    per = 32 // bits
    words = sum(codes[..., order[i] :: per].astype(np.uint64) << np.uint64(bits * i) for i in range(per))
    return words.astype(np.uint32).view(np.int32)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_safetensors_gptq(tmp_path, bits):
    numpy = pytest.importorskip("safetensors.numpy")
    codes = RNG.integers(0, 1 << bits, (64, 32)).astype(np.uint8)  # inputs, outputs; groups of 16 inputs
    words = pack_words(codes.T, bits, range(32 // bits)).T.copy()
    numpy.save_file({
        "l.qweight": words, "l.scales": np.ones((4, 32), np.float16), "l.qzeros": np.zeros((4, bits), np.int32),
        "l.g_idx": np.zeros(64, np.int32),
    }, tmp_path / "m.safetensors")
    ((record, array),) = read(tmp_path / "m.safetensors").values()
    assert np.array_equal(array, codes) and record.bits == bits and record.meta["group"] == 16
    assert skipped(tmp_path / "m.safetensors") == {
        "scales, zero points and group indices of packed weights": (3, 128 + 4 * bits + 64)
    }


def test_safetensors_awq(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    codes = RNG.integers(0, 16, (64, 32)).astype(np.uint8)
    numpy.save_file({
        "l.qweight": pack_words(codes, 4, named.AWQ_ORDER), "l.scales": np.ones((2, 32), np.float16),
        "l.qzeros": np.zeros((2, 4), np.int32),
    }, tmp_path / "m.safetensors")
    ((record, array),) = read(tmp_path / "m.safetensors").values()
    assert np.array_equal(array, codes) and record.bits == 4 and record.meta["group"] == 32


def test_safetensors_plain_and_floats(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    ml_dtypes = pytest.importorskip("ml_dtypes")
    half = FLOATS.astype(ml_dtypes.bfloat16)
    numpy.save_file({"a.weight": INT8, "b.weight": half, "b.bias": FLOATS[0], "norm.weight": FLOATS},
                    tmp_path / "m.safetensors")
    tensors = read(tmp_path / "m.safetensors", quantize=Recipe())
    assert np.array_equal(tensors["a.weight"][1], INT8)
    expected = Recipe().quantize(half.astype(np.float32), 0)[0]
    assert set(tensors) == {"a.weight", "b.weight"} and np.array_equal(tensors["b.weight"][1], expected)
    assert list(read(tmp_path / "m.safetensors")) == ["a.weight"]


def test_torch(tmp_path):
    """Plain, transposed, offset and tied tensors, in nested containers; and floats by recipe."""
    flat = RNG.integers(-128, 128, 40).astype(np.int8)
    tensor = make.torch_tensor
    state = {"model": {
        "plain": tensor("CharStorage", "0", 40, (5, 8), (8, 1)),
        "turned": tensor("CharStorage", "0", 40, (4, 5), (1, 4), offset=12),
        "tied": tensor("CharStorage", "0", 40, (5, 8), (8, 1)),
        "float.weight": tensor("FloatStorage", "1", 30, (6, 5), (5, 1)),
    }, "epoch": 3}
    path = tmp_path / "m.pt"
    path.write_bytes(make.torch_bytes(state, {"0": flat, "1": FLOATS}))
    tensors = read(path, quantize=Recipe(bits=4))
    assert list(tensors) == ["model.plain", "model.turned", "model.float.weight"]
    assert np.array_equal(tensors["model.plain"][1], flat.reshape(5, 8))
    assert np.array_equal(tensors["model.turned"][1], flat[12:32].reshape(5, 4).T)
    assert np.array_equal(tensors["model.float.weight"][1], Recipe(bits=4).quantize(FLOATS, 0)[0])
    assert skipped(path)["another name of a tensor"] == (1, 40)


def test_npy(tmp_path):
    np.save(tmp_path / "w.npy", INT8)
    ((record, array),) = read(tmp_path / "w.npy").values()
    assert (record.key, record.kind, record.bits) == ("w", "tensor", None) and np.array_equal(array, INT8)
