"""The result of a synthesis as one value: for programs (JSON), for documents (Markdown), for the terminal (rich)."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .files import write_atomically
from .flow import Block
from .fpga import RESOURCES, Fpga
from .paths import CriticalPath
from .power import MeasuredPower
from .timing import Power

_SUMMED = ("cells", "flops", "clock_gates", "area_um2", "kge")
_MANY_BLOCKS = 24  # beyond this a table is unreadable: numbered copies (engine0, engine1, ...) share a line


@dataclass(frozen=True)
class CellFigures:
    """What the design is in standard cells. t_min_ns, path and power are None without OpenSTA.

    power: at one activity for all nets, all clocks running. power_measured: with the activity of a simulation, if one
    was made.

    area_um2, kge, cells, flops: of the netlist that was timed. blocks: of the hierarchical run, whose areas add up to
    `blocks_um2`, a little more than `area_um2` since nothing is shared between blocks there.
    """

    library: str
    corner: str
    licence: str
    nand2_um2: float
    wire_load: str
    flattened: bool
    area_um2: float
    kge: float
    cells: int
    flops: int
    clock_gates: int
    blocks: tuple[Block, ...]
    t_min_ns: float | None
    path: CriticalPath | None
    power: Power | None
    power_measured: MeasuredPower | None = None

    @property
    def blocks_um2(self) -> float:
        """Sum of the blocks' areas."""
        return sum(block.area_um2 for block in self.blocks)


@dataclass(frozen=True)
class SynthesisReport:
    """Area, clock and power of one Verilog module, with everything needed to get the same figures again.

    Exactly one of `cells` and `fpga` is set. period_ns: the clock period asked of the tools; tools: name -> version;
    date: UTC, ISO 8601; values_per_cycle: the caller's word, from which `values_per_s` follows.
    """

    top: str
    verilog: str
    verilog_sha256: str
    target: str
    period_ns: float
    values_per_cycle: float | None
    date: str
    tools: dict[str, str]
    notes: tuple[str, ...]
    cells: CellFigures | None = None
    fpga: Fpga | None = None

    @property
    def clock_ghz(self) -> float | None:
        """The clock that the slowest path allows; None if it is not known."""
        if self.fpga:
            return self.fpga.clock_ghz
        return 1 / self.cells.t_min_ns if self.cells.t_min_ns else None

    @property
    def values_per_s(self) -> float | None:
        """values_per_cycle at that clock."""
        return self.clock_ghz * 1e9 * self.values_per_cycle if self.clock_ghz and self.values_per_cycle else None

    @property
    def pj_per_value(self) -> float | None:
        """Energy per value in pJ, at the power's activity and clock."""
        power = self.cells and self.cells.power
        return power.total_mw * 1e9 / self.values_per_s if power and self.values_per_s else None

    def with_measured_power(self, power: MeasuredPower) -> "SynthesisReport":
        """The same report with the power that `synth.measured_power` found."""
        return replace(self, cells=replace(self.cells, power_measured=power))

    def to_json(self) -> dict:
        """Everything as plain dictionaries, lists, numbers and strings; derived figures included."""
        plain = asdict(self)
        derived = {"clock_ghz": self.clock_ghz, "values_per_s": self.values_per_s, "pj_per_value": self.pj_per_value}
        if self.cells:
            plain["cells"]["blocks_um2"] = self.cells.blocks_um2
            for block, own in zip(plain["cells"]["blocks"], self.cells.blocks, strict=True):
                block["instances"] = own.instances
            if self.cells.path:
                plain["cells"]["path"]["words"] = self.cells.path.words
            if self.cells.power_measured:
                plain["cells"]["power_measured"]["pj_per_value"] = self.cells.power_measured.pj_per_value
        return json.loads(json.dumps(plain | derived))  # tuples become lists, as in the file

    def to_markdown(self) -> str:
        """A section with a table of figures, a table of blocks and the notes."""
        lines = [f"## {self.top} on {self.target}", "", "| figure | value |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in self._figures()]
        if self.cells:
            header, *rows = _block_table(self.cells)
            lines += ["", f"| {' | '.join(header)} |", "|---" + "|---:" * (len(header) - 1) + "|"]
            lines += [f"| {' | '.join(row)} |" for row in rows]
        lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines) + "\n"

    def render(self, console: Console) -> None:
        """Print the tables and the notes on `console`."""
        plain = {"title_justify": "left", "box": None, "padding": (0, 2, 0, 0)}
        figures = Table(title=escape(f"{self.top} on {self.target}"), show_header=False, **plain)
        figures.add_column(style="bold", no_wrap=True)
        figures.add_column(overflow="fold")
        for name, value in self._figures():
            figures.add_row(name, escape(value))
        console.print(figures)
        if self.cells:
            header, *rows = _block_table(self.cells)
            blocks = Table(title="\nArea by block, and the slowest path that ends there", **plain)
            for at, name in enumerate(header):
                blocks.add_column(name, justify="right" if at else "left", no_wrap=at > 0, overflow="fold")
            for row in rows:
                blocks.add_row(*map(escape, row))
            console.print(blocks)
        for note in self.notes:
            console.print(f"\n{escape(note)}")

    def write(self, json_path: Path | None = None, markdown_path: Path | None = None) -> None:
        """Write the report to the given files, each atomically."""
        if json_path:
            write_atomically(json_path, json.dumps(self.to_json(), indent=1) + "\n")
        if markdown_path:
            write_atomically(markdown_path, self.to_markdown())

    def _figures(self) -> Iterator[tuple[str, str]]:
        """Rows of the figure table: name with unit, value."""
        if self.cells:
            yield from _cell_figures(self.cells)
        else:
            yield from _fpga_figures(self.fpga)
        if self.clock_ghz:
            yield "clock", f"{self.clock_ghz:.3f} GHz" if self.cells else f"{self.clock_ghz * 1000:.1f} MHz"
        yield "period asked", f"{self.period_ns:g} ns"
        if self.values_per_s:
            yield "throughput", f"{self.values_per_s / 1e9:.3f} Gvalues/s at {self.values_per_cycle:g} values per cycle"
        if self.pj_per_value:
            yield "energy", f"{self.pj_per_value:.3f} pJ per value"
        yield "Verilog", f"{self.verilog}, sha256 {self.verilog_sha256}"
        yield "tools", "; ".join(f"{name} {version}" for name, version in self.tools.items())
        yield "date", self.date


