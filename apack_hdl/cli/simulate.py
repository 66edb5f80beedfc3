"""The command simulate: the emitted Verilog against the golden model."""

import tempfile
from pathlib import Path

import click
import numpy as np

import synth
from golden import codec, search
from golden.memory import LAYOUTS

from ..emit import TOPS, emit
from ..presets import EnginePreset
from ..simulation import deal, simulate_queues
from .engines import PRESET_LIST, engine_options, make_engines
from .inputs import TENSOR, make_config, read_table, read_tensor, table_option
from .memory_side import memory_side_options, refuse, refuse_alone, take_options
from .memory_side_simulate import latency_option, layout_option, simulate_memory_side
from .support import blame, build_option, check_json, counted, json_option, make_folder, print_table, say, show, steps


class Lengths(click.ParamType):
    """Numbers of values, separated by commas."""

    name = "N,N,..."

    def convert(self, value, param, context):
        parts = value.split(",")
        if not all(part.strip().isdecimal() and len(part) < 10 for part in parts) or not any(map(int, parts)):
            self.fail(f"must be numbers from 0 on with commas between, not all 0, not {value!r}", param, context)
        return [int(part) for part in parts]


@click.command("simulate", short_help="Check the emitted Verilog on tensors.", epilog=PRESET_LIST)
@click.argument("tensors", metavar=f"{TENSOR}...", nargs=-1)
@engine_options
@memory_side_options("The block of encoders and decoders with AXI ports, into a memory and out of it.")
@layout_option
@latency_option
@table_option
@click.option("--lengths", type=Lengths(), help="Give the streams so many values each, one after the other and again "
              "from the first; the tensor is repeated as needed.  [default: its blocks, dealt out in turn]")
