"""The figures of tensors: read group by group, sized many at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..codec import check_array, default_bits, to_codes
from ..container import compress, decompress
from ..errors import FormatError
from ..header import Header
from ..search import TableSearch, histogram
from ..table import SymbolTable
from .settings import PROFILED, Settings
from .sizes import Sizes, tensor_sizes

# Values whose files are sized together: enough blocks to fill the lanes, few enough to stay in memory.
BATCH_VALUES = 1 << 24

Progress = Callable[[int], object]
Keep = Callable[[str, bytes], object]


@dataclass(frozen=True, eq=False)
class _Tensor:
    """A tensor as the codec sees it."""

    record: object
    array: np.ndarray
    codes: np.ndarray
    signed: bool
    counts: np.ndarray
    search: TableSearch

    @cached_property
    def own(self):
        """The search result with its own table."""
        return self.search.result()

    def header(self, table: SymbolTable) -> Header:
        """That of its file."""
        return Header(table.config, self.array.dtype, self.array.shape, self.signed, table)


def measure(
    model, groups: Iterable[list], settings: Settings, *, progress: Progress | None = None, keep: Keep | None = None
) -> Iterator[dict]:
    """The figures of every tensor in ``groups`` (:func:`together`), in that order: FOOTPRINT.md names them.

    ``model``: what the records are of, with ``load(record)``. ``progress`` is called with the number of tensors done,
    ``keep`` with every tensor's key and file, which it makes necessary to write.

    Raises TypeError or ValueError if values do not fit the configuration, with the tensor's key in front; FormatError
    for a damaged model or, with ``settings.verify``, a file that does not hold its tensor.
    """
    batch, waiting = [], 0
    for group in groups:
        tensors = [_load(model, record, settings) for record in group]
        batch += [(tensor, *_table_for(tensor, tensors, settings)) for tensor in tensors]
        waiting += sum(len(tensor.codes) for tensor in tensors)
        if waiting >= BATCH_VALUES:
            yield from _figures(batch, settings, progress, keep)
            batch, waiting = [], 0
    yield from _figures(batch, settings, progress, keep)


def _load(model, record, settings: Settings) -> _Tensor:
    try:
        array = check_array("tensor", model.load(record))
        width = record.bits or default_bits(array.dtype)
        config = settings.config_for(width)
        codes, signed = to_codes(array, width)
        counts = histogram(codes, width)
        return _Tensor(record, array, codes, signed, counts, TableSearch(config, counts))
    except FormatError:
        raise
    except (TypeError, ValueError) as error:
        raise type(error)(f"{record.key}: {error}") from None


def _table_for(tensor: _Tensor, group: list[_Tensor], settings: Settings) -> tuple[SymbolTable, str]:
    """The table to code a tensor with, and whose it is."""
    if tensor.record.kind != "activation" or settings.activation_tables == "self":
        return tensor.own.table, "self"
    mine = _input(tensor)
    if settings.activation_tables == "first":
        first = min(map(_input, group), default=mine)
        others = [other for other in group if _input(other) == first != mine]
    else:
        others = [other for other in group if _input(other) != mine]
    if not others:
        return tensor.own.table, "only input" if all(_input(other) == mine for other in group) else "self"
    if len(others) == 1:  # its search has been done
        search = others[0].search
    else:
        search = TableSearch(tensor.search.config, sum(other.counts for other in others))
    return search.result(cover_all=True).table, settings.activation_tables


def _input(tensor: _Tensor) -> int:
    """The input an activation belongs to. One that belongs to none is alone in its group."""
    return tensor.record.meta.get("input") or 0


def _figures(batch: list[tuple], settings: Settings, progress, keep) -> Iterator[dict]:
    """The figures of tensors, each given with its table and where that is from."""
    profiled = [(tensor, tensor.own.table) for tensor, _, source in batch if source in PROFILED]
    files = [(tensor, table) for tensor, table, _ in batch] + profiled
    sizes = tensor_sizes((tensor.header(table), tensor.codes) for tensor, table in files)
    own_sizes = iter(sizes[len(batch):])
    for (tensor, table, source), size in zip(batch, sizes, strict=False):
        if settings.verify or keep:
            data = _verified(tensor, table, size.file)
            if keep:
                keep(tensor.record.key, data)
        yield _entry(tensor, table, source, size, next(own_sizes) if source in PROFILED else size, settings)
        if progress:
            progress(1)


def _verified(tensor: _Tensor, table: SymbolTable, size: int) -> bytes:
    """The tensor's file. Raises FormatError if it does not hold the tensor, or is not of the size worked out."""
    data = compress(tensor.array, table=table)
    back = decompress(data)
    if back.dtype != tensor.array.dtype or not np.array_equal(back, tensor.array):
        raise FormatError(f"{tensor.record.key}: the file does not hold the tensor it was made from")
    if len(data) != size:
        raise FormatError(f"{tensor.record.key}: the file has {len(data)} bytes, not {size} as worked out")
    return data


def _entry(tensor: _Tensor, table, source: str, size: Sizes, own: Sizes, settings: Settings) -> dict:
    record, width, values = tensor.record, tensor.search.config.width, len(tensor.codes)
    raw = values * width
    entry = {name: record.meta.get(name) for name in ("layer", "op", "role", "input")}
    entry |= {"key": record.key, "name": record.name, "kind": record.kind, "layer": entry["layer"] or record.name}
    entry |= {
        "width": width, "values": values, **_whole(record, values, width, tensor.own.entropy_bits), "raw_bits": raw,
        "floor_bits": tensor.own.entropy_bits, "bound_bits": min(tensor.own.bound_bits, raw),
        "apack_bits": 8 * size.file, "self_bits": 8 * own.file, "archive_bits": 8 * size.archived,
        "table_from": source, "rows": len(table.v_min),
        "rivals": _rivals(tensor.codes, width, settings.rivals),
    }
    if settings.pictures:
        picture = {"v_min": list(table.v_min), "counts": list(table.counts), "total": table.config.total}
        entry["picture"] = picture | {"signed": tensor.signed, "bars": _bars(tensor.counts)}
    return entry


def _whole(record, values: int, width: int, floor_bits: float) -> dict:
    """Values of the tensor in the model, of which the array may hold only the beginning, and their entropy in bits.

    Where the file does not state the entropy of all values, that of the beginning has to do.
    """
    whole, entropy = record.meta.get("n_total"), record.meta.get("h_full")
    if type(whole) is not int or not whole > values > 0:
        return {"whole_values": values, "whole_floor_bits": floor_bits}
    stated = type(entropy) in (int, float) and 0 <= entropy <= width
    return {"whole_values": whole, "whole_floor_bits": whole * (entropy if stated else floor_bits / values)}


def _rivals(codes: np.ndarray, width: int, names: tuple[str, ...]) -> dict[str, int]:
    if not names:
        return {}
    from ..rivals import RIVALS

    return {name: int(RIVALS[name].bits(codes, width)) for name in names}


def _bars(counts: np.ndarray) -> list[int]:
    """A histogram for drawing: at most 256 bars, square roots (so that small ones show) in 0..255."""
    bars = counts.reshape(min(256, len(counts)), -1).sum(axis=1)
    return np.ceil(255 * np.sqrt(bars / max(bars.max(), 1))).astype(int).tolist()