def _cell_figures(cells: CellFigures) -> Iterator[tuple[str, str]]:
    yield "cell library", f"{cells.library} ({cells.corner}; {cells.licence})"
    yield "area", f"{cells.area_um2:,.0f} µm², {cells.kge:.2f} kGE of {cells.nand2_um2:g} µm²"
    gates = f" and {cells.clock_gates:,} clock gating cells" if cells.clock_gates else ""
    yield "cells", f"{cells.cells:,}, {cells.flops:,} of them flip-flops{gates}"
    if cells.path:
        yield "T_min", f"{cells.t_min_ns:.3f} ns"
        yield "slowest path", cells.path.words
    if cells.power:
        yield "power", f"{_milliwatts(cells.power)} and activity {cells.power.activity:g} ({_shares(cells.power)})"
    if measured := cells.power_measured:
        yield (
            "power, measured",
            f"{_milliwatts(measured)} with {measured.stimulus}: {measured.cycles:,} cycles, mean activity "
            f"{measured.activity:.3f}, flip-flops clocked in {measured.clocked:.1%} of them ({_shares(measured)}); "
            "no glitches",
        )
        if measured.pj_per_value:
            yield "energy, measured", f"{measured.pj_per_value:.3f} pJ per value, {measured.values:,} values"


def _milliwatts(power: Power) -> str:
    return f"{power.total_mw:.2f} mW at {power.clock_ghz:.3f} GHz"


def _shares(power: Power) -> str:
    return f"internal {power.internal_mw:.2f}, switching {power.switching_mw:.2f}, leakage {power.leakage_mw:.3f}"


def _fpga_figures(fpga: Fpga) -> Iterator[tuple[str, str]]:
    for figure, name in RESOURCES.items():
        used, available = getattr(fpga, figure), fpga.available[figure]
        yield name, f"{used:,} of {available:,}, {used / available:.0%}"
    yield "seed", f"{fpga.seed}"
    if fpga.path:
        yield "slowest path", fpga.path


def _block_table(cells: CellFigures) -> list[list[str]]:
    """Header, blocks and sum. A column that would say nothing (all copies single, no clock known) is left out."""
    blocks = _folded(cells.blocks)
    total = _sum("sum of blocks", list(blocks))
    columns = {
        "block": lambda block: block.name,
        "copies": lambda block: f"{block.instances}" if block is not total else "",
        "cells": lambda block: f"{block.cells:,}",
        "flops": lambda block: f"{block.flops:,}",
        "µm²": lambda block: f"{block.area_um2:,.0f}",
        "kGE": lambda block: f"{block.kge:.2f}",
        "share": lambda block: f"{block.area_um2 / (total.area_um2 or 1):.1%}",
        "T_min ns": lambda block: f"{block.t_min_ns:.3f}" if block.t_min_ns else "–",
    }
    if all(block.instances == 1 for block in blocks):
        del columns["copies"]
    if cells.path is None:
        del columns["T_min ns"]
    return [list(columns), *([text(block) for text in columns.values()] for block in (*blocks, total))]


def _folded(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """The blocks, largest first; if they are many, those that differ in numbers of their names only are added up."""
    if len(blocks) > _MANY_BLOCKS:
        groups: dict[str, list[Block]] = {}
        for block in blocks:
            groups.setdefault(re.sub(r"\d+", "*", block.name), []).append(block)
        blocks = tuple(_sum(name, group) if len(group) > 1 else group[0] for name, group in groups.items())
    return tuple(sorted(blocks, key=lambda block: -block.area_um2))


def _sum(name: str, group: list[Block]) -> Block:
    sums = {figure: sum(getattr(b, figure) for b in group) for figure in _SUMMED}
    worst = max((b.t_min_ns for b in group if b.t_min_ns), default=None)
    return replace(group[0], name=name, paths=sum((b.paths for b in group), ()), t_min_ns=worst, **sums)
