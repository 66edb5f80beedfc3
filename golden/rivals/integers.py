"""Side information that is a row of small non-negative integers (counts, code lengths), stored in few bits.

Exponential Golomb codes of order k (J. Teuhola, "A compression method for clustered bit-vectors", Information
Processing Letters 7(6), 1978): ``v + 2**k`` in binary, with as many zeros before it as its length exceeds k + 1. The
integers themselves or, folded to non-negative ones, the differences of neighbours, whichever takes less; k likewise.
"""

import numpy as np

from .streams import Reader, field

ORDER_BITS = 4  # k is 0..15
ORDERS = 1 << ORDER_BITS


def bits(values: np.ndarray) -> int:
    """Bits that ``values`` (non-negative int64, below ``2**31``) take."""
    return 1 + ORDER_BITS + min(_best_order(sequence)[0] for sequence in (values, folded(values)))


def encode(values: np.ndarray) -> str:
    """The bit string of :func:`bits`."""
    sequences = values, folded(values)
    costs = [_best_order(sequence) for sequence in sequences]
    which = int(costs[1][0] < costs[0][0])
    order = costs[which][1]
    return field(which, 1) + field(order, ORDER_BITS) + "".join(_code(v, order) for v in sequences[which].tolist())


def decode(reader: Reader, count: int) -> np.ndarray:
    """The ``count`` integers: int64."""
    which, order = reader.take(1), reader.take(ORDER_BITS)
    values = np.array([_read(reader, order) for _ in range(count)], np.int64)
    return np.cumsum(np.where(values & 1, -(values + 1 >> 1), values >> 1)) if which else values


def folded(values: np.ndarray) -> np.ndarray:
    """Differences from the neighbour before (the first one's is 0): 0, -1, 1, -2 .. become 0, 1, 2, 3 .."""
    steps = np.diff(values, prepend=0)
    return np.where(steps < 0, -2 * steps - 1, 2 * steps)


def bit_length(values: np.ndarray) -> np.ndarray:
    """Binary digits of non-negative integers: 0 for 0, 1 for 1, 2 for 2 and 3 .. int64."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _best_order(values: np.ndarray) -> tuple[int, int]:
    """Fewest bits and the order that gives them, sought around the logarithm of the mean, where it lies."""
    if not len(values):
        return 0, 0
    middle = min(int(values.mean()).bit_length(), ORDERS - 1)
    orders = range(max(0, middle - 2), min(ORDERS, middle + 2))
    return min((int((2 * bit_length(values + (1 << k)) - 1 - k).sum()), k) for k in orders)


def _code(value: int, order: int) -> str:
    digits = f"{value + (1 << order):b}"
    return "0" * (len(digits) - order - 1) + digits


def _read(reader: Reader, order: int) -> int:
    zeros = 0
    while not reader.take(1):
        zeros += 1
    return (1 << zeros + order | reader.take(zeros + order)) - (1 << order)
