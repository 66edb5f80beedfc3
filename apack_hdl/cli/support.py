"""What every command needs: blaming the right file, writing results, printing, progress."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from golden.container import write_atomic

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

# Parameters of commands that name results, or what must only be a name; all others may name files that are read.
RESULTS = {"output", "json_out", "html_out", "markdown_out", "plot", "plots_out", "build", "names", "synth_dir"}
WRITTEN = {".json", ".html", ".md", ".svg"}  # never read from a folder, so results may be renewed there

# Results go to stdout, everything else to stderr. Text is printed as it is: names of files and tensors
# may look like rich's markup or its emoji.
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


@contextmanager
def blame(what):
    """Turn an error about the user's input into one line that begins with ``what`` (a file or a parameter)."""
    try:
        yield
    except OSError as error:
        name = str(error.filename or what)
        inside = [name] if name != str(what) and not Path(name).name.startswith(".") else []  # .*: a draft of ours
        raise click.ClickException(": ".join([str(what), *inside, error.strerror or str(error)])) from error
    except MemoryError as error:
        raise click.ClickException(f"{what}: does not fit into memory") from error
    except (ValueError, TypeError) as error:
        raise click.ClickException(f"{what}: {str(error).removeprefix(f'{what}: ')}") from error


def check_outputs(*paths: str | None) -> None:
    """Refuse output files that cannot be written, before any work is done. None stands for one not asked for."""
    for path in filter(lambda path: path is not None, paths):
        target, folder = Path(path), Path(path).parent
        with blame(path):
            if target.is_dir():
                raise ValueError("must be a file, not a folder")
            if path == "-":
                raise ValueError("must be a file (only --json takes - for stdout)")
            if target.is_symlink() or target.exists() and not target.is_file():
                # It would be replaced by a plain file; of /dev/null or /dev/stdout that is not wanted at all.
                raise ValueError("must be a plain file or not there yet, not a link or a device")
            if not folder.is_dir():
                raise ValueError(f"there is no folder {folder}")
            if not os.access(folder, os.W_OK):
                raise ValueError(f"the folder {folder} is not writable")
            if target.exists() and any(_is_read(target, Path(value)) for value in _asked()):
                raise ValueError("must not be a file that the command reads")


def _asked() -> list[str]:
    """What the running command was given for all that is no result; of FILE:KEY also the FILE."""
    context = click.get_current_context(silent=True)
    found = []
    for name, value in (context.params if context else {}).items():
        values = value if isinstance(value, tuple) else [value]
        if name not in RESULTS:
            found += [part for text in values if isinstance(text, str) for part in (text, text.rpartition(":")[0])]
    return [text for text in found if text]


def _is_read(target: Path, given: Path) -> bool:
    """Whether a file is the one given, or in the folder given and of a kind that is read from there."""
    if given.is_dir():
        return given.samefile(target.parent) and target.suffix.lower() not in WRITTEN
    return given.exists() and given.samefile(target)


def make_folder(path: str | Path) -> Path:
    """The folder ``path``, made if it is not there yet."""
    path = Path(path)
    with blame(path):
        if path.exists() and not path.is_dir():
            raise ValueError("must be a folder, not a file")
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise ValueError("the folder is not writable")
    return path


def write_json(path: str, data) -> None:
    """Write JSON to a file, whole or not at all."""
    with blame(path):
        write_atomic(path, as_json(data).encode())


def as_json(data) -> str:
    """JSON for files and for stdout."""
    return json.dumps(data, indent=2, allow_nan=False) + "\n"


build_option = click.option("--build", metavar="DIR", default="build", show_default=True,
                            help="Folder for everything that is made on the way.")
json_option = click.option("--json", "json_out", metavar="OUT", help="Write the result as JSON to OUT (- for stdout).")


def check_json(json_out: str | None) -> None:
    """Refuse a ``--json`` file that cannot be written, before any work is done."""
    check_outputs(None if json_out == "-" else json_out)


def show(json_out: str | None, data, render) -> None:
    """Print a result: as JSON where asked for, and for people unless stdout is taken by the JSON."""
    if json_out == "-":
        click.echo(as_json(data), nl=False)
        return
    render()
    if json_out:
        write_json(json_out, data)


def say(text: str) -> None:
    """Print a line of a result, however long it is."""
    out.print(text, soft_wrap=True)


def counted(number: int, noun: str) -> str:
    """Such as "1 row" or "12,000 rows"."""
    return f"{number:,} {noun}{'s'[:number != 1]}"


def warn(text: str) -> None:
    """Print a line on stderr."""
    err.print(f"apack: {text}", soft_wrap=True)


def print_table(title: str, columns, rows) -> None:
    """Print rows of strings below a title; the first column starts at the left, the others end at the right.

    80 columns are what a terminal surely has, so tables stay below that; in less, cells are folded, not cut.
    """
    table = Table(show_header=any(columns))
    for column in columns:
        table.add_column(column, justify="right" if table.columns else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    say(title)
    out.print(table)


def progress_bar() -> Progress:
    """A progress display on stderr that vanishes when done; silent where stderr is no terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


@contextmanager
def steps(first: str):
    """A progress display for work of unknown length; gives a function to tell the step that begins."""
    with progress_bar() as bar:
        task = bar.add_task(first, total=None)
        yield lambda text: bar.update(task, description=text)
