"""Bit fields of many streams ("lanes") at once, without a loop over fields: adding them up, reading them, packing them.

Arrays of fields have the shape ``(steps, lanes)``: a row holds one field of every lane. Streams are read and
written as 32-bit words, most significant bit first.
"""

import numpy as np

from .config import check_int

WORD = 32
_MAX_JOIN = 16
_FEW = 100  # lanes
_LOW_WORD = np.uint64((1 << WORD) - 1)


def group_size(width: int, growth: int) -> int:
    """How many consecutive fields can be joined into one of at most 32 bits: 1, 2, 4, 8 or 16.

    ``width``: bits of one field; ``growth``: most bits that a further field adds.
    """
    size = 1
    while size < _MAX_JOIN and width + (2 * size - 1) * growth <= WORD:
        size *= 2
    return size


def join(fields: np.ndarray, lengths: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Join each ``size`` consecutive fields of a lane: a field shifts those before it left by its length and is added.

    ``fields``, ``lengths``: uint32, shape ``(k * size, lanes)``; a joined field must fit 32 bits.
    Returns the joined fields and the sums of their lengths: uint32, shape ``(k, lanes)``.
    """
    while size > 1:
        joined = fields[0::2] << lengths[1::2]
        joined += fields[1::2]
        fields, lengths, size = joined, lengths[0::2] + lengths[1::2], size // 2
    return fields, lengths


def joined_lengths(lengths: np.ndarray, size: int) -> list[np.ndarray]:
    """Lengths of fields joined by 1, 2, 4, .. ``size``: uint32 like ``lengths``, each array half as long."""
    levels = [lengths]
    while len(levels[-1]) * size > len(lengths):
        levels.append(levels[-1][0::2] + levels[-1][1::2])
    return levels


def part(fields: np.ndarray, levels: list[np.ndarray]) -> np.ndarray:
    """The inverse of :func:`join` for fields that do not overlap: uint32, of the lengths ``levels[0]``.

    ``fields``: uint32, of the lengths ``levels[-1]`` (:func:`joined_lengths`).
    """
    for lengths in reversed(levels[:-1]):
        parts = np.empty_like(lengths)
        high, low, shift = parts[0::2], parts[1::2], lengths[1::2]
        np.right_shift(fields, shift, out=high)
        np.left_shift(high, shift, out=low)
        np.subtract(fields, low, out=low)
        fields = parts
    return fields


def running_ends(position: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Where fields of the given ``lengths`` end, if the first of each lane starts at ``position``; that moves along.

    ``position``: shape ``(lanes,)``, changed; ``lengths``: ``(k, lanes)``, like the result; all int64.
    """
    ends = np.empty_like(lengths)
    if len(position) < _FEW:
        np.cumsum(lengths, axis=0, out=ends)
        ends += position
    else:  # numpy's sum along this axis jumps from row to row: with many lanes that is thirty times slower
        before = position
        for length, end in zip(lengths, ends, strict=True):
            np.add(before, length, end)
            before = end
    position[:] = ends[-1]
    return ends


def spread(count: int, itemsize: int) -> int:
    """The least row length, at least ``count`` items, for which rows spread over all sets of the cache.

    It is an odd number of cache lines. Rows of a power of two of them would compete for a few sets.
    """
    return (-(-count * itemsize // 64) | 1) * 64 // itemsize


class BitSums:
    """Streams as sums of overlapping fields: each is added at its place, carries travel as far as they must."""

    def __init__(self, lanes: int, bits: int):
        """``bits``: expected length of a stream. There is no need to be right."""
        # Bin w of a lane holds the fields that end in word w-1: their sum has 64 bits, the upper half is of word w-2.
        # It never exceeds them, because all that follows a field is less than one unit at its start.
        self._bins = np.zeros((lanes, 0), np.uint64)
        self._ends = self._starts = np.zeros(lanes, np.int64)
        self._make_room(bits + 512)

    @property
    def ends(self) -> np.ndarray:
        """The bit behind the last field of each lane, from its start: int64, shape ``(lanes,)``."""
        return self._ends - self._starts

    def skip(self, bits: int):
        """Let the first field start ``bits`` later."""
        self._ends += bits

    def _make_room(self, bits: int):
        """Make every lane long enough for so many bits."""
        words, ends, used = spread(bits // WORD + 3, 8), self.ends, self._bins.shape[1]
        bins = np.empty((len(self._bins), words), np.uint64)
        bins[:, :used] = self._bins
        bins[:, used:] = 0  # cleared here and now: pages that `zeros` clears at first use arrive one by one
        self._bins, self._starts = bins, np.arange(len(bins)) * (words * WORD) + (WORD - 1)
        self._ends = self._starts + ends

    def add(self, fields: np.ndarray, lengths: np.ndarray):
        """Add fields (uint32, ``(k, n)``) to the first n lanes, each ``lengths`` (uint32) bits after the last."""
        k, n = fields.shape
        most = int((self._ends[:n] - self._starts[:n]).max()) + WORD * k
        if most // WORD + 3 > self._bins.shape[1]:
            self._make_room(most * 5 // 4)
        lengths = lengths.astype(np.int64)
        ends = running_ends(self._ends[:n], lengths)
        values = fields.astype(np.uint64)
        bins = np.right_shift(ends, 5, out=lengths)
        np.invert(ends, ends)
        ends &= WORD - 1
        values <<= ends.view(np.uint64)
        np.add.at(self._bins.reshape(-1), bins.reshape(-1), values.reshape(-1))

    def streams(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first ``bits`` bits of each lane, zero padded to bytes: all bytes in a row, bytes of each lane."""
        sizes = (bits + 7) // 8
        out, ends = np.empty(int(sizes.sum()), np.uint8), np.cumsum(sizes)
        for first in range(0, len(bits), 256):
            lanes = slice(first, first + 256)
            words = self._carried(lanes, int(bits[lanes].max()) // WORD + 1)
            _clear_behind(words, bits[lanes])
            data = words.astype(np.uint32).byteswap().view(np.uint8)
            rows = np.arange(len(data)) * data.shape[1]
            copy_segments(out, (ends - sizes)[lanes], data.reshape(-1), rows, sizes[lanes])
        return out, sizes

    def _carried(self, lanes: slice, count: int) -> np.ndarray:
        """The first ``count`` words of some lanes, uint64 below ``2**32``: all bins summed, all carries resolved."""
        bins = self._bins[lanes]
        words = bins[:, 2 : count + 2] >> np.uint64(WORD)
        words += bins[:, 1 : count + 1] & _LOW_WORD
        carry = words >> np.uint64(WORD)
        words &= _LOW_WORD
        words[:, :-1] += carry[:, 1:]
        if words.max() > _LOW_WORD:  # only now a run of all-ones words can matter: rare, but as long as it likes
            flat = words.reshape(-1)
            settled = np.flatnonzero(flat != _LOW_WORD)  # what leaves these does not depend on what enters
            following = np.searchsorted(settled, np.arange(1, len(flat)))
            leaves = np.append(flat[settled] >> np.uint64(WORD), np.uint64(0))
            flat[:-1] += leaves[following]
            words &= _LOW_WORD
        return words


def _clear_behind(words: np.ndarray, bits: np.ndarray):
    """Clear what lies behind the first ``bits`` bits in the word where they end."""
    index = (np.arange(len(words)), bits // WORD)
    keep = (bits % WORD).astype(np.uint64)
    words[index] = words[index] >> (WORD - keep) << (WORD - keep)


class BitWindows:
    """Streams to read from: copies with zeros behind their ends, at any bit of which 33 bits can be had in one access.

    Members
    -------
    starts : bit position of each stream's first bit: int64.
    """

    WIDTH = 64 - (WORD - 1)

    def __init__(self, data: np.ndarray, starts: np.ndarray, sizes: np.ndarray):
        """Stream i is ``data[starts[i] : starts[i] + sizes[i]]`` (uint8)."""
        words = (sizes + 3) // 4 + 3  # at least 96 zeros behind each
        ends = np.cumsum(words)
        self.starts = (ends - words) * WORD
        count = int(ends[-1])
        padded = np.zeros((count + 1) * 4, np.uint8)
        copy_segments(padded, (ends - words) * 4, data, starts, sizes)
        self.words = np.empty(count, np.uint64)
        self.words[0::2] = padded[: (count + 1) // 2 * 8].view(">u8")
        self.words[1::2] = padded[4 : 4 + count // 2 * 8].view(">u8")

    def at(self, positions: np.ndarray) -> np.ndarray:
        """64 bits (uint64) from each bit position (int64) on; only the first WIDTH = 33 of them mean anything.

        A position beyond all streams gives anything.
        """
        windows = self.words.take(positions >> 5, mode="clip")
        windows <<= (positions & (WORD - 1)).view(np.uint64)
        return windows


def copy_segments(target: np.ndarray, to: np.ndarray, source: np.ndarray, start: np.ndarray, size: np.ndarray):
    """``target[to[i] : to[i]+size[i]] = source[start[i] : start[i]+size[i]]`` for every i, all one-dimensional."""
    total = int(size.sum())
    if total > 64 * len(size):
        for t, s, n in zip(to.tolist(), start.tolist(), size.tolist(), strict=True):
            target[t : t + n] = source[s : s + n]
        return
    step = 1 << 14  # short segments: by index, some at a time to bound the indices' memory
    for first in range(0, len(size), step):
        some = slice(first, first + step)
        n = size[some]
        offset = np.arange(int(n.sum())) - np.repeat(np.cumsum(n) - n, n)
        target[np.repeat(to[some], n) + offset] = source[np.repeat(start[some], n) + offset]


def pack_codes(codes: np.ndarray, width: int) -> np.ndarray:
    """Dense fields of ``width`` bits (2..16), most significant bit first, padded with zeros to whole bytes: uint8.

    ``codes``: unsigned integers below ``2**width``, one-dimensional.
    """
    check_int("width", width, 2, 16)
    if width % 8 == 0:
        return codes.astype(f">u{width // 8}").view(np.uint8)
    count = len(codes)
    padded = np.zeros((-(-count // 8), 8), np.uint32)  # eight fields fill whole bytes
    padded.reshape(-1)[:count] = codes
    out = np.empty((len(padded), width), np.uint8)
    for byte in range(width):
        value = np.zeros(len(padded), np.uint32)
        for i in range(byte * 8 // width, (byte * 8 + 7) // width + 1):
            shift = (i + 1) * width - (byte + 1) * 8  # bits of the field behind this byte
            value |= padded[:, i] >> shift if shift >= 0 else padded[:, i] << -shift
        out[:, byte] = value & 255
    return out.reshape(-1)[: (count * width + 7) // 8]


def unpack_codes(data: np.ndarray, width: int, count: int) -> np.ndarray:
    """The inverse of :func:`pack_codes`: ``count`` codes, uint8 for a width up to 8, else uint16.

    Raises ValueError if ``data`` (uint8) does not have the bytes that these need.
    """
    check_int("width", width, 2, 16)
    needed = (count * width + 7) // 8
    if len(data) != needed:
        raise ValueError(f"data must have {needed} bytes for {count} codes of {width} bits, not {len(data)}")
    if width % 8 == 0:
        return data.view(f">u{width // 8}").astype(f"u{width // 8}")
    padded = np.zeros((-(-count // 8), width), np.uint32)
    padded.reshape(-1)[:needed] = data
    out = np.empty((len(padded), 8), np.uint8 if width <= 8 else np.uint16)
    for i in range(8):
        value = np.zeros(len(padded), np.uint32)
        for byte in range(i * width // 8, ((i + 1) * width - 1) // 8 + 1):
            shift = (byte + 1) * 8 - (i + 1) * width  # bits of the byte behind this field
            value |= padded[:, byte] >> shift if shift >= 0 else padded[:, byte] << -shift
        out[:, i] = value & ((1 << width) - 1)
    return out.reshape(-1)[:count]
