"""EBPC, extended bit-plane compression: runs of zeros beside bit planes of the differences of what is not zero.

L. Cavigelli, G. Rutishauser, L. Benini, "EBPC: Extended Bit-Plane Compression for Deep Neural Network Inference and
Training Accelerators", IEEE Journal on Emerging and Selected Topics in Circuits and Systems 9(4), 2019 (arXiv
1908.11645), table 3a, block and run lengths as in the authors' hardware; the planes are those of J. Kim, M. Sullivan,
E. Choukse, M. Erez, "Bit-Plane Compression", ISCA 2016.

Zeros: 1 for a value that is not zero, 0 and ``length - 1`` in 4 bits for a run of 1 to 16 zeros.

Others: blocks of 8, the last one filled up with zeros. A block is its first value, W bits, and the W + 1 planes of
its 7 differences, most significant plane first. The first plane is coded as it is, every other as what it differs in
from the one before (x): ``01`` x is 0; ``001`` and ``length - 2`` in ``ceil(log2(W))`` bits: 2 to W + 1 times so;
``00000`` x is all ones; ``00001`` the plane itself is 0; ``00010`` and 3 bits: two neighbouring ones, from this place
on; ``00011`` and 3 bits: a single one, here; ``1`` and x otherwise.

Which code is zero and whether there is a sign (so that differences are small): W + 1 bits for the tensor.
"""

from collections.abc import Iterator

import numpy as np

from ..search import histogram
from . import readings
from .readings import Reading
from .streams import Reader, field

BLOCK = 8
STEPS = BLOCK - 1  # differences of a block, so bits of a plane
ONES = (1 << STEPS) - 1
SINGLE = {1 << place: place for place in range(STEPS)}
DOUBLE = {3 << place: place for place in range(STEPS - 1)}
RUN = 16  # longest run of zeros that one code stands for
RUN_CODE_BITS = 5


class BitPlanes:
    """The run lengths of the whole tensor, then the blocks."""

    def bits(self, codes: np.ndarray, width: int) -> int:
        """Exact size in bits."""
        return width + 1 + self._cheapest(codes, width)[0]

    def encode(self, codes: np.ndarray, width: int) -> str:
        """The bit string."""
        reading = self._cheapest(codes, width)[1]
        values = reading.values(width)[codes].tolist()
        others = [value for value in values if value]
        others += [0] * (-len(others) % BLOCK)
        out = [field(reading.zero, width), field(reading.signed, 1), *_encode_zeros(values)]
        for first in range(0, len(others), BLOCK):
            out += _encode_block(others[first : first + BLOCK], width)
        return "".join(out)

    def decode(self, bits: str, count: int, width: int) -> np.ndarray:
        """The ``count`` codes."""
        reader = Reader(bits)
        reading = Reading(reader.take(width), bool(reader.take(1)))
        there = []
        while len(there) < count:
            there += [1] if reader.take(1) else [0] * (reader.take(4) + 1)
        others = []
        while len(others) < sum(there):
            others += _decode_block(reader, width)
        values = iter(others)
        return np.array([reading.code(next(values) if one else 0, width) for one in there], np.uint16)

    @staticmethod
    def _cheapest(codes: np.ndarray, width: int) -> tuple[int, Reading]:
        tried = []
        for reading in readings.readings(histogram(codes, width)):
            bits = sum(_block_bits(blocks, width) for blocks in _blocks(codes, width, reading))
            tried.append((bits + _zero_bits(codes, reading.zero), reading))
        return min(tried)


def _zero_bits(codes: np.ndarray, zero: int) -> int:
    """Size of the run lengths."""
    bits, last = 0, -1
    for first in range(0, len(codes), readings.PIECE):
        places = np.flatnonzero(codes[first : first + readings.PIECE] != zero) + first
        gaps = np.diff(places, prepend=last) - 1
        bits += len(places) + RUN_CODE_BITS * int((gaps + RUN - 1 >> 4).sum())
        last = int(places[-1]) if len(places) else last
    return bits + RUN_CODE_BITS * (len(codes) - 1 - last + RUN - 1 >> 4)


