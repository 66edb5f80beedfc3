"""What all readers of model files share: records of tensors, one tensor loaded at a time, errors of one line."""

import errno
import importlib
import math
import mmap
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FormatError

MAX_TENSOR_BYTES = 1 << 32  # a tensor's size is only a claim until it is read; the largest ones known have 2 GB
BOMB_BYTES, BOMB_RATIO = 1 << 26, 200  # larger members of archives must not shrink that far: no tensor of use does


class MissingExtraError(ImportError, ValueError):
    """A kind of file takes a package of an extra that is not installed; the message names the extra."""


@dataclass(frozen=True)
class Record:
    """What a file says about one tensor.

    Members
    -------
    key : its name in the file, unique there. name : its name in the model, by default the key.
    kind : "weight" or "activation", or what else a pack says; "tensor" if it says nothing.
    bits : W, bits of a value; None if the file does not say.
    meta : everything known, as README.md of this folder lists it: op, layer, shape, scale, zero_point and so on.
        A pack's array may be one-dimensional, and only the beginning of the tensor.
    """

    key: str
    name: str
    kind: str
    bits: int | None
    meta: dict


class TensorFile(ABC):
    """The integer tensors of a model file, open for reading; iterating yields ``(record, array)``.

    Arrays are loaded one at a time, in C order of the tensor's shape, as int8, uint8, int16 or uint16; values of
    fewer bits have a byte each. Use as a context manager, or ``close()``.

    Members
    -------
    path : the file. records : a :class:`Record` for each tensor, in the file's order.
    info : a dict: ``model``, ``format``, and ``skipped``, a list of ``{"reason", "tensors", "values"}`` for
        what the file holds besides.
    """

    format = "?"

    def __init__(self, path: str | os.PathLike):
        self.path = path
        self.records: list[Record] = []
        self._skipped: dict[str, list[int]] = {}
        self._keys: dict[str, int] = {}

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Arrays that were loaded stay valid; a file that is mapped goes with the last of them."""
        return

    def __iter__(self) -> Iterator[tuple[Record, np.ndarray]]:
        return ((record, self.load(record)) for record in self.records)

    @abstractmethod
    def load(self, record: Record) -> np.ndarray:
        """The array of one tensor. Raises FormatError if it is not as the file says."""

    @property
    def info(self) -> dict:
        skipped = [{"reason": why, "tensors": n, "values": v} for why, (n, v) in self._skipped.items()]
        return {"model": Path(self.path).stem, "format": self.format, "skipped": skipped}

    def skip(self, reason: str, values: int) -> None:
        """Count a tensor that is no business of the codec's."""
        count = self._skipped.setdefault(reason, [0, 0])
        count[0] += 1
        count[1] += values

    def add(self, name: str, bits: int, shape, **meta) -> Record:
        """Append the record of a whole weight tensor; a name that is taken already gets a number behind it."""
        key = name
        while key in self._keys:
            self._keys[name] += 1
            key = f"{name}#{self._keys[name]}"
        self._keys[key] = 1
        entry = {
            "key": key, "name": name, "kind": "weight", "bits": bits, "op": None, "layer": None, "role": None,
            "shape": [int(n) for n in shape], "scale": None, "zero_point": None, "axis": None, "input": None,
            "n_total": math.prod(shape), "n_stored": math.prod(shape),
        }
        self.records.append(Record(key, name, "weight", bits, entry | meta))
        return self.records[-1]


def forget(*maps: mmap.mmap) -> None:
    """Let the system have back the pages of mapped files; arrays on them read them again when they are used."""
    if hasattr(mmap, "MADV_DONTNEED"):  # not everywhere; without it they are given back when memory is short
        for data in maps:
            data.madvise(mmap.MADV_DONTNEED)


@contextmanager
def damage(path, what: str = "the file"):
    """Turn whatever a library says of a damaged file into a FormatError of one line."""
    try:
        yield
    except FormatError as error:
        text = str(error).removeprefix(f"{path}: ")
        known = what == "the file" or what in text
        raise FormatError(f"{path}: {text}" if known else f"{path}: {what}: {text}") from None
    except (MemoryError, MissingExtraError):
        raise
    except Exception as error:
        # EINVAL: a place before the file's beginning; no number: a library's own, such as a picture cut off
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FormatError(f"{path}: {what} is damaged or not what it seems ({reason})") from error


def need(module: str, extra: str, what: str):
    """Import a package of an extra. Raises MissingExtraError, naming ``what`` takes it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{what} takes the package {module.partition('.')[0]}: pip install 'apack-hdl[{extra}]' ({error})"
        ) from None


def check_size(what: str, shape, bits: int) -> int:
    """Number of values of a shape that a file claims. Raises FormatError for what no tensor is."""
    if any(n < 0 for n in shape) or len(shape) > 32:
        raise FormatError(f"{what} must have at most 32 dimensions, none negative, not {str(tuple(shape))[:80]}")
    values = math.prod(int(n) for n in shape)
    if values * bits > MAX_TENSOR_BYTES * 8:
        most = f"at most {MAX_TENSOR_BYTES:,} bytes are read"
        raise FormatError(f"{what} claims {values:,} values of {bits} bits; {most}")
    return values


def unpack(data: np.ndarray, bits: int, values: int, signed: bool) -> np.ndarray:
    """Values of 1, 2 or 4 bits, low bits of a byte first: int8 or uint8 [values] from uint8 bytes.

    Raises FormatError unless there are as many bytes as it takes.
    """
    per = 8 // bits
    if data.size != -(-values // per):
        raise FormatError(f"{values:,} values of {bits} bits take {-(-values // per):,} bytes, not {data.size:,}")
    out = np.empty((data.size, per), np.uint8)
    for i in range(per):
        out[:, i] = data >> (bits * i) & ((1 << bits) - 1)
    out = out.reshape(-1)[:values]
    if signed:  # the sign bit goes to the top of the byte and comes back
        out = (out << (8 - bits)).view(np.int8) >> (8 - bits)
    return out


def check_member(archive, name: str):
    """The ZipInfo of a member of a zip archive that lies in it and does not grow out of nothing.

    Raises FormatError before any memory is taken for it, KeyError if there is none.
    """
    info = archive.getinfo(name)
    there = os.fstat(archive.fp.fileno()).st_size
    if info.compress_size > there:
        raise FormatError(f"{name!r} claims {info.compress_size:,} bytes of a file of {there:,}")
    if info.file_size > MAX_TENSOR_BYTES:
        raise FormatError(f"{name!r} has {info.file_size:,} bytes; at most {MAX_TENSOR_BYTES:,} are read")
    if info.file_size > BOMB_BYTES and info.file_size > BOMB_RATIO * info.compress_size:
        raise FormatError(f"{name!r} grows from {info.compress_size:,} to {info.file_size:,} bytes; "
                          f"at most {BOMB_RATIO}-fold growth is read above {BOMB_BYTES:,} bytes")
    return info
