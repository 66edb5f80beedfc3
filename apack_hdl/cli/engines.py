"""How the engines are to be built: a preset, and the options that override it."""

from dataclasses import replace

import click

from golden.config import DEFAULT_PRESET, CodecConfig

from ..emit import TOPS, make_engine
from ..layouts import WORD_BITS
from ..presets import PRESETS, EnginePreset
from .inputs import config_options

direction_argument = click.argument("direction", type=click.Choice([*TOPS, "both"]), default="both")
PRESET_LIST = "\b\nPresets:\n" + "\n".join(f"  {name:<9} {preset.use}" for name, preset in PRESETS.items())
OPTIONS = {
    "word": click.option("--word", type=click.Choice(list(map(str, WORD_BITS))),
                         help="Bits of a word of the compressed streams."),
    "streams": click.option("--streams", metavar="S[,S]", help="Streams that an engine serves in turn; two numbers are "
                            "those of encoder and decoder."),
    "search": click.option("--search", metavar="NAME", help="How the decoder finds a value's row: division, "
                           "flash, quaternary, bisection."),
    "banks": click.option("--banks", type=int, metavar="B", help="Tables an engine holds: with 2, one is loaded while "
                          "the other is in use."),
}


def engine_options(command):
    """Adds the options that :func:`make_engines` reads: the codec's, and those of the engines."""
    for option in reversed(OPTIONS.values()):
        command = option(command)
    return config_options(command)


def directions(choice: str) -> list[str]:
    """The engines meant by a ``direction_argument``."""
    return list(TOPS) if choice == "both" else [choice]


def make_engines(options: dict, config: CodecConfig, names=TOPS) -> EnginePreset:
    """The preset that ``--preset`` names, for ``config``, with what the other options change.

    ``names``: the engines that are wanted; the options are checked for these.
    """
    base = PRESETS[options["preset"] or DEFAULT_PRESET]
    own = {name: {} for name in names}
    if options["streams"] is not None:
        for name, streams in zip(TOPS, _numbers("--streams", options["streams"], len(own)), strict=True):
            own.get(name, {})["streams"] = streams
    if options["search"] is not None:
        if "decoder" not in own:
            raise click.ClickException("--search: only the decoder searches")
        own["decoder"]["search"] = options["search"]
    if options["banks"] is not None:
        for changes in own.values():
            changes["banks"] = options["banks"]
    word = base.word if options["word"] is None else int(options["word"])
    engines = replace(base, codec=config, word=word, **{name: getattr(base, name) | own[name] for name in own})
    for name in names:
        _check(engines, name)
    return engines


def _numbers(option: str, text: str, engines: int) -> list[int]:
    """``S`` for all engines, or ``S,S`` for the two."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts) or len(parts) > engines:
        allowed = "a number, or one for the encoder and one for the decoder" if engines > 1 else "a number"
        raise click.ClickException(f"{option}: must be {allowed}, not {text!r}")
    return [int(part) for part in (parts if len(parts) == 2 else parts * 2)]


def _check(engines: EnginePreset, name: str) -> None:
    """Refuse what the component refuses, in the words of the command line."""
    try:
        make_engine(engines.codec, name, engines.options(name))
    except (TypeError, ValueError) as error:
        parameter, _, problem = str(error).partition(" ")
        if parameter not in OPTIONS:
            raise
        raise click.ClickException(f"--{parameter}: {problem}, for the {name}") from error
