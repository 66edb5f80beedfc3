"""What every command needs: reading tensors and tables, choosing parameters, blaming the right file, printing."""

import json
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import synth
from golden import codec
from golden.config import PRESETS, CodecConfig
from golden.container import write_atomic
from golden.table import SymbolTable

from ..simulation.verilator import ToolError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

# Tables go to stdout, everything that is not a result to stderr.
out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False)


@contextmanager
def blame(*what):
    """Turn an error about the user's input into one line that begins with ``what`` (a file or a parameter)."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        name = error.filename if error.filename and str(error.filename) not in map(str, what) else None
        raise click.ClickException(": ".join([*map(str, what), *([str(name)] if name else []), reason])) from error
    except MemoryError as error:
        raise click.ClickException(": ".join([*map(str, what), "does not fit into memory"])) from error
    except (ValueError, TypeError, synth.SynthError, ToolError) as error:
        raise click.ClickException(": ".join([*map(str, what), str(error)])) from error


def read_tensor(spec: str) -> np.ndarray:
    """The array in ``FILE.npy``, ``FILE.npz:KEY``, or ``FILE.npz`` if it holds only one."""
    path, key = spec, None
    if not Path(spec).exists() and ":" in spec:
        path, _, key = spec.rpartition(":")
    with blame(path):
        try:
            data = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"not a .npy or .npz file of plain arrays ({error})") from None
        if isinstance(data, np.ndarray):
            if key is not None:
                raise ValueError(f"a .npy file holds one array, it has no key {key!r}")
            return data
        with data:
            keys = data.files
            if key is None and len(keys) != 1:
                raise ValueError(f"KEY must be given as FILE.npz:KEY, one of {_some(keys)}")
            if key is not None and key not in keys:
                raise ValueError(f"KEY must be one of {_some(keys)}, not {key!r}")
            return _load_member(data, key or keys[0])


def _load_member(data, key: str) -> np.ndarray:
    import zipfile
    import zlib

    try:
        return data[key]
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{key}: damaged ({error})") from None


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return shown + (f", ... ({len(names)} in all)" if len(names) > 8 else "")


def read_table(path: str) -> SymbolTable:
    """The table in a JSON file, as ``apack table -o`` writes it."""
    with blame(path):
        return SymbolTable.from_json(Path(path).read_text(encoding="utf-8"))


def config_options(command):
    """Adds ``--preset`` and the options that override it one by one; gives the command ``config_changes``."""
    options = [
        click.option("--preset", type=click.Choice(list(PRESETS)), default="int8", show_default=True,
                     help="Parameters to start from."),
        click.option("--bits", "width", type=int, metavar="W",
                     help="Bits of a value, 2..16.  [default: the tensor's, or the preset's]"),
        click.option("--rows", type=int, metavar="N", help="Rows of the table, 2..64."),
        click.option("--prob-bits", type=int, metavar="P", help="Probability counts add up to 2^P."),
        click.option("--mult-bits", type=int, metavar="M", help="Bits of the interval size that is multiplied, 2..16."),
        click.option("--block", type=int, metavar="VALUES", help="Values per block."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


CONFIG_FIELDS = ("width", "rows", "prob_bits", "mult_bits", "block")


def make_config(options: dict, dtype: np.dtype | None = None) -> CodecConfig:
    """The configuration asked for; without ``--bits`` a tensor's ``dtype`` decides the width.

    Takes the options of :func:`config_options` out of ``options``.
    """
    base = PRESETS[options.pop("preset")]
    changes = {name: options.pop(name) for name in CONFIG_FIELDS}
    if changes["width"] is None and dtype is not None:
        with blame("--bits"):
            changes["width"] = codec.default_bits(dtype)
    changes = {name: value for name, value in changes.items() if value is not None}
    with blame("parameters"):
        if "block" not in changes:  # a preset's block may be too long for a wider value
            width = changes.get("width", base.width)
            changes["block"] = min(base.block, CodecConfig(width=width, block=1).longest_block)
        return base.with_(**changes)


def write_text(path: str, text: str) -> None:
    """Write a file, whole or not at all."""
    with blame(path):
        write_atomic(path, text.encode())


def write_json(path: str, data) -> None:
    """Write JSON to a file; ``-`` is standard output."""
    text = json.dumps(data, indent=2) + "\n"
    if path == "-":
        click.echo(text, nl=False)
    else:
        write_text(path, text)


json_option = click.option("--json", "json_out", metavar="OUT", help="Write the result as JSON to OUT (- for stdout).")


def show(json_out: str | None, data, render) -> None:
    """Print a result: as JSON where asked for, and for people unless stdout is taken by the JSON."""
    if json_out != "-":
        render()
    if json_out:
        write_json(json_out, data)


def progress_bar() -> Progress:
    """A progress display on stderr that vanishes when done; silent where stderr is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
