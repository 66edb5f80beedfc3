"""The register map, its documents, its hardware behind AXI4-Lite, and the C driver on that hardware."""

import json
import random
import re
import shutil
import subprocess

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from axi_lite_manager import OKAY, SLVERR, AxiLiteManager
from drivers import PERIOD
from memory_side_control import ControlBench

from apack_hdl.memory_side import waves
from apack_hdl.memory_side.axi.lite import AxiLite
from apack_hdl.memory_side.control.control import Control
from apack_hdl.memory_side.control.register_file import RegisterFile
from apack_hdl.memory_side.control.register_map import Field, Register, check_map
from apack_hdl.memory_side.control.registers import REGISTERS
from apack_hdl.memory_side.driver import FOLDER, documents
from apack_hdl.memory_side.layouts import Error
from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.memory_side.parts.place import Hierarchy
from apack_hdl.verilog.conversion import convert_parts
from golden.config import CodecConfig


@pytest.mark.parametrize("name", documents())
def test_documents_are_what_the_description_gives(name):
    """If this fails: ``python -m apack_hdl.memory_side.driver``."""
    assert (FOLDER / name).read_text(encoding="utf-8") == documents()[name]


def test_document_and_header_have_every_field():
    header = dict(re.findall(r"#define APACK_(\w+) (\w+)", documents()["apack_memory_side.h"]))
    text = documents()["registers.md"]
    for register in REGISTERS:
        assert header[register.name] == f"0x{register.offset:03X}u"
        part = text[text.index(f"\n### {register.name}\n") :].split("\n### ")[1]
        for field in register.fields:
            assert f"| `{field.name}` | {field.access} |" in part
            if field.bits < 32:
                mask = sum(1 << bit for bit in range(field.low, field.low + field.bits))
                assert header[f"{register.name}_{field.name.upper()}_MASK"] == f"0x{mask:08X}u"
                assert header[f"{register.name}_{field.name.upper()}_SHIFT"] == str(field.low)
    for error in Error:
        assert header[f"RESULT_STATUS_ERROR_{error.name}"] == f"{error.value}u"


