"""The command line: the one place where golden model, gateware and synthesis meet."""

import io
import sys

import click

from synth import SynthError

from ..simulation.bench import StreamError
from ..simulation.verilator import ToolError
from . import (
    archive,
    bench,
    demo,
    explore,
    footprint,
    hardware,
    memory_image,
    models,
    profile,
    simulate,
    system,
    table,
    tensors,
)
from .support import CONTEXT, warn

COMMANDS = (
    table.table_command, *tensors.COMMANDS, models.tensors_command, profile.profile_command,
    footprint.footprint_command, system.system_command, *archive.COMMANDS,
    memory_image.memory_image_command, hardware.verilog_command,
    simulate.simulate_command, hardware.synth_command, explore.explore_command, bench.bench, demo.demo,
)


class InOrder(click.Group):
    """A group that lists its commands in the order of work, not of the alphabet."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=InOrder, commands=COMMANDS, context_settings=CONTEXT, invoke_without_command=True)
@click.version_option(package_name="apack-hdl", prog_name="apack")
@click.pass_context
def cli(context):
    """APack: lossless compression of fixed-point DNN tensors, in numpy and in hardware.

    \b
    apack table weights.npy                   which rows, and what they buy
    apack compress weights.npy weights.apack  and back with `decompress`
    apack verilog -o rtl                      encoder and decoder as Verilog
    apack simulate weights.npy                the same bytes from the Verilog?
    apack synth                               what does it cost in silicon?
    apack explore                             and what would others cost?
    apack demo                                all of it, on a real network

    `apack COMMAND --help` explains a command. Exit codes: 0 fine, 1 the hardware differs from the golden model, 2 bad
    input or a missing tool, 130 interrupted.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit(2)


def main(args: list[str] | None = None) -> None:
    """Run the command line; ends with SystemExit. Exit codes are in the help of ``cli``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no text at all
    try:
        code = cli.main(args, prog_name="apack", standalone_mode=False)
    except click.ClickException as error:
        code = fail(error.format_message(), 2)
    except (SynthError, ToolError) as error:
        code = fail(str(error), 2)
    except StreamError as error:
        code = fail(f"the hardware is wrong: {error}", 1)
    except (click.Abort, KeyboardInterrupt):
        code = fail("interrupted", 130)
    except SystemExit:  # from click and rich: the reader of our output (head, less) has gone
        code = 141
    sys.exit(code or 0)


def fail(message: str, code: int) -> int:
    """Say in one line on stderr why nothing came of it."""
    warn(" ".join(message.split()))
    return code
