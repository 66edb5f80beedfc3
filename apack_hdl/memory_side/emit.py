"""The memory-side block as Verilog, and the papers that go with it."""

import hashlib
import textwrap
from collections import Counter
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from string import Template

from amaranth.lib import wiring

from ..papers import check_name, versions, write_files
from ..ports import Port
from ..verilog.conversion import convert_parts
from .parameters import MemorySide
from .parts.place import Hierarchy
from .ports import INTERFACES, list_interfaces, list_ports

NAME = "apack_memory_side"
WHAT = "lossless compression of fixed-point tensors (APack) between an accelerator and its memory"
HEADER = Template("""\
// $name: $what
//
// Written by $generator.
// SPDX-License-Identifier: Apache-2.0
//
// Codec: $codec
// Block: $parameters
// Encoders: $encoder
// Decoders: $decoder
//
$ports
//
$behaviour
//
// No register has a start value: rst must be 1 at one rising edge of clk, at least, before anything else.
""")
BEHAVIOUR = """\
A transfer takes place at every rising edge of clk at which valid and ready of a channel are both 1. What is offered
stays as it is until it is taken, and an offer never waits for ready. All of the memory's bursts are whole beats at
rising addresses, $burst beats at most, and none crosses a boundary of 4 KiB. The memory must answer in the order of the
addresses, as for a single ID.

A beat of the streams has room for $values values of $bits bits each. Modules called ${name}_ram_... are memories:
synthesizable as they are, and to be replaced by macros of the same ports where there are such. Registers and jobs are
described in the integration guide, and for programs in ${name}.json."""


def emit_memory_side(p: MemorySide, *, out_dir, name: str = NAME) -> list[Path]:
    """Write the memory-side block as Verilog, with what goes along with it, to the folder ``out_dir``.

    The same arguments give the same bytes. Returns the paths written, the Verilog first:

    - ``NAME.v``, modules ``NAME`` and ``NAME_...``, nothing else needed; engines with their buffers and memories are
      modules of which there is one each, however many instances there are;
    - ``NAME.json``: parameters, ports, ``interfaces`` (which ports make which bus), clock and reset, ``modules`` (each
      part that is a module of its own, and how often it is used, by the module that uses it), ``memories`` (their
      shape), versions, SHA-256 of the Verilog;
    - ``NAME.core``: FuseSoC core file (CAPI2) with the targets ``default`` and ``lint``;
    - ``NAME.vlt``: what Verilator's lint is to overlook, and why.

    Raises TypeError for an argument of the wrong kind, ValueError for one out of range, OSError if files cannot be
    written.
    """
    if not isinstance(p, MemorySide):
        raise TypeError(f"p must be a MemorySide, not {p!r}")
    check_name(name)
    from .top import MemorySideBlock

    return emit_block(p, MemorySideBlock(p), out_dir=out_dir, name=name)


def fingerprint(p: MemorySide, *more: bytes) -> str:
    """A hash of all that the emitted Verilog follows from, without emitting it: parameters, versions, the generator's
    sources; and of ``more``."""
    root = Path(__file__).parents[1]
    sources = sorted([*root.glob("*.py"), *(root / "verilog").glob("*.py"), *(root / "memory_side").rglob("*.py")])
    parts = [repr(p).encode(), repr(versions()).encode(), *(path.read_bytes() for path in sources), *more]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def emit_block(p: MemorySide, component: wiring.Component, *, out_dir, name: str) -> list[Path]:
    """As :func:`emit_memory_side`, for any component with the block's ports or some of them."""
    top, body, parts = convert_parts(component, name, lambda: Hierarchy(name))
    ports = list_ports(component)
    emitted = [(port, net.direction, net.width) for port, net in top.nets.items() if net.direction]
    if emitted != [(port.name, port.direction, port.bits) for port in ports]:
        raise AssertionError(f"the ports of the emitted {name} are not those of the block: {emitted}")
    facts = {
        "parameters": describe(p),
        "interfaces": list_interfaces(ports),
        "modules": {module: dict(used) for module, used in parts.uses.items()},
        "memories": {
            module: {"width": ram.width, "depth": ram.depth, "lanes": ram.lanes, "instances": count}
            for module, ram in parts.written.items()
            for count in [count_instances(parts.uses, name)[module]]
        },
    }
    return write_files(out_dir, name, header(name, p, ports) + body, what=WHAT, facts=facts, ports=ports)


def describe(p: MemorySide) -> dict:
    """The parameters in plain types, with what follows from them."""
    return asdict(p) | {
        "codec": p.codec.to_dict(), "value_bits": p.value_bits, "beat_values": p.beat_values,
    }


def count_instances(uses: dict[str, Counter], top: str) -> Counter[str]:
    """How many instances there are of each module below ``top``, from how often each module uses others."""
    total = Counter()
    for module, number in uses[top].items():
        total[module] += number
        for below, each in count_instances(uses, module).items():
            total[below] += number * each
    return total


def header(name: str, p: MemorySide, ports: list[Port]) -> str:
    """The comment that the file begins with, and an empty line behind it."""
    generator, *tools = (f"{package} {number}" for package, number in versions().items())
    own = {key: value for key, value in describe(p).items() if key not in ("codec", "encoder", "decoder")}
    behaviour = Template(BEHAVIOUR).substitute(name=name, burst=p.burst, values=p.beat_values, bits=p.value_bits)
    return HEADER.substitute(
        name=name,
        what=WHAT,
        generator=f"{generator} ({', '.join(tools)})",
        codec=_list(p.codec.to_dict()),
        parameters="\n//   ".join(textwrap.wrap(_list(own), 110)),
        encoder=_list(p.encoder) or "defaults",
        decoder=_list(p.decoder) or "defaults",
        ports=_comment(_table(ports)),
        behaviour=_comment("\n\n".join(textwrap.fill(part, 117) for part in behaviour.split("\n\n"))),
    ) + "\n"


def _table(ports: list[Port]) -> str:
    """All ports, interface by interface."""
    width = max(len(port.name) for port in ports)
    lines = [f"{'port':<{width}}  {'':<6}  bits"]
    for interface, group in groupby(ports, lambda port: port.name.rpartition("_")[0]):
        if interface:
            protocol, role, what = INTERFACES[interface]
            lines.append(f"-- {protocol} {role}: {what}")
        lines += [f"{port.name:<{width}}  {port.direction:<6}  {port.bits:>4}  {port.note}" for port in group]
    return "\n".join(lines)


def _list(facts: dict) -> str:
    return ", ".join(f"{key} {value}" for key, value in facts.items())


def _comment(text: str) -> str:
    return "\n".join(f"// {line}".rstrip() for line in text.splitlines())