def _blocks(codes: np.ndarray, width: int, reading: Reading) -> Iterator[np.ndarray]:
    """The values other than zero, in whole blocks: int32, shape ``(blocks, 8)``, some at a time."""
    values, left = reading.values(width), np.empty(0, np.int32)
    for piece in readings.pieces(codes):
        left = np.concatenate((left, values[piece[piece != reading.zero]]))
        whole = len(left) // BLOCK * BLOCK
        yield left[:whole].reshape(-1, BLOCK)
        left = left[whole:]
    if len(left):
        yield np.pad(left, (0, BLOCK - len(left))).reshape(1, BLOCK)


def _block_bits(blocks: np.ndarray, width: int) -> int:
    """Size of blocks, shape ``(n, 8)``."""
    steps = np.ascontiguousarray((blocks[:, 1:] - blocks[:, :-1]).T)
    run = np.zeros(len(blocks), np.uint8)
    before, bits = 0, len(blocks) * width
    for number in range(width, -1, -1):
        plane = np.zeros(len(blocks), np.uint8)
        for place in range(STEPS):
            plane |= ((steps[place] >> number & 1) << place).astype(np.uint8)
        x = plane ^ before
        run = (run + 1) * (x == 0)
        cost = CODE_BITS[x]
        cost[(plane == 0) & (cost > 5)] = 5
        bits += int(cost.sum()) + int(_zero_plane_bits(width)[run].sum())
        before = plane
    return bits


def _zero_plane_bits(width: int) -> np.ndarray:
    """What the n-th zero x in a row adds: the second one turns the short code into a run's, further ones are free."""
    bits = np.zeros(width + 2, np.int64)
    bits[1:3] = 2, 3 + (width - 1).bit_length() - 2
    return bits


def _code(x: int, plane: int) -> str:
    """The code of one plane, ``x`` not zero."""
    if x == ONES:
        return "00000"
    if plane == 0:
        return "00001"
    if x in DOUBLE:
        return "00010" + field(DOUBLE[x], 3)
    return "00011" + field(SINGLE[x], 3) if x in SINGLE else "1" + field(x, STEPS)


CODE_BITS = np.array([0] + [len(_code(x, ONES)) for x in range(1, ONES + 1)], np.int64)


def _encode_zeros(values: list[int]) -> list[str]:
    out, run = [], 0
    for value in [*values, None]:  # the end ends a run as well
        if run and (value != 0 or run == RUN):
            out.append("0" + field(run - 1, 4))
            run = 0
        if value == 0:
            run += 1
        elif value is not None:
            out.append("1")
    return out


def _encode_block(values: list[int], width: int) -> list[str]:
    steps = [b - a for a, b in zip(values, values[1:], strict=False)]
    out, before, zeros = [field(values[0] % (1 << width), width)], 0, 0
    for number in range(width, -2, -1):  # number -1 stands for the end, which ends a run
        plane = sum((step >> number & 1) << place for place, step in enumerate(steps)) if number >= 0 else 0
        x = plane ^ before
        if zeros and (x or number < 0):
            out.append("01" if zeros == 1 else "001" + field(zeros - 2, (width - 1).bit_length()))
            zeros = 0
        if number < 0:
            break
        if x:
            out.append(_code(x, plane))
        else:
            zeros += 1
        before = plane
    return out


def _decode_block(reader: Reader, width: int) -> list[int]:
    """The 8 values, modulo 2**W: differences are known modulo 2**(W+1), so values are as well."""
    first, planes = reader.take(width), []
    while len(planes) < width + 1:
        before = planes[-1] if planes else 0
        planes += _decode_planes(reader, before, width)
    steps = [sum((plane >> place & 1) << width - i for i, plane in enumerate(planes)) for place in range(STEPS)]
    values = [first]
    for step in steps:
        values.append((values[-1] + step) % (1 << width))
    return values


def _decode_planes(reader: Reader, before: int, width: int) -> list[int]:
    if reader.take(1):
        return [before ^ reader.take(STEPS)]
    if reader.take(1):
        return [before]
    if reader.take(1):
        return [before] * (reader.take((width - 1).bit_length()) + 2)
    kind = reader.take(2)
    if kind < 2:
        return [0 if kind else before ^ ONES]
    return [before ^ (3 if kind == 2 else 1) << reader.take(3)]
