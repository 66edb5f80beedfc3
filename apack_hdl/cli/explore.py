"""The command explore: what each choice of parameters costs in silicon and in compression."""

import os
import shlex
import tempfile
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

import click

import synth
from golden.config import DEFAULT_PRESET, PRESETS
from golden.sample import PATH as SAMPLE
from golden.tensors import open_model
from synth import explore, explore_plot
from synth.timing import MISSING as NO_OPENSTA

from ..emit import emit
from ..layouts import WORD_BITS
from ..search import SEARCHES
from .engines import direction_argument, directions
from .explore_loss import loss_tasks, losses_of
from .explore_points import Point, choose, cross, default_sweep, preset_of
from .explore_rate import simulation_job
from .explore_report import figures, render, write_report
from .support import blame, check_json, counted, json_option, make_folder, progress_bar, say, show, warn


class Several(click.ParamType):
    """A list of values with commas between, each one of ``allowed``."""

    name = "list"

    def __init__(self, *allowed):
        self.allowed, self.kind = allowed, type(allowed[0])
        self.text = f"one of {', '.join(map(str, allowed))}"

    def convert(self, value, param, context):
        if isinstance(value, tuple):
            return value
        values = []
        for part in value.split(","):
            try:
                values.append(self.kind(part.strip()))
                good = self.is_allowed(values[-1])
            except ValueError:
                good = False
            if not good:
                self.fail(f"each must be {self.text}, with commas between, not {part.strip()!r}", param, context)
        return tuple(dict.fromkeys(values))

    def is_allowed(self, value) -> bool:
        return value in self.allowed


class Between(Several):
    """The same for all numbers from ``low`` to ``high``, of the kind of these."""

    def __init__(self, low, high):
        super().__init__(low, high)
        self.text = f"in {low}..{high}"

    def is_allowed(self, value) -> bool:
        return self.allowed[0] <= value <= self.allowed[1]


LISTS = {
    "search": ("--search", Several(*SEARCHES), "How the decoder finds the row."),
    "streams": ("--streams", Between(1, 8), "S, streams that the engine works on in turn."),
    "width": ("--bits", Between(2, 16), "W, bits of a value."),
    "rows": ("--rows", Between(2, 64), "N, rows of the table."),
    "prob_bits": ("--prob-bits", Between(1, 15), "P, probability counts add up to 2^P."),
    "mult_bits": ("--mult-bits", Between(2, 16), "M, bits of the interval size that is multiplied."),
    "word": ("--word", Several(*WORD_BITS), "Bits of a word of the compressed streams."),
    "banks": ("--banks", Several(1, 2), "Tables held at a time."),
    "period_ns": ("--period", Between(0.001, 1e6), "Clock period in ns to aim for.  [default: the library's]"),
    "preset": ("--preset", Several(*PRESETS), "What the parameters not listed are taken from."),
}


def list_options(command):
    """Adds the options that describe a sweep."""
    for name, (option, kind, text) in reversed(LISTS.items()):
        command = click.option(option, name, type=kind, metavar="LIST", help=text)(command)
    return command


@click.command("explore", short_help="Sweep configurations: area, clock, power, compression.")
@direction_argument
@list_options
@click.option("--tensors", "packs", metavar="FILE", multiple=True,
              help="Tensors that compression is measured on: packs or models, repeatable.  [default: the sample]")
@click.option("--library", type=click.Choice(list(synth.LIBRARIES)), default="nangate45", show_default=True,
              help="Standard cells to map on.")
@click.option("--activity", type=click.FloatRange(0, 1), default=0.1, show_default=True,
              help="Toggles per net and cycle that power is stated for.")
@click.option("--simulate", is_flag=True, help="Take values per cycle from simulations of the Verilog, not from the "
              "documentation: a minute more for each.")
