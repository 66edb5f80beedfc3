"""Gate-level simulation: a mapped netlist, with the cells' functions, as one Verilog file that simulators run.

Every module but the top describes a library cell; its function comes from the Liberty file. Icarus Verilog (-g2012) and
Verilator take the file in place of the source: the top has the source's name and ports. There are no delays, so there
are no glitches either. Registers start with whatever the simulator gives them.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .errors import SynthError
from .files import sha256, write_atomically
from .flow import MAPPED, run_yosys

_INSTANCE = re.compile(r"^  (\w+) (\\\S+|\w+) +\(\n(.*?)\n  \);", re.MULTILINE | re.DOTALL)
_PIN = re.compile(r"^    \.(\w+)\((.*)\),?$", re.MULTILINE)
_CONSTANT = re.compile(r"\d+'")

# Transparent while the clock is low, so that the gated clock has whole pulses or none.
_CLOCK_GATE = """\
module {cell}({enable}, {clock}, {output});
  input {enable}, {clock};
  output {output};
  reg enabled;
  always_latch if (!{clock}) enabled = {enable};
  assign {output} = {clock} & enabled;
endmodule
"""
# Samples once a cycle, before the edge: what has settled. No glitches, and at most one transition per net and cycle.
_COUNTER = """\
module synth_activity #(parameter NETS = 1, GATES = 1) (
  input clock, input [NETS-1:0] nets, input [GATES-1:0] enables
);
  reg [NETS-1:0] last;
  reg [63:0] cycle, counted, skip, most;
  reg [31:0] toggles [0:NETS-1], enabled [0:GATES-1];
  reg [8*1024-1:0] name;
  integer i, file;
  initial begin
    cycle = 0;
    counted = 0;
    if (!$value$plusargs("activity_skip=%d", skip)) skip = 0;
    if (!$value$plusargs("activity_cycles=%d", most)) most = ~64'd0;
    for (i = 0; i < NETS; i = i + 1) toggles[i] = 0;
    for (i = 0; i < GATES; i = i + 1) enabled[i] = 0;
  end
  always @(posedge clock) begin
    cycle <= cycle + 1;
    last <= nets;
    if (cycle > skip && counted < most) begin
      counted <= counted + 1;
      for (i = 0; i < NETS; i = i + 1) if (nets[i] ^ last[i]) toggles[i] <= toggles[i] + 1;
      for (i = 0; i < GATES; i = i + 1) if (enables[i]) enabled[i] <= enabled[i] + 1;
    end
  end
  final if ($value$plusargs("activity=%s", name)) begin
    file = $fopen(name, "w");
    $fdisplay(file, "netlist {tag}\\ncycles %0d", counted);
    for (i = 0; i < NETS; i = i + 1) $fdisplay(file, "%0d", toggles[i]);
    for (i = 0; i < GATES; i = i + 1) $fdisplay(file, "%0d", enabled[i]);
    $fclose(file);
  end
