"""Blocks for an engine: who gets which, what goes in, and what should come out."""

import numpy as np

from golden.config import check_int
from golden.lockstep import encode_blocks
from golden.table import SymbolTable

from .streams import compare_values, compare_words, table_transfers, value_transfers, with_bank, words


class Work:
    """Blocks of values in queues, and what the golden model makes of them.

    Parameters
    ----------
    tables : the tables, all of one configuration, in the order in which they are to be loaded.
    queues : lists of blocks. A block is ``(number of its table, codes)``, codes W-bit unsigned values as a
        one-dimensional array of 1..``config.block``, uint8 (W <= 8) or uint16. The numbers must not fall within a
        queue: a table is loaded once. A queue may be empty.

    Raises TypeError or ValueError for queues that break these rules, UncodableError for a value without a code.
    """

    def __init__(self, tables: list[SymbolTable], queues):
        for table in tables:
            if not isinstance(table, SymbolTable):
                raise TypeError(f"table must be a SymbolTable, not {table!r}")
        if len({table.config for table in tables}) != 1:
            raise ValueError("tables must be at least one, all of the same configuration")
        self.tables, self.config = list(tables), tables[0].config
        blocks = [(queue, *self._check(queue, block)) for queue, blocks in enumerate(queues) for block in blocks]
        if not blocks:
            raise ValueError("queues must hold at least one block, not none")
        self.queue, self.table = np.array([block[:2] for block in blocks]).T
        if (np.diff(self.table) < 0)[np.diff(self.queue) == 0].any():
            raise ValueError("queues: the number of the table must not fall from block to block")
        self.codes = np.concatenate([codes for *_, codes in blocks])
        self.counts = np.array([len(codes) for *_, codes in blocks])
        self.starts = np.cumsum(self.counts) - self.counts
        self._encode()

    def _check(self, queue: int, block):
        number, codes = block
        if not isinstance(codes, np.ndarray):
            raise TypeError(f"codes must be an array, not {type(codes).__name__}")
        check_int("the number of a block's table", number, 0, len(self.tables) - 1)
        check_int(f"queue {queue}: values in a block", len(codes), 1, self.config.block)
        return number, codes

    def _encode(self):
        """Golden's streams of each block: where they are in ``data``, and their bytes."""
        count, parts, at = len(self.counts), [], 0
        self.symbol_starts, self.symbol_bytes, self.offset_starts, self.offset_bytes = np.zeros((4, count), np.int64)
        for number, table in enumerate(self.tables):
            mine = np.flatnonzero(self.table == number)
            if not len(mine):
                continue
            coded = encode_blocks(table, self.codes, self.starts[mine], self.counts[mine])
            ends = at + np.cumsum(coded.symbol_bytes + coded.offset_bytes)
            self.symbol_bytes[mine], self.offset_bytes[mine] = coded.symbol_bytes, coded.offset_bytes
            self.offset_starts[mine] = ends - coded.offset_bytes
            self.symbol_starts[mine] = self.offset_starts[mine] - coded.symbol_bytes
            parts.append(coded.data)
            at += len(coded.data)
        self.data = np.concatenate(parts)


class Share:
    """The blocks of one stream in their order: ``counts`` of values, ``table`` numbers, and all transfers."""

    def __init__(self, work: Work, blocks: np.ndarray, word: int):
        self.counts, self.table = work.counts[blocks], work.table[blocks]
        ends = np.cumsum(self.counts)
        self.firsts = ends - self.counts  # row of each block's first value
        within = np.arange(self.counts.sum()) - np.repeat(self.firsts, self.counts)
        codes = work.codes[np.repeat(work.starts[blocks], self.counts) + within]
        self.values = value_transfers(codes, self.counts)
        self.orders = (self.counts - 1).reshape(-1, 1)
        self.symbols = words(work.data, work.symbol_starts[blocks], work.symbol_bytes[blocks], word)
        self.offsets = words(work.data, work.offset_starts[blocks], work.offset_bytes[blocks], word)


