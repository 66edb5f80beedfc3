"""Finding the symbol table of a tensor: the cut into rows that costs fewest bits, then the rows' integer counts.

The cost of a row depends on nothing outside it, so the best cut is a shortest path from boundary 0 to
boundary ``2**W`` whose edges are rows. :class:`golden.cuts.Cuts` solves that by dynamic programming.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from math import inf, log1p

import numpy as np

from .config import CodecConfig, check_int
from .cuts import Cuts, RowCost
from .heuristic import equal_step_cut
from .table import SymbolTable

# All 2**13 + 1 boundaries of a 13-bit tensor take half a second; two bits more would take eight.
EXACT_WIDTH = 13
# Above it: how many candidates mark the value space (and as many the mass), and how many values to either side
# of a cut are tried as well. What the second choice gains over the first is the gap.
COARSE, FINE = (256, 16), (1024, 16)
TOGETHER = 64  # histograms that are searched together: more take no less time each
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
    """The search for one histogram, done once, when it is needed, and good for several kinds of table.

    Parameters are those of :func:`search_table`, and unchecked.
    """

    def __init__(self, config: CodecConfig, histogram: np.ndarray, *, table_bits: bool = True):
        self.config, self._seen = config, histogram.astype(np.int64, copy=False)
        self._total = int(self._seen.sum())
        self._row_bits = config.width + config.prob_bits + 1 if table_bits else 0
        self._cost = RowCost(self._seen) if self._total else None
        self._cuts, self._gap_bits = None, 0.0

    @staticmethod
    def solve(searches: Iterable["TableSearch"]) -> None:
        """Do the work of several searches: together it is faster, and finds the same."""
        exact = []
        for search in searches:
            if search._cuts is not None or not search._total:
                continue
            if search.config.width <= EXACT_WIDTH:
                exact.append((search.config.rows, _boundaries(search._cost, search.config.values), search))
            else:
                search._cuts, search._gap_bits = _candidate_cuts(search._cost, search.config, search._row_bits)
        exact.sort(key=lambda task: (task[0], len(task[1])))
        for rows, tasks in groupby(exact, key=lambda task: task[0]):
            for _, places, some in (zip(*part, strict=True) for part in _batched(tasks, TOGETHER)):
                found = Cuts.together([search._cost for search in some], places, rows)
                for search, cuts in zip(some, found, strict=True):
                    search._cuts = cuts

    def result(self, *, method: str = "optimal", cover_all: bool = False) -> SearchResult:
        """The table of that kind."""
        config, seen = self.config, self._seen
        if not self._total:
            table = SymbolTable(config, (0,), (config.total,))
            return SearchResult(table, 0.0, 0.0, 0.0, 0.0, method, config.values + 1, True)
        self.solve([self])
        cuts = self._cuts
        used = seen[seen > 0].astype(np.float64)
        entropy_bits = float(used @ (np.log2(self._total) - np.log2(used)))
        exact, gap_bits = config.width <= EXACT_WIDTH, self._gap_bits
        candidates = config.values + 1 if exact else len(cuts.boundaries)
        if method == "optimal":
            table = _cheapest_table(config, cuts, self._row_bits, cover_all)
        else:
            cut = equal_step_cut(self._cost, config.values, config.rows)
            mass = np.diff(self._cost.below[cut])
            table = _table(config, cut, allocate_counts(mass, config.total, cover_all=cover_all))
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
    counts = np.maximum((mass * (total / float(mass.sum(dtype=np.float64)))).astype(np.int64), least).tolist()
    mass, least, missing = mass.tolist(), least.tolist(), total - sum(counts)

    # One expression for both, so that a move and its reversal compare equal and no loop can form.
    def gained(i: int) -> float:
        return mass[i] * log1p(1 / max(counts[i], 1))

    def lost(i: int) -> float:
        return mass[i] * log1p(1 / max(counts[i] - 1, 1)) if counts[i] > least[i] else inf

    gain, loss = ([bits(i) for i in range(len(mass))] for bits in (gained, lost))
    while True:
        most, fewest = max(gain), min(loss)
        if missing == 0 and most <= fewest:
            return np.array(counts, np.int64)
        up, down = gain.index(most), loss.index(fewest)
        change = ((up, 1),) if missing > 0 else ((down, -1),) if missing < 0 else ((up, 1), (down, -1))
        for i, step in change:
            counts[i] += step
            gain[i], loss[i] = gained(i), lost(i)
        missing -= (missing > 0) - (missing < 0)


def _boundaries(cost: RowCost, values: int) -> np.ndarray:
    """All boundaries that a best cut may need.

    One below the smallest value that occurs, or above the largest, saves nothing: a row that reaches beyond them is no
    cheaper than one that ends there, and what is left costs nothing.
    """
    first, last = np.searchsorted(cost.below, (0, cost.below[-1] - 1), "right").tolist()
    return np.array([0][: first > 1] + [*range(first - 1, last + 1)] + [values][: last < values])


def _candidate_cuts(cost: RowCost, config: CodecConfig, row_bits: int) -> tuple[Cuts, float]:
    """The best cuts between candidates, and what a better choice of them may still gain."""
    coarse = _refined_cuts(cost, config, row_bits, *COARSE, np.array([0]))
    fine = _refined_cuts(cost, config, row_bits, *FINE, _chosen(coarse, row_bits))
    return fine, float(coarse.objective(row_bits).min() - fine.objective(row_bits).min())


def _refined_cuts(cost, config, row_bits: int, marks: int, reach: int, known: np.ndarray) -> Cuts:
    """Best cuts over a set of candidates that follows the best cut until it settles, starting with ``known``."""
    seeds = _seeds(cost, config.values, marks)
    cuts = None
    for _ in range(MAX_ROUNDS):
        candidates = np.unique(np.concatenate((seeds, _around(known, config.width, reach))))
        if cuts and np.array_equal(candidates, cuts.boundaries):
            break
        previous, cuts = cuts, Cuts(cost, candidates, config.rows)
        known = _chosen(cuts, row_bits)
        if previous and cuts.objective(row_bits).min() > previous.objective(row_bits).min() * (1 - 1e-7):
            break
    return cuts


def _chosen(cuts: Cuts, row_bits: int) -> np.ndarray:
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


def _cheapest_table(config: CodecConfig, cuts: Cuts, row_bits: int, cover_all: bool) -> SymbolTable:
    """The table with fewest bits in all among the best cuts into 1, 2 .. rows, counts rounded to integers.

    A cut's cost with real-valued probabilities is a lower bound, so few cuts need to be worked out.
    """
    floor = cuts.objective(row_bits)
    best, best_bits = None, np.inf
    for k in np.argsort(floor, kind="stable").tolist():
        if floor[k] > best_bits:
            break
        cut = cuts.cut(k)
        mass = np.diff(cuts.cost.below[cut])
        counts = allocate_counts(mass, config.total, cover_all=cover_all)
        bits = round(_cost_bits(config, cut, mass, counts) + row_bits * k, 3)  # differences below are noise
        if best is None or (bits, k) < (best_bits, len(best[1])):
            best, best_bits = (cut, counts), bits
    return _table(config, *best)


def _cost_bits(config: CodecConfig, cut: np.ndarray, mass: np.ndarray, counts: np.ndarray) -> float:
    """What :meth:`SymbolTable.cost_bits` says of the table."""
    used = mass > 0
    offset_bits = np.frexp(np.diff(cut)[used] - 1.0)[1]  # bit lengths
    return float(mass[used].astype(np.float64) @ (config.prob_bits - np.log2(counts[used]) + offset_bits))


def _table(config: CodecConfig, cut: np.ndarray, counts: np.ndarray) -> SymbolTable:
    return SymbolTable(config, tuple(cut[:-1].tolist()), tuple(counts.tolist()))


def _batched(items: Iterable, count: int) -> Iterator[tuple]:
    """The items, some at a time."""
    items = iter(items)
    while some := tuple(islice(items, count)):
        yield some


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
