"""Whole models in one file, and back."""

import io

import click
import numpy as np

from golden.archive import Archive, archive
from golden.codec import check_array, default_bits
from golden.config import DEFAULT_PRESET, PRESETS
from golden.container import write_atomic

from .footprint import CODER, coder_options
from .inputs import changed
from .models import make_recipe, open_model, quantize_options
from .support import blame, check_json, check_outputs, counted, json_option, print_table, progress_bar, say, show


@click.command("archive", short_help="Put all tensors of a model into one file.")
@click.argument("model")
@click.option("-o", "--output", required=True, metavar="OUT.apka", help="The archive to write.")
@click.option("--kind", type=click.Choice(["all", "weight", "activation"]), default="all", show_default=True,
              help="Which tensors of a pack to take.")
@coder_options
@quantize_options
@json_option
def archive_command(model, output, kind, preset, json_out, **options):
    """Compress the tensors of a model file or tensor pack into one archive: some 25 bytes a tensor less than in files.

    Each has a table of its own. golden/FORMAT.md, section 9, specifies the archive; `apack extract` reads it.

    \b
    Example:
      apack archive golden/sample/sample.npz --kind weight -o sample.apka
    """
    recipe = make_recipe(options)
    check_json(json_out)
    check_outputs(output)
    config = changed(PRESETS[preset or DEFAULT_PRESET], {name: options[name] for name in CODER})
    with blame(model), open_model(model, quantize=recipe) as file, progress_bar() as bar:
        records = [record for record in file.records if kind in ("all", record.kind)]
        if not records:
            raise ValueError(f"--kind: holds no tensor of kind {kind}")
        task, sizes = bar.add_task(model, total=len(records)), []
        data = archive(_tensors(file, records, sizes), config, progress=lambda n: bar.advance(task, n))
    with blame(output):
        write_atomic(output, data)
    raw = sum(sizes) / 8
    result = {"archive": output, "tensors": len(records), "raw_bytes": raw, "archive_bytes": len(data)}
    result["ratio"] = len(data) / raw if raw else None
    ratio = f", ratio {result['ratio']:.4f}" if raw else ""
    show(json_out, result, lambda: say(f"{output}: {counted(len(records), 'tensor')}, {len(data):,} bytes{ratio}"))


def _tensors(file, records, sizes: list[int]):
    """Name, array and width of the tensors, one at a time; their raw bits go into ``sizes``."""
    for name, record in zip(unique_names(records), records, strict=True):
        with blame(name):
            array = check_array("tensor", file.load(record))
            width = record.bits or default_bits(array.dtype)
        sizes.append(array.size * width)
        yield name, array, width


def unique_names(records) -> list[str]:
    """The records' names, with the input for activations of several, and a number where that is not enough."""
    names: dict[str, None] = {}
    for record in records:
        given = record.meta.get("input")
        base = name = record.name if given is None else f"{record.name} [{given}]"
        number = 1
        while name in names:
            number += 1
            name = f"{base} #{number}"
        names[name] = None
    return list(names)


@click.command("extract", short_help="List an archive's tensors, or take some out.")
@click.argument("archive_path", metavar="IN.apka")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("-o", "--output", metavar="OUT.npz", help="Write the tensors (all, or those named) as arrays.")
@json_option
def extract_command(archive_path, names, output, json_out):
    """List the tensors of an archive; with -o, write them as the arrays of an .npz file.

    \b
    Example:
      apack archive golden/sample/sample.npz -o sample.apka
      apack extract sample.apka
      apack extract sample.apka conv2d_0.w_0 -o one.npz
    """
    check_json(json_out)
    check_outputs(output)
    with blame(archive_path), Archive(archive_path) as opened:
        missing = [name for name in names if name not in opened.headers]
        if missing:
            raise ValueError(f"NAME must be that of a tensor in it (apack extract lists them), not {missing[0]!r}")
        chosen = names or tuple(opened.headers)
        entries = [_describe(name, opened.headers[name]) for name in chosen]
        arrays = {name: opened.read(name) for name in chosen} if output else {}
    if output:
        file = io.BytesIO()
        with blame(output):
            _save(file, arrays)
            write_atomic(output, file.getvalue())
    show(json_out, {"archive": archive_path, "tensors": entries}, lambda: render(archive_path, entries))


def _save(file, arrays: dict[str, np.ndarray]) -> None:
    """Like ``np.savez``, whose own parameters' names are no names for arrays there."""
    import zipfile

    with zipfile.ZipFile(file, "w", allowZip64=True) as archived:
        for name, array in arrays.items():
            with archived.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _describe(name: str, header) -> dict:
    rows, width = len(header.table.v_min) if header.table else 0, header.config.width
    return {"name": name, "dtype": header.dtype.str, "shape": list(header.shape), "bits": width, "rows": rows}


def render(path: str, entries: list[dict]) -> None:
    """Print the list."""
    columns = ("name", "dtype", "shape", "bits", "rows")
    rows = (entry | {"shape": "x".join(map(str, entry["shape"])) or "-"} for entry in entries)
    print_table(path, columns, ([str(row[column]) for column in columns] for row in rows))


COMMANDS = (archive_command, extract_command)
