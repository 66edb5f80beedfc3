"""Lint of emitted memory-side blocks of many shapes in Verilator, Icarus Verilog and Yosys: ``make lintrtl``.

The tests do one small block; this does the corners of engines, buses, orders and widths, in some twenty minutes.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from apack_hdl.cli.support import print_table, steps
from apack_hdl.memory_side.emit import NAME, emit_memory_side
from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.simulation.verilator import ToolError, find_verilator
from golden.config import CodecConfig

SHAPES = [  # W, engines, bits of the bus, order
    (8, 1, 32, "in order"), (4, 1, 128, "by id"), (12, 1, 512, "in order"), (16, 1, 32, "by id"),
    (4, 8, 32, "in order"), (8, 8, 128, "by id"), (12, 8, 32, "by id"), (16, 8, 512, "in order"),
    (4, 64, 32, "by id"), (8, 64, 512, "in order"), (12, 64, 128, "by id"), (16, 64, 512, "by id"),
]
YOSYS = """\
from pyosys import libyosys as ys
design = ys.Design()
for command in ("read_verilog {verilog}", "hierarchy -check -top {name}", "proc", "check -assert"):
    ys.run_pass(command, design)
"""
COLUMNS = ("W", "engines", "bus", "order", "MB", "seconds to emit", "Verilator", "Icarus", "Yosys")


def verilator(verilog: Path, waivers: Path) -> str:
    """What Verilator's lint says, with all of its rules but those that the waivers name."""
    try:
        return find_verilator().lint(verilog, waivers)
    except ToolError as error:
        return str(error)


def icarus(verilog: Path) -> str:
    """What Icarus Verilog says, with all of its warnings."""
    command = ["iverilog", "-Wall", "-g2005", "-s", NAME, "-o", "/dev/null", str(verilog)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    return done.stdout + done.stderr


def yosys(verilog: Path) -> str:
    """What Yosys says, but for its log; in a process of its own, which it ends at an error."""
    script = YOSYS.format(verilog=verilog, name=NAME)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=1200)
    warnings = [line for line in done.stdout.splitlines() if "Warning" in line]
    clean = done.returncode == 0 and "Found and reported 0 problems." in done.stdout
    return "\n".join([*warnings, done.stderr, "" if clean else done.stdout[-1000:]]).strip()


def main() -> int:
    rows, complaints = [], []
    with tempfile.TemporaryDirectory() as folder, steps("lint") as step:
        for shape in SHAPES:
            width, engines, bus, order = shape
            p = MemorySide(CodecConfig(width=width, block=1024), engines=engines, data_width=bus, order=order)
            begun = time.perf_counter()
            step(f"{shape}: emitting")
            verilog, _, _, waivers = emit_memory_side(p, out_dir=folder)
            row = [*map(str, shape), f"{verilog.stat().st_size / 1e6:.1f}", f"{time.perf_counter() - begun:.0f}"]
            for tool, check in (
                ("Verilator", lambda files: verilator(*files)), ("Icarus", lambda files: icarus(files[0])),
                ("Yosys", lambda files: yosys(files[0])),
            ):
                step(f"{shape}: {tool}")
                if tool == "Icarus" and shutil.which("iverilog") is None:
                    row.append("not installed")
                    continue
                begun = time.perf_counter()
                said = check((verilog, waivers))
                row.append(f"{'complains' if said else 'silent'}, {time.perf_counter() - begun:.0f} s")
                complaints += [f"{shape}, {tool}: {said}"] if said else []
            rows.append(row)
    print_table("Lint of emitted blocks", COLUMNS, rows)
    print(*complaints, sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
