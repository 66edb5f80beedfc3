"""The synthesis flow on a small design with known blocks: area, clock, power, critical path, and its complaints."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth import Module, Signal
from amaranth.back import verilog
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from rich.console import Console

from synth import SynthError, synthesize
from synth.flow import map_to_cells
from synth.gates import gate_level
from synth.libraries import library, locate
from synth.report import _folded
from synth.timing import MISSING, analyse

# Registers of the design and their widths. Bit 1 of a square is 0, so the mapper may drop that register.
REGISTERS = {"left.y": 16, "right.y": 16, "accumulator.level": 24, "both": 17}


class Square(wiring.Component):
    x: In(8)
    y: Out(16)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.y.eq(self.x * self.x)
        return m


class Accumulator(wiring.Component):
    i: In(17)
    enable: In(1)
    total: Out(24)

    def elaborate(self, platform):
        m = Module()
        level = Signal(24)
        with m.If(self.enable):
            m.d.sync += level.eq((level.rotate_left(3) ^ (level >> 5)) + self.i)
        m.d.comb += self.total.eq(level)
        return m


class Pair(wiring.Component):
    """Two squares added up; the total feeds one of them back, so that a loop crosses all blocks."""

    a: In(8)
    b: In(8)
    enable: In(1)
    o: Out(24)

    def elaborate(self, platform):
        m = Module()
        m.submodules.left = left = Square()
        m.submodules.right = right = Square()
        m.submodules.accumulator = accumulator = Accumulator()
        both = Signal(17)
        m.d.sync += both.eq(left.y + right.y)
        m.d.comb += [
            left.x.eq(self.a),
            right.x.eq(self.b ^ accumulator.total[:8]),
            accumulator.i.eq(both),
            accumulator.enable.eq(self.enable),
            self.o.eq(accumulator.total),
        ]
        return m


def cells_or_skip(name="nangate45"):
    """The Liberty file of a library; without network and cache the test cannot run."""
    pytest.importorskip("pyosys", reason="Yosys is not installed: pip install 'apack-hdl[synth]'")
    try:
        return locate(name)
    except SynthError as error:
        pytest.skip(str(error))


def sta_or_skip():
    if shutil.which("sta") is None:
        pytest.skip(MISSING)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Path of the emitted design."""
    path = tmp_path_factory.mktemp("synth") / "pair.v"
    path.write_text(verilog.convert(Pair(), name="pair", emit_src=False))
    return path


@pytest.fixture(scope="module")
def build(pair):
    return pair.parent / "build"


@pytest.fixture(scope="module")
def messages():
    return []


@pytest.fixture(scope="module")
def report(pair, build, messages):
    cells_or_skip()
    sta_or_skip()
    return synthesize(pair, "pair", values_per_cycle=2, build_dir=build, progress=messages.append)


def test_area_is_consistent(report, build):
    cells = report.cells
    assert cells.kge * 1000 * cells.nand2_um2 == pytest.approx(cells.area_um2)
    stat = json.loads((build / "blocks.stat.json").read_text())
    assert cells.blocks_um2 == pytest.approx(stat["design"]["area"])
    assert sum(b.cells for b in cells.blocks) == sum(
        n for kind, n in stat["design"]["num_cells_by_type"].items() if not kind.startswith("pair.")
    )
    assert cells.area_um2 < cells.blocks_um2 < 1.3 * cells.area_um2


def test_blocks_are_those_of_the_design(report):
    blocks = {block.name: block for block in report.cells.blocks}
    assert set(blocks) == {"pair", "left", "right", "accumulator"}
    assert blocks["left"].area_um2 == pytest.approx(blocks["right"].area_um2, rel=0.02)
    assert blocks["accumulator"].flops == 24
    assert blocks["pair"].flops == 17  # of the top itself
    assert sum(REGISTERS.values()) - 2 <= report.cells.flops <= sum(REGISTERS.values())


def test_flops_carry_the_names_of_their_registers(report, build):
    names = re.findall(r"DFF\w+ \\?(\S+)_reg\[\d+\] ", (build / "flat.v").read_text())
    assert set(names) == set(REGISTERS)
    assert len(names) == report.cells.flops


