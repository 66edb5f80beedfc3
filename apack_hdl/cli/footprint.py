"""The footprint of whole models."""

from functools import partial

import click

from golden.config import CodecConfig
from golden.footprint import pack_footprint
from golden.tensors.packs import Pack

from .inputs import changed, config_option
from .support import blame, check_json, json_option, print_table, progress_bar, say, show


@click.command("footprint", short_help="Add up what the tensors of whole models take.")
@click.argument("packs", metavar="PACK.npz...", nargs=-1, required=True)
@config_option("mult_bits")
@config_option("block")
@json_option
def footprint_command(packs, mult_bits, block, json_out):
    """Compress and restore every tensor of tensor packs, each with a table of its own, and add up the bits.

    A pack is an .npz of integer tensors, described by its array `meta` if it has one (golden/sample/README.md).
    Everything is counted: header, table, directory, checksums and padding.

    \b
    Example:
      apack footprint golden/sample/sample.npz --json footprint.json
    """
    check_json(json_out)
    config = changed(CodecConfig(), {"mult_bits": mult_bits, "block": block})
    models = []
    for path in packs:
        with blame(path), Pack(path) as pack, progress_bar() as bar:
            task = bar.add_task(path, total=len(pack.records))
            progress = partial(_advance, bar, task)
            totals = pack_footprint(pack, config, progress=progress)
        models.append({"name": path, "totals": totals})
    show(json_out, {"config": config.to_dict(), "models": models}, lambda: render(models))


def _advance(bar, task, done: int, _: int) -> None:
    bar.update(task, completed=done)


def footprint_rows(totals: dict[str, dict], kinds) -> list[tuple[str, ...]]:
    """A row of text for each kind of tensor: ratios to raw bits, and how far the files are above the bound."""
    rows = []
    for kind in kinds:
        s = totals[kind]
        ratios = [f"{s[f'{name}_bits'] / s['raw_bits']:.4f}" for name in ("floor", "bound", "apack")]
        above = f"{s['apack_bits'] / s['bound_bits'] - 1:+.3%}" if s["bound_bits"] else "-"
        rows.append((kind, str(s["tensors"]), f"{s['values']:,}", *ratios, above))
    return rows


COLUMNS = ("tensors", "count", "values", "entropy", "bound", "APack", "to bound")
LEGEND = "ratios to raw bits; bound: the best table of 16 rows, itself not counted"


def render(models: list[dict]) -> None:
    """Print a table for each model."""
    for model in models:
        totals = {kind: s for kind, s in model["totals"].items() if s["raw_bits"]}
        print_table(model["name"], COLUMNS, footprint_rows(totals, totals))
    say(LEGEND)
