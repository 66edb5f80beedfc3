"""Which weights belong to which activation: the assignment of least cost."""

import numpy as np

FORBIDDEN = 1e6  # an assignment at that cost is none


def assign(costs: np.ndarray) -> list[int]:
    """For each row the column it gets, -1 for none; every column once at most, the sum of costs least.

    ``costs``: float [rows, columns]; ``FORBIDDEN`` or more where the two cannot go together. Leaving a row out costs as
    much as anything forbidden, so as many rows as possible get a column. The method of shortest augmenting paths with
    potentials (Jonker and Volgenant, Computing 38, 1987).
    """
    rows, columns = costs.shape
    if not rows:
        return []
    padded = np.full((rows, columns + rows), FORBIDDEN)  # room for every row to be left out
    padded[:, :columns] = np.minimum(costs, 2 * FORBIDDEN)
    width = columns + rows
    u, v = np.zeros(rows), np.zeros(width + 1)
    owner = np.full(width + 1, -1)  # the row that has a column; the last column is where each search starts
    for row in range(rows):
        owner[width], at = row, width
        distance, before = np.full(width, np.inf), np.full(width, width)
        done = np.zeros(width + 1, bool)
        while owner[at] >= 0:
            done[at] = True
            reduced = padded[owner[at]] - u[owner[at]] - v[:width]
            closer = ~done[:width] & (reduced < distance)
            distance[closer], before[closer] = reduced[closer], at
            free = np.where(done[:width], np.inf, distance)
            nearest = int(free.argmin())
            step = free[nearest]
            u[owner[done]] += step
            v[done] -= step
            distance[~done[:width]] -= step
            at = nearest
        while at != width:
            owner[at] = owner[before[at]]
            at = before[at]
    result = [-1] * rows
    for column in range(columns):
        if owner[column] >= 0 and costs[owner[column], column] < FORBIDDEN:
            result[owner[column]] = column
    return result