def test_slowest_path_is_in_words_of_the_source(report):
    path = report.cells.path
    for end in (path.start, path.end):
        assert re.sub(r"\[\d+\]$", "", end) in REGISTERS
    assert path.start_kind == path.end_kind == "flip-flop"
    assert path.cells == len(path.points) - 3  # clock pin and output of the start, data pin of the end
    assert set(dict(path.blocks)) <= {"pair", "left", "right", "accumulator"}
    arrival = path.points[-1].arrival_ns
    assert arrival < path.t_min_ns < arrival + 0.1  # the setup time
    assert sum(point.delay_ns for point in path.points) == pytest.approx(arrival, abs=0.01)
    assert path.start in path.words and path.end in path.words and f"{path.t_min_ns:.3f} ns" in path.words


def test_slowest_path_per_block(report):
    slowest = {block.name: block.t_min_ns for block in report.cells.blocks}
    assert max(slowest.values()) == pytest.approx(report.cells.t_min_ns, abs=1e-3)
    block = report.cells.path.end.partition(".")[0]
    assert slowest[block] == max(slowest.values())
    assert all(slowest.values())


def test_clock_throughput_and_energy(report):
    assert report.clock_ghz == pytest.approx(1 / report.cells.t_min_ns)
    assert report.values_per_s == pytest.approx(2e9 * report.clock_ghz)
    assert report.pj_per_value == pytest.approx(report.cells.power.total_mw / (2 * report.clock_ghz))


def test_power_is_affine_in_activity_at_the_clock_reached(report, pair, build):
    power = report.cells.power
    assert power.activity == 0.1
    assert power.clock_ghz == pytest.approx(report.clock_ghz)
    assert power.total_mw == pytest.approx(power.internal_mw + power.switching_mw + power.leakage_mw, rel=1e-3)
    still, busy = (
        synthesize(pair, "pair", activity=a, build_dir=build.with_name(f"a{a}")).cells.power for a in (0, 0.2)
    )
    assert 0 < still.total_mw < power.total_mw < busy.total_mw
    assert still.total_mw + busy.total_mw == pytest.approx(2 * power.total_mw, rel=1e-3)
    # A flip-flop of this library takes a few fJ per clock edge even at rest; far more means a slow clock edge.
    assert still.total_mw / report.cells.flops / power.clock_ghz < 0.02


def test_a_tighter_period_gives_no_slower_clock(report, pair, build):
    relaxed, tight = (
        synthesize(pair, "pair", period_ns=p, build_dir=build.with_name(f"p{p}")).cells for p in (3.0, 0.5)
    )
    assert tight.t_min_ns <= 1.03 * relaxed.t_min_ns
    assert tight.t_min_ns <= 1.05 * report.cells.t_min_ns
    assert relaxed.area_um2 <= 1.03 * tight.area_um2


def test_a_target_out_of_reach_gets_a_second_mapping_and_the_faster_one_is_taken(report, pair, build):
    folder = build.with_name("rushed")
    cells = synthesize(pair, "pair", period_ns=0.3, build_dir=folder).cells
    tried = [(folder / f"flat.mapper{number}.log").read_text() for number in (0, 1)]
    delays = [float(re.search(r"Delay =\s*([\d.]+) ps", said)[1]) for said in tried]
    gates = [int(re.search(r"Gates =\s*(\d+)", said)[1]) for said in tried]
    assert min(delays) > 0.15e3 and gates[0] != gates[1]
    assert cells.cells - cells.flops - cells.clock_gates == gates[delays.index(min(delays))]
    first = re.search(r"Delay =\s*([\d.]+) ps", (build / "flat.mapper0.log").read_text())
    missed = float(first[1]) > 1.02 * 1000 * (1 - library("nangate45").register_ns)
    assert (build / "flat.mapper1.log").exists() == missed


def test_keeping_the_hierarchy(report, pair, build):
    cells = synthesize(pair, "pair", flatten=False, build_dir=build.with_name("kept")).cells
    assert cells.area_um2 == pytest.approx(cells.blocks_um2) == pytest.approx(report.cells.blocks_um2)
    assert cells.path.exact
    assert sum(n for _, n in cells.path.blocks) == cells.path.cells
    assert 0.7 < cells.t_min_ns / report.cells.t_min_ns < 1.5


