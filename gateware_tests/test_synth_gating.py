"""Clock gating: which registers get it, what it saves, and that the gated design still is the design."""

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from apack_hdl.simulation import verilator
from synth import SynthError, synthesize
from synth.gates import gate_level, read_mapped
from synth.libraries import LIBRARIES, locate
from synth.power import read_activity
from synth.timing import MISSING

# Six registers of eight bits, one for each way in which an enable and a reset can meet, one without an enable, and one
# too small to be worth a cell.
REGISTERS = """
module registers(
  input clk, rst, rst_n, en, go, few, input [7:0] d,
  output reg [7:0] plain, held, held_low, reset_first, enable_first, reset_low, output reg [1:0] few_bits
);
  always @(posedge clk) begin
    plain <= ~d;
    if (en) held <= d + plain;
    if (!go) held_low <= d ^ plain;
    if (rst) reset_first <= 8'hA5; else if (en) reset_first <= reset_first + d;
    if (go) begin if (rst) enable_first <= 8'h5A; else enable_first <= enable_first ^ d; end
    if (!rst_n) reset_low <= 8'h0F; else if (!en) reset_low <= reset_low - d;
    if (few) few_bits <= d[1:0];
  end
endmodule
"""
GATED = {"held", "held_low", "reset_first", "enable_first", "reset_low"}
# Source and netlist side by side, with inputs from a shift register that is as good as random.
BOTH = """
module both(input clk, output reg [15:0] cycle, wrong);
  reg [63:0] state;
  initial begin state = 64'h9e3779b97f4a7c15; cycle = 0; wrong = 0; end
  wire begun = cycle > 3;
  wire rst = !begun || state[10:8] == 0, rst_n = begun && state[13:11] != 0;
  wire en = begun ? state[14] : cycle != 2, go = begun ? state[15] : cycle != 2;  // once each: written, kept
  wire [49:0] o, p;
  registers source(clk, rst, rst_n, en, go, !begun || state[16], state[7:0],
                   o[7:0], o[15:8], o[23:16], o[31:24], o[39:32], o[47:40], o[49:48]);
  gates mapped(clk, rst, rst_n, en, go, !begun || state[16], state[7:0],
               p[7:0], p[15:8], p[23:16], p[31:24], p[39:32], p[47:40], p[49:48]);
  always @(posedge clk) begin
    cycle <= cycle + 1;
    state <= {state[62:0], state[63] ^ state[62] ^ state[60] ^ state[59]} ^ {state[20:0], 43'd0};
    if (begun && o !== p) wrong <= wrong + 1;
  end
endmodule
"""
CYCLES, SKIP, COUNTED = 3000, 10, 2000
ICARUS = f"""
module bench;
  reg clk = 0; wire [15:0] cycle, wrong;
  both both(clk, cycle, wrong);
  always @(posedge clk) $display("o %h", both.p);
  initial begin repeat ({2 * CYCLES}) #1 clk = !clk; $display("wrong %0d of %0d", wrong, cycle); $finish; end
endmodule
"""
VERILATOR = f"""
#include "Vtop.h"
#include "verilated.h"
#include <cstdio>
int main(int argc, char** argv) {{
  VerilatedContext context;
  context.commandArgs(argc, argv);
  context.randReset(2);
  Vtop top(&context);
  for (int i = 0; i < {2 * CYCLES}; ++i) {{ top.clk = i & 1; top.eval(); }}
  top.clk = 0;
  top.eval();
  std::printf("wrong %d of %d\\n", top.wrong, top.cycle);
  top.final();
}}
"""


def liberty_or_skip(name):
    pytest.importorskip("pyosys", reason="Yosys is not installed: pip install 'apack-hdl[synth]'")
    if shutil.which("sta") is None:
        pytest.skip(MISSING)
    try:
        return locate(name).read_text()
    except SynthError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("gating") / "registers.v"
    path.write_text(REGISTERS)
    return path


