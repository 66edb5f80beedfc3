"""A table search by local moves, kept to compare with: what a search without dynamic programming reaches."""

from collections.abc import Callable

import numpy as np

STOP_GAIN = 0.01  # a round that lowers the footprint by less than this part is the last


def equal_step_cut(cost: Callable, values: int, rows: int) -> np.ndarray:
    """Boundaries of a cut into ``min(rows, values)`` rows: int64, from 0 to ``values``.

    Starts from rows of equal size. A round goes through step sizes from a row's size down to 1, halving, and
    moves one boundary at a time by a step up or down, as long as that lowers the footprint. Rounds follow
    until one gains less than 1 %. After the search that arXiv 2201.08830 describes.

    ``cost(start, end)``: bits of rows, see :class:`golden.search.RowCost`.
    """
    rows = min(rows, values)
    cut = np.arange(rows + 1) * values // rows
    footprint = float(cost(cut[:-1], cut[1:]).sum())
    while True:
        step = 1 << (values // rows).bit_length() - 1
        while step:
            for i in range(1, rows):
                _move(cost, cut, i, step)
            step //= 2
        before, footprint = footprint, float(cost(cut[:-1], cut[1:]).sum())
        if before - footprint <= STOP_GAIN * before:
            return cut


def _move(cost: Callable, cut: np.ndarray, i: int, step: int) -> None:
    """Move boundary ``i`` by steps, in place, while one of the two directions lowers the cost of the rows beside it."""
    below, above = cut[i - 1], cut[i + 1]
    while True:
        places = np.array([cut[i], cut[i] - step, cut[i] + step])
        places = places[(places > below) & (places < above)]
        tried = cost(below, places) + cost(places, above)
        if tried.min() >= tried[0]:
            return
        cut[i] = places[tried.argmin()]
