"""The command table: which rows a tensor gets, and what they buy."""

import click
import numpy as np

from golden import codec, search
from golden.table import SymbolTable

from .inputs import TENSOR, config_options, make_config, read_tensor
from .plot import check_plot, draw_histogram
from .support import blame, check_json, check_outputs, counted, json_option, print_table, say, show, write_json


@click.command("table", short_help="Find the symbol table of a tensor.")
@click.argument("specs", metavar=f"{TENSOR}...", nargs=-1, required=True)
@config_options
@click.option("--method", type=click.Choice(["optimal", "heuristic"]), default="optimal", show_default=True,
              help="Shortest-path search, or step-by-step improvement of equal rows, for comparison.")
@click.option("--cover-all", is_flag=True, help="Give every value a code, seen or not (tables for activations).")
@click.option("-o", "--output", metavar="T.json", help="Write the table, for compress --table and simulate --table.")
@click.option("--plot", metavar="OUT.png|.svg|.pdf", help="Draw the histogram with its rows.")
@json_option
def table_command(specs, method, cover_all, output, plot, json_out, **options):
    """Find the symbol table of a tensor, and say what it buys.

    Several tensors (say, one activation profiled on several inputs) are taken as one: all values must be signed or
    all unsigned numbers of --bits bits.

    \b
    Example:
      apack table weights.npy -o weights.json --plot weights.png
      apack table acts.npz:run0 acts.npz:run1 --cover-all -o acts.json
    """
    check_outputs(output, plot)
    check_json(json_out)
    if plot:
        check_plot(plot)
    tensors = [(spec, read_tensor(spec)) for spec in specs]
    config = make_config(options, *tensors)
    histogram = np.zeros(config.values, np.int64)
    for spec, array in tensors:
        with blame(spec):
            codes, _ = codec.to_codes(array, config.width)
        histogram += search.histogram(codes, config.width)
    signed = is_signed(tensors, config.width)
    result = search.search_table(config, histogram, method=method, cover_all=cover_all)
    if output:
        write_json(output, result.table.to_dict())
    if plot:
        draw_histogram(plot, result.table, histogram, specs, signed)
    data = {"tensors": list(specs), "signed": signed, **figures(result, histogram)}
    show(json_out, data, lambda: render(result.table, data, histogram))


def is_signed(tensors: list[tuple[str, np.ndarray]], width: int) -> bool:
    """Whether the tensors, taken as one, are two's complement; refused if some must be and others cannot."""
    filled = [tensor for tensor in tensors if tensor[1].size]
    any_signed = any(array.dtype.kind == "i" for _, array in tensors)
    if not filled:
        return any_signed
    half = 1 << (width - 1)
    low, least = min((int(array.min()), spec) for spec, array in filled)
    high, most = max((int(array.max()), spec) for spec, array in filled)
    if low < 0 and high >= half:
        raise click.ClickException(
            f"{most}: values of all tensors must be in {-half}..{half - 1} or all in 0..{2 * half - 1}, "
            f"not {high} here and {low} in {least}"
        )
    return any_signed and high < half


def figures(result: search.SearchResult, histogram: np.ndarray) -> dict:
    """What a search found, for JSON: bits per value where the name says so."""
    values, width = int(histogram.sum()), result.table.config.width

    def per_value(bits):
        return bits / values if values else None

    return {
        "method": result.method,
        "values": values,
        "width": width,
        "entropy_bits_per_value": per_value(result.entropy_bits),
        "bound_bits_per_value": per_value(result.bound_bits),
        "table_bits_per_value": per_value(result.cost_bits),
        "gap_bits_per_value": per_value(result.gap_bits),
        "exact": result.exact,
        "ratio": per_value(result.cost_bits / width),
        "floor_ratio": per_value(result.entropy_bits / width),
        "covers_all": result.table.covers_all(),
        "offset_bits": list(result.table.offset_bits),
        "table": result.table.to_dict(),
    }


def row_label(table: SymbolTable, row: int, signed: bool) -> str:
    """The values of a row, as the tensor's user sees them."""
    half, size = table.config.values // 2, table.config.values
    first, last = table.v_min[row], table.v_min[row] + table.sizes[row] - 1

    def span(a, b):
        return str(a) if a == b else f"{a}..{b}"

    if not signed or last < half:
        return span(first, last)
    if first >= half:
        return span(first - size, last - size)
    return f"{span(first, half - 1)}, {span(-half, last - size)}"


def render(table: SymbolTable, data: dict, histogram: np.ndarray) -> None:
    """Print the rows, and the cost beside the entropy."""
    values = data["values"]
    seen = np.add.reduceat(histogram, table.v_min)
    print_table(
        f"{', '.join(data['tensors'])}: {counted(len(table.v_min), 'row')}, {counted(values, 'value')} of "
        f"{data['width']} bits, {data['method']}",
        ("row", "values", "v_min", "offset bits", f"count/{table.config.total}", "share"),
        (
            (f"{row:>2}", row_label(table, row, data["signed"]), str(v_min), str(table.offset_bits[row]),
             str(table.counts[row]), f"{seen[row] / values:.2%}" if values else "-")
            for row, v_min in enumerate(table.v_min)
        ),
    )
    if not values:
        say("no values: any table will do")
        return
    say(f"order-0 entropy {data['entropy_bits_per_value']:.4f} bits/value, {data['floor_ratio']:.4f} of raw")
    say(f"with this table {data['table_bits_per_value']:.4f} bits/value, {data['ratio']:.4f} of raw")
    if not data["exact"]:
        say(f"a better cut would save some {data['gap_bits_per_value']:.6f} bits/value, by estimate")
