"""Tensor packs: the quantized tensors of one model in an ``.npz`` file, read one at a time.

A pack's array ``meta`` (uint8) holds UTF-8 JSON: an object whose list ``tensors`` has one entry for each array,
naming it (``key``) and saying what it is. An ``.npz`` without ``meta`` will do too: all its arrays of integers are
tensors, with a recipe also those of floats that :func:`golden.tensors.named.is_weight` takes for weights.
"""

import json
import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ..errors import FormatError
from ..files import open_regular
from .base import Record, TensorFile, check_member, damage
from .named import is_weight
from .recipe import Recipe
from .role_names import pack_roles

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def _natural(value) -> bool:
    return type(value) is int and value >= 0


def _text(value) -> bool:
    return isinstance(value, str)


# What the fields of a tensor must be where they are there: name, in words, as a test.
FIELDS = (
    *((name, "text", _text) for name in ("name", "kind", "op", "layer", "role", "layout", "quantized")),
    *((name, "a natural number", _natural) for name in ("n_total", "n_stored", "input", "group")),
    ("shape", "a list of natural numbers", lambda value: isinstance(value, list) and all(map(_natural, value))),
    *((name, "a list", lambda value: isinstance(value, list)) for name in ("scale", "zero_point")),
)
MAX_HEADER = 10_000  # bytes, numpy's own limit
CHANNELS = 0  # the axis of output channels in arrays that nothing is known about


