"""Canonical Huffman coding of values, the code's lengths counted.

D. A. Huffman, "A Method for the Construction of Minimum-Redundancy Codes", Proceedings of the IRE 40(9), 1952; only
lengths are stored because the code is canonical (E. S. Schwartz, B. Kallick, Communications of the ACM 7(3), 1964).

Stored: the low bits of a value that are kept verbatim (4 bits: 0 for W <= 8, at most W - 8 above, so that a 16-bit
tensor need not pay for 65,536 lengths), the smallest and the largest symbol, and the lengths between them (0: not
used) as in :mod:`golden.rivals.integers`. Lengths are not limited. A single symbol takes no bits.
"""

import numpy as np

from . import integers
from .alphabet import Alphabet, alphabets
from .streams import Reader, field


class Huffman:
    """One code for the tensor."""

    def bits(self, codes: np.ndarray, width: int) -> int:
        """Exact size in bits."""
        return min(self._bits(alphabet) for alphabet in alphabets(codes, width))

    def encode(self, codes: np.ndarray, width: int) -> str:
        """The bit string."""
        alphabet = min(alphabets(codes, width), key=self._bits)
        lengths = code_lengths(alphabet.counts)
        words = canonical(lengths)
        out = [alphabet.header(), integers.encode(lengths)]
        for code in codes.tolist():
            out += [words[(code >> alphabet.verbatim) - alphabet.low], alphabet.low_bits(code)]
        return "".join(out)

    def decode(self, bits: str, count: int, width: int) -> np.ndarray:
        """The ``count`` codes."""
        reader = Reader(bits)
        alphabet = Alphabet.read(reader, width)
        lengths = integers.decode(reader, alphabet.symbols)
        words = canonical(lengths)
        symbol_of = {word: symbol for symbol, word in enumerate(words) if word or len(words) == 1}
        codes = []
        for _ in range(count):
            word = ""
            while word not in symbol_of:
                word += field(reader.take(1), 1)
            codes.append(alphabet.code(symbol_of[word], reader))
        return np.array(codes, np.uint16)

    @staticmethod
    def _bits(alphabet: Alphabet) -> int:
        lengths = code_lengths(alphabet.counts)
        coded = int(alphabet.counts @ (lengths + alphabet.verbatim))
        return alphabet.header_bits + integers.bits(lengths) + coded


def code_lengths(counts: np.ndarray) -> np.ndarray:
    """Lengths of a Huffman code for symbols with these counts: int64; 0 for a count of 0 and for an only symbol.

    Two queues, leaves in rising order and the sums made from them, which rise by themselves; the depth of a node is
    known once its parent's is.
    """
    used = np.flatnonzero(counts)
    used = used[np.argsort(counts[used], kind="stable")]
    weights = counts[used].tolist()
    leaves = len(weights)
    parent = [0] * max(0, 2 * leaves - 1)
    leaf, inner = 0, leaves
    for made in range(leaves, 2 * leaves - 1):
        total = 0
        for _ in range(2):
            if leaf < leaves and (inner >= made or weights[leaf] <= weights[inner]):
                chosen, leaf = leaf, leaf + 1
            else:
                chosen, inner = inner, inner + 1
            parent[chosen] = made
            total += weights[chosen]
        weights.append(total)
    depth = [0] * len(parent)
    for node in range(len(parent) - 2, -1, -1):
        depth[node] = depth[parent[node]] + 1
    lengths = np.zeros(len(counts), np.int64)
    lengths[used] = depth[:leaves]
    return lengths


def canonical(lengths: np.ndarray) -> list[str]:
    """The words of the canonical code: in order of length, then of symbol. The empty word where the length is 0."""
    words, word, before = [""] * len(lengths), 0, 0
    for symbol in np.argsort(lengths, kind="stable").tolist():
        if length := int(lengths[symbol]):
            word <<= length - before
            words[symbol], before = field(word, length), length
            word += 1
    return words