class Plan:
    """Work dealt to the streams of one engine: queue i goes to stream ``i % streams``.

    A stream that gets several queues takes the blocks of one table from all of them before those of the next. Table
    k is loaded into bank ``k % banks``. Nothing in the hardware tells a bank's tables apart, so a block is offered
    when its table has begun to be loaded, and a table when no block still waits for the one it replaces.

    ``options`` are the engine's, complete (:func:`apack_hdl.emit.engine_options`).
    """

    def __init__(self, work: Work, direction: str, options: dict):
        self.work, self.direction = work, direction
        self.streams, self.banks = options.get("streams", 1), options.get("banks", 1)
        stream = work.queue % self.streams
        order = np.lexsort((np.arange(len(stream)), work.table))
        self.shares = [Share(work, order[stream[order] == i], options["word"]) for i in range(self.streams)]

    def names(self, kind: str) -> list[str]:
        """The stream ports of a kind, by stream."""
        return [kind] if self.streams == 1 else [f"{kind}_{i}" for i in range(self.streams)]

    def inputs(self) -> dict[str, np.ndarray]:
        """What to offer, by port."""
        numbers = np.repeat(np.arange(len(self.work.tables)), self.work.config.rows)
        episode = {"load": self._with_bank(np.concatenate([*map(table_transfers, self.work.tables)]), numbers)}
        for i, share in enumerate(self.shares):
            if self.direction == "encoder":
                rows = self._with_bank(share.values, np.repeat(share.table, share.counts))
                episode[self.names("values")[i]] = rows
            else:
                episode[self.names("blocks")[i]] = self._with_bank(share.orders, share.table)
                episode[self.names("symbols")[i]] = share.symbols.rows
                episode[self.names("offsets")[i]] = share.offsets.rows
        return episode

    def _with_bank(self, rows: np.ndarray, tables: np.ndarray) -> np.ndarray:
        return with_bank(rows, tables % self.banks) if self.banks > 1 else rows

    def waits(self) -> dict[str, list[tuple[int, str, int]]]:
        """What must have happened before some of it is offered, see :meth:`Bench.run`."""
        waits, rows = {"load": []}, self.work.config.rows
        begins = self.names("values" if self.direction == "encoder" else "blocks")
        for name, share in zip(begins, self.shares, strict=True):
            first = share.firsts if self.direction == "encoder" else np.arange(len(share.counts))
            used, where = np.unique(share.table, return_index=True)
            new = used >= self.banks  # the hardware itself waits for the first table of a bank
            waits[name] = [(int(first[at]), "load", int(number) * rows + 1) for number, at in
                           zip(used[new], where[new], strict=True)]
            for number in range(self.banks, len(self.work.tables)):
                before = np.flatnonzero(share.table <= number - self.banks)
                if len(before):
                    waits["load"].append((number * rows, name, int(first[before[-1]]) + 1))
        waits["load"].sort()
        return waits

    def compare(self, outputs: dict[str, np.ndarray]) -> list[str | None]:
        """Where each stream first differs from golden, in one line; None if nowhere."""
        check = self._compare_encoded if self.direction == "encoder" else self._compare_decoded
        return [check(outputs, i, share) for i, share in enumerate(self.shares)]

    def _compare_encoded(self, outputs, i: int, share: Share) -> str | None:
        symbols, offsets = (outputs[self.names(kind)[i]] for kind in ("symbols", "offsets"))
        return compare_words("symbol", symbols, share.symbols) or compare_words("offset", offsets, share.offsets)

    def _compare_decoded(self, outputs, i: int, share: Share) -> str | None:
        values, reports = (outputs[self.names(kind)[i]] for kind in ("values", "report"))
        different = compare_values(values, share.values, share.counts)
        if different or len(reports) != len(share.counts):
            return different or f"{len(reports)} reports for {len(share.counts)} blocks"
        bad = np.flatnonzero(reports.any(axis=1))
        return f"block {bad[0]}: reported as damaged" if len(bad) else None

    def flagged(self, outputs: dict[str, np.ndarray]) -> int:
        """Blocks that the encoder flagged ``error``, or the decoder reported as damaged."""
        if self.direction == "encoder":
            return sum(int(outputs[name][:, 3].sum()) for name in self.names("symbols"))
        return sum(int(outputs[name].any(axis=1).sum()) for name in self.names("report"))
