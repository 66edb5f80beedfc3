"""Payloads of the streams within the memory-side block, each field explained once. V, D: values in a beat of the
accelerator's streams, bits of the memory's bus."""

from amaranth.lib import data, enum
from amaranth.utils import bits_for

from .parameters import MemorySide

SIZE_BITS = 16  # of a stored stream's number of bytes, as in the directory
ID_BITS = 16  # of a block's number on its way through the decoders


def beat_layout(p: MemorySide) -> data.StructLayout:
    """Values side by side: ``values``, V containers of 8 or 16 bits, the first in the lowest bits, W-bit codes in the
    low bits of each, zeros above; ``count`` of them mean something, 1..V, less than V only in a block's last beat;
    ``last`` of its block."""
    return data.StructLayout({
        "values": data.ArrayLayout(p.value_bits, p.beat_values), "count": bits_for(p.beat_values), "last": 1,
    })


def out_beat_layout(p: MemorySide) -> data.StructLayout:
    """A beat of decoded values: as :func:`beat_layout`; ``bad``, with ``last``: the block's streams were too short or
    too long; ``id``, the number of the block that was given with its reservation (16 low bits)."""
    return data.StructLayout(dict(beat_layout(p).members) | {"bad": 1, "id": ID_BITS})


def chunk_layout(p: MemorySide) -> data.StructLayout:
    """Bytes of a stored stream: ``data``, D bits, the first byte in bits 7..0, zeros behind the last; ``bytes`` of
    them mean something, D/8 in all chunks but a stream's ``last``; 0 only where the whole stream is empty."""
    return data.StructLayout({"data": p.data_width, "bytes": bits_for(p.data_bytes), "last": 1})


def fill_layout(p: MemorySide) -> data.StructLayout:
    """A chunk on its way to a decoder: as :func:`chunk_layout`; the same in all chunks of a block: ``raw``, and
    ``count_m1``, its number of values less one. A block is its symbol stream up to ``last``, then its offset stream;
    a raw block has an empty symbol stream (one chunk of 0 bytes) and its codes in place of offsets."""
    return data.StructLayout(dict(chunk_layout(p).members) | {"raw": 1, "count_m1": p.count_bits})


def head_layout(p: MemorySide) -> data.StructLayout:
    """An encoded block that is complete: ``count_m1``, ``symbol_bytes``, ``offset_bytes``; ``failed``: only its raw
    form is there, because a value had no code or the streams became longer than there is room for (sizes then mean
    nothing)."""
    return data.StructLayout({
        "count_m1": p.count_bits, "symbol_bytes": SIZE_BITS, "offset_bytes": SIZE_BITS, "failed": 1,
    })


def drain_layout(p: MemorySide) -> data.StructLayout:
    """What leaves an encoder's buffers: ``raw``: a beat of values in the low bits of ``data``, and ``count`` of them;
    else a chunk of a coded block, and ``count`` bytes (see :func:`chunk_layout`). ``last`` of its stream; ``end``:
    last of its block."""
    width, most = max(p.data_width, p.value_bits * p.beat_values), max(p.data_bytes, p.beat_values)
    return data.StructLayout({"data": width, "count": bits_for(most), "last": 1, "raw": 1, "end": 1})


def take_layout() -> data.StructLayout:
    """What to do with an encoded block: give its values again, ``raw``, or its coded streams."""
    return data.StructLayout({"raw": 1})


def range_layout(p: MemorySide, tag: int = 0) -> data.StructLayout:
    """Bytes of the memory, to read: ``address`` of the first, how many ``bytes`` (0 is allowed), and a ``tag`` of so
    many bits that comes back with the data."""
    return data.StructLayout({"address": p.address_width, "bytes": SIZE_BITS, "tag": tag})


def read_chunk_layout(p: MemorySide, tag: int = 0) -> data.StructLayout:
    """What was read of a range: as :func:`chunk_layout` (one chunk of 0 bytes for an empty range), with the range's
    ``tag``; ``error``: the memory answered with an error for a beat of this chunk."""
    return data.StructLayout(dict(chunk_layout(p).members) | {"tag": tag, "error": 1})


def write_range_layout(p: MemorySide) -> data.StructLayout:
    """Bytes of the memory, to write: ``address`` of the first, how many ``bytes``, 1 or more. Without ``flush`` the
    next range goes on exactly where this one ends, and bytes that do not fill a beat wait for it; with ``flush`` they
    are written."""
    return data.StructLayout({"address": p.address_width, "bytes": SIZE_BITS, "flush": 1})


def entry_layout(p: MemorySide) -> data.StructLayout:
    """An entry of the directory, to write: ``address``, a multiple of 8; ``symbol_bytes``, ``offset_bytes`` and
    ``crc32`` are its 8 bytes, in this order (FORMAT.md 5.3). Without ``flush`` the next entry follows at the next
    address."""
    return data.StructLayout({
        "address": p.address_width, "symbol_bytes": SIZE_BITS, "offset_bytes": SIZE_BITS, "crc32": 32, "flush": 1,
    })


def job_layout(p: MemorySide) -> data.StructLayout:
    """A job: ``decompress`` (else compress); ``slots`` (else packed); ``dense``: values on the stream are packed
    without gaps; ``signed``: values narrower than their containers are sign-extended on their way out; ``overlap``:
    it may begin while a job of the other direction is under way; ``table``, number of the table; ``width``, bits of a
    value, 2..W; ``tag``, software's own; ``block``, values per block; ``slot_bytes``, distance of blocks in the
    layout with slots; ``length``, values; addresses of the stored blocks and of the directory, bytes."""
    return data.StructLayout({
        "decompress": 1, "slots": 1, "dense": 1, "signed": 1, "overlap": 1, "table": bits_for(max(1, p.tables - 1)),
        "width": 5, "tag": 16, "block": bits_for(p.codec.block), "slot_bytes": 24, "length": 32,
        "data_address": p.address_width, "directory_address": p.address_width,
    })


class Error(enum.Enum, shape=4):
    """How a job ended."""

    NONE = 0
    DESCRIPTOR = 1  # a field of the job is out of range
    ABORTED = 2
    READ = 3  # the memory answered a read with an error
    WRITE = 4  # the memory answered a write with an error
    DIRECTORY = 5  # sizes that no block can have
    CHECKSUM = 6  # a block's bytes are not those of its checksum
    STREAM = 7  # a block's streams ended too early or too late for its values
    PACKET = 8  # the input packet ended before all values of the job had come


def result_layout(p: MemorySide) -> data.StructLayout:
    """How a job ended: ``tag`` and ``decompress`` as given; ``error``; ``block``, number of the first block that it
    is about; ``stored_bytes``, of the blocks written or read, without directory."""
    return data.StructLayout({"tag": 16, "decompress": 1, "error": Error, "block": 32, "stored_bytes": 40})
