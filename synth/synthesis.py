"""The entry point: one Verilog module in, one report out."""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from numbers import Real
from pathlib import Path

from . import fpga, timing
from .errors import SynthError
from .files import sha256
from .flow import Block, map_to_cells
from .libraries import Library, locate
from .libraries import library as library_named
from .report import CellFigures, SynthesisReport

PRE_LAYOUT = "pre-layout figures: {wires}, ideal clock (no clock tree in area, delay or power)"
OUT_OF_CONTEXT = f"{fpga.DEVICE}, placed and routed out of context: the clock is that of paths between registers"

CUT_DELAY_NS = 0.3  # of a register and a wire, or of a small memory: what is cut out is timed by itself
CUT = "without its {modules}, whose outputs are taken to come {delay} ns after the clock"


def synthesize(
    verilog: Path,
    top: str,
    *,
    library: str = "nangate45",
    target: str | None = None,
    period_ns: float | None = None,
    activity: float = 0.1,
    values_per_cycle: float | None = None,
    flatten: bool = True,
    clock_gating: bool = True,
    cut: Sequence[str] | None = None,
    build_dir: Path,
    progress: Callable[[str], None] | None = None,
) -> SynthesisReport:
    """Area, clock and power of module `top` in the file `verilog`.

    library: standard cells to use, one of `libraries.LIBRARIES`; ignored with target "ecp5", which places and routes
    for an FPGA instead. period_ns: clock period to aim at (default: the library's, 10 ns on the FPGA).
    activity: transitions per cycle assumed for every net in the power figure, 0 to 1. values_per_cycle: what the
    design handles per cycle, to state values/s and energy per value. flatten False: only the hierarchical run, for
    designs of hundreds of thousands of cells. clock_gating False: enables are multiplexers, no clock gating cells.
    cut: names of modules whose instances are left outside, None for a design in one piece: what they give is taken to
    come CUT_DELAY_NS after the clock; there are no blocks then.
    build_dir: every script, log and netlist stays there, so one run at a
    time. progress: called with a line per step, one call at a time, from any thread.

    Raises TypeError or ValueError for a bad argument, SynthError (one line) if a tool, a library or the Verilog fails.
    Without OpenSTA the report has areas and says what is missing.
    """
    verilog, build_dir = Path(verilog), Path(build_dir)
    if not isinstance(top, str):
        raise TypeError(f"top: must be a string, not {type(top).__name__}")
    if target not in (None, "ecp5"):
        raise SynthError(f"target: must be ecp5 or nothing (standard cells), not {target!r}")
    cells = None if target else library_named(library)
    default = fpga.DEFAULT_PERIOD_NS if target else cells.period_ns
    period = default if period_ns is None else _number("period_ns", period_ns, 0.001, 1e6)
    activity = _number("activity", activity, 0, 1)
    if values_per_cycle is not None:
        _number("values_per_cycle", values_per_cycle, 1e-9, 1e9)
    try:
        content = verilog.read_bytes()
        build_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SynthError(f"{error.filename}: {error.strerror}") from None
    base = {
        "top": top,
        "verilog": str(verilog),
        "verilog_sha256": sha256(content),
        "target": target or cells.name,
        "period_ns": period,
        "values_per_cycle": values_per_cycle,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    say = _one_at_a_time(progress or (lambda message: None))
    if target:
        figures = fpga.place_and_route(verilog, top, period, build_dir, say)
        tools = _tools(figures.creator, nextpnr=figures.version)
        return SynthesisReport(**base, tools=tools, notes=(OUT_OF_CONTEXT,), fpga=figures)
    return _on_cells(base, cells, activity, flatten, clock_gating, cut, build_dir, say)


def _on_cells(
    base: dict,
    cells: Library,
    activity: float,
    flatten: bool,
    clock_gating: bool,
    cut: Sequence[str] | None,
    build_dir: Path,
    say: Callable[[str], None],
) -> SynthesisReport:
    period, liberty = base["period_ns"], locate(cells.name, say)
    options = {"build_dir": build_dir, "flatten": flatten, "clock_gating": clock_gating, "progress": say, "cut": cut}
    netlist, blocks = map_to_cells(Path(base["verilog"]), base["top"], cells, liberty, period, **options)
    say("opensta: timing and power")
    timed = timing.analyse(netlist, cells, period, activity, CUT_DELAY_NS if cut else None)
    wires = f"wire-load model {cells.wire_load}" if cells.wire_load else "no wire load, the library has no model"
    notes = [PRE_LAYOUT.format(wires=wires)]
    notes += [CUT.format(modules=", ".join(cut), delay=CUT_DELAY_NS)] if cut else []
    notes += [] if flatten else ["hierarchy kept: the total is the sum of the blocks"]
    notes += [f"{netlist.latches} latches"] if netlist.latches else []
    notes += timed.notes if timed else [timing.MISSING]
    figures = CellFigures(
        library=cells.title,
        corner=cells.corner,
        licence=cells.licence,
        nand2_um2=cells.nand2_area,
        wire_load=cells.wire_load,
        flattened=flatten,
        area_um2=netlist.area_um2,
        kge=netlist.area_um2 / cells.nand2_area / 1000,
        cells=netlist.cells,
        flops=netlist.flops,
        clock_gates=netlist.clock_gates,
        blocks=_with_t_min(blocks, timed.block_t_min_ns) if timed else blocks,
        t_min_ns=timed.t_min_ns if timed else None,
        path=timed.path if timed else None,
        power=timed.power if timed else None,
    )
    archive = f"{cells.archive.package} {cells.archive.version}, sha256 {cells.sha256[:16]}"
    tools = _tools(netlist.creator, cells=archive, **({"OpenSTA": timed.version} if timed else {}))
    return SynthesisReport(**base, tools=tools, notes=tuple(notes), cells=figures)


def _with_t_min(blocks: tuple[Block, ...], t_min: dict[str, float]) -> tuple[Block, ...]:
    """The blocks with the slowest path that ends in any of their instances."""
    return tuple(
        replace(block, t_min_ns=max((t_min[path] for path in block.paths if path in t_min), default=None))
        for block in blocks
    )


def _tools(yosys: str, **others: str) -> dict[str, str]:
    short = re.sub(r"^Yosys (\S+) \(git sha1 (\w+).*", r"\1 (\2)", yosys)  # the rest names the compiler
    return {"Yosys": short, "pyosys": metadata.version("pyosys"), **others}


def _one_at_a_time(progress: Callable[[str], None]) -> Callable[[str], None]:
    """Two runs report from two threads; the caller's function sees one call at a time."""
    lock = threading.Lock()

    def say(message: str) -> None:
        with lock:
            progress(message)

    return say


def _number(name: str, value: object, low: float, high: float) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name}: must be a number, not {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{name}: must be {low:g} to {high:g}, not {value}")
    return float(value)
