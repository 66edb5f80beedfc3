"""What a sweep of the engines found: the figures of each configuration, as files and as a table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from golden.config import DEFAULT_PRESET
from synth import explore_plot
from synth.explore import Outcome, tool_versions
from synth.explore_results import Axis, Column, front, host_facts, markdown_table, now, write_csv
from synth.files import write_atomically

from ..emit import TOPS
from .explore_points import Point, preset_of, preset_point
from .explore_rate import documented
from .support import counted, print_table, say

SCHEMA = 1  # of explore.json

COLUMNS = (
    Column("name", "", "direction, search and parameters in one word"),
    Column("direction", "", "encoder or decoder"),
    Column("preset", "", "presets whose engine this is"),
    Column("search", "", "how the decoder finds the row"),
    Column("streams", "", "S, streams in turn"),
    Column("width", "bits", "W, of a value"),
    Column("rows", "", "N, rows of the table"),
    Column("prob_bits", "", "P, probability counts add up to 2^P"),
    Column("mult_bits", "", "M, bits of the multiplier's one operand"),
    Column("word", "bits", "of a word of the compressed streams"),
    Column("banks", "", "tables held at a time"),
    Column("period_ns", "ns", "clock period asked of the mapper; empty: the library's"),
    Column("status", "", "done or failed"),
    Column("error", "", "why it failed"),
    Column("area_um2", "µm²", "cell area, flattened"),
    Column("area_kge", "kGE", "the same in 1000 two-input NANDs"),
    Column("flops", "", "flip-flops"),
    Column("t_min_ns", "ns", "slowest path"),
    Column("clock_ghz", "GHz", "its inverse"),
    Column("power_mw", "mW", "at that clock and the stated activity"),
    Column("values_per_cycle", "", "all streams together, while each is busy"),
    Column("rate_source", "", "where that is from: the documentation (block length, cycles besides) or a simulator"),
    Column("gvalues_per_s", "10^9/s", "values per cycle times clock"),
    Column("gvalues_per_s_per_mm2", "10^9/s/mm²", "the same by area"),
    Column("pj_per_value", "pJ", "power by values per second"),
    Column("pj_per_bit", "pJ", "the same by W: per bit of raw data"),
    Column("precision_percent", "%", "bits of both streams above those of unlimited precision with the same tables"),
    Column("loss_percent", "%", "bits of both streams above the reference's"),
    Column("table_percent", "%", "bits of the stored tables, in per cent of the reference's"),
    Column("bits_per_value", "bits", "streams and tables"),
    Column("blocks_kge", "kGE", "area by block, from a run that keeps the hierarchy"),
)
AREA, CLOCK = Axis("area_kge", "area, kGE"), Axis("clock_ghz", "clock, GHz", more=True)
DENSITY = Axis("gvalues_per_s_per_mm2", "values/s/mm², 10⁹", more=True)
LOSS, ENERGY = Axis("loss_percent", "compression loss, %"), Axis("pj_per_value", "energy, pJ/value")
PLOTS = {
    "clock": ("Clock against area", AREA, CLOCK),
    "density": ("Throughput by area against compression loss", LOSS, DENSITY),
    "energy": ("Energy against area", AREA, ENERGY),
}
LOSS_TEXT = ("Loss: bits of both streams above what a coder of full precision takes with each tensor's best table of "
             "up to 64 rows; precision: above what it takes with the engine's own table of N rows. Tables not counted.")


def figures(point: Point, outcome: Outcome, losses: dict, simulation: Outcome | None = None) -> dict:
    """The row of a point; figures that are not known are None.

    ``outcome``, ``simulation``: what became of synthesizing and, if it was asked for, of simulating it.
    """
    error = outcome.error or (simulation and simulation.error)
    row = dict.fromkeys(column.name for column in COLUMNS) | asdict(point) | losses
    row |= {"name": point.name, "preset": preset_of(point), "status": "failed" if error else "done", "error": error}
    row |= (simulation and simulation.result) or documented(point)
    if not error:
        row |= costs(row["values_per_cycle"], point.width, outcome.result)
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in row.items()}


def costs(values_per_cycle: float, width: int, report: dict) -> dict:
    """The figures that follow from a synthesis report (as JSON); without OpenSTA only areas."""
    cells, clock = report["cells"], report["clock_ghz"]
    blocks = {block["name"]: round(block["kge"], 4) + 0.0 for block in cells["blocks"]}  # + 0.0: no -0
    areas = {"area_um2": cells["area_um2"], "area_kge": cells["kge"], "flops": cells["flops"], "blocks_kge": blocks}
    if not clock:
        return areas
    rate, power = values_per_cycle * clock, cells["power"]["total_mw"]
    energy = power / rate  # mW by 10^9/s: pJ
    return areas | {
        "t_min_ns": cells["t_min_ns"], "clock_ghz": clock, "power_mw": power, "gvalues_per_s": rate,
        "gvalues_per_s_per_mm2": rate / (cells["area_um2"] / 1e6), "pj_per_value": energy, "pj_per_bit": energy / width,
    }


def write_report(folder: Path, points: list[Point], rows: list[dict], skipped: list[dict], about: dict):
    """Write explore.json, .csv, .md and pictures to ``folder``; returns what is in the JSON, and the paths."""
    data = {
        "schema": SCHEMA,
        "date": now(),
        "versions": {"apack-hdl": version("apack-hdl"), "amaranth": version("amaranth"), **tool_versions()},
        "host": host_facts(),
        **about,
        "columns": [asdict(column) for column in COLUMNS],
        "points": rows,
        "skipped": skipped,
    }
    files = [folder / f"explore.{suffix}" for suffix in ("json", "csv", "md")]
    pictures = draw(folder, points, rows)
    write_atomically(files[0], json.dumps(data, indent=1, allow_nan=False) + "\n")
    write_csv(files[1], COLUMNS, (row | {"blocks_kge": blocks_text(row["blocks_kge"])} for row in rows))
    write_atomically(files[2], markdown(points, rows, data, pictures))
    return data, files + pictures


def blocks_text(blocks: dict | None) -> str | None:
    """Area by block in one cell."""
    return blocks and "; ".join(f"{name} {kge:.3f}" for name, kge in blocks.items())


def draw(folder: Path, points: list[Point], rows: list[dict]) -> list[Path]:
    """The pictures: values of one width only, since those of others cost and carry something else."""
    if not explore_plot.available():
        return []
    width = usual_width(rows)
    panels, paths = {}, []
    for direction in TOPS:
        base = preset_point(DEFAULT_PRESET, direction)
        panels[f"{direction}, W = {width}"] = [
            row | {"label": point.label(replace(base, width=width)), "series": point.search or direction}
            for point, row in zip(points, rows, strict=True) if point.direction == direction and point.width == width
        ]
    for name, (title, x, y) in PLOTS.items():
        paths += explore_plot.draw(folder / f"explore_{name}", title, x, y, panels)
    return paths


def usual_width(rows: list[dict]) -> int:
    """The width of most configurations."""
    widths = [row["width"] for row in rows]
    return max(widths, key=widths.count)


def markdown(points: list[Point], rows: list[dict], data: dict, pictures: Sequence[Path]) -> str:
    """The report for people."""
    parts = ["# Design space of the engines\n", f"Made by `{data['command']}`, {data['date']}. {flow_text(data)}\n"]
    parts += [streams_table(points, rows)]
    parts += [f"![{PLOTS[p.stem.removeprefix('explore_')][0]}]({p.name})\n" for p in pictures if p.suffix == ".svg"]
    parts += [f"## All configurations\n\n{LOSS_TEXT} Measured on {data['tensors']}.\n", all_table(rows)]
    failed = [(row["name"], row["error"]) for row in rows if row["error"]]
    left_out = [(row["name"], row["reason"]) for row in data["skipped"]]
    for title, lines in (("Failed", failed), ("Left out", left_out)):
        if lines:
            parts += [f"## {title}\n", markdown_table(("configuration", "reason"), lines, 2)]
    return "\n".join(parts)


def flow_text(data: dict) -> str:
    """With what figures were made."""
    flow, versions = data["flow"], data["versions"]
    return (f"Cells {flow['library']}, period asked {flow['default_period_ns']:g} ns where the name does not end in "
            f"another, activity {flow['activity']:g}, before layout; Yosys (pyosys) {versions['pyosys']}, "
            f"OpenSTA {versions['OpenSTA']}, APack-HDL {versions['apack-hdl']}.")


def streams_table(points: list[Point], rows: list[dict]) -> str:
    """Clock, area and values per cycle over the streams, for engines that differ in nothing else from the default."""
    figures = {"clock_ghz": "clock GHz", "area_kge": "area kGE", "values_per_cycle": "values/cycle",
               "gvalues_per_s": "10⁹ values/s", "gvalues_per_s_per_mm2": "10⁹ values/s/mm²", "pj_per_value": "pJ/value"}
    lines = []
    for point, row in zip(points, rows, strict=True):
        base = preset_point(DEFAULT_PRESET, point.direction)
        if replace(point, streams=base.streams, search=base.search, period_ns=None) == base and row["status"] == "done":
            engine = f"{point.direction} {point.search or ''}".strip()
            engine += f", {point.period_ns:g} ns asked" if point.period_ns else ""
            lines.append((engine, point.streams, *(text(name, row) for name in figures)))
    if len({line[1] for line in lines}) < 2:
        return ""
    lines = [tuple(map(str, line)) for line in sorted(lines, key=lambda line: line[:2])]
    return f"## Streams\n\n{markdown_table(('engine', 'streams', *figures.values()), lines)}"


DIGITS = {"area_kge": 2, "clock_ghz": 3, "values_per_cycle": 4, "gvalues_per_s": 3, "gvalues_per_s_per_mm2": 1,
          "pj_per_value": 2, "pj_per_bit": 3, "precision_percent": 3, "loss_percent": 2,
          "table_percent": 2}


def text(name: str, row: dict) -> str:
    """A figure of a row, "-" if it is not known."""
    return "-" if row[name] is None else f"{row[name]:.{DIGITS[name]}f}"


def all_table(rows: list[dict]) -> str:
    """Every configuration that was finished; those on a front of the pictures are marked."""
    figures = {"area_kge": "area kGE", "clock_ghz": "clock GHz", "gvalues_per_s": "10⁹ values/s",
               "gvalues_per_s_per_mm2": "10⁹ values/s/mm²", "pj_per_value": "pJ/value", "pj_per_bit": "pJ/bit",
               "precision_percent": "precision %", "loss_percent": "loss %", "table_percent": "tables %"}
    lines = (
        (row["name"], row["preset"] or "", ", ".join(on), *(text(name, row) for name in figures))
        for row, on in zip(rows, fronts(rows), strict=True) if row["status"] == "done"
    )
    return markdown_table(("configuration", "preset", "front", *figures.values()), lines, 3)


def fronts(rows: list[dict]) -> list[list[str]]:
    """For each row, the pictures on whose front it is."""
    on, width = [[] for _ in rows], usual_width(rows)
    for direction in TOPS:
        numbers = [i for i, row in enumerate(rows) if row["direction"] == direction and row["width"] == width]
        for name, (_, x, y) in PLOTS.items():
            for k in front([rows[i] for i in numbers], x, y):
                on[numbers[k]].append(name)
    return on


def render(points: list[Point], rows: list[dict], data: dict, files: list[Path], reused: int) -> None:
    """Print a line for each configuration and where everything is."""
    names = ("area_kge", "clock_ghz", "gvalues_per_s", "gvalues_per_s_per_mm2", "pj_per_value", "loss_percent")
    for direction in TOPS:
        base = preset_point(DEFAULT_PRESET, direction)
        lines = [
            (point.label(base) + (" FAILED" if row["error"] else ""), *(text(name, row) for name in names))
            for point, row in zip(points, rows, strict=True) if point.direction == direction
        ]
        if lines:
            print_table(f"{direction}: {describe(base)} unless stated",
                        ("", "kGE", "GHz", "10⁹/s", "10⁹/s/mm²", "pJ", "loss %"), lines)
    for row in rows:
        if row["error"]:
            say(f"{row['name']}: {row['error']}")
    for left_out in data["skipped"]:
        say(f"left out: {left_out['name']}: {left_out['reason']}")
    say(f"10⁹/s: values per second; pJ: per value. {LOSS_TEXT} Measured on {data['tensors']}.")
    if reused:
        say(f"{counted(reused, 'configuration')} of {len(rows)} from earlier runs")
    say(f"in {files[0].parent}: {', '.join(file.name for file in files)}")


def describe(point: Point) -> str:
    """The parameters that a label leaves out."""
    search = f", {point.search}" if point.search else ""
    return (f"W{point.width} N{point.rows} P{point.prob_bits} M{point.mult_bits}, words of {point.word} bits, "
            f"{counted(point.banks, 'bank')}{search}")
