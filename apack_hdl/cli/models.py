"""Model files on the command line: opening them, the options of the quantization recipe, and `apack tensors`."""

import click

from golden.tensors import KINDS, Recipe, open_model
from golden.tensors.recipe import BITS, SCALES_OF

from .support import blame, check_json, counted, json_option, print_table, say, show

QUANTIZE = (
    click.option("--quantize", is_flag=True, help="Make integers of float weights, by a standard recipe: a scale "
                 "for a channel, round to nearest."),
    click.option("--weight-bits", type=click.IntRange(BITS[0], BITS[-1]), help="Bits of those weights.  [default: 8]"),
    click.option("--asymmetric", is_flag=True, help="With a zero point, codes from 0 up; else symmetric about 0."),
    click.option("--scales", type=click.Choice(list(SCALES_OF)), help="From the lowest and highest value, or of the "
                 "least squared error, which few bits need.  [default: extremes]"),
    click.option("--per-tensor", is_flag=True, help="One scale a tensor; else one for each output channel."),
)


def quantize_options(command):
    """Adds ``--quantize`` and what tells how; :func:`make_recipe` takes them."""
    for option in reversed(QUANTIZE):
        command = option(command)
    return command


def make_recipe(options: dict) -> Recipe | None:
    """The recipe that the options of :func:`quantize_options` ask for; they are taken out of ``options``."""
    wanted = options.pop("quantize")
    given = {name: options.pop(name) for name in ("weight_bits", "asymmetric", "scales", "per_tensor")}
    if not wanted:
        for name in filter(given.get, given):
            raise click.ClickException(f"--{name.replace('_', '-')}: only together with --quantize")
        return None
    return Recipe(given["weight_bits"] or 8, not given["asymmetric"], not given["per_tensor"],
                  given["scales"] or "extremes")


@click.command("tensors", short_help="List the tensors of a model file.")
@click.argument("model")
@quantize_options
@json_option
def tensors_command(model, json_out, **options):
    """List the integer tensors of a model file or tensor pack: name, operator, shape, width, role.

    Kinds of file: .tflite, .onnx (QDQ, operators on integers, MatMulNBits), .safetensors (8 and 16 bits, GPTQ, AWQ),
    PyTorch (.pt, .pth, .bin: read without running what they contain), .npy, .npz. What a file holds besides is
    counted, with the reason. Files of floats take --quantize.

    \b
    Example:
      apack tensors model.tflite
      apack tensors model.onnx --quantize --weight-bits 4 --json -
    """
    check_json(json_out)
    recipe = make_recipe(options)
    with blame(model), open_model(model, quantize=recipe) as file:
        entries = [
            {"key": r.key, "name": r.name, "kind": r.kind, "bits": r.bits}
            | {name: r.meta.get(name) for name in ("op", "layer", "role", "shape", "input", "n_total", "n_stored")}
            for r in file.records
        ]
        info = dict(file.info)
    show(json_out, {"model": model, "info": info, "tensors": entries}, lambda: render(model, info, entries))


def render(model: str, info: dict, entries: list[dict]) -> None:
    """Print the list, and what was left out."""
    rows = [
        (e["name"], e["kind"], str(e["op"] or "-"), "x".join(map(str, e["shape"] or ())) or "-", str(e["bits"] or "-"),
         e["role"] or "-")
        for e in entries
    ]
    print_table(f"{model}: {info.get('format', 'tensor pack')}", ("name", "kind", "op", "shape", "bits", "role"), rows)
    values = sum(e["n_total"] or 0 for e in entries)
    say(f"{counted(len(entries), 'tensor')}, {counted(values, 'value')}")
    for left in info.get("skipped", ()):
        say(f"not read: {counted(left['tensors'], 'tensor')}, {counted(left['values'], 'value')}: {left['reason']}")


__all__ = ["KINDS", "make_recipe", "open_model", "quantize_options", "tensors_command"]
