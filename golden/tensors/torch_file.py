"""Weights in PyTorch files (``torch.save``, TorchScript), read without PyTorch and without running anything of theirs.

Such a file is a zip archive: ``data.pkl``, a pickle that says which tensors there are, and ``data/N``, their bytes.
A pickle can call whatever it names. Here a name stands for one of a few inert constructors or it is refused, so a
file can at most describe tensors, containers and numbers.
"""

import io
import math
import os
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from ..errors import FormatError
from ..files import open_regular
from .base import check_member, check_size, damage
from .named import NamedTensors
from .recipe import BFloat16, Recipe

MAX_PICKLE = 1 << 26  # bytes; it holds names and shapes only
STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "CharStorage": "int8", "ByteStorage": "uint8", "ShortStorage": "int16", "IntStorage": "int32",
    "LongStorage": "int64", "BoolStorage": "bool", "QInt8Storage": "int8", "QUInt8Storage": "uint8",
    "QInt32Storage": "int32", "UntypedStorage": "uint8",
}
ALLOWED = "tensors, parameters, storages, OrderedDict, numbers, strings and plain containers"


@dataclass(frozen=True)
class Tensor:
    """Where a tensor's values are: a member of the archive, its type, and the place in it, counted in values."""

    member: str
    dtype: str
    stored: int
    offset: int
    shape: tuple
    stride: tuple
    scale: tuple = ()


class Inert:
    """Stands for an object of a class that is not there: keeps its attributes, does nothing."""

    def __init__(self, *_):
        self.state = {}

    def __setstate__(self, state):
        self.state = state


def rebuild(storage, offset, size, stride, *_) -> Tensor:
    """What ``torch._utils._rebuild_tensor_v2`` is told."""
    return Tensor(*storage, offset, tuple(size), tuple(stride))


def rebuild_quantized(storage, offset, size, stride, quantizer, *_) -> Tensor:
    """What ``torch._utils._rebuild_qtensor`` is told; ``quantizer`` is (scheme, scale, zero point) if per tensor."""
    scale = tuple(quantizer[1:3]) if len(quantizer) == 3 else ()
    return Tensor(*storage, offset, tuple(size), tuple(stride), scale)


CONSTRUCTORS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild,
    ("torch._utils", "_rebuild_tensor"): rebuild,
    ("torch._utils", "_rebuild_qtensor"): rebuild_quantized,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    **{("torch.jit._pickle", f"build_{kind}list"): list for kind in ("int", "double", "bool", "tensor")},
    ("torch", "Size"): tuple,
    ("torch", "device"): lambda *_: None,
}
NAMES = {"per_tensor_affine", "per_channel_affine", "strided"} | {  # of the module torch: constants
    "float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64", "bool", "qint8", "quint8"
}


class Description(pickle._Unpickler):
    """Reads ``data.pkl``. Python's own form of the unpickler: a file cannot make its table of references huge."""

    def __init__(self, data: bytes, folder: str):
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self._folder = folder

    dispatch = dict(pickle._Unpickler.dispatch)

    def load_build(self):
        """Gives an object its attributes; nothing but the two kinds of object that may have some."""
        if type(self.stack[-2]) not in (OrderedDict, Inert):
            raise FormatError("it sets attributes of what has none")
        super().load_build()

    dispatch[pickle.BUILD[0]] = load_build

    def find_class(self, module: str, name: str):
        if (module, name) in CONSTRUCTORS:
            return CONSTRUCTORS[module, name]
        if module in ("torch", "torch.storage") and name in STORAGES:
            return STORAGES[name]
        if module == "torch" and name in NAMES:
            return name
        if module.startswith("__torch__"):  # the file's own classes, which TorchScript defines beside the pickle
            return Inert
        raise FormatError(f"it names {module}.{name}, which is not run here; allowed are {ALLOWED}: "
                          "save model.state_dict() instead")

    def persistent_load(self, what):
        """A storage: member, dtype, number of values."""
        kind, dtype, key, _, values = what
        if kind != "storage" or dtype not in STORAGES.values():
            raise FormatError(f"it refers to {str(what)[:60]!r}, which is no storage of a known type")
        return f"{self._folder}data/{key}", dtype, int(values)


