"""The footprint of whole models."""

import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import click

from golden.config import DEFAULT_PRESET, PRESETS, CodecConfig
from golden.container import write_atomic
from golden.files import check_regular
from golden.footprint import ACTIVATION_TABLES, Settings, document, model_footprint, workers

from .footprint_tables import PER, render
from .inputs import changed, config_option
from .models import KINDS, make_recipe, quantize_options
from .support import blame, check_json, check_outputs, json_option, progress_bar, show

CODER = ("rows", "prob_bits", "mult_bits", "block")


def coder_options(command):
    """The options of the codec, but the width: each tensor has its own."""
    for name in reversed(CODER):
        command = config_option(name)(command)
    help_text = f"Parameters to start from.  [default: {DEFAULT_PRESET}]"
    return click.option("--preset", type=click.Choice(list(PRESETS)), help=help_text)(command)


@click.command("footprint", short_help="What the tensors of whole models take, against bounds and other schemes.")
@click.argument("models", metavar="MODEL|PACK...", nargs=-1, required=True)
@click.option("--per", type=click.Choice(list(PER)), default="model", show_default=True,
              help="Print a table of the layers or of the tensors, too.")
@click.option("--rivals", metavar="none|all|NAME,...", default="none", show_default=True,
              help="Other schemes to measure on the same tensors.")
@click.option("--activation-tables", type=click.Choice(ACTIVATION_TABLES), default="others", show_default=True,
              help="Where the table of an activation is from: the model's other inputs, the first of them, or the very "
              "tensor.")
@click.option("--verify", is_flag=True, help="Make every file, read it back and compare; slow.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes to work in.")
@click.option("--cluster", metavar="ADDRESS", help="Work on a Dask cluster instead, such as tcp://host:8786.")
@config_option("width")
@coder_options
@quantize_options
@json_option
@click.option("--html", "html_out", metavar="OUT.html", help="Write a report, one file with pictures and all.")
@click.option("--markdown", "markdown_out", metavar="OUT.md", help="Write a table of all models (- for stdout).")
def footprint_command(models, per, rivals, activation_tables, verify, jobs, cluster, json_out, html_out, markdown_out,
                      preset, **options):
    """What APack would do for models: bits of every tensor as .apack, everything counted.

    MODEL is a model file of a kind that `apack tensors` lists, a tensor pack as `apack profile` makes it
    (golden/tensors/README.md), or a folder of such. --bits is for arrays that nothing else is known about. Beside
    APack stand the order-0 entropy, the bound (ideal coding with the best table, table not counted) and, with --rivals,
    other schemes.

    Weights have tables of their own. The table of an activation comes from the other inputs in the pack, since in
    use it is made before the values are known; --activation-tables first takes it from the first input and measures it
    on the others. Figures are of the values that are there; where a pack holds only the beginnings of tensors, the JSON
    has an extrapolation to all of them, too (golden/footprint/FOOTPRINT.md).

    \b
    Example:
      apack footprint golden/sample/sample.npz --per layer
      apack footprint net.tflite --rivals all --jobs 2 --html report.html
    """
    recipe = make_recipe(options)
    check_json(json_out)
    check_outputs(html_out, None if markdown_out == "-" else markdown_out)
    check_different({"--json": json_out, "--html": html_out, "--markdown": markdown_out})
    models, width = model_files(models), options["width"]
    changed(CodecConfig(block=1), {"width": width})  # refuses one that cannot be
    config = changed(PRESETS[preset or DEFAULT_PRESET], {name: options[name] for name in CODER})
    try:
        settings = Settings(config, activation_tables, rival_names(rivals), verify, html_out is not None, width)
    except ValueError as error:
        raise click.ClickException(f"--rivals: {str(error).removeprefix('rivals ')}") from error
    began = time.perf_counter()
    result = measured(models, settings, {"quantize": recipe}, jobs, cluster)
    took = time.perf_counter() - began
    if html_out:
        from golden.report import html  # here: it reads its template

        with blame(html_out):
            write_atomic(html_out, html(result).encode())
        for model in result["models"]:
            for tensor in model["tensors"]:
                del tensor["picture"]
    if markdown_out:
        from golden.report import markdown

        if markdown_out == "-":
            show(json_out, result, lambda: click.echo(markdown(result), nl=False))
            return
        with blame(markdown_out):
            write_atomic(markdown_out, markdown(result).encode())
    show(json_out, result, lambda: render(result, per, took))


def model_files(paths) -> list[str]:
    """The files, with those of the kinds that are read for each folder."""
    found = []
    for path in paths:
        with blame(path):
            check_regular(path)
            inside = [path]
            if Path(path).is_dir():
                inside = sorted(str(file) for file in Path(path).iterdir() if file.suffix.lower() in KINDS.split(", "))
            if not inside:
                raise ValueError(f"a folder without a model file ({KINDS})")
            found += inside
    return found


def check_different(outputs: dict[str, str | None]) -> None:
    """Refuse to write two results into one file."""
    seen = {}
    for option, path in outputs.items():
        if path is None:
            continue
        where = "stdout" if path == "-" else Path(path).absolute()
        if where in seen:
            raise click.ClickException(f"{option}: must go elsewhere than {seen[where]}, not {path}")
        seen[where] = option


def rival_names(text: str) -> tuple[str, ...]:
    """The schemes that ``--rivals`` asks for."""
    if text == "none":
        return ()
    if text == "all":
        from golden.rivals import RIVALS

        return tuple(name for name, rival in RIVALS.items() if not rival.missing())
    return tuple(dict.fromkeys(name.strip() for name in text.split(",")))


def measured(paths, settings: Settings, options: dict, jobs: int, cluster: str | None) -> dict:
    """The document of all models, with progress; errors name the model they are about."""
    models = []
    with connection(jobs, cluster) as submit, progress_bar() as bar:
        for path in paths:
            name = f"verifying {path}" if settings.verify else path
            progress = partial(_advance, bar, bar.add_task(name, total=None), name, time.perf_counter())
            with blame(path):
                models.append(model_footprint(path, settings, options=options, submit=submit, progress=progress))
    return document(settings, models)


@contextmanager
def connection(jobs: int, cluster: str | None):
    """The workers; an error while they are sought is the option's."""
    with ExitStack() as stack:
        with blame("--cluster" if cluster else "--jobs"):
            submit = stack.enter_context(workers(jobs, cluster))
        yield submit


def _advance(bar, task, name: str, began: float, done: int, total: int) -> None:
    speed = done / max(time.perf_counter() - began, 1e-3)
    bar.update(task, completed=done, total=total, description=f"{name}, {speed:.0f} tensors/s" if done else name)
