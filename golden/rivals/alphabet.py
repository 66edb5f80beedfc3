"""What symbols an entropy coder uses: a value's high bits, all between the smallest and the largest one there is."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..search import histogram
from .streams import Reader, field

VERBATIM_BITS = 4
LARGEST = 8  # bits of a symbol that any tensor may fall back to


@dataclass(frozen=True)
class Alphabet:
    """Symbols ``low .. low + symbols - 1``, a symbol being ``code >> verbatim``.

    ``counts``: how often each of them occurs, int64, shape ``(symbols,)``; a decoder does not know it.
    """

    width: int
    verbatim: int
    low: int
    symbols: int
    counts: np.ndarray | None = None

    @property
    def header_bits(self) -> int:
        """Bits of :meth:`header`."""
        return VERBATIM_BITS + 2 * (self.width - self.verbatim)

    def header(self) -> str:
        """The alphabet without its counts, as a bit string."""
        ends = self.low, self.low + self.symbols - 1
        return field(self.verbatim, VERBATIM_BITS) + "".join(field(end, self.width - self.verbatim) for end in ends)

    @classmethod
    def read(cls, reader: Reader, width: int) -> "Alphabet":
        """The inverse of :meth:`header`."""
        verbatim = reader.take(VERBATIM_BITS)
        low, high = reader.take(width - verbatim), reader.take(width - verbatim)
        return cls(width, verbatim, low, high - low + 1)

    def low_bits(self, code: int) -> str:
        """The bits of a code that are no part of its symbol."""
        return field(code & ((1 << self.verbatim) - 1), self.verbatim)

    def code(self, symbol: int, reader: Reader) -> int:
        """The code of a symbol of this alphabet, 0 .. ``symbols - 1``, its low bits taken from ``reader``."""
        return symbol + self.low << self.verbatim | reader.take(self.verbatim)


def alphabets(codes: np.ndarray, width: int) -> Iterator[Alphabet]:
    """Those worth trying for at least one code of ``width`` bits: whole codes, and fewer bits down to 8.

    Left out: more symbols than the raw tensor has bits, as a table needs a bit for each.
    """
    counts = histogram(codes, width)
    fewest = max(0, width - LARGEST)
    for verbatim in range(fewest + 1):
        used = np.flatnonzero(counts)
        low, high = int(used[0]), int(used[-1])
        if verbatim == fewest or high - low < len(codes) * width:
            yield Alphabet(width, verbatim, low, high - low + 1, counts[low : high + 1])
        counts = counts[0::2] + counts[1::2]
