"""Designs of several modules: each mapped once, without those in it, and counted by instances."""

import shutil

import pytest

import synth
from synth.hierarchy import MEMORIES

VERILOG = """
module top (input clk, input [7:0] a, input [3:0] at, output reg [7:0] q);
  wire [7:0] x, y, m;
  part p (.clk(clk), .i(a ^ m), .o(x));
  middle n (.clk(clk), .i(x), .at(at), .o(y), .m(m));
  always @(posedge clk) q <= y + x;
endmodule
module middle (input clk, input [7:0] i, input [3:0] at, output [7:0] o, output [7:0] m);
  part p (.clk(clk), .i(~i), .o(o));
  store s (.clk(clk), .at(at), .i(i), .o(m));
endmodule
module part (input clk, input [7:0] i, output reg [7:0] o);
  always @(posedge clk) o <= i * 8'd5;
endmodule
module store (input clk, input [3:0] at, input [7:0] i, output reg [7:0] o);
  reg [7:0] rows [0:15];
  always @(posedge clk) begin rows[at] <= i; o <= rows[at]; end
endmodule
"""
MODULES = {"top": {"part": 2, "store": 1}, "part": {}, "store": {}}
SHAPES = {"store": {"width": 8, "depth": 16}}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hierarchy")
    (folder / "top.v").write_text(VERILOG)
    return synth.synthesize_parts(folder / "top.v", "top", modules=MODULES, memories=SHAPES, build_dir=folder / "build")


def test_each_module_once(report):
    assert [(part.module, part.instances) for part in report.parts] == [("top", 1), ("part", 2)]
    top, part = (part.report.cells for part in report.parts)
    assert (top.flops, part.flops) == (8, 8), "the top has no register of its parts, and none of the memory"
    assert report.kge == pytest.approx(top.kge + 2 * part.kge) and top.kge > 0
    assert [(m.module, m.instances, m.bits) for m in report.memories] == [("store", 1, 128)] and report.kbit == 0.125


@pytest.mark.skipif(shutil.which("sta") is None, reason="needs OpenSTA (opensta)")
def test_what_was_cut_comes_late(report, tmp_path):
    top, part = (part.report.cells for part in report.parts)
    assert top.path.start.startswith("cut_") and top.t_min_ns > 0.3 + 0.1, top.path
    assert report.t_min_ns == max(top.t_min_ns, part.t_min_ns)
    assert not any("without its" in note for note in report.parts[1].report.notes)


@pytest.mark.skipif(shutil.which("sta") is None, reason="needs OpenSTA (opensta)")
@pytest.mark.parametrize("period", [1.0, 0.1])  # out of reach: the mapper tries twice, the design is loaded anew
@pytest.mark.parametrize(("bits", "what"), [(1, "q"), (2, "{d, q}")])  # a port of its own, and part of one
def test_a_net_to_many_modules_has_buffers(bits, what, period, tmp_path):
    """One register drives 300 instances of a module: without buffers it would take several nanoseconds."""
    instances = "\n".join(f"  part p{i} (.clk(clk), .i({what}));" for i in range(300))
    (tmp_path / "wide.v").write_text(f"""
module wide (input clk, input d);
  reg q;
  always @(posedge clk) q <= d;
{instances}
endmodule
module part (input clk, input [{bits - 1}:0] i);
  reg o;
  always @(posedge clk) o <= ^i;
endmodule
""")
    options = {"cut": ["part"], "period_ns": period, "build_dir": tmp_path / "build"}
    report = synth.synthesize(tmp_path / "wide.v", "wide", **options)
    assert report.cells.flops == 1 and 20 * bits <= report.cells.cells <= 24 * bits and report.cells.t_min_ns < 0.8


def test_report(report, tmp_path):
    report.write(tmp_path / "r.json", tmp_path / "r.md")
    text = (tmp_path / "r.md").read_text()
    assert f"| {' | '.join(MEMORIES)} |" in text and "| store | 1 | 8 | 16 | 0.1 |" in text and "| part | 2 |" in text
    assert report.to_json()["parts"][1]["report"]["top"] == "part"


def test_modules_must_be_complete(tmp_path):
    (tmp_path / "top.v").write_text(VERILOG)
    with pytest.raises(ValueError, match="modules must say what part uses"):
        synth.synthesize_parts(tmp_path / "top.v", "top", modules={"top": {"part": 1}}, memories={}, build_dir=tmp_path)
