"""What compression is worth to an accelerator."""

import os
from importlib.util import find_spec
from pathlib import Path

import click

from golden.container import write_atomic
from golden.footprint import Settings

from .footprint import check_different, measured, rival_names
from .models import make_recipe, quantize_options
from .support import blame, check_json, check_outputs, json_option, print_table, progress_bar, say, show, steps


def print_file(context, _, name: str | None) -> None:
    """Print a file that comes with the project, and end."""
    if name and not context.resilient_parsing:
        from golden.system.fields import packaged

        path = packaged("memories.toml") if name == "memories" else packaged("machines", f"{name}.toml")
        click.echo(path.read_text("utf-8"), nl=False)
        context.exit()


@click.command("system", short_help="Time and energy of models on an accelerator, with and without compression.")
@click.argument("models", metavar="MODEL|PACK...", nargs=-1, required=True)
@click.option("--machine", "machine_name", metavar="NAME|FILE.toml", default="tensorcore", show_default=True,
              help="The accelerator: tensorcore, tpu, npu, or a file laid out as theirs (--print).")
@click.option("--memory", "memory_name", metavar="NAME|FILE.toml:NAME", default="ddr4-3200", show_default=True,
              help="The memory: ddr4-3200, ddr4-2400, lpddr4, lpddr5, hbm2, hbm3, pcm, or one of your own file.")
@click.option("--print", type=click.Choice(["tensorcore", "tpu", "npu", "memories"]), is_eager=True, expose_value=False,
              callback=print_file, help="Print that machine's file, or the memories', to start your own from, and end.")
@click.option("--batch", type=click.IntRange(1, 65536), default=1, show_default=True,
              help="Inputs at once; with --context, texts at once.")
@click.option("--context", type=click.IntRange(0, 1 << 24), default=0, metavar="TOKENS",
              help="Transformers: one more token after so many, all weights and the cache of keys and values read for "
                   "it. 0: whole inputs.")
@click.option("--rivals", metavar="none|all|NAME,...", default="none", show_default=True,
              help="Other schemes; they get codecs that cost neither time nor energy.")
@click.option("--footprint", "footprint_in", metavar="F.json",
              help="Take ratios from `apack footprint --json F.json` instead of measuring them.")
@click.option("--synth", "synth_dir", metavar="DIR",
              help="Take clock, rate and energy of the engines from reports of `apack synth`, such as build/synth.")
@click.option("--study/--no-study", default=True, help="Vary bandwidth, buffers, engines, latency, block length, too.")
@click.option("--per", type=click.Choice(["model", "layer"]), default="model", show_default=True,
              help="Print a table of the layers, too.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes to measure ratios.")
@quantize_options
@json_option
@click.option("--html", "html_out", metavar="OUT.html", help="Write a report, one file with pictures and all.")
@click.option("--plots", "plots_out", metavar="PREFIX",
              help="Write PREFIX-roofline.svg, -layers.svg, -energy.svg of the first model, -gains.svg of all.")
def system_command(models, machine_name, memory_name, batch, context, rivals, footprint_in, synth_dir, study, per, jobs,
                   json_out, html_out, plots_out, **options):
    """What APack is worth to a whole accelerator: speedup, energy, traffic, and what memory would do.

    Layers are made of the shapes of a pack's or model's tensors; for each the tiles that move the fewest bytes are
    searched. A layer takes the longest of compute, memory, decoders and encoders, and what cannot overlap, the first
    blocks' latency among it. golden/system/README.md has the equations and the source of every constant.

    Lines of the table: "apack" has every tensor coded by the machine's engines; "apack, chosen" stores each raw or in
    blocks of the length that suits it; "ideal engines" cost neither time nor energy; "floor" is order-0 entropy.

    \b
    Example:
      apack system golden/sample/sample.npz --html system.html
      apack system net.npz --machine npu --memory lpddr4 --rivals all
      apack system --print npu > mine.toml
      apack system net.npz --machine mine.toml
      apack system bert.npz --context 512 --batch 4
    """
    recipe = make_recipe(options)
    check_json(json_out)
    pictures = [f"{plots_out}-{name}.svg" for name in ("roofline", "layers", "energy", "gains")] if plots_out else []
    check_outputs(html_out, *pictures)
    check_different({"--json": json_out, "--html": html_out})
    if (html_out or plots_out) and find_spec("matplotlib") is None:
        raise click.ClickException(f"{'--html' if html_out else '--plots'} needs matplotlib: "
                                   "pip install 'apack-hdl[plot]'")
    from golden.system import Options, system_document

    machine, memory = load_parts(machine_name, memory_name, synth_dir)
    for path in models:
        with blame(path):
            os.stat(path)
    what = Options(batch, context, study)
    figures = ratios(models, footprint_in, rivals, recipe, jobs)
    found = run_models(figures, machine, memory, what, recipe)
    document = system_document(found, machine, memory, what)
    write_pictures(document, html_out, pictures)
    show(json_out, document, lambda: render(document, per))


