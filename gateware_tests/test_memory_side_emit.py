# amaranth: UnusedElaboratable=no
# Some parts are made for their description only, or for a message that refuses them.
"""Designs of several modules as Verilog: every part once, nothing for lint to complain about, memories as they are."""

import json
import random
import re
import shutil
import subprocess
from dataclasses import replace

import lint_blocks
import pytest
import yaml
from amaranth import Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from apack_hdl.emit import emit
from apack_hdl.memory_side.axi.ports import axi_lite, axi_read, axi_stream, axi_write
from apack_hdl.memory_side.emit import count_instances, emit_block, emit_memory_side
from apack_hdl.memory_side.layouts import beat_layout
from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.memory_side.parts.place import Hierarchy, place
from apack_hdl.memory_side.parts.ram import Ram
from apack_hdl.simulation.verilator import find_verilator
from apack_hdl.verilog.conversion import convert_parts
from golden.config import CodecConfig

TOOL = find_verilator()
SMALL = MemorySide(CodecConfig(width=4, rows=4, prob_bits=6, mult_bits=4, block=32), engines=2, data_width=32)


class Inner(wiring.Component):
    """Counts beats, to be a part of a part."""

    module = "inner"

    def __init__(self):
        super().__init__({"step": In(1), "at": Out(2), "twice": Out(3)})

    def elaborate(self, platform):
        m = Module()
        with m.If(self.step):
            m.d.sync += self.at.eq(self.at + 1)
        m.d.comb += self.twice.eq(self.at << 1)
        return m


class Cell(wiring.Component):
    """Holds four beats in a memory of its own, to be a part many times."""

    def __init__(self, p: MemorySide, module="cell"):
        beats = stream.Signature(beat_layout(p))
        self.module = module
        super().__init__({"i": In(beats), "o": Out(beats), "seen": Out(8)})

    def elaborate(self, platform):
        m = Module()
        size = len(self.i.payload.as_value())
        m.submodules.own = own = Inner()  # no part
        write, read = (place(m, platform, name, Inner()) for name in ("write", "read"))
        rows = place(m, platform, "rows", Ram(size, 4))
        seen = Signal(8)
        m.d.sync += seen.eq(seen + write.step)
        m.d.comb += [
            own.step.eq(read.step), self.seen.eq(seen ^ own.at),
            self.i.ready.eq((write.at + 1)[:2] != read.at), write.step.eq(self.i.valid & self.i.ready),
            rows.write_enable.eq(write.step), rows.write_address.eq(write.at), rows.write_data.eq(self.i.payload),
            rows.read_enable.eq(~self.o.valid | self.o.ready), rows.read_address.eq(read.at),
            read.step.eq(rows.read_enable & (read.at != write.at)), self.o.payload.eq(rows.read_data),
        ]
        with m.If(rows.read_enable):
            m.d.sync += self.o.valid.eq(read.step)
        return m


class Chain(wiring.Component):
    """Three cells in a row, of the last of which only one output more than the beats is looked at."""

    def __init__(self, p: MemorySide):
        self.p = p
        beats = stream.Signature(beat_layout(p))
        super().__init__({"i": In(beats), "o": Out(beats), "seen": Out(4)})

    def elaborate(self, platform):
        m = Module()
        first, second, third = (place(m, platform, f"cell_{i}", Cell(self.p)) for i in range(3))
        wiring.connect(m, wiring.flipped(self.i), first.i)
        wiring.connect(m, first.o, second.i)
        wiring.connect(m, second.o, third.i)
        wiring.connect(m, third.o, wiring.flipped(self.o))
        m.d.comb += self.seen.eq(third.seen[2:6])
        return m


def chain(name="x"):
    return convert_parts(Chain(SMALL), name, lambda: Hierarchy(name))


def test_every_part_is_written_once():
    top, text, parts = chain()
    size = Shape.cast(beat_layout(SMALL)).width
    ram = f"x_ram_{size}x4"
    assert re.findall(r"^module (\w+)", text, re.MULTILINE) == ["x", "x_cell", "x_cell_own", ram, "x_inner"]
    assert parts.uses == {"x": {"x_cell": 3}, "x_cell": {"x_inner": 2, ram: 1}, "x_inner": {}, ram: {}}
    assert count_instances(parts.uses, "x") == {"x_cell": 3, "x_inner": 6, ram: 3}
    assert [*parts.written] == [ram] and [*top.nets][:2] == ["clk", "rst"]
    assert text == chain()[1], "the same bytes every time"


def test_outputs_that_nobody_reads_have_names_that_say_so():
    text = chain()[1]
    assert {".seen(cell_0_seen_unused)", ".twice(read_twice_unused)"} <= {*re.findall(r"\.\w+\(\w+\)", text)}
    assert ".seen({cell_2_seen_unused, cell_2_seen, cell_2_seen_unused_2})" in text


NOTHING = re.compile(r"(signal|net|port)(_\d+)*(_(value|next|when|choices|unused))*")


