"""Dictionary coders of bytes: zstd, which also codes what it does not find again by its statistics, and LZ4, which
does not.

Zstandard: RFC 8878, library ``zstandard``; frames without magic number, content size and checksum. LZ4: the block
format without a size, library ``lz4``.

How codes become bytes: :func:`golden.rivals.readings.layouts`. Where it knows two ways both are tried; one bit says
which.
"""

from dataclasses import dataclass

import numpy as np

from .readings import from_layout, layouts
from .streams import Reader, field, join, joined_bits, split

LARGEST = 1 << 30  # bytes coded at once; lz4 takes less than 2 GiB


class _Dictionary:
    """What both share: the choice of a layout."""

    def bits(self, codes: np.ndarray, width: int) -> int:
        """Exact size in bits: the coder is run."""
        tried = self._tried(codes, width)
        return min(map(joined_bits, tried)) + (len(tried) > 1)

    def encode(self, codes: np.ndarray, width: int) -> str:
        """The bit string."""
        tried = self._tried(codes, width)
        which = min(range(len(tried)), key=lambda i: joined_bits(tried[i]))
        return field(which, int(len(tried) > 1)) + join(tried[which])

    def decode(self, bits: str, count: int, width: int) -> np.ndarray:
        """The ``count`` codes."""
        reader = Reader(bits)
        which = reader.take(int(width != 8))
        apart = 2 if which and width > 8 else 1
        dense = which and width < 8
        size = (count * width + 7) // 8 if dense else count * (2 if width > 8 and not which else 1)
        sizes = [min(LARGEST, size - first) for first in range(0, size, LARGEST)]
        parts = zip(split(reader, apart * len(sizes)), sizes * apart, strict=True)
        parts = [self.decompress(part, n) for part, n in parts]
        streams = [b"".join(parts[i : i + len(sizes)]) for i in range(0, len(parts), len(sizes))]
        return from_layout(streams, which, width, count)

    def _tried(self, codes: np.ndarray, width: int) -> list[list[bytes]]:
        return [
            [self.compress(stream[i : i + LARGEST]) for stream in streams for i in range(0, len(stream), LARGEST)]
            for streams in layouts(codes, width)
        ]


@dataclass(frozen=True)
class Zstd(_Dictionary):
    """``level``: 1 (fast) to 22. Needs zstandard."""

    level: int

    def compress(self, data: bytes) -> bytes:
        """One frame."""
        import zstandard

        parameters = zstandard.ZstdCompressionParameters.from_level(
            self.level, source_size=len(data), format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=0
        )
        return zstandard.ZstdCompressor(compression_params=parameters).compress(data)

    def decompress(self, data: bytes, size: int) -> bytes:
        """The inverse, ``size`` bytes."""
        import zstandard

        decompressor = zstandard.ZstdDecompressor(format=zstandard.FORMAT_ZSTD1_MAGICLESS)
        return decompressor.decompress(data, max_output_size=size)


@dataclass(frozen=True)
class Lz4(_Dictionary):
    """``effort``: 0 for the fast coder, else the level 1 to 12 of the thorough one. Needs lz4."""

    effort: int

    def compress(self, data: bytes) -> bytes:
        """One block."""
        import lz4.block

        how = {"mode": "high_compression", "compression": self.effort} if self.effort else {}
        return lz4.block.compress(data, store_size=False, **how)

    def decompress(self, data: bytes, size: int) -> bytes:
        """The inverse of one block, ``size`` bytes."""
        import lz4.block

        return lz4.block.decompress(data, uncompressed_size=size)
