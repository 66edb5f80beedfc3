"""ONNX files, their tensors left on disk: the graph is parsed, the raw data of a tensor is read when asked for."""

import mmap
import os
from pathlib import Path

import numpy as np

from ..errors import FormatError
from ..files import open_regular
from .base import check_size, damage, forget, need, unpack
from .protobuf import Outline, text_field, varint
from .recipe import BFloat16

# Where tensors are: field numbers of onnx.proto's ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto.
TENSOR = {9: Outline.BLOB}
ATTRIBUTE: dict = {5: TENSOR, 10: TENSOR}
NODE = {5: ATTRIBUTE}
GRAPH = {1: NODE, 5: TENSOR}
ATTRIBUTE |= {6: GRAPH, 11: GRAPH}
MODEL = {7: GRAPH, 25: {7: NODE}}
HERE = "apack:this-file"  # location of external data that means the model file itself

# TensorProto.DataType: numpy type of an item, bits of a value. Packed ones have several values in a byte.
PLAIN = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
    10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64,
}
BFLOAT16 = 16
PACKED = {21: (4, False), 22: (4, True), 25: (2, False), 26: (2, True)}
INTEGERS = {2: 8, 3: 8, 4: 16, 5: 16} | {kind: bits for kind, (bits, _) in PACKED.items()}
FLOATS = {1, 10, 11, BFLOAT16}


class OnnxFile:
    """An ``.onnx`` file: ``model`` is its ModelProto with the large tensors' data left out.

    Raises OSError, FormatError, MissingExtraError (the package ``onnx``).
    """

    def __init__(self, path: str | os.PathLike):
        self.path = path
        onnx = need("onnx", "onnx", "an .onnx file")
        with open_regular(path) as file:
            if not file.read(1):
                raise FormatError(f"{path}: the file is empty")
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._maps = {HERE: self._data}
        with damage(path):
            self.model = onnx.ModelProto.FromString(Outline(self._data, MODEL, self._elsewhere).bytes)
            if not self.model.graph.node and not self.model.graph.initializer:
                raise FormatError("not an ONNX model: it has no graph")

    @staticmethod
    def _elsewhere(start: int, length: int) -> bytes:
        """The fields external_data (13) and data_location (14) that stand for raw data in this file."""
        entries = {"location": HERE, "offset": start, "length": length}
        text = b"".join(
            text_field(13, text_field(1, k.encode()) + text_field(2, str(v).encode())) for k, v in entries.items()
        )
        return text + varint(14 << 3) + varint(1)

    def values(self, tensor) -> int:
        """Number of values of a TensorProto, checked against what can be."""
        return check_size(f"tensor {tensor.name!r}", tensor.dims, INTEGERS.get(tensor.data_type, 8))

    def _raw(self, tensor) -> np.ndarray | None:
        """The bytes of a tensor, uint8, without reading them; None if they are in a typed field."""
        if tensor.data_location != 1:
            return np.frombuffer(tensor.raw_data, np.uint8) if tensor.HasField("raw_data") else None
        entries = {entry.key: entry.value for entry in tensor.external_data}
        data = self._map(entries.get("location", ""))
        start = int(entries.get("offset", 0))
        length = int(entries.get("length", len(data) - start))
        if not 0 <= start <= start + length <= len(data):
            raise FormatError(f"data of tensor {tensor.name!r} is said to be at {start:,}, {length:,} bytes; "
                              f"the file has {len(data):,}")
        return np.frombuffer(data, np.uint8, length, start)

    def _map(self, location: str):
        """A file of external data, mapped. It must be beside the model or below, as the ONNX specification says."""
        if location not in self._maps:
            folder = Path(self.path).resolve().parent
            target = (folder / location).resolve()
            if not location or not target.is_relative_to(folder) or not target.is_file():
                raise FormatError(f"external data must be in a file below the model's folder, not {location!r}")
            with open_regular(target) as file:
                self._maps[location] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[location]

    def load(self, tensor):
        """A tensor's values in its shape: integers, floats, or rows of :class:`golden.tensors.recipe.BFloat16`.

        Packed values are unpacked to a byte each; others are views of the file. Raises FormatError.
        """
        forget(*self._maps.values())  # of the tensors before
        with damage(self.path, f"tensor {tensor.name!r}"):
            values, kind, shape = self.values(tensor), tensor.data_type, tuple(tensor.dims)
            raw = self._raw(tensor)
            if raw is None:
                return self._typed(tensor, values).reshape(shape)
            if kind in PACKED:
                bits, signed = PACKED[kind]
                return unpack(raw, bits, values, signed).reshape(shape)
            dtype = np.dtype(np.uint16 if kind == BFLOAT16 else PLAIN[kind]).newbyteorder("<")
            if raw.size != values * dtype.itemsize:
                raise FormatError(f"shape {shape} takes {values * dtype.itemsize:,} bytes, there are {raw.size:,}")
            array = raw.view(dtype).reshape(shape) if raw.size else np.zeros(shape, dtype)
            return BFloat16(array) if kind == BFLOAT16 else array

    @staticmethod
    def _typed(tensor, values: int) -> np.ndarray:
        """Values that are stored as numbers of a wider type."""
        from onnx import numpy_helper

        if tensor.data_type not in PACKED:
            return np.asarray(numpy_helper.to_array(tensor))
        bits, signed = PACKED[tensor.data_type]
        return unpack(np.array(tensor.int32_data, np.int64).astype(np.uint8), bits, values, signed)
