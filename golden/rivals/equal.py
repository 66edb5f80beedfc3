"""Rivals and APack on equal terms: ``python -m golden.rivals equal PACK...`` prints where their difference lies.

A rival's size is of one stream for a whole tensor, and of nothing around it; an ``.apack`` file has a header, blocks
that can be read alone, and checksums. So the rivals are given those (``in blocks``), and they are taken from APack
(``bare``). Every tensor is coded with its own statistics.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean

from ..codec import check_array, default_bits, to_codes
from ..config import CodecConfig
from ..footprint import Settings, tensor_sizes
from ..footprint.sizes import CHECKSUM_BYTES
from ..header import DIRECTORY, Header, table_bytes
from ..report.markdown import as_lines
from ..search import histogram, search_table
from ..tensors import open_model
from . import RIVALS

LONGEST = 65_535  # values of a block at most, where bits allow it
# What is taken from APack, or given to it, one after the other: column, parameters.
STEPS = {"bare": {}, "longest blocks": {"block": LONGEST}, "64 rows": {"block": LONGEST, "rows": 64}}
STEPS["M = 10"] = STEPS["64 rows"] | {"mult_bits": 10}


def compare(path, kind: str, names: tuple[str, ...]) -> dict:
    """Ratios to raw bits of the tensors of one kind in a model: ``model``, and by column.

    ``file``: APack as it is. ``bare``: its tables and coded values alone; then with the longest blocks, then also with
    64 rows, then also with a multiplier of 10 bits. For each rival its name, as everywhere else, and its name with
    ``, in blocks``: restarted with every block, with the header, the directory and the checksums of APack's file.
    Raises ValueError if there is no such tensor.
    """
    bits: dict[str, float] = {"raw": 0.0}
    with open_model(path) as model:
        for record in model.records:
            if record.kind == kind:
                for name, more in _tensor(record, model.load(record), names).items():
                    bits[name] = bits.get(name, 0.0) + more
    if not bits["raw"]:
        raise ValueError(f"{path}: holds no {kind}")
    return {"model": Path(path).stem} | {name: n / bits["raw"] for name, n in bits.items() if name != "raw"}


def _tensor(record, array, names) -> dict[str, float]:
    """Bits of one tensor, by column."""
    array = check_array(record.key, array)
    width = record.bits or default_bits(array.dtype)
    codes, signed = to_codes(array, width)
    counts, bits = histogram(codes, width), {"raw": array.size * width}
    for step, parameters in {"file": {}, **STEPS}.items():
        config = Settings(CodecConfig().with_(**parameters)).config_for(width)
        header = Header(config, array.dtype, array.shape, signed, search_table(config, counts).table)
        (size,) = tensor_sizes([(header, codes)])
        around = len(header.to_bytes()) - len(table_bytes(header.table)) + CHECKSUM_BYTES
        around += header.block_count * DIRECTORY.itemsize
        bits[step] = 8 * (size.file if step == "file" else size.file - around)
        if step == "file":
            for name in names:
                bits[name] = RIVALS[name].bits(codes, width)
                bits[f"{name}, in blocks"] = 8 * around + _in_blocks(name, codes, width, config.block)
    return bits


def _in_blocks(name: str, codes, width: int, block: int) -> float:
    """Bits of a rival that begins anew with every block; of a scheme that can, with one model for all."""
    scheme = RIVALS[name].scheme
    if hasattr(scheme, "block_bits"):
        return min(len(codes) * width, scheme.block_bits(codes, width, block))
    return sum(RIVALS[name].bits(codes[first : first + block], width) for first in range(0, len(codes), block))


def markdown(found: Iterable[dict]) -> Iterator[str]:
    """The models' ratios as a table, a line as soon as it is known, the mean in the end."""
    lines = []
    for line in found:
        if not lines:
            yield as_lines([list(line), ["---", *["---:"] * (len(line) - 1)]])
        lines.append(line)
        yield as_lines([[line["model"], *(f"{line[name]:.4f}" for name in line if name != "model")]])
    mean = [f"{fmean(line[name] for line in lines):.4f}" for name in lines[0] if name != "model"]
    yield as_lines([["**mean**", *mean]])
