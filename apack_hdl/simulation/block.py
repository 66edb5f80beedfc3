"""The emitted memory-side block on a tensor: into memory and out of it, against the golden model."""

import hashlib
import json
import os
import struct
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from golden import codec
from golden import memory as images
from golden.table import SymbolTable

from ..memory_side.control.registers import REGISTERS
from ..memory_side.cycles import BEGIN, Job, Stored, keeps_up, table_cycles
from ..memory_side.emit import emit_memory_side, fingerprint
from ..memory_side.layouts import Error
from ..memory_side.parameters import MemorySide
from . import axi_wrapper, verilator
from .axi_wrapper import NAME, RULES, wrapper
from .bench import StreamError
from .block_steps import Step, compress_steps, decompress_steps

HARNESS = files(__package__) / "block_harness.cpp"
BASE = 1 << 20  # address of the memory
PATIENCE = 100_000  # cycles without a transfer, after which something must be wrong
REGISTER = {register.name: register for register in REGISTERS}


@dataclass(frozen=True)
class Direction:
    """How a job went. All times in cycles.

    job : from the write to JOB_PUSH to the interrupt. first : from the first address on the memory's bus (compression:
    from the first beat of values) to the first beat of values out (to the first address). last : from the last beat of
    values in to the last response (decompression: from the last beat read to the last beat of values out).
    values_per_cycle : over the stream's beats, from the first to the last. steady_values_per_cycle : likewise, over the
    middle half of the beats. memory_beats : data beats on the memory's bus; bus_use : their share of the job's cycles.
    stored_bytes : of the blocks, without directory. steps : the job's latencies one after the other, each beside what
    the formulas say of it, if they do.
    """

    values: int
    job: int
    first: int
    last: int
    values_per_cycle: float
    steady_values_per_cycle: float
    memory_beats: int
    bus_use: float
    stored_bytes: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class BlockResult:
    """A round trip. ``mismatch`` says what differs from the golden model; empty if nothing does."""

    engines: int
    data_width: int
    stream_width: int
    layout: str
    stall: float
    latency: int
    hold: int
    simulator: str
    compress: Direction
    decompress: Direction
    mismatch: str

    @property
    def identical(self) -> bool:
        """Whether memory image and values are the golden model's."""
        return not self.mismatch

    def to_dict(self) -> dict:
        """Plain types, for JSON."""
        return asdict(self) | {"identical": self.identical}


