"""What the memory-side block costs, and which memories it keeps up with."""

import json
from pathlib import Path

from rich.console import Console

import synth

from ..memory_side.emit import emit_memory_side
from ..memory_side.parameters import MemorySide
from .support import blame, check_json, make_folder, print_table, say, show, steps

MEMORIES = ("ddr4-3200", "lpddr5", "hbm2", "hbm3")  # of golden/system/memories.toml, where the sources are
COLUMNS = ("memory", "GB/s", "of raw values, times", "engines for all of it")


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
        report.write(where.with_suffix(".json"), where.with_suffix(".md"))
    bandwidth = keeps_up_with(p, report.clock_ghz)
    if bandwidth:
        with blame(where):
            where.with_suffix(".md").open("a").write(_markdown(p, bandwidth))

    def render():
        report.render(Console(highlight=False))
        if bandwidth:
            say("")
            print_table(_title(p, bandwidth), COLUMNS, _rows(bandwidth))
        say(f"\n{where}.md, .json")

    show(json_out, report.to_json() | {"bandwidth": bandwidth}, render)


def keeps_up_with(p: MemorySide, clock_ghz: float | None) -> dict | None:
    """Raw values per second in each direction, and memories' bandwidths beside it; None if the clock is not known."""
    if clock_ghz is None:
        return None
    from golden.system.memory import load_memory

    each = clock_ghz * p.codec.width / 8
    memories = {name: load_memory(name) for name in MEMORIES}
    return {
        "clock_ghz": clock_ghz, "engines": p.engines, "gb_per_s_of_an_engine": each, "gb_per_s": p.engines * each,
        "bus_gb_per_s": p.data_bytes * clock_ghz,
        "memories": [
            {"name": name, "title": memory.title, "gb_per_s": memory.read_gbs,
             "share": p.engines * each / memory.read_gbs, "engines": -(-memory.read_gbs // each)}
            for name, memory in memories.items()
        ],
    }


def _title(p: MemorySide, found: dict) -> str:
    return (f"{p.engines} engines x {found['clock_ghz']:.3f} GHz x {p.codec.width / 8:g} bytes = "
            f"{found['gb_per_s']:.1f} GB/s of raw values in each direction; its bus carries "
            f"{found['bus_gb_per_s']:.1f} GB/s")


def _rows(found: dict) -> list[tuple[str, ...]]:
    return [(memory["title"], f"{memory['gb_per_s']:g}", f"{memory['share']:.2f}", f"{memory['engines']:.0f}")
            for memory in found["memories"]]


def _markdown(p: MemorySide, found: dict) -> str:
    lines = ["", f"{_title(p, found)}.", "", f"| {' | '.join(COLUMNS)} |", "|---|---:|---:|---:|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in _rows(found))]) + "\n"