@pytest.fixture(scope="module")
def report(source):
    liberty_or_skip("nangate45")
    return synthesize(source, "registers", build_dir=source.parent / "build")


def test_registers_with_an_enable_are_gated(report, source):
    mapped = read_mapped(source.parent / "build")
    gates = [re.sub(r"_gate\[\d\]$", "", gate.name) for gate in mapped.gates.values()]
    assert set(gates) == GATED and len(gates) == report.cells.clock_gates == len(GATED)
    clocked = {i.name: i.pins["CK"] for i in mapped.instances if i.cell in mapped.flop_cells}
    assert len(clocked) == report.cells.flops == 50
    for name, clock in clocked.items():
        register = name.partition("_reg")[0]
        assert (clock == "clk") == (register not in GATED)
        assert clock == "clk" or mapped.gates[clock].name.startswith(f"{register}_gate")
    assert report.cells.blocks[0].clock_gates == len(GATED)
    assert "50 of them flip-flops and 5 clock gating cells" in report.to_markdown()


def test_every_flip_flop_and_every_gate_is_timed(report, source):
    """In OpenSTA's list of endpoints; a gated clock that it did not follow would leave its registers out."""
    said = (source.parent / "build" / "timing.log").read_text()
    ends = said[said.index("@endpoints") : said.index("@setup")]
    timed = {match.replace("\\", "") for match in re.findall(r"^(\S+)/(?:D|E) \(", ends, re.MULTILINE)}
    mapped = read_mapped(source.parent / "build")
    kinds = mapped.flop_cells | {mapped.gate["cell"]}
    assert timed == {instance.name for instance in mapped.instances if instance.cell in kinds}
    assert "unconstrained" not in said and "no clock" not in said.partition("@setup")[2].partition("@power")[0]


def test_gating_saves_area_and_can_be_switched_off(report, source):
    plain = synthesize(source, "registers", clock_gating=False, build_dir=source.parent / "plain")
    assert plain.cells.clock_gates == 0
    assert plain.cells.flops == report.cells.flops
    assert report.cells.area_um2 < 0.95 * plain.cells.area_um2
    assert "clock gating cells" not in plain.to_markdown()


@pytest.fixture(scope="module")
def files(report, source):
    """Verilog of source and netlist, the netlist with counters."""
    folder = source.parent / "both"
    folder.mkdir()
    gates = gate_level(source.parent / "build", count_activity=True).read_text()
    (folder / "gates.v").write_text(gates.replace("module registers(", "module gates("))
    (folder / "both.v").write_text(BOTH)
    return [folder / "both.v", source, folder / "gates.v"]


