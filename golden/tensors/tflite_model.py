"""Weights of TensorFlow Lite models: ``.tflite`` files, FlatBuffers of the schema that the package ``tflite`` holds.

Read are constant tensors of type INT8, UINT8, INT16, UINT16, and INT4, UINT4, INT2, packed several to a byte, that
carry quantization parameters or belong to an operator; not read are INT32 and INT64 (biases, shapes), floats, and
sparse tensors, whose values come with an index.
"""

import mmap
import os

import numpy as np

from ..errors import FormatError
from ..files import open_regular
from .base import Record, TensorFile, check_size, damage, forget, need, unpack

MAGIC = b"TFL3"  # at byte 4
MAX_ENTRIES = 1 << 20  # of a list: the largest models have some ten thousand tensors
TYPES = {3: np.uint8, 7: np.int16, 9: np.int8, 16: np.uint16}  # TensorType of the schema
PACKED = {17: (4, True), 19: (2, True), 20: (4, False)}  # INT4, INT2, UINT4: bits, signed
BIASES = {2: "int32", 4: "int64", 12: "uint64", 15: "uint32"}
SAME_VALUES = {"RESHAPE", "EXPAND_DIMS", "SQUEEZE", "BITCAST"}  # their result is their input, nothing moves
ROLES = {"EMBEDDING_LOOKUP": "embedding", "GATHER": "embedding"}


class TfliteModel(TensorFile):
    """The quantized weights of a ``.tflite`` file; the file is mapped, not loaded."""

    format = "TensorFlow Lite"

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        self._schema = need("tflite", "tflite", "a .tflite file")
        with open_regular(path) as file:
            if file.read(8)[4:] != MAGIC:
                raise FormatError(f"{path}: not a .tflite file (its bytes 4..7 must be {MAGIC.decode()})")
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with damage(path):
            self._model = self._schema.Model.GetRootAs(self._data, 0)
            self._sources: dict[str, int] = {}
            self.graphs = [self._graph(i) for i in range(self._count(self._model.SubgraphsLength()))]

    def _count(self, claimed: int) -> int:
        """A vector's length; each element takes four bytes of the file at least."""
        if claimed > min(MAX_ENTRIES, len(self._data) // 4):
            raise FormatError(f"a list claims {claimed:,} entries, more than the file can hold or any model has")
        return claimed

    def _operators(self, graph) -> list[tuple[str, list[int], list[int]]]:
        """Name, inputs and outputs (indices of tensors, -1 for an absent one) of each operator."""
        names = {n: name for name, n in vars(self._schema.BuiltinOperator).items() if not name.startswith("_")}
        found = []
        for i in range(self._count(graph.OperatorsLength())):
            op = graph.Operators(i)
            code = self._model.OperatorCodes(op.OpcodeIndex())
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # old files have only the latter
            name = names.get(number, str(number))
            custom = code.CustomCode() if name == "CUSTOM" else None
            ins, outs = (np.atleast_1d(v).tolist() for v in (op.InputsAsNumpy(), op.OutputsAsNumpy()))
            found.append((custom.decode(errors="replace") if custom else name, ins, outs))
        return found

    def _graph(self, index: int) -> dict[int, dict]:
        """Adds the records of a subgraph's weights; gives what is known of its other tensors, by their index."""
        graph = self._model.Subgraphs(index)
        reader, producer = {}, {}
        for at, (op, inputs, outputs) in enumerate(self._operators(graph)):
            for tensor in inputs:
                reader.setdefault(tensor, (op, f"{at}:{op}"))
            for tensor in outputs:
                producer[tensor] = (op, f"{at}:{op}")
        computed = {}
        for at in range(self._count(graph.TensorsLength())):
            tensor = graph.Tensors(at)
            name = (tensor.Name() or b"").decode(errors="replace") or f"tensor {at}"
            entry = self._describe(tensor)
            if not self._length(tensor):
                op, layer = producer.get(at, ("INPUT", "input"))
                computed[at] = entry | {"name": name, "op": op, "layer": layer}
                continue
            op, layer = reader.get(at, (None, None))
            self._constant(tensor, name, entry | {"op": op, "layer": layer})
        return computed

    def _describe(self, tensor) -> dict:
        """Shape, bits (None for what is no integer of the codec's), scale, zero point and axis of a tensor."""
        kind = tensor.Type()
        bits = np.dtype(TYPES[kind]).itemsize * 8 if kind in TYPES else PACKED.get(kind, (None,))[0]
        shape = [] if tensor.ShapeLength() == 0 else tensor.ShapeAsNumpy().tolist()
        entry = {"bits": bits, "shape": shape, "scale": None, "zero_point": None, "axis": None}
        quantization = tensor.Quantization()
        if quantization is not None and quantization.ScaleLength():
            entry["scale"] = np.atleast_1d(quantization.ScaleAsNumpy()).tolist()
            zero = np.atleast_1d(quantization.ZeroPointAsNumpy()) if quantization.ZeroPointLength() else [0]
            entry["zero_point"] = [int(z) for z in zero]
            entry["axis"] = quantization.QuantizedDimension() if len(entry["scale"]) > 1 else None
        return entry

    def _constant(self, tensor, name: str, entry: dict) -> None:
        """The record of one tensor that has its values in the file, or the reason for leaving it out."""
        kind, shape, bits = tensor.Type(), entry.pop("shape"), entry.pop("bits")
        values = check_size(f"tensor {name!r}", shape, bits or 32)
        if kind in BIASES:
            self.skip(f"{BIASES[kind]}: biases and shapes", values)
        elif bits is None:
            self.skip("not quantized (floating point or another type)", values)
        elif tensor.Sparsity() is not None:
            self.skip("sparse: values with an index", values)
        elif entry["op"] == "ASSIGN_VARIABLE":
            self.skip("initial states", values)
        elif values < 2 and entry["scale"] is None:
            self.skip("single numbers", values)
        else:
            record = self.add(name, bits, shape, role=ROLES.get(entry["op"]), **entry)
            self._sources[record.key] = kind, tensor

    def _buffer(self, tensor):
        index = tensor.Buffer()
        if not 0 <= index < self._count(self._model.BuffersLength()):
            raise FormatError(f"a tensor has buffer {index}, the file has {self._model.BuffersLength()}")
        return self._model.Buffers(index)

    def _length(self, tensor) -> int:
        """Bytes of a tensor's values in the file: 0 for one that is computed."""
        buffer = self._buffer(tensor)
        return buffer.Size() if buffer.Offset() > 1 else buffer.DataLength()  # beyond 2 GB they lie behind the rest

    def load(self, record: Record) -> np.ndarray:
        forget(self._data)  # of the tensors before
        with damage(self.path, f"tensor {record.name!r}"):
            kind, tensor = self._sources[record.key]
            buffer, shape = self._buffer(tensor), record.meta["shape"]
            if buffer.Offset() > 1:
                data = np.frombuffer(self._data, np.uint8, buffer.Size(), buffer.Offset())
            else:
                data = np.atleast_1d(buffer.DataAsNumpy())
            if kind in PACKED:
                bits, signed = PACKED[kind]
                return unpack(data, bits, record.meta["n_total"], signed).reshape(shape)
            return data.view(np.dtype(TYPES[kind]).newbyteorder("<")).reshape(shape)
