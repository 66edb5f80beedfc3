"""Capturing a network's activations on real inputs."""

import click

from golden.tensors import profile as profiling
from golden.tensors.feeds import Preparation, find_files
from golden.tensors.recipe import BITS

from .models import make_recipe, quantize_options
from .support import blame, check_json, check_outputs, counted, json_option, progress_bar, say, show


@click.command("profile", short_help="Run a model on real inputs; keep its activations in a tensor pack.")
@click.argument("model")
@click.argument("more", nargs=-1, metavar="")
@click.option("--inputs", multiple=True, required=True, metavar="DIR|FILE",
              help="Pictures, .wav, .npy, .npz (arrays named as the network's inputs), or folders of them.")
@click.option("-o", "--output", required=True, metavar="PACK.npz", help="The tensor pack to write.")
@click.option("--preprocess", default="", metavar="NAME=VALUE,...", help="How files become numbers, see above.")
@click.option("--set", "constants", multiple=True, metavar="INPUT=NUMBER",
              help="Give an input of the network a value that never changes.")
@click.option("--carry", multiple=True, metavar="INPUT=OUTPUT",
              help="Feed an output back as an input in the next step, zeros first: the state of a recurrent network.")
@click.option("--values", type=click.IntRange(1), default=profiling.VALUES, show_default=True, metavar="N",
              help="Keep the first N values of each activation of each input; how many there were is noted.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after N inputs.")
@click.option("--no-weights", is_flag=True, help="Keep activations only.")
@quantize_options
@click.option("--activation-bits", type=click.IntRange(BITS[0], BITS[-1]), help="With --quantize: bits of "
              "activations.  [default: 8]")
@json_option
def profile_command(model, more, inputs, output, preprocess, constants, carry, values, limit, no_weights,
                    activation_bits, json_out, **options):
    """Run a .tflite or .onnx model on real inputs and write its weights and quantized activations as a tensor pack.

    Each file is one input, so that tables made from some inputs can be measured on others; with steps=N, N
    successive windows or slices of a file are one. Float ONNX models take --quantize (scales of activations: their
    extremes over all inputs).

    \b
    --preprocess takes, separated by commas:
      pictures  size=HxW fit=stretch|crop order=rgb|bgr
                span=LOW..HIGH mean=M std=S: pixels 0..255 become LOW..HIGH,
                by default 0..1, then (x - M) / S; M and S are one number, or
                one for each channel, as 0.485/0.456/0.406; a quantized input
                takes its whole range of codes by default
      sound     rate=HZ window=SAMPLES hop=SAMPLES
      all       steps=N

    \b
    Example:
      apack profile net.tflite --inputs pictures -o net.npz
      apack profile vad.onnx --quantize --inputs speech.wav -o vad.npz \\
          --preprocess window=512,steps=100 --carry state=stateN --set sr=16000
      apack footprint net.npz vad.npz
    """
    check_outputs(output)
    check_json(json_out)
    recipe = make_recipe(options)
    if activation_bits and recipe is None:
        raise click.ClickException("--activation-bits: only together with --quantize")
    with blame("--preprocess"):
        how = Preparation.parse(preprocess)
    with blame("--inputs"):
        files = find_files((*inputs, *more))  # more: --inputs *.png, when the shell has filled in the star
    pairs = {"--set": constants, "--carry": carry}
    given = {name: dict(pair(name, text) for text in texts) for name, texts in pairs.items()}
    with blame(model), progress_bar() as bar:
        task = bar.add_task(model, total=None)
        info = profiling.profile(
            model, files, output, how=how, values=values, quantize=recipe, activation_bits=activation_bits or 8,
            constants=given["--set"], carry=given["--carry"], limit=limit or 0, weights=not no_weights,
            progress=lambda what, done: bar.update(task, description=f"{model}: {what}", completed=done),
        )
    show(json_out, info, lambda: render(output, info))


def render(output: str, info: dict) -> None:
    """Print what was kept, and how close a network quantized here is to the float one."""
    say(f"{output}: {counted(info['tensors'], 'tensor')}, {counted(len(info['inputs']), 'input')}")
    for name, decibels in info["output_sqnr_db"].items():
        say(f"output {name}: {'exact' if decibels is None else f'{decibels} dB'} against the float network")


def pair(option: str, text: str) -> tuple[str, str]:
    """The two sides of NAME=VALUE; names may have colons, not equal signs."""
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise click.ClickException(f"{option}: must be INPUT=VALUE, not {text!r}")
    return name, value
