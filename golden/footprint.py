"""What a model's tensors take as ``.apack`` files, everything counted, beside the bounds."""

from collections.abc import Callable

import numpy as np

from .codec import check_array, default_bits, to_codes
from .config import CodecConfig
from .container import compress, decompress
from .errors import FormatError
from .search import histogram, search_table
from .tensors.packs import Pack

SUMS = ("tensors", "values", "raw_bits", "floor_bits", "bound_bits", "apack_bits")


def tensor_footprint(array: np.ndarray, config: CodecConfig) -> tuple[dict, bytes]:
    """A tensor as a file with a table of its own, checked by reading it back; and its figures, in bits.

    ``raw_bits``: its values, W bits each. ``floor_bits``: their order-0 entropy. ``bound_bits``: coded ideally with the
    best table of ``config.rows`` rows, the table itself not counted, or raw if that is less. ``apack_bits``: the file.

    Raises TypeError or ValueError if the values do not fit the configuration, FormatError if the file does not hold
    the tensor.
    """
    codes, _ = to_codes(array, config.width)
    found = search_table(config, histogram(codes, config.width))
    data = compress(array, table=found.table)
    back = decompress(data)
    if back.dtype != array.dtype or not np.array_equal(back, array):
        raise FormatError("the file does not hold the tensor it was made from")
    raw = array.size * config.width
    figures = {"tensors": 1, "values": array.size, "raw_bits": raw, "floor_bits": found.entropy_bits}
    return figures | {"bound_bits": min(found.bound_bits, raw), "apack_bits": 8 * len(data)}, data


def pack_footprint(
    pack: Pack, config: CodecConfig, *, progress: Callable[[int, int], object] | None = None,
    keep: Callable[[str, bytes], object] | None = None,
) -> dict[str, dict]:
    """The figures of :func:`tensor_footprint`, summed by kind of tensor and, as ``all``, over the pack.

    Each tensor has the width that the pack states (else that of its dtype), the rest is ``config``'s. ``progress`` is
    called with the tensors done and in all, ``keep`` with every tensor's key and file.

    Raises what :func:`tensor_footprint` raises, with the tensor's key in front.
    """
    sums: dict[str, dict] = {}
    for done, (record, array) in enumerate(pack):
        if progress:
            progress(done, len(pack.records))
        try:
            width = record.bits or default_bits(check_array("tensor", array).dtype)
            block = min(config.block, CodecConfig(width=width, block=1).longest_block)
            figures, data = tensor_footprint(array, config.with_(width=width, block=block))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{record.key}: {error}") from None
        if keep:
            keep(record.key, data)
        for name in (record.kind, "all"):
            total = sums.setdefault(name, dict.fromkeys(SUMS, 0))
            for key, value in figures.items():
                total[key] += value
    return {kind: sums[kind] for kind in sorted(sums, key="all".__eq__)}  # "all" last
