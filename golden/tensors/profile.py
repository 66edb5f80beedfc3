"""Profiling: a network runs on real inputs, and every quantized activation goes into a tensor pack with the weights."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from ..config import check_int
from ..errors import FormatError
from ..files import open_regular
from . import simulate_onnx
from .feeds import Input, Port, Preparation, read_inputs
from .observe import least_error, observe
from .onnx_model import OnnxModel
from .recipe import BITS, SCALES_OF, Recipe
from .run_onnx import OnnxRunner
from .run_tflite import TfliteRunner
from .writer import PackWriter

VALUES = 1 << 17  # kept of an activation by default


class Feeder:
    """Everything a network is given at each step.

    Parameters
    ----------
    inputs : makes an iterator over the inputs, as often as asked. constants : values of inputs that never change.
    carry : input -> output whose value it has in the next step; zeros in the first.
    """

    def __init__(self, inputs: Callable[[], Iterable[Input]], constants: dict[str, np.ndarray], carry: dict[str, str]):
        self._inputs, self._constants, self._carry = inputs, constants, carry

    def run(self, ports: dict[str, Port], step: Callable, reset: Callable = lambda: None) -> Iterator[tuple]:
        """Yield (input, its number, its results): ``step(feeds)`` gives the outputs by name and anything else."""
        state = {}
        for number, item in enumerate(self._inputs()):
            if item.fresh or not number:
                state = {name: zeros(ports[name]) for name in self._carry}
                reset()
            yield item, number, self._steps(item, ports, state, step)

    def _steps(self, item: Input, ports, state: dict, step: Callable) -> Iterator:
        for given in item.steps:
            feeds = {**self._constants, **state, **given}
            missing = [name for name in ports if name not in feeds]
            if missing:
                raise ValueError(f"inputs {missing} get no value: an .npz with arrays of these names, --set or --carry")
            outputs, more = step(feeds)
            for name, source in self._carry.items():
                state[name] = ports[name].convert(outputs[source])
            yield more


def zeros(port: Port) -> np.ndarray:
    """The state before the first step; where any size will do, 1."""
    return np.full([n or 1 for n in port.shape], port.zero_point, port.dtype)


@contextmanager
def runner(path: str | os.PathLike, recipe: Recipe | None, bits: int, make_feeder: Callable, tell: Callable):
    """A model ready to run: of a float ONNX model, by ``recipe``, first a quantized one is made."""
    with open_regular(path) as file:
        start = file.read(8)
    if start[4:] == b"TFL3" or Path(path).suffix.lower() == ".tflite":
        with closing(TfliteRunner(path)) as made:
            yield made
        return
    if Path(path).suffix.lower() != ".onnx":
        raise FormatError(f"{path}: a model that can be run is needed (.tflite or .onnx)")
    if recipe is None:
        yield OnnxRunner(OnnxModel(path))
        return
    with tempfile.TemporaryDirectory(prefix="apack-") as name:
        folder = Path(name)
        folded = simulate_onnx.fold(path, folder)
        weights = OnnxModel(folded, quantize=recipe)
        if not all(record.meta.get("quantized") for record in weights.records):
            raise FormatError(f"{path}: is quantized already; leave --quantize out")
        model = simulate_onnx.fake_weights(folded, recipe)
        limits = observe(model, make_feeder, tell)
        if recipe.scales == "mse":
            limits = least_error(model, limits, bits, make_feeder, tell)
        simulate_onnx.insert_quantizers(model, limits, bits)
        made = OnnxRunner(model, bits, weights)
        made.quantized_by = (
            f"weights: {recipe}; activations: {bits} bits, asymmetric, per tensor, {SCALES_OF[recipe.scales]} over the "
            "inputs; batch normalization folded by onnxruntime"
        )
        yield made


class Capture:
    """The beginning of one activation over the steps of an input: ``values`` of it are kept, all are counted."""

    def __init__(self, values: int, channels_last: bool):
        self._room, self._last = values, channels_last
        self._parts: list[np.ndarray] = []
        self.total, self.steps, self.shape = 0, 0, ()

    def add(self, array: np.ndarray) -> None:
        """One step's tensor."""
        if self._last and array.ndim == 4:
            array = array.transpose(0, 2, 3, 1)  # so that a beginning holds every channel
        self.total, self.steps, self.shape = self.total + array.size, self.steps + 1, array.shape
        if self._room > 0:
            part = array.reshape(-1)[: self._room].copy()
            self._parts.append(part)
            self._room -= part.size

    def entry(self) -> dict:
        """What the pack says of its size and order."""
        shape = [self.steps, *self.shape] if self.steps > 1 else list(self.shape)
        return {"shape": [int(n) for n in shape], "n_total": self.total,
                "layout": "channels last" if self._last and len(self.shape) == 4 else None}

    def array(self) -> np.ndarray:
        """What was kept, one-dimensional."""
        return np.concatenate(self._parts) if self._parts else np.zeros(0, np.uint8)


