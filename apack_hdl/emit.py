# amaranth: UnusedElaboratable=no
# What a constructor that raises leaves behind is never used, which is no news.
"""Verilog out of the generator, and the papers that go with it."""

import inspect
from pathlib import Path

from golden.config import CodecConfig

from .decoder import Decoder
from .encoder import Encoder
from .header import WHAT, header
from .papers import check_name, versions, write_files
from .ports import list_ports
from .verilog.conversion import convert

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
    name = check_name(f"apack_{direction}" if name is None else name)
    component, options = make_engine(config, direction, options), engine_options(direction, options)
    top, body = convert(component, name)
    ports = list_ports(component)
    emitted = [(port, net.direction, net.width) for port, net in top.nets.items() if net.direction]
    if emitted != [(port.name, port.direction, port.bits) for port in ports]:
        raise AssertionError(f"the ports of the emitted {name} are not those of the {direction}: {emitted}")

    text = header(name, direction, component, options, ports, versions()) + body
    facts = {"direction": direction, "config": config.to_dict(), "options": options}
    return write_files(out_dir, name, text, what=WHAT[direction], facts=facts, ports=ports)


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
