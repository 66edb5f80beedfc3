"""Verilog to a netlist of standard cells with Yosys, and its area in total and by block.

Two runs of the same sequence of passes, side by side in two processes: one flattens the design (the total, and the
netlist that is timed), one keeps the hierarchy (area by block; what one block knows about its neighbours cannot be
exploited there, so its sum is a little larger). The sequence and the reason of each step are in README.md.
"""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import SynthError
from .files import write_atomically
from .libraries import Library

MAPPED = "mapped.json"  # in the build folder: which netlist is the one that was timed, and what it is made of
_WORKER = Path(__file__).with_name("yosys_worker.py")
# Adders as parallel-prefix (Kogge-Stone) trees. Booth encoding does not pay for multipliers as small as these.
_SYNTH_OPTIONS = "-extra-map +/choices/kogge-stone.v"
# dc2 and dch find smaller structures and collect choices, if -g rebalances for depth across them, buffer bounds the
# fan-out to 16, upsize and dnsize spend and recover area against the target, with wire loads (-c). Without buffer, high
# fan-out nets alone make the slowest path. map -B prefers speed: a little at first; if that misses the target, a lot.
_ABC_SCRIPT = (
    "strash; ifraig; scorr; {smaller}dch -f; if -g; strash; dch -f; map -B {speed} -D {ps}; topo; "
    "buffer -c -N 16; upsize -c -D {ps}; dnsize -c -D {ps}; stime -c -p"
)
_EFFORTS = {"small.abc": {"smaller": "dc2; dc2; ", "speed": 0.2}, "fast.abc": {"smaller": "", "speed": 0.9}}


@dataclass(frozen=True)
class Block:
    """A module of the hierarchical run. Figures are its own cells, without its submodules, over all instances.

    name: instance path below the top ("coder.range"); the module's name if it is instantiated more than once.
    t_min_ns: slowest path ending in one of its registers, in the netlist that was timed; None if none was.
    """

    name: str
    module: str
    paths: tuple[str, ...]  # of its instances; "" is the top
    cells: int
    flops: int
    clock_gates: int
    area_um2: float
    kge: float
    t_min_ns: float | None = None

    @property
    def instances(self) -> int:
        """How many times the module is instantiated."""
        return len(self.paths)


@dataclass(frozen=True)
class Netlist:
    """A mapped design: the files in the build folder and what Yosys counted."""

    verilog: Path
    contents: Path  # the same netlist as JSON
    top: str
    area_um2: float
    cells: int
    flops: int
    clock_gates: int
    latches: int
    clocks: tuple[str, ...]  # input ports that clock flip-flops
    flop_cells: frozenset[str]  # names of the library's flip-flop cells in use
    gate_cell: str  # name of the library's clock gating cell; "" if none is in use
    block_paths: tuple[str, ...]  # instance paths of all blocks, the top excepted
    flattened: bool  # before mapping
    creator: str  # Yosys' own version line


def map_to_cells(
    verilog: Path,
    top: str,
    library: Library,
    liberty: Path,
    period_ns: float,
    build_dir: Path,
    flatten: bool,
    clock_gating: bool,
    progress: Callable[[str], None],
    cut: Sequence[str] | None = None,
) -> tuple[Netlist, tuple[Block, ...]]:
    """Map `top` of `verilog` onto `library`; the netlist to time and the blocks, top first.

    With `flatten` False only the hierarchical run is made and its netlist is the one to time. With `cut`, names of
    modules, only the flat run is made, without their instances and without blocks.
    """
    (build_dir / MAPPED).unlink(missing_ok=True)
    target = max(period_ns - library.register_ns, period_ns / 4)  # asked of the gates; a quarter: periods out of reach
    for script, effort in _EFFORTS.items():
        commands = _ABC_SCRIPT.format(ps=round(target * 1000), **effort)
        write_atomically(build_dir / script, commands.replace("; ", "\n") + "\n")
    constraints = f"set_driving_cell {library.driver}\nset_load {library.load_ff} [all_outputs]\n"
    write_atomically(build_dir / "top.sdc", constraints)
    shutil.copyfile(liberty, build_dir / "cells.lib")
    common = {
        "kind": "cells",
        "top": top,
        "options": _SYNTH_OPTIONS,
        "liberty": "cells.lib",
        "dont_use": library.dont_use,
        "tie_high": library.tie_high,
        "tie_low": library.tie_low,
        "constraints": "top.sdc",
        "scripts": list(_EFFORTS),
        "target_ps": target * 1000,
        "cut": None if cut is None else list(cut),
        "buffer": library.driver,
        "gate": asdict(library.clock_gate) if clock_gating and library.clock_gate else None,
    }
    names = {"flat": True, "blocks": False} if flatten else {"blocks": False}
    names = names if cut is None else {"flat": True}
    run_yosys([{**common, "name": n, "flatten": f} for n, f in names.items()], verilog, build_dir, progress)
    netlist = _netlist(next(iter(names)), top, build_dir)
    facts = {"top": top, "library": library.name, "verilog": netlist.verilog.name, "clocks": netlist.clocks}
    facts |= {"flop_cells": sorted(netlist.flop_cells), "gate": common["gate"] if netlist.clock_gates else None}
    write_atomically(build_dir / MAPPED, json.dumps(facts, indent=1))
    return netlist, () if cut is not None else _blocks(top, library, build_dir)


