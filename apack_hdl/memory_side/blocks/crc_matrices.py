"""CRC-32 as linear algebra: what bytes do to the remainder, as matrices over GF(2).

The CRC is that of Ethernet, gzip and zlib (FORMAT.md, section 5): reflected polynomial 0xEDB88320. A matrix is a list
of columns, a number each: column i is what bit i of the input adds to the output.
"""

POLYNOMIAL = 0xEDB88320
ONES = 0xFFFFFFFF  # the remainder at first, and what the result is inverted by


def forward(remainder: int, bytes_: int) -> int:
    """The remainder after so many bytes of zeros."""
    for _ in range(8 * bytes_):
        remainder = remainder >> 1 ^ (POLYNOMIAL if remainder & 1 else 0)
    return remainder


def backward(remainder: int, bytes_: int) -> int:
    """The remainder before so many bytes of zeros."""
    for _ in range(8 * bytes_):
        # The polynomial's top bit is set, so the top bit tells whether it was added.
        remainder = (remainder ^ POLYNOMIAL) << 1 | 1 if remainder >> 31 else remainder << 1
    return remainder


def zeros_matrix(bytes_: int) -> list[int]:
    """What ``bytes_`` bytes of zeros do to a remainder; less than 0: what undoes that."""
    step = forward if bytes_ >= 0 else backward
    return [step(1 << bit, abs(bytes_)) for bit in range(32)]


def data_matrix(bytes_: int, behind: int = 0) -> list[int]:
    """What so many bytes of data, the first in bits 7..0, with ``behind`` bytes of zeros behind them, add to the
    remainder."""
    # Data are added to the lowest bits of the remainder, a byte at a time, and then go the way of the remainder.
    return [forward(1 << bit % 8, bytes_ - bit // 8 + behind) for bit in range(8 * bytes_)]
