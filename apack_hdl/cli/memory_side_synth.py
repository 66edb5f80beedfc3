"""What the memory-side block costs, and which memories it keeps up with."""

import json
from math import ceil
from pathlib import Path

from rich.console import Console

import synth

from ..decoder import Decoder
from ..memory_side.emit import emit_memory_side
from ..memory_side.parameters import MemorySide
from .support import blame, check_json, make_folder, print_table, say, show, steps

MEMORIES = ("ddr4-3200", "lpddr5", "hbm2", "hbm3")  # of golden/system/memories.toml, where the sources are
RATIOS = (1.0, 0.8, 0.6)  # of stored bytes to raw ones: nothing saved; usual for weights; usual for activations
COLUMNS = ("memory", "GB/s", "values over it", *(f"engines at {ratio:g}" for ratio in RATIOS))
LEGEND = (
    "Values over it: GB/s of values that all engines give, of the memory's own. Engines at R: how many keep up with "
    "the memory if values are stored in R of their bytes, so that each byte read makes 1 / R of them."
)


def synth_memory_side(p: MemorySide, build: Path, json_out: str | None, **how) -> None:
    """Emit and synthesize the block by its modules; reports below ``build``."""
    check_json(json_out)
    folder = make_folder(build / "synth")
    with steps("emitting the memory-side block") as step, blame(folder):
        verilog, sidecar, *_ = emit_memory_side(p, out_dir=build / "rtl")
        facts = json.loads(sidecar.read_text())
        report = synth.synthesize_parts(
            verilog, facts["name"], modules=facts["modules"], memories=facts["memories"],
            build_dir=folder / facts["name"], progress=step, **how,
        )
        where = folder / f"{facts['name']}_{p.engines}x{p.data_width}_{report.target}"
        bandwidth = keeps_up_with(p, report.clock_ghz)
        section = _markdown(bandwidth) if bandwidth else ""
        report.write(where.with_suffix(".json"), where.with_suffix(".md"), {"bandwidth": bandwidth}, section)

    def render():
        report.render(Console(highlight=False))
        if bandwidth:
            say("")
            print_table(_title(bandwidth), COLUMNS, _rows(bandwidth))
            say(LEGEND)
        say(f"\n{where}.md, .json")

    show(json_out, report.to_json() | {"bandwidth": bandwidth}, render)


def keeps_up_with(p: MemorySide, clock_ghz: float | None) -> dict | None:
    """Bytes of values per second in each direction, and memories' bandwidths beside it; None if the clock is not known.

    An engine takes or gives a value a cycle, but for the decoder's two cycles per block.
    """
    if clock_ghz is None:
        return None
    from golden.system.memory import load_memory

    rate = p.codec.block / (p.codec.block + Decoder.BLOCK_CYCLES)
    each = clock_ghz * rate * p.codec.width / 8
    memories = {name: load_memory(name) for name in MEMORIES}
    return {
        "clock_ghz": clock_ghz, "values_per_cycle": rate, "value_bits": p.codec.width, "engines": p.engines,
        "gb_per_s_of_an_engine": each, "gb_per_s": p.engines * each, "bus_gb_per_s": p.data_bytes * clock_ghz,
        "memories": [
            {"name": name, "title": memory.title, "gb_per_s": memory.read_gbs,
             "values_over_memory": p.engines * each / memory.read_gbs,
             "engines": {f"{ratio:g}": ceil(memory.read_gbs / ratio / each) for ratio in RATIOS}}
            for name, memory in memories.items()
        ],
    }


def _title(found: dict) -> str:
    return (f"{found['engines']} engines x {found['clock_ghz']:.3f} GHz x {found['values_per_cycle']:.4f} values x "
            f"{found['value_bits'] / 8:g} bytes = {found['gb_per_s']:.1f} GB/s of values in each direction; the bus "
            f"carries {found['bus_gb_per_s']:.1f} GB/s")


def _rows(found: dict) -> list[tuple[str, ...]]:
    return [
        (memory["title"], f"{memory['gb_per_s']:g}", f"{memory['values_over_memory']:.2f}",
         *(f"{count:,}" for count in memory["engines"].values()))
        for memory in found["memories"]
    ]


def _markdown(found: dict) -> str:
    lines = ["", f"{_title(found)}.", "", f"| {' | '.join(COLUMNS)} |", "|---" + "|---:" * (len(COLUMNS) - 1) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in _rows(found)), "", LEGEND]) + "\n"
