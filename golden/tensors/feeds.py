"""What a network is run on: pictures, sound and arrays in files, prepared as its inputs take them."""

import math
import os
import warnings
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from ..config import check_int
from ..errors import FormatError
from ..files import check_regular
from .base import damage, need

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
SOUNDS, ARRAYS = {".wav"}, {".npy", ".npz"}
MAX_PIXELS = 1 << 26  # of a picture; a small file can claim any number


@dataclass(frozen=True)
class Port:
    """An input of a network: ``shape`` has None where any size will do; scale and zero point if it is quantized."""

    name: str
    shape: tuple
    dtype: np.dtype
    scale: float | None = None
    zero_point: int = 0

    def convert(self, array: np.ndarray) -> np.ndarray:
        """Numbers as this input takes them: real ones are quantized where it is, codes of its type stay."""
        if self.scale and array.dtype.kind == "f":
            info = np.iinfo(self.dtype)
            array = np.clip(np.rint(array / self.scale) + self.zero_point, info.min, info.max)
        return np.asarray(array, self.dtype, order="C")


@dataclass(frozen=True)
class Preparation:
    """How files become numbers; ``parse`` reads it from text like ``size=48x320,order=bgr,mean=0.5,std=0.5``.

    Pictures: ``size`` HxW (default: the input's), ``fit`` stretch or crop (the middle), ``order`` rgb or bgr,
    ``span`` LOW..HIGH for pixels 0..255 (default 0..1; for a quantized input without mean its whole range of codes),
    then ``mean`` is subtracted and divided by ``std`` (one number, or one per channel with / between).
    Sound, -1..1, channels averaged: ``rate`` in Hz to resample to, ``window`` samples a step (default: the input's),
    ``hop`` from step to step (default: the window). Every file: ``steps`` that make one input (default: all).
    """

    size: tuple = ()
    fit: str = "stretch"
    order: str = "rgb"
    span: tuple = ()
    mean: tuple = ()
    std: tuple = ()
    rate: int = 0
    window: int = 0
    hop: int = 0
    steps: int = 0
    text: str = field(default="", compare=False)

    def __post_init__(self):
        for name in ("rate", "window", "hop", "steps"):
            check_int(name, getattr(self, name), 0, 1 << 30)
        if self.size and (len(self.size) != 2 or min(self.size) < 1 or math.prod(self.size) > MAX_PIXELS):
            raise ValueError(f"size must be HxW, from 1x1 to {MAX_PIXELS:,} pixels, not {self.size}")
        if len(self.span) not in (0, 2):
            raise ValueError(f"span must be LOW..HIGH, not {self.span}")
        for name, allowed in (("fit", ("stretch", "crop")), ("order", ("rgb", "bgr"))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be {' or '.join(allowed)}, not {getattr(self, name)!r}")
        if 0 in self.std:
            raise ValueError("std must not be 0")

    @classmethod
    def parse(cls, text: str) -> "Preparation":
        """From ``NAME=VALUE,...``. Raises ValueError naming what there is."""
        found = {"text": text}
        names = [f.name for f in fields(cls) if f.name != "text"]
        for part in filter(None, text.split(",")):
            name, sign, value = part.partition("=")
            name = name.strip()
            if name not in names or not sign:
                raise ValueError(f"must be NAME=VALUE,... with names {', '.join(names)}, not {part!r}")
            try:
                found[name] = CONVERT.get(name, int)(value.strip())
            except ValueError:
                raise ValueError(f"{name} cannot be {value!r}; see apack profile --help") from None
        return cls(**found)


def _numbers(separator: str, kind=float):
    return lambda text: tuple(kind(part) for part in text.split(separator))


CONVERT = {
    "size": _numbers("x", int), "span": _numbers(".."), "mean": _numbers("/"), "std": _numbers("/"),
    "fit": str, "order": str,
}


@dataclass(frozen=True)
class Input:
    """One input of a profile: ``steps`` runs, each a dict of arrays by name. ``fresh``: states start anew."""

    name: str
    fresh: bool
    steps: list[dict]


def find_files(paths) -> list[Path]:
    """The files to read: those named, and of folders all of a known kind, sorted. Raises ValueError for none."""
    known, found = PICTURES | SOUNDS | ARRAYS, []
    for path in map(Path, paths):
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in known) if path.is_dir() else [path]
        if not inside:
            raise ValueError(f"{path}: no picture, .wav, .npy or .npz in this folder")
        found += inside
    for path in found:
        if path.suffix.lower() not in known:
            raise ValueError(f"{path}: must be a picture ({', '.join(sorted(PICTURES))}), .wav, .npy or .npz")
        check_regular(path)  # a missing file is known before anything runs
    return found


def read_inputs(files, ports: dict[str, Port], main: str, how: Preparation) -> Iterator[Input]:
    """Each file's inputs, one at a time. ``main`` is the input of the network that files without names are for.

    Raises OSError; FormatError for a damaged file; ValueError for one that does not fit the network.
    """
    for path in files:
        kind = Path(path).suffix.lower()
        with damage(path):
            if kind == ".npz":
                steps = _named(path, ports)
            else:
                array = _picture(path, ports[main], how) if kind in PICTURES else None
                array = _sound(path, ports[main], how) if kind in SOUNDS else array
                array = np.load(path, allow_pickle=False) if array is None else array
                steps = [{main: step} for step in split(array, ports[main])]
        run = how.steps or len(steps) or 1
        for start in range(0, len(steps), run):
            chosen = steps[start : start + run]
            if len(chosen) == run or start == 0:  # a short rest would be an input unlike the others
                yield Input(f"{Path(path).name}[{start}:{start + len(chosen)}]", start == 0, chosen)