def nameless(text: str) -> list[str]:
    """The wires and registers of a Verilog text whose names say nothing."""
    names = re.findall(r"^ +(?:input |output )?(?:wire|reg) (?:\[\S+\] )?(\w+)", text, re.MULTILINE)
    assert len(names) > 50 and not re.search(r"[$\\]", re.sub(r"//.*|\$signed", "", text)), "no escapes"
    return [name for name in names if NOTHING.fullmatch(name)]


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    """The files of a whole block."""
    return emit_memory_side(replace(SMALL, order="by id"), out_dir=tmp_path_factory.mktemp("block"))


def test_every_name_of_the_block_says_something(block):
    assert nameless(block[0].read_text()) == []


def test_verilator_has_nothing_to_say_about_the_block(block):
    verilog, _, _, waivers = block
    assert lint_blocks.verilator(verilog, waivers) == ""
    assert re.findall("^lint_off.*", waivers.read_text(), re.MULTILINE) == [
        'lint_off -rule DECLFILENAME -file "*apack_memory_side.v"'
    ], "nothing is overlooked but that a file has several modules"


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog (iverilog)")
def test_icarus_has_nothing_to_say_about_the_block(block):
    assert lint_blocks.icarus(block[0]) == ""


def test_yosys_finds_no_problem_in_the_block(block):
    pytest.importorskip("pyosys")
    assert lint_blocks.yosys(block[0]) == ""


@pytest.mark.parametrize(("wrong", "tools"), [
    ("  wire [1:0] lost;\n  assign lost = 1'b1;\n", {"verilator"}),
    ("  wire lost;\n  missing m (.x(lost));\n", {"verilator", "icarus", "yosys"}),
])
def test_tools_complain_of_what_is_wrong(wrong, tools, tmp_path):
    """The same three, of a design that has a fault."""
    verilog, waivers = tmp_path / f"{lint_blocks.NAME}.v", tmp_path / "x.vlt"
    verilog.write_text(f"module {lint_blocks.NAME} (input wire clk);\n{wrong}endmodule\n")
    waivers.write_text("`verilator_config\n")
    said = {"verilator": lint_blocks.verilator(verilog, waivers), "icarus": lint_blocks.icarus(verilog),
            "yosys": lint_blocks.yosys(verilog)}
    assert tools <= {tool for tool, words in said.items() if words}


@pytest.mark.parametrize(("engine", "options"), [
    ("encoder", {}), ("encoder", {"streams": 3, "banks": 2}), ("decoder", {}),
    ("decoder", {"streams": 5, "search": "division"}), ("decoder", {"streams": 4, "search": "quaternary"}),
])
def test_every_name_of_an_engine_says_something(engine, options, tmp_path):
    assert nameless(emit(SMALL.codec, engine, out_dir=tmp_path, **options)[0].read_text()) == []


def test_lint_has_nothing_to_say_about_parts(tmp_path):
    (tmp_path / "x.v").write_text(chain()[1])
    assert {*re.findall(r"%Warning-(\w+)", TOOL.lint(tmp_path / "x.v"))} == {"DECLFILENAME"}


def test_parts_of_one_name_have_the_same_ports():
    class Two(wiring.Component):
        """Two different parts under one name."""

        o: Out(1)

        def elaborate(self, platform):
            m = Module()
            ram = place(m, platform, "a", Ram(8, 4))
            wide = Ram(16, 4)
            wide.__class__ = type("Wide", (Ram,), {"module": ram.module})
            m.submodules.middle = middle = Module()
            place(middle, platform, "b", wide)
            m.d.comb += self.o.eq(ram.read_data[0] ^ wide.read_data[0])
            return m

    with pytest.raises(ValueError, match="x_ram_8x4 .* the same ports"):
        convert_parts(Two(), "x", lambda: Hierarchy("x"))


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog (iverilog)")
@pytest.mark.parametrize(("width", "depth", "lanes"), [(1, 2, 1), (8, 5, 1), (24, 16, 3), (64, 7, 64)])
def test_memories_hold_what_is_written(tmp_path, width, depth, lanes):
    """Random writes by lanes, and reads, in the emitted memory: each read gives what was written last."""
    rng = random.Random(f"{width} {depth} {lanes}")
    rows, lines, expected = [0] * depth, [], []
    lane = width // lanes
    for i in range(depth + 200):  # first all of it
        enable = rng.getrandbits(lanes) if i >= depth else (1 << lanes) - 1
        at, value = (i if i < depth else rng.randrange(depth)), rng.getrandbits(width)
        read = rng.randrange(depth)
        reading = int(i >= depth and (read != at or not enable) and rng.random() < 0.7)
        if reading:
            expected.append(rows[read])
        mask = sum(((1 << lane) - 1) << k * lane for k in range(lanes) if enable >> k & 1)
        rows[at] = rows[at] & ~mask | value & mask
        lines.append(f"    step({enable}, {at}, {width}'h{value:x}, {reading}, {read});")
    name = f"m_{Ram(width, depth, lanes).module}"
    address = max(1, (depth - 1).bit_length())
    steps = "\n".join(lines)
    bench = f"""
module bench;
  reg clk = 0, re = 0; reg [{lanes - 1}:0] we = 0; reg [{address - 1}:0] wa = 0, ra = 0; reg [{width - 1}:0] wd = 0;
  wire [{width - 1}:0] rd;
  {name} dut (.clk(clk), .write_enable(we), .write_address(wa), .write_data(wd), .read_enable(re),
    .read_address(ra), .read_data(rd));
  task step(input [{lanes - 1}:0] e, input integer a, input [{width - 1}:0] d, input r, input integer b); begin
    we = e; wa = a; wd = d; re = r; ra = b; #1 clk = 1; #1 clk = 0;
    if (r) $display("%h", rd);
  end endtask
  initial begin
{steps}
  end
endmodule"""
    (tmp_path / "m.v").write_text(Ram(width, depth, lanes).verilog(name) + bench)
    subprocess.run(["iverilog", "-g2005", "-o", "m.vvp", "m.v"], cwd=tmp_path, check=True, timeout=60)
    done = subprocess.run(["vvp", "m.vvp"], cwd=tmp_path, check=True, timeout=60, capture_output=True, text=True)
    assert len(expected) > 50 and [int(line, 16) for line in done.stdout.split()] == expected