def load_parts(machine_name: str, memory_name: str, synth_dir: str | None):
    """The machine and the memory."""
    from golden.system import load_machine, load_memory, with_reports

    with blame(f"--machine {machine_name}"):
        machine = load_machine(machine_name)
    with blame(f"--memory {memory_name}"):
        memory = load_memory(memory_name)
    if synth_dir:
        with blame(f"--synth {synth_dir}"):
            machine = with_reports(machine, *(report_of(Path(synth_dir), side) for side in ("decoder", "encoder")))
    return machine, memory


def report_of(folder: Path, side: str) -> Path:
    """The one report of standard cells that there is of an engine."""
    files = [path for path in sorted(folder.glob(f"{side}_*.json")) if '"cells": {' in path.read_text("utf-8")]
    if len(files) != 1:
        raise ValueError(f"must have one report {side}_LIBRARY.json of standard cells, not "
                         f"{', '.join(path.name for path in files) or 'none'}")
    return files[0]


def ratios(models, footprint_in: str | None, rivals: str, recipe, jobs: int) -> list[dict]:
    """The figures of each model, measured or from a footprint, each with its ``block``."""
    if footprint_in is None:
        try:
            settings = Settings(rivals=rival_names(rivals))
        except ValueError as error:
            raise click.ClickException(f"--rivals: {str(error).removeprefix('rivals ')}") from error
        document = measured(models, settings, {"quantize": recipe}, jobs, None)
        return [model | {"block": settings.config.block} for model in document["models"]]
    if rivals != "none":
        raise click.ClickException("--rivals: not together with --footprint, which has those it was made with")
    from golden.system.checked import models_of, read_footprint

    with blame(footprint_in):
        return models_of(read_footprint(footprint_in), models)


def run_models(figures: list[dict], machine, memory, what, recipe) -> list[dict]:
    """Each model on the machine, with progress."""
    from golden.system import model_system

    found = []
    with progress_bar() as bar:
        task = bar.add_task("on the machine", total=len(figures))
        for model in figures:
            bar.update(task, description=f"on the machine: {model['name']}")
            with blame(model["name"]):
                found.append(model_system(model, machine, memory, what, quantize=recipe))
            bar.advance(task)
    return found


def write_pictures(document: dict, html_out: str | None, files: list[str]) -> None:
    """The report and the pictures that were asked for."""
    if not html_out and not files:
        return
    from golden.system.page import html
    from golden.system.plots import picture_of_gains, pictures

    with steps("drawing"):
        drawn = [pictures(document, model) for model in document["models"][: None if html_out else 1]]
        all_models = picture_of_gains(document)
    if html_out:
        with blame(html_out):
            write_atomic(html_out, html(document, drawn, all_models).encode())
    for path, data in zip(files, [*drawn[0].values(), all_models], strict=False):
        with blame(path):
            write_atomic(path, data)


def render(document: dict, per: str) -> None:
    """Print tables."""
    from golden.system import tables

    say(f"{document['machine']['title']}; {document['memory']['title']}")
    for model in document["models"]:
        for line in tables.warning(model):
            say(line)
        print_table(f"{model['name']}: {model['macs'] / 1e6:,.1f} million MACs", *tables.scheme_rows(model))
        print_table("where the time goes that compression alone would save", *tables.lost_rows(model["schemes"]))
        if per == "layer":
            print_table("", *tables.layer_rows(model))
        if "answers" in model:
            print_table("break-even ratio (free engines always pay), and memory to be as fast as raw",
                        *tables.need_rows(document, model["answers"]["schemes"]))
            print_table("with a parameter multiplied; decoders of so many streams",
                        *tables.sensitivity_rows(model["answers"]["schemes"], ("speedup",)))
            print_table("with another memory, chosen", *tables.technology_rows(model["answers"]))
            print_table("with one block length, all coded", *tables.block_rows(model["answers"]))
        for line in tables.answer_lines(document, model):
            say(line)
    if len(document["models"]) > 1:
        means = document["summary"]
        if document["options"]["study"]:
            print_table("means of break-even and of memory", *tables.need_rows(document, means))
            print_table("means with a parameter multiplied", *tables.sensitivity_rows(means, ("speedup",)))
        print_table("means of where the time goes", *tables.lost_rows(means))
        print_table("each scheme's geometric means", *tables.summary_rows(document))
        print_table("APack, chosen, and with ideal engines", *tables.model_rows(document))
