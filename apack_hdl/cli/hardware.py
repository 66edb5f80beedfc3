"""Commands on hardware: verilog, simulate, synth."""

from pathlib import Path

import click
from rich.table import Table

import synth
from golden import codec, search

from ..emit import TOPS, emit
from ..layouts import WORD_BITS
from ..simulation import simulate
from .support import (
    blame,
    config_options,
    json_option,
    make_config,
    out,
    progress_bar,
    read_table,
    read_tensor,
    show,
)
from .tensors import TENSOR, refuse_parameters

direction_argument = click.argument("direction", type=click.Choice([*TOPS, "both"]), default="both")
word_option = click.option("--word", type=click.Choice(list(map(str, WORD_BITS))), default="32", show_default=True,
                           help="Bits of a word of the compressed streams.")
build_option = click.option("--build", metavar="DIR", default="build", show_default=True,
                            help="Folder for everything that is made on the way.")


def directions(choice: str) -> list[str]:
    """The engines meant by a ``direction_argument``."""
    return list(TOPS) if choice == "both" else [choice]


@click.command("verilog")
@direction_argument
@config_options
@word_option
@click.option("-o", "--output", metavar="DIR", default="build/rtl", show_default=True, help="Folder to write to.")
def verilog_command(direction, word, output, **options):
    """Emit the encoder, the decoder or both as Verilog.

    Beside each .v comes a .json (configuration, ports, versions) and a FuseSoC .core file.

    \b
    Example:
      apack verilog -o rtl
      apack verilog decoder --bits 4 --rows 8 --word 64 -o rtl
    """
    config = make_config(options)
    for name in directions(direction):
        with blame(output):
            paths = emit(config, name, word=int(word), out_dir=Path(output))
        for path in paths:
            out.print(str(path), soft_wrap=True)


@click.command("simulate")
@TENSOR
@config_options
@word_option
@click.option("--table", "table_path", metavar="T.json", help="Use this table instead of one made from the tensor.")
@click.option("--stall", type=click.FloatRange(0, 1, max_open=True), default=0.0, show_default=True,
              help="Probability that a port is not willing in a cycle, on every port.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the stalls.")
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
    with blame(tensor):
        codec.check_array("array", array)
    if table_path:
        table = read_table(table_path)
        refuse_parameters(options)
        config = table.config
    else:
        table, config = None, make_config(options, array.dtype)
    with blame(tensor):
        codes, _ = codec.to_codes(array, config.width)
        if not len(codes):
            raise ValueError("the tensor is empty: there is nothing to simulate")
        if table is None:
            table = search.search_table(config, search.histogram(codes, config.width)).table
    with progress_bar() as bar, blame(tensor):
        task = bar.add_task("simulating", total=None)
        result = simulate(
            table, codes, word=int(word), stall=stall, seed=seed, simulator=simulator, block=options.get("block"),
            build_dir=Path(build) / "simulation", progress=lambda text: bar.update(task, description=text),
        )
    show(json_out, result.to_dict(), lambda: render_simulation(tensor, result))
    return 0 if result.identical else 1


def render_simulation(name: str, result) -> None:
    """Print how a simulation went."""
    grid = Table(title=f"{name}: {result.values:,} values in {result.blocks} blocks, {result.simulator}, "
                       f"stall {result.stall:g}")
    for column in ("engine", "cycles", "cycles/value", "values/cycle"):
        grid.add_column(column, justify="left" if column == "engine" else "right")
    for engine, cycles in (("encoder", result.encoder_cycles), ("decoder", result.decoder_cycles)):
        grid.add_row(engine, f"{cycles:,}", f"{cycles / result.values:.4f}", f"{result.values / cycles:.4f}")
    out.print(grid)
    verdict = "RTL = golden: identical, byte for byte"
    out.print(verdict if result.identical else f"RTL differs from golden: {result.mismatch}")


@click.command("synth")
@direction_argument
@config_options
@word_option
@click.option("--library", type=click.Choice(list(synth.LIBRARIES)), default="nangate45", show_default=True,
              help="Standard cells to map on.")
@click.option("--target", type=click.Choice(["ecp5"]), help="Place and route on an FPGA instead.")
@click.option("--period", type=float, metavar="NS", help="Clock period to aim for.  [default: the library's]")
@click.option("--activity", type=click.FloatRange(0, 2), default=0.1, show_default=True,
              help="Toggles per net and cycle that power is stated for.")
@build_option
@json_option
def synth_command(direction, word, library, target, period, activity, build, json_out, **options):
    """Map the emitted Verilog on standard cells (or an FPGA): area, clock, power, critical path.

    Reports are written to DIR/synth as JSON and Markdown. Figures are before layout.

    \b
    Example:
      apack synth
      apack synth decoder --library sky130hd --period 4
      apack synth encoder --target ecp5
    """
    config = make_config(options)
    reports = run_synthesis(config, directions(direction), word=int(word), build=Path(build), library=library,
                            target=target, period_ns=period, activity=activity)

    def render():
        for report in reports.values():
            report.render(out)

    show(json_out, {name: report.to_json() for name, report in reports.items()}, render)


def run_synthesis(config, names, *, word: int, build: Path, values_per_cycle=None, **how) -> dict:
    """Emit and synthesize each engine; writes JSON and Markdown reports below ``build`` and returns the reports.

    ``values_per_cycle`` by engine name, if known. ``how``: further arguments of :func:`synth.synthesize`.
    """
    reports, rates = {}, values_per_cycle or {}
    with progress_bar() as bar:
        for name in names:
            task = bar.add_task(f"synthesizing {name}", total=None)
            with blame(str(build)):
                verilog = emit(config, name, word=word, out_dir=build / "rtl")[0]
            with blame(str(verilog)):
                report = synth.synthesize(
                    verilog, f"apack_{name}", build_dir=build / "synth" / name, values_per_cycle=rates.get(name),
                    progress=lambda text, task=task: bar.update(task, description=text), **how,
                )
            where = build / "synth" / f"{name}_{report.target}"
            with blame(str(where.parent)):
                report.write(where.with_suffix(".json"), where.with_suffix(".md"))
            reports[name] = report
    return reports


COMMANDS = (verilog_command, simulate_command, synth_command)
