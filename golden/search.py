"""Finding the symbol table of a tensor: the cut into rows that costs fewest bits, then the rows' integer counts.

The cost of a row depends on nothing outside it, so the best cut is a shortest path from boundary 0 to
boundary ``2**W`` whose edges are rows. :class:`_Cuts` solves that by dynamic programming.
"""

from dataclasses import dataclass

import numpy as np

from .config import CodecConfig, check_int
from .heuristic import equal_step_cut
from .table import SymbolTable

# All 2**13 + 1 boundaries of a 13-bit tensor take half a second; two bits more would take eight.
EXACT_WIDTH = 13
# Above it: how many candidates mark the value space (and as many the mass), and how many values to either side
# of a cut are tried as well. What the second choice gains over the first is the gap.
COARSE, FINE = (256, 16), (1024, 16)
MAX_ROUNDS = 12  # of refinement; real tensors settle in two to seven


@dataclass(frozen=True)
class SearchResult:
    """A table and what it costs, in bits. All costs leave out the bits that store the table itself.

    Members
    -------
    table : the table found.
    cost_bits : ideal code length of the histogram with this table, integer counts included.
    bound_bits : the optimal-table bound: best cut into at most ``config.rows`` rows, with real-valued
        probabilities. The same for either method.
    entropy_bits : order-0 entropy of the histogram, the floor under any table.
    gap_bits : what a better cut may gain, table bits included. Optimal method: 0.0 where the cut is exact, else
        what the finer candidate set gained over the coarser one, an estimate of what one finer still would gain.
        Heuristic method: its distance from the optimal method's cut, plus that one's gap.
    method : "optimal" or "heuristic".
    candidates : number of boundaries between which rows were sought.
    exact : whether the cut is proven to be the best one.
    """

    table: SymbolTable
    cost_bits: float
    bound_bits: float
    entropy_bits: float
    gap_bits: float
    method: str
    candidates: int
    exact: bool


def histogram(codes: np.ndarray, width: int) -> np.ndarray:
    """How often each value occurs: int64, shape ``(2**width,)``.

    ``codes``: unsigned ``width``-bit integers, any shape. One table for several tensors (the same activation
    for several inputs, say) is searched with the sum of their histograms.

    Raises TypeError for anything but an integer array, ValueError for a code out of range.
    """
    width = check_int("width", width, 2, 16)
    _check_integers("codes", codes)
    codes = codes.ravel()
    for code in (codes.min(), codes.max()) if codes.size else ():
        if not 0 <= code < 1 << width:
            raise ValueError(f"codes must be in 0..{(1 << width) - 1}, not {code} (two's complement read as unsigned)")
    counts = np.zeros(1 << width, np.int64)
    part = 1 << 18  # bincount copies its input into 64-bit integers
    for first in range(0, codes.size, part):
        counts += np.bincount(codes[first : first + part], minlength=1 << width)
    return counts


def search_table(
    config: CodecConfig,
    histogram: np.ndarray,
    *,
    method: str = "optimal",
    cover_all: bool = False,
    table_bits: bool = True,
) -> SearchResult:
    """The symbol table for a tensor with this histogram.

    ``histogram``: non-negative integers, shape ``(2**W,)``, adding up to less than ``2**63``.
    ``method``: "optimal" (shortest path) or "heuristic" (:func:`golden.heuristic.equal_step_cut`).
    ``cover_all``: give every row a count, so that values the histogram has not seen stay codable.
    ``table_bits``: weigh a row's W+P+1 stored bits against what it saves, so that small tensors get short
    tables. Without it only the coded bits count, and a row must merely save something.

    Rows that hold values get at least one count. A histogram of zeros gets one row.
    Raises TypeError for an argument of the wrong kind, ValueError for one out of range.
    """
    _check_arguments(config, histogram, method, cover_all, table_bits)
    return TableSearch(config, histogram, table_bits=table_bits).result(method=method, cover_all=cover_all)


