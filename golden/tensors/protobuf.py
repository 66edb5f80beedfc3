"""The outline of a protocol-buffers file: its bytes without the large blobs, and where those are.

The protobuf library reads a message whole, blobs and all. This walks over the wire format (each field: a varint of
number and wire type, then a varint, 4 or 8 bytes, or a length and so many bytes) and copies everything but the blobs.
"""

from collections.abc import Callable

from ..errors import FormatError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4 are groups, long out of use
MAX_FIELDS = 20_000_000  # seen on the way: models have some thousand; a walk over more would take a minute
MAX_OUTLINE = 1 << 28  # bytes: what remains is parsed by the library, and takes several times that in memory
MAX_DEPTH = 32  # of messages in messages


class Outline:
    """The outline of ``data[:]`` (anything sliceable to bytes).

    Parameters
    ----------
    schema : for a message, field number -> schema of the message it holds, or BLOB. Fields not named are copied.
    replace : ``replace(start, length)`` gives the bytes to put in place of a blob: whole fields of its message.
    threshold : blobs and messages shorter than this are copied as they are.

    Members
    -------
    bytes : the outline. Raises FormatError where the data is not of the wire format or too much remains.
    """

    BLOB = object()

    def __init__(self, data, schema: dict, replace: Callable[[int, int], bytes], threshold: int = 1024):
        self._data, self._replace, self._threshold = data, replace, threshold
        self._fields = self._copied = 0
        self.bytes = self._message(0, len(data), schema, 0)

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """The number that starts at ``at``, and where it ends."""
        value = shift = 0
        while at < end and shift < 70:
            byte = self._data[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at
        raise FormatError(f"a number at byte {at:,} has no end")

    def _copy(self, pieces: list, start: int, end: int) -> None:
        self._copied += end - start
        if self._copied > MAX_OUTLINE:
            raise FormatError(
                f"more than {MAX_OUTLINE:,} bytes beside the tensors' raw data; larger tensors must be raw data"
            )
        pieces.append(self._data[start:end])

    def _message(self, at: int, end: int, schema: dict, depth: int) -> bytes:
        """The outline of the message in ``data[at:end]``."""
        if depth > MAX_DEPTH:
            raise FormatError(f"messages are more than {MAX_DEPTH} deep in each other")
        pieces: list[bytes] = []
        last: list[bytes] = []  # what replaces a blob comes last, since of a field that is there twice the last counts
        copied = at
        while at < end:
            start = at
            field, wire, body, at = self._field(at, end)
            inner = schema.get(field) if wire == BYTES and at - body >= self._threshold else None
            if inner is None:
                continue
            self._copy(pieces, copied, start)
            copied = at
            if inner is self.BLOB:
                last.append(self._replace(body, at - body))
            else:
                text = self._message(body, at, inner, depth + 1)
                pieces.append(tag(field) + varint(len(text)) + text)
        self._copy(pieces, copied, end)
        return b"".join(pieces + last)

    def _field(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Number, wire type, start and end of the content of the field that starts at ``at``."""
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise FormatError(f"more than {MAX_FIELDS:,} fields; no model has that many")
        key, body = self._varint(at, end)
        wire, stop = key & 7, body
        if wire == VARINT:
            _, stop = self._varint(body, end)
        elif wire == BYTES:
            length, body = self._varint(body, end)
            stop = body + length
        elif wire in (FIXED32, FIXED64):
            stop += 4 if wire == FIXED32 else 8
        else:
            raise FormatError(f"wire type {wire} at byte {at:,}; allowed are 0, 1, 2 and 5")
        if stop > end:
            raise FormatError(f"a field at byte {at:,} claims to end at byte {stop:,}, behind its message's {end:,}")
        return key >> 3, wire, body, stop


def varint(value: int) -> bytes:
    """A number, 7 bits a byte, low bits first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def tag(field: int) -> bytes:
    """What a field of bytes begins with."""
    return varint(field << 3 | BYTES)


def text_field(field: int, content: bytes) -> bytes:
    """A whole field of bytes."""
    return tag(field) + varint(len(content)) + content