def split(array: np.ndarray, port: Port) -> list[np.ndarray]:
    """An array as one step of an input's shape, or as several: slices along one more axis in front or its batch."""
    shape, got = port.shape, array.shape
    if matches(got, shape):
        return [port.convert(array)]
    for missing in (1, 2):  # such as a batch of one
        if matches((1,) * missing + got, shape):
            return [port.convert(array.reshape((1,) * missing + got))]
    if array.ndim and shape and shape[0] == 1 and matches((1, *got[1:]), shape):
        return [port.convert(array[i : i + 1]) for i in range(len(array))]
    if array.ndim and matches(got[1:], shape):
        return [port.convert(step) for step in array]
    wanted = "x".join("?" if n is None else str(n) for n in shape)
    raise ValueError(f"shape must be {wanted} as input {port.name!r}, with steps in front or not, not {got}")


def matches(got, shape) -> bool:
    """Whether an array's shape is that of an input."""
    return len(got) == len(shape) and all(b in (None, a) for a, b in zip(got, shape, strict=True))


def _named(path, ports: dict[str, Port]) -> list[dict]:
    """The arrays of an .npz, each for the input of its name."""
    with np.load(path, allow_pickle=False) as arrays:
        unknown = set(arrays.files) - set(ports)
        if unknown:
            raise ValueError(f"arrays must be named as the inputs {sorted(ports)}, not {sorted(unknown)}")
        columns = {name: split(arrays[name], ports[name]) for name in arrays.files}
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError(f"arrays must have equally many steps, not { {n: len(c) for n, c in columns.items()} }")
    return [dict(zip(columns, step, strict=True)) for step in zip(*columns.values(), strict=True)]


def _picture(path, port: Port, how: Preparation) -> np.ndarray:
    """A picture as an input takes it: [1, H, W, C] or [1, C, H, W] with C of 1 or 3, told by the input's shape."""
    library = need("PIL.Image", "profile", "a picture")
    if len(port.shape) != 4:
        raise ValueError(f"a picture takes an input of four dimensions, {port.name!r} has {len(port.shape)}")
    first = port.shape[1] in (1, 3) and port.shape[3] not in (1, 3)
    channels = port.shape[1] if first else port.shape[3] or 3
    wanted = port.shape[2:] if first else port.shape[1:3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", library.DecompressionBombWarning)  # the size is checked below
        image = library.open(path)
    with image:
        if math.prod(image.size) > MAX_PIXELS:
            raise FormatError(f"{math.prod(image.size):,} pixels; at most {MAX_PIXELS:,} are read")
        image = image.convert("L" if channels == 1 else "RGB")
    height, width = how.size or tuple(n or have for n, have in zip(wanted, image.size[::-1], strict=True))
    box = None
    if how.fit == "crop":
        part = min(image.width / width, image.height / height)
        left, top = (image.width - width * part) / 2, (image.height - height * part) / 2
        box = (left, top, left + width * part, top + height * part)
    image = image.resize((width, height), library.Resampling.BILINEAR, box=box)
    pixels = np.asarray(image).reshape(height, width, channels)
    pixels = pixels[:, :, ::-1] if how.order == "bgr" else pixels
    values = _normalize(pixels, port, how)
    return (values.transpose(2, 0, 1) if first else values)[None]


def _normalize(pixels: np.ndarray, port: Port, how: Preparation) -> np.ndarray:
    """Pixels as real numbers, or as codes if the input is quantized and nothing else is asked for."""
    if port.scale and not (how.span or how.mean or how.std):
        info = np.iinfo(port.dtype)
        return np.rint(pixels / 255.0 * (info.max - info.min) + info.min).astype(port.dtype)
    low, high = how.span or (0.0, 1.0)
    values = low + pixels.astype(np.float32) / 255 * (high - low)
    return ((values - np.array(how.mean or 0, np.float32)) / np.array(how.std or 1, np.float32)).astype(np.float32)


def _sound(path, port: Port, how: Preparation) -> np.ndarray:
    """A .wav file cut into steps: float32 [steps, *shape] with the window as the input's last axis."""
    try:
        with wave.open(os.fspath(path)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise FormatError(f"not a .wav file of plain samples ({error})") from None
    frame = np.frombuffer(data[: len(data) // (width * channels) * width * channels], np.uint8).reshape(-1, width)
    if width == 1:
        samples = frame[:, 0].astype(np.float32) / 128 - 1
    else:
        wide = np.zeros((len(frame), 4), np.uint8)
        wide[:, 4 - width :] = frame
        samples = wide.view("<i4")[:, 0].astype(np.float32) / 2**31
    samples = samples.reshape(-1, channels).mean(axis=1, dtype=np.float32)
    if how.rate and how.rate != rate:
        signal = need("scipy.signal", "models", "resampling sound")
        factor = math.gcd(how.rate, rate)
        samples = signal.resample_poly(samples, how.rate // factor, rate // factor).astype(np.float32)
    window = how.window or port.shape[-1]
    if window is None:
        raise ValueError(f"input {port.name!r} takes any number of samples: say how many with window=")
    hop = how.hop or window
    if len(samples) < window:
        raise ValueError(f"has {len(samples):,} samples, a window takes {window:,}")
    steps = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    return steps.reshape(len(steps), *(1,) * (len(port.shape) - 1), window) if port.shape else steps
