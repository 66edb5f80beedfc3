"""Weights in ``.safetensors`` files, read by the library of that name, slice by slice."""

import math
import os
from functools import partial

from ..files import open_regular
from .base import damage, need
from .named import NamedTensors
from .recipe import Recipe

DTYPES = {
    "I8": "int8", "U8": "uint8", "I16": "int16", "U16": "uint16", "I32": "int32", "F16": "float16",
    "BF16": "bfloat16", "F32": "float32", "F64": "float64",
}
REOPEN = 1 << 26  # bytes read of a file, which the library maps: what was read stays in memory until it is closed


class SafetensorsModel(NamedTensors):
    """The integer tensors of a ``.safetensors`` file; with ``quantize`` also its float weights, by that recipe."""

    format = "safetensors"

    def __init__(self, path: str | os.PathLike, quantize: Recipe | None = None):
        super().__init__(path, quantize)
        library = need("safetensors", "safetensors", "a .safetensors file")
        need("ml_dtypes", "safetensors", "a .safetensors file")  # gives numpy the type bfloat16
        open_regular(path).close()  # a missing file in the words of the system
        with damage(path):
            self._open = partial(library.safe_open, path, framework="numpy")
            self._file, self._read = self._open(), 0
            slices = {name: self._file.get_slice(name) for name in self._file.offset_keys()}
            self.sort({
                name: (DTYPES.get(part.get_dtype(), part.get_dtype()), tuple(part.get_shape()))
                for name, part in slices.items()
            })

    def rows(self, name: str):
        if self._read > REOPEN:
            self._file, self._read = self._open(), 0
        rows = Rows(self._file.get_slice(name))
        self._read += 4 * math.prod(rows.shape)
        return rows


class Rows:
    """A tensor of the file: its shape, and rows by slices of the first axis."""

    def __init__(self, part):
        self._part, self.shape = part, tuple(part.get_shape())

    def __getitem__(self, rows):
        return self._part[rows]