class Shell(wiring.Component):
    """All of the block's ports, and next to nothing behind them."""

    def __init__(self, p: MemorySide):
        read, write = axi_read(p.address_width, p.data_width), axi_write(p.address_width, p.data_width)
        self.p = p
        super().__init__({
            "s_axil": In(axi_lite(12)), "s_axis": In(axi_stream(p.stream_width)),
            "m_axis": Out(axi_stream(p.stream_width, id_width=4)),
            "m_axi": Out(wiring.Signature(dict(read.members) | dict(write.members))), "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        cell = place(m, platform, "cell", Cell(self.p))
        ports = [(path, member, signal) for path, member, signal in self.signature.flatten(self) if member.flow == Out]
        m.d.comb += [signal.eq(0) for path, _, signal in ports if path[0] in ("s_axil", "m_axi")]
        m.d.comb += [
            self.m_axis.tkeep.eq(-1), self.m_axis.tid.eq(0),
            cell.i.payload.values.eq(self.s_axis.tdata), cell.i.payload.last.eq(self.s_axis.tlast),
            cell.i.valid.eq(self.s_axis.tvalid), self.s_axis.tready.eq(cell.i.ready),
            self.m_axis.tdata.eq(cell.o.payload.values), self.m_axis.tlast.eq(cell.o.payload.last),
            self.m_axis.tvalid.eq(cell.o.valid), cell.o.ready.eq(self.m_axis.tready), self.irq.eq(cell.seen[0]),
        ]
        return m


def test_files_of_a_block(tmp_path):
    verilog, sidecar, core, waivers = emit_block(SMALL, Shell(SMALL), out_dir=tmp_path, name="shell")
    text, facts = verilog.read_text(), json.loads(sidecar.read_text())
    size = Shape.cast(beat_layout(SMALL)).width
    assert facts["memories"] == {f"shell_ram_{size}x4": {"width": size, "depth": 4, "lanes": 1, "instances": 1}}
    assert facts["modules"]["shell"] == {"shell_cell": 1}
    assert facts["parameters"]["codec"]["width"] == 4 and facts["parameters"]["beat_values"] == 4
    ports = [port["name"] for port in facts["ports"]]
    assert ports[:4] == ["clk", "rst", "s_axil_awaddr", "s_axil_awprot"] and ports[-1] == "irq"
    assert {"m_axi_araddr", "m_axi_wstrb", "m_axis_tid", "s_axis_tkeep"} <= {*ports}
    buses = facts["interfaces"]
    assert {name: (bus["protocol"], bus["role"]) for name, bus in buses.items()} == {
        "s_axil": ("AXI4-Lite", "subordinate"), "s_axis": ("AXI4-Stream", "receiver"),
        "m_axis": ("AXI4-Stream", "transmitter"), "m_axi": ("AXI4", "manager"),
    }
    assert buses["m_axi"]["ports"]["ARLEN"] == "m_axi_arlen" and buses["m_axis"]["ports"]["TID"] == "m_axis_tid"
    assert {port for bus in buses.values() for port in bus["ports"].values()} == {*ports} - {"clk", "rst", "irq"}
    header = text.partition("\nmodule ")[0]
    for port in facts["ports"]:
        assert re.search(rf"^// {port['name']} +{port['direction']} +{port['bits']}  \S", header, re.MULTILINE)
    assert all(len(line) <= 120 for line in header.splitlines())
    assert yaml.safe_load(core.read_text().partition("\n")[2])["filesets"]["rtl"]["files"] == ["shell.v"]
    assert TOOL.lint(verilog, waivers) == ""


@pytest.mark.parametrize(("p", "name", "error", "message"), [
    (4, "x", TypeError, "p must be a MemorySide, not 4"),
    (SMALL, "1x", ValueError, "name must be a Verilog name"),
    (SMALL, None, TypeError, "name must be a string"),
])
def test_refused(tmp_path, p, name, error, message):
    with pytest.raises(error, match=message):
        emit_memory_side(p, out_dir=tmp_path, name=name)
