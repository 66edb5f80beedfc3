"""The cheapest cuts of the value space into rows, by dynamic programming over boundaries."""

from functools import cache

import numpy as np

# Float64 numbers in the costs of a strip of row ends: with their sums they stay in the second-level cache.
STRIP_COSTS = 1 << 15
# Costs that are kept to look up the best cuts in; with more of them, the few that matter are worked out again.
KEPT_COSTS = 1 << 17


class RowCost:
    """Bits that the values of a row cost with a real-valued probability: ``n*(OL - log2(n/T))``.

    Call it with the first value and the end of rows (integer arrays that broadcast); the answer is float64,
    infinite where a row would be empty of values to cover.

    Members
    -------
    below : occurrences of all values below each value and below ``2**W``: int64, so that differences stay exact
        beyond ``2**53``.
    """

    def __init__(self, histogram: np.ndarray):
        self.below = np.concatenate(([0], np.cumsum(histogram)))
        self.plain_bits = _offset_bits(len(histogram)) + np.log2(float(self.below[-1]))

    def __call__(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        size = end - start
        bits = self.of(size, self.below[end] - self.below[start])
        bits[size <= 0] = np.inf
        return bits

    def of(self, size: np.ndarray, n: np.ndarray) -> np.ndarray:
        """The cost of rows of these sizes with these occurrences (int64, or float64 if that holds them)."""
        bits = self.plain_bits.take(size)
        some = np.maximum(n, 1.0)
        bits -= np.log2(some, out=some)
        bits *= n
        return bits


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

    def __init__(self, cost: RowCost, boundaries: np.ndarray, rows: int):
        self.cost, self.boundaries = cost, boundaries
        ends, below = len(boundaries), cost.below[boundaries]
        self._below = below.astype(np.float64) if below[-1] < 1 << 53 else below
        # best[k, j]: cheapest cut of everything below boundaries[j] into k rows.
        self.best = np.full((rows + 1, ends), np.inf)
        self.best[0, 0] = 0
        self._strip = min(ends, max(8, STRIP_COSTS // ends))  # row ends worked on together, for all k
        self._kept, kept = [], ends * ends <= KEPT_COSTS
        for first in range(1, ends, self._strip):
            costs = self._costs(first, min(first + self._strip, ends))
            self._follow(costs, first)
            if kept:
                self._kept.append(costs)
        self.bits = self.best[:, -1]

    def _costs(self, first: int, last: int) -> np.ndarray:
        """Costs of rows that end at the boundaries ``first .. last-1`` and begin at those below ``last-1``."""
        ends, starts = slice(first, last), slice(0, last - 1)
        size = self.boundaries[ends, None] - self.boundaries[starts]
        costs = self.cost.of(size, self._below[ends, None] - self._below[starts])
        costs[:, first:][size[:, first:] <= 0] = np.inf
        return costs

    def _follow(self, costs: np.ndarray, first: int) -> None:
        """The best cuts up to the boundaries from ``first`` on, of those up to the boundaries where rows begin."""
        count, starts = costs.shape
        sums, ends = np.empty_like(costs), slice(first, first + count)
        for k in range(1, len(self.best)):
            np.add(costs, self.best[k - 1, :starts], out=sums)
            np.minimum.reduce(sums, axis=1, out=self.best[k, ends])

    def objective(self, row_bits: int) -> np.ndarray:
        """Coded bits and ``row_bits`` of table per row, for each number of rows."""
        return self.bits + row_bits * np.arange(len(self.bits))

    def cut(self, k: int) -> np.ndarray:
        """Boundaries of the best cut into k rows: int64, shape ``(k + 1,)``."""
        path = [len(self.boundaries) - 1]
        for rows_left in range(k - 1, -1, -1):
            j = path[-1]
            path.append(int((self.best[rows_left, :j] + self._last_rows(j)).argmin()))
        return self.boundaries[path[::-1]]

    def _last_rows(self, j: int) -> np.ndarray:
        """Costs of the rows that end at ``boundaries[j]``."""
        if self._kept:
            strip, row = divmod(j - 1, self._strip)
            return self._kept[strip][row, :j]
        return self.cost.of(self.boundaries[j] - self.boundaries[:j], self._below[j] - self._below[:j])