@click.option("-j", "--jobs", type=click.IntRange(1, 256), help="Configurations at a time.  [default: all cores]")
@click.option("--cluster", metavar="ADDRESS", help="Synthesize on a Dask cluster, tcp://HOST:8786 for instance.")
@click.option("--fresh", is_flag=True, help="Do everything anew, whatever DIR holds.")
@click.option("--list", "only_list", is_flag=True, help="Name the configurations and stop.")
@click.option("-o", "--output", metavar="DIR", default="build/explore", show_default=True, help="Folder to write to.")
@json_option
def explore_command(direction, packs, library, activity, simulate, jobs, cluster, fresh, only_list, output,
                    json_out, **lists):
    """Sweep configurations of the engines: what each costs in area, clock, energy and compression.

    Each LIST is of values with commas between; every combination of them is tried, the rest being the preset's.
    Without a list a selection is taken: the presets, streams against searches, and each parameter by itself. What
    cannot be built is left out, with the reason. A configuration takes about half a minute of a core.

    DIR gets explore.csv, explore.json, explore.md and pictures. What is finished is kept in DIR/points, so the same
    command goes on where it was stopped, and does again only what has changed: Verilog, flow or tools. A failed
    configuration does not stop the others; the exit code is 2 then.

    Loss is in per cent of what a coder of full precision takes with the best tables of up to 64 rows. Area, clock and
    power are before layout, as of `apack synth`. Values per cycle are those of whole blocks with every stream busy.

    \b
    Example:
      apack explore --list
      apack explore decoder --search flash,division --streams 1,2,4,8 -o sweep
      apack explore --preset small,balanced,fast --tensors model.npz
    """
    period = synth.LIBRARIES[library].period_ns
    points, bad = points_of(direction, lists, period)
    skipped = [{"name": point.name, "reason": reason} for point, reason in bad]
    if only_list:
        chosen = {"points": [{"name": point.name} | asdict(point) for point in points], "skipped": skipped}
        show(json_out, chosen, lambda: render_list(points, skipped))
        return 0
    paths = [Path(pack) for pack in packs] or [SAMPLE]
    for path in paths:
        with blame(path), open_model(path):
            pass
    folder = make_folder(output)
    store = explore.Store(make_folder(folder / "points"))
    check_json(json_out)
    if fresh:
        store.clear()
    flow = {"library": library, "activity": activity}
    sweep = Sweep(store, jobs or os.cpu_count() or 1)
    try:
        with blame(folder):
            losses = sweep.compression(points, paths)
            rates = sweep.simulation(points, paths) if simulate else {}
            outcomes = sweep.synthesis(points, flow, cluster)
    except KeyboardInterrupt:
        warn(f"interrupted; {counted(sweep.kept, 'result')} in {store.folder}, the same command goes on from there")
        return 130
    rows = [figures(point, outcomes[point.name], losses_of(point.config, losses), rates.get(point.name))
            for point in points]
    about = {
        "flow": flow | {"default_period_ns": period},
        "tensors": tensor_facts(paths, losses),
        "command": command_line(direction=direction, tensors=packs, simulate=simulate, **lists, **flow),
    }
    with blame(folder):
        data, files = write_report(folder, points, rows, skipped, about)
    reused = sum(outcome.reused for outcome in outcomes.values())
    show(json_out, data, lambda: render(points, rows, data, files, reused))
    return conclude(rows)


def conclude(rows: list[dict]) -> int:
    """Say on stderr what is missing or went wrong; the exit code."""
    if not explore_plot.available():
        warn(explore_plot.MISSING)
    done = [row for row in rows if row["status"] == "done"]
    if done and not any(row["clock_ghz"] for row in done):
        warn(NO_OPENSTA)
    failed = [row for row in rows if row["status"] == "failed"]
    if failed:
        warn(f"{len(failed)} of {counted(len(rows), 'configuration')} failed: {failed[0]['name']}: "
             f"{failed[0]['error']}" + " (and others)"[:14 * (len(failed) > 1)])
    return 2 if failed else 0


def points_of(direction: str, lists: dict, period_ns: float) -> tuple[list[Point], list[tuple[Point, str]]]:
    """The points asked for, and those left out with the reason."""
    given = {name: values for name, values in lists.items() if values is not None}
    if given:
        presets = given.pop("preset", (DEFAULT_PRESET,))
        points = cross(directions(direction), presets, given)
    else:
        points = default_sweep(directions(direction), period_ns)
    good, bad = choose(points)
    if not good:
        raise click.ClickException(f"no configuration is left: {bad[0][0].name}: {bad[0][1]}")
    return good, bad


