"""Commands on hardware: verilog and synth."""

from pathlib import Path

import click
from rich.console import Console

import synth

from ..emit import TOPS, emit
from ..memory_side.emit import emit_memory_side
from ..memory_side.parameters import MemorySide
from ..presets import EnginePreset
from .activity import Stimulus
from .engines import PRESET_LIST, direction_argument, directions, engine_options, make_engines
from .inputs import TENSOR, make_config
from .memory_side import make_memory_side, memory_side_options, refuse, take_options
from .memory_side_synth import synth_memory_side
from .support import blame, build_option, check_json, json_option, make_folder, say, show, steps


def emit_all(engines: EnginePreset, names, folder) -> dict[str, list[Path]]:
    """Write each engine's Verilog, and what goes with it, to ``folder``; the paths by engine, Verilog first."""
    folder = make_folder(folder)
    with blame(folder):
        return {name: emit(engines.codec, name, out_dir=folder, **engines.options(name)) for name in names}


def whole_block(direction: str, given: dict, options: dict) -> MemorySide:
    """The parameters of the memory-side block that the options ask for."""
    if direction != "both":
        raise click.ClickException(f"--memory-side: has both directions, not only {direction}")
    return make_memory_side(given, options)


def emit_memory_side_block(direction: str, given: dict, options: dict, folder) -> list[Path]:
    """Write the memory-side block to ``folder``; the paths, Verilog first."""
    p, folder = whole_block(direction, given, options), make_folder(folder)
    with steps("emitting the memory-side block"), blame(folder):
        return emit_memory_side(p, out_dir=folder)


@click.command("verilog", short_help="Emit encoder and decoder as Verilog.", epilog=PRESET_LIST)
@direction_argument
@engine_options
@memory_side_options("Emit the block of encoders and decoders with AXI ports, not a single engine.")
@click.option("-o", "--output", metavar="DIR", default="build/rtl", show_default=True, help="Folder to write to.")
def verilog_command(direction, output, memory_side, **options):
    """Emit the encoder, the decoder or both as Verilog, or the block of many of them with AXI ports.

    Beside each .v come a .json (configuration, ports, versions), a FuseSoC .core file and a .vlt (lint waivers).

    \b
    Example:
      apack verilog -o rtl
      apack verilog decoder --bits 4 --rows 8 --word 64 -o rtl
      apack verilog --preset fast --streams 2,6 -o rtl
      apack verilog --memory-side --engines 8 --data-width 128 -o rtl
    """
    given = take_options(options, memory_side)
    if memory_side:
        for path in emit_memory_side_block(direction, given, options, output):
            say(str(path))
        return
    engines = make_engines(options, make_config(options), directions(direction))
    for paths in emit_all(engines, directions(direction), output).values():
        for path in paths:
            say(str(path))


def place_memory_side(p: MemorySide, build: Path, json_out: str | None, *, target: str, period_ns: float | None):
    """Emit the block, place and route all of it on an FPGA; reports below ``build``."""
    check_json(json_out)
    folder = make_folder(build / "synth")
    block = p.codec.block
    with steps("emitting the memory-side block") as step, blame(folder):
        verilog, *_ = emit_memory_side(p, out_dir=build / "rtl")
        where = folder / f"{verilog.stem}_{p.engines}x{p.data_width}_{target}"
        # As values leave the decoders; the encoders take one cycle less for a block
        report = synth.synthesize(verilog, verilog.stem, target=target, period_ns=period_ns, build_dir=where,
                                  values_per_cycle=p.engines * block / (block + 2), progress=step)
        report.write(where.with_suffix(".json"), where.with_suffix(".md"))

    def render():
        report.render(Console(highlight=False))
        say(f"\n{where}.md, .json")

    show(json_out, report.to_json(), render)


@click.command("synth", short_help="Area, clock and power of the emitted Verilog.", epilog=PRESET_LIST)
@direction_argument
@engine_options
@click.option("--library", type=click.Choice(list(synth.LIBRARIES)), default="nangate45", show_default=True,
              help="Standard cells to map on.")