def profile(
    path: str | os.PathLike, files, out: str | os.PathLike, *, how: Preparation | None = None,
    values: int = VALUES, quantize: Recipe | None = None, activation_bits: int = 8,
    constants: dict[str, str] | None = None, carry: dict[str, str] | None = None, limit: int = 0,
    weights: bool = True, progress: Callable[[str, int], object] | None = None,
) -> dict:
    """Run a model on the inputs in ``files`` and write a tensor pack of its weights and activations; gives its info.

    Parameters
    ----------
    path : a ``.tflite`` or ``.onnx`` model. files : as :func:`golden.tensors.feeds.find_files` gives them.
    out : the pack. how : how files become inputs. values : kept of each activation of each input.
    quantize : recipe for a float ONNX model, ``activation_bits`` (2 to 8) for its activations.
    constants : network input -> numbers as text, such as "16000" or "1,0". carry : network input -> output that is
        its value in the next step. limit : inputs at most, 0 for all. weights : whether to store them too.
    progress : called with what is being done and the inputs done so far.

    Raises OSError, FormatError, MissingExtraError, ValueError for what does not fit together.
    """
    check_int("values", values, 1, 1 << 31)
    check_int("bits of activations", activation_bits, BITS[0], BITS[-1])
    tell = progress or (lambda *_: None)
    constants, carry, how = constants or {}, carry or {}, how or Preparation()

    def make_feeder(ports, outputs):
        return feeder(files, how, limit, ports, outputs, constants, carry)

    tell("loading", 0)
    with runner(path, quantize, activation_bits, make_feeder, tell) as model:
        if not model.captured:
            raise FormatError(f"{path}: computes no quantized activation; float ONNX models take --quantize")
        info = {**model.model.info, "model": Path(path).stem, "quantized_by": model.quantized_by,
                "preprocessing": how.text or "none", "inputs": []}
        with PackWriter(out, info) as pack:
            if weights:
                write_weights(pack, model.model)
            feeds = make_feeder(model.ports, model.outputs)
            for item, number, results in feeds.run(model.ports, model.run, model.reset):
                tell(item.name, number)
                write_activations(pack, model, results, number, values)
                info["inputs"].append(item.name)
            info["output_sqnr_db"] = model.sqnr()
            if not info["inputs"]:
                raise ValueError("there is no input")
        model.close()
    return info | {"tensors": len(pack.entries)}


def feeder(files, how, limit: int, ports, outputs, constants, carry) -> Feeder:
    """The feeder for a network with these inputs and outputs. Raises ValueError for names that it does not have."""
    for what, names, there in (
        ("--set", constants, ports), ("--carry", carry, ports), ("--carry", carry.values(), outputs)
    ):
        unknown = [name for name in names if name not in there]
        if unknown:
            raise ValueError(f"{what}: must name one of {sorted(there)}, not {unknown[0]!r}")
    free = [name for name in ports if name not in constants and name not in carry]
    if not free:
        raise ValueError("every input of the network is set or carried; none is left for the files")
    fixed = {name: number(text, ports[name]) for name, text in constants.items()}

    def inputs():
        for count, item in enumerate(read_inputs(files, ports, free[0], how)):
            if limit and count >= limit:
                return
            yield item

    return Feeder(inputs, fixed, carry)


def number(text: str, port: Port) -> np.ndarray:
    """Numbers as an input takes them; one number fills it. Raises ValueError for other text."""
    try:
        found = np.array([float(part) for part in text.split(",")])
        shape = [n or (found.size if len(port.shape) == 1 else 1) for n in port.shape]
        return port.convert(np.broadcast_to(found if found.size > 1 else found[0], shape))
    except ValueError:
        raise ValueError(f"--set: {port.name} must be a number, or {port.shape} of them, not {text!r}") from None


def write_weights(pack: PackWriter, model) -> None:
    """All weights of a model, whole, each with its entry."""
    for record, array in model:
        pack.add(array, {name: value for name, value in record.meta.items() if name != "key"})


def write_activations(pack: PackWriter, model, results: Iterable, number: int, values: int) -> None:
    """The activations of one input, their steps joined."""
    captures = [Capture(values, isinstance(model, OnnxRunner)) for _ in model.captured]
    for step in results:
        for capture, array in zip(captures, step, strict=True):
            capture.add(array)
    for capture, known in zip(captures, model.captured, strict=True):
        array = capture.array()
        if array.dtype.itemsize > 2 or not capture.total:
            continue
        bits = known["bits"] or array.dtype.itemsize * 8
        pack.add(array, {**known, **capture.entry(), "bits": bits, "input": number})
