"""The C++ test bench around an emitted top: building it once, running it often."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from golden.config import CodecConfig

from ..emit import Port, emit
from . import verilator
from .verilator import ToolError, Verilator

HARNESS = files(__package__) / "harness.cpp"
QUIET = 200  # cycles with nothing offered on either side, after which nothing will come (as in the harness)


class StreamError(AssertionError):
    """The design broke the stream law or got stuck. The message says where."""


@dataclass(frozen=True)
class Bench:
    """A simulator of the encoder or the decoder, built from its emitted Verilog.

    ``fields``: stream name: names of its payload's fields. ``inputs``: the streams that go in.
    """

    program: Path
    fields: dict[str, list[str]]
    inputs: frozenset[str]

    def run(self, *episodes, stall: float = 0.0, seed: int = 1, cycles=()) -> list["Episode"]:
        """Play ``episodes`` one after the other, each from reset on.

        An episode is ``{input stream: transfers}``, transfers an integer array of shape (n, fields of the payload);
        streams left out offer nothing. ``cycles[i]``, if given and not None, ends episode i after so many cycles.
        ``stall`` is the probability, 0 <= stall < 1, that an end of a stream is not willing in a cycle.

        Raises StreamError if an offer changes before it is taken or nothing moves any more.
        """
        with tempfile.TemporaryDirectory() as folder:
            arguments = []
            for number, episode in enumerate(episodes):
                where = Path(folder) / str(number)
                self._write(where, episode)
                limit = cycles[number] if number < len(cycles) else None
                arguments.append(f"{where}:{limit}" if limit is not None else str(where))
            command = [self.program, repr(float(stall)), str(seed), str(watchdog_cycles(stall)), *arguments]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == 1:
                raise StreamError(f"{done.stderr.strip()} (stall {stall:g}, seed {seed})")
            if done.returncode:
                raise ToolError(f"the simulation ended with code {done.returncode}: {done.stderr.strip()}")
            return [
                Episode(_read_times(line), self._read(Path(folder) / str(number)))
                for number, line in enumerate(done.stdout.splitlines())
            ]

    def _write(self, where: Path, episode):
        unknown = episode.keys() - self.inputs
        if unknown:
            raise ValueError(f"there is no input stream {', '.join(sorted(unknown))}")
        where.mkdir()
        for stream in self.inputs:
            rows = np.asarray(episode.get(stream, ()), np.uint64)
            (where / f"{stream}.in").write_bytes(rows.astype("<u8").tobytes())

    def _read(self, where: Path) -> dict[str, np.ndarray]:
        outputs = {}
        for stream in self.fields.keys() - self.inputs:
            rows = np.fromfile(where / f"{stream}.out", "<u8").reshape(-1, len(self.fields[stream]))
            outputs[stream] = rows
        return outputs


@dataclass(frozen=True)
class Episode:
    """What came of an episode.

    Members
    -------
    times : per stream the cycles, counted from 1 after reset, of its first and its last transfer (0 if none).
    outputs : per output stream its transfers, uint64 of shape (n, fields of the payload).
    """

    times: dict[str, tuple[int, int]]
    outputs: dict[str, np.ndarray]

    @property
    def cycles(self) -> int:
        """Cycles from the end of loading the table to the last transfer."""
        return max(last for _, last in self.times.values()) - self.times["load"][1]


def watchdog_cycles(stall: float) -> int:
    """Cycles without a transfer, though there is work, after which a design is stuck."""
    return int(10_000 / (1 - stall) ** 2)  # two ends may have to be willing at the same time


def _read_times(line: str) -> dict[str, tuple[int, int]]:
    words = line.split()
    return {name: (int(first), int(last)) for name, first, last in zip(*[iter(words)] * 3, strict=True)}


def build(config: CodecConfig, directions, *, word: int, folder: Path) -> dict[str, Bench]:
    """Benches for the encoder, the decoder or both; made in ``folder``, or taken from there if made before.

    ``directions`` are "encoder" or "decoder". Raises ToolError if Verilator or a compiler is missing or fails.
    """
    tool = verilator.find_verilator()
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as drafts, ThreadPoolExecutor() as pool:
        emitted = {d: emit(config, d, word=word, out_dir=Path(drafts) / d)[0] for d in directions}
        places = {d: folder / f"{d}-{_hash(verilog.read_text(), HARNESS.read_text(), *_how(tool))}"
                  for d, verilog in emitted.items()}
        missing = [d for d in directions if not (places[d] / "harness").exists()]
        runtime = folder / f"runtime-{_hash(*_how(tool))}.o"
        jobs = [pool.submit(_compile_top, tool, emitted[d]) for d in missing]
        if missing and not runtime.exists():
            jobs.append(pool.submit(_compile_runtime, tool, runtime, Path(drafts)))
        for job in jobs:
            job.result()
        for d in missing:
            _link(emitted[d], runtime, places[d])
        return {d: _bench(places[d] / "harness", _read_ports(emitted[d])) for d in directions}


def _how(tool: Verilator) -> list[str]:
    """What the outcome of a build depends on, besides the sources."""
    return [tool.version, *verilator.VERILATE, *verilator.COMPILE]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _read_ports(verilog: Path) -> list[Port]:
    return [Port(**port) for port in json.loads(verilog.with_suffix(".json").read_text())["ports"]]


def _compile_top(tool: Verilator, verilog: Path):
    """Verilog to ``top.o`` in the same folder."""
    folder = verilog.parent
    (folder / "streams.h").write_text(_streams_header(_read_ports(verilog)))
    (folder / "harness.cpp").write_text(HARNESS.read_text())
    tool.compile([*tool.translate(verilog, folder), folder / "harness.cpp"], folder / "top.o")


def _compile_runtime(tool: Verilator, target: Path, draft: Path):
    tool.compile_runtime(draft / "runtime.o")
    os.replace(draft / "runtime.o", target)


def _link(verilog: Path, runtime: Path, place: Path):
    """Link, and put program and Verilog to ``place`` in one go."""
    ready = verilog.parent / "ready"
    ready.mkdir()
    verilator.link([verilog.parent / "top.o", runtime], ready / "harness")
    shutil.copy(verilog, ready)
    try:
        os.replace(ready, place)
    except OSError:
        if not (place / "harness").exists():  # nobody else was faster: a real error
            raise


def _by_stream(ports: list[Port]) -> dict[str, tuple[bool, list[Port]]]:
    """Stream name: whether it goes in, and its payload's ports."""
    streams = {}
    for valid in ports:
        if valid.name.endswith("_valid"):
            name = valid.name.removesuffix("_valid")
            mine = [port for port in ports if port.name.startswith(f"{name}_")]
            handshake = (f"{name}_valid", f"{name}_ready")
            streams[name] = valid.direction == "input", [port for port in mine if port.name not in handshake]
    return streams