@click.option("--target", type=click.Choice(["ecp5"]), help="Place and route on an FPGA instead.")
@click.option("--period", type=click.FloatRange(0.001, 1e6), metavar="NS",
              help="Clock period to aim for.  [default: the library's; 0.8 of it with --preset fast]")
@click.option("--activity", type=click.FloatRange(0, 1), default=0.1, show_default=True,
              help="Toggles per net and cycle that power is stated for.")
@click.option("--measured", is_flag=True, help="State power with the activity of a tensor as well: the netlist is run "
              "on it, and its outputs compared with the golden model.")
@click.option("--tensor", metavar=TENSOR, help="The tensor for --measured.  [default: the sample's biggest weights]")
@memory_side_options("The block of encoders and decoders with AXI ports, module by module.")
@click.option("--no-clock-gating", "clock_gating", is_flag=True, flag_value=False, default=True,
              help="Do without clock gating cells.")
@build_option
@json_option
def synth_command(
    direction, library, target, period, activity, measured, tensor, memory_side, clock_gating, build, json_out,
    **options,
):
    """Map the emitted Verilog on standard cells (or an FPGA): area, clock, power, critical path.

    Reports are written to DIR/synth as JSON and Markdown. Figures are before layout; values/s holds for whole blocks.

    \b
    Example:
      apack synth
      apack synth decoder --library sky130hd --period 4
      apack synth encoder --target ecp5
      apack synth encoder --tensor weights.npy --measured
      apack synth --memory-side --engines 8
      apack synth --memory-side --preset fpga --engines 1 --target ecp5
    """
    given = take_options(options, memory_side)
    if memory_side:
        refuse(measured=measured, tensor=tensor)
        p = whole_block(direction, given, options)
        if target:
            return place_memory_side(p, make_folder(build), json_out, target=target, period_ns=period)
        how = {"library": library, "period_ns": period, "activity": activity, "clock_gating": clock_gating}
        return synth_memory_side(p, make_folder(build), json_out, **how)
    if measured and target:
        raise click.ClickException("--measured: only with standard cells, not with --target")
    if tensor and not measured:
        raise click.ClickException("--tensor: only with --measured")
    names = directions(direction)
    engines = make_engines(options, make_config(options), names)
    measure = Stimulus(tensor, engines).measure if measured else None
    build = make_folder(build)
    check_json(json_out)
    verilog = emit_all(engines, names, build / "rtl")
    block = engines.codec.block
    rates = {name: block / (block + TOPS[name].BLOCK_CYCLES) for name in names}
    if period is None and target is None:
        period = engines.press * synth.LIBRARIES[library].period_ns
    how = {"library": library, "target": target, "period_ns": period, "activity": activity}
    reports = synthesize(verilog, build, rates, measure=measure, clock_gating=clock_gating, **how)

    def render():
        for report in reports.values():
            report.render(Console(highlight=False))  # a report minds rich's markup itself
            say("")

    show(json_out, {name: report.to_json() for name, report in reports.items()}, render)


def synthesize(verilog: dict[str, list[Path]], build: Path, values_per_cycle=None, measure=None, **how) -> dict:
    """Synthesize each engine; writes JSON and Markdown reports below ``build`` and returns the reports.

    ``values_per_cycle`` by engine name, if known. ``measure``: :meth:`Stimulus.measure` if power is to
    be measured. ``how``: further arguments of :func:`synth.synthesize`.
    """
    reports, folder = {}, make_folder(build / "synth")
    for name, paths in verilog.items():
        with steps(f"synthesizing {name}") as step, blame(folder):
            report = synth.synthesize(paths[0], f"apack_{name}", build_dir=folder / name, progress=step,
                                      values_per_cycle=(values_per_cycle or {}).get(name), **how)
            if measure:
                report = measure(report, name, folder / name, step)
            where = folder / f"{name}_{report.target}"
            report.write(where.with_suffix(".json"), where.with_suffix(".md"))
        reports[name] = report
    return reports
