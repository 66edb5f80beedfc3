"""The speed of the golden model."""

import click
from rich.table import Table

from .support import json_option, out, progress_bar, show


@click.command("bench")
@click.option("--size", "size_mb", type=click.FloatRange(1, 4096), default=32, show_default=True, metavar="MB",
              help="Size of the tensors.")
@click.option("--repeat", type=click.IntRange(1, 100), default=3, show_default=True, help="Runs of each; best counts.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the tensors.")
@json_option
def bench(size_mb, repeat, seed, json_out):
    """Measure the golden codec and the table search on one core, beside constriction's coder when installed.

    \b
    Example:
      apack bench --size 16 --json bench.json
    """
    from golden import bench as golden_bench  # here, because it looks for the packages it compares with

    with progress_bar() as bar:
        task = bar.add_task("measuring", total=None)
        results = golden_bench.run(size_mb=size_mb, seed=seed, repeat=repeat,
                                   progress=lambda text: bar.update(task, description=text))
    show(json_out, results, lambda: render(results))


def render(results: list[dict]) -> None:
    """Print one line per measurement."""
    grid = Table()
    columns = list(results[0])
    for column in columns:
        grid.add_column(column.replace("_", " "), justify="left" if isinstance(results[0][column], str) else "right")
    for result in results:
        grid.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in result.values()))
    out.print(grid)
