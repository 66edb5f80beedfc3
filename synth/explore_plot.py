"""Pictures of a sweep: two figures against each other, one panel per group, the Pareto front marked.

Upright, in large letters and without colour as a carrier of meaning: for a phone and for grey print.
"""

import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from .explore_results import Axis, front
from .files import write_atomically

MISSING = "no pictures, matplotlib is missing: pip install 'apack-hdl[plot]'"

_SHAPES = "os^Dv<>p"  # one per series
_STYLE = {"font.size": 12, "axes.titlesize": 13, "svg.hashsalt": "explore", "svg.fonttype": "path"}
_INCHES, _PANEL_INCHES, _DPI = 6.4, 4.6, 150
# Where a label may stand: offsets in points from its point, the better the earlier, and its alignment.
_PLACES = [
    (dx * far, dy * far, ha, va)
    for far in (1, 1.8, 3, 4.5)
    for dx, dy, ha, va in (
        (8, 5, "left", "bottom"), (8, -5, "left", "top"), (-8, 5, "right", "bottom"), (-8, -5, "right", "top"),
        (0, 11, "center", "bottom"), (0, -11, "center", "top"),
    )
]


def available() -> bool:
    """Whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(stem: Path, title: str, x: Axis, y: Axis, panels: Mapping[str, Sequence[Mapping]]) -> list[Path]:
    """Draw `y` over `x` as `stem`.svg and `stem`.png, and return their paths.

    panels: title -> rows. Besides the axes' columns a row has `label` (a word or two), `series` (rows of one series
    share a shape) and `preset` (the name of the preset it is, or None): presets are marked and named. Rows on the
    front of their panel are filled, joined and labelled; rows without one of the figures are left out.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    panels = {name: [row for row in rows if row[x.column] is not None and row[y.column] is not None]
              for name, rows in panels.items()}
    panels = {name: rows for name, rows in panels.items() if rows}
    if not panels:
        return []
    series = list(dict.fromkeys(row["series"] for rows in panels.values() for row in rows))
    with matplotlib.rc_context(_STYLE):
        size = _INCHES, _PANEL_INCHES * len(panels) + 0.6
        figure, grid = plt.subplots(len(panels), figsize=size, layout="constrained", squeeze=False)
        for axes, (name, rows) in zip(grid[:, 0], panels.items(), strict=True):
            _panel(axes, name, rows, x, y, series)
        figure.suptitle(title, fontsize=14)
        figure.canvas.draw()  # fixes the places of the axes, on which the labels' places depend
        figure.set_layout_engine("none")
        for axes, rows in zip(grid[:, 0], panels.values(), strict=True):
            _label(axes, rows, x, y)
        paths = []
        for kind, metadata in (("svg", {"Date": None}), ("png", {})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=_DPI, metadata=metadata)
            paths.append(stem.with_suffix(f".{kind}"))
            write_atomically(paths[-1], buffer.getvalue())
        plt.close(figure)
    return paths


def _panel(axes, name: str, rows, x: Axis, y: Axis, series) -> None:
    """Points, front and legend of one panel; room at the edges for labels."""
    best = front(rows, x, y)
    for kind in dict.fromkeys(row["series"] for row in rows):
        shape = _SHAPES[series.index(kind) % len(_SHAPES)]
        for filled in (False, True):
            chosen = [row for i, row in enumerate(rows) if row["series"] == kind and (i in best) == filled]
            axes.plot([row[x.column] for row in chosen], [row[y.column] for row in chosen], shape, ms=8, mew=1.3,
                      mec="0.15" if filled else "0.5", mfc="0.15" if filled else "white", zorder=3 + filled)
        axes.plot([], [], shape, ms=8, mec="0.15", mfc="white", label=kind)
    axes.plot([rows[i][x.column] for i in best], [rows[i][y.column] for i in best], "-", color="0.15", lw=1, zorder=2,
              label="front (filled)")
    presets = [row for row in rows if row["preset"]]
    if presets:
        axes.plot([row[x.column] for row in presets], [row[y.column] for row in presets], "o", ms=17, mfc="none",
                  mec="tab:red", mew=1.8, zorder=5, label="preset")
    axes.margins(0.16, 0.14)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.set_title(name, loc="left", weight="bold")
    axes.set_xlabel(f"{x.label} ({'more' if x.more else 'less'} is better)")
    axes.set_ylabel(f"{y.label} ({'more' if y.more else 'less'} is better)")
    axes.legend(fontsize=10, loc="best", framealpha=0.9)


def _label(axes, rows, x: Axis, y: Axis) -> None:
    """Name presets and the front, presets first, each where it covers least; one that finds no place stays away."""
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    best, frame = front(rows, x, y), axes.bbox
    named = {i: row["preset"] for i, row in enumerate(rows) if row["preset"]}
    names = named | {i: rows[i]["label"] for i in best if i not in named}
    renderer = axes.figure.canvas.get_renderer()
    spots = axes.transData.transform([(row[x.column], row[y.column]) for row in rows])
    points = axes.figure.dpi / 72  # pixels of one
    rings = [Bbox.from_extents(*(spots[i] - 8 * points), *(spots[i] + 8 * points)) for i in named]
    taken = [axes.get_legend().get_window_extent(renderer).padded(2)]
    for i, text in names.items():
        for dx, dy, ha, va in _PLACES:
            line = {"arrowstyle": "-", "color": "0.4", "lw": 0.7, "shrinkB": 4} if abs(dx) + abs(dy) > 14 else None
            note = axes.annotate(
                text, (rows[i][x.column], rows[i][y.column]), xytext=(dx, dy), textcoords="offset points", ha=ha, va=va,
                fontsize=10, weight="bold" if i in named else "normal", zorder=6, parse_math=False, arrowprops=line,
                bbox={"boxstyle": "square,pad=0", "fc": "white", "ec": "none", "alpha": 0.6},
            )
            note.update_positions(renderer)
            box = Text.get_window_extent(note, renderer)  # of the words, without the line to the point
            inside = box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1
            free = not any(box.overlaps(other) for other in taken + rings)
            if inside and free and not box.padded(3 * points).count_contains(spots):
                taken.append(box)
                break
            note.remove()
