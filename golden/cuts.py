"""The cheapest cuts of the value space into rows, by dynamic programming over boundaries."""

from functools import cache

import numpy as np

# Float64 numbers in the costs of a strip of row ends: with their sums they stay in the second-level cache.
STRIP_COSTS = 1 << 15
STRIP_LOOP = 128  # but not fewer in the loop over ends of all histograms, if there are several


class RowCost:
    """Bits that the values of a row cost with a real-valued probability: ``n*(OL - log2(n/T))``.

    Call it with the first value and the end of rows (integer arrays that broadcast); the answer is float64,
    infinite where a row would be empty of values to cover.

    Members
    -------
    below : occurrences of all values below each value and below ``2**W``: int64, so that differences stay exact
        beyond ``2**53``.
    offset_bits : OL of a row, by its size. most : ``log2(T)``.
    """

    def __init__(self, histogram: np.ndarray):
        self.below = np.concatenate(([0], np.cumsum(histogram)))
        self.offset_bits, self.most = _offset_bits(len(histogram)), np.log2(float(self.below[-1]))

    def __call__(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        size = end - start
        bits = row_bits(self.offset_bits[size] + self.most, self.below[end] - self.below[start])
        bits[size <= 0] = np.inf
        return bits


def row_bits(plain: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Bits of rows with n occurrences (int64, or float64 if that holds them): ``n*(plain - log2(n))``, in ``plain``."""
    some = np.maximum(n, 1.0)
    plain -= np.log2(some, out=some)
    plain *= n
    return plain


@cache
def _offset_bits(values: int) -> np.ndarray:
    """OL of rows of 0 to ``values`` values: float64, read-only."""
    bits = np.concatenate(([0], np.ceil(np.log2(np.arange(1, values + 1)))))
    bits.setflags(write=False)
    return bits


class Cuts:
    """The best cuts into 1, 2 .. ``rows`` rows whose ends are among ``boundaries`` (rising, 0 and 2**W included).

    Members
    -------
    bits : cost of the best cut into k rows, float64, shape ``(rows + 1,)``; infinite where there is none.
    """

    def __init__(self, cost: RowCost, boundaries: np.ndarray, rows: int, best: np.ndarray | None = None):
        self.cost, self.boundaries = cost, boundaries
        # best[k, j]: cheapest cut of everything below boundaries[j] into k rows.
        self.best = _Program([cost], [boundaries], rows).best[:, :, 0] if best is None else best
        self._below = cost.below[boundaries]
        self.bits = self.best[:, -1]

    @classmethod
    def together(cls, costs: list[RowCost], boundaries: list[np.ndarray], rows: int) -> list["Cuts"]:
        """The best cuts for each of several histograms: faster than one by one.

        There should be about as many boundaries for each, which follow each other but for the first and the last.
        """
        best = _Program(costs, boundaries, rows).best
        tasks = enumerate(zip(costs, boundaries, strict=True))
        return [cls(cost, some, rows, best[:, : len(some), i].copy()) for i, (cost, some) in tasks]

    def objective(self, row_bits: int) -> np.ndarray:
        """Coded bits and ``row_bits`` of table per row, for each number of rows."""
        return self.bits + row_bits * np.arange(len(self.bits))

    def cut(self, k: int) -> np.ndarray:
        """Boundaries of the best cut into k rows: int64, shape ``(k + 1,)``."""
        path = [len(self.boundaries) - 1]
        for rows_left in range(k - 1, -1, -1):
            j = path[-1]
            # Costs of the last row, worked out once more: to keep them all would take more time than these few.
            plain = self.cost.offset_bits.take(self.boundaries[j] - self.boundaries[:j]) + self.cost.most
            last_row = row_bits(plain, self._below[j] - self._below[:j])
            path.append(int((self.best[rows_left, :j] + last_row).argmin()))
        return self.boundaries[path[::-1]]


class _Program:
    """The dynamic program for several histograms at once, which come last in all arrays: numpy then has long loops.

    Members
    -------
    best : ``best[k, j, i]``: cheapest cut of everything below boundary j of histogram i into k rows: float64.
    """

    def __init__(self, costs: list[RowCost], boundaries: list[np.ndarray], rows: int):
        ends = max(map(len, boundaries))
        # Histograms with fewer boundaries end with empty rows, which nothing looks at.
        self._places = np.array([np.pad(some, (0, ends - len(some)), "edge") for some in boundaries]).T.copy()
        below = np.array([cost.below[some] for cost, some in zip(costs, self._places.T, strict=True)]).T.copy()
        self._below = below.astype(np.float64) if below.max() < 1 << 53 else below
        self._offset_bits = max((cost.offset_bits for cost in costs), key=len)
        self._most = np.array([cost.most for cost in costs])
        self._lasts = [len(some) - 1 for some in boundaries]
        self.best = np.full((rows + 1, *below.shape), np.inf)
        self.best[0, 0] = 0
        # Row ends that are worked on together, for all k.
        strip = min(ends, max(8 if len(costs) == 1 else -(-STRIP_LOOP // len(costs)), STRIP_COSTS // below.size))
        for first in range(1, ends, strip):
            self._follow(self._edges(first, min(first + strip, ends)), first)

    def _edges(self, first: int, last: int) -> np.ndarray:
        """Costs of rows that end at the boundaries ``first .. last-1`` and begin at those below ``last-1``."""
        if len(self._most) == 1:  # ends first in memory: the long loops are then those of starts
            size, n = (a[first:last, None] - a[: last - 1] for a in (self._places, self._below))
            edges = row_bits(self._offset_bits.take(size) + self._most, n).swapaxes(0, 1)
        else:
            edges = row_bits(self._plain(first, last), self._below[first:last] - self._below[: last - 1, None])
        within = edges[first:]
        within[np.tri(*within.shape[1::-1], -1).T == 0] = np.inf  # rows that would end before they begin
        return edges

    def _plain(self, first: int, last: int) -> np.ndarray:
        """``OL + log2(T)`` of those rows."""
        places, offset_bits, most = self._places, self._offset_bits, self._most
        # Between boundaries that follow each other a row is as large as its ends are apart, in all histograms.
        apart = np.arange(first, last) - np.arange(last - 1)[:, None]
        plain = offset_bits.take(np.maximum(apart, 0))[:, :, None] + most
        plain[0] = offset_bits.take(places[first:last]) + most
        for i, end in enumerate(self._lasts):
            if first <= end < last:
                plain[:end, end - first, i] = offset_bits.take(places[end, i] - places[:end, i]) + most[i]
        return plain

    def _follow(self, edges: np.ndarray, first: int) -> None:
        """The best cuts up to the boundaries from ``first`` on, of those up to the boundaries where rows begin."""
        starts, count, _ = edges.shape
        sums, best, ends = np.empty_like(edges), self.best, slice(first, first + count)
        best[1, ends] = edges[0]
        for k in range(2, len(best)):
            np.add(edges, best[k - 1, :starts, None], out=sums)
            np.minimum.reduce(sums, axis=0, out=best[k, ends])
