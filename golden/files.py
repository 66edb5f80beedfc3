"""Opening files that are read: nothing but regular ones, since a pipe nobody writes to would wait for ever."""

import os
import stat
from pathlib import Path

from .errors import FormatError


def check_regular(path: str | os.PathLike) -> None:
    """Refuse pipes, devices and sockets, which cannot be read at any place. Raises OSError, FormatError."""
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder: open() says so in the words of the system
        raise FormatError(f"{path}: must be a regular file, not a pipe, a device or a socket")


def open_regular(path: str | os.PathLike):
    """``open(path, "rb")`` of a regular file. Raises OSError, FormatError."""
    check_regular(path)
    return open(path, "rb")


def read_text(path: str | os.PathLike) -> str:
    """The UTF-8 text of a regular file. Raises OSError, FormatError, UnicodeDecodeError."""
    check_regular(path)
    return Path(path).read_text(encoding="utf-8")