def run_yosys(
    jobs: Sequence[dict], verilog: Path | None, folder: Path, progress: Callable[[str], None]
) -> None:
    """Run the jobs of yosys_worker.py side by side; SynthError with Yosys' line if one fails.

    `verilog`, if the jobs need it, is copied into `folder` first.
    """
    if importlib.util.find_spec("pyosys") is None:
        raise SynthError("Yosys is missing: pip install 'apack-hdl[synth]'")
    copy = f"design{'.sv' if verilog and verilog.suffix == '.sv' else '.v'}"
    try:
        if verilog:
            write_atomically(folder / copy, verilog.read_bytes())
    except OSError as error:
        raise SynthError(f"verilog: cannot read {verilog} ({error.strerror})") from None
    running: list[tuple[dict, subprocess.Popen]] = []
    try:
        for job in jobs:
            write_atomically(folder / f"{job['name']}.job.json", json.dumps({**job, "verilog": copy}, indent=1))
            running.append((job, _start(job["name"], folder, progress)))
        for job, process in running:
            if process.wait():
                raise SynthError(_complaint(job["name"], folder, process.returncode).replace(copy, str(verilog)))
    finally:
        for _, process in running:  # an interrupt, or the other run failed
            process.kill()
            process.wait()


def _start(name: str, folder: Path, progress: Callable[[str], None]) -> subprocess.Popen:
    with (folder / f"{name}.err").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER), f"{name}.job.json"],  # -P: our folder must not shadow modules
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def follow() -> None:
        with process.stdout:
            for line in process.stdout:
                progress(f"yosys ({name}): {line.strip()}")

    threading.Thread(target=follow, daemon=True).start()
    return process


def _complaint(name: str, folder: Path, code: int) -> str:
    """The line of Yosys that says why it stopped."""
    lines = (folder / f"{name}.err").read_text().splitlines()
    said = next((line for line in lines if "ERROR: " in line), None)
    return said.replace("ERROR: ", "") if said else f"Yosys ended with code {code}, see {folder / name}.log and .err"


def _facts(name: str, folder: Path) -> tuple[dict, dict]:
    """(facts, statistics) that the run called `name` left behind."""
    return tuple(json.loads((folder / f"{name}.{kind}.json").read_text()) for kind in ("facts", "stat"))


def _netlist(name: str, top: str, folder: Path) -> Netlist:
    facts, stat = _facts(name, folder)
    if facts["unmapped"]:
        raise SynthError(f"{top}: the library has no cell for {', '.join(facts['unmapped'])}")
    if "design" not in stat:
        raise SynthError(f"{top}: nothing is left of it, no output depends on anything")
    inner = [clock for clock in facts["clocks"] if not clock.startswith(">")]
    if inner and len(inner) == len(facts["clocks"]):
        raise SynthError(f"{top}: no input port is a clock; flip-flops are clocked by {', '.join(inner)}")
    whole = stat["design"]
    return Netlist(
        verilog=folder / f"{name}.v",
        contents=folder / f"{name}.netlist.json",
        top=top,
        area_um2=whole.get("area", 0.0),
        cells=sum(_cells(whole, facts["tree"]).values()),
        flops=sum(_cells(whole, facts["tree"]).get(cell, 0) for cell in facts["flops"]),
        clock_gates=_cells(whole, facts["tree"]).get(facts["gate"], 0),
        latches=facts["latches"],
        clocks=tuple(clock[1:] for clock in facts["clocks"] if clock.startswith(">")),
        flop_cells=frozenset(facts["flops"]),
        gate_cell=facts["gate"],
        block_paths=tuple(path for path, _ in _instances(facts["tree"], top) if path),
        flattened=name == "flat",
        creator=facts["creator"],
    )


def _cells(module: dict, tree: dict) -> dict[str, int]:
    """Cell type -> count, submodules left out."""
    return {kind: n for kind, n in module["num_cells_by_type"].items() if kind not in tree}


def _instances(tree: dict, module: str, path: str = "") -> list[tuple[str, str]]:
    """(instance path, module) of `module` and everything below it, depth first."""
    found = [(path, module)]
    for name, child in sorted(tree[module].items()):
        found += _instances(tree, child, f"{path}.{name}" if path else name)
    return found


def _blocks(top: str, library: Library, folder: Path) -> tuple[Block, ...]:
    facts, stat = _facts("blocks", folder)
    tree = facts["tree"]
    modules = {name.removeprefix("\\"): module for name, module in stat["modules"].items()}
    paths: dict[str, list[str]] = {}
    for path, module in _instances(tree, top):
        paths.setdefault(module, []).append(path)
    blocks = []
    for module, where in paths.items():
        own, n = modules[module], len(where)
        below = sum(modules[child].get("area", 0.0) for child in tree[module].values())
        cells = _cells(own, tree)
        # Yosys leaves "area" out of a module without cells; + 0.0 because -0.0 is shown with its sign.
        area = round(n * (own.get("area", 0.0) - below), 6) + 0.0
        blocks.append(
            Block(
                name=(where[0] if n == 1 else _readable(module)) or top,
                module=_readable(module),
                paths=tuple(where),
                cells=n * sum(cells.values()),
                flops=n * sum(cells.get(cell, 0) for cell in facts["flops"]),
                clock_gates=n * cells.get(facts["gate"], 0),
                area_um2=area,
                kge=area / library.nand2_area / 1000,
            )
        )
    return tuple(blocks)


def _readable(module: str) -> str:
    """A module's name in the source: Yosys calls the copy for given parameters `$paramod$HASH\\name` or the like."""
    match = re.fullmatch(r"\$paramod(?:\$\w+)?\\([^\\]+).*", module)
    return match[1] if match else module
