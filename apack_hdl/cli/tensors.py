"""Commands on tensors and files: compress, decompress, info."""

import os
from pathlib import Path

import click
import numpy as np

from golden.container import Reader, compress, write_atomic

from .inputs import config_options, make_config, read_table, read_tensor, table_option, tensor_argument
from .support import blame, check_json, check_outputs, counted, json_option, print_table, progress_bar, say, show


@click.command("compress", short_help="Compress a tensor into an .apack file.")
@tensor_argument
@click.argument("output", metavar="OUT.apack")
@config_options
@table_option
@click.option("--method", type=click.Choice(["optimal", "heuristic"]), help="How to make the table.  "
              "[default: optimal]")
@json_option
def compress_command(tensor, output, table_path, method, json_out, **options):
    """Compress a tensor into an .apack file.

    With --table, parameters are those of the table; only --block can differ.

    \b
    Example:
      apack compress model.npz:conv1 conv1.apack
      apack compress nibbles.npy nibbles.apack --bits 4
    """
    check_outputs(output)
    check_json(json_out)
    array = read_tensor(tensor)
    if table_path is None:
        how = {"config": make_config(options, (tensor, array)), "method": method or "optimal"}
    elif method:
        raise click.ClickException("--method: not together with --table, which is made already")
    else:
        how = {"table": read_table(table_path, options, tensor, array)}
    with progress_bar() as bar, blame(tensor):
        task = bar.add_task(f"compressing {tensor}", total=array.size)
        data = compress(array, **how, progress=lambda done, total: bar.update(task, completed=done, total=total))
    with blame(output):
        write_atomic(output, data)
    with Reader(data) as reader:
        info = reader.info()
    ratio = "" if info["ratio"] is None else f", ratio {info['ratio']:.4f}"
    show(json_out, info, lambda: say(
        f"{output}: {counted(info['values'], 'value')}, {info['raw_bytes']:,} -> {info['file_bytes']:,} bytes{ratio}"
    ))


@click.command("decompress", short_help="Restore the tensor in an .apack file.")
@click.argument("source", metavar="IN.apack")
@click.argument("output", metavar="OUT.npy")
def decompress_command(source, output):
    """Restore the tensor in an .apack file: same values, dtype and shape.

    \b
    Example:
      apack decompress conv1.apack conv1.npy
    """
    check_outputs(output)
    with progress_bar() as bar, blame(source), Reader(source) as reader:
        task = bar.add_task(f"decompressing {source}", total=reader.header.values)
        array = reader.read_all(progress=lambda done, total: bar.update(task, completed=done, total=total))
    with blame(output):
        save_npy(output, array)
    say(f"{output}: {array.dtype} {array.shape}")


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


@click.command("info", short_help="Say what an .apack file holds.")
@click.argument("source", metavar="IN.apack")
@click.option("--blocks", is_flag=True, help="List every block too.")
@json_option
def info_command(source, blocks, json_out):
    """Say what an .apack file holds and where its bytes go.

    \b
    Example:
      apack info conv1.apack
      apack info conv1.apack --blocks --json -
    """
    check_json(json_out)
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
    sign = "two's complement" if info["signed"] else "unsigned"
    rows = [
        ("tensor", f"{np.dtype(info['dtype'])} {tuple(info['shape'])}, {counted(info['values'], 'value')}"),
        ("coded as", f"{config['width']} bits, {sign}"),
        ("rows", str(info["rows"] or "no table")),
        ("P, M", f"{config['prob_bits']}, {config['mult_bits']}"),
        ("blocks", f"{info['blocks']:,} of {config['block']:,} values, {info['raw_blocks']:,} raw"),
    ]
    for part in ("header", "table", "directory", "symbol", "offset", "raw_block", "file", "raw"):
        rows.append((f"{part.replace('_', ' ')} bytes", f"{info[f'{part}_bytes']:,}"))
    if info["ratio"] is not None:
        rows.append(("ratio", f"{info['ratio']:.4f}"))
    print_table(source, ("", ""), rows)
    for i, block in enumerate(info.get("directory", ())):
        kind = "raw" if block["raw"] else f"{block['symbol_bytes']:,} symbol bytes"
        say(f"block {i}: {kind}, {block['offset_bytes']:,} {'' if block['raw'] else 'offset '}bytes, "
            f"crc32 {block['crc32']:08x}")


COMMANDS = (compress_command, decompress_command, info_command)
