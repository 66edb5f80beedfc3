"""Small model files of every kind, made on the fly by the libraries whose format they are."""

import io
import pickle
import zipfile
from collections import OrderedDict

import numpy as np


def tflite_file(buffers: list[bytes], graphs: list) -> bytes:
    """A TensorFlow Lite file; ``(tensors, operators, inputs, outputs)`` a subgraph. Buffer 0 is that of computed ones.

    tensors : (name, shape, type, buffer, scale, zero point), scale None without quantization. operators : (name,
    inputs, outputs, options) with options as (name in the schema, its fields), or None.
    """
    from ai_edge_litert import schema_py_generated as s
    from flatbuffers import Builder

    def tensor(name, shape, kind, buffer, scale, zero):
        t = s.TensorT()
        t.name, t.shape, t.type, t.buffer = name, np.array(shape, np.int32), getattr(s.TensorType, kind), buffer
        if scale is not None:
            t.quantization = s.QuantizationParametersT()
            t.quantization.scale, t.quantization.zeroPoint = np.float32([scale]), np.array([zero])
        return t

    def operator(name, inputs, outputs, options):
        op = s.OperatorT()
        op.opcodeIndex = names.index(name)
        op.inputs, op.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options:
            op.builtinOptionsType = getattr(s.BuiltinOptions, options[0])
            op.builtinOptions = getattr(s, f"{options[0]}T")()
            vars(op.builtinOptions).update(options[1])
        return op

    names = sorted({op[0] for _, ops, _, _ in graphs for op in ops})
    model = s.ModelT()
    model.version, model.buffers, model.subgraphs, model.operatorCodes = 3, [], [], []
    for content in [b"", *buffers]:
        model.buffers.append(s.BufferT())
        model.buffers[-1].data = np.frombuffer(content, np.uint8) if content else None
    for name in names:
        code = s.OperatorCodeT()
        code.builtinCode = getattr(s.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 4 if name == "FULLY_CONNECTED" else 1
        model.operatorCodes.append(code)
    for tensors, operators, inputs, outputs in graphs:
        graph = s.SubGraphT()
        graph.tensors, graph.operators = [tensor(*t) for t in tensors], [operator(*op) for op in operators]
        graph.inputs, graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        model.subgraphs.append(graph)
    builder = Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tflite_bytes(fc: np.ndarray, nibbles: np.ndarray, scale=0.5) -> bytes:
    """int8 [1, 4] -> FULLY_CONNECTED with ``fc`` (int8 [3, 4], scale 0.5, zero points 0) -> int8 [1, 3] -> RESHAPE
    -> LOGISTIC; besides, ``nibbles`` (4-bit codes, an even number, low first) as an INT4 tensor that nothing reads."""
    packed = (nibbles[0::2] & 15 | nibbles[1::2] << 4).astype(np.uint8)
    buffers = [fc.tobytes(), np.arange(3, dtype=np.int32).tobytes(), packed.tobytes(),
               np.array([3, 1], np.int32).tobytes()]
    tensors = [
        ("in", (1, 4), "INT8", 0, scale, 3), ("w", fc.shape, "INT8", 1, scale, 0),
        ("bias", (3,), "INT32", 2, scale * scale, 0), ("mid", (1, 3), "INT8", 0, 2.0, -4),
        ("shape", (2,), "INT32", 4, None, 0), ("flat", (3, 1), "INT8", 0, 2.0, -4),
        ("out", (3, 1), "INT8", 0, 1 / 256, -128), ("four", (nibbles.size,), "INT4", 3, 0.25, 0),
    ]
    operators = [("FULLY_CONNECTED", [0, 1, 2], [3], ("FullyConnectedOptions", {})), ("RESHAPE", [3, 4], [5], None),
                 ("LOGISTIC", [5], [6], None)]
    return tflite_file(buffers, [(tensors, operators, [0], [6])])


def tflite_chain(length: int) -> bytes:
    """int8 [1, 64] through ``length`` LOGISTICs, t0, t1, ...: each result is soon needed no more."""
    tensors = [("t0", (1, 64), "INT8", 0, 1 / 16, 0)]
    tensors += [(f"t{i + 1}", (1, 64), "INT8", 0, 1 / 256, -128) for i in range(length)]
    operators = [("LOGISTIC", [i], [i + 1], None) for i in range(length)]
    return tflite_file([], [(tensors, operators, [0], [length])])


def tflite_sums(start: np.ndarray) -> bytes:
    """int8 [1, 4]: running sums of the input, kept in a variable that begins as ``start``; all scales 1."""
    state = ("state", (1, 4), "INT8")
    tensors = [("in", (1, 4), "INT8", 0, 1.0, 0), ("handle", (), "RESOURCE", 0, None, 0), (*state, 0, 1.0, 0),
               ("sum", (1, 4), "INT8", 0, 1.0, 0)]
    variable = ("VarHandleOptions", {"container": "", "sharedName": "s"})
    operators = [
        ("CALL_ONCE", [], [], ("CallOnceOptions", {"initSubgraphIndex": 1})), ("VAR_HANDLE", [], [1], variable),
        ("READ_VARIABLE", [1], [2], ("ReadVariableOptions", {})), ("ADD", [0, 2], [3], ("AddOptions", {})),
        ("ASSIGN_VARIABLE", [1, 3], [], ("AssignVariableOptions", {})),
    ]
    first = [("handle", (), "RESOURCE", 0, None, 0), (*state, 1, 1.0, 0)]
    begin = [("VAR_HANDLE", [], [0], variable), ("ASSIGN_VARIABLE", [0, 1], [], ("AssignVariableOptions", {}))]
    return tflite_file([start.tobytes()], [(tensors, operators, [0], [3]), (first, begin, [], [])])


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
