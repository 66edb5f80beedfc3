"""The speed of the golden model."""

from itertools import groupby

import click

from .support import check_json, json_option, print_table, show, steps


@click.command("bench", short_help="Measure the speed of the golden model.")
@click.option("--size", "size_mb", type=click.FloatRange(1, 4096), default=32, show_default=True, metavar="MB",
              help="Size of the tensors.")
@click.option("--repeat", type=click.IntRange(1, 100), default=3, show_default=True, help="Runs of each; best counts.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default="1", help="Seed of the tensors.")
@json_option
def bench(size_mb, repeat, seed, json_out):
    """Measure the golden codec and the table search on one core, beside constriction's coders when installed.

    \b
    Example:
      apack bench --size 16 --json bench.json
    """
    from golden import bench as golden_bench  # here, because nothing else needs it

    check_json(json_out)
    with steps("measuring") as step:
        results = golden_bench.run(size_mb=size_mb, seed=seed, repeat=repeat, progress=step)
    show(json_out, results, lambda: render(results))


def render(results: list[dict]) -> None:
    """Print a table for each tensor; medians and quotients are in the JSON."""
    columns = {"ratio": ".4f", "count_ms": ".1f", "table_ms": ".1f", "encode_mb_s": ".1f", "decode_mb_s": ".1f"}
    for tensor, group in groupby(results, key=lambda result: result["tensor"]):
        print_table(
            tensor,
            ("codec", "ratio", "count ms", "table ms", "encode MB/s", "decode MB/s"),
            ((result["codec"], *(format(result[key], how) for key, how in columns.items())) for result in group),
        )
