"""The timing diagrams of the integration guide: recorded in simulation, written as WaveJSON and drawn as SVG.

``python -m apack_hdl.memory_side.waves`` makes ``figures/*.json``, and ``figures/*.svg`` where wavedrom is installed.
"""

import json
from pathlib import Path

from amaranth import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from golden.config import CodecConfig
from golden.container import write_atomic

from .axi.lite import AxiLite
from .control.register_file import RegisterFile
from .control.registers import ADDRESS_BITS, REGISTER_FILE, identity
from .parameters import MemorySide
from .streams.stream_in import StreamIn
from .streams.stream_out import StreamOut

FOLDER = Path(__file__).parent / "figures"
SMALL = MemorySide(CodecConfig(block=8), engines=1, stream_width=32)
JOB = {"length": 18, "block": 8, "width": 8, "dense": 0, "signed": 0}
PERIOD = 1e-9


def wave(name: str, levels: list[int], valid: list[int] | None = None, form="{:x}") -> dict:
    """A row of the diagram; a bus if ``valid`` is given, of no meaning where that is 0."""
    shown = [level if valid is None or ok else None for level, ok in zip(levels, valid or levels, strict=True)]
    wave, labels, before = "", [], "nothing"
    for level in shown:
        if level == before:
            wave += "."
        elif valid is None:
            wave += str(level)
        elif level is None:
            wave += "x"
        else:
            wave, labels = wave + "=", [*labels, form.format(level)]
        before = level
    return {"name": name, "wave": wave} | ({"data": labels} if valid is not None else {})


def record(top, cycles: int, drive, signals: dict) -> dict[str, list[int]]:
    """What the ``signals`` are in each cycle while ``drive(ctx, cycle, before)`` sets inputs at its beginning;
    ``before`` are the signals of the cycle before."""
    seen = {name: [] for name in signals}

    async def testbench(ctx):
        before = dict.fromkeys(signals, 0)
        for cycle in range(cycles):
            drive(ctx, cycle, before)
            _, _, *now = await ctx.tick().sample(*signals.values())
            before = dict(zip(signals, now, strict=True))
            for name, level in before.items():
                seen[name].append(level)

    simulator = Simulator(top)
    simulator.add_clock(PERIOD)
    simulator.add_testbench(testbench)
    simulator.run()
    return seen


def diagram(text: str, cycles: int, *rows, scale: int = 2) -> dict:
    """A diagram with its clock."""
    return {"signal": [{"name": "clk", "wave": "p" + "." * (cycles - 1)}, *rows], "head": {"text": text, "tick": 0},
            "config": {"hscale": scale}}


def stream_rows(seen: dict) -> list[dict]:
    """The rows of an AXI4-Stream."""
    valid = seen["tvalid"]
    return [wave("tvalid", valid), wave("tready", seen["tready"]), wave("tdata", seen["tdata"], valid, "{:08x}"),
            wave("tkeep", seen["tkeep"], valid), wave("tlast", seen["tlast"], valid)]


def into_the_block() -> dict:
    """s_axis: the engines' buffers are full for a while, and the accelerator has nothing for a while."""
    dut, cycles = StreamIn(SMALL), 13
    stream = dut.stream
    beats = [0x03020100, 0x07060504, 0x0B0A0908, 0x0F0E0D0C, 0x00001110]

    def drive(ctx, cycle, before):
        if before.get("tvalid") and before.get("tready"):
            beats.pop(0)
        ctx.set(dut.begin.payload, JOB)
        ctx.set(dut.begin.valid, cycle == 0)
        ctx.set(stream.tvalid, bool(beats) and cycle not in (7, 8))
        ctx.set(stream.tdata, beats[0] if beats else 0)
        ctx.set(stream.tkeep, 3 if len(beats) == 1 else 15)
        ctx.set(stream.tlast, len(beats) == 1)
        ctx.set(dut.beats.ready, not 3 <= cycle <= 5)

    seen = record(dut, cycles, drive, {n: getattr(stream, n) for n in ("tvalid", "tready", "tdata", "tkeep", "tlast")})
    return diagram("s_axis: 18 values of 8 bits, V = 4", cycles, *stream_rows(seen))


