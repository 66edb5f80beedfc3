"""Readers of the quantized tensors in model files and tensor packs: :func:`open_model` picks the one for a file."""

import os
from pathlib import Path

from ..errors import FormatError
from ..files import open_regular
from .base import MissingExtraError, Record, TensorFile
from .packs import ArrayFile, Pack
from .recipe import Recipe

KINDS = ".tflite, .onnx, .safetensors, .pt, .pth, .bin, .npz, .npy"

__all__ = ["KINDS", "MissingExtraError", "Pack", "Recipe", "Record", "TensorFile", "open_model"]


def open_model(path: str | os.PathLike, *, quantize: Recipe | None = None) -> TensorFile | Pack:
    """The integer tensors of a model file, whatever its kind, which its first bytes and then its name tell.

    The result has ``path``, ``info``, ``records``; iterating yields ``(record, array)``, one array at a time;
    ``load(record)`` gives one; it is a context manager. With ``quantize``, float weights become integers by that
    recipe.

    Raises OSError; FormatError for a file that is damaged, of no known kind or without a quantized tensor;
    MissingExtraError (an ImportError and a ValueError) where a package is missing.
    """
    model = _reader(path, quantize)
    if not model.records:
        model.close()
        skipped = "; ".join(f"{s['tensors']:,} x {s['reason']}" for s in model.info.get("skipped", ()))
        raise FormatError(f"{path}: holds no quantized tensor ({skipped or 'it is empty'})")
    return model


def _reader(path: str | os.PathLike, quantize: Recipe | None):
    """The reader of a file."""
    with open_regular(path) as file:
        start = file.read(16)
    name, options = Path(path).suffix.lower(), {} if quantize is None else {"quantize": quantize}
    if start[4:8] == b"TFL3" or name == ".tflite":
        from .tflite_model import TfliteModel

        return TfliteModel(path)
    if start[:6] == b"\x93NUMPY" or name == ".npy":
        return ArrayFile(path, **options)
    if name == ".npz":
        return Pack(path, **options)
    if start[:4] == b"PK\3\4" or name in (".pt", ".pth", ".bin", ".ckpt"):
        from .torch_file import TorchModel

        return TorchModel(path, **options)
    if start[8:10] == b'{"' or name == ".safetensors":
        from .safetensors_file import SafetensorsModel

        return SafetensorsModel(path, **options)
    if name == ".onnx":
        from .onnx_model import OnnxModel

        return OnnxModel(path, **options)
    raise FormatError(f"{path}: no kind of file that is read ({KINDS})")
