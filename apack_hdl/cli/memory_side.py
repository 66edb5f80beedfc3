"""How the memory-side block is to be built: options that go with ``--memory-side``."""

import click

from ..memory_side.parameters import DATA_WIDTHS, ORDERS, MemorySide
from .engines import make_engines
from .inputs import make_config
from .support import blame

BLOCK = MemorySide().codec.block  # values; the engines' buffers are as long, so it is less than in files
OPTIONS = {
    "engines": click.option("--engines", type=int, metavar="E", help="Of the block: encoders, and as many decoders, "
                            "1..64.  [default: 4]"),
    "data_width": click.option("--data-width", type=click.Choice(list(map(str, DATA_WIDTHS))),
                               help="Of the block: bits of the memory's AXI data bus.  [default: 64]"),
    "address_width": click.option("--address-width", type=int, metavar="A", help="Of the block: bits of a memory "
                                  "address, 32..64.  [default: 40]"),
    "stream_width": click.option("--stream-width", type=int, metavar="T", help="Of the block: bits of TDATA, 32..1024. "
                                 " [default: room for a value of each engine]"),
    "order": click.option("--order", type=click.Choice(ORDERS), help="Of the block: in which decoded blocks leave.  "
                          "[default: in order]"),
    "queue": click.option("--queue", type=int, metavar="J", help="Of the block: jobs that can wait, 4..64.  "
                          "[default: 8]"),
    "tables": click.option("--tables", type=int, metavar="K", help="Of the block: tables it holds, 1..16.  "
                           "[default: 4]"),
    "outstanding": click.option("--outstanding", type=int, metavar="B", help="Of the block: bursts under way in each "
                                "direction, 1..64.  [default: 8]"),
    "burst": click.option("--burst", type=int, metavar="L", help="Of the block: beats of a burst at most, 1..256.  "
                          "[default: 16]"),
}


def memory_side_options(flag_help: str):
    """Adds ``--memory-side``, with this help, and the options of the block."""

    def add(command):
        for option in reversed(OPTIONS.values()):
            command = option(command)
        return click.option("--memory-side", is_flag=True, help=flag_help)(command)

    return add


def take_options(options: dict, memory_side: bool) -> dict:
    """Remove the block's options from ``options``; those that were given. Refuses them without ``--memory-side``."""
    given = {name: value for name in OPTIONS if (value := options.pop(name)) is not None}
    if given and not memory_side:
        raise click.ClickException(f"--{next(iter(given)).replace('_', '-')}: only with --memory-side")
    return given


def make_memory_side(given: dict, options: dict) -> MemorySide:
    """The parameters that the options ask for: ``given`` by :func:`take_options`, ``options`` of the engines."""
    for name, only in (("word", "32"), ("banks", 1)):
        if options[name] not in (None, only):
            raise click.ClickException(f"--{name}: must be {only} with --memory-side, not {options[name]}")
    codec = make_config(options | {"block": options["block"] or BLOCK})
    engines = make_engines(options, codec)
    numbers = given | {"data_width": int(given["data_width"])} if "data_width" in given else given
    try:
        return MemorySide(codec, encoder=dict(engines.encoder), decoder=dict(engines.decoder), **numbers)
    except ValueError as error:
        name, _, problem = str(error).partition(" ")
        with blame(f"--{name.replace('_', '-')}"):
            raise ValueError(problem) from error


def refuse(**options) -> None:
    """Options that the block has no use for."""
    for name, value in options.items():
        if value:
            raise click.ClickException(f"--{name}: not with --memory-side")


def refuse_alone(**options) -> None:
    """Options that only the block has a use for."""
    for name, value in options.items():
        if value is not None:
            raise click.ClickException(f"--{name}: only with --memory-side")