def render_list(points: list[Point], skipped: list[dict]) -> None:
    """Print the names of the configurations."""
    for point in points:
        preset = preset_of(point)
        say(f"{point.name}  ({preset})" if preset else point.name)
    for left_out in skipped:
        say(f"left out: {left_out['name']}: {left_out['reason']}")
    say(counted(len(points), "configuration"))


class Sweep:
    """The jobs of a sweep, with a progress display.

    Members
    -------
    kept : results that are in the store, found there or made.
    """

    def __init__(self, store: explore.Store, jobs: int):
        self.store, self.jobs, self.kept = store, jobs, 0

    def compression(self, points: list[Point], paths: list[Path]) -> dict[str, dict]:
        """The results of the compression tasks by name; on this machine, where the files are."""
        outcomes = self._run("measuring compression", loss_tasks([point.config for point in points], paths))
        for outcome in outcomes.values():
            if outcome.error:
                raise click.ClickException(f"--tensors: {outcome.error}")
        return {name: outcome.result for name, outcome in outcomes.items()}

    def synthesis(self, points: list[Point], flow: dict, cluster: str | None) -> dict[str, explore.Outcome]:
        """What became of each point, by its name."""
        tasks = [explore.Task(point.name, partial(synthesis_job, point, flow)) for point in points]
        return self._run("synthesizing", tasks, cluster)

    def simulation(self, points: list[Point], paths: list[Path]) -> dict[str, explore.Outcome]:
        """What became of simulating each point, by its name; on this machine."""
        tasks = [explore.Task(point.name, lambda point=point: simulation_job(point, emitted(point), paths))
                 for point in points]
        return self._run("simulating", tasks)

    def _run(self, text: str, tasks: list[explore.Task], cluster: str | None = None) -> dict[str, explore.Outcome]:
        outcomes = {}
        with progress_bar() as bar:
            line = bar.add_task(text, total=len(tasks))
            told = partial(bar.update, line)
            for outcome in explore.run(tasks, self.store, jobs=self.jobs, cluster=cluster,
                                       started=lambda name: told(description=f"{text}, begun: {name}")):
                outcomes[outcome.name] = outcome
                self.kept += outcome.error is None
                bar.advance(line)
        return outcomes


def synthesis_job(point: Point, flow: dict) -> explore.Job:
    """The job of synthesizing an engine."""
    top = f"apack_{point.direction}"
    return explore.synthesis_job(point.name, emitted(point), top, period_ns=point.period_ns, **flow)


@cache
def emitted(point: Point) -> str:
    """The engine's Verilog."""
    with tempfile.TemporaryDirectory(prefix="explore-") as folder:
        return emit(point.config, point.direction, out_dir=folder, **point.options)[0].read_text()


def tensor_facts(paths: list[Path], losses: dict[str, dict]) -> str:
    """What compression was measured on: the files, and what they hold of each width."""
    lines = [
        f"W {name.removeprefix('reference-w').partition('-')[0]}: {counted(result['tensors'], 'tensor')}, "
        f"{result['values']:,} values" for name, result in losses.items() if name.startswith("reference")
    ]
    return f"{', '.join(path.name for path in paths)} ({'; '.join(lines)})"


def command_line(**options) -> str:
    """The command that gives these results again, without what does not decide them."""
    words = ["apack", "explore"]
    for name, value in options.items():
        if name == "direction":
            words += [value]
        elif name == "tensors":
            words += [word for path in value for word in ("--tensors", Path(path).name)]
        elif name == "simulate":
            words += ["--simulate"] * value
        elif value is not None:
            option = {"width": "bits", "period_ns": "period"}.get(name, name).replace("_", "-")
            words += [f"--{option}", ",".join(map(str, value)) if isinstance(value, tuple) else f"{value}"]
    return shlex.join(words)
