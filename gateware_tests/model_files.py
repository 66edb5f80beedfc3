"""Small model files of every kind, made on the fly by the libraries whose format they are."""

import io
import pickle
import zipfile
from collections import OrderedDict

import numpy as np


def tflite_bytes(fc: np.ndarray, nibbles: np.ndarray, scale=0.5) -> bytes:
    """int8 [1, 4] -> FULLY_CONNECTED with ``fc`` (int8 [3, 4], scale 0.5, zero points 0) -> int8 [1, 3] -> RESHAPE
    -> LOGISTIC; besides, ``nibbles`` (4-bit codes, an even number, low first) as an INT4 tensor that it reads too."""
    from ai_edge_litert import schema_py_generated as s
    from flatbuffers import Builder

    def quantization(scale, zero, axis=0):
        q = s.QuantizationParametersT()
        q.scale, q.zeroPoint, q.quantizedDimension = np.float32(np.atleast_1d(scale)), np.atleast_1d(zero), axis
        return q

    def tensor(name, shape, kind, buffer, scale=1.0, zero=0):
        t = s.TensorT()
        t.name, t.shape, t.type, t.buffer = name, np.array(shape, np.int32), kind, buffer
        t.quantization = quantization(scale, zero)
        return t

    def operator(code, inputs, outputs):
        op = s.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = code, np.array(inputs, np.int32), np.array(outputs, np.int32)
        return op

    def opcode(number):
        c = s.OperatorCodeT()
        c.builtinCode = c.deprecatedBuiltinCode = number
        c.version = 4 if number == s.BuiltinOperator.FULLY_CONNECTED else 1
        return c

    kinds = s.TensorType
    packed = (nibbles[0::2] & 15 | nibbles[1::2] << 4).astype(np.uint8)
    data = [b"", fc.tobytes(), np.arange(3, dtype=np.int32).tobytes(), packed.tobytes(),
            np.array([3, 1], np.int32).tobytes()]
    model, graph = s.ModelT(), s.SubGraphT()
    model.version, model.description = 3, "test"
    model.buffers = []
    for content in data:
        buffer = s.BufferT()
        buffer.data = np.frombuffer(content, np.uint8) if content else None
        model.buffers.append(buffer)
    graph.tensors = [
        tensor("in", (1, 4), kinds.INT8, 0, scale, 3), tensor("w", fc.shape, kinds.INT8, 1, scale),
        tensor("bias", (3,), kinds.INT32, 2, scale * scale), tensor("mid", (1, 3), kinds.INT8, 0, 2.0, -4),
        tensor("shape", (2,), kinds.INT32, 4), tensor("flat", (3, 1), kinds.INT8, 0, 2.0, -4),
        tensor("out", (3, 1), kinds.INT8, 0, 1 / 256, -128), tensor("four", (nibbles.size,), kinds.INT4, 3, 0.25),
    ]
    names = s.BuiltinOperator
    model.operatorCodes = [opcode(n) for n in (names.FULLY_CONNECTED, names.RESHAPE, names.LOGISTIC)]
    graph.operators = [operator(0, [0, 1, 2], [3]), operator(1, [3, 4], [5]), operator(2, [5], [6])]
    graph.operators[0].builtinOptionsType = s.BuiltinOptions.FullyConnectedOptions
    graph.operators[0].builtinOptions = s.FullyConnectedOptionsT()
    graph.inputs, graph.outputs, graph.name = np.array([0], np.int32), np.array([6], np.int32), "main"
    model.subgraphs = [graph]
    builder = Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def onnx_model(nodes, inputs, outputs, constants, opset=21):
    """An ONNX model; inputs and outputs as (name, TensorProto type, shape), constants as name -> array or tensor."""
    from onnx import TensorProto, helper, numpy_helper

    def info(name, kind, shape):
        return helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape)

    tensors = []
    for name, value in constants.items():
        tensors.append(numpy_helper.from_array(value, name) if isinstance(value, np.ndarray) else value)
    graph = helper.make_graph(nodes, "g", [info(*i) for i in inputs], [info(*o) for o in outputs], tensors)
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=10)


def torch_bytes(state, arrays: dict[str, np.ndarray], extra: dict[str, bytes] | None = None) -> bytes:
    """A PyTorch file without PyTorch: ``state`` pickled, with :class:`Storage` objects for the arrays by key."""
    file = io.BytesIO()
    pickler = TorchPickler(file, protocol=2)
    pickler.dump(state)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", file.getvalue())
        for key, array in arrays.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return out.getvalue()


class Global:
    """Pickles as the name of something in a module that need not exist."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name


class Storage:
    """Pickles as PyTorch's reference to a storage."""

    def __init__(self, kind: str, key: str, values: int):
        self.kind, self.key, self.values = kind, key, values


class Call:
    """Pickles as the call of a global with arguments."""

    def __init__(self, function: Global, *arguments):
        self.function, self.arguments = function, arguments


class TorchPickler(pickle._Pickler):
    """Writes those three, as PyTorch's own pickler does for its tensors."""

    def persistent_id(self, value):
        if isinstance(value, Storage):
            return ("storage", Global("torch", value.kind), value.key, "cpu", value.values)
        return None

    def save(self, value, *args, **options):
        if isinstance(value, Global):
            self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())
        elif isinstance(value, Call):
            self.save(value.function)
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, *args, **options)


def torch_tensor(kind: str, key: str, values: int, shape, stride, offset=0):
    """A tensor as PyTorch pickles it."""
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, Storage(kind, key, values), offset, tuple(shape), tuple(stride), False, OrderedDict())
