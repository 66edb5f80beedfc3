"""Running a TensorFlow Lite model with all intermediate tensors kept, by ``ai-edge-litert`` in a process of its own."""

import os
from importlib.util import find_spec

import numpy as np

from ..errors import FormatError
from .base import damage, need
from .feeds import Port
from .tflite_model import SAME_VALUES, TfliteModel
from .tflite_worker import Worker

# Parts and copies of a tensor that is there already: nothing is computed, nothing new is written.
COPIES = SAME_VALUES | {"SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V", "UNPACK", "READ_VARIABLE", "VAR_HANDLE"}


class TfliteRunner:
    """A model ready to run. Delegates are left out: they fuse operators, and what is between is never seen.

    Members
    -------
    ports : the inputs by name, in order. outputs : names of the outputs. model : its weights.
    captured : entries of the activations that :meth:`run` gives, in order.
    """

    quantized_by = "the file: quantized as it came"

    def __init__(self, path: str | os.PathLike):
        self.model = TfliteModel(path)
        if not find_spec("ai_edge_litert"):
            need("ai_edge_litert.interpreter", "profile", "running a .tflite model")
        self._worker = Worker(path)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        details = self.reset()
        self._inputs, self._outputs = details["inputs"], details["outputs"]
        self.ports = {d["name"]: port(d) for d in self._inputs}
        self.outputs = [d["name"] for d in self._outputs]
        graph, known = self.model.graphs[0], set(details["known"])
        self._chosen = [
            at for at, entry in graph.items()
            if at in known and entry["bits"] and entry["scale"] and entry["op"] not in COPIES
        ]
        self.captured = [dict(graph[at], role=None, kind="activation") for at in self._chosen]
        for entry in self.captured:
            del entry["shape"]

    def reset(self) -> dict:
        """Put the states back to their start: all is made anew, the only way to reset its variables."""
        with damage(self.model.path, "the model"):
            return self._worker.ask("reset")

    def run(self, feeds: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
        """Run once: the outputs by name, and the captured activations. Raises FormatError if the model fails."""
        with damage(self.model.path, "running the model"):
            pairs = [(detail, feeds[detail["name"]]) for detail in self._inputs]
            for detail, array in pairs:
                if array.shape != tuple(detail["shape"]):
                    raise FormatError(f"input {detail['name']!r} must have shape {tuple(detail['shape'])}, "
                                      f"not {array.shape}")
            wanted = [d["index"] for d in self._outputs]
            found = self._worker.ask("run", [(d["index"], a) for d, a in pairs], wanted + self._chosen)
            return dict(zip(self.outputs, found, strict=False)), found[len(wanted) :]

    def sqnr(self) -> dict:
        """Nothing: the model came as it is."""
        return {}

    def close(self) -> None:
        """End the interpreter, close the model's file."""
        self._worker.close()
        self.model.close()


def port(detail: dict) -> Port:
    """An input as the interpreter describes it; its sizes are those of the file, -1 among them being 1."""
    scales = detail["quantization_parameters"]["scales"]
    zeros = detail["quantization_parameters"]["zero_points"]
    scale, zero = (float(scales[0]), int(zeros[0])) if len(scales) else (None, 0)
    shape = tuple(int(n) for n in detail["shape"])
    return Port(detail["name"], shape, np.dtype(detail["dtype"]), scale, zero)
