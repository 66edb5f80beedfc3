"""Weights of ONNX models: constants of QDQ graphs and of operators on integers; float ones by a recipe.

Read are constants of type int8, uint8, int16, uint16, int4, uint4, int2 and uint2 that DequantizeLinear (per tensor,
per channel or in blocks) or an operator on integers takes as data, MatMulNBits and GatherBlockQuantized of 2, 4 and
8 bits among them; float constants behind a QuantizeLinear, as training with quantization leaves them; and, with a
recipe, the float weights of the operators in ``graph.FLOAT_WEIGHTS``.
"""

import os

import numpy as np

from .base import Record, TensorFile, damage, unpack
from .graph import FLOAT_WEIGHTS, INTEGER_WEIGHTS, Graph, attribute, layer
from .onnx_file import FLOATS, INTEGERS, OnnxFile
from .recipe import Recipe, parts
from .role_names import name_roles
from .roles import graph_roles

MOST_SCALES = 4096  # listed in a record; blocks have more scales than anybody reads


class OnnxModel(TensorFile):
    """The quantized weights of an ``.onnx`` file; with ``quantize`` also its float weights, by that recipe.

    Data is read when a tensor is loaded: from the file, which is mapped, or its files of external data. ``graphs``
    are its graphs, outermost first; ``file`` is the :class:`OnnxFile`.
    """

    format = "ONNX"

    def __init__(self, path: str | os.PathLike, quantize: Recipe | None = None):
        super().__init__(path)
        self.file, self.recipe = OnnxFile(path), quantize
        # key -> TensorProto; bits it is packed to, or type that the graph quantizes it to, or None; axis of the scales
        self._sources: dict[str, tuple] = {}
        self._seen: set[int] = set()
        with damage(path):
            self.graphs = list(Graph(self.file.model.graph).all())
            for graph in self.graphs:
                self._roles, self._named = graph_roles(graph)[0], name_roles(graph.constants)
                for node in graph.nodes:
                    self._integers(graph, node)
                    if quantize:
                        self._floats(graph, node)
            for graph in self.graphs:
                self._rest(graph)

    def _integers(self, graph: Graph, node) -> None:
        """Records of the integer weights of one operator."""
        if node.op_type == "DequantizeLinear":
            users = graph.users(node.output[0])
            op, where = (users[0][0].op_type, layer(users[0][0])) if users else (node.op_type, layer(node))
            self._integer(graph, node, 0, (1, 2), op, where)
        if node.op_type == "QuantizeLinear":
            self._to_quantize(graph, node)
        for index, scaling in INTEGER_WEIGHTS.get(node.op_type, {}).items():
            self._integer(graph, node, index, scaling, node.op_type, layer(node))

    def _integer(self, graph: Graph, node, index: int, scaling, op: str, where: str) -> None:
        """The record of input ``index`` of a node, if that is a constant of integers not seen yet."""
        tensor = graph.constant(node.input[index]) if index < len(node.input) else None
        if tensor is None or tensor.data_type not in INTEGERS or id(tensor) in self._seen:
            return
        self._seen.add(id(tensor))
        bits, shape = INTEGERS[tensor.data_type], list(tensor.dims)
        if self.file.values(tensor) < 2:
            self.skip("single numbers", 1)
            return
        packed = attribute(node, "bits", 4) if node.op_type in ("MatMulNBits", "GatherBlockQuantized") else None
        if packed and tensor.data_type == 2 and packed != 8:
            if packed not in (2, 4):
                self.skip(f"{node.op_type} of {packed} bits (2, 4 and 8 are read)", self.file.values(tensor))
                return
            bits, shape = packed, [*shape[:-1], shape[-1] * 8 // packed]
        else:
            packed = None
        meta = self.scaling(graph, node, scaling)
        group = attribute(node, "block_size", 0)
        meta |= {"group": group} if group else {}
        role = self._roles.get(tensor.name) or self._named(tensor.name)
        record = self.add(tensor.name, bits, shape, op=op, layer=where, role=role, **meta)
        self._sources[record.key] = tensor, packed, None

    def _to_quantize(self, graph: Graph, node) -> None:
        """The record of a float constant that the graph itself quantizes."""
        tensor = graph.constant(node.input[0]) if node.input else None
        if tensor is None or tensor.data_type not in FLOATS or id(tensor) in self._seen:
            return
        zero = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        kind = zero.data_type if zero is not None else attribute(node, "output_dtype", 0) or 2
        meta = self.scaling(graph, node, (1, 2))
        if kind not in INTEGERS or meta["scale"] is None or attribute(node, "block_size", 0):
            return
        self._seen.add(id(tensor))
        users = graph.users(node.output[0])
        op, where = (users[0][0].op_type, layer(users[0][0])) if users else (node.op_type, layer(node))
        role = self._roles.get(tensor.name) or self._named(tensor.name)
        record = self.add(tensor.name, INTEGERS[kind], tensor.dims, op=op, layer=where, role=role, **meta)
        self._sources[record.key] = tensor, kind, meta["axis"]

    def scaling(self, graph: Graph, node, scaling) -> dict:
        """Scale, zero point and axis as a record has them; None for what is computed or too long to list."""
        found = []
        for index in scaling:
            name = node.input[index] if index is not None and index < len(node.input) else ""
            tensor = graph.constant(name) if name else None
            if tensor is None or self.file.values(tensor) > MOST_SCALES:
                found.append(None)
                continue
            values = self.file.load(tensor)
            found.append(np.asarray(values[...], np.float64).reshape(-1).tolist())
        scale, zero = found
        if scale is not None and zero is None:
            zero = [0] * len(scale)
        axis = attribute(node, "axis", 1) if scale and len(scale) > 1 else None
        return {"scale": scale, "zero_point": zero and [int(z) for z in zero], "axis": axis}

    def _floats(self, graph: Graph, node) -> None:
        """Records of the float weights of one operator, to be quantized."""
        for index, axis in FLOAT_WEIGHTS.get(node.op_type, {}).items():
            for name, swapped in graph.constants_behind(node.input[index]) if index < len(node.input) else ():
                self._float(graph, node, index, name, axis, swapped)

    def _float(self, graph: Graph, node, index: int, name: str, axis: int | None, swapped: bool) -> None:
        """The record of one float constant that an operator takes as input ``index``, if not seen yet."""
        tensor = graph.constant(name)
        if tensor.data_type not in FLOATS or id(tensor) in self._seen or len(tensor.dims) < 2:
            return
        self._seen.add(id(tensor))
        if self.file.values(tensor) == 0:
            self.skip("empty", 0)
            return
        if node.op_type == "Gemm" and attribute(node, "transA" if index == 0 else "transB", 0):
            swapped = not swapped
        axis = channel_axis(axis, len(tensor.dims), swapped) if self.recipe.per_channel else None
        role = self._roles.get(name) or self._named(name)
        record = self.add(name, self.recipe.bits, tensor.dims, op=node.op_type, layer=layer(node), role=role, axis=axis,
                          quantized=str(self.recipe))
        self._sources[record.key] = tensor, None, axis

    def _rest(self, graph: Graph) -> None:
        """Count what is not read, by reason."""
        for tensor in graph.constants.values():
            if id(tensor) in self._seen:
                continue
            values, kind = self.file.values(tensor), tensor.data_type
            if kind in FLOATS:
                what = "one-dimensional or not a weight" if self.recipe else "needs --quantize"
                self.skip(f"floating point ({what})", values)
            elif kind in INTEGERS:
                self.skip("scales' zero points and other integers that no operator takes as quantized data", values)
            else:
                self.skip("int32 and wider: biases, shapes, indices", values)

    def source(self, record: Record) -> tuple:
        """The TensorProto of a record, and the axis it is quantized along."""
        tensor, _, axis = self._sources[record.key]
        return tensor, axis

    def load(self, record: Record) -> np.ndarray:
        tensor, packed, axis = self._sources[record.key]
        array = self.file.load(tensor)
        with damage(self.path, f"tensor {record.name!r}"):
            if packed and tensor.data_type not in FLOATS:
                shape = record.meta["shape"]
                return unpack(array.reshape(-1), packed, record.meta["n_total"], signed=False).reshape(shape)
            if tensor.data_type not in FLOATS:
                return array
            if packed:
                return quantize_linear(array, record, packed, axis)
            codes, scale, zero = self.recipe.quantize(array, axis)
            record.meta.update(scale=scale.tolist(), zero_point=zero.tolist())
            return codes


def quantize_linear(array, record: Record, kind: int, axis: int | None) -> np.ndarray:
    """What QuantizeLinear makes of a float constant, of the type ``kind``."""
    unsigned = kind in (2, 4, 21, 25)
    dtype = np.dtype(f"{'u' if unsigned else ''}int{max(8, record.bits)}")
    low, high = (0, 2**record.bits - 1) if unsigned else (-(2 ** (record.bits - 1)), 2 ** (record.bits - 1) - 1)
    along = [1] * len(array.shape)
    along[axis or 0] = -1
    scale, zero = (np.reshape(record.meta[name], along) for name in ("scale", "zero_point"))
    codes = np.empty(array.shape, dtype)
    for rows in parts(array.shape):
        here = rows if axis == 0 else slice(None)
        codes[rows] = np.clip(np.rint(np.asarray(array[rows], np.float32) / scale[here]) + zero[here], low, high)
    return codes


def channel_axis(axis: int | None, dimensions: int, swapped: bool) -> int | None:
    """The axis of the output channels in the constant, which the operator may see transposed."""
    if axis is None:
        return None
    axis %= dimensions
    return dimensions * 2 - 3 - axis if swapped and axis >= dimensions - 2 else axis
