"""The memory-side block on the command line, and simulated with a memory of known latency."""

import json

import numpy as np
import pytest

from apack_hdl.cli import main
from apack_hdl.cli.memory_side_synth import keeps_up_with
from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.simulation import block
from golden import search
from golden.config import CodecConfig
from golden.memory import Image

SMALL = ["--engines", "2", "--data-width", "64", "--block", "64", "--streams", "1,2", "--queue", "4"]
P = MemorySide(CodecConfig(block=64), engines=2, data_width=64, queue=4, encoder={"streams": 1},
               decoder={"streams": 2, "search": "division"})


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    return ended.value.code


@pytest.mark.parametrize(("arguments", "message"), [
    ("verilog --engines 4", "--engines: only with --memory-side"),
    ("verilog --memory-side --engines 65", "--engines: must be in 1..64, not 65"),
    ("verilog --memory-side encoder", "--memory-side: has both directions, not only encoder"),
    ("verilog --memory-side --word 64", "--word: must be 32 with --memory-side, not 64"),
    ("verilog --memory-side --banks 2", "--banks: must be 1 with --memory-side, not 2"),
    ("verilog --memory-side --stream-width 48", "--stream-width: must be one of 32, 64, 128, 256, 512, 1024, not 48"),
    ("verilog --memory-side --streams 9", "--streams: must be in 1..8, not 9"),
    ("synth --memory-side --measured", "--measured: not with --memory-side"),
    ("synth --memory-side --target ecp5 --measured", "--measured: not with --memory-side"),
    ("synth --memory-side --target ecp5 --engines 0", "--engines: must be in 1..64, not 0"),
    ("simulate", "TENSOR...: at least one must be given"),
    ("simulate x.npy --latency 3", "--latency: only with --memory-side"),
    ("simulate --memory-side --netlist", "--netlist: not with --memory-side"),
    ("simulate --memory-side a.npy b.npy", "--memory-side: one tensor, not more"),
    ("simulate --memory-side no.npy", "no.npy"),
])
def test_refused_in_one_line(capsys, arguments, message):
    assert run(*arguments.split()) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


@pytest.fixture(scope="module")
def folder(built):
    """Where both the command, told to build in ``built / "cli"``, and others find the simulator."""
    return built / "cli" / "simulation"


@pytest.fixture(scope="module")
def tensor():
    values = np.clip(np.rint(np.random.default_rng(5).normal(size=6000) * 5), -128, 127).astype(np.int8)
    codes = values.view(np.uint8)
    return values, search.search_table(P.codec, search.histogram(codes, 8)).table


def test_round_trip(folder, tensor):
    """The block keeps up, and a slower memory costs its latency, no more."""
    quick, slow = (block.simulate_block(P, *tensor, latency=latency, build_dir=folder) for latency in (10, 40))
    assert quick.identical and slow.identical and quick.compress.values == 6000
    assert quick.compress.stored_bytes == quick.decompress.stored_bytes < 6000
    for way in (quick.compress, quick.decompress, slow.compress, slow.decompress):
        assert way.steady_values_per_cycle >= 0.95 * P.engines
    assert slow.decompress.first - quick.decompress.first in range(30, 121)  # the directory, then the blocks
    assert slow.compress.last - quick.compress.last in range(25, 35)
    stalled = block.simulate_block(P, *tensor, layout="slots", stall=0.3, build_dir=folder)
    assert stalled.identical and stalled.compress.job > quick.compress.job


def test_difference_is_found(folder, tensor, monkeypatch):
    write = Image.write

    def wrong(self, memory, array):
        info = write(self, memory, array)
        memory[self.data_address + 100] ^= 4
        return info

    monkeypatch.setattr(Image, "write", wrong)
    assert block.simulate_block(P, *tensor, build_dir=folder).mismatch == "memory image"


def test_simulate_command(built, tmp_path, tensor, capsys):
    np.save(tmp_path / "t.npy", tensor[0])
    assert run("simulate", "--memory-side", *SMALL, tmp_path / "t.npy", "--build", built / "cli", "--json", "-") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["identical"] and result["engines"] == 2 and result["decompress"]["values"] == 6000
    steps = result["compress"]["steps"] + result["decompress"]["steps"]
    assert [step["what"] for step in steps if step["least"] is None] == []
    assert all(step["least"] <= step["cycles"] <= step["most"] for step in steps)
    assert run("simulate", "--memory-side", *SMALL, tmp_path / "t.npy", "--build", built / "cli") == 0
    shown = capsys.readouterr().out
    assert "first address to first value out" in shown and "not so" not in shown


def test_arithmetic_of_bandwidth():
    """1,024 values in 1,026 cycles; a memory gives 1 / R bytes of values for each byte read."""
    found = keeps_up_with(MemorySide(engines=64, data_width=512), 0.8 * 1026 / 1024)
    assert found["gb_per_s"] == pytest.approx(51.2) and found["bus_gb_per_s"] == pytest.approx(51.2 * 1026 / 1024)
    ddr4 = found["memories"][0]
    assert (ddr4["gb_per_s"], ddr4["values_over_memory"]) == (51.2, pytest.approx(1))
    slower = keeps_up_with(MemorySide(engines=64, data_width=512), 0.79)
    assert slower["memories"][0]["engines"] == {"1": 65, "0.8": 82, "0.6": 109}
    twelve = keeps_up_with(MemorySide(CodecConfig(width=12, block=510), engines=4), 512 / 510)
    assert twelve["gb_per_s"] == pytest.approx(6.0) and keeps_up_with(MemorySide(), None) is None
