"""Other ways to store the tensors of quantized networks: their sizes in bits, side information counted.

``RIVALS`` maps names to :class:`Rival`. README.md says what is counted, how widths other than 8 bits are handled, and
how fast the schemes' sizes are computed.
"""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from ..codec import code_type
from ..config import check_int
from .ans import Ans
from .dictionary import Lz4, Zstd
from .ebpc import BitPlanes
from .huffman import Huffman
from .mlw import Mlw
from .paper import Published
from .run_length import RunLength, ZeroRunLength
from .shapeshifter import ShapeShifter
from .streams import Reader, codes_field
from .zero_value import ZeroValue

EXTRA = "rivals"  # of pyproject.toml: where the libraries are


@dataclass(frozen=True)
class Rival:
    """A scheme under a name.

    Members
    -------
    name : short, lower case, as in ``RIVALS``.
    title : for people.
    source : where it is defined; the scheme's module says more.
    scheme : the object that does it: ``bits``, ``encode``, ``decode`` for tensors of at least one value.
    package : the package it needs besides numpy, as its registry calls it; empty: none.
    module : the module of that package.
    """

    name: str
    title: str
    source: str
    scheme: object
    package: str = ""
    module: str = ""

    def missing(self) -> str | None:
        """What has to be installed first, as a sentence that names the extra; None if nothing."""
        try:
            found = not self.module or find_spec(self.module)
        except ModuleNotFoundError:  # of the module's parent
            found = None
        return None if found else f"{self.package} is not installed: pip install 'apack-hdl[{EXTRA}]'"

    def bits(self, codes: np.ndarray, width: int) -> int:
        """Bits that a tensor takes: one that says whether it is stored raw, and the coded or the raw tensor.

        ``codes``: uint8 or uint16, one-dimensional, two's complement read as unsigned; ``width``: 2..16. No values, no
        bits. Raises TypeError or ValueError for other codes, ModuleNotFoundError with the text of :meth:`missing`.
        """
        codes = self._checked(codes, width)
        return 1 + min(len(codes) * width, self.scheme.bits(codes, width)) if len(codes) else 0

    def encode(self, codes: np.ndarray, width: int) -> str:
        """The tensor as a string of "0" and "1", ``bits(codes, width)`` of them. Slow: to check sizes, not to store."""
        codes = self._checked(codes, width)
        if not len(codes):
            return ""
        coded = self.scheme.encode(codes, width)
        return "1" + coded if len(coded) < len(codes) * width else "0" + codes_field(codes, width)

    def decode(self, bits: str, count: int, width: int) -> np.ndarray:
        """The ``count`` codes that :meth:`encode` was given."""
        if bits[:1] == "1":
            codes = self.scheme.decode(bits[1:], count, width)
        else:
            reader = Reader(bits[1:])
            codes = np.array([reader.take(width) for _ in range(count)])
        return codes.astype(code_type(width))

    def _checked(self, codes: np.ndarray, width: int) -> np.ndarray:
        """The codes in the smaller type that holds them."""
        check_int("width", width, 2, 16)
        if not isinstance(codes, np.ndarray) or codes.dtype not in (np.uint8, np.uint16):
            kind = codes.dtype if isinstance(codes, np.ndarray) else type(codes).__name__
            raise TypeError(f"codes must be a numpy array of uint8 or uint16, not {kind}")
        if codes.ndim != 1:
            raise ValueError(f"codes must have one dimension, not {codes.ndim}")
        if len(codes) and codes.max() >> width:
            raise ValueError(f"codes must be in 0..{(1 << width) - 1}, not {codes.max()}")
        if absent := self.missing():
            raise ModuleNotFoundError(absent)
        return codes.astype(code_type(width), copy=False)


CONSTRICTION = "constriction", "constriction"
MICRO = "Delmas Lascorz et al., MICRO 2019"
_ALL = [
    Rival("rle", "Run lengths", "Golomb, IEEE Trans. Inf. Theory 12(3), 1966", RunLength()),
    Rival("rlez", "Run lengths of zeros", "Han et al., EIE, ISCA 2016", ZeroRunLength()),
    Rival("zvc", "Zero-value compression", "Rhu et al., HPCA 2018", ZeroValue()),
    Rival("shapeshifter8", "ShapeShifter, 8", MICRO, ShapeShifter(8, False)),
    Rival("shapeshifter16", "ShapeShifter, 16", MICRO, ShapeShifter(16, False)),
    Rival("shapeshifter8z", "ShapeShifter, 8, zero mask", MICRO, ShapeShifter(8, True)),
    Rival("shapeshifter16z", "ShapeShifter, 16, zero mask", MICRO, ShapeShifter(16, True)),
    Rival("ebpc", "Extended bit-plane compression", "Cavigelli et al., JETCAS 9(4), 2019", BitPlanes()),
    Rival("huffman", "Canonical Huffman", "Huffman, Proc. IRE 40(9), 1952", Huffman()),
    Rival("ans", "ANS (constriction)", "Bamler, arXiv 2201.01741", Ans(), *CONSTRICTION),
    Rival("paper", "APack as published", "Delmas Lascorz et al., arXiv 2201.08830", Published()),
    Rival("mlw", "Arm Ethos-U weight coder", "Arm Vela, ethos-u-vela", Mlw(), "ethos-u-vela", "ethosu.mlw_codec"),
    Rival("zstd1", "Zstandard, level 1", "RFC 8878", Zstd(1), "zstandard", "zstandard"),
    Rival("zstd19", "Zstandard, level 19", "RFC 8878", Zstd(19), "zstandard", "zstandard"),
    Rival("lz4", "LZ4", "LZ4 block format", Lz4(0), "lz4", "lz4.block"),
]
RIVALS = {rival.name: rival for rival in _ALL}
