"""The histogram of a tensor with the rows of its table."""

import importlib.util
import io
import warnings
from pathlib import Path

import click
import numpy as np

from golden.container import write_atomic
from golden.table import SymbolTable

from .support import blame, counted

# Each with what keeps dates out of the file: the same tensor gives the same picture.
FORMATS = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
BARS = 1024  # more than the picture has room for cannot be told apart: neighbouring values share a bar


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
    order = (np.arange(cfg.values) + lowest) % cfg.values  # the code of each value, in drawing order
    rows = table.row_of_value[order]
    pooled = max(1, cfg.values // BARS)
    heights = histogram[order].reshape(-1, pooled).mean(axis=1)
    assumed = histogram.sum() * np.array(table.counts) / cfg.total / np.array(table.sizes)

    figure, axes = plt.subplots(figsize=(10, 4.5), layout="constrained")
    starts = np.array([0, *(np.flatnonzero(np.diff(rows)) + 1), cfg.values])
    ends = starts + lowest - 0.5  # of the bands
    for number, (a, b) in enumerate(zip(ends, ends[1:], strict=False)):
        axes.axvspan(a, b, color=("0.93", "0.84")[number % 2], lw=0)
        if b - a > cfg.values // 64:
            axes.text((a + b) / 2, 1.01, str(rows[starts[number]]), ha="center", fontsize=8, color="0.35",
                      transform=axes.get_xaxis_transform())
    edges = np.arange(0, cfg.values + 1, pooled) + lowest - 0.5
    axes.stairs(heights, edges, fill=True, color="tab:blue", label="values in the tensor")
    axes.stairs(assumed[rows[starts[:-1]]], ends, baseline=None, color="black", lw=1.1, label="as the table assumes")
    axes.set_yscale("symlog", linthresh=1 / pooled)
    axes.set_ylim(0, 2 * max(1, heights.max(), assumed.max()))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("value (bands: rows of the table, numbered where there is room)")
    axes.set_ylabel("occurrences" + (f", mean of {pooled} values each" if pooled > 1 else ""))
    axes.set_title(f"{_title(names)}: {counted(len(table.v_min), 'row')}", fontsize=10, pad=16, parse_math=False)
    axes.legend(loc="upper right", fontsize=8)
    kind, buffer = _format(path), io.BytesIO()
    # Names inside the file are random without a salt. A title in letters that no font has is drawn without them.
    with matplotlib.rc_context({"svg.hashsalt": "apack"}), warnings.catch_warnings(action="ignore"):
        figure.savefig(buffer, format=kind, dpi=130, metadata=FORMATS[kind])
    plt.close(figure)
    with blame(path):
        write_atomic(path, buffer.getvalue())


def _title(names) -> str:
    """The tensors' names, short enough for a line."""
    first = click.format_filename(names[0], shorten=True)
    first = first if len(first) <= 80 else f"…{first[-79:]}"
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"
