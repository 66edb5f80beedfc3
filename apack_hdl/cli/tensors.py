"""Commands on tensors: table, compress, decompress, info."""

import os
from pathlib import Path

import click
import numpy as np
from rich.table import Table

from golden import codec, search
from golden.container import Reader, compress, write_atomic
from golden.table import SymbolTable

from .support import (
    blame,
    config_options,
    err,
    json_option,
    make_config,
    out,
    progress_bar,
    read_table,
    read_tensor,
    show,
    write_json,
)

TENSOR = click.argument("tensor", metavar="IN.npy|IN.npz:KEY")


@click.command("table")
@click.argument("tensors", metavar="IN.npy|IN.npz:KEY...", nargs=-1, required=True)
@config_options
@click.option("--method", type=click.Choice(["optimal", "heuristic"]), default="optimal", show_default=True,
              help="Shortest-path search, or step-by-step improvement of equal rows, for comparison.")
@click.option("--cover-all", is_flag=True, help="Give every value a code, seen or not (tables for activations).")
@click.option("-o", "--output", metavar="T.json", help="Write the table, for compress --table and simulate --table.")
@click.option("--plot", metavar="OUT.png|.svg", help="Draw the histogram with its rows.")
@json_option
def table_command(tensors, method, cover_all, output, plot, json_out, **options):
    """Find the symbol table of a tensor, and say what it buys.

    Several tensors (say, one activation profiled on several inputs) are summed into one histogram.

    \b
    Example:
      apack table weights.npy -o weights.json --plot weights.png
      apack table acts.npz:run0 acts.npz:run1 --cover-all -o acts.json
    """
    arrays = [read_tensor(spec) for spec in tensors]
    with blame(tensors[0]):
        codec.check_array("array", arrays[0])
    config = make_config(options, arrays[0].dtype)
    total, signed = np.zeros(config.values, np.int64), False
    for spec, array in zip(tensors, arrays, strict=True):
        with blame(spec):
            codes, is_signed = codec.to_codes(array, config.width)
            total += search.histogram(codes, config.width)
            signed |= is_signed
    with blame(tensors[0]):
        result = search.search_table(config, total, method=method, cover_all=cover_all)
    if output:
        write_json(output, result.table.to_dict())
    if plot:
        from .plot import draw_histogram

        draw_histogram(plot, result.table, total, ", ".join(tensors), signed)
    data = table_data(result, total)
    show(json_out, data, lambda: render_table(result.table, data, total, signed))


