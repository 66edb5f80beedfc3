"""Quantizing a float ONNX model after training, so that its activations can be profiled.

Steps, each the textbook's: constants are folded and batch normalization joins its convolution (onnxruntime's basic
optimization); weights are quantized by a :class:`golden.tensors.recipe.Recipe` and put back as the floats that their
codes stand for; the network runs on all inputs, and the lowest and highest value of every tensor that a layer reads,
or the range between them with the least squared error, gives its scale (``observe.py``); a quantizer and its inverse
are put before those layers. What a layer reads is quantized once, after the activation function, as accelerators
write it. onnxruntime's own ``quantize_static`` is not used: it leaves recurrent layers alone, keeps no state between
steps, and has no 2 to 7 bits for activations.
"""

import os
from pathlib import Path

import numpy as np

from ..errors import FormatError
from .base import damage, need
from .graph import CLIPPED, Graph
from .onnx_model import OnnxModel
from .recipe import Recipe
from .run_onnx import PROVIDERS

# Inputs of operators that are activations where they are not weights. Recurrent layers: sequence, state, cell state.
READ = {
    "Conv": (0,), "ConvTranspose": (0,), "MatMul": (0, 1), "Gemm": (0, 1), "Attention": (0,),
    "LSTM": (0, 5, 6), "GRU": (0, 5), "RNN": (0, 5),
}
WEIGHTS = "weights.bin"
OLDEST = 10  # operator set that brought QuantizeLinear


def fold(path: str | os.PathLike, folder: Path) -> Path:
    """The model with constants folded and batch normalization joined to convolutions, as a file in ``folder``."""
    ort = need("onnxruntime", "profile", "running an .onnx model")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = os.fspath(folder / Path(path).with_suffix(".onnx").name)
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "folded.bin")
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    with damage(path, "the model"):
        ort.InferenceSession(os.fspath(path), options, **PROVIDERS)
    return Path(options.optimized_model_filepath)


def fake_weights(path: Path, recipe: Recipe) -> OnnxModel:
    """The folded model with its weights replaced by what their codes stand for; their data goes beside the file."""
    model = OnnxModel(path, quantize=recipe)
    with open(path.with_name(WEIGHTS), "wb") as file:
        for record in model.records:
            if not record.meta.get("quantized"):
                continue
            tensor, axis = model.source(record)
            original = model.file.load(tensor)
            if not isinstance(original, np.ndarray):
                raise FormatError(f"{path}: bfloat16 weights can be read, but not run")
            codes, scale, zero = recipe.quantize(original, axis)
            data = recipe.restore(codes, scale, zero, axis).astype(original.dtype).tobytes()
            keep(tensor, WEIGHTS, file.tell(), len(data))
            file.write(data)
    return model


def keep(tensor, location: str, offset: int, length: int) -> None:
    """Say in a TensorProto that its data is in a file."""
    for name in ("raw_data", "float_data", "double_data", "int32_data"):
        tensor.ClearField(name)
    del tensor.external_data[:]
    tensor.data_location = 1
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)


def read_tensors(graph: Graph) -> list[str]:
    """The computed tensors that layers read, each once: the originals where layers read moved copies."""
    found = {}
    for node in graph.nodes:
        for index in READ.get(node.op_type, ()):
            if index < len(node.input) and node.input[index] and not graph.constants_behind(node.input[index]):
                found[graph.behind(node.input[index])[0]] = None
    return list(found)


def ranges(low: float, high: float, bits: int) -> tuple[float, int]:
    """Scale and zero point for these extremes, low <= 0 <= high: 0 is one of the codes 0 .. 2**bits - 1."""
    scale = float(np.float32((high - low) / (2**bits - 1))) or 1.0
    return scale, int(np.clip(np.rint(-low / scale), 0, 2**bits - 1))


def insert_quantizers(model: OnnxModel, extremes: dict[str, tuple[float, float]], bits: int) -> None:
    """Put a quantizer and its inverse between each tensor and all that read it in the main graph."""
    onnx = need("onnx", "onnx", "an .onnx file")
    graph = model.file.model.graph
    versions = [entry.version for entry in model.file.model.opset_import if entry.domain in ("", "ai.onnx")]
    if max(versions, default=0) < OLDEST:
        raise FormatError(f"{model.path}: quantizing takes operator set {OLDEST} or later, the model is of {versions}")
    after: dict[str, list] = {}
    renamed = {}
    for name, (low, high) in extremes.items():
        scale, zero = ranges(low, high, bits)
        label = f"{name}:apack"
        constants = {"scale": np.array(scale, np.float32), "zero": np.array(zero, np.uint8)}
        source, nodes = name, []
        if bits < 8:  # the quantizer saturates at 8 bits only
            limits = [(k - zero) * scale for k in (0, 2**bits - 1)]
            constants |= {"low": np.array(limits[0], np.float32), "high": np.array(limits[1], np.float32)}
            source = f"{name}{CLIPPED}"
            nodes.append(onnx.helper.make_node("Clip", [name, f"{label}:low", f"{label}:high"], [source]))
        for part, value in constants.items():
            graph.initializer.append(onnx.numpy_helper.from_array(value, f"{label}:{part}"))
        scaling = [f"{label}:scale", f"{label}:zero"]
        nodes.append(onnx.helper.make_node("QuantizeLinear", [source, *scaling], [f"{label}:codes"]))
        nodes.append(onnx.helper.make_node("DequantizeLinear", [f"{label}:codes", *scaling], [f"{label}:back"]))
        renamed[name], after[name] = f"{label}:back", nodes
    ordered = [n for name in after if name not in {o for node in graph.node for o in node.output} for n in after[name]]
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name in renamed:
                node.input[index] = renamed[name]
        ordered.append(node)
        ordered += [n for name in node.output for n in after.get(name, ())]
    nodes = [type(node).FromString(node.SerializeToString()) for node in ordered]  # copies: the list is replaced
    del graph.node[:]
    graph.node.extend(nodes)
    model.graphs = list(Graph(graph).all())
