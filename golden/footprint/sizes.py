"""The exact size of ``.apack`` files and of tensors in a model archive, without writing them.

A block's symbol stream is as long as its shifts add up to (FORMAT.md, 4.3), and those follow from the recurrence of t
alone: no bits have to be put together. Blocks of any number of tensors run in lock step, each with its own table.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .. import blocks
from ..archive_index import entry_bytes
from ..header import DIRECTORY, Header, table_bytes
from ..recurrence import RangeEncoder

CHECKSUM_BYTES = 4  # of header, table and directory
# Lanes that run together (or some more: a tensor's blocks stay together), and values of theirs at a time: a chunk's
# arrays should stay near the second-level cache.
LANES = 4096
CHUNK_VALUES = 1 << 18
_NO_CODE = 255  # in place of the offset length of a value without a code
_NEVER = 1 << 32  # bytes; longer than any raw block


class Sizes(NamedTuple):
    """Bytes of a tensor: as an ``.apack`` file, and in a model archive, without what the archive's tensors share."""

    file: int
    archived: int


def tensor_sizes(tensors: Iterable[tuple[Header, np.ndarray]]) -> list[Sizes]:
    """What each tensor takes with the table of its header: what ``compress`` and ``archive`` would write.

    ``tensors``: headers, which share P and M, each with the tensor's codes (uint8 or uint16, one-dimensional, C order).
    As when written, blocks that do not shrink are raw, and so are all if the table does not pay.

    Raises ValueError if P and M differ.
    """
    tensors = list(tensors)
    coders = {(header.config.prob_bits, header.config.mult_bits) for header, _ in tensors}
    if len(coders) > 1:
        raise ValueError(f"prob_bits and mult_bits must be the same for all tensors, not {sorted(coders)}")
    counts = [blocks.value_counts(header, 0, header.block_count) for header, _ in tensors]
    coded = _coded_bytes(tensors, counts)
    sizes, first = [], 0
    for (header, _), n in zip(tensors, counts, strict=True):
        sizes.append(_sizes(header, coded[first : first + len(n)]))
        first += len(n)
    return sizes


def _sizes(header: Header, coded: np.ndarray) -> Sizes:
    """The tensor's sizes, from what its blocks take coded."""
    raw = blocks.raw_bytes(header, 0, header.block_count)
    directory = header.block_count * DIRECTORY.itemsize
    payload, all_raw = int(np.minimum(coded, raw).sum()), int(raw.sum())
    table = len(table_bytes(header.table)) if header.table else 0
    file = len(header.to_bytes()) + directory + CHECKSUM_BYTES
    file += payload if table + payload < all_raw else all_raw - table
    with_table, without = len(entry_bytes(header)), len(entry_bytes(replace(header, table=None)))
    return Sizes(file, directory + min(with_table + payload, without + all_raw))


