"""The command line: the one place where golden model, gateware and synthesis meet."""

import sys

import click

from . import bench, demo, hardware, tensors
from .support import CONTEXT


@click.group(context_settings=CONTEXT)
@click.version_option(package_name="apack-hdl", prog_name="apack")
def cli():
    """APack: lossless compression of fixed-point DNN tensors, in numpy and in hardware.

    \b
    apack table weights.npy                   what would it buy, and with which rows
    apack compress weights.npy weights.apack  and back with `decompress`
    apack verilog -o rtl                      encoder and decoder as Verilog
    apack simulate weights.npy                the same bytes from the Verilog?
    apack synth                               what does it cost in silicon
    """


for command in (*tensors.COMMANDS, *hardware.COMMANDS, bench.bench, demo.demo):
    cli.add_command(command)


def main(args: list[str] | None = None) -> None:
    """Run the command line. Bad input ends in one line on stderr and exit code 2, an interrupt in 130."""
    try:
        code = cli.main(args, prog_name="apack", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 2
    except click.ClickException as error:
        click.echo(f"apack: {' '.join(error.format_message().split())}", err=True)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("apack: interrupted", err=True)
        code = 130
    except BrokenPipeError:  # the reader of our output (head, less) has gone
        sys.stderr.close()
        code = 141
    sys.exit(code or 0)
