"""What the commands are given: tensors, tables, and the codec's parameters."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from golden import codec
from golden.config import DEFAULT_PRESET, PRESETS, CodecConfig
from golden.files import open_regular, read_text
from golden.table import SymbolTable

from .support import blame

TENSOR = "IN.npy|IN.npz:KEY"
tensor_argument = click.argument("tensor", metavar=TENSOR)
table_option = click.option("--table", "table_path", metavar="T.json",
                            help="Use this table instead of one made from the tensor.")


def read_tensor(spec: str) -> np.ndarray:
    """The integers in ``FILE.npy``, ``FILE.npz:KEY``, or ``FILE.npz`` if it holds only one array."""
    path, colon, key = spec.rpartition(":")
    if Path(spec).exists() or not Path(path).is_file():  # the colon, if any, belongs to the file's name
        path, colon, key = spec, "", ""
    with blame(path), open_regular(path) as file:
        start = file.read(4)
        file.seek(0)
        if start not in (b"\x93NUM", b"PK\3\4", b"PK\5\6"):  # else numpy takes it for a pickle, and says so
            raise ValueError("must be a .npy or .npz file")
        with _damage("damaged, or not of plain numbers"):
            data = np.load(file, allow_pickle=False)
        if isinstance(data, np.ndarray):
            if colon:
                raise ValueError(f"KEY must be left out, a .npy file holds one array, not {key!r}")
            return codec.check_array("the tensor", data)
        key = _choose(data.files, key if colon else None)
        with _damage(f"{key} is damaged, or not of plain numbers"):
            array = data[key]
        return codec.check_array(key, array)


def _choose(keys: list[str], key: str | None) -> str:
    """The array meant in a .npz file; ``key`` is None if none was named."""
    if not keys:
        raise ValueError("holds no array")
    some = ", ".join(keys[:8]) + (f", ... ({len(keys)} in all)" if len(keys) > 8 else "")
    if key is None and len(keys) > 1:
        raise ValueError(f"KEY must be given as FILE.npz:KEY, one of {some}")
    if key is not None and key not in keys:
        raise ValueError(f"KEY must be one of {some}, not {key!r}")
    return keys[0] if key is None else key


@contextmanager
def _damage(what: str):
    """Damaged files make numpy, zipfile and the decompressors raise anything: always a ValueError of one line."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{what} ({reason})") from error


PARAMETERS = {
    "width": ("--bits", "W", "Bits of a value, 2..16.  [default: the tensor's, else 8]"),
    "rows": ("--rows", "N", "Rows of the table, 2..64."),
    "prob_bits": ("--prob-bits", "P", "Probability counts add up to 2^P; at most 15, and N <= 2^P."),
    "mult_bits": ("--mult-bits", "M", "Bits of the interval size that is multiplied, 2..16."),
    "block": ("--block", "VALUES", "Values per block, 1..524280/W."),
}


def config_option(name: str):
    """The option that sets one parameter of the configuration."""
    option, metavar, text = PARAMETERS[name]
    return click.option(option, name, type=int, metavar=metavar, help=text)


def config_options(command):
    """Adds ``--preset`` and the options that override it one by one."""
    for name in reversed(PARAMETERS):
        command = config_option(name)(command)
    preset = click.option("--preset", type=click.Choice(list(PRESETS)), help="Parameters to start from.  "
                          f"[default: {DEFAULT_PRESET}]")
    return preset(command)


def make_config(options: dict, *tensors: tuple[str, np.ndarray]) -> CodecConfig:
    """The configuration that the options of :func:`config_options` ask for.

    ``tensors``, each with its name, decide the width if ``--bits`` does not.
    """
    base = PRESETS[options["preset"] or DEFAULT_PRESET]
    if tensors and options["width"] is None:
        base = base.with_(width=_common_width(tensors))
    return changed(base, {name: options[name] for name in PARAMETERS})


def _common_width(tensors) -> int:
    widths = {}
    for spec, array in tensors:
        with blame(spec):
            widths.setdefault(codec.default_bits(array.dtype), f"{spec} {array.dtype}")
    if len(widths) > 1:
        different = ", ".join(widths.values())
        raise click.ClickException(f"--bits: must be given for tensors of different width: {different}")
    return next(iter(widths))


def changed(base: CodecConfig, changes: dict) -> CodecConfig:
    """A configuration with those changes that are not None."""
    try:
        return base.with_(**{name: value for name, value in changes.items() if value is not None})
    except ValueError as error:
        name, _, problem = str(error).partition(" ")
        raise click.ClickException(f"{PARAMETERS[name][0]}: {problem}") from error


def read_table(path: str, options: dict, spec: str, array: np.ndarray) -> SymbolTable:
    """The table in a JSON file, as ``apack table -o`` writes it, for the tensor ``array``.

    Parameters are the table's: of the options of :func:`config_options` only ``--block`` can differ.
    """
    for name in ("preset", "rows", "prob_bits", "mult_bits"):
        if options[name] is not None:
            raise click.ClickException(f"--{name.replace('_', '-')}: not together with --table, which has its own")
    with blame(path):
        try:
            table = SymbolTable.from_json(read_text(path))
        except (UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"must be a table in JSON ({error})") from None
        width = table.config.width
        if options["width"] not in (None, width):
            raise ValueError(f"the table is for values of {width} bits, not the {options['width']} of --bits")
        if width > array.dtype.itemsize * 8:
            raise ValueError(f"the table is for values of {width} bits, not {array.dtype} as in {spec}")
    return replace(table, config=changed(table.config, {"block": options["block"]}))
