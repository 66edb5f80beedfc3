"""Memory images: a compressed tensor in a memory, as memory-side hardware writes and reads it (FORMAT.md, section 10).

``write_image`` and ``read_image`` go between arrays and a memory; :class:`Image` reaches single blocks.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

import numpy as np

from . import blocks, codec
from .config import CodecConfig, check_int
from .errors import FormatError
from .header import DIRECTORY, Header
from .table import SymbolTable

LAYOUTS = ("packed", "slots")
MAX_LENGTH, MAX_SLOT_BYTES = (1 << 32) - 1, (1 << 24) - 1  # fields of a job have 32 and 24 bits
ENTRY_BYTES = DIRECTORY.itemsize

Memory = bytearray | memoryview | np.ndarray


@dataclass(frozen=True)
class Image:
    """Where a tensor lies in a memory, and how: what software tells the hardware in a job. Checked on construction.

    Members
    -------
    table : the table it is coded with; its ``config`` has the values' width and the block length.
    dtype, shape, signed : of the tensor, and whether its codes are two's complement.
    layout : "packed" or "slots".
    data_address : of the first block's first byte, any.
    directory_address : of the directory's first byte, a multiple of 8.
    slot_bytes : distance of blocks in the layout with slots, with room for a raw block; 0 if packed.

    Methods take the memory: a ``bytearray``, a ``memoryview`` or a one-dimensional ``uint8`` array (to read, ``bytes``
    too). Raises TypeError for a member of the wrong kind, ValueError for one out of range; methods also if the memory
    is too small for the image, and FormatError if what is there is no such image.
    """

    table: SymbolTable
    dtype: np.dtype
    shape: tuple[int, ...]
    signed: bool
    layout: str
    data_address: int
    directory_address: int
    slot_bytes: int = 0

    def __post_init__(self):
        if not isinstance(self.table, SymbolTable):
            raise TypeError(f"table must be a SymbolTable, not {self.table!r}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, not {self.layout!r}")
        config, dtype = self.table.config, np.dtype(self.dtype)
        if not isinstance(self.signed, bool | np.bool_):
            raise TypeError(f"signed must be True or False, not {self.signed!r}")
        if dtype.kind not in "iu" or not codec.fits_dtype(config.width, self.signed, dtype):
            raise ValueError(f"dtype must be one that holds all codes of {config.width} bits, not {dtype}")
        for name in ("data_address", "directory_address"):
            object.__setattr__(self, name, check_int(name, getattr(self, name), 0, (1 << 64) - 1))
        if self.directory_address % ENTRY_BYTES:
            raise ValueError(f"directory_address must be a multiple of {ENTRY_BYTES}, not {self.directory_address}")
        shape = tuple(check_int("shape", size, 0, MAX_LENGTH) for size in self.shape)
        check_int("length", prod(shape), 0, MAX_LENGTH, "a job's length has 32 bits")
        object.__setattr__(self, "shape", shape)
        raw = (config.block * config.width + 7) // 8
        limits = (raw, MAX_SLOT_BYTES, "a raw block must fit") if self.layout == "slots" else (0, 0, "no slots")
        object.__setattr__(self, "slot_bytes", check_int("slot_bytes", self.slot_bytes, *limits))

    @cached_property
    def header(self) -> Header:
        """The same facts as the header of a file has them."""
        return Header(self.table.config, np.dtype(self.dtype), self.shape, bool(self.signed), self.table)

    def job(self) -> dict[str, int]:
        """Those fields of the hardware's job that say where the image is and what it holds."""
        return {
            "slots": int(self.layout == "slots"), "signed": int(self.signed), "width": self.table.config.width,
            "block": self.table.config.block, "slot_bytes": self.slot_bytes, "length": self.header.values,
            "data_address": self.data_address, "directory_address": self.directory_address,
        }

    def entries(self, memory: Memory, first: int = 0, last: int | None = None) -> np.ndarray:
        """The directory's entries ``first .. last-1`` (of all blocks), a copy, sizes checked."""
        last = self.header.block_count if last is None else last
        directory = self._directory(_bytes_of(memory))[first:last].copy()
        blocks.check_sizes(self.header, directory, first)
        return directory

    def read(self, memory: Memory) -> np.ndarray:
        """The tensor."""
        out = np.empty(self.header.values, self.header.dtype)
        block = self.header.config.block
        for first, last in blocks.groups(0, self.header.block_count, block):
            out[first * block : last * block] = self.read_blocks(memory, first, last)
        return out.reshape(self.shape)

    def read_block(self, memory: Memory, index: int) -> np.ndarray:
        """The values of one block, one-dimensional."""
        index = check_int("index", index, 0, self.header.block_count - 1)
        return self.read_blocks(memory, index, index + 1)

    def read_blocks(self, memory: Memory, first: int, last: int) -> np.ndarray:
        """The values of the blocks ``first .. last-1``, one-dimensional."""
        view = _bytes_of(memory)
        # Packed blocks start where those before them end; a slot's address says nothing about the others.
        begin = 0 if self.layout == "packed" else first
        entries = self.entries(memory, begin, last)
        starts, ends = self._places(entries, begin)
        beyond = np.flatnonzero(ends > len(view))
        if len(beyond):
            i = int(beyond[0])
            raise FormatError(f"block {begin + i}: ends at {ends[i]}, beyond the memory's {len(view)} bytes")
        keep = slice(first - begin, None)
        pieces = [view[a:b] for a, b in zip(starts[keep].tolist(), ends[keep].tolist(), strict=True)]
        data = np.concatenate(pieces).tobytes() if pieces else b""
        codes = blocks.decode(self.header, first, entries[keep], data)
        return codec.from_codes(codes, self.header.config.width, self.header.signed, self.header.dtype)

    def write(self, memory: Memory, array: np.ndarray) -> "ImageInfo":
        """Code ``array`` into the memory. Bytes that belong to no block and no entry stay as they are."""
        if array.dtype != self.dtype or array.shape != self.shape:
            raise ValueError(f"array must be {self.dtype} {self.shape}, not {array.dtype} {array.shape}")
        entries, payload = blocks.encode(self.header, array.reshape(-1))
        view = _bytes_of(memory)
        self._check_room(view, len(payload))
        self._put(view, 0, entries, payload)
        return ImageInfo(self, len(payload), int((entries["symbol_bytes"] == 0).sum()))

    def write_block(self, memory: Memory, index: int, values: np.ndarray) -> None:
        """Code other values into one block, in place: slots only, as packed blocks have no room to grow into."""
        if self.layout != "slots":
            raise ValueError(f"layout must be slots for a block to be written by itself, not {self.layout}")
        index = check_int("index", index, 0, self.header.block_count - 1)
        values = codec.check_array("values", values).reshape(-1)
        count = int(blocks.value_counts(self.header, index, index + 1)[0])
        check_int("number of values", len(values), count, count, f"block {index}")
        half = 1 << (self.header.config.width - 1)
        low, high = (-half, half - 1) if self.signed else (0, 2 * half - 1)
        if int(values.min()) < low or int(values.max()) > high:
            raise ValueError(f"values must be in {low}..{high}, not {values.min()}..{values.max()}")
        one = replace(self.header, shape=(count,))
        entries, payload = blocks.encode(one, values)
        view = _bytes_of(memory)
        self._check_room(view, 0)
        self._put(view, index, entries, payload)

    def _directory(self, view: np.ndarray) -> np.ndarray:
        """All entries, in place."""
        end = self.directory_address + self.header.block_count * ENTRY_BYTES
        check_int("end of the directory", end, 0, len(view), "the memory's bytes")
        return view[self.directory_address : end].view(DIRECTORY)

    def _places(self, entries: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the blocks from ``first`` on begin and end; packed, ``first`` is 0."""
        sizes = entries["symbol_bytes"] + entries["offset_bytes"].astype(np.int64)
        if self.layout == "slots":
            starts = self.data_address + np.arange(first, first + len(entries)) * self.slot_bytes
            return starts, starts + sizes
        ends = self.data_address + np.cumsum(sizes)
        return ends - sizes, ends

    def _put(self, view: np.ndarray, first: int, entries: np.ndarray, payload: bytes) -> None:
        """Store blocks and their entries from block ``first`` on."""
        directory, data, at = self._directory(view), np.frombuffer(payload, np.uint8), 0
        for start, end in zip(*map(np.ndarray.tolist, self._places(entries, first)), strict=True):
            view[start:end] = data[at : at + end - start]
            at += end - start
        directory[first : first + len(entries)] = entries

    def _check_room(self, view: np.ndarray, stored_bytes: int) -> None:
        """Nothing is to be written half: the memory must have room, blocks and directory must not share bytes."""
        if not view.flags.writeable:
            raise TypeError("memory must be writable")
        end, count = self.data_address + stored_bytes, self.header.block_count
        if self.layout == "slots" and count:
            last = int(blocks.raw_bytes(self.header, count - 1, count)[0])
            end = self.data_address + (count - 1) * self.slot_bytes + last
        check_int("end of the blocks", end, 0, len(view), "the memory's bytes")
        directory = self.directory_address, self.directory_address + self._directory(view).nbytes
        if self.data_address < directory[1] and directory[0] < end:
            raise ValueError(f"directory_address must keep its {count} entries outside of the blocks' bytes "
                             f"{self.data_address}..{end - 1}, not {self.directory_address}")


@dataclass(frozen=True)
class ImageInfo:
    """What was written: the :class:`Image`; ``stored_bytes`` of its blocks, without directory; ``raw_blocks``."""

    image: Image
    stored_bytes: int
    raw_blocks: int


def write_image(
    memory: Memory, array: np.ndarray, table: SymbolTable, *, layout: str, data_address: int, directory_address: int,
    block: int | None = None, slot_bytes: int | None = None,
) -> ImageInfo:
    """Code a tensor into a memory.

    Parameters
    ----------
    memory : ``bytearray`` or one-dimensional ``uint8`` array; changed in place, only where blocks and directory lie.
    array : integers, any shape. table : what to code with; its width is the tensor's.
    layout, data_address, directory_address : see :class:`Image`.
    block : values per block instead of the table's.
    slot_bytes : distance of slots; by default a raw block rounded up to 64 bytes, so that all begin alike on any bus.

    Raises TypeError for an argument of the wrong kind, ValueError for one out of range, a value that the table's
    width cannot hold, or a memory that is too small.
    """
    array, table = codec.check_array("array", array), _with_block(table, block)
    if layout == "slots" and slot_bytes is None:
        slot_bytes = -(-(table.config.block * table.config.width) // 512) * 64
    signed = codec.is_signed(array, table.config.width)
    image = Image(
        table, array.dtype, array.shape, signed, layout, data_address, directory_address, slot_bytes or 0,
    )
    return image.write(memory, array)


def read_image(
    memory: Memory, table: SymbolTable, *, layout: str, shape: int | tuple[int, ...], dtype, signed: bool,
    data_address: int, directory_address: int, block: int | None = None, slot_bytes: int = 0,
) -> np.ndarray:
    """The tensor of ``shape`` (or of so many values) in a memory. Members and errors as for :class:`Image`."""
    shape = (shape,) if hasattr(shape, "__index__") else tuple(shape)
    table = _with_block(table, block)
    return Image(
        table, np.dtype(dtype), shape, signed, layout, data_address, directory_address, slot_bytes,
    ).read(memory)


def table_rows(table: SymbolTable, config: CodecConfig) -> list[tuple[int, int]]:
    """The N rows, ``(v_min, count)``, to load into hardware of these parameters for tensors of this table.

    Behind as many empty rows as are missing to N come the table's; a table of narrower values than the hardware's is
    ended by a row at ``2**w`` without a count. Raises ValueError if the table is not for such hardware.
    """
    own = table.config
    for name in ("prob_bits", "mult_bits"):
        check_int(f"the table's {name}", getattr(own, name), *[getattr(config, name)] * 2, "the hardware's")
    check_int("the table's width", own.width, 2, config.width, "the hardware's")
    narrow = own.width < config.width
    why = "a row ends narrower values" if narrow else "the hardware's"
    check_int("number of rows", len(table.v_min), 1, config.rows - narrow, why)
    rows = list(zip(table.v_min, table.counts, strict=True)) + [(own.values, 0)] * narrow
    return [(0, 0)] * (config.rows - len(rows)) + rows


def _with_block(table: SymbolTable, block: int | None) -> SymbolTable:
    if not isinstance(table, SymbolTable):
        raise TypeError(f"table must be a SymbolTable, not {table!r}")
    if block is None:
        return table
    check_int("block", block, 1, table.config.longest_block, "a raw block must stay below 64 KiB")
    return replace(table, config=table.config.with_(block=block))


def _bytes_of(memory: Memory) -> np.ndarray:
    """The memory as a ``uint8`` array that shares its bytes."""
    if isinstance(memory, bytes | bytearray | memoryview):
        return np.frombuffer(memory, np.uint8)
    plain = isinstance(memory, np.ndarray) and memory.dtype == np.uint8 and memory.ndim == 1
    if not plain or not memory.flags.c_contiguous:
        kind = f"{memory.dtype} {memory.shape}" if isinstance(memory, np.ndarray) else type(memory).__name__
        raise TypeError(f"memory must be a bytearray or a one-dimensional uint8 array, not {kind}")
    return memory