class TableSearch:
    """The search for one histogram, done once and good for several kinds of table.

    Parameters are those of :func:`search_table`, and unchecked.
    """

    def __init__(self, config: CodecConfig, histogram: np.ndarray, *, table_bits: bool = True):
        self.config, self._seen = config, histogram.astype(np.int64)
        self._total = int(self._seen.sum())
        self._row_bits = config.width + config.prob_bits + 1 if table_bits else 0
        self._cuts = None
        if self._total:
            self._cost = RowCost(self._seen)
            self._cuts, self._gap_bits = _best_cuts(self._cost, config, self._row_bits)

    def result(self, *, method: str = "optimal", cover_all: bool = False) -> SearchResult:
        """The table of that kind."""
        config, seen, cuts = self.config, self._seen, self._cuts
        if cuts is None:
            table = SymbolTable(config, (0,), (config.total,))
            return SearchResult(table, 0.0, 0.0, 0.0, 0.0, method, config.values + 1, True)
        used = seen[seen > 0].astype(np.float64)
        entropy_bits = float(used @ (np.log2(self._total) - np.log2(used)))
        exact, gap_bits = config.width <= EXACT_WIDTH, self._gap_bits
        candidates = config.values + 1 if exact else len(cuts.boundaries)
        if method == "optimal":
            table = _cheapest_table(config, seen, cuts, self._row_bits, cover_all)
        else:
            cut = equal_step_cut(self._cost, config.values, config.rows)
            table = _table(config, seen, cut, cover_all)
            cut_bits = float(self._cost(cut[:-1], cut[1:]).sum()) + self._row_bits * (len(cut) - 1)
            gap_bits += max(0.0, cut_bits - float(cuts.objective(self._row_bits).min()))
            exact, candidates = False, config.values + 1
        bound_bits, cost_bits = float(cuts.bits.min()), table.cost_bits(seen)
        return SearchResult(table, cost_bits, bound_bits, entropy_bits, gap_bits, method, candidates, exact)


def allocate_counts(mass: np.ndarray, total: int, *, cover_all: bool = False) -> np.ndarray:
    """Integer counts that code rows of this mass in fewest bits: int64, shape ``(rows,)``, sum ``total``.

    ``mass``: occurrences per row, non-negative int64, not all zero; ``total``: at least the number of rows.
    Rows with mass get at least 1, empty ones 0, or 1 with ``cover_all``. Raises ValueError if that is impossible.

    The cost ``-sum mass*log2(count)`` is convex and separable, so counts that no move of one count from
    one row to another improves are optimal; those are sought from the proportional shares, a few moves away.
    """
    least = ((mass > 0) | cover_all).astype(np.int64)
    if not mass.any():
        raise ValueError("mass must not be zero for every row")
    if total < least.sum():
        raise ValueError(f"total must be at least {least.sum()}, one count per coded row, not {total}")
    counts = np.maximum((mass * (total / float(mass.sum(dtype=np.float64)))).astype(np.int64), least)
    missing = total - int(counts.sum())
    while True:
        # One expression for both, so that a move and its reversal compare equal and no loop can form.
        gain = mass * np.log1p(1 / np.maximum(counts, 1))
        loss = np.where(counts > least, mass * np.log1p(1 / np.maximum(counts - 1, 1)), np.inf)
        up, down = int(gain.argmax()), int(loss.argmin())
        if missing == 0 and gain[up] <= loss[down]:
            return counts
        if missing >= 0:
            counts[up] += 1
        if missing <= 0:
            counts[down] -= 1
        missing -= (missing > 0) - (missing < 0)


