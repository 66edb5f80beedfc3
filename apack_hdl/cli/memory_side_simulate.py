"""The emitted memory-side block on a tensor."""

from pathlib import Path

import click

from golden import codec, search
from golden.memory import LAYOUTS
from golden.sample import PATH as SAMPLE

from ..memory_side.parameters import MemorySide
from .activity import biggest_of_kind
from .inputs import read_tensor
from .memory_side import make_memory_side
from .support import blame, check_json, counted, make_folder, print_table, say, show, steps

layout_option = click.option("--layout", type=click.Choice(LAYOUTS), help="Of the block: how the memory is laid out.  "
                             f"[default: {LAYOUTS[0]}]")
latency_option = click.option("--latency", type=click.IntRange(0, 10_000), metavar="CYCLES", help="Of the block: from "
                              "an address to the memory's answer.  [default: 30]")
FIGURES = {
    "cycles, from push to interrupt": lambda way: f"{way.job:,}",
    "values per cycle, first beat to last": lambda way: f"{way.values_per_cycle:.3f}",
    "values per cycle, middle half of the beats": lambda way: f"{way.steady_values_per_cycle:.3f}",
    "cycles from first value in, or read, to first write, or value out": lambda way: f"{way.first:,}",
    "cycles from last value in, or beat read, to last response, or value": lambda way: f"{way.last:,}",
    "beats of data on the memory's bus": lambda way: f"{way.memory_beats:,}",
    "of the job's cycles": lambda way: f"{way.bus_use:.1%}",
}


def simulate_memory_side(
    tensors: tuple[str, ...], given: dict, options: dict, build: Path, json_out: str | None, **how
) -> int:
    """One tensor, or the sample's biggest activations, into memory and out again; the exit code."""
    from ..simulation.block import simulate_block

    if len(tensors) > 1:
        raise click.ClickException("--memory-side: one tensor, not more")
    name, array = (tensors[0], read_tensor(tensors[0])) if tensors else biggest_of_kind("activation", SAMPLE)
    with blame(name):
        width = options["width"] or codec.default_bits(array.dtype)
        codes, _ = codec.to_codes(array, width)
        if not len(codes):
            raise ValueError("must hold at least one value to simulate, but is empty")
    p = make_memory_side(given, options | {"width": width})
    table = search.search_table(p.codec, search.histogram(codes, width)).table
    check_json(json_out)
    folder = make_folder(build / "simulation")
    with steps("emitting") as step, blame(name):
        result = simulate_block(p, array.reshape(-1), table, build_dir=folder, progress=step, **how)
    show(json_out, {"tensor": name} | result.to_dict(), lambda: render(name, p, result))
    return 0 if result.identical else 1


def render(name: str, p: MemorySide, result) -> None:
    """Print how a round trip went."""
    values, stored = result.compress.values, result.compress.stored_bytes
    ways = result.compress, result.decompress
    print_table(
        f"{name}: {counted(values, 'value')} in {counted(-(-values // p.codec.block), 'block')}, {stored:,} bytes "
        f"stored ({result.layout})\nE = {p.engines}, bus of {p.data_width} bits, streams of {p.stream_width}, latency "
        f"{result.latency}, stall {result.stall:g}",
        ("", "compress", "decompress"),
        [(what, *(text(way) for way in ways)) for what, text in FIGURES.items()],
    )
    print_table(
        "Cycles of the jobs, and by formula (memory_side/README.md)", ("", "measured", "formula"),
        [(step.what, f"{step.cycles:,}", formula(step)) for way in ways for step in way.steps],
    )
    same = "memory image and values = golden: identical, byte for byte; no rule of AXI was broken"
    say(same if result.identical else f"differs from golden: {result.mismatch}")


def formula(step) -> str:
    """What the formulas say, and whether it is so."""
    if step.least is None:
        return "-"
    said = f"{step.least:,}" if step.least == step.most else f"{step.least:,} to {step.most:,}"
    return said if step.holds else f"{said}: not so"