def _coded_bytes(tensors, counts) -> np.ndarray:
    """Bytes of every block of every tensor when coded, int64; a huge number if it cannot be."""
    offset_bits, runs, places, first = [], [], [], 0
    for (header, codes), ns in zip(tensors, counts, strict=True):
        by_symbol, lengths = _look_up(header)
        sums = _offset_bits(header, lengths, codes)
        offset_bits.append(sums)
        if (sums >= 0).all():
            full = len(codes) // header.config.block  # blocks of one length can be looked up together
            cuts = [(0, full)] if full else []
            cuts += [(full, full + 1)] if full < len(ns) else []
        else:
            cuts = [(i, i + 1) for i in np.flatnonzero(sums >= 0).tolist()]
        # Values of more than 8 bits would take long look-up tables: what is looked up are their rows.
        symbols = codes if codes.itemsize == 1 or not cuts else header.table.row_of_value.take(codes)
        for start, end in cuts:
            part = symbols[start * header.config.block : end * header.config.block]
            runs.append((part.reshape(end - start, -1), by_symbol))
            places.append(np.arange(first + start, first + end))
        first += len(ns)
    offsets = np.concatenate([*offset_bits, np.zeros(0, np.int64)])
    shifts = np.zeros(first, np.int64)
    for group in _groups(runs):
        shifts[np.concatenate([places[i] for i in group])] = _shifts(tensors[0][0].config, [runs[i] for i in group])
    return np.where(offsets >= 0, shifts // 8 + 1 + (offsets + 7) // 8, _NEVER)


def _offset_bits(header: Header, lengths: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Sum of the offset lengths in each block, int64; -1 for a block with a value that has no code."""
    block, sums = header.config.block, []
    for start in range(0, len(codes), block):
        taken = lengths.take(codes[start : start + block])
        codable = header.table is not None and (header.table.covers_all() or taken.max() != _NO_CODE)
        sums.append(int(taken.sum(dtype=np.int64)) if codable else -1)
    return np.array(sums, np.int64)


def _groups(runs: list[tuple[np.ndarray, np.ndarray]]) -> list[list[int]]:
    """Indices of the runs of blocks that are stepped through together, longer blocks first."""
    groups, lanes = [], LANES
    for i in sorted(range(len(runs)), key=lambda i: -runs[i][0].shape[1]):
        if lanes >= LANES:
            groups.append([])
            lanes = 0
        groups[-1].append(i)
        lanes += len(runs[i][0])
    return groups


def _look_up(header: Header) -> tuple[np.ndarray, np.ndarray]:
    """The count, as :class:`RangeEncoder` takes it, of each symbol: a code of up to 8 bits or else a row; and each
    code's offset length (uint8).
    """
    table, config = header.table, header.config
    if table is None:
        return np.empty(0), np.full(config.values, _NO_CODE, np.uint8)
    counts, rows = np.array(table.counts), table.row_of_value
    lengths = np.where(counts > 0, table.offset_bits, _NO_CODE).astype(np.uint8)[rows]
    counts = counts.astype(RangeEncoder(config, 0).real)
    return (counts[rows] if config.width <= 8 else counts), lengths


def _shifts(config, runs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Bits that blocks shift out in all: int64, one block after the other.

    Each run is some blocks of one length, symbols (uint8) of shape ``(blocks, length)``, and the count of each symbol;
    longer ones come first.
    """
    blocks = [len(symbols) for symbols, _ in runs]
    lengths = np.repeat([symbols.shape[1] for symbols, _ in runs], blocks)
    # All runs' counts in one array: a lane's symbol is looked up behind those of the runs before its own.
    counts, sizes = np.concatenate([by for _, by in runs]), [len(by) for _, by in runs]
    bases = np.repeat(np.cumsum(sizes) - sizes, blocks).astype(np.int32)
    encoder, total, first = RangeEncoder(config, len(lengths)), np.zeros(len(lengths), np.int64), 0
    while first < lengths[0]:
        n = int(np.searchsorted(-lengths, -first, "left"))  # lanes that have not ended
        steps = min(int(lengths[0]) - first, max(64, CHUNK_VALUES // n))
        symbols, ends, lane = np.zeros((n, steps), np.uint8), [], 0
        for run, _ in runs:
            part = run[:, first : first + steps]
            symbols[lane : lane + len(run), : part.shape[1]] = part
            if part.shape[1] < steps:
                ends.append((part.shape[1], lane, lane + len(run)))
            lane += len(run)
            if lane == n:
                break
        counted = counts[symbols.T.astype(np.int32, order="C") + bases[:n]]
        for end, lane, last in ends:
            counted[end:, lane:last] = config.total  # a count of 2**P changes nothing: so lanes may end
        shifts = np.empty((steps, n), np.uint32)
        encoder.steps(counted)
        encoder.shifts(counted, shifts)
        total[:n] += shifts.sum(axis=0, dtype=np.uint32)
        first += steps
    return total