def table_data(result, histogram) -> dict:
    """Figures of a search, for JSON: bits per value where the name says so."""
    values = int(histogram.sum())

    def per_value(bits):
        return bits / values if values else None

    return {
        "method": result.method,
        "values": values,
        "width": result.table.config.width,
        "entropy_bits_per_value": per_value(result.entropy_bits),
        "bound_bits_per_value": per_value(result.bound_bits),
        "table_bits_per_value": per_value(result.cost_bits),
        "gap_bits_per_value": per_value(result.gap_bits),
        "exact": result.exact,
        "ratio": per_value(result.cost_bits / result.table.config.width),
        "floor_ratio": per_value(result.entropy_bits / result.table.config.width),
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


def render_table(table: SymbolTable, data: dict, histogram, signed: bool) -> None:
    """Print the rows, and the cost beside the entropy."""
    grid = Table(title=f"{len(table.v_min)} rows, {data['values']:,} values of {data['width']} bits, {data['method']}")
    grid.add_column("row", justify="right")
    grid.add_column("values", justify="right")
    for name in ("v_min", "offset bits", f"count / {table.config.total}", "share of values"):
        grid.add_column(name, justify="right")
    seen = np.add.reduceat(histogram, table.v_min)
    for row, v_min in enumerate(table.v_min):
        share = f"{seen[row] / data['values']:.2%}" if data["values"] else "-"
        grid.add_row(str(row), row_label(table, row, signed), str(v_min), str(table.offset_bits[row]),
                     str(table.counts[row]), share)
    out.print(grid)
    if not data["values"]:
        out.print("the tensor is empty: any table will do")
        return
    out.print(f"order-0 entropy {data['entropy_bits_per_value']:.4f} bits/value ({data['floor_ratio']:.4f} of raw), "
              f"with this table {data['table_bits_per_value']:.4f} ({data['ratio']:.4f} of raw)")
    if not data["exact"]:
        out.print(f"a finer set of boundaries would save at most {data['gap_bits_per_value']:.6f} bits/value")


@click.command("compress")
@TENSOR
@click.argument("output", metavar="OUT.apack")
@config_options
@click.option("--table", "table_path", metavar="T.json", help="Use this table instead of one made from the tensor.")
@click.option("--method", type=click.Choice(["optimal", "heuristic"]), default="optimal", show_default=True,
              help="How to make the table.")
@json_option
def compress_command(tensor, output, table_path, method, json_out, **options):
    """Compress a tensor into an .apack file.

    With --table, parameters are those of the table; only --block can differ.

    \b
    Example:
      apack compress model.npz:conv1 conv1.apack
      apack compress nibbles.npy nibbles.apack --bits 4
    """
    array = read_tensor(tensor)
    with blame(tensor):
        codec.check_array("array", array)
    how = {"method": method}
    if table_path:
        how = {"table": read_table(table_path), "block": options["block"], "bits": options["width"]}
        refuse_parameters(options)
    else:
        how["config"] = make_config(options, array.dtype)
    with progress_bar() as bar:
        task = bar.add_task(f"compressing {tensor}", total=array.size)
        with blame(tensor):
            data = compress(array, **how, progress=lambda done, total: bar.update(task, completed=done, total=total))
    with blame(output):
        write_atomic(output, data)
    with Reader(data) as reader:
        info = reader.info()
    show(json_out, info, lambda: out.print(
        f"{output}: {info['values']:,} values, {info['raw_bytes']:,} -> {info['file_bytes']:,} bytes"
        + (f", ratio {info['ratio']:.4f}" if info["ratio"] is not None else "")
    ))


def refuse_parameters(options: dict) -> None:
    """Parameters besides ``--bits`` and ``--block`` come from the table where one is given."""
    given = [name for name in ("rows", "prob_bits", "mult_bits") if options[name] is not None]
    if given:
        raise click.ClickException(f"--{given[0].replace('_', '-')}: not together with --table, which has its own")


@click.command("decompress")
@click.argument("source", metavar="IN.apack")
@click.argument("output", metavar="OUT.npy")
def decompress_command(source, output):
    """Restore the tensor in an .apack file: same values, dtype and shape.

    \b
    Example:
      apack decompress conv1.apack conv1.npy
    """
    with progress_bar() as bar, blame(source), Reader(source) as reader:
        task = bar.add_task(f"decompressing {source}", total=reader.header.values)
        array = reader.read_all(progress=lambda done, total: bar.update(task, completed=done, total=total))
    with blame(output):
        save_npy(output, array)
    err.print(f"{output}: {array.dtype} {tuple(array.shape)}")


def save_npy(path: str, array: np.ndarray) -> None:
    """Write a .npy file, whole or not at all, without a second copy of the array in memory."""
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            np.save(file, array)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


@click.command("info")
@click.argument("source", metavar="IN.apack")
@click.option("--blocks", is_flag=True, help="List every block too.")
@json_option
def info_command(source, blocks, json_out):
    """Say what an .apack file holds and where its bytes go.

    \b
    Example:
      apack info conv1.apack --json -
    """
    with blame(source), Reader(source) as reader:
        info = reader.info()
        info["table"] = reader.table.to_dict() if reader.table else None
        if blocks:
            info["directory"] = [
                {"symbol_bytes": int(b["symbol_bytes"]), "offset_bytes": int(b["offset_bytes"]),
                 "raw": not b["symbol_bytes"], "crc32": int(b["crc32"])}
                for b in reader.blocks
            ]
    show(json_out, info, lambda: render_info(source, info))


def render_info(source: str, info: dict) -> None:
    """Print the sizes of an .apack file's parts."""
    config = info["config"]
    grid = Table(title=source, show_header=False)
    grid.add_column()
    grid.add_column(justify="right")
    sign = "two's complement" if info["signed"] else "unsigned"
    grid.add_row("tensor", f"{np.dtype(info['dtype'])} {tuple(info['shape'])}, {info['values']:,} values")
    grid.add_row("coded as", f"{config['width']} bits, {sign}")
    grid.add_row("rows", str(info["rows"] or "no table"))
    grid.add_row("P, M", ", ".join(str(config[k]) for k in ("prob_bits", "mult_bits")))
    grid.add_row("blocks", f"{info['blocks']:,} of {config['block']:,} values, {info['raw_blocks']:,} raw")
    for part in ("header", "table", "directory", "symbol", "offset", "raw_block"):
        grid.add_row(f"{part.replace('_', ' ')} bytes", f"{info[f'{part}_bytes']:,}")
    grid.add_row("file bytes", f"{info['file_bytes']:,}")
    grid.add_row("raw bytes", f"{info['raw_bytes']:,}")
    if info["ratio"] is not None:
        grid.add_row("ratio", f"{info['ratio']:.4f}")
    out.print(grid)
    for i, block in enumerate(info.get("directory", ())):
        kind = "raw" if block["raw"] else f"{block['symbol_bytes']} symbol bytes"
        out.print(f"block {i}: {kind}, {block['offset_bytes']} offset bytes, crc32 {block['crc32']:08x}")


COMMANDS = (table_command, compress_command, decompress_command, info_command)
