"""Running an ONNX model with its quantized intermediate tensors as further outputs, by onnxruntime."""

import os
from pathlib import Path

import numpy as np

from ..errors import FormatError
from .base import damage, need
from .feeds import Port
from .graph import CLIPPED, Graph, layer
from .onnx_file import HERE, PLAIN
from .onnx_model import OnnxModel
from .roles import graph_roles

# Results that are codes: operator -> which output, and the inputs that hold its scale and zero point.
CODES = {
    "QuantizeLinear": (0, 1, 2), "DynamicQuantizeLinear": (0, None, None), "QLinearConv": (0, 6, 7),
    "QLinearMatMul": (0, 6, 7), "QLinearAdd": (0, 6, 7), "QLinearMul": (0, 6, 7), "QGemm": (0, 7, 8),
    "QLinearConcat": (0, 0, 1), "QLinearSigmoid": (0, 3, 4), "QLinearLeakyRelu": (0, 3, 4),
    "QLinearGlobalAveragePool": (0, 3, 4), "QLinearAveragePool": (0, 3, 4), "QLinearSoftmax": (0, 3, 4),
}
# Without the second try that onnxruntime else makes, and announces on stdout.
PROVIDERS = {"providers": ["CPUExecutionProvider"], "enable_fallback": 0}


class OnnxRunner:
    """A quantized model ready to run, without graph optimization, so that its quantizers stay where they are.

    Members are those of :class:`golden.tensors.run_tflite.TfliteRunner`. ``bits`` overrides the width of the
    activations (below 8: held in bytes). ``reference`` is the float model that this one was made of, if it was: its
    outputs, for the same inputs and states, are compared.
    """

    quantized_by = "the file: quantized as it came"

    def __init__(self, model: OnnxModel, bits: int | None = None, reference: OnnxModel | None = None):
        self.model, graph = reference or model, model.graphs[0]
        self._reference = Session(reference, []) if reference else None
        self._powers: dict[str, np.ndarray] = {}  # of each output: of the reference, and of the difference to it
        with damage(model.path):
            self._names, self.captured = activations(model, graph, bits)
        self._session = Session(model, self._names)
        self.ports, self.outputs = self._session.ports, self._session.outputs

    def reset(self) -> None:
        """Nothing: an ONNX model has no states of its own."""

    def run(self, feeds: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
        """Run once: the outputs by name, and the captured activations. Raises FormatError if the model fails."""
        results = self._session.run(feeds)
        for name, wanted in (self._reference.run(feeds) if self._reference else {}).items():
            if wanted.dtype.kind == "f":
                wanted, got = wanted.astype(np.float64), results[name]
                powers = np.array([np.square(wanted).sum(), np.square(got - wanted).sum()])
                self._powers[name] = self._powers.get(name, 0) + powers
        return {name: results[name] for name in self.outputs}, [results[name] for name in self._names]

    def sqnr(self) -> dict[str, float | None]:
        """Signal to quantization noise of each output so far, in dB; None where there is no noise, or no signal."""
        return {
            name: round(float(10 * np.log10(signal / noise)), 1) if signal and noise else None
            for name, (signal, noise) in self._powers.items()
        }

    def close(self) -> None:
        """Close the model's file."""
        self.model.close()


class Session:
    """An onnxruntime session of a model with ``extra`` tensors of its main graph as outputs."""

    def __init__(self, model: OnnxModel, extra: list[str]):
        ort = need("onnxruntime", "profile", "running an .onnx model")
        self.path = model.path
        proto = runnable(model)
        present = {output.name for output in proto.graph.output}
        self.outputs = [output.name for output in proto.graph.output]
        for name in extra:
            if name not in present:
                proto.graph.output.add().name = name
        self._names = list(dict.fromkeys([*self.outputs, *extra]))
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1  # sums are always formed in the same order
        options.log_severity_level = 4
        folder = os.fspath(Path(model.path).resolve().parent)
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
        with damage(model.path, "the model"):
            self._session = ort.InferenceSession(proto.SerializeToString(), options, **PROVIDERS)
        self.ports = {i.name: port(i) for i in self._session.get_inputs()}

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs by name. Raises FormatError if the model fails."""
        with damage(self.path, "running the model"):
            return dict(zip(self._names, self._session.run(self._names, feeds), strict=True))


def runnable(model: OnnxModel):
    """The model's proto for onnxruntime, its large tensors still in their files.

    Constants that lie there become initializers, the only tensors that onnxruntime takes from files.
    """
    proto = type(model.file.model)()
    proto.CopyFrom(model.file.model)
    todo = [proto.graph]
    while todo:
        graph = todo.pop()
        kept = []
        for node in graph.node:
            todo += [g for a in node.attribute for g in (a.g, *a.graphs) if g.node]
            value = next((a.t for a in node.attribute if node.op_type == "Constant" and a.name == "value"), None)
            if value is None or not value.external_data:
                kept.append(node)
                continue
            value.name = node.output[0]
            graph.initializer.add().CopyFrom(value)
        del graph.node[:]
        graph.node.extend(kept)
        for tensor in graph.initializer:
            for entry in tensor.external_data:
                if entry.key == "location" and entry.value == HERE:
                    entry.value = Path(model.path).resolve().name
    return proto


def activations(model: OnnxModel, graph: Graph, bits: int | None) -> tuple[list[str], list[dict]]:
    """Names and entries of the tensors of codes that a graph computes, each once, whatever its moved copies."""
    kv = graph_roles(graph)[1]
    names, entries, seen = [], [], set()
    for node in graph.nodes:
        if node.op_type not in CODES or not node.output:
            continue
        at, scale, zero = CODES[node.op_type]
        source = node.input[0] if node.op_type in ("QuantizeLinear", "DynamicQuantizeLinear") else node.output[at]
        source = source.removesuffix(CLIPPED)
        origin = graph.behind(source)[0]
        if origin in seen or graph.constant(origin) is not None:
            continue
        seen.add(origin)
        maker = graph.maker(origin)
        scaling = model.scaling(graph, node, (scale, zero))
        names.append(node.output[at])
        entries.append({
            "kind": "activation", "name": source, "op": maker.op_type if maker else "INPUT",
            "layer": layer(maker) if maker else "input", "bits": bits, **scaling,
            "role": "kv" if {source, origin, node.output[at]} & kv else None,
        })
    return names, entries


def port(detail) -> Port:
    """An input as onnxruntime describes it."""
    kind = detail.type.removeprefix("tensor(").removesuffix(")")
    names = {"float": "float32", "double": "float64"}
    if names.get(kind, kind) not in {np.dtype(t).name for t in PLAIN.values()}:
        raise FormatError(f"input {detail.name!r} is of type {detail.type}, which no file is read as")
    shape = tuple(n if isinstance(n, int) and n > 0 else None for n in detail.shape)
    return Port(detail.name, shape, np.dtype(names.get(kind, kind)))
