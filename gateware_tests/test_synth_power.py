"""Power from counted activity: where OpenSTA can say the same by itself, it does; elsewhere the physics must hold."""

import json
import shutil

import pytest

from synth import LIBRARIES, SynthError, gate_level, measured_power, synthesize
from synth.gates import read_mapped
from synth.libraries import locate
from synth.power import CellPower, read_activity
from synth.timing import MISSING

# A register with an enable behind logic, one without, and an asynchronous reset: two kinds of flip-flops, gated or not.
DESIGN = """
module mixer(input clk, rst_n, en, input [15:0] a, b, output reg [15:0] kept, output reg [7:0] folded);
  always @(posedge clk) if (en) kept <= a * b[7:0] + kept;
  always @(posedge clk or negedge rst_n) if (!rst_n) folded <= 0; else folded <= kept[15:8] ^ kept[7:0];
endmodule
"""


@pytest.fixture(scope="module", params=["nangate45", "sky130hd"])
def build(request, tmp_path_factory):
    pytest.importorskip("pyosys", reason="Yosys is not installed: pip install 'apack-hdl[synth]'")
    if shutil.which("sta") is None:
        pytest.skip(MISSING)
    try:
        locate(request.param)
    except SynthError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("power")
    (folder / "mixer.v").write_text(DESIGN)
    report = synthesize(folder / "mixer.v", "mixer", library=request.param, activity=0.25, build_dir=folder)
    gate_level(folder, count_activity=True)
    return folder, report


def counts(folder, toggles, running, cycles=1000):
    """A file of counts: `toggles(net)` and `running` times per cycle."""
    mapped = read_mapped(folder)
    lines = [f"netlist {mapped.tag}", f"cycles {cycles}"]
    lines += [str(round(cycles * toggles(net))) for net in mapped.nets]
    lines += [str(round(cycles * running))] * max(1, len(mapped.gates))
    (folder / "counts.txt").write_text("\n".join(lines) + "\n")
    return folder / "counts.txt"


@pytest.fixture(scope="module")
def cells(build):
    return CellPower(read_mapped(build[0]), build[1].clock_ghz)


@pytest.fixture
def power_of(build, cells):
    """The power with `toggles(net)` transitions per cycle on every net, gated clocks in `running` of the cycles."""

    def power_of(toggles, running):
        file = counts(build[0], toggles, running)
        return cells.of_all(read_activity(read_mapped(build[0]), file), "a test")

    return power_of


def test_the_same_activity_everywhere_is_opensta_s_own_figure(build, power_of):
    own = build[1].cells.power
    power = power_of(lambda net: 0.25, 1.0)
    assert power.activity == own.activity == 0.25 and power.clocked == 1
    for part in ("total_mw", "internal_mw", "switching_mw", "leakage_mw"):
        assert getattr(power, part) == pytest.approx(getattr(own, part), rel=2e-4), part


def test_a_clock_that_stands_still_costs_nothing_behind_its_gate(build, cells, power_of):
    mapped = read_mapped(build[0])
    still, half, full = (power_of(lambda net: 0, running) for running in (0, 0.5, 1))
    assert half.total_mw == pytest.approx((still.total_mw + full.total_mw) / 2, rel=1e-4)
    assert (still.clocked, full.clocked) == (8 / 24, 1.0)
    assert still.switching_mw == pytest.approx(0, abs=1e-6) and full.switching_mw > 0
    gated = [i for i in mapped.instances if i.cell in mapped.flop_cells and set(i.pins.values()) & mapped.gates.keys()]
    flops = 1000 * sum(cells.still[i.name][0] for i in gated)
    gates = 1000 * sum(cells.still[i.name][0] - cells.gate_still for i in mapped.gates.values())
    assert len(gated) == 16
    assert 0 < cells.gate_still < 0.7 * min(cells.still[i.name][0] for i in mapped.gates.values())
    assert full.internal_mw - still.internal_mw == pytest.approx(flops + gates, rel=1e-4)


def test_a_flip_flop_s_input_is_charged_apart_from_its_output(build, cells, power_of):
    """Data that changes in front of a flip-flop that does not take it costs something, but not what taking it does."""
    mapped = read_mapped(build[0])
    flops = [i for i in mapped.instances if i.cell in mapped.flop_cells]
    inputs = {i.pins["D"] for i in flops}
    outputs = {net for i in flops for pin, net in i.pins.items() if pin in ("Q", "QN")}
    data_only, outputs_only = inputs - outputs, outputs - inputs
    base, before, after = (
        power_of(lambda net, on=on: net in on, 1.0).internal_mw for on in ((), data_only, outputs_only)
    )
    data = 1000 * sum(cells.inputs[flop.cell]["D"] for flop in flops if flop.pins["D"] in data_only)
    # The gates whose outputs these nets are take their share, too.
    gates = 1000 * sum(
        cells.busy[i.name][0] - cells.still[i.name][0]
        for i in mapped.instances
        if i not in flops and {i.pins.get("Z"), i.pins.get("ZN"), i.pins.get("X"), i.pins.get("Y")} & data_only
    )
    assert before - base == pytest.approx(data + gates, rel=1e-3)
    assert 0.02 < data / (after - base) < 0.3


def test_report_with_measured_power(build):
    folder, report = build
    file = counts(folder, lambda net: 0.125, 0.5, cycles=4000)
    power = measured_power(folder, file, clock_ghz=report.clock_ghz, stimulus="made-up counts", values=2000)
    assert power.pj_per_value == pytest.approx(2 * power.total_mw / report.clock_ghz)
    both = report.with_measured_power(power)
    text = both.to_markdown()
    assert f"{power.total_mw:.2f} mW at {report.clock_ghz:.3f} GHz with made-up counts: 4,000 cycles" in text
    assert "mean activity 0.125" in text and f"{power.pj_per_value:.3f} pJ per value" in text
    plain = json.loads(json.dumps(both.to_json()))["cells"]
    assert plain["power_measured"]["total_mw"] == power.total_mw
    assert plain["power_measured"]["pj_per_value"] == power.pj_per_value
    assert plain["power"]["total_mw"] == report.cells.power.total_mw
    assert report.to_json()["cells"]["power_measured"] is None


def test_counts_that_do_not_fit_get_one_line(build, tmp_path):
    folder, report = build
    file = counts(folder, lambda net: 0.5, 0.5)
    right = file.read_text()
    for wrong, complaint in (
        (right.replace("netlist ", "netlist 0"), "does not hold the counts"),
        (right.rpartition("\n")[0].rpartition("\n")[0], "does not hold the counts"),
        (right.replace("cycles 1000", "cycles 0"), "before any cycle was counted"),
        ("", "does not hold the counts"),
    ):
        file.write_text(wrong)
        with pytest.raises(SynthError, match=complaint) as raised:
            measured_power(folder, file, clock_ghz=1.0, stimulus="a test")
        assert "\n" not in str(raised.value)
    with pytest.raises(SynthError, match="cannot read the counts"):
        measured_power(folder, folder / "nothing.txt", clock_ghz=1.0, stimulus="a test")
    for function in (gate_level, read_mapped):
        with pytest.raises(SynthError, match="synthesize into this folder first"):
            function(tmp_path)


def test_library_without_gating_cells_has_no_gates():
    assert {name for name, library in LIBRARIES.items() if library.clock_gate is None} == {"osu018"}
