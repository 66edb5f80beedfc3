"""The watchers of the AXI rules see every rule that is broken, and nothing else."""

import shutil
import subprocess

import pytest

from apack_hdl.simulation.axi_wrapper import RULES

pytestmark = pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog (iverilog)")
X = "x"


def broken(tmp_path, module: str, parameters: str, ports: dict[str, int], cycles: list[dict]) -> bool:
    """Whether the watcher complains. ``ports``: inputs and their bits; ``cycles``: levels that change, by cycle."""
    regs = "\n".join(f"  reg [{bits - 1}:0] {name} = 0;" for name, bits in ports.items())
    steps = "\n".join(
        "    " + " ".join(f"{name} = {ports[name]}'h{value:x};" if value != X else f"{name} = 'bx;"
                          for name, value in cycle.items()) + " #1 clk = 1; #1 clk = 0;"
        for cycle in cycles
    )
    wires = ", ".join(f".{name}({name})" for name in ports)
    (tmp_path / "bench.v").write_text(f"""
module bench;
  reg clk = 0, rst = 0; wire broken;
{regs}
  {module} {parameters} watcher (.clk(clk), .rst(rst), {wires}, .broken(broken));
  initial begin
    rst = 1; #1 clk = 1; #1 clk = 0; rst = 0;
{steps}
    $display("%b", broken);
  end
endmodule
""")
    subprocess.run(["iverilog", "-g2005", "-o", "a.vvp", "bench.v", str(RULES)], cwd=tmp_path, check=True, timeout=60)
    done = subprocess.run(["vvp", "a.vvp"], cwd=tmp_path, check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout.strip() in ("0", "1"), done.stdout
    return done.stdout.strip() == "1"


OFFER, TAKE, IDLE = {"valid": 1, "payload": 5}, {"ready": 1}, {"valid": 0, "ready": 0}
KEEP = {"valid": 1, "keep": 15, "last": 0}
BURST = {"valid": 1, "address": 0xFC0, "len": 15, "size": 2, "burst": 1}
ADDRESS = {"address_offered": 1, "address_taken": 1, "len": 1}
NO_ADDRESS = {"address_offered": 0, "address_taken": 0}
DATA, LAST = ({"data_valid": 1, "data_taken": 1, "data_last": last} for last in (0, 1))
LENGTHS = dict.fromkeys(("address_offered", "address_taken", "data_valid", "data_taken", "data_last"), 1) | {"len": 8}


@pytest.mark.parametrize(("cycles", "wrong"), [
    ([OFFER, {}, TAKE, IDLE], False),
    ([OFFER | TAKE, {"payload": 6}, IDLE], False),
    ([OFFER, {"valid": 0}], True),
    ([OFFER, {"payload": 4}], True),
    ([OFFER, {"payload": X}], True),
    ([{"valid": X}], True),
])
def test_offers_stay(tmp_path, cycles, wrong):
    ports = {"valid": 1, "ready": 1, "payload": 3}
    assert broken(tmp_path, "axi_stable", "#(.WIDTH(3))", ports, cycles) == wrong


@pytest.mark.parametrize(("changes", "wrong"), [
    ({}, False), ({"len": 0}, False), ({"valid": 0, "len": 99}, False), ({"address": 0xFC4}, True), ({"len": 16}, True),
    ({"address": 0, "len": 16}, True), ({"size": 3}, True), ({"burst": 2}, True), ({"address": 0xFC1, "len": 0}, True),
])
def test_bursts(tmp_path, changes, wrong):
    ports = {"valid": 1, "address": 12, "len": 8, "size": 3, "burst": 2}
    assert broken(tmp_path, "axi_bursts", "#(.DATA(32), .BURST(16))", ports, [BURST | changes]) == wrong


@pytest.mark.parametrize(("cycles", "wrong"), [
    ([ADDRESS, NO_ADDRESS | DATA, LAST], False),
    ([ADDRESS | DATA, NO_ADDRESS | LAST], False),
    ([ADDRESS, {"len": 0}, NO_ADDRESS | DATA, LAST, LAST], False),
    ([{"address_offered": 1, "len": 0} | LAST, {"address_taken": 1, "data_valid": 0, "data_taken": 0}], False),
    ([DATA], True),
    ([ADDRESS, NO_ADDRESS | LAST], True),
    ([ADDRESS, NO_ADDRESS | DATA, DATA], True),
    ([ADDRESS, NO_ADDRESS | DATA, LAST, LAST], True),
])
def test_lengths(tmp_path, cycles, wrong):
    assert broken(tmp_path, "axi_lengths", "", LENGTHS, cycles) == wrong


@pytest.mark.parametrize(("cycles", "wrong"), [
    ([{"begins": 1}, {}, {"begins": 0, "ends": 1}, {"begins": 1}, {"begins": 0}, {"ends": 0}], False),
    ([{"ends": 1}], True),
    ([{"begins": 1}, {}, {}, {"begins": 0}], True),
])
def test_counts(tmp_path, cycles, wrong):
    assert broken(tmp_path, "axi_count", "#(.LIMIT(2))", {"begins": 1, "ends": 1}, [*cycles, {}]) == wrong


@pytest.mark.parametrize(("changes", "wrong"), [
    ({}, False), ({"last": 1, "keep": 3}, False), ({"keep": 0, "last": 1, "allow_empty": 1}, False),
    ({"valid": 0, "keep": 5}, False), ({"keep": 7}, True), ({"last": 1, "keep": 6}, True),
    ({"keep": 0, "last": 1}, True), ({"keep": 0, "allow_empty": 1}, True),
])
def test_bytes(tmp_path, changes, wrong):
    ports = {"valid": 1, "keep": 4, "last": 1, "allow_empty": 1}
    assert broken(tmp_path, "axi_keep", "#(.BYTES(4))", ports, [KEEP | changes]) == wrong