endmodule
"""


@dataclass(frozen=True)
class Instance:
    """A cell of a netlist: its type, its name and the net (or constant) on each connected pin."""

    cell: str
    name: str
    pins: dict[str, str]


@dataclass(frozen=True)
class Mapped:
    """What a build folder says of the netlist that was timed."""

    folder: Path
    top: str
    library: str
    verilog: Path
    clocks: tuple[str, ...]  # input ports that clock flip-flops
    flop_cells: frozenset[str]
    gate: dict | None  # the fields of libraries.ClockGate; None if there are no clock gating cells

    @cached_property
    def tag(self) -> str:
        """A short hash of the netlist, by which counts are known to belong to it."""
        return sha256(self.verilog.read_bytes())[:16]

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """All cells, in the order of the file."""
        found = []
        for cell, name, pins in _INSTANCE.findall(self.verilog.read_text()):
            nets = {pin: net.strip() for pin, net in _PIN.findall(pins)}
            found.append(Instance(cell, name.removeprefix("\\"), {p: n for p, n in nets.items() if n}))
        return tuple(found)

    @cached_property
    def gates(self) -> dict[str, Instance]:
        """Net of a gated clock -> the cell that gates it."""
        gating = self.gate or {"cell": None}
        return {i.pins[gating["output"]]: i for i in self.instances if i.cell == gating["cell"]}

    @cached_property
    def nets(self) -> tuple[str, ...]:
        """All nets that pins are on, clocks and constants left out: those whose transitions are counted."""
        clocks = {*self.clocks, *self.gates}
        nets = dict.fromkeys(net for instance in self.instances for net in instance.pins.values())
        return tuple(net for net in nets if net not in clocks and not _CONSTANT.match(net))


def read_mapped(build_dir: Path) -> Mapped:
    """The netlist that `synthesize` left in `build_dir`; SynthError if there is none."""
    folder = Path(build_dir)
    try:
        facts = json.loads((folder / MAPPED).read_text())
    except OSError:
        raise SynthError(f"{folder}: no netlist of standard cells in it; synthesize into this folder first") from None
    facts |= {"verilog": folder / facts["verilog"], "clocks": tuple(facts["clocks"])}
    return Mapped(folder=folder, **facts | {"flop_cells": frozenset(facts["flop_cells"])})


def gate_level(build_dir: Path, *, count_activity: bool = False) -> Path:
    """The Verilog file to simulate in place of the source of what `synthesize` left in `build_dir`.

    With `count_activity` the transitions of every net are counted. The simulation then takes these plus-arguments:
    `+activity=FILE` (write the counts there at the end; in Verilator: when `final()` of the model is called),
    `+activity_skip=N` (leave out the first N clock cycles), `+activity_cycles=N` (count N cycles at most).
    `synth.measured_power` reads the file. Makes `gates.v` or `gates_activity.v` in `build_dir`.

    Raises SynthError if there is no netlist, or activity is to be counted and it has not exactly one clock.
    """
    mapped = read_mapped(build_dir)
    netlist = mapped.verilog.read_text()
    if count_activity:
        if len(mapped.clocks) != 1:
            raise SynthError(f"{mapped.top}: activity is counted with one clock, not with {len(mapped.clocks)}")
        head, end, tail = netlist.rpartition("endmodule")
        netlist = head + _probes(mapped) + end + tail + _COUNTER.replace("{tag}", mapped.tag)
    path = mapped.folder / ("gates_activity.v" if count_activity else "gates.v")
    # Unconnected pins and latches are what they are; a loop that a simulator sees may be none for single bits.
    write_atomically(path, "/* verilator lint_off WIDTH */\n" + netlist + cell_models(mapped))
    return path


def cell_models(mapped: Mapped) -> str:
    """One Verilog module for each type of cell in the netlist."""
    wanted = sorted({instance.cell for instance in mapped.instances} - {mapped.gate and mapped.gate["cell"]})
    job = {"kind": "models", "name": "models", "liberty": "cells.lib", "cells": wanted}
    run_yosys([job], None, mapped.folder, lambda message: None)
    models = (mapped.folder / "models.v").read_text()
    missing = [cell for cell in wanted if f"module {cell}(" not in models]
    if missing:
        raise SynthError(f"{mapped.library}: the Liberty file does not say what {', '.join(missing)} does")
    return models + (_CLOCK_GATE.format(**mapped.gate) if mapped.gate else "")


def _probes(mapped: Mapped) -> str:
    """The counter's instance in the top module, and the wires to it."""
    enables = [gate.pins[mapped.gate["enable"]] for gate in mapped.gates.values()] or ["1'b0"]
    lines = [f"  wire [{len(mapped.nets) - 1}:0] synth_nets;", f"  wire [{len(enables) - 1}:0] synth_enables;"]
    lines += [f"  assign synth_nets[{i}] = {net} ;" for i, net in enumerate(mapped.nets)]
    lines += [f"  assign synth_enables[{i}] = {net} ;" for i, net in enumerate(enables)]
    ports = f".clock({mapped.clocks[0]} ), .nets(synth_nets), .enables(synth_enables)"
    sizes = f".NETS({len(mapped.nets)}), .GATES({len(enables)})"
    return "\n".join([*lines, f"  synth_activity #({sizes}) synth_counter ({ports});", ""])
