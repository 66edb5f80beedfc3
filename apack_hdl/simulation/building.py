"""From Verilog to a test bench: built once, taken from the folder the next time."""

import hashlib
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

from golden.config import CodecConfig

from ..emit import emit
from ..ports import Port
from . import verilator
from .bench import Bench
from .verilator import Verilator

HARNESS = files(__package__) / "harness.cpp"


def build(
    config: CodecConfig, engines: dict[str, dict], *, folder: Path, netlists=None, optimize: bool = True
) -> dict[str, Bench]:
    """Benches for the encoder, the decoder or both; made in ``folder``, or taken from there if made before.

    ``engines`` : options of each engine, by "encoder" or "decoder". ``netlists``: for some of them the Verilog files
    to simulate in place of what is emitted, by the same names: modules with the same name and ports, and all that
    they need. ``optimize`` pays in runs of more than some thousand cycles.

    Raises ToolError if Verilator or a compiler is missing or fails.
    """
    tool = verilator.find_verilator()
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as drafts, ThreadPoolExecutor() as pool:
        emitted = {d: emit(config, d, out_dir=Path(drafts) / d, **how)[0] for d, how in engines.items()}
        sources = {d: [Path(path) for path in (netlists or {}).get(d, [verilog])] for d, verilog in emitted.items()}
        contents = {d: [path.read_text() for path in (emitted[d], *sources[d])] for d in engines}
        how = [HARNESS.read_text(), str(optimize), *_how(tool)]
        places = {d: folder / f"{d}-{_hash(*contents[d], *how)}" for d in engines}
        missing = [d for d in engines if not (places[d] / "harness").exists()]
        runtime = folder / f"runtime-{_hash(*_how(tool))}.o"
        jobs = [pool.submit(_compile_top, tool, emitted[d], sources[d], optimize) for d in missing]
        if missing and not runtime.exists():
            jobs.append(pool.submit(_compile_runtime, tool, runtime, Path(drafts)))
        for job in jobs:
            job.result()
        for d in missing:
            _link(emitted[d], runtime, places[d])
        return {d: _bench(places[d] / "harness", _read_ports(emitted[d])) for d in engines}


def _how(tool: Verilator) -> list[str]:
    """What the outcome of a build depends on, besides the sources."""
    return [tool.version, *verilator.VERILATE, *verilator.COMPILE]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _read_ports(verilog: Path) -> list[Port]:
    return [Port(**port) for port in json.loads(verilog.with_suffix(".json").read_text())["ports"]]


def _compile_top(tool: Verilator, verilog: Path, sources: list[Path], optimize: bool = True):
    """The sources of the module that ``verilog`` is about to ``top.o`` in the same folder."""
    folder = verilog.parent
    (folder / "streams.h").write_text(_streams_header(_read_ports(verilog)))
    (folder / "harness.cpp").write_text(HARNESS.read_text())
    model = tool.translate(sources, folder, top=verilog.stem, netlist=sources != [verilog])
    tool.compile([*model, folder / "harness.cpp"], folder / "top.o", optimize=optimize)


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
