"""Blocks and bytes as transfers on the ports, all at once in numpy."""

from dataclasses import dataclass

import numpy as np

from golden.bits import copy_segments
from golden.table import SymbolTable

from ..table import load_rows


@dataclass(frozen=True)
class Words:
    """Streams as words: ``rows``, uint64 of shape (words, 4), columns data, bytes, last, error; stream i ends
    behind row ``ends[i]``."""

    rows: np.ndarray
    ends: np.ndarray
    word_bytes: int


def table_transfers(table: SymbolTable) -> np.ndarray:
    """Transfers on ``load``: v_min, count."""
    return np.array([[row["v_min"], row["count"]] for row in load_rows(table)], np.uint64)


def value_transfers(codes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Transfers on ``values``: data, and last at the end of every block."""
    rows = np.zeros((len(codes), 2), np.uint64)
    rows[:, 0] = codes
    rows[np.cumsum(counts) - 1, 1] = 1
    return rows


def with_bank(rows: np.ndarray, banks: np.ndarray) -> np.ndarray:
    """Transfers with one more column, ``bank``."""
    return np.column_stack([rows, np.asarray(banks, np.uint64)])


def words(data: np.ndarray, starts: np.ndarray, sizes: np.ndarray, word: int) -> Words:
    """Streams ``data[starts[i] : starts[i]+sizes[i]]`` (bytes) as words; an empty one is one word without bytes."""
    k = word // 8
    per_stream = np.maximum(1, -(-sizes // k))
    ends = np.cumsum(per_stream)
    total = int(per_stream.sum())
    padded = np.zeros(total * k, np.uint8)
    copy_segments(padded, (ends - per_stream) * k, data, starts, sizes)
    rows = np.zeros((total, 4), np.uint64)
    rows[:, 0] = padded.view(f"<u{k}")
    rows[:, 1] = k
    rows[ends - 1, 1] = sizes - (per_stream - 1) * k
    rows[ends - 1, 2] = 1
    return Words(rows, ends, k)


def compare_words(name: str, got: np.ndarray, wanted: Words) -> str | None:
    """Where the transfers of a stream first differ from what they should be, in one line; None if nowhere."""
    row = _first_difference(got, wanted.rows)
    if row is None:
        return None
    block = int(np.searchsorted(wanted.ends, row, side="right"))
    if row >= len(wanted.rows):
        return f"{name} stream: {len(got) - row} words more than all blocks have"
    where = f"block {block}, {name} stream"
    start = (row - (int(wanted.ends[block - 1]) if block else 0)) * wanted.word_bytes
    if row >= len(got):
        return f"{where}: ends at byte {start}"
    if got[row, 0] != wanted.rows[row, 0]:
        byte, is_, should = _first_byte(int(got[row, 0]), int(wanted.rows[row, 0]))
        return f"{where}, byte {start + byte}: {is_:#04x}, golden has {should:#04x}"
    fields = ("data", "bytes", "last", "error")
    column = int(np.flatnonzero(got[row] != wanted.rows[row])[0])
    return f"{where}, word at byte {start}: {fields[column]} is {got[row, column]}, not {wanted.rows[row, column]}"


def compare_values(got: np.ndarray, wanted: np.ndarray, counts: np.ndarray) -> str | None:
    """The same for the values a decoder gives."""
    row = _first_difference(got, wanted)
    if row is None:
        return None
    if row >= len(wanted):
        return f"values: {len(got) - row} more than all blocks have"
    ends = np.cumsum(counts)
    block = int(np.searchsorted(ends, row, side="right"))
    where = f"block {block}, value {row - (int(ends[block - 1]) if block else 0)}"
    if row >= len(got):
        return f"{where}: missing, and all behind it"
    return f"{where}: {got[row, 0]} (last {got[row, 1]}), golden has {wanted[row, 0]} (last {wanted[row, 1]})"


def _first_difference(got: np.ndarray, wanted: np.ndarray) -> int | None:
    """The first row that differs, or that only one of them has."""
    common = min(len(got), len(wanted))
    different = np.flatnonzero((got[:common] != wanted[:common]).any(axis=1))
    if len(different):
        return int(different[0])
    return None if len(got) == len(wanted) else common


def _first_byte(got: int, wanted: int) -> tuple[int, int, int]:
    byte = ((got ^ wanted) & -(got ^ wanted)).bit_length() - 1 >> 3
    return byte, got >> 8 * byte & 0xFF, wanted >> 8 * byte & 0xFF