class TorchModel(NamedTensors):
    """The integer tensors of a PyTorch file; with ``quantize`` also its float weights, by that recipe."""

    format = "PyTorch"

    def __init__(self, path: str | os.PathLike, quantize: Recipe | None = None):
        super().__init__(path, quantize)
        with open_regular(path) as file:
            if not zipfile.is_zipfile(file):
                raise FormatError(f"{path}: not a PyTorch file of version 1.6 or later (a zip archive); older ones "
                                  "are pickles, which are not read because they can run code")
        with damage(path):
            self._archive = zipfile.ZipFile(path)
            found = [name for name in self._archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
            if len(found) != 1:
                raise FormatError(f"not a PyTorch file: must hold one data.pkl, not {len(found)}")
            info = check_member(self._archive, found[0])
            if info.file_size > MAX_PICKLE:
                raise FormatError(f"data.pkl has {info.file_size:,} bytes; at most {MAX_PICKLE:,} are read")
            content = Description(self._archive.read(found[0]), found[0].removesuffix("data.pkl")).load()
            self._tensors = dict(flatten(content))
            self._check()
            self._sort()
        for record in self.records:
            if scale := self._tensors[record.name].scale:
                record.meta.update(scale=[float(scale[0])], zero_point=[int(scale[1])])

    def close(self) -> None:
        self._archive.close()

    def _check(self) -> None:
        """Every tensor must lie in its member, and that in the archive."""
        for name, t in self._tensors.items():
            natural = all(type(n) is int and n >= 0 for n in (t.offset, *t.shape, *t.stride))
            if not natural or len(t.shape) != len(t.stride):
                raise FormatError(f"tensor {name!r} must have shape, strides and offset of natural numbers")
            values = check_size(f"tensor {name!r}", t.shape, 8 * item(t.dtype))
            if values and max(t.offset + span(t) - 1, values - 1) >= t.stored:
                raise FormatError(f"tensor {name!r} must lie within its storage of {t.stored:,} values")

    def _sort(self) -> None:
        """Make the records; a tensor under two names, as tied weights are, counts once."""
        places: dict[Tensor, str] = {}
        for name, t in self._tensors.items():
            if places.setdefault(t, name) != name:
                self.skip("another name of a tensor", math.prod(t.shape))
        self.sort({name: (t.dtype, t.shape) for t, name in places.items()})

    def rows(self, name: str):
        t = self._tensors[name]
        info = check_member(self._archive, t.member)
        if info.file_size < t.stored * item(t.dtype):
            raise FormatError(f"{t.member} has {info.file_size:,} bytes, {t.stored:,} values take more")
        with self._archive.open(t.member) as file:
            file.seek(t.offset * item(t.dtype))
            data = file.read(span(t) * item(t.dtype))
        dtype = np.dtype("uint16" if t.dtype == "bfloat16" else t.dtype).newbyteorder("<")
        flat = np.frombuffer(data, dtype)
        if flat.size != span(t):
            raise FormatError(f"{t.member} ends after {flat.size:,} of {span(t):,} values")
        strides = [s * dtype.itemsize for s in t.stride]
        array = np.lib.stride_tricks.as_strided(flat, t.shape, strides, writeable=False)
        return BFloat16(array) if t.dtype == "bfloat16" else array


def span(t: Tensor) -> int:
    """Values from the first to the last of a tensor, with what lies between."""
    return 1 + sum((n - 1) * s for n, s in zip(t.shape, t.stride, strict=True)) if math.prod(t.shape) else 0


def item(dtype: str) -> int:
    """Bytes of a value."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def flatten(content, prefix: str = "", seen: set[int] | None = None):
    """Yield (name, Tensor) of everything in nested containers, names joined by dots; each container once."""
    seen = set() if seen is None else seen
    if isinstance(content, Tensor):
        yield prefix or "tensor", content
    content = content.state if isinstance(content, Inert) else content
    if id(content) in seen or not isinstance(content, dict | list | tuple):
        return
    seen.add(id(content))  # containers may contain themselves, or one another many times over
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield from flatten(value, f"{prefix}.{key}" if prefix else str(key), seen)