def simulate_block(
    p: MemorySide, array: np.ndarray, table: SymbolTable, *, layout: str = "packed", stall: float = 0.0,
    latency: int = 30, hold: int = 0, seed: int = 1, build_dir, optimize: bool = True,
    progress: Callable[[str], None] | None = None,
) -> BlockResult:
    """Compress ``array`` into a memory and decompress it again, in the emitted Verilog with Verilator.

    ``table`` : its ``config.width`` is the tensor's width, up to ``p.codec.width``, its block length is used.
    ``layout`` : "packed" or "slots". ``stall`` : probability that a channel waits in a cycle, on all seven.
    ``latency`` : cycles from an address to the memory's answer, which takes one at least. ``hold`` : cycles from the
    first push until values are offered; 0: they are on offer before. ``build_dir`` : simulators are kept there.
    ``optimize`` pays in runs of more than some ten thousand cycles.

    Raises ToolError if a tool is missing or fails, StreamError if the block breaks a rule of its ports or hangs,
    ValueError for a tensor that the block cannot take.
    """
    say = progress or (lambda text: None)
    tool = verilator.find_verilator()
    program = _build(p, tool, Path(build_dir).absolute(), optimize, say)
    config = table.config
    slot = -(-(config.block * config.width) // 512) * 64 if layout == "slots" else 0
    blocks = -(-array.size // config.block)
    room = (blocks + 1) * max(slot, (config.block * config.width + 7) // 8) + 64
    directory = room + -room % 64
    size = directory + 8 * blocks + 4096
    memory = np.random.default_rng(seed).integers(0, 256, size + -size % p.data_bytes, dtype=np.uint8)
    image = images.Image(table, array.dtype, array.shape, codec.is_signed(array, config.width), layout, 0,
                         directory, slot)
    expected = memory.copy()
    info = image.write(expected, array)
    codes = codec.to_codes(array.reshape(-1), config.width)[0].astype(f"<u{p.value_bits // 8}")
    with tempfile.TemporaryDirectory(dir=build_dir) as name:
        work, script = Path(name), _script(p, image, table)
        (work / "script").write_bytes(np.array(script, "<u8").tobytes())
        (work / "memory").write_bytes(memory.tobytes())
        (work / "base").write_bytes(struct.pack("<Q", BASE))
        (work / "values").write_bytes(codes.tobytes())
        say("simulating")
        command = [program, seed, stall, latency, hold, PATIENCE, work]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise StreamError(_explain(done.stderr.strip() or f"exit code {done.returncode}", program.parent))
        return _result(p, work, script, codes, expected, info, tool, stall=stall, latency=latency, hold=hold,
                       layout=layout)


def _build(p: MemorySide, tool: verilator.Verilator, folder: Path, optimize: bool, say: Callable[[str], None]) -> Path:
    """The simulator's program; made in ``folder``, or taken from there if made before."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        draft = Path(name) / "block"
        ours = (path.read_bytes() for path in (RULES, HARNESS, Path(__file__), Path(axi_wrapper.__file__)))
        place = folder / f"memory_side-{fingerprint(p, *ours, f'{tool.version} {optimize}'.encode())}"
        if not (place / "harness").exists():
            say("emitting the memory-side block")
            verilog, sidecar, *_ = emit_memory_side(p, out_dir=draft)
            top, watchers = wrapper(json.loads(sidecar.read_text()))
            (draft / "watched.v").write_text(top)
            (draft / "watchers.json").write_text(json.dumps(watchers))
            sizes = f"constexpr size_t MEMORY_BYTES = {p.data_bytes}, STREAM_BYTES = {p.stream_width // 8};\n"
            (draft / "sizes.h").write_text(sizes)
            (draft / "harness.cpp").write_text(HARNESS.read_text())
            say("building the simulator")
            sources = [draft / "watched.v", verilog, Path(str(RULES))]
            model = tool.translate(sources, draft, top=NAME, netlist=True)
            tool.compile([*model, draft / "harness.cpp"], draft / "top.o", optimize=optimize)
            verilator.link([draft / "top.o", _runtime(tool, folder)], draft / "harness")
            if not place.exists():
                os.replace(draft, place)
    return place / "harness"


def _runtime(tool: verilator.Verilator, folder: Path) -> Path:
    """What every simulator is linked with; made in ``folder`` once."""
    how = hashlib.sha256(" ".join([tool.version, *verilator.COMPILE]).encode()).hexdigest()
    runtime = folder / f"memory_side-runtime-{how[:16]}.o"
    if not runtime.exists():
        with tempfile.TemporaryDirectory(dir=folder) as name:
            tool.compile_runtime(Path(name) / "runtime.o")
            os.replace(Path(name) / "runtime.o", runtime)
    return runtime


def _script(p: MemorySide, image: images.Image, table: SymbolTable) -> list[tuple[int, int, int]]:
    """What software does: a table, a job that compresses, one that decompresses."""
    script = [*_write("CONTROL", enable=1), *_write("IRQ_ENABLE", job_done=1, job_failed=1)]
    script += _write("TABLE_SELECT", table=0, row=0)
    for v_min, count in images.table_rows(table, p.codec):
        script += _write("TABLE_ROW", v_min=v_min, count=count)
    job = image.job()
    script += _write("JOB_FORMAT", width=job["width"], table=0, tag=1) + _write("JOB_BLOCK", value=job["block"])
    script += _write("JOB_SLOT_BYTES", value=job["slot_bytes"]) + _write("JOB_LENGTH", value=job["length"])
    script += _write("JOB_DATA_LO", value=job["data_address"] + BASE)
    script += _write("JOB_DIRECTORY_LO", value=job["directory_address"] + BASE)
    for decompress in (0, 1):
        script += _write("JOB_FLAGS", decompress=decompress, slots=job["slots"]) + _write("JOB_PUSH", push=1)
        script += [(2, 0, 0), (1, REGISTER["RESULT_STATUS"].offset, 0), (1, REGISTER["RESULT_STORED_LO"].offset, 0)]
        script += _write("RESULT_POP", pop=1) + _write("IRQ_STATUS", job_done=1, job_failed=1)
    return script


def _write(name: str, **fields) -> list[tuple[int, int, int]]:
    register = REGISTER[name]
    lows = {field.name: field.low for field in register.fields}
    return [(0, register.offset, sum(value << lows[field] for field, value in fields.items()))]


def _result(p, work: Path, script, codes, expected, info, tool, **how) -> BlockResult:
    """What the files of a run say."""
    done = np.fromfile(work / "script.out", "<u8").reshape(-1, 2)
    waits = [i for i, row in enumerate(script) if row[0] == 2]
    error = next(field for field in REGISTER["RESULT_STATUS"].fields if field.name == "error")
    errors = [Error(int(done[at + 1, 1]) >> error.low & ((1 << error.bits) - 1)) for at in waits]
    times = {path.stem: np.fromfile(path, "<u8").astype(np.int64) for path in work.glob("*.times")}
    mismatch = [f"{name}: ended with {error.name}"
                for name, error in zip(("compression", "decompression"), errors, strict=True) if error != Error.NONE]
    if (work / "memory.out").read_bytes() != expected.tobytes():
        mismatch.append("memory image")
    if (work / "values.out").read_bytes() != codes.tobytes():
        mismatch.append("values")
    pushes, ends = ([int(done[at - before, 0]) for at in waits] for before in (1, 0))
    jobs = [end - push for push, end in zip(pushes, ends, strict=True)]
    stored = [int(done[at + 2, 1]) for at in waits]
    s, m = times["s_axis"], times["m_axis"]

    def direction(beats, job, first, last, bus, stored_bytes, steps):
        quarter = len(beats) // 4
        middle = beats[quarter : len(beats) - quarter]
        return Direction(
            len(codes), job, int(first), int(last), len(codes) / int(beats[-1] - beats[0] + 1),
            (len(middle) - 1) * p.beat_values / max(1, int(middle[-1] - middle[0])), len(bus), len(bus) / job,
            stored_bytes, steps,
        )

    job, steady = _job(p, info.image, expected, how)
    # The directory lies behind the blocks, see above.
    of_blocks = np.fromfile(work / "m_axi_ar.addresses", "<u8") < info.image.directory_address
    into = direction(s, jobs[0], times["m_axi_aw"][0] - s[0], times["m_axi_b"][-1] - s[-1], times["m_axi_w"], stored[0],
                     compress_steps(times, pushes[0], ends[0], job, steady))
    out = direction(m, jobs[1], m[0] - times["m_axi_ar"][0], m[-1] - times["m_axi_r"][-1], times["m_axi_r"], stored[1],
                    decompress_steps(times, pushes[1], ends[1], times["m_axi_ar"][of_blocks][0], job, steady))
    if not mismatch and not stored[0] == stored[1] == info.stored_bytes:
        mismatch.append("the results' stored bytes")
    return BlockResult(p.engines, p.data_width, p.stream_width, simulator=tool.version, compress=into, decompress=out,
                       mismatch=", ".join(mismatch), **how)


def _job(p: MemorySide, image: images.Image, memory: np.ndarray, how: dict) -> tuple[Job | None, bool]:
    """The job that the formulas are about, or None if they are not about such a one; whether the memory keeps up."""
    if p.order != "in order" or p.encoder_lanes != 1 or how["stall"]:
        return None, False
    entries, block, length = image.entries(memory), image.table.config.block, image.header.values
    symbols, offsets = entries["symbol_bytes"].astype(int), entries["offset_bytes"].astype(int)
    begins = BASE + image.data_address + np.cumsum(symbols + offsets) - symbols - offsets
    if image.slot_bytes:
        begins = BASE + image.data_address + image.slot_bytes * np.arange(len(entries))
    latency = max(1, how["latency"])
    steady = len(entries) == 1 or keeps_up(p, Stored(block, int(symbols.max()), int(offsets.max())), latency)
    some = (0, len(entries) - 1, max(0, len(entries) - 2))
    stored = [Stored(min(block, length - k * block), int(symbols[k]), int(offsets[k]), int(begins[k])) for k in some]
    return Job(p, len(entries), *stored, BASE + image.directory_address, latency, bool(image.slot_bytes),
               late=how["hold"] > BEGIN + table_cycles(p)), steady


def _explain(message: str, place: Path) -> str:
    """The rules that were broken, by name."""
    text, found, bits = message.rpartition("rules broken: ")
    if not found:
        return message
    names = json.loads((place / "watchers.json").read_text())
    return f"{text}rules broken: {', '.join(name for i, name in enumerate(names) if int(bits) >> i & 1)}"