def out_of_the_block() -> dict:
    """m_axis: the accelerator is not ready for a while, and what is offered stays."""
    dut, cycles = StreamOut(SMALL), 14
    stream, beats = dut.stream, [(0x03020100, 4, 0), (0x07060504, 4, 1), (0x0B0A0908, 4, 0), (0x0F0E0D0C, 4, 1),
                                 (0x00001110, 2, 1)]

    def drive(ctx, cycle, before):
        if before.get("given") and before.get("taken"):
            beats.pop(0)
        ctx.set(dut.begin.payload, JOB)
        ctx.set(dut.begin.valid, cycle == 0)
        ctx.set(dut.beats.valid, bool(beats))
        if beats:
            word, count, last = beats[0]
            values = [word >> 8 * k & 0xFF for k in range(4)]
            ctx.set(dut.beats.payload, {"values": values, "count": count, "last": last, "bad": 0, "id": 0})
        ctx.set(stream.tready, not 5 <= cycle <= 7)

    signals = {n: getattr(stream, n) for n in ("tvalid", "tready", "tdata", "tkeep", "tlast")}
    seen = record(dut, cycles, drive, signals | {"given": dut.beats.valid, "taken": dut.beats.ready})
    return diagram("m_axis: 18 values of 8 bits, V = 4", cycles, *stream_rows(seen))


def registers() -> dict:
    """s_axil: a write to IRQ_ENABLE, then a read of ID."""
    m, cycles = Module(), 18
    m.submodules.bus, m.submodules.file = bus, file = AxiLite(ADDRESS_BITS), RegisterFile(REGISTER_FILE, ADDRESS_BITS)
    wiring.connect(m, bus.access, file.access)
    wiring.connect(m, file.answer, bus.answer)
    m.d.comb += [file.shown[name].eq(value) for name, value in identity(SMALL).items()]
    axil, waits = bus.axil, {"aw": 2, "w": 3, "ar": 10}  # the cycle from which on each is offered

    def drive(ctx, cycle, before):
        for channel, start in list(waits.items()):
            if before.get(f"{channel}valid") and before.get(f"{channel}ready"):
                del waits[channel]
                ctx.set(getattr(axil, f"{channel}valid"), 0)
            elif cycle == start:
                ctx.set(getattr(axil, f"{channel}valid"), 1)
        for name, value in {"awaddr": 0x2C, "wdata": 7, "wstrb": 15, "araddr": 0, "bready": 1, "rready": 1}.items():
            ctx.set(getattr(axil, name), value)

    names = ["awvalid", "awready", "awaddr", "wvalid", "wready", "wdata", "bvalid", "bready",
             "arvalid", "arready", "araddr", "rvalid", "rready", "rdata"]
    seen = record(m, cycles, drive, {name: getattr(axil, name) for name in names})
    rows = []
    for name in names:
        bus_of = {"awaddr": "awvalid", "wdata": "wvalid", "araddr": "arvalid", "rdata": "rvalid"}.get(name)
        rows.append(wave(name, seen[name], seen[bus_of] if bus_of else None))
    return diagram("s_axil: write 7 to IRQ_ENABLE, read ID", cycles, *rows, scale=1)


DIAGRAMS = {"s_axis": into_the_block, "m_axis": out_of_the_block, "s_axil": registers}


def as_text(drawn: dict) -> str:
    """The WaveJSON of a diagram, as it is kept."""
    return json.dumps(drawn, indent=1) + "\n"


def main() -> None:
    """Make all files."""
    import wavedrom

    for name, make in DIAGRAMS.items():
        text = as_text(make())
        write_atomic(FOLDER / f"{name}.json", text.encode())
        drawing = wavedrom.render(text).tostring()
        write_atomic(FOLDER / f"{name}.svg", (drawing + "\n").encode())


if __name__ == "__main__":
    main()
