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
# Single cells between ports without and with a transition per cycle. Outputs of flip-flops are told to rest: by the
# inner command, because set_power_activity forgets its argument -pins, and after a first report, which spreads activity
# from inputs to outputs, whatever was said before. Behind a gating cell whose arc is cut there is no clock.
_ALONE = """\
read_liberty cells.lib
read_verilog alone.v
link_design alone
create_clock -name clock -period {period} [get_ports clk]
set_driving_cell -lib_cell {driver} [get_ports {{still busy}}]
sta::set_power_input_port_activity [get_ports still] 0 0.5
sta::set_power_input_port_activity [get_ports busy] 1 0.5
{cut}
report_power
foreach pin [get_pins {{{outputs}}}] {{ sta::set_power_pin_activity $pin 0 0.5 }}
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
    cells = _Cells(mapped, clock_ghz)
    parts = [cells.power(instance, counted) for instance in mapped.instances]
    internal, switching, leakage = (1000 * sum(part) for part in zip(*parts, strict=True))
    flops = [instance for instance in mapped.instances if instance.cell in mapped.flop_cells]
    return MeasuredPower(
        total_mw=internal + switching + leakage,
        internal_mw=internal,
        switching_mw=switching,
        leakage_mw=leakage,
        activity=fmean(counted.toggles.values()),
        clock_ghz=clock_ghz,
        clocked=fmean(map(counted.clocked, flops)) if flops else 1.0,
        cycles=counted.cycles,
        stimulus=stimulus,
        values=values,
    )


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


class _Cells:
    """Power of the cells of a netlist as a function of what happens on their pins, at one clock."""

    def __init__(self, mapped: Mapped, clock_ghz: float) -> None:
        self._mapped, self._period = mapped, 1 / clock_ghz
        self._library = library(mapped.library)
        script = constraints(mapped.verilog.name, mapped.top, mapped.clocks, self._library, self._period)
        script += _REPORT.format(name="still", activity=0) + _REPORT.format(name="busy", activity=1)
        write_atomically(mapped.folder / "power.tcl", script + 'puts "@end"\nexit\n')
        said = run_sta(mapped.folder / "power.tcl")
        self._still, self._busy = _by_instance(said["still"]), _by_instance(said["busy"])
        models = json.loads((mapped.folder / "models.netlist.json").read_text())["modules"]
        self._outputs = {
            cell: [pin for pin, port in models[cell]["ports"].items() if port["direction"] == "output"]
            for cell in {instance.cell for instance in mapped.instances} & models.keys()
        }
        inputs = self._inputs_of_flops()
        alone = self._alone(inputs)
        self._gate_still = alone.get("gate", 0.0)
        self._watts = {
            cell: {pin: alone[f"{cell}_{pin}"] - alone[f"{cell}_none"] for pin in pins[:-1]}
            for cell, pins in inputs.items()
        }

    def power(self, instance: Instance, counted: Activity) -> tuple[float, float, float]:
        """(internal, switching, leakage) in W of one cell."""
        toggles = {pin: counted.toggles.get(net, 0.0) for pin, net in instance.pins.items()}
        still, busy = self._still[instance.name], self._busy[instance.name]
        internal, switching = busy[0] - still[0], busy[1] - still[1]  # for one transition per cycle on each pin
        gate = self._mapped.gate
        if gate and instance.cell == gate["cell"]:
            running = counted.running[instance.pins[gate["output"]]]
            clock = self._gate_still + (still[0] - self._gate_still) * running  # its own clock pin never rests
            return clock + internal * toggles[gate["enable"]], still[1] * running, still[2]
        out = fmean([toggles[pin] for pin in self._outputs[instance.cell] if pin in toggles] or [0.0])
        if instance.cell not in self._watts:
            return still[0] + internal * out, still[1] + switching * out, still[2]
        inputs = self._watts[instance.cell]
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
        lines, outputs, cut = [], [], ""
        for cell, (*pins, clock) in inputs.items():
            for busy in ("none", *pins):
                name = f"{cell}_{busy}"
                nets = {clock: "clk"} | {pin: "busy" if pin == busy else "still" for pin in pins}
                nets |= {pin: f"{name}_{pin}" for pin in self._outputs[cell]}
                lines.append(f"{cell} {name} ({', '.join(f'.{pin}({net})' for pin, net in nets.items())});")
                outputs += [f"{name}/{pin}" for pin in self._outputs[cell]]
        if gate := self._mapped.gate:
            pins = f".{gate['clock']}(clk), .{gate['enable']}(still), .{gate['output']}(gated)"
            lines.append(f"{gate['cell']} gate ({pins});")
            cut = f"set_disable_timing -from {gate['clock']} -to {gate['output']} gate"
        if not lines:
            return {}
        module = "\n".join(["module alone(clk, still, busy);", "input clk, still, busy;", *lines, "endmodule", ""])
        write_atomically(self._mapped.folder / "alone.v", module)
        names = {"period": self._period, "driver": self._library.driver, "outputs": " ".join(outputs), "cut": cut}
        write_atomically(self._mapped.folder / "alone.tcl", _ALONE.format(**names))
        said = run_sta(self._mapped.folder / "alone.tcl")["alone"]
        return {name: internal for name, (internal, *_) in _by_instance(said).items()}


def _by_instance(table: str) -> dict[str, tuple[float, float, float]]:
    """Instance -> (internal, switching, leakage) in W."""
    return {
        name.replace("\\", ""): (float(internal), float(switching), float(leakage))
        for internal, switching, leakage, name in _LINE.findall(table)
    }