def test_report_says_how_it_came_about(report, pair, messages):
    plain = report.to_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["verilog"] == str(pair)
    assert re.fullmatch(r"[0-9a-f]{64}", plain["verilog_sha256"])
    assert plain["tools"]["Yosys"].startswith("0.70") and plain["tools"]["OpenSTA"] and plain["tools"]["cells"]
    assert "1.1 V" in plain["cells"]["corner"] and "45 nm" in plain["cells"]["corner"]
    assert any("pre-layout" in note and "wire-load" in note for note in plain["notes"])
    assert plain["period_ns"] == 1.0
    for step in ("yosys (flat): abc", "yosys (blocks): abc", "opensta: timing and power"):
        assert step in messages


def test_report_in_three_forms(report, tmp_path):
    report.write(tmp_path / "deep" / "r.json", tmp_path / "r.md")
    assert json.loads((tmp_path / "deep" / "r.json").read_text())["cells"]["area_um2"] == report.cells.area_um2
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["r.json", "r.md"]  # no draft left behind
    console = Console(width=200, record=True, file=open(os.devnull, "w"))
    with console.file:
        report.render(console)
    for text in ((tmp_path / "r.md").read_text(), console.export_text()):
        for shown in (f"{report.cells.kge:.2f} kGE", "accumulator", report.cells.path.words, "pre-layout"):
            assert shown in text


def test_numbered_copies_share_a_line(report):
    block = report.cells.blocks[0]
    names = [f"engine{i}.range" for i in range(60)]
    copies = tuple(replace(block, name=name, area_um2=2.0, paths=(name,)) for name in names)
    folded = _folded((*copies, replace(block, name="arbiter", area_um2=500.0)))
    assert [(b.name, b.instances, b.area_um2) for b in folded] == [("arbiter", 1, 500.0), ("engine*.range", 60, 120.0)]
    assert len(_folded(copies[:20])) == 20


def test_every_instance_of_a_module_counts(tmp_path):
    cells_or_skip()
    source = tmp_path / "chain.v"
    source.write_text(
        "module stage(input clk, input [3:0] d, output reg [3:0] q); always @(posedge clk) q <= q + d; endmodule\n"
        "module chain(input clk, input [3:0] d, output [3:0] q); wire [3:0] v, w;\n"
        "stage one(clk, d, v); stage two(clk, v, w); stage three(clk, w, q); endmodule\n"
    )
    cells = synthesize(source, "chain", build_dir=tmp_path / "b").cells
    single = synthesize(source, "stage", build_dir=tmp_path / "b").cells
    stage = next(block for block in cells.blocks if block.module == "stage")
    assert (stage.name, stage.instances, stage.paths) == ("stage", 3, ("one", "three", "two"))
    assert stage.area_um2 == pytest.approx(3 * single.blocks_um2)
    assert stage.flops == cells.flops == 12


def test_netlist_computes_what_the_design_does(report, pair, build, tmp_path):
    """Gates against source in a Verilog simulator; the gates' models come from the library's own functions."""
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is missing: apt-get install iverilog")
    gates = gate_level(build)
    gates.write_text(gates.read_text().replace("module pair(", "module gates("))
    (build / "bench.v").write_text("""
        module bench;
          reg clk = 0, rst = 1, enable = 0; reg [7:0] a = 0, b = 0; wire [23:0] o, p; integer i, wrong = 0;
          pair source(.clk(clk), .rst(rst), .a(a), .b(b), .enable(enable), .o(o));
          gates mapped(.clk(clk), .rst(rst), .a(a), .b(b), .enable(enable), .o(p));
          initial begin
            for (i = 0; i < 2000; i = i + 1) begin
              #1 a = $random; b = $random; enable = $random; rst = i < 3 || i == 1000;
              #1 clk = 1;
              #1 if (i > 3 && o !== p) wrong = wrong + 1;
              clk = 0;
            end
            $display("%0d differences, last total %0d", wrong, o);
            $finish;
          end
        endmodule""")
    subprocess.run(["iverilog", "-g2012", "-o", "bench", "bench.v", pair, "gates.v"], cwd=build, check=True)
    said = subprocess.run(["vvp", "bench"], cwd=build, check=True, capture_output=True, text=True).stdout
    differences, total = map(int, re.search(r"(\d+) differences, last total (\d+)", said).groups())
    assert differences == 0
    assert total > 0