@click.option("--stall", type=click.FloatRange(0, 1, max_open=True), default=0.0, show_default=True,
              help="Probability that a port is not willing in a cycle, on every port.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default="1", help="Seed of the stalls.")
@click.option("--simulator", type=click.Choice(["auto", "verilator", "pysim"]), default="auto", show_default=True,
              help="pysim needs no compiler and is some hundred times slower.")
@click.option("--netlist", is_flag=True, help="Run what `apack synth` mapped in DIR, with the same options, in place "
              "of the Verilog.")
@build_option
@json_option
def simulate_command(
    tensors, table_path, lengths, stall, seed, simulator, netlist, memory_side, layout, latency, build, json_out,
    **options,
):
    """Send tensors through the emitted encoder and decoder, and compare with the golden model.

    Each tensor is coded with a table of its own; the tables are loaded one after the other. Blocks are dealt out to
    the streams of an engine in turn, and all streams are in flight together. "All busy" are the cycles in which every
    stream is between its first value and its last.

    Ends with exit code 1 if anything differs.

    \b
    Example:
      apack simulate weights.npy
      apack simulate weights.npy --stall 0.5 --seed 7
      apack simulate a.npy b.npy --streams 4 --lengths 0,1,10,100000
      apack synth && apack simulate weights.npy --netlist
      apack simulate --memory-side
      apack simulate --memory-side --engines 8 --data-width 128 weights.npy
    """
    given = take_options(options, memory_side)
    if memory_side:
        refuse(table=table_path, lengths=lengths, netlist=netlist)
        how = {"layout": layout or LAYOUTS[0], "latency": 30 if latency is None else latency}
        how |= {"stall": stall, "seed": seed}
        return simulate_memory_side(tensors, given, options, make_folder(build), json_out, **how)
    refuse_alone(layout=layout, latency=latency)
    if not tensors:
        raise click.ClickException("TENSOR...: at least one must be given")
    if table_path is not None and len(tensors) > 1:
        raise click.ClickException("--table: only with one tensor")
    arrays = {spec: read_tensor(spec) for spec in tensors}
    config = table = None
    if table_path is not None:
        table = read_table(table_path, options, *next(iter(arrays.items())))
    config = table.config if table else make_config(options, *arrays.items())
    codes = {spec: prepare(spec, array, config.width) for spec, array in arrays.items()}
    tables = [table or search.search_table(config, search.histogram(c, config.width)).table for c, _ in codes.values()]
    check_codable(table_path, tables[0], *next(iter(codes.items())))
    engines = make_engines(options, config)
    netlists = find_netlists(Path(build), engines) if netlist else None
    folder = make_folder(Path(build) / "simulation")
    check_json(json_out)
    streams = max(engines.options(name).get("streams", 1) for name in ("encoder", "decoder"))
    queues = make_queues(tables, [c for c, _ in codes.values()], streams, lengths, options["block"])
    with steps("simulating") as step, blame(tensors[0]):
        result = simulate_queues(tables, queues, word=engines.word, encoder=engines.encoder, decoder=engines.decoder,
                                 stall=stall, seed=seed, simulator=simulator, netlists=netlists, build_dir=folder,
                                 progress=step)
    data = result.to_dict() | {"netlists": [*(netlists or ())]}
    show(json_out, data, lambda: render_simulation(", ".join(arrays), result, netlists))
    return 0 if result.identical else 1


def prepare(spec: str, array: np.ndarray, width: int) -> tuple[np.ndarray, bool]:
    """The codes of a tensor, and whether they are two's complement."""
    with blame(spec):
        codes, signed = codec.to_codes(array, width)
        if not len(codes):
            raise ValueError("must hold at least one value to simulate, but is empty")
    return codes, signed


def check_codable(path: str, table, tensor: str, codes: tuple[np.ndarray, bool]) -> None:
    """Refuse a table without a code for some value: files store such blocks raw, the engines cannot."""
    values, signed = codes
    uncodable = np.array(table.counts)[table.row_of_value[values]] == 0
    if uncodable.any():
        value = values[uncodable][:1]
        value = codec.from_codes(value, table.config.width, signed, np.int64)[0]
        raise click.ClickException(f"{path}: the table has no code for {value}, which {tensor} holds")


def find_netlists(build: Path, engines: EnginePreset) -> dict[str, list[Path]]:
    """The netlists that ``apack synth`` left below ``build``, by engine. Refuses them if made with other options."""
    found = {}
    for name in TOPS:
        folder, source = build / "synth" / name, build / "rtl" / f"apack_{name}.v"
        if not (folder.is_dir() and source.is_file()):
            continue
        with tempfile.TemporaryDirectory() as draft:
            wanted = emit(engines.codec, name, out_dir=draft, **engines.options(name))[0]
            if wanted.read_bytes() != source.read_bytes():
                raise click.ClickException(f"{folder}: was made with other options; run `apack synth` with these")
        found[name] = [synth.gate_level(folder)]
    if not found:
        raise click.ClickException(f"{build}: no netlist in it; run `apack synth` first")
    return found


def make_queues(tables, tensors: list[np.ndarray], streams: int, lengths: list[int] | None, block: int | None) -> list:
    """Blocks for the streams, all of a tensor before those of the next; with ``lengths`` so many values for each."""
    queues = []
    for number, (table, codes) in enumerate(zip(tables, tensors, strict=True)):
        if lengths is None:
            dealt = deal(table, codes, streams=streams, block=block, number=number)
        else:
            wanted = [lengths[i % len(lengths)] for i in range(max(streams, len(lengths)))]
            dealt = [cut(number, codes, length, table.config.block) for length in wanted]
        queues += [[] for _ in range(len(dealt) - len(queues))]
        for queue, blocks in zip(queues, dealt, strict=False):
            queue += blocks
    return queues


def cut(number: int, codes: np.ndarray, length: int, block: int) -> list:
    """``length`` values of a tensor, repeated as needed, as blocks."""
    values = np.resize(codes, length)
    return [(number, values[start : start + block]) for start in range(0, length, block)]


def render_simulation(name: str, result, netlists) -> None:
    """Print how a simulation went."""

    def rate(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}"

    print_table(
        f"{name}: {counted(result.values, 'value')} in {counted(result.blocks, 'block')}, {result.simulator}, "
        f"stall {result.stall:g}",
        ("engine", "streams", "cycles", "cycles/value", "values/cycle", "all busy"),
        (
            (name, str(len(engine.streams)), f"{engine.cycles:,}", rate(1 / engine.values_per_cycle),
             rate(engine.values_per_cycle), rate(engine.busy_values_per_cycle))
            for name, engine in result.engines.items()
        ),
    )
    if any(len(engine.streams) > 1 for engine in result.engines.values()):
        print_table(
            "Streams: cycles of the first and the last value, and values per cycle from one to the other",
            ("engine", "stream", "blocks", "values", "first", "last", "values/cycle"),
            (
                (name, str(i), f"{stream.blocks:,}", f"{stream.values:,}", f"{stream.first_cycle:,}",
                 f"{stream.last_cycle:,}", rate(stream.values_per_cycle))
                for name, engine in result.engines.items() for i, stream in enumerate(engine.streams)
            ),
        )
    what = f"netlist of the {' and of the '.join(netlists)}" if netlists else "RTL"
    verdict = f"{what} = golden: identical, byte for byte"
    say(verdict if result.identical else f"{what} differs from golden: {result.mismatch}")
    if result.note:
        say(result.note)
