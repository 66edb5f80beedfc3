"""Clock gating: which registers get it, what it saves, and that the gated design still is the design."""

import re
import shutil
import subprocess

import pytest

from synth import SynthError, synthesize
from synth.gates import gate_level, read_mapped
from synth.libraries import LIBRARIES, locate
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
BENCH = """
module bench;
  reg clk = 0, rst = 1, rst_n = 0, en = 1, go = 1, few = 1; reg [7:0] d = 0; integer i, wrong = 0, cycles = 0;
  wire [49:0] o, p;
  registers source(clk, rst, rst_n, en, go, few, d,
                   o[7:0], o[15:8], o[23:16], o[31:24], o[39:32], o[47:40], o[49:48]);
  gates mapped(clk, rst, rst_n, en, go, few, d,
               p[7:0], p[15:8], p[23:16], p[31:24], p[39:32], p[47:40], p[49:48]);
  initial begin
    for (i = 0; i < 3000; i = i + 1) begin
      #1 d = $random; {en, go, few} = i == 1 ? 3'b001 : i < 4 ? 3'b111 : $random;
      rst = i < 4 || $random % 8 == 0; rst_n = !(i < 4 || $random % 8 == 0);
      #1 clk = 1;
      #1 if (i > 4 && o !== p) wrong = wrong + 1;
      cycles = cycles + (^o !== 1'bx);
      clk = 0;
    end
    $display("%0d differences in %0d cycles without unknowns", wrong, cycles);
    $finish;
  end
endmodule
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


def test_the_gated_netlist_computes_what_the_source_does(report, source, tmp_path):
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is missing: apt-get install iverilog")
    gates = gate_level(source.parent / "build").read_text().replace("module registers(", "module gates(")
    (tmp_path / "gates.v").write_text(gates)
    (tmp_path / "bench.v").write_text(BENCH)
    files = ["bench.v", "gates.v", source]
    subprocess.run(["iverilog", "-g2012", "-o", "bench", *files], cwd=tmp_path, check=True, timeout=60)
    said = subprocess.run(["vvp", "bench"], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60).stdout
    wrong, cycles = map(int, re.search(r"(\d+) differences in (\d+) cycles", said).groups())
    assert wrong == 0
    assert cycles > 2900


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
