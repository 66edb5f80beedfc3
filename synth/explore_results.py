"""What comes out of a sweep, as files: rows of figures as CSV and Markdown, and which of them nothing beats."""

import csv
import io
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .files import write_atomically


@dataclass(frozen=True)
class Column:
    """A figure of each row: its name in files, unit ("" if it has none) and meaning."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Axis:
    """A column that designs are compared by: its name, a label with unit, and whether more of it is better."""

    column: str
    label: str
    more: bool = False


def front(rows: Sequence[Mapping], x: Axis, y: Axis) -> list[int]:
    """Numbers of the rows that no other one beats, by rising x: the Pareto front.

    A row beats another if it is at least as good on both axes and better on one. Rows without one of the figures (None)
    take no part.
    """
    points = {
        i: tuple((-1 if axis.more else 1) * row[axis.column] for axis in (x, y))
        for i, row in enumerate(rows)
        if row[x.column] is not None and row[y.column] is not None
    }
    best, unbeaten = float("inf"), []
    last = None
    for i in sorted(points, key=points.get):
        if points[i][1] < best or points[i] == last:  # equal rows are all on the front
            best, last = points[i][1], points[i]
            unbeaten.append(i)
    return sorted(unbeaten, key=lambda i: rows[i][x.column])


def write_csv(path: Path, columns: Sequence[Column], rows: Iterable[Mapping]) -> None:
    """One line of names, then one per row; an empty cell where there is no figure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in columns)
    for row in rows:
        writer.writerow("" if row[column.name] is None else row[column.name] for column in columns)
    write_atomically(path, text.getvalue())


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """A table in Markdown; after the first `text_columns`, columns are figures and stand to the right."""
    marks = ["---"] * text_columns + ["---:"] * (len(header) - text_columns)
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, marks, *rows))


def host_facts() -> dict:
    """What the time of a sweep depends on; nothing that names the machine."""
    return {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count(),
            "python": platform.python_version()}


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
