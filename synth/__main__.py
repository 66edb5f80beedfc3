"""`python -m synth FILE.v --top NAME`: the report of one Verilog module, without the rest of the project."""

from pathlib import Path

import click
from rich.console import Console

from . import LIBRARIES, SynthError, synthesize


@click.command()
@click.argument("verilog", type=click.Path(path_type=Path))
@click.option("--top", required=True, help="Module to synthesize.")
@click.option("--library", default="nangate45", show_default=True, help=f"Cells: {', '.join(LIBRARIES)}.")
@click.option("--target", help="ecp5: place and route for an FPGA instead of standard cells.")
@click.option("--period", "period_ns", type=float, help="Clock period to aim at, in ns.")
@click.option("--activity", type=float, default=0.1, show_default=True, help="Transitions per net and cycle.")
@click.option("--values-per-cycle", type=float, help="To state values/s and energy per value.")
@click.option("--flatten/--keep-hierarchy", default=True, help="Keep the hierarchy: faster for very large designs.")
@click.option("--clock-gating/--no-clock-gating", default=True, help="Whether enables may stop clocks.")
@click.option("--build", type=click.Path(path_type=Path), default=Path("build/synth"), show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the report as JSON.")
@click.option("--markdown", "markdown_path", type=click.Path(path_type=Path), help="Write it as Markdown.")
def main(verilog, top, build, json_path, markdown_path, **options):
    """Area, clock and power of module TOP in the file VERILOG."""
    console = Console()
    try:
        with console.status("starting") as status:
            report = synthesize(
                verilog,
                top,
                build_dir=build,
                progress=status.update,
                **options,
            )
        report.write(json_path, markdown_path)
    except (SynthError, TypeError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None
    report.render(console)


if __name__ == "__main__":
    main()
