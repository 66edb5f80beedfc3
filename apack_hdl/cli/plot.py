"""The histogram of a tensor with the rows of its table."""

import io
from pathlib import Path

import click
import numpy as np

from golden.container import write_atomic
from golden.table import SymbolTable

from .support import blame

FORMATS = ("png", "svg", "pdf")


def draw_histogram(path: str, table: SymbolTable, histogram: np.ndarray, title: str, signed: bool) -> None:
    """Draw how often each value occurs, the rows as bands behind it, and what the table assumes of each value.

    Signed tensors are drawn from the most negative value on, so that a row may show at both ends.
    """
    try:
        import matplotlib
    except ImportError:
        raise click.ClickException("--plot needs matplotlib: pip install 'apack-hdl[plot]'") from None
    kind = Path(path).suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise click.ClickException(f"--plot: the file must end in one of .{', .'.join(FORMATS)}, not {path!r}")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cfg = table.config
    shift = cfg.values // 2 if signed else 0
    values = np.arange(cfg.values) - shift
    order = values % cfg.values  # the code of each value, in drawing order
    assumed = np.repeat(np.array(table.counts) / cfg.total / np.array(table.sizes), table.sizes) * histogram.sum()
    rows = table.row_of_value[order]

    figure, axes = plt.subplots(figsize=(10, 4.5), layout="constrained")
    starts = [0, *(np.flatnonzero(np.diff(rows)) + 1), cfg.values]
    for number, (a, b) in enumerate(zip(starts, starts[1:], strict=False)):
        axes.axvspan(values[a] - 0.5, values[b - 1] + 0.5, color=("0.93", "0.84")[number % 2], lw=0)
        if b - a > cfg.values // 64:
            axes.text((values[a] + values[b - 1]) / 2, 0.98, str(rows[a]), ha="center", va="top", fontsize=8,
                      color="0.35", transform=axes.get_xaxis_transform())
    axes.fill_between(values, histogram[order], step="mid", color="tab:blue", lw=0, label="values in the tensor")
    axes.step(values, assumed[order], where="mid", color="black", lw=1.1, label="as the table assumes")
    axes.set_yscale("symlog", linthresh=max(1, histogram.max() / 1000))
    axes.set_ylim(bottom=0)
    axes.set_xlim(values[0] - 0.5, values[-1] + 0.5)
    axes.set_xlabel("value (bands: rows of the table, numbered where there is room)")
    axes.set_ylabel("occurrences")
    axes.set_title(f"{title}: {len(table.v_min)} rows", fontsize=10)
    axes.legend(loc="upper right", fontsize=8)
    buffer = io.BytesIO()
    # No date in the file: the same tensor gives the same picture.
    figure.savefig(buffer, format=kind, dpi=130, metadata={"Date": None} if kind == "svg" else None)
    plt.close(figure)
    with blame(path):
        write_atomic(path, buffer.getvalue())
