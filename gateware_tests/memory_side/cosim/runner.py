"""Builds simulations of the emitted block, and runs scenarios in them."""

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apack_hdl.memory_side.emit import describe, emit_memory_side, fingerprint
from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.simulation import axi_wrapper, verilator
from apack_hdl.simulation.axi_wrapper import NAME, RULES, wrapper
from golden.config import CodecConfig

SIMULATORS = ("verilator", "icarus")
TIMESCALE = ("1ns", "1ps")
HERE = Path(__file__).parent
PROGRAMS = {"icarus": ["iverilog", "vvp"], "verilator": ["g++"]}
DERIVED = ("value_bits", "beat_values")  # in a description of parameters, but no parameters


@dataclass(frozen=True)
class Outcome:
    """How a scenario went: ``message`` is empty if well."""

    scenario: str
    message: str
    nanoseconds: float
    seconds: float


def missing(simulator: str) -> str:
    """What a simulation would need that is not there; empty if nothing."""
    packages = [name for name in ("cocotb", "cocotbext") if importlib.util.find_spec(name) is None]
    programs = [name for name in PROGRAMS[simulator] if shutil.which(name) is None]
    advice = "pip install 'apack-hdl[cosim]'; apt-get install iverilog g++ make perl"
    return f"{simulator} needs {', '.join(packages + programs)} ({advice})" if packages + programs else ""


def build(p: MemorySide, simulator: str, folder: Path) -> Path:
    """A simulation of the block with its watchers, made below ``folder``, or taken from there; returns its folder."""
    ours = (Path(path).read_bytes() for path in (RULES, axi_wrapper.__file__, __file__))
    place = Path(folder).absolute() / f"{simulator}-{fingerprint(p, *ours)}"
    if not (place / "ready").exists():
        place.mkdir(parents=True, exist_ok=True)
        verilog, sidecar, *_ = emit_memory_side(p, out_dir=place)
        top, watchers = wrapper(json.loads(sidecar.read_text()))
        (place / "watched.v").write_text(top)
        shutil.copy(RULES, place / "rules.v")
        compile_ = {"icarus": _compile_icarus, "verilator": _compile_verilator}[simulator]
        compile_([place / "watched.v", verilog, place / "rules.v"], place)
        (place / "ready").write_text(json.dumps({"parameters": describe(p), "watchers": watchers}))
    return place


def _compile_icarus(sources: list[Path], place: Path):
    from cocotb_tools.runner import get_runner

    get_runner("icarus").build(
        sources=sources, hdl_toplevel=NAME, build_dir=place, timescale=TIMESCALE, log_file=place / "build.log",
    )


def _compile_verilator(sources: list[Path], place: Path):
    """The program that cocotb's runner would make, but only the top's ports can be reached, which is quicker, and all
    sources are compiled as one."""
    from cocotb_tools import config

    tool, waivers = verilator.find_verilator(), place / "public.vlt"
    waivers.write_text(f'`verilator_config\npublic_flat_rw -module "{NAME}" -var "*"\n')
    done = tool.run("--cc", "--vpi", *verilator.VERILATE, "-Wno-lint", "-Wno-style", "--timescale", "/".join(TIMESCALE),
                    "--prefix", "Vtop", "--top-module", NAME, "--Mdir", place, waivers, *sources)
    if done.returncode:
        raise verilator.ToolError(f"Verilator refuses the block: {done.stderr[-2000:]}")
    include = Path(tool.root) / "include"
    runtime = [include / f"{name}.cpp" for name in ("verilated", "verilated_vpi", "verilated_threads")]
    model = [*sorted(place.glob("Vtop*.cpp")), config.share_dir / "lib" / "verilator" / "verilator.cpp", *runtime]
    tool.compile(model, place / "simulation.o", optimize=False)
    libraries = [f"-Wl,-rpath,{config.libs_dir}", f"-L{config.libs_dir}", "-lcocotbvpi_verilator"]
    link = [verilator.find_compiler(), place / "simulation.o", *libraries, "-pthread", "-o", place / NAME]
    subprocess.run(link, check=True, timeout=verilator.SECONDS)


def run(place: Path, simulator: str, scenarios: list[str], *, seed: int, **settings) -> list[Outcome]:
    """Run scenarios (functions of ``scenarios.py``) one after another in a simulation that was built in ``place``.

    ``settings``: what they are told besides, JSON's types. A scenario of which nothing was heard has failed.
    """
    from cocotb_tools.runner import get_runner

    facts = json.loads((place / "ready").read_text())
    told = facts | {"seed": seed, "settings": settings}
    with tempfile.TemporaryDirectory(dir=place) as work, _environment():
        log = Path(work) / "log"
        try:
            results = get_runner(simulator).test(
                test_module="cosim.scenarios", hdl_toplevel=NAME, hdl_toplevel_lang="verilog", seed=seed,
                testcase=scenarios, build_dir=place, test_dir=work, results_xml=str(Path(work) / "results.xml"),
                timescale=TIMESCALE, log_file=log, extra_env={"APACK_COSIM": json.dumps(told)},
            )
            outcomes = _outcomes(Path(results))
        except (SystemExit, RuntimeError, SystemError, OSError) as error:
            outcomes = {scenario: Outcome(scenario, f"{error}: {_tail(log)}", 0, 0) for scenario in scenarios}
        (place / f"last-{seed}.log").write_bytes(log.read_bytes() if log.exists() else b"")
    return [outcomes.get(name) or Outcome(name, f"did not run: {_tail(log)}", 0, 0) for name in scenarios]


def parameters(facts: dict) -> MemorySide:
    """The parameters as an emitted block's description has them."""
    known = {key: value for key, value in facts.items() if key not in DERIVED}
    return MemorySide(**known | {"codec": CodecConfig(**known["codec"])})


def _outcomes(results: Path) -> dict[str, Outcome]:
    found = {}
    for case in ElementTree.parse(results).iter("testcase"):
        wrong = [*case.iter("failure"), *case.iter("error"), *case.iter("skipped")]
        message = " ".join(each.get("message") or each.get("error_msg") or "failed" for each in wrong)
        facts = {each.get("name"): each.get("value") for each in case.iter("property")}
        name = case.get("name")
        found[name] = Outcome(name, message, float(facts.get("sim_time_duration") or 0), float(case.get("time") or 0))
    return found


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else "no log"


@contextmanager
def _environment():
    """No colours and no chatter."""
    wanted = {
        "COCOTB_LOG_LEVEL": "WARNING", "NO_COLOR": "1",
        "PYTHONWARNINGS": "ignore",  # cocotbext-axi uses what cocotb is going to drop
        "COCOTB_RESOLVE_X": "random",  # data that mean nothing may be unknown; valid may not, which is watched
    }
    saved = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
