"""The histogram of a tensor with the rows of its table."""

import importlib.util
import io
from pathlib import Path

import click
import numpy as np

from golden.container import write_atomic
from golden.table import SymbolTable

from .support import blame

# Each with what keeps dates out of the file: the same tensor gives the same picture.
FORMATS = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


def check_plot(path: str) -> None:
    """Refuse a ``--plot`` that cannot be drawn, before any work is done."""
    if importlib.util.find_spec("matplotlib") is None:
        raise click.ClickException("--plot needs matplotlib: pip install 'apack-hdl[plot]'")
    if _format(path) not in FORMATS:
        raise click.ClickException(f"--plot: the file must end in one of .{', .'.join(FORMATS)}, not {path!r}")


def _format(path: str) -> str:
    return Path(path).suffix.lstrip(".").lower()


def draw_histogram(path: str, table: SymbolTable, histogram: np.ndarray, names, signed: bool) -> None:
    """Draw how often each value occurs, the rows as bands behind it, and what the table assumes of each value.

    Signed tensors are drawn from the most negative value on, so that a row may show at both ends.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cfg = table.config
    lowest = -(cfg.values // 2) if signed else 0
    edges = np.arange(cfg.values + 1) + lowest - 0.5
    order = (np.arange(cfg.values) + lowest) % cfg.values  # the code of each value, in drawing order
    assumed = np.repeat(np.array(table.counts) / cfg.total / np.array(table.sizes), table.sizes) * histogram.sum()
    rows = table.row_of_value[order]

    figure, axes = plt.subplots(figsize=(10, 4.5), layout="constrained")
    starts = [0, *(np.flatnonzero(np.diff(rows)) + 1), cfg.values]
    for number, (a, b) in enumerate(zip(starts, starts[1:], strict=False)):
        axes.axvspan(edges[a], edges[b], color=("0.93", "0.84")[number % 2], lw=0)
        if b - a > cfg.values // 64:
            axes.text((edges[a] + edges[b]) / 2, 1.01, str(rows[a]), ha="center", fontsize=8, color="0.35",
                      transform=axes.get_xaxis_transform())
    axes.stairs(histogram[order], edges, fill=True, color="tab:blue", label="values in the tensor")
    axes.stairs(assumed[order], edges, baseline=None, color="black", lw=1.1, label="as the table assumes")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(0, 2 * max(1, histogram.max()))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("value (bands: rows of the table, numbered where there is room)")
    axes.set_ylabel("occurrences")
    axes.set_title(f"{_title(names)}: {len(table.v_min)} rows", fontsize=10, pad=16, parse_math=False)
    axes.legend(loc="upper right", fontsize=8)
    kind, buffer = _format(path), io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "apack"}):  # names inside the file are random otherwise
        figure.savefig(buffer, format=kind, dpi=130, metadata=FORMATS[kind])
    plt.close(figure)
    with blame(path):
        write_atomic(path, buffer.getvalue())


def _title(names) -> str:
    """The tensors' names, short enough for a line."""
    first = click.format_filename(names[0], shorten=True)
    first = first if len(first) <= 80 else f"…{first[-79:]}"
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"