@pytest.mark.parametrize(("make", "problem"), [
    (lambda: Field("x", 0, 1, "rx", ""), "access of x must be one of ro, rw, rwh, w1c, w1s, wo, not 'rx'"),
    (lambda: Field("x", 30, 3, "ro", ""), r"x must lie in bits 0..31, not 30..32"),
    (lambda: Field("x", 0, 2, "rw", "", reset=4), "reset of x must fit 2 bits, not 4"),
    (lambda: Register("A", 6, "", ()), "offset of A must be a multiple of 4, not 0x6"),
    (lambda: Register("A", 4, "", (Field("x", 0, 2, "ro", ""), Field("y", 1, 1, "ro", ""))), "A: y must lie above x"),
    (lambda: check_map((Register("A", 4, "", ()), Register("B", 4, "", ())), 64), "B must lie behind A"),
    (lambda: check_map((Register("A", 4, "", ()), Register("A", 8, "", ())), 64), "must be one register A, not 2"),
    (lambda: check_map((Register("A", 64, "", ()),), 64), "A must lie below 0x40"),
])
def test_maps_that_are_none(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()


# A map with every kind of access, fields that cross bytes, holes between fields and between registers.
KINDS = check_map((
    Register("A", 0x00, "", (Field("x", 3, 9, "rw", "", reset=0x155), Field("y", 20, 12, "rw", ""))),
    Register("B", 0x04, "", (Field("seen", 0, 5, "ro", ""), Field("way", 8, 16, "ro", ""))),
    Register("C", 0x0C, "", (
        Field("event", 0, 1, "w1c", ""), Field("job", 9, 1, "w1s", ""), Field("go", 31, 1, "wo", ""))),
    Register("D", 0x10, "", (Field("count", 0, 8, "rwh", "", reset=7), Field("rest", 8, 8, "rw", "")), strobe=True),
    *(Register(f"E{n}", 0x20 + 4 * n, "", (Field("value", 0, 32, "rw", ""),)) for n in range(8)),
), 64)


class RegisterModel:
    """What software should see, in plain words."""

    def __init__(self):
        self.words = {r.offset: sum(f.reset << f.low for f in r.fields) for r in KINDS}
        self.shown, self.pulses = {}, {}

    def write(self, offset, data, strobe):
        if offset not in self.words:
            return SLVERR
        mask = sum(0xFF << 8 * byte for byte in range(4) if strobe >> byte & 1)
        for register in KINDS:
            for field in register.fields if register.offset == offset else ():
                writes = mask & field.mask
                if field.stored:
                    self.words[offset] = self.words[offset] & ~writes | data & writes
                elif field.access != "ro" and data & writes:
                    name = f"{register.name}_{field.name}".lower()
                    self.pulses[name] = self.pulses.get(name, 0) + 1
            if register.offset == offset and register.strobe and strobe >> register.top_byte & 1:
                self.pulses[register.name.lower()] = self.pulses.get(register.name.lower(), 0) + 1
        return OKAY

    def read(self, offset):
        if offset not in self.words:
            return 0, SLVERR
        (register,) = (r for r in KINDS if r.offset == offset)
        word = self.words[offset]
        for field in register.fields:
            word |= self.shown.get(f"{register.name}_{field.name}".lower(), 0) << field.low
        return word, OKAY


@pytest.mark.parametrize("busy", (1.0, 0.4))
def test_register_file_behind_axi_lite(busy):
    """Random accesses of any bytes to any address; the port's rules are checked by the manager."""
    m, rng, model, seen = Module(), random.Random(f"{busy} registers"), RegisterModel(), {}
    m.submodules.bus, m.submodules.file = bus, file = AxiLite(7), RegisterFile(KINDS, 7)
    wiring.connect(m, bus.access, file.access)
    wiring.connect(m, file.answer, bus.answer)

    async def software(ctx):
        manager = AxiLiteManager(bus.axil, busy, busy)
        for _ in range(260):
            offset = rng.choice([rng.randrange(20), rng.randrange(5)]) * 4
            data, strobe = rng.getrandbits(32), rng.choice([15, rng.getrandbits(4)])
            kind = rng.random()
            if kind < 0.45:
                assert await manager.write(ctx, offset + rng.randrange(4), data, strobe) == model.write(
                    offset, data, strobe)
            elif kind < 0.85:
                assert await manager.read(ctx, offset + rng.randrange(4)) == list(model.read(offset))
            elif kind < 0.9:
                other = rng.randrange(20) * 4
                while other == offset:
                    other = rng.randrange(20) * 4
                response = model.write(offset, data, 15)
                assert await manager.both(ctx, offset, data, other) == [response, *model.read(other)]
            elif kind < 0.97:
                for name, bits in (("b_seen", 5), ("b_way", 16), ("c_event", 1), ("c_job", 1)):
                    model.shown[name] = rng.getrandbits(bits)
                    ctx.set(file.shown[name], model.shown[name])
                count = rng.getrandbits(8)
                ctx.set(file.update.d_count, {"enable": 1, "value": count})
                model.words[0x10] = model.words[0x10] & ~0xFF | count
                await ctx.tick()
                ctx.set(file.update.d_count.enable, 0)
            else:
                ctx.set(file.clear, 1)
                await ctx.tick()
                ctx.set(file.clear, 0)
                model.words = RegisterModel().words
            kept = ctx.get(file.kept)
            assert (kept.a_x, kept.a_y) == (model.words[0] >> 3 & 0x1FF, model.words[0] >> 20)
        await ctx.tick().repeat(3)

    async def watch(ctx):
        names = ["c_event", "c_job", "c_go", "d"]
        async for _, _, *levels in ctx.tick().sample(*(file.pulses[n] for n in names[:3]), file.written.d):
            for name, level in zip(names, levels, strict=True):
                seen[name] = seen.get(name, 0) + level

    sim = Simulator(m)
    sim.add_clock(PERIOD)
    sim.add_testbench(software)
    sim.add_testbench(watch, background=True)
    sim.run()
    assert seen == model.pulses and all(seen.values())


def test_reads_and_writes_take_turns():
    """Whoever waits comes next: a stream of writes does not keep reads away, nor the other way round."""
    order = []
    bus = AxiLite(7)

    async def manager(ctx):
        for channel in ("aw", "w", "ar"):
            ctx.set(getattr(bus.axil, f"{channel}valid"), 1)
        ctx.set(bus.axil.bready, 1)
        ctx.set(bus.axil.rready, 1)
        ctx.set(bus.access.ready, 1)
        ctx.set(bus.answer.valid, 1)
        async for _, _, valid, write in ctx.tick().sample(bus.access.valid, bus.access.payload.write):
            if valid:
                order.append(write)
            if len(order) == 20:
                return

    sim = Simulator(bus)
    sim.add_clock(PERIOD)
    sim.add_testbench(manager)
    sim.run_until(1000 * PERIOD)
    assert len(order) == 20 and all(a != b for a, b in zip(order, order[1:], strict=False))


def test_no_answer_before_both_parts_of_a_write():
    """Addresses and data of writes come in any order, and ever so late."""
    m, ended = Module(), []
    m.submodules.bus, m.submodules.file = bus, file = AxiLite(7), RegisterFile(KINDS, 7)
    wiring.connect(m, bus.access, file.access)
    wiring.connect(m, file.answer, bus.answer)

    async def manager(ctx):
        axil = bus.axil
        ctx.set(axil.bready, 1)
        for first, second in (("aw", "w"), ("w", "aw")):
            ctx.set(axil.awaddr, 0x20)
            ctx.set(axil.wstrb, 15)
            ctx.set(axil.wdata, 9)
            ctx.set(getattr(axil, f"{first}valid"), 1)
            await ctx.tick().until(getattr(axil, f"{first}ready"))
            ctx.set(getattr(axil, f"{first}valid"), 0)
            for _ in range(20):
                _, _, valid, ready = await ctx.tick().sample(axil.bvalid, getattr(axil, f"{first}ready"))
                assert not valid and not ready
            ctx.set(getattr(axil, f"{second}valid"), 1)
            await ctx.tick().until(getattr(axil, f"{second}ready"))
            ctx.set(getattr(axil, f"{second}valid"), 0)
            await ctx.tick().until(axil.bvalid)
        ended.append(ctx.get(file.kept.e0_value))

    sim = Simulator(m)
    sim.add_clock(PERIOD)
    sim.add_testbench(manager)
    sim.run_until(400 * PERIOD)
    assert ended == [9]


def test_control_becomes_verilog():
    p = MemorySide(CodecConfig(12, 6, 8, 8, 100), tables=1, address_width=64, queue=4, engines=5, data_width=512)
    top, text, parts = convert_parts(Control(p), "control", lambda: Hierarchy("control"))
    assert {"axil_awaddr", "irq", "compress_job_valid", "table_write_count"} <= set(top.nets)
    assert "module control_registers" in text and len(parts.uses["control"]) == 3


BRIDGE = """
#include <stdio.h>
#include <inttypes.h>
#include <stdint.h>
static uint32_t bridge_read(uint32_t offset)
{
    uint32_t value = 0;
    printf("r %" PRIu32 "\\n", offset);
    fflush(stdout);
    if (scanf("%" SCNu32, &value) != 1) value = 0;
    return value;
}
static void bridge_write(uint32_t offset, uint32_t value)
{
    printf("w %" PRIu32 " %" PRIu32 "\\n", offset, value);
}
#define APACK_READ32(base, offset) ((void)(base), bridge_read(offset))
#define APACK_WRITE32(base, offset, value) ((void)(base), bridge_write(offset, value))
#include "example.c"
static const struct apack_row rows[] = {{0, 700}, {1, 300}, {6, 24}};
static const struct apack_row bad[] = {{0, 700}, {9, 324}};
int main(void)
{
    struct apack b;
    struct apack_result r = {0};
    struct apack_job job = {.direction = APACK_COMPRESS, .width = 4, .block = 64, .length = 64, .tag = 7, .table = 1,
                            .data_address = 0x123456789u, .directory_address = 8};
    uint64_t stored = 0;
    int n, tags = 0, error = example(NULL, 0x1000, 0x80000, &stored);
    printf("x example %d\\nx stored %" PRIu64 "\\n", error, stored);
    apack_probe(&b, NULL);
    printf("x probe %u.%u.%u.%u.%u.%u.%u.%u.%u.%u.%u\\n", b.engines, b.memory_bits, b.stream_bits, b.width, b.rows,
           b.prob_bits, b.mult_bits, b.longest_block, b.beat_values, b.queue, b.tables);
    printf("x narrow %d\\n", apack_load_table(&b, 1, 3, rows, 3));
    printf("x refused %d\\n", apack_load_table(&b, 1, 3, bad, 2));
    printf("x values %" PRIu64 "\\n", apack_counter(&b, APACK_COMPRESS_VALUES_LO));
    apack_enable(&b, 0);
    for (n = 0; apack_push(&b, &job) == APACK_OK; n++) job.direction = APACK_DECOMPRESS;
    printf("x pushed %d\\n", n);
    job.block = 1 << 20;
    printf("x range %d\\n", apack_push(&b, &job));
    printf("x timeout %d\\n", apack_wait(&b, &r, 2));
    apack_enable(&b, 1);
    while (tags < 3 && apack_wait(&b, &r, 1000) == APACK_OK) tags++;
    printf("x result %u.%u.%u\\n", r.direction, r.error, r.tag);
    apack_abort(&b, APACK_DECOMPRESS);
    printf("x reset %d\\n", apack_soft_reset(&b, 1000));
    printf("x none %d\\n", apack_take_result(&b, &r));
    printf("x end\\n");
    return 0;
}
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_driver_compiles_and_drives_the_hardware(tmp_path):
    """The driver, its accesses done by the simulated registers; halves end each job without a look at its data."""
    strict = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", f"-I{FOLDER}"]
    subprocess.run([*strict, "-c", FOLDER / "example.c", "-o", tmp_path / "example.o"], check=True, timeout=60)
    source, program = tmp_path / "bridge.c", tmp_path / "bridge"
    source.write_text(BRIDGE)
    subprocess.run([*strict, source, "-o", program], check=True, timeout=60)
    said = {}

    async def body(software, halves):
        ctx = software.ctx
        with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                kind, *words = line.split()
                if kind == "x":
                    said[words[0]] = words[1:]
                    continue
                offset = int(words[0])
                if kind == "r":
                    value, response = await software.bus.read(ctx, offset)
                    process.stdin.write(f"{value}\n")
                    process.stdin.flush()
                else:
                    response = await software.bus.write(ctx, offset, int(words[1]))
                assert response == OKAY
        assert process.returncode == 0

    p = MemorySide(CodecConfig(8, 16, 10, 8, 1024), queue=4)
    bench = ControlBench(p)
    compressor, decompressor = bench.run(1, body, error=0, longest=4)
    first, second = compressor.jobs[0], decompressor.jobs[0]
    assert first | {"decompress": 1, "signed": 1, "tag": 2} == second
    assert first == {
        "decompress": 0, "slots": 1, "dense": 0, "signed": 0, "overlap": 0, "table": 0, "width": 8, "tag": 1,
        "block": 1024, "slot_bytes": 1024, "length": 100000, "data_address": 0x1000, "directory_address": 0x80000,
    }
    rows = bench.rows
    assert [row[:2] for row in rows] == [(table, row) for table in (0, 1) for row in range(16)]
    assert [row[2:] for row in rows[:4]] == [(0, 0)] * 3 + [(0, 220)]
    assert [row[2:] for row in rows[-5:]] == [(0, 0), (0, 700), (1, 300), (6, 24), (8, 0)]
    expected = {
        "example": "0", "stored": str(compressor.results[0]["stored_bytes"]), "narrow": "0", "refused": "-2",
        "probe": "4.64.32.8.16.10.8.1024.4.4.4", "values": "0", "pushed": "4", "range": "-2", "timeout": "-4",
        "result": "1.0.7", "reset": "0", "none": "0",
    }
    assert {name: words[0] for name, words in said.items() if words} == expected and "end" in said
    assert compressor.jobs[1]["data_address"] == 0x123456789


@pytest.mark.parametrize("name", waves.DIAGRAMS)
def test_timing_diagrams_are_what_happens(name):
    """If this fails: ``python -m apack_hdl.memory_side.waves``."""
    text = waves.as_text(waves.DIAGRAMS[name]())
    assert (waves.FOLDER / f"{name}.json").read_text(encoding="utf-8") == text
    drawn = (waves.FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert all(f">{label}<" in drawn for row in json.loads(text)["signal"] for label in row.get("data", ()))
