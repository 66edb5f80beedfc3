"""The emitted block in two simulators, a small selection; all of it: ``make cosim``."""

import fcntl

import pytest
from cosim import runner

from apack_hdl.memory_side.parameters import MemorySide
from golden.config import CodecConfig

CODEC = CodecConfig(block=64)
ALL = ("registers", "real_tensors", "shapes", "short_blocks", "queue", "both_at_once", "bad_descriptors",
       "broken_memory", "corrupt_memory", "short_packet", "aborts", "soft_resets", "hard_resets")
FEW = {"values": 200, "shapes": 3, "rounds": 2, "corruptions": 5, "aborts": 2, "resets": 1}
SMALL = {"decoder": {"streams": 2, "search": "division"}, "queue": 4}


@pytest.mark.parametrize(("simulator", "p", "scenarios", "stall"), [
    pytest.param("verilator", MemorySide(CODEC, engines=2, data_width=64, **SMALL), ALL, 0.2, id="verilator"),
    pytest.param("icarus", MemorySide(CODEC, engines=1, data_width=32, tables=2, **SMALL), ("real_tensors",),
                 0.2, id="icarus"),
])
def test_emitted_block(built, simulator, p, scenarios, stall):
    if lack := runner.missing(simulator):
        pytest.skip(lack)
    with (built / "cosim.lock").open("w") as lock:  # two processes need not build the same
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = runner.build(p, simulator, built)
    outcomes = runner.run(place, simulator, list(scenarios), seed=1, stall=stall, **FEW)
    assert not [f"{outcome.scenario}: {outcome.message}" for outcome in outcomes if outcome.message]
