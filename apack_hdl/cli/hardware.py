"""Commands on hardware: verilog, simulate, synth."""

from pathlib import Path

import click
import numpy as np
from rich.console import Console

import synth
from golden import codec, search

from ..emit import TOPS, emit
from ..layouts import WORD_BITS
from ..simulation import simulate
from .inputs import config_options, make_config, read_table, read_tensor, table_option, tensor_argument
from .support import blame, check_json, counted, json_option, make_folder, print_table, say, show, steps

direction_argument = click.argument("direction", type=click.Choice([*TOPS, "both"]), default="both")
word_option = click.option("--word", type=click.Choice(list(map(str, WORD_BITS))), default="32", show_default=True,
                           help="Bits of a word of the compressed streams.")
build_option = click.option("--build", metavar="DIR", default="build", show_default=True,
                            help="Folder for everything that is made on the way.")


def directions(choice: str) -> list[str]:
    """The engines meant by a ``direction_argument``."""
    return list(TOPS) if choice == "both" else [choice]


def emit_all(config, names, word: int, folder) -> dict[str, list[Path]]:
    """Write each engine's Verilog, and what goes with it, to ``folder``; the paths by engine, Verilog first."""
    folder = make_folder(folder)
    with blame(folder):
        return {name: emit(config, name, word=word, out_dir=folder) for name in names}


@click.command("verilog", short_help="Emit encoder and decoder as Verilog.")
@direction_argument
@config_options
@word_option
@click.option("-o", "--output", metavar="DIR", default="build/rtl", show_default=True, help="Folder to write to.")
def verilog_command(direction, word, output, **options):
    """Emit the encoder, the decoder or both as Verilog.

    Beside each .v come a .json (configuration, ports, versions), a FuseSoC .core file and a .vlt (lint waivers).

    \b
    Example:
      apack verilog -o rtl
      apack verilog decoder --bits 4 --rows 8 --word 64 -o rtl
    """
    for paths in emit_all(make_config(options), directions(direction), int(word), output).values():
        for path in paths:
            say(str(path))


@click.command("simulate", short_help="Check the emitted Verilog on a tensor.")
@tensor_argument
@config_options
@word_option
@table_option
@click.option("--stall", type=click.FloatRange(0, 1, max_open=True), default=0.0, show_default=True,
              help="Probability that a port is not willing in a cycle, on every port.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default="1", help="Seed of the stalls.")
@click.option("--simulator", type=click.Choice(["auto", "verilator", "pysim"]), default="auto", show_default=True,
              help="pysim needs no compiler and is some hundred times slower.")
@build_option
@json_option
def simulate_command(tensor, word, table_path, stall, seed, simulator, build, json_out, **options):
    """Send a tensor through the emitted encoder and decoder, and compare with the golden model.

    Ends with exit code 1 if anything differs.

    \b
    Example:
      apack simulate weights.npy
      apack simulate weights.npy --stall 0.5 --seed 7
    """
    array = read_tensor(tensor)
    table = read_table(table_path, options, tensor, array) if table_path is not None else None
    config = table.config if table else make_config(options, (tensor, array))
    with blame(tensor):
        codes, signed = codec.to_codes(array, config.width)
        if not len(codes):
            raise ValueError("must hold at least one value to simulate, but is empty")
    if table is None:
        table = search.search_table(config, search.histogram(codes, config.width)).table
    check_codable(table_path, table, tensor, codes, signed)
    folder = make_folder(Path(build) / "simulation")
    check_json(json_out)
    with steps("simulating") as step, blame(tensor):
        result = simulate(table, codes, word=int(word), stall=stall, seed=seed, simulator=simulator,
                          build_dir=folder, progress=step)
    show(json_out, result.to_dict(), lambda: render_simulation(tensor, result))
    return 0 if result.identical else 1


def check_codable(path: str, table, tensor: str, codes: np.ndarray, signed: bool) -> None:
    """Refuse a table without a code for some value: files store such blocks raw, the engines cannot."""
    uncodable = np.array(table.counts)[table.row_of_value[codes]] == 0
    if uncodable.any():
        value = codes[uncodable][:1]
        value = codec.from_codes(value, table.config.width, signed, np.int64)[0]
        raise click.ClickException(f"{path}: the table has no code for {value}, which {tensor} holds")


def render_simulation(name: str, result) -> None:
    """Print how a simulation went."""
    print_table(
        f"{name}: {counted(result.values, 'value')} in {counted(result.blocks, 'block')}, {result.simulator}, "
        f"stall {result.stall:g}",
        ("engine", "cycles", "cycles/value", "values/cycle"),
        (
            (engine, f"{cycles:,}", f"{cycles / result.values:.4f}", f"{result.values / cycles:.4f}")
            for engine, cycles in (("encoder", result.encoder_cycles), ("decoder", result.decoder_cycles))
        ),
    )
    verdict = "RTL = golden: identical, byte for byte"
    say(verdict if result.identical else f"RTL differs from golden: {result.mismatch}")
    if result.note:
        say(result.note)


@click.command("synth", short_help="Area, clock and power of the emitted Verilog.")
@direction_argument
@config_options
@word_option
@click.option("--library", type=click.Choice(list(synth.LIBRARIES)), default="nangate45", show_default=True,
              help="Standard cells to map on.")
@click.option("--target", type=click.Choice(["ecp5"]), help="Place and route on an FPGA instead.")
@click.option("--period", type=click.FloatRange(0.001, 1e6), metavar="NS",
              help="Clock period to aim for.  [default: the library's]")
@click.option("--activity", type=click.FloatRange(0, 1), default=0.1, show_default=True,
              help="Toggles per net and cycle that power is stated for.")
@build_option
@json_option
def synth_command(direction, word, library, target, period, activity, build, json_out, **options):
    """Map the emitted Verilog on standard cells (or an FPGA): area, clock, power, critical path.

    Reports are written to DIR/synth as JSON and Markdown. Figures are before layout; values/s holds for whole blocks.

    \b
    Example:
      apack synth
      apack synth decoder --library sky130hd --period 4
      apack synth encoder --target ecp5
    """
    config, build = make_config(options), make_folder(build)
    check_json(json_out)
    verilog = emit_all(config, directions(direction), int(word), build / "rtl")
    rates = {name: config.block / (config.block + TOPS[name].BLOCK_CYCLES) for name in verilog}
    reports = synthesize(verilog, build, rates, library=library, target=target, period_ns=period, activity=activity)

    def render():
        for report in reports.values():
            report.render(Console(highlight=False))  # a report minds rich's markup itself
            say("")

    show(json_out, {name: report.to_json() for name, report in reports.items()}, render)


def synthesize(verilog: dict[str, list[Path]], build: Path, values_per_cycle=None, **how) -> dict:
    """Synthesize each engine; writes JSON and Markdown reports below ``build`` and returns the reports.

    ``values_per_cycle`` by engine name, if known. ``how``: further arguments of :func:`synth.synthesize`.
    """
    reports, folder = {}, make_folder(build / "synth")
    for name, paths in verilog.items():
        with steps(f"synthesizing {name}") as step, blame(folder):
            report = synth.synthesize(paths[0], f"apack_{name}", build_dir=folder / name, progress=step,
                                      values_per_cycle=(values_per_cycle or {}).get(name), **how)
            where = folder / f"{name}_{report.target}"
            report.write(where.with_suffix(".json"), where.with_suffix(".md"))
        reports[name] = report
    return reports


COMMANDS = (verilog_command, simulate_command, synth_command)