def test_without_opensta_the_area_is_still_given(report, pair, build, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    bare = synthesize(pair, "pair", values_per_cycle=2, build_dir=build.with_name("bare"))
    assert bare.cells.area_um2 == report.cells.area_um2
    assert bare.cells.t_min_ns is bare.cells.power is bare.clock_ghz is bare.values_per_s is None
    assert bare.notes[-1] == MISSING
    assert "apt-get install opensta" in MISSING and "\n" not in MISSING
    assert MISSING in bare.to_markdown()
    assert bare.to_json()["cells"]["path"] is None


def test_opensta_errors_are_not_overlooked(report, pair, build, tmp_path):
    """It prints figures of what it did understand and exits with 0 after a line it cannot read."""
    folder = tmp_path / "b"
    nangate = library("nangate45")
    where = (1.0, folder, False, True, lambda message: None)
    netlist, _ = map_to_cells(pair, "pair", nangate, locate("nangate45"), *where)
    text = netlist.verilog.read_text()
    for broken, complaint in (
        (text.replace("endmodule", "assign {o[0], o[1]} = {a[0], a[1]};\nendmodule"), "syntax error"),
        (text.replace("NAND2_X1", "NAND2_X99", 1), "NAND2_X99"),
    ):
        netlist.verilog.write_text(broken)
        with pytest.raises(SynthError, match=complaint) as raised:
            analyse(netlist, nangate, 1.0, 0.1)
        assert "\n" not in str(raised.value)


WRONG = {
    "syntax": (
        "module pair(input a, output y);\nassign y = a +;\nendmodule\n",
        r"bad\.v:2: syntax error, unexpected ';'",
    ),
    "top": (
        "module other(input a, output y); assign y = a; endmodule\n",
        r"top: must be a module of .*bad\.v \(other\), not 'pair'",
    ),
    "missing part": (
        "module pair(input a, output y); part p(a, y); endmodule\n",
        r"`\\part' .* not part of the design",
    ),
    "empty": ("module pair(input clk); endmodule\n", r"pair: nothing is left of it"),
    "no path": ("module pair(output y); assign y = 1; endmodule\n", r"pair: no path"),
    "inner clock": (
        "module pair(input a, b, d, output reg q); wire c = a & b; always @(posedge c) q <= d; endmodule\n",
        r"pair: no input port is a clock; flip-flops are clocked by c",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_verilog_gets_one_line(case, tmp_path):
    cells_or_skip()
    sta_or_skip()
    source, complaint = WRONG[case]
    (tmp_path / "bad.v").write_text(source)
    with pytest.raises(SynthError, match=complaint) as raised:
        synthesize(tmp_path / "bad.v", "pair", build_dir=tmp_path / "b")
    assert "\n" not in str(raised.value)
    assert "design.v" not in str(raised.value)  # the copy in the build folder is nothing to the user


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ({"library": "asap7"}, SynthError, "library: must be one of nangate45, sky130hd, osu018, not 'asap7'"),
        ({"target": "ice40"}, SynthError, "target: must be ecp5 .* not 'ice40'"),
        ({"verilog": Path("nowhere.v")}, SynthError, "nowhere.v: No such file"),
        ({"top": 3}, TypeError, "top: must be a string, not int"),
        ({"period_ns": 0}, ValueError, "period_ns: must be 0.001 to 1e[+]06, not 0"),
        ({"period_ns": "1"}, TypeError, "period_ns: must be a number, not str"),
        ({"activity": 1.5}, ValueError, "activity: must be 0 to 1, not 1.5"),
        ({"values_per_cycle": -1}, ValueError, "values_per_cycle: must be"),
    ],
)
def test_bad_arguments(arguments, error, complaint, pair, tmp_path):
    with pytest.raises(error, match=complaint):
        synthesize(**{"verilog": pair, "top": "pair", "build_dir": tmp_path / "b"} | arguments)
    assert not (tmp_path / "b" / "design.v").exists()


def run_module(*arguments, cwd):
    command = [sys.executable, "-m", "synth", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_command_line(report, pair, tmp_path):
    options = ("--top", "pair", "--period", "1", "--build", "b", "--json", "r.json", "--markdown", "r.md")
    done = run_module(pair, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["cells"]["area_um2"] == report.cells.area_um2
    assert written["cells"]["t_min_ns"] == report.cells.t_min_ns
    assert (tmp_path / "r.md").read_text().startswith("## pair on nangate45")
    assert f"{report.cells.kge:.2f} kGE" in done.stdout
    failed = run_module(pair, "--top", "pear", cwd=tmp_path)
    assert failed.returncode != 0
    assert failed.stderr.count("\n") == 1 and "top: must be a module of" in failed.stderr
