"""Power with the activity of a simulated netlist, beside the figure at one fixed activity.

OpenSTA 2.0 reads no waveforms, and what it is told of single nets it overwrites. But the power of a cell is affine in
the activity of its pins: two of its reports, one without any activity and one with a transition per cycle on every
net, give the power of each cell at the activity counted on its own pins. The clock's share of a flip-flop behind a
clock gating cell is scaled with the cycles in which its clock ran.
"""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from .errors import SynthError
from .files import write_atomically
from .gates import Instance, Mapped, read_mapped
from .libraries import library
from .timing import MISSING, Power, constraints, run_sta

_REPORT = """\
puts "@{name}"
set_power_activity -global -activity {activity}
report_power -instances [get_cells *] -digits 6
"""
# Single cells between two ports, of which one has a transition per cycle. OpenSTA carries activity from the inputs of
# registers to their outputs in its first report only; so after that report, outputs stay at rest. Behind a gating cell
# whose arc is cut there is no clock.
_ALONE = """\
read_liberty cells.lib
read_verilog alone.v
link_design alone
create_clock -name clock -period {period} [get_ports clk]
set_driving_cell -lib_cell {driver} [get_ports {{still busy}}]
{cut}
set_power_activity -input_ports {{still busy}} -activity 0
report_power
set_power_activity -input_ports busy -activity 1
puts "@alone"
report_power -instances [get_cells *] -digits 6
puts "@end"
exit
"""
_LINE = re.compile(r"^\s*([-+.\de]+)\s+([-+.\de]+)\s+([-+.\de]+)\s+[-+.\de]+ (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class MeasuredPower(Power):
    """Power in mW at `clock_ghz` with the activity of a simulation, which had no delays and so no glitches.

    activity: mean over nets of transitions per cycle, clocks left out. clocked: mean over flip-flops of the share of
    cycles in which their clock ran. cycles: how many were counted. stimulus: what was simulated, in the caller's words.
    values: how many values were handled in those cycles, if the caller says.
    """

    clocked: float
    cycles: int
    stimulus: str
    values: int | None = None

    @property
    def pj_per_value(self) -> float | None:
        """Energy per value in pJ; None if the number of values is not known."""
        return self.total_mw / self.clock_ghz * self.cycles / self.values if self.values else None


@dataclass(frozen=True)
class Activity:
    """What a simulation of gates_activity.v counted in `cycles` clock cycles.

    toggles: net -> transitions per cycle, 0 to 1. running: net of a gated clock -> share of cycles in which it ran.
    """

    cycles: int
    toggles: dict[str, float]
    running: dict[str, float]

    def clocked(self, flop: Instance) -> float:
        """Share of cycles in which the clock of a flip-flop ran."""
        return next((self.running[net] for net in flop.pins.values() if net in self.running), 1.0)


def measured_power(
    build_dir: Path, activity: Path, *, clock_ghz: float, stimulus: str, values: int | None = None
) -> MeasuredPower:
    """Power of the netlist that `synthesize` left in `build_dir`, with the counts in the file `activity`.

    activity: written by a simulation of `gate_level(build_dir, count_activity=True)`. clock_ghz: the clock to state
    power at, usually the report's. stimulus: what was simulated, for the report. values: how many values the design
    handled in the cycles counted, for the energy per value.

    Raises SynthError if there is no netlist or no OpenSTA, or if the counts are missing or of another netlist.
    """
    mapped = read_mapped(build_dir)
    if shutil.which("sta") is None:
        raise SynthError(MISSING)
    counted = read_activity(mapped, Path(activity))
    return CellPower(mapped, clock_ghz).of_all(counted, stimulus, values)


def read_activity(mapped: Mapped, path: Path) -> Activity:
    """The counts that a simulation of gates_activity.v left in the file `path`."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise SynthError(f"activity: cannot read the counts in {path} ({error.strerror})") from None
    gates = list(mapped.gates)
    if lines[:1] != [f"netlist {mapped.tag}"] or len(lines) != 2 + len(mapped.nets) + max(1, len(gates)):
        raise SynthError(f"activity: {path} does not hold the counts of {mapped.verilog}")
    cycles, *counts = (int(line.split()[-1]) for line in lines[1:])
    if not cycles:
        raise SynthError(f"activity: {path}: the simulation ended before any cycle was counted")
    shares = [count / cycles for count in counts]
    running = shares[len(mapped.nets) :][: len(gates)]
    toggles = dict(zip(mapped.nets, shares[: len(mapped.nets)], strict=True))
    return Activity(cycles, toggles, dict(zip(gates, running, strict=True)))


class CellPower:
    """Power of the cells of a netlist as a function of what happens on their pins, at one clock.

    still, busy: instance -> (internal, switching, leakage) in W, without activity and with a transition per cycle on
    every pin, all clocks running. gate_still: internal power of a gating cell whose output rests. inputs: flip-flop
    cell -> input pin -> W for a transition per cycle on that pin alone.
    """

    def __init__(self, mapped: Mapped, clock_ghz: float) -> None:
        self._mapped, self._clock_ghz, self._period = mapped, clock_ghz, 1 / clock_ghz
        self._library = library(mapped.library)
        script = constraints(mapped.verilog.name, mapped.top, mapped.clocks, self._library, self._period)
        script += _REPORT.format(name="still", activity=0) + _REPORT.format(name="busy", activity=1)
        write_atomically(mapped.folder / "power.tcl", script + 'puts "@end"\nexit\n')
        said = run_sta(mapped.folder / "power.tcl")
        self.still, self.busy = _by_instance(said["still"]), _by_instance(said["busy"])
        models = json.loads((mapped.folder / "models.netlist.json").read_text())["modules"]
        self._outputs = {
            cell: [pin for pin, port in models[cell]["ports"].items() if port["direction"] == "output"]
            for cell in {instance.cell for instance in mapped.instances} & models.keys()
        }
        inputs = self._inputs_of_flops()
        alone = self._alone(inputs)
        self.gate_still = alone.get("gate", 0.0)
        self.inputs = {
            cell: {pin: alone[f"{cell}_{pin}"] - alone[f"{cell}_none"] for pin in pins[:-1]}
            for cell, pins in inputs.items()
        }

    def of_all(self, counted: Activity, stimulus: str, values: int | None = None) -> MeasuredPower:
        """The sum over all cells."""
        parts = [self.of(instance, counted) for instance in self._mapped.instances]
        internal, switching, leakage = (1000 * sum(part) for part in zip(*parts, strict=True))
        flops = [instance for instance in self._mapped.instances if instance.cell in self._mapped.flop_cells]
        return MeasuredPower(
            total_mw=internal + switching + leakage,
            internal_mw=internal,
            switching_mw=switching,
            leakage_mw=leakage,
            activity=fmean(counted.toggles.values()),
            clock_ghz=self._clock_ghz,
            clocked=fmean(map(counted.clocked, flops)) if flops else 1.0,
            cycles=counted.cycles,
            stimulus=stimulus,
            values=values,
        )

    def of(self, instance: Instance, counted: Activity) -> tuple[float, float, float]:
        """(internal, switching, leakage) in W of one cell."""
        toggles = {pin: counted.toggles.get(net, 0.0) for pin, net in instance.pins.items()}
        still, busy = self.still[instance.name], self.busy[instance.name]
        internal, switching = busy[0] - still[0], busy[1] - still[1]  # for one transition per cycle on each pin
        gate = self._mapped.gate
        if gate and instance.cell == gate["cell"]:
            running = counted.running[instance.pins[gate["output"]]]
            clock = self.gate_still + (still[0] - self.gate_still) * running  # its own clock pin never rests
            return clock + internal * toggles[gate["enable"]], still[1] * running, still[2]
        out = fmean([toggles[pin] for pin in self._outputs[instance.cell] if pin in toggles] or [0.0])
        if instance.cell not in self.inputs:
            return still[0] + internal * out, still[1] + switching * out, still[2]
        inputs = self.inputs[instance.cell]
        internal = (internal - sum(inputs.values())) * out + sum(inputs[pin] * toggles[pin] for pin in inputs)
        return still[0] * counted.clocked(instance) + internal, switching * out, still[2]

    def _inputs_of_flops(self) -> dict[str, list[str]]:
        """Flip-flop cell -> its input pins, the clock last."""
        clocks = {*self._mapped.clocks, *self._mapped.gates}
        found = {}
        for flop in self._mapped.instances:
            if flop.cell in self._mapped.flop_cells - found.keys():
                pins = [pin for pin in flop.pins if pin not in self._outputs[flop.cell]]
                found[flop.cell] = sorted(pins, key=lambda pin, of=flop: of.pins[pin] in clocks)
        return found

    def _alone(self, inputs: dict[str, list[str]]) -> dict[str, float]:
        """Internal power in W of single cells: CELL_PIN is a flip-flop with activity on one input, or on "none"."""
        lines, cut = [], ""
        for cell, (*pins, clock) in inputs.items():
            for busy in ("none", *pins):
                nets = {clock: "clk"} | {pin: "busy" if pin == busy else "still" for pin in pins}
                lines.append(f"{cell} {cell}_{busy} ({', '.join(f'.{pin}({net})' for pin, net in nets.items())});")
        if gate := self._mapped.gate:
            pins = f".{gate['clock']}(clk), .{gate['enable']}(still), .{gate['output']}(gated)"
            lines.append(f"{gate['cell']} gate ({pins});")
            cut = f"set_disable_timing -from {gate['clock']} -to {gate['output']} gate"
        if not lines:
            return {}
        module = "\n".join(["module alone(clk, still, busy);", "input clk, still, busy;", *lines, "endmodule", ""])
        write_atomically(self._mapped.folder / "alone.v", module)
        script = _ALONE.format(period=self._period, driver=self._library.driver, cut=cut)
        write_atomically(self._mapped.folder / "alone.tcl", script)
        said = run_sta(self._mapped.folder / "alone.tcl")["alone"]
        return {name: internal for name, (internal, *_) in _by_instance(said).items()}


def _by_instance(table: str) -> dict[str, tuple[float, float, float]]:
    """Instance -> (internal, switching, leakage) in W."""
    return {
        name.replace("\\", ""): (float(internal), float(switching), float(leakage))
        for internal, switching, leakage, name in _LINE.findall(table)
    }
