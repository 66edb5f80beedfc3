"""Asymmetric numeral systems by the library constriction, with an order-0 model that is counted.

J. Duda, "Asymmetric numeral systems" (arXiv 1311.2540); R. Bamler, "Understanding Entropy Coding With Asymmetric
Numeral Systems (ANS): a Statistician's Perspective" (arXiv 2201.01741) describes the library.

The model is a count for every symbol of the alphabet, scaled so that they add up to about ``2**P``; P goes from 5 up to
16 as long as that lowers the size, counts included (see :mod:`golden.rivals.integers`). A single symbol takes no bits.
"""

import numpy as np

from . import integers, readings
from .alphabet import Alphabet, alphabets
from .streams import Reader, field

PRECISIONS = range(5, 17)


class Ans:
    """One stream for the tensor. Needs constriction."""

    def bits(self, codes: np.ndarray, width: int) -> int:
        """Exact size in bits: the coder is run."""
        alphabet, model = self._cheapest(codes, width)
        side = alphabet.header_bits + integers.bits(model)
        return side + len(codes) * alphabet.verbatim + 32 * len(_coded(codes, alphabet, model))

    def block_bits(self, codes: np.ndarray, width: int, block: int) -> int:
        """Exact size in bits with the same model for all, and a stream for each ``block`` values."""
        alphabet, model = self._cheapest(codes, width)
        side = alphabet.header_bits + integers.bits(model) + len(codes) * alphabet.verbatim
        parts = (codes[first : first + block] for first in range(0, len(codes), block))
        return side + sum(32 * len(_coded(part, alphabet, model)) for part in parts)

    def encode(self, codes: np.ndarray, width: int) -> str:
        """The bit string: the model, the low bits that are stored verbatim, the words of the coder."""
        alphabet, model = self._cheapest(codes, width)
        verbatim = "".join(alphabet.low_bits(code) for code in codes.tolist())
        words = "".join(field(word, 32) for word in _coded(codes, alphabet, model).tolist())
        return alphabet.header() + integers.encode(model) + verbatim + words

    def decode(self, bits: str, count: int, width: int) -> np.ndarray:
        """The ``count`` codes."""
        from constriction import stream

        reader = Reader(bits)
        alphabet = Alphabet.read(reader, width)
        model = integers.decode(reader, alphabet.symbols)
        low = np.array([reader.take(alphabet.verbatim) for _ in range(count)], np.int64)
        used = np.flatnonzero(model)
        ranks = np.zeros(count, np.int64)
        if len(used) > 1:
            words = np.frombuffer(reader.rest(), ">u4").astype(np.uint32)
            ranks = stream.stack.AnsCoder(words).decode(_categorical(model), count)
        return ((used[ranks] + alphabet.low << alphabet.verbatim) | low).astype(np.uint16)

    @staticmethod
    def _cheapest(codes: np.ndarray, width: int) -> tuple[Alphabet, np.ndarray]:
        best, best_bits = None, np.inf
        for alphabet in alphabets(codes, width):
            least = np.inf
            for precision in PRECISIONS:
                model = _scaled(alphabet.counts, precision)
                bits = _expected_bits(alphabet, model)
                if bits > least:
                    break  # from here on the model grows faster than the values shrink
                least = bits
                if bits < best_bits:
                    best, best_bits = (alphabet, model), bits
        return best


def _scaled(counts: np.ndarray, precision: int) -> np.ndarray:
    """Counts that add up to about ``2**precision``, at least 1 where there was one."""
    scaled = np.rint(counts * (2.0**precision / float(counts.sum()))).astype(np.int64)
    return np.maximum(scaled, counts > 0)


def _expected_bits(alphabet: Alphabet, model: np.ndarray) -> float:
    used = model > 0
    coded = alphabet.counts[used] @ (np.log2(model.sum()) - np.log2(model[used]))
    return float(coded) + int(alphabet.counts.sum()) * alphabet.verbatim + alphabet.header_bits + integers.bits(model)


def _categorical(model: np.ndarray):
    """Constriction's model of the used symbols, by rank."""
    from constriction import stream

    weights = model[model > 0].astype(np.float64)
    return stream.model.Categorical(weights / weights.sum(), perfect=False)


def _coded(codes: np.ndarray, alphabet: Alphabet, model: np.ndarray) -> np.ndarray:
    """The coder's words: uint32. It is a stack, so the last value goes in first."""
    from constriction import stream

    if np.count_nonzero(model) == 1:
        return np.empty(0, np.uint32)
    rank = (np.cumsum(model > 0) - 1).astype(np.int32)
    coder, categorical = stream.stack.AnsCoder(), _categorical(model)
    for first in reversed(range(0, len(codes), readings.PIECE)):
        piece = codes[first : first + readings.PIECE]
        coder.encode_reverse(rank[(piece >> alphabet.verbatim).astype(np.int64) - alphabet.low], categorical)
    return coder.get_compressed()