@pytest.fixture(scope="module")
def icarus(files):
    """(what the bench said, the file of counts)"""
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is missing: apt-get install iverilog")
    folder = files[0].parent
    (folder / "bench.v").write_text(ICARUS)
    subprocess.run(["iverilog", "-g2012", "-o", "bench", "bench.v", *files], cwd=folder, check=True, timeout=60)
    counts = folder / "icarus.txt"
    plus = [f"+activity={counts}", f"+activity_skip={SKIP}", f"+activity_cycles={COUNTED}"]
    run = subprocess.run(["vvp", "bench", *plus], cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    return run.stdout, counts


def test_the_gated_netlist_computes_what_the_source_does(icarus):
    assert f"wrong 0 of {CYCLES}" in icarus[0]


def test_the_same_in_verilator(files, icarus):
    """Every register starts with a random value there; source and netlist must agree after the reset."""
    try:
        tool = verilator.find_verilator()
        compiler = verilator.find_compiler()
    except verilator.ToolError as error:
        pytest.skip(str(error))
    folder = files[0].parent
    (folder / "main.cpp").write_text(VERILATOR)
    random = ["--x-initial", "unique", "--x-assign", "unique"]
    done = tool.run("--cc", *random, "--top-module", "both", "--prefix", "Vtop", "--Mdir", folder, *files)
    assert done.returncode == 0, done.stderr
    include = Path(tool.root) / "include"
    sources = [*sorted(folder.glob("Vtop*.cpp")), folder / "main.cpp"]
    sources += [include / "verilated.cpp", include / "verilated_threads.cpp"]
    (folder / "all.cpp").write_text("".join(f'#include "{path}"\n' for path in sources))
    flags = ["-std=c++20", "-O0", f"-I{folder}", f"-I{include}", f"-I{include / 'vltstd'}", "-pthread"]
    program = folder / "simulator"
    subprocess.run([compiler, *flags, folder / "all.cpp", "-o", program], check=True, timeout=300)
    counts = folder / "verilator.txt"
    plus = [f"+activity={counts}", f"+activity_skip={SKIP}", f"+activity_cycles={COUNTED}"]
    run = subprocess.run([program, *plus], check=True, capture_output=True, text=True, timeout=60)
    assert run.stdout == f"wrong 0 of {CYCLES}\n"
    assert counts.read_text() == icarus[1].read_text()


def test_counts_of_a_simulation(icarus, report, source):
    """Against the values that the bench printed before each clock edge."""
    lines = [line for line in icarus[0].splitlines() if line.startswith("o ")]
    window = [int(line.split()[1], 16) for line in lines[SKIP : SKIP + COUNTED + 1]]
    mapped = read_mapped(source.parent / "build")
    counted = read_activity(mapped, icarus[1])
    assert counted.cycles == COUNTED
    ports = ("plain", "held", "held_low", "reset_first", "enable_first", "reset_low")
    names = [f"{port}[{bit}]" for port in ports for bit in range(8)] + ["few_bits[0]", "few_bits[1]"]
    for at, name in enumerate(names):
        changes = sum((a ^ b) >> at & 1 for a, b in pairwise(window))
        assert counted.toggles[name] * COUNTED == changes, name
    shares = {gate.name.partition("_gate")[0]: counted.running[net] for net, gate in mapped.gates.items()}
    assert shares["held"] == pytest.approx(0.5, abs=0.05)  # enabled half of the time ...
    assert shares["reset_first"] == pytest.approx(0.5 + 0.5 / 8, abs=0.05)  # ... or reset in an eighth of it
    assert counted.toggles["en"] > 0.4


ENABLED = """
module enabled(input clk, go, input [199:0] d, output reg [199:0] q);
  reg enable;
  always @(posedge clk) enable <= go;
  always @(posedge clk) if (enable) q <= d;
endmodule
"""


@pytest.mark.parametrize("name", LIBRARIES)
def test_no_gating_cell_drives_more_than_it_can(name, tmp_path):
    liberty_or_skip(name)
    gate = LIBRARIES[name].clock_gate
    (tmp_path / "enabled.v").write_text(ENABLED)
    report = synthesize(tmp_path / "enabled.v", "enabled", library=name, build_dir=tmp_path)
    if gate is None:
        assert report.cells.clock_gates == 0
        return
    assert report.cells.clock_gates == -(-200 // gate.most)
    # The load that OpenSTA sees on each cell, against the library's own word on what it may drive.
    ports = "report_dcalc -from [get_pins {{{0}/" + gate.clock + "}}] -to [get_pins {{{0}/" + gate.output + "}}]\n"
    script = (tmp_path / "timing.tcl").read_text().partition("set slack")[0]
    script += "".join(ports.format(cell.name) for cell in read_mapped(tmp_path).gates.values()) + "exit\n"
    (tmp_path / "load.tcl").write_text(script)
    said = subprocess.run(
        ["sta", "load.tcl"], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    loads = [float(load) for load in re.findall(r"Ceff=([\d.]+)", said.stdout)]
    liberty = (tmp_path / "cells.lib").read_text()
    cell = liberty[re.search(rf'cell *\("?{gate.cell}"?\)', liberty).start() :]
    largest = float(re.search(r"max_capacitance\s*:\s*([\d.]+)", cell[cell.index("clock_gate_out_pin") - 500 :])[1])
    assert len(loads) >= 2 * report.cells.clock_gates  # both edges
    assert max(loads) <= largest