class RowCost:
    """Bits that the values of a row cost with a real-valued probability: ``n*(OL - log2(n/T))``.

    Call it with the first value and the end of rows (integer arrays that broadcast); the answer is float64,
    infinite where a row would be empty of values to cover.
    """

    def __init__(self, histogram: np.ndarray):
        sizes = np.arange(1, len(histogram) + 1)
        self.below = np.concatenate(([0], np.cumsum(histogram)))  # int64: differences stay exact beyond 2**53
        offset_bits = np.concatenate(([0], np.ceil(np.log2(sizes))))
        self.plain_bits = offset_bits + np.log2(float(self.below[-1]))

    def __call__(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        size = end - start
        n = self.below[end] - self.below[start]
        bits = self.plain_bits[size]
        some = np.maximum(n, 1).astype(np.float64)
        bits -= np.log2(some, out=some)
        bits *= n
        bits[size <= 0] = np.inf
        return bits


class _Cuts:
    """The best cuts into 1, 2 .. ``rows`` rows whose ends are among ``boundaries`` (rising, 0 and 2**W included).

    Members
    -------
    bits : cost of the best cut into k rows, float64, shape ``(rows + 1,)``; infinite where there is none.
    """

    def __init__(self, cost: RowCost, boundaries: np.ndarray, rows: int):
        self.cost, self.boundaries = cost, boundaries
        # best[k, j]: cheapest cut of everything below boundaries[j] into k rows.
        self.best = np.full((rows + 1, len(boundaries)), np.inf)
        self.best[0, 0] = 0
        strip = 64  # row ends worked on together, for all k: their costs stay in the cache
        for first in range(1, len(boundaries), strip):
            ends = slice(first, first + strip)
            starts = slice(0, first + strip)
            edges = cost(boundaries[None, starts], boundaries[ends, None])
            sums = np.empty_like(edges)
            for k in range(1, rows + 1):
                np.add(edges, self.best[k - 1, starts], out=sums)
                np.minimum.reduce(sums, axis=1, out=self.best[k, ends])
        self.bits = self.best[:, -1]

    def objective(self, row_bits: int) -> np.ndarray:
        """Coded bits and ``row_bits`` of table per row, for each number of rows."""
        return self.bits + row_bits * np.arange(len(self.bits))

    def cut(self, k: int) -> np.ndarray:
        """Boundaries of the best cut into k rows: int64, shape ``(k + 1,)``."""
        path = [len(self.boundaries) - 1]
        for rows_left in range(k - 1, -1, -1):
            j = path[-1]
            last_row = self.cost(self.boundaries[:j], self.boundaries[j])
            path.append(int(np.argmin(self.best[rows_left, :j] + last_row)))
        return self.boundaries[path[::-1]]


def _best_cuts(cost: RowCost, config: CodecConfig, row_bits: int) -> tuple[_Cuts, float]:
    """The best cuts, and what a better choice of candidate boundaries may still gain (0.0: nothing)."""
    if config.width <= EXACT_WIDTH:
        # A boundary below the smallest value that occurs, or above the largest, saves nothing: a row that reaches
        # beyond them is no cheaper than one that ends there, and what is left costs nothing.
        seen = np.flatnonzero(np.diff(cost.below))
        inner = np.arange(seen[0], seen[-1] + 2)
        return _Cuts(cost, np.unique(np.concatenate(([0], inner, [config.values]))), config.rows), 0.0
    coarse = _refined_cuts(cost, config, row_bits, *COARSE, np.array([0]))
    fine = _refined_cuts(cost, config, row_bits, *FINE, _chosen(coarse, row_bits))
    return fine, float(coarse.objective(row_bits).min() - fine.objective(row_bits).min())


def _refined_cuts(cost, config, row_bits: int, marks: int, reach: int, known: np.ndarray) -> _Cuts:
    """Best cuts over a set of candidates that follows the best cut until it settles, starting with ``known``."""
    seeds = _seeds(cost, config.values, marks)
    cuts = None
    for _ in range(MAX_ROUNDS):
        candidates = np.unique(np.concatenate((seeds, _around(known, config.width, reach))))
        if cuts and np.array_equal(candidates, cuts.boundaries):
            break
        previous, cuts = cuts, _Cuts(cost, candidates, config.rows)
        known = _chosen(cuts, row_bits)
        if previous and cuts.objective(row_bits).min() > previous.objective(row_bits).min() * (1 - 1e-7):
            break
    return cuts


def _chosen(cuts: _Cuts, row_bits: int) -> np.ndarray:
    """Boundaries of the two cuts that matter: the best one with table bits and the best one without."""
    return np.concatenate([cuts.cut(int(cuts.objective(bits).argmin())) for bits in (row_bits, 0)])


def _seeds(cost: RowCost, values: int, marks: int) -> np.ndarray:
    """Candidates before any cut is known: an even grid, quantiles of the mass, and both ends of the widest gaps."""
    grid = np.arange(0, values + 1, values // marks)
    quantiles = np.searchsorted(cost.below, np.linspace(0, float(cost.below[-1]), marks))
    seen = np.flatnonzero(np.diff(cost.below))
    gaps = np.argsort(np.diff(seen))[-(marks // 4) :]
    ends = np.concatenate((seen[gaps] + 1, seen[gaps + 1] if len(gaps) else [], seen[:1], seen[-1:] + 1))
    return np.unique(np.concatenate((grid, quantiles, quantiles[1:] - 1, ends)).clip(0, values).astype(np.int64))


def _around(cut: np.ndarray, width: int, reach: int) -> np.ndarray:
    """Boundaries near those of a cut, and those a power of two away.

    The cost is concave in a boundary's place between two rows that both stay below a power of two, so in a
    best cut one of any two neighbours is exactly as large as its offset bits allow.
    """
    powers = 1 << np.arange(width)
    steps = np.concatenate((np.arange(-reach, reach + 1), powers, -powers))
    return np.clip(cut[:, None] + steps, 0, 1 << width).ravel()


def _cheapest_table(config, histogram: np.ndarray, cuts: _Cuts, row_bits: int, cover_all: bool) -> SymbolTable:
    """The table with fewest bits in all among the best cuts into 1, 2 .. rows, counts rounded to integers.

    A cut's cost with real-valued probabilities is a lower bound, so few cuts need to be worked out.
    """
    floor = cuts.objective(row_bits)
    best, best_bits = None, np.inf
    for k in np.argsort(floor, kind="stable"):
        if floor[k] > best_bits:
            break
        table = _table(config, histogram, cuts.cut(int(k)), cover_all)
        bits = round(table.cost_bits(histogram) + row_bits * int(k), 3)  # differences below are noise
        if best is None or (bits, k) < (best_bits, len(best.v_min)):
            best, best_bits = table, bits
    return best


def _table(config: CodecConfig, histogram: np.ndarray, cut: np.ndarray, cover_all: bool) -> SymbolTable:
    mass = np.add.reduceat(histogram, cut[:-1])
    counts = allocate_counts(mass, config.total, cover_all=cover_all)
    return SymbolTable(config, tuple(cut[:-1].tolist()), tuple(counts.tolist()))


def _check_arguments(config, histogram, method, cover_all, table_bits) -> None:
    if not isinstance(config, CodecConfig):
        raise TypeError(f"config must be a CodecConfig, not {config!r}")
    _check_integers("histogram", histogram)
    if histogram.shape != (config.values,):
        raise ValueError(f"histogram must have shape ({config.values},), 2**width, not {histogram.shape}")
    if histogram.min() < 0:
        raise ValueError(f"histogram must not be negative, but holds {histogram.min()}")
    total = sum(histogram.tolist())
    if total >= 1 << 63:
        raise ValueError(f"histogram must add up to less than 2**63, not {total}")
    if not isinstance(method, str):
        raise TypeError(f"method must be a string, not {method!r}")
    if method not in ("optimal", "heuristic"):
        raise ValueError(f"method must be optimal or heuristic, not {method!r}")
    for name, flag in (("cover_all", cover_all), ("table_bits", table_bits)):
        if not isinstance(flag, bool):
            raise TypeError(f"{name} must be True or False, not {flag!r}")


def _check_integers(name: str, array) -> None:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a numpy array of integers, not {type(array).__name__}")
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be a numpy array of integers, not of {array.dtype}")
