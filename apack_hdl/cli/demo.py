"""The main job: one real network from tables to silicon, with one summary at the end."""

from pathlib import Path

import click

from golden import codec, search
from golden.config import DEFAULT_PRESET
from golden.container import write_atomic
from golden.footprint import Settings, pack_footprint
from golden.sample import PATH as SAMPLE
from golden.tensors.packs import Pack
from synth import SynthError
from synth.timing import MISSING as NO_OPENSTA

from ..emit import TOPS
from ..presets import PRESETS
from ..simulation import simulate
from .activity import biggest_of_kind
from .footprint_tables import COLUMNS, LEGEND, footprint_rows
from .hardware import emit_all, synthesize
from .support import (
    blame,
    build_option,
    check_json,
    json_option,
    make_folder,
    print_table,
    progress_bar,
    say,
    show,
    steps,
    warn,
)

STALL = 0.5  # of the runs with stalls
LIBRARY = "nangate45"


@click.command("demo", short_help="Run everything once on a real network.")
@build_option
@json_option
def demo(build, json_out):
    """Run everything once on the shipped sample: search, compress, simulate, emit, synthesize, sum up.

    The sample is a real quantized network (golden/sample/README.md). It takes some minutes; files are left in DIR.
    Without Verilator or synthesis tools the rest is done, and what is missing is named.

    \b
    Example:
      apack demo --json demo.json
    """
    build, engines = make_folder(build), PRESETS[DEFAULT_PRESET]
    config = engines.codec
    check_json(json_out)
    footprint = compress_sample(make_folder(build / "sample"), config)
    runs = simulate_biggest(make_folder(build / "simulation"), engines)
    missing = [runs[0]["note"]] if runs[0]["note"] else []  # all runs lack the same
    rates = {name: min(run["values_per_cycle"][name] for run in runs if not run["stall"]) for name in TOPS}
    verilog, reports = emit_all(engines, TOPS, build / "rtl"), {}
    try:
        reports = synthesize(verilog, build, rates, library=LIBRARY)
        if not all(report.clock_ghz for report in reports.values()):
            missing.append(NO_OPENSTA)
    except SynthError as error:
        missing.append(f"no synthesis: {error}")
    for line in missing:
        warn(" ".join(line.split()))
    data = {
        "config": config.to_dict(),
        "footprint": footprint,
        "simulation": runs,
        "synthesis": {name: report.to_json() for name, report in reports.items()},
        "missing": missing,
    }
    show(json_out, data, lambda: render(data, reports, build))
    return 0 if all(run["identical"] for run in runs) else 1


def compress_sample(folder: Path, config) -> dict[str, dict]:
    """Write every tensor of the sample as .apack, read it back, and add up the bits of each kind of tensor."""

    def keep(key, data):
        with blame(folder / f"{key}.apack"):
            write_atomic(folder / f"{key}.apack", data)

    with blame(SAMPLE), Pack(SAMPLE) as pack, progress_bar() as bar:
        task = bar.add_task("compressing the sample", total=len(pack.records))
        return pack_footprint(pack, Settings(config), progress=lambda n: bar.advance(task, n), keep=keep)


def simulate_biggest(folder: Path, engines) -> list[dict]:
    """The biggest tensor of each kind through the Verilog, without and with stalls."""
    config, runs = engines.codec, []
    for kind in ("weight", "activation"):
        tensor, array = biggest_of_kind(kind, SAMPLE)
        codes, _ = codec.to_codes(array, config.width)
        table = search.search_table(config, search.histogram(codes, config.width)).table
        for stall in (0.0, STALL):
            with steps("simulating") as step, blame(folder):
                result = simulate(table, codes, word=engines.word, encoder=engines.encoder, decoder=engines.decoder,
                                  stall=stall, build_dir=folder, progress=step)
            # While all streams have work: a tensor alone seldom gives them the same.
            rates = {name: engine.busy_values_per_cycle or engine.values_per_cycle
                     for name, engine in result.engines.items()}
            runs.append({"tensor": tensor, "kind": kind, **result.to_dict(), "values_per_cycle": rates})
    return runs


def render(data: dict, reports: dict, build: Path) -> None:
    """Print the closing summary: what was compressed, what was checked, what it costs."""
    print_table(
        "Footprint of the sample, everything counted",
        COLUMNS, footprint_rows(data["footprint"]),
    )
    say(LEGEND)
    simulator = data["simulation"][0]["simulator"]
    print_table(
        f"Hardware against the golden model in {simulator}: values per cycle",
        ("tensor", "values", "stalls", "RTL = golden", *TOPS),
        (
            (run["tensor"], f"{run['values']:,}", f"{run['stall']:.0%}",
             "yes" if run["identical"] else f"NO: {run['mismatch']}",
             *(f"{run['values_per_cycle'][name]:.4f}" for name in TOPS))
            for run in data["simulation"]
        ),
    )
    if reports:
        print_table(
            f"Cost of one engine, {LIBRARY}, before layout",
            ("engine", "area", "flops", "clock", "values/s", "power", "per value"),
            ((name, *cost(report)) for name, report in reports.items()),
        )
        say(f"area by block, slowest path, activity: {build}/synth/*.md")
    say(f"compressed tensors: {build}/sample/*.apack; Verilog: {build}/rtl")


def cost(report) -> tuple[str, ...]:
    """Area, flip-flops, clock, throughput, power and energy of an engine."""
    area = f"{report.cells.kge:.2f} kGE", f"{report.cells.flops:,}"
    if not report.clock_ghz:  # no OpenSTA
        return (*area, *("-" * 4))
    return (*area, f"{report.clock_ghz:.3f} GHz", f"{report.values_per_s / 1e9:.3f} G",
            f"{report.cells.power.total_mw:.1f} mW", f"{report.pj_per_value:.1f} pJ")
