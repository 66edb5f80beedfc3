"""Zero-value compression: a bit for every value says whether it is zero; then the others, W bits each.

M. Rhu, M. O'Connor, N. Chatterjee, J. Pool, Y. Kwon, S. W. Keckler, "Compressing DMA Engine: Leveraging Activation
Sparsity for Training Deep Neural Networks", HPCA 2018. There masks of 32 values alternate with their
values; that takes as many bits as one mask for all. Zero is the most frequent code, named in W bits.
"""

import numpy as np

from ..search import histogram
from .streams import Reader, codes_field, field


class ZeroValue:
    """The mask of the whole tensor, then its non-zero values."""

    def bits(self, codes: np.ndarray, width: int) -> int:
        """Exact size in bits."""
        return width + len(codes) + width * (len(codes) - int(histogram(codes, width).max()))

    def encode(self, codes: np.ndarray, width: int) -> str:
        """The bit string."""
        zero = int(histogram(codes, width).argmax())
        mask = "".join("01"[code != zero] for code in codes.tolist())
        return field(zero, width) + mask + codes_field(codes[codes != zero], width)

    def decode(self, bits: str, count: int, width: int) -> np.ndarray:
        """The ``count`` codes."""
        reader = Reader(bits)
        zero = reader.take(width)
        mask = [reader.take(1) for _ in range(count)]
        return np.array([reader.take(width) if bit else zero for bit in mask], np.uint16)