def _bench(program: Path, ports: list[Port]) -> Bench:
    streams = _by_stream(ports)
    fields = {name: [p.name.removeprefix(f"{name}_") for p in payload] for name, (_, payload) in streams.items()}
    return Bench(program, fields, frozenset(name for name, (into, _) in streams.items() if into))


def _streams_header(ports: list[Port]) -> str:
    """STREAMS for harness.cpp: how each stream's ports are reached."""
    rows = []
    for name, (into, payload) in _by_stream(ports).items():
        numbered = [*enumerate(payload)]
        write = " ".join(f"t.{port.name} = f[{i}] & {(1 << port.bits) - 1:#x}ull;" for i, port in numbered)
        read = " ".join(f"f[{i}] = t.{port.name};" for i, port in numbered)
        offer = f"[](Vtop& t, bool valid, const uint64_t* f) {{ t.{name}_valid = valid; {write} }}"
        accept = f"[](Vtop& t, bool ready) {{ t.{name}_ready = ready; }}"
        look = "[](const Vtop& t, bool& valid, bool& ready, uint64_t* f) "
        look += f"{{ valid = t.{name}_valid; ready = t.{name}_ready; {read} }}"
        act = f"{offer}, nullptr" if into else f"nullptr, {accept}"
        rows.append(f'    {{"{name}", {str(into).lower()}, {len(payload)},\n     {act},\n     {look}}},')
    return "\n".join(["const Stream STREAMS[] = {", *rows, "};", ""])
