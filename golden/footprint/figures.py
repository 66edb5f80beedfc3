"""The figures of tensors: read group by group, sized many at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..codec import check_array, default_bits, to_codes
from ..container import compress, decompress
from ..errors import FormatError
from ..header import Header
from ..search import SearchResult, TableSearch, histogram
from ..table import SymbolTable
from .settings import PROFILED, Settings
from .sizes import Sizes, tensor_sizes

# Values whose files are sized together: enough blocks to fill the lanes, few enough to stay in memory.
BATCH_VALUES = 1 << 24
SEARCHES = 64  # tensors whose tables are sought together: enough for full batches of the search

Progress = Callable[[int], object]
Keep = Callable[[str, bytes], object]


@dataclass(frozen=True, eq=False)
class _Read:
    """A tensor as it was read, and the search for its table."""

    record: object
    array: np.ndarray
    codes: np.ndarray
    signed: bool
    counts: np.ndarray
    search: TableSearch


@dataclass(frozen=True, eq=False)
class _Tensor:
    """A tensor with its tables, as the codec sees it.

    ``own``: the search's result for the tensor itself. ``table``: that it is coded with, made of what ``table_from``
    says. ``bars``: its histogram, for drawing.
    """

    record: object
    array: np.ndarray
    codes: np.ndarray
    signed: bool
    own: SearchResult
    table: SymbolTable
    table_from: str
    bars: list[int]

    def header(self, table: SymbolTable) -> Header:
        """That of its file with this table."""
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
    read, batch, waiting = [], [], 0
    for group in groups:
        read.append([_load(model, record, settings) for record in group])
        waiting += sum(len(tensor.codes) for tensor in read[-1])
        if waiting >= BATCH_VALUES or sum(map(len, read)) >= SEARCHES:
            batch += _with_tables(read, settings)
            read = []
        if waiting >= BATCH_VALUES:
            yield from _figures(batch, settings, progress, keep)
            batch, waiting = [], 0
    yield from _figures(batch + _with_tables(read, settings), settings, progress, keep)


def _load(model, record, settings: Settings) -> _Read:
    try:
        array = check_array("tensor", model.load(record))
        width = record.bits or settings.width or default_bits(array.dtype)
        config = settings.config_for(width)
        codes, signed = to_codes(array, width)
        counts = histogram(codes, width)
        return _Read(record, array, codes, signed, counts, TableSearch(config, counts))
    except FormatError:
        raise
    except (TypeError, ValueError) as error:
        raise type(error)(f"{record.key}: {error}") from None


def _with_tables(groups: list[list[_Read]], settings: Settings) -> list[_Tensor]:
    """The tensors of these groups with their tables, all searched for together."""
    tasks = [(tensor, *_table_source(tensor, group, settings)) for group in groups for tensor in group]
    TableSearch.solve(search for tensor, other, _ in tasks for search in (tensor.search, other))
    tensors = []
    for tensor, search, source in tasks:
        own = tensor.search.result()
        table = own.table if search is tensor.search else search.result(cover_all=True).table
        bars = _bars(tensor.counts) if settings.pictures else []
        tensors.append(_Tensor(tensor.record, tensor.array, tensor.codes, tensor.signed, own, table, source, bars))
    return tensors


def _table_source(tensor: _Read, group: list[_Read], settings: Settings) -> tuple[TableSearch, str]:
    """The search that finds the table to code a tensor with, and whose table it is."""
    if tensor.record.kind != "activation" or settings.activation_tables == "self":
        return tensor.search, "self"
    mine = _input(tensor)
    if settings.activation_tables == "first":
        first = min(map(_input, group))
        others = [other for other in group if _input(other) == first != mine]
    else:
        others = [other for other in group if _input(other) != mine]
    if not others:
        return tensor.search, "only input" if all(_input(other) == mine for other in group) else "self"
    if len(others) == 1:  # it is sought anyway
        return others[0].search, settings.activation_tables
    return TableSearch(tensor.search.config, sum(other.counts for other in others)), settings.activation_tables


def _input(tensor: _Read) -> int:
    """The input an activation belongs to. One that belongs to none is alone in its group."""
    return tensor.record.meta.get("input") or 0


def _figures(batch: list[_Tensor], settings: Settings, progress, keep) -> Iterator[dict]:
    """The figures of tensors."""
    own = [(tensor, tensor.own.table) for tensor in batch if tensor.table_from in PROFILED]
    files = [(tensor, tensor.table) for tensor in batch] + own
    sizes = tensor_sizes((tensor.header(table), tensor.codes) for tensor, table in files)
    own_sizes = iter(sizes[len(batch):])
    for tensor, size in zip(batch, sizes, strict=False):
        if settings.verify or keep:
            data = _verified(tensor, size.file)
            if keep:
                keep(tensor.record.key, data)
        yield _entry(tensor, size, next(own_sizes) if tensor.table_from in PROFILED else size, settings)
        if progress:
            progress(1)


def _verified(tensor: _Tensor, size: int) -> bytes:
    """The tensor's file. Raises FormatError if it does not hold the tensor, or is not of the size worked out."""
    data = compress(tensor.array, table=tensor.table)
    back = decompress(data)
    if back.dtype != tensor.array.dtype or not np.array_equal(back, tensor.array):
        raise FormatError(f"{tensor.record.key}: the file does not hold the tensor it was made from")
    if len(data) != size:
        raise FormatError(f"{tensor.record.key}: the file has {len(data)} bytes, not {size} as worked out")
    return data


def _entry(tensor: _Tensor, size: Sizes, own: Sizes, settings: Settings) -> dict:
    record, table, values = tensor.record, tensor.table, len(tensor.codes)
    width = table.config.width
    raw = values * width
    entry = {name: record.meta.get(name) for name in ("layer", "op", "role", "input")}
    entry |= {"key": record.key, "name": record.name, "kind": record.kind, "layer": entry["layer"] or record.name}
    entry |= {
        "width": width, "values": values, **_whole(record, values, width, tensor.own.entropy_bits), "raw_bits": raw,
        "floor_bits": tensor.own.entropy_bits, "bound_bits": min(tensor.own.bound_bits, raw),
        "apack_bits": 8 * size.file, "self_bits": 8 * own.file, "archive_bits": 8 * size.archived,
        "table_from": tensor.table_from, "rows": len(table.v_min),
        "rivals": _rivals(tensor.codes, width, settings.rivals),
    }
    if settings.pictures:
        picture = {"v_min": list(table.v_min), "counts": list(table.counts), "total": table.config.total}
        entry["picture"] = picture | {"signed": tensor.signed, "bars": tensor.bars}
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
