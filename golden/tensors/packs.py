"""Tensor packs: the quantized tensors of one model in an ``.npz`` file, read one at a time.

A pack's array ``meta`` (uint8) holds UTF-8 JSON: an object whose list ``tensors`` has one entry for each array,
naming it (``key``) and saying what it is. An ``.npz`` without ``meta`` will do too: all its arrays are tensors.
"""

import json
import math
import os
import zipfile
from collections.abc import Iterator

import numpy as np

from ..errors import FormatError
from .base import Record, TensorFile, check_member, damage

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Pack:
    """A tensor pack, open for reading; iterating yields ``(record, array)``, loading one array at a time.

    Members
    -------
    records : a :class:`Record` for each tensor, in the pack's order.
    info : what the pack says about the model, a dict; empty if nothing.

    Use as a context manager, or ``close()``. Raises OSError if the file cannot be read, FormatError if it
    is not an ``.npz`` file, its description is broken, or an array is missing, damaged or not plain.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = path
        with open(path, "rb") as file:  # is_zipfile would turn a missing file into "no"
            if not zipfile.is_zipfile(file):
                raise FormatError(f"{path}: not an .npz file")
        with damage(path):
            self._arrays = np.load(path, allow_pickle=False)
        try:
            description = self._description()
            self.records = [self._record(entry) for entry in description["tensors"]]
            self.info = description.get("info", {})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Pack":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._arrays.close()

    def __iter__(self) -> Iterator[tuple[Record, np.ndarray]]:
        return ((record, self.load(record)) for record in self.records)

    def load(self, record: Record) -> np.ndarray:
        """The array of one tensor."""
        return self._array(record.key)

    def _array(self, key: str) -> np.ndarray:
        try:
            self._check_claims(key)
            array = self._arrays[key]
        except (OSError, MemoryError):
            raise
        except Exception as error:  # zipfile, its decompressors and numpy have many words for damage
            raise FormatError(f"{self.path}: array {key!r} cannot be read ({' '.join(str(error).split())})") from None
        if not isinstance(array, np.ndarray):  # numpy hands out other members of the archive as bytes
            raise FormatError(f"{self.path}: {key!r} is not an array")
        return array

    def _check_claims(self, key: str) -> None:
        """Refuse an array whose member or header claims more than there is, before memory is taken for it."""
        archive = self._arrays.zip
        info = archive.getinfo(f"{key}.npy" if f"{key}.npy" in archive.namelist() else key)  # numpy drops .npy
        check_member(info)
        with archive.open(info) as file:
            if file.read(6) != np.lib.format.MAGIC_PREFIX:
                return  # no array: said later
            version = tuple(file.read(2))
            header = HEADERS.get(version)
            if header is None:
                raise FormatError(f"version {version} of the .npy format; 1.0 and 2.0 are read")
            shape, _, dtype = header(file)
            if dtype.itemsize * math.prod(shape) + file.tell() != info.file_size:
                raise FormatError(f"its shape {shape} of {dtype} does not agree with its {info.file_size:,} bytes")

    def _description(self) -> dict:
        """The JSON object in ``meta``, or one that stands for it."""
        if "meta" not in self._arrays.files:
            return {"tensors": [{"key": key} for key in self._arrays.files]}
        text = self._array("meta").tobytes()
        try:
            description = json.loads(text)
        except ValueError as error:
            raise FormatError(f"{self.path}: meta must be UTF-8 JSON ({error})") from None
        if not isinstance(description, dict) or not isinstance(description.get("tensors"), list):
            raise FormatError(f"{self.path}: meta must be a JSON object with a list 'tensors'")
        return description

    def _record(self, entry) -> Record:
        if not isinstance(entry, dict) or entry.get("key") not in self._arrays.files:
            key = entry.get("key") if isinstance(entry, dict) else entry
            raise FormatError(f"{self.path}: meta describes tensor {key!r}, the file has no such array")
        bits = entry.get("bits")
        if bits is not None and type(bits) is not int:
            raise FormatError(f"{self.path}: bits of tensor {entry['key']!r} must be an integer, not {bits!r}")
        name, kind = str(entry.get("name", entry["key"])), str(entry.get("kind", "tensor"))
        return Record(entry["key"], name, kind, bits, entry)


class ArrayFile(TensorFile):
    """A ``.npy`` file as a model of one tensor: mapped, not loaded. Raises OSError, FormatError."""

    format = "NumPy"

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        open(path, "rb").close()  # a missing file in the words of the system
        with damage(path):
            self._array = np.load(path, mmap_mode="r", allow_pickle=False)
        stem = os.path.splitext(os.path.basename(path))[0]
        self.records.append(Record(stem, stem, "tensor", None, {"key": stem, "shape": list(self._array.shape)}))

    def load(self, record: Record) -> np.ndarray:
        return self._array
