"""The way from a component to Verilog text."""

import inspect
import itertools
import os
import re

from amaranth.back import verilog
from amaranth.hdl import Fragment
from amaranth.lib import stream, wiring

from . import arrays, fields, names, reader, registers, tidy, widths, writer
from .hierarchy import Parts
from .liveness import check_driven
from .tree import Module


def convert(component: wiring.Component, name: str, parts: Parts | None = None) -> tuple[Module, str]:
    """A component as readable Verilog: its top module, and the text of all modules, top first.

    Every field of every stream is a port: ``values_valid``, ``values_ready``, ``values_data``. Clock and
    synchronous, active-high reset are ``clk`` and ``rst``. No register has a start value.

    ``parts``: what is to become of parts that are modules of their own, see :class:`.hierarchy.Parts`.
    """
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"  # one that is known, whatever else is installed
    platform = parts and parts.platform()
    fragment = Fragment.get(component, platform)
    given = [parts.given(name, part) for name, part in platform.parts.items()] if parts else []
    flat = component.signature.flatten(component)
    ports = {"__".join(map(str, path)): (_value(signal), None) for path, _, signal in flat}
    text, paths = verilog.convert_fragment(fragment, ports, name, emit_src=False)
    modules = reader.read(text)
    comments, states = _comments(fragment, name), _states(paths)
    for module in modules:
        module.comment = comments.get(re.sub(r"\$\d+", "", module.name), "")
        module.states = states.get(module.name, {})
    split = tidy_up([*modules, *given], _streams(component.signature), parts.names if parts else set())
    if parts:
        parts.note(name, modules, split)
    return modules[0], "\n".join(writer.write(module) for module in modules)


def convert_parts(component: wiring.Component, name: str, platform) -> tuple[Module, str, Parts]:
    """As :func:`convert`, with parts that are modules of their own, each written once and behind those that use it.

    ``platform`` : see :class:`.hierarchy.Parts`. Returns the parts as well.
    """
    parts = Parts(platform, convert)
    top, text = convert(component, name, parts)
    return top, "\n".join([text, *reversed(parts.texts.values())]), parts


def tidy_up(modules: list[Module], streams: list[str], taken: set[str]) -> dict[str, list[tuple[int, int, str]]]:
    """What Yosys wrote, as people would write it. The first module is the top; ``streams`` orders its ports; ``taken``
    are names of modules. Returns what became of the top's ports, see :attr:`.tree.Module.given`."""
    for module in modules:
        arrays.find_elements(module)
        widths.make_exact(module)
        registers.fold_next_state(module)
    split = fields.split_fields(modules)
    for module in modules:
        tidy.write_out(module)
        for process in module.processes:
            process.body = tidy.simplify_cases(process.body)
        tidy.assign_constants(module)
        registers.show_registers(module)
    check_driven(modules)
    tidy.mention_unused(modules[0])
    chosen = names.choose_names(modules, taken)
    for module in modules:
        arrays.line_up(module)
        names.order_nets(module, streams if module is modules[0] else ())
    return {port: [(piece.high, piece.low, chosen[piece.name]) for piece in pieces] for port, pieces in split.items()}


def _streams(signature: wiring.Signature, inside: tuple[str, ...] = ()) -> list[str]:
    """What the ports' names begin with, in their order; those of an array have a number. Ports of an interface that
    is no stream are named one by one."""
    found = []
    for name, member in signature.members.items():
        numbers = itertools.product(*(range(size) for size in member.dimensions))
        for path in ((*inside, name, *map(str, number)) for number in numbers):
            bundle = member.is_signature and not isinstance(member.signature, stream.Signature)
            found += _streams(member.signature, path) if bundle else ["_".join(path)]
    return found


def _value(signal):
    return signal.as_value() if hasattr(signal, "as_value") else signal


def _comments(fragment: Fragment, path: str) -> dict[str, str]:
    """Module name: the first sentences of its component's documentation."""
    origins = [origin for origin in fragment.origins or () if isinstance(origin, wiring.Component)]
    comments = {}
    if origins:
        paragraph = inspect.getdoc(type(origins[0])).partition("\n\n")[0]
        comments[path] = re.sub(r"\s+", " ", paragraph.replace("``", ""))
    for child, name, _ in fragment.subfragments:
        comments |= _comments(child, f"{path}.{name}")
    return comments


def _states(paths) -> dict[str, dict[str, dict[int, str]]]:
    """Module name: state register: number: state."""
    states = {}
    for signal, (*module, net) in paths.items():
        if signal.decoder is not None:
            names_ = {}
            for number in range(1 << len(signal)):
                try:
                    names_[number] = signal.decoder(number).partition("/")[0]
                except KeyError:  # not all numbers are states
                    break
            states.setdefault(".".join(module), {})[net] = names_
    return states
