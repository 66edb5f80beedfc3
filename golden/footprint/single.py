"""Footprints with the files themselves."""

from collections.abc import Callable

import numpy as np

from ..codec import to_codes
from ..config import CodecConfig
from ..container import compress, decompress
from ..errors import FormatError
from ..search import histogram, search_table
from .figures import measure
from .settings import Settings, together
from .totals import model_document


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
    pack, settings: Settings, *, progress: Callable[[int], object] | None = None,
    keep: Callable[[str, bytes], object] | None = None,
) -> dict:
    """The document of one open model (:func:`model_document`), measured in this process.

    ``progress`` and ``keep``, and what it raises, are :func:`measure`'s.
    """
    tensors = list(measure(pack, together(pack.records), settings, progress=progress, keep=keep))
    return model_document(str(pack.path), pack.info, tensors)
