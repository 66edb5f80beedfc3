"""The command memory-image: a tensor as it lies in memory before the memory-side block, and what software writes."""

from pathlib import Path

import click
import numpy as np

from golden import codec
from golden.container import write_atomic
from golden.memory import LAYOUTS, Image, table_rows, write_image
from golden.search import histogram, search_table

from .inputs import config_options, make_config, read_table, read_tensor, table_option, tensor_argument
from .support import blame, check_json, check_outputs, counted, json_option, print_table, show

BLOCK = 1024  # values per block; as the memory-side block is built by default
LINE = 64  # bytes: data begin at a multiple, so with a whole beat of any bus


@click.command("memory-image", short_help="Put a compressed tensor into a memory image.")
@tensor_argument
@click.option("-o", "--output", required=True, metavar="IMAGE.bin", help="The bytes of the memory, from --address on.")
@click.option("--layout", type=click.Choice(LAYOUTS), default="slots", show_default=True,
              help="Each block in a slot of its own, or blocks back to back.")
@click.option("--address", type=int, default=0, show_default=True, metavar="A",
              help="Where the image lies: the directory first, a multiple of 8, then the blocks.")
@click.option("--slot-bytes", type=int, metavar="N",
              help="Distance of slots.  [default: a raw block, in whole 64 bytes]")
@click.option("--engine-bits", type=click.IntRange(2, 16), metavar="W",
              help="Bits of a value that the hardware is built for.  [default: the tensor's]")
@click.option("--verify", is_flag=True, help="Read the file back, decompress it and compare.")
@config_options
@table_option
@json_option
def memory_image_command(
    tensor, output, layout, address, slot_bytes, engine_bits, verify, table_path, json_out, **options
):
    """Put a compressed tensor into a memory image, as the memory-side block writes and reads it.

    golden/FORMAT.md, section 10, specifies the image. The JSON has what software tells the hardware: the rows of the
    table to load, and the fields of the job. --block is 1024 if not given, --rows what the hardware has room for.

    \b
    Example:
      apack memory-image weights.npy -o weights.bin --json weights.json --verify
      apack memory-image model.npz:conv1 -o conv1.bin --layout packed --address 64
      apack memory-image nibbles.npy -o nibbles.bin --bits 4 --engine-bits 8
    """
    check_outputs(output)
    check_json(json_out)
    if layout == "packed" and slot_bytes is not None:
        raise click.ClickException("--slot-bytes: not together with --layout packed, which has no slots")
    with blame("--address"):
        if address % 8 or not 0 <= address < 1 << 63:
            raise ValueError(f"must be a multiple of 8 in 0..2^63, not {address}")
    array = read_tensor(tensor)
    if not array.size:
        raise click.ClickException(f"{tensor}: must hold a value at least, a job of none is refused")
    options["block"] = options["block"] or (BLOCK if table_path is None else None)
    table, hardware = _table(tensor, array, table_path, options, engine_bits)
    config = table.config
    with blame("--engine-bits"):
        rows = table_rows(table, hardware)
    blocks = -(-array.size // config.block)
    # Addresses within the file; those of the job lie `address` higher.
    data = -(-8 * blocks // LINE) * LINE
    slot = -(-config.block * config.width // (8 * LINE)) * LINE if slot_bytes is None else slot_bytes
    room = data + blocks * max(slot, (config.block * config.width + 7) // 8)
    with blame("--slot-bytes" if slot_bytes is not None else tensor):
        memory = np.zeros(room, np.uint8)
        info = write_image(memory, array, table, layout=layout, data_address=data, directory_address=0,
                           slot_bytes=slot if layout == "slots" else None)
    image = info.image
    used = blocks * slot if layout == "slots" else info.stored_bytes
    with blame(output):
        write_atomic(output, memory[: data + used].tobytes())
    if verify:
        _verify(output, image, array)
    result = _describe(output, info, array, rows, address) | {"verified": verify}
    show(json_out, result, lambda: _render(output, result))


def _table(tensor, array, table_path, options, engine_bits):
    """The table to code with, and the hardware's parameters."""
    if table_path is not None:
        table = read_table(table_path, options, tensor, array)
        return table, table.config.with_(width=engine_bits or table.config.width)
    hardware = make_config(options | {"width": engine_bits or options["width"]}, (tensor, array))
    config = make_config(options, (tensor, array))
    if config.width < hardware.width:  # a row ends the narrower values
        if hardware.rows < 3:
            raise click.ClickException("--rows: must be in 3..64 for values narrower than --engine-bits, not 2")
        config = config.with_(rows=hardware.rows - 1)
    with blame(tensor):
        codes, _ = codec.to_codes(array, config.width)
    return search_table(config, histogram(codes, config.width)).table, hardware


def _verify(output: str, image: Image, array: np.ndarray) -> None:
    """Decompress what is in the file now."""
    with blame(output):
        if not np.array_equal(image.read(np.fromfile(Path(output), np.uint8)), array):
            raise ValueError("does not hold the tensor's values")


def _describe(output, info, array, rows, address) -> dict:
    """What software has to know, ready for JSON."""
    image = info.image
    job = image.job()
    for name in ("data_address", "directory_address"):
        job[name] += address
    return {
        "image": output, "address": address, "image_bytes": Path(output).stat().st_size,
        "dtype": array.dtype.str, "shape": list(array.shape), "layout": image.layout,
        "blocks": image.header.block_count, "raw_blocks": info.raw_blocks,
        "directory_bytes": 8 * image.header.block_count, "stored_bytes": info.stored_bytes,
        "raw_bytes": (array.size * image.header.config.width + 7) // 8,
        "config": image.header.config.to_dict(), "table_rows": [list(row) for row in rows], "job": job,
    }


def _render(output: str, result: dict) -> None:
    """Print the job and the sizes."""
    rows = [("tensor", f"{np.dtype(result['dtype'])} {tuple(result['shape'])}")]
    rows.append(("blocks", f"{counted(result['blocks'], 'block')}, {result['raw_blocks']:,} raw"))
    rows += [(name.replace("_", " "), f"{result[name]:,}")
             for name in ("image_bytes", "directory_bytes", "stored_bytes", "raw_bytes")]
    rows += [(f"job: {name}", f"{value:#x}" if "address" in name else f"{value:,}")
             for name, value in result["job"].items()]
    rows.append(("table rows", " ".join(f"{v_min}:{count}" for v_min, count in result["table_rows"])))
    rows.append(("verified", "yes" if result["verified"] else "no"))
    print_table(output, ("", ""), rows)
