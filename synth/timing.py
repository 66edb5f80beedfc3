"""Clock and power of a mapped netlist with OpenSTA.

The clock is what the slowest path allows: T_min = period asked − worst slack. Power is taken at that clock, with one
stated activity (transitions per clock cycle) on every net that is not a clock. Both are before layout: wires have the
library's wire-load model, the clock is ideal.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import SynthError
from .files import write_atomically
from .flow import Netlist
from .libraries import Library
from .paths import CriticalPath, Names, critical_path

MISSING = "OpenSTA is missing, so there is no clock and no power: apt-get install opensta (Debian or Ubuntu)"

_TIMING = """\
read_liberty cells.lib
read_verilog {netlist}
link_design {{{top}}}
set clocks [get_ports {{{clocks}}}]
set data {{}}
foreach port [all_inputs] {{
    if {{[lsearch {{{clocks}}} [get_property $port full_name]] < 0}} {{ lappend data $port }}
}}
create_clock -name clock -period {period} $clocks
# Not on the clock: one cell driving every flip-flop would give edges so slow that the power tables are left.
set_driving_cell -lib_cell {driver} $data
set_input_delay 0 -clock clock $data
{late}set_output_delay 0 -clock clock [all_outputs]
set_load {load} [all_outputs]
"""
_LATE = """\
foreach port $data {{
    if {{[string match cut_* [get_property $port full_name]]}} {{ set_input_delay {delay} -clock clock $port }}
}}
"""
_REPORTS = """\
set slack [worst_slack]
if {{ $slack < 1e20 }} {{
    puts "@slack $slack"
    puts "@path"
    report_checks -path_delay max -digits 4
    puts "@endpoints"
    report_checks -path_delay max -format end -group_count {endpoints} -digits 4
    puts "@setup"
    check_setup -verbose -no_clock -loops
    puts "@power"
    create_clock -name clock -period [expr {period} - $slack] $clocks
    set_power_activity -global -activity {activity}
    report_power -digits 6
}}
puts "@end"
exit
"""
_ENDPOINT = re.compile(r"(?P<pin>\S+) \(\S+\)\s+-?[\d.]+\s+-?[\d.]+\s+(?P<slack>-?[\d.]+) \((?:MET|VIOLATED)\)")


@dataclass(frozen=True)
class Power:
    """Power in mW at `clock_ghz` with `activity` transitions per cycle on every net but the clock."""

    total_mw: float
    internal_mw: float
    switching_mw: float
    leakage_mw: float
    activity: float
    clock_ghz: float


@dataclass(frozen=True)
class Timing:
    """What OpenSTA says of a netlist.

    block_t_min_ns: instance path of a block -> slowest path that ends in its registers ("" stands for the top, whose
    output ports count with it).
    """

    period_ns: float
    t_min_ns: float
    path: CriticalPath
    block_t_min_ns: dict[str, float]
    power: Power
    notes: tuple[str, ...]
    version: str


def analyse(
    netlist: Netlist, library: Library, period_ns: float, activity: float, cut_delay_ns: float | None = None
) -> Timing | None:
    """Clock, slowest path and power of `netlist`; None if there is no `sta` on PATH.

    cut_delay_ns: how late after the clock comes what modules give that were cut out; None: none were.

    Raises SynthError if OpenSTA reports any error, or if the design has no path to time.
    """
    if shutil.which("sta") is None:
        return None
    script = constraints(netlist.verilog.name, netlist.top, netlist.clocks, library, period_ns, cut_delay_ns)
    endpoints = 2 * netlist.cells + 10_000  # above any possible count: every endpoint is wanted
    script += _REPORTS.format(period=period_ns, endpoints=endpoints, activity=activity)
    write_atomically(netlist.verilog.with_name("timing.tcl"), script)
    parts = run_sta(netlist.verilog.with_name("timing.tcl"))
    if "slack" not in parts:
        raise SynthError(f"{netlist.top}: no path between registers or ports, so there is no clock to report")
    t_min = period_ns - float(parts["slack"])
    names = Names(netlist.contents, netlist.top, netlist.flop_cells, netlist.gate_cell, netlist.block_paths)
    return Timing(
        period_ns=period_ns,
        t_min_ns=t_min,
        path=critical_path(parts["path"], t_min, names, netlist.flattened),
        block_t_min_ns=_by_block(parts["endpoints"], period_ns, names),
        power=_power(parts["power"], activity, 1 / t_min),
        notes=tuple(line.removeprefix("Warning: ") for line in parts["setup"].splitlines() if "Warning: " in line),
        version=re.search(r"^OpenSTA (\S+)", parts[""], re.MULTILINE)[1],
    )


def constraints(
    netlist: str, top: str, clocks: Sequence[str], library: Library, period_ns: float, cut_delay_ns: float | None = None
) -> str:
    """The script that reads the netlist (a file beside the script) and says what surrounds it."""
    load = library.load_ff / library.cap_unit_ff
    names = " ".join(clocks)
    return _TIMING.format(
        netlist=netlist, top=top, clocks=names, driver=library.driver, load=load, period=period_ns,
        late="" if cut_delay_ns is None else _LATE.format(delay=cut_delay_ns),
    )


def run_sta(script: Path) -> dict[str, str]:
    """What OpenSTA says, cut at the lines that the script marks with '@': mark -> text; "" -> what comes before.

    The script ends with the mark "end". OpenSTA exits with 0 and goes on printing figures after an error, so its words
    are searched for complaints; SynthError with the first one. Everything is kept beside the script, in a log.
    """
    command = ["sta", "-exit", script.name]
    done = subprocess.run(command, cwd=script.parent, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    said = done.stderr + done.stdout  # the first error first
    log = script.with_suffix(".log")
    write_atomically(log, said)
    wrong = re.search(r"^Error: .*|^.*syntax error.*|^.*black box.*", said, re.MULTILINE)
    if wrong or done.returncode or "@end" not in said:
        line = wrong[0].strip() if wrong else f"ended with code {done.returncode}"
        raise SynthError(f"OpenSTA: {line.removeprefix('Error: ')} (see {log})")
    first, *pieces = re.split(r"^@(\w+)", said, flags=re.MULTILINE)
    return {"": first} | dict(zip(pieces[::2], pieces[1::2], strict=True))


def _by_block(endpoints: str, period_ns: float, names: Names) -> dict[str, float]:
    worst: dict[str, float] = {}
    for match in _ENDPOINT.finditer(endpoints):
        block = names.block(match["pin"])
        worst[block] = max(worst.get(block, 0.0), round(period_ns - float(match["slack"]), 4))
    return worst


def _power(table: str, activity: float, clock_ghz: float) -> Power:
    total = re.search(r"^Total\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)", table, re.MULTILINE)
    if total is None:
        raise SynthError("OpenSTA: no power table in its report")
    internal, switching, leakage, whole = (1000 * float(watt) for watt in total.groups())
    return Power(whole, internal, switching, leakage, activity, clock_ghz)
