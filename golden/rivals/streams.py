"""Bit strings, for the encoders that show that a size can be reached: text of "0" and "1", small inputs only."""

import numpy as np


def field(value: int, bits: int) -> str:
    """``value`` as ``bits`` binary digits; the empty string for no bits. Raises ValueError if it does not fit."""
    value = int(value)
    if not 0 <= value < 1 << bits:
        raise ValueError(f"value must be in 0..{(1 << bits) - 1}, not {value}")
    return f"{value:0{bits}b}" if bits else ""


def of_bytes(data: bytes) -> str:
    """Bytes as a bit string, most significant bit first."""
    return "".join(map("{:08b}".format, bytes(data)))


def codes_field(codes: np.ndarray, width: int) -> str:
    """Codes, ``width`` bits each."""
    return "".join(field(code, width) for code in codes.tolist())


class Reader:
    """Takes fields from the front of a bit string."""

    def __init__(self, bits: str):
        self.bits, self.position = bits, 0

    def take(self, count: int) -> int:
        """The next ``count`` bits as a number. Raises ValueError past the end."""
        end = self.position + count
        if end > len(self.bits):
            raise ValueError(f"bits must hold {count} more at {self.position}, there are {len(self.bits)}")
        value = int(self.bits[self.position : end] or "0", 2)
        self.position = end
        return value

    def rest(self) -> bytes:
        """All that is left, which must be whole bytes."""
        left = self.bits[self.position :]
        self.position = len(self.bits)
        return int(left or "0", 2).to_bytes(len(left) // 8, "big")


LENGTH_BITS = 32


def joined_bits(streams: list[bytes]) -> int:
    """Size of :func:`join`, in bits."""
    return 8 * sum(map(len, streams)) + LENGTH_BITS * (len(streams) - 1)


def join(streams: list[bytes]) -> str:
    """Streams of bytes behind one another, each but the last with its length in bytes before it."""
    first = (field(len(stream), LENGTH_BITS) + of_bytes(stream) for stream in streams[:-1])
    return "".join(first) + of_bytes(streams[-1])


def split(reader: Reader, count: int) -> list[bytes]:
    """The ``count`` streams that :func:`join` joined, at the end of a bit string."""
    streams = []
    for _ in range(count - 1):
        length = reader.take(LENGTH_BITS)
        streams.append(reader.take(8 * length).to_bytes(length, "big"))
    return [*streams, reader.rest()]