class Arrays(TensorFile):
    """Base of the readers of numpy's files, with ``quantize`` for arrays of floats that nothing is known about."""

    format = "NumPy"

    def __init__(self, path: str | os.PathLike, quantize: Recipe | None = None):
        super().__init__(path)
        self._recipe, self._floats = quantize, set()

    def consider(self, key: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        """Make a record of an array that nothing is known about, or count it with the reason why not."""
        entry = {"key": key, "shape": list(shape)}
        if dtype.kind in "iu":
            self.records.append(Record(key, key, "tensor", None, entry))
        elif dtype.kind != "f":
            self.skip("neither integers nor floating point", math.prod(shape))
        elif self._recipe is None:
            self.skip("floating point (needs --quantize)", math.prod(shape))
        elif not is_weight(key, shape):
            self.skip("floating point of one dimension, or of a normalization", math.prod(shape))
        else:
            entry |= {"bits": self._recipe.bits, "quantized": str(self._recipe)}
            self.records.append(Record(key, key, "tensor", self._recipe.bits, entry))
            self._floats.add(key)

    def _codes(self, key: str, array: np.ndarray) -> np.ndarray:
        """The array, its floats quantized."""
        return self._recipe.quantize(array, CHANNELS)[0] if key in self._floats else array


class Pack(Arrays):
    """A tensor pack, open for reading; iterating yields ``(record, array)``, loading one array at a time.

    Members
    -------
    records : a :class:`Record` for each tensor, in the pack's order.
    info : what the pack says about the model, a dict; without ``meta`` what was skipped, or nothing.

    Use as a context manager, or ``close()``. Raises OSError if the file cannot be read, FormatError if it
    is not an ``.npz`` file, its description is broken, or an array is missing, damaged or not plain.
    """

    def __init__(self, path: str | os.PathLike, quantize: Recipe | None = None):
        super().__init__(path, quantize)
        self._file = open_regular(path)  # ours: numpy leaves its own open when the archive turns out to be broken
        try:
            if not zipfile.is_zipfile(self._file):
                raise FormatError(f"{path}: not an .npz file")
            self._file.seek(0)
            with damage(path):
                self._arrays = np.load(self._file, allow_pickle=False)
            self._info = {}
            if "meta" in self._arrays.files:
                description = self._description()
                self.records = [self._record(entry) for entry in description["tensors"]]
                self._info = description.get("info", {})
            else:
                for key in self._arrays.files:
                    self._undescribed(key)
            self._add_roles()
        except BaseException:
            self.close()
            raise

    def _add_roles(self) -> None:
        """Tell roles where the pack says nothing about any: it may be of a writer that knows none."""
        entries = [record.meta for record in self.records]
        if not any(entry.get("role") for entry in entries):
            for entry, role in zip(entries, pack_roles(entries), strict=True):
                if role:
                    entry["role"] = role

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def info(self) -> dict:
        return self._info or (super().info if self._skipped else {})

    def load(self, record: Record) -> np.ndarray:
        """The array of one tensor."""
        return self._codes(record.key, self._array(record.key))

    def _array(self, key: str) -> np.ndarray:
        with damage(self.path, f"array {key!r}"), self._member(key) as (file, size):
            found = check_header(file, size)  # before memory is taken for what it claims
            if found is None:
                raise FormatError(f"{key!r} is not an array")
            return _items(file, *found)

    @contextmanager
    def _member(self, key: str) -> Iterator[tuple]:
        """The open file of an array and its size."""
        archive = self._arrays.zip
        info = check_member(archive, f"{key}.npy" if f"{key}.npy" in archive.NameToInfo else key)  # numpy drops .npy
        with archive.open(info) as file:
            yield file, info.file_size

    def _undescribed(self, key: str) -> None:
        try:
            with damage(self.path), self._member(key) as (file, size):
                shape, _, dtype = check_header(file, size)
        except FormatError:  # to be told when it is loaded; the others can be
            shape, dtype = (), np.dtype(np.int8)
        self.consider(key, shape, dtype)

    def _description(self) -> dict:
        """The JSON object in ``meta``."""
        text = self._array("meta").tobytes()
        try:
            description = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{self.path}: meta must be UTF-8 JSON ({error})") from None
        if not isinstance(description, dict) or not isinstance(description.get("tensors"), list):
            raise FormatError(f"{self.path}: meta must be a JSON object with a list 'tensors'")
        if not isinstance(description.get("info", {}), dict):
            raise FormatError(f"{self.path}: info in meta must be a JSON object")
        return description

    def _record(self, entry) -> Record:
        if not isinstance(entry, dict) or entry.get("key") not in self._arrays.files:
            key = entry.get("key") if isinstance(entry, dict) else entry
            raise FormatError(f"{self.path}: meta describes tensor {key!r}, the file has no such array")
        bits = entry.get("bits")
        if bits is not None and type(bits) is not int:
            raise FormatError(f"{self.path}: bits of tensor {entry['key']!r} must be an integer, not {bits!r}")
        for field, allowed, fits in FIELDS:
            if entry.get(field) is not None and not fits(entry[field]):
                found = str(entry[field])[:60]
                raise FormatError(f"{self.path}: {field} of tensor {entry['key']!r} must be {allowed}, not {found!r}")
        name, kind = str(entry.get("name", entry["key"])), str(entry.get("kind", "tensor"))
        return Record(entry["key"], name, kind, bits, entry)


def check_header(file, size: int) -> tuple[tuple[int, ...], bool, np.dtype] | None:
    """Refuse an array in numpy's format, of ``size`` bytes, whose header lies about them; None for what is none.

    Returns its shape, whether it is in Fortran's order, and its dtype, with ``file`` at its first item.
    """
    start = file.read(8)
    if start[:6] != np.lib.format.MAGIC_PREFIX:
        return None
    header = HEADERS.get(tuple(start[6:]))
    if header is None:
        raise FormatError(f"version {start[6]}.{start[7]} of numpy's format; 1.0 and 2.0 are read")
    length = int.from_bytes(file.read(2 if start[6] == 1 else 4), "little")
    if length > MAX_HEADER:  # numpy would take memory for it before it looks
        raise FormatError(f"its header claims {length:,} bytes; at most {MAX_HEADER:,} are read")
    file.seek(8)
    shape, fortran, dtype = header(file)
    if dtype.hasobject:
        raise FormatError("it holds Python objects, which are not read because they can run code")
    if dtype.itemsize * math.prod(shape) + file.tell() != size:
        raise FormatError(f"its shape {shape} of {dtype} does not agree with its {size:,} bytes")
    return shape, fortran, dtype


def _items(file, shape: tuple[int, ...], fortran: bool, dtype: np.dtype) -> np.ndarray:
    """The array whose items follow. It is filled in place: numpy itself would parse the header once more."""
    array = np.empty(shape, dtype, order="F" if fortran else "C")
    place, done = memoryview(array.reshape(-1, order="A").view(np.uint8)), 0
    while count := file.readinto(place[done:]):
        done += count
    if done < len(place):
        raise FormatError(f"it ends after {done:,} of {len(place):,} bytes")
    return array


class ArrayFile(Arrays):
    """A ``.npy`` file as a model of one tensor: mapped, not loaded. Raises OSError, FormatError."""

    def __init__(self, path: str | os.PathLike, quantize: Recipe | None = None):
        super().__init__(path, quantize)
        with open_regular(path) as file, damage(path):
            check_header(file, os.fstat(file.fileno()).st_size)
            self._array = np.load(path, mmap_mode="r", allow_pickle=False)
        stem = os.path.splitext(os.path.basename(path))[0]
        self.consider(stem, self._array.shape, self._array.dtype)

    def load(self, record: Record) -> np.ndarray:
        return self._codes(record.key, self._array)
