"""The main job: one real network from tables to silicon, with one summary at the end."""

from pathlib import Path

import click
import numpy as np
from rich.table import Table

from golden import codec, search
from golden.config import preset
from golden.container import Reader, compress, decompress, write_atomic
from golden.packs import Pack
from golden.sample import PATH as SAMPLE

from ..emit import TOPS
from ..simulation import simulate
from .hardware import build_option, run_synthesis
from .support import blame, err, json_option, out, progress_bar, show

# Simulated whole: the biggest tensor of each kind, more than 100,000 values together with its stalls.
STALL = 0.5


@click.command("demo")
@build_option
@json_option
def demo(build, json_out):
    """Run everything once on the shipped sample: search, compress, simulate, emit, synthesize, sum up.

    The sample is a real quantized network (golden/sample/README.md). Files are left in DIR.

    \b
    Example:
      apack demo --json demo.json
    """
    build, config = Path(build), preset("int8")
    with blame(str(build)):
        build.mkdir(parents=True, exist_ok=True)
    err.print("compressing every tensor of the sample, each with its own table")
    sizes = compress_pack(build, config)
    err.print("simulating the emitted Verilog on its biggest tensors, without stalls and with stalls on every port")
    runs = simulate_biggest(build, config)
    err.print("synthesizing encoder and decoder")
    worst = {name: min(run["values_per_cycle"][name] for run in runs if not run["stall"]) for name in TOPS}
    reports = run_synthesis(config, TOPS, word=32, build=build, values_per_cycle=worst, library="nangate45",
                            target=None, period_ns=None, activity=0.1)
    data = {
        "config": config.to_dict(),
        "footprint": sizes,
        "simulation": runs,
        "synthesis": {name: report.to_json() for name, report in reports.items()},
    }
    show(json_out, data, lambda: render(data, reports, build))
    return 0 if all(run["identical"] for run in runs) else 1


def compress_pack(build: Path, config) -> dict:
    """Write every tensor of the sample as .apack, read it back, and add up the bits by kind."""
    folder = build / "sample"
    with blame(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    sums = {}
    with Pack(SAMPLE) as pack, progress_bar() as bar:
        for record, array in bar.track(pack, total=len(pack.records), description="compressing"):
            codes, _ = codec.to_codes(array, config.width)
            found = search.search_table(config, search.histogram(codes, config.width))
            data = compress(array, table=found.table)
            back = decompress(data)
            if back.dtype != array.dtype or not np.array_equal(back, array):
                raise click.ClickException(f"{SAMPLE}: {record.key} did not survive the round trip")
            with blame(str(folder)):
                write_atomic(folder / f"{record.key}.apack", data)
            with Reader(data) as reader:
                raw_bytes = reader.info()["raw_bytes"]
            bits = {"tensors": 1, "values": array.size, "raw_bits": raw_bytes * 8, "floor_bits": found.entropy_bits,
                    "bound_bits": found.bound_bits, "apack_bits": len(data) * 8}
            total = sums.setdefault(record.kind, dict.fromkeys(bits, 0))
            for key, value in bits.items():
                total[key] += value
    return sums


def simulate_biggest(build: Path, config) -> list[dict]:
    """The biggest tensor of each kind through the Verilog, without and with stalls."""
    biggest = {}
    with Pack(SAMPLE) as pack:
        for record, array in pack:
            if record.kind not in biggest or array.size > biggest[record.kind][1].size:
                biggest[record.kind] = record, array
    runs = []
    with progress_bar() as bar:
        task = bar.add_task("simulating", total=None)
        for kind, (record, array) in biggest.items():
            codes, _ = codec.to_codes(array, config.width)
            table = search.search_table(config, search.histogram(codes, config.width)).table
            for stall in (0.0, STALL):
                result = simulate(table, codes, stall=stall, build_dir=build / "simulation",
                                  progress=lambda text: bar.update(task, description=text))
                cycles = {"encoder": result.encoder_cycles, "decoder": result.decoder_cycles}
                runs.append({
                    "tensor": record.name, "kind": kind, **result.to_dict(),
                    "values_per_cycle": {name: result.values / n for name, n in cycles.items()},
                })
    return runs


def render(data: dict, reports: dict, build: Path) -> None:
    """Print the closing summary: what was compressed, what was proved, what it costs."""
    grid = Table(title="Footprint of the sample, everything counted: bits to raw 8-bit values", title_justify="left")
    for column in ("tensors", "count", "values", "entropy", "16-row bound", "APack", "to bound"):
        grid.add_column(column, justify="left" if column == "tensors" else "right")
    for kind, s in data["footprint"].items():
        floor, bound, apack = (s[f"{name}_bits"] / s["raw_bits"] for name in ("floor", "bound", "apack"))
        grid.add_row(kind, str(s["tensors"]), f"{s['values']:,}", f"{floor:.4f}", f"{bound:.4f}", f"{apack:.4f}",
                     f"{apack / bound - 1:+.2%}")
    out.print(grid)

    grid = Table(title="Emitted Verilog against the golden model, values per cycle", title_justify="left")
    for column in ("tensor", "values", "stalls", "RTL = golden", *TOPS):
        grid.add_column(column, justify="left" if column == "tensor" else "right")
    for run in data["simulation"]:
        grid.add_row(run["tensor"], f"{run['values']:,}", f"{run['stall']:.0%}",
                     "yes" if run["identical"] else f"NO: {run['mismatch']}",
                     *(f"{run['values_per_cycle'][name]:.4f}" for name in TOPS))
    out.print(grid)

    library = next(iter(reports.values())).target
    grid = Table(title=f"Cost of one engine, {library}, before layout", title_justify="left")
    for column in ("engine", "area", "flip-flops", "clock", "values/s", "power", "energy/value"):
        grid.add_column(column, justify="left" if column == "engine" else "right")
    for name, report in reports.items():
        cells, ghz = report.cells, report.clock_ghz
        timed = [f"{ghz:.3f} GHz", f"{report.values_per_s / 1e9:.3f} G", f"{cells.power.total_mw:.1f} mW",
                 f"{report.pj_per_value:.1f} pJ"] if ghz else ["no OpenSTA"] + ["-"] * 3
        grid.add_row(name, f"{cells.kge:.2f} kGE", str(cells.flops), *timed)
    out.print(grid)
    out.print(f"area by block, slowest path, activity: {build}/synth/*.md", soft_wrap=True)
    out.print(f"compressed tensors: {build}/sample/*.apack; Verilog: {build}/rtl", soft_wrap=True)
