"""Memory images: what golden writes is what FORMAT.md, section 10, says, and comes back; the rest stays as it was."""

import json
import random
import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from golden import memory as images
from golden.config import CodecConfig
from golden.container import Reader, compress
from golden.errors import FormatError
from golden.memory import Image, read_image, table_rows, write_image
from golden.reference import decode_block, encode_block
from golden.search import histogram, search_table
from golden.table import SymbolTable

VECTORS = Path(__file__).parent / "vectors"
INDEX = json.loads((VECTORS / "memory_images.json").read_text())
SMALL = CodecConfig(4, 6, 6, 5, 16)


def tensor(seed, config, length, dtype):
    """Values with a narrow bell, and every third block flat noise: some are better raw."""
    rng = np.random.default_rng(seed)
    half = config.values // 2
    low = -half if np.dtype(dtype).kind == "i" else 0
    values = rng.normal(low + half, max(1, half / 8), length).round()
    noisy = np.arange(length) // config.block % 3 == 1
    values[noisy] = rng.integers(low, low + config.values, int(noisy.sum()))
    return values.clip(low, low + config.values - 1).astype(dtype)


def table_for(config, array):
    codes = (array.ravel().astype(np.int64) % config.values).astype(np.uint8 if config.width <= 8 else np.uint16)
    return search_table(config, histogram(codes, config.width)).table


def written(seed, layout, *, config=SMALL, length=None, dtype=np.int8, data=None, room=None):
    """A memory of noise with an image in it, the noise, the tensor, and what was said about it."""
    rng = random.Random(f"{seed} {layout}")
    length = rng.choice([1, config.block - 1, config.block, 5 * config.block, 7 * config.block + 3]) if length is None \
        else length
    array = tensor(seed, config, length, dtype)
    count = -(-length // config.block)
    raw = (config.block * config.width + 7) // 8
    slot = raw + rng.randrange(9) if layout == "slots" else None
    data = rng.randrange(40) if data is None else data
    directory = -(-(data + count * (slot or raw)) // 8) * 8 + 8 * rng.randrange(3)
    before = np.random.default_rng(seed).integers(0, 256, directory + 8 * count + 16, dtype=np.uint8)
    memory = before.copy()
    table = table_for(config, array)
    info = write_image(
        memory, array, table, layout=layout, data_address=data, directory_address=directory, slot_bytes=slot
    )
    return memory, before, array, info


@pytest.mark.parametrize("layout", images.LAYOUTS)
@pytest.mark.parametrize("seed", range(6))
def test_comes_back_and_touches_nothing_else(layout, seed):
    config = [SMALL, CodecConfig(8, block=64), CodecConfig(11, block=24), CodecConfig(2, 3, 4, 4, 20)][seed % 4]
    dtype = [np.int16, np.uint16][seed % 2]
    memory, before, array, info = written(seed, layout, config=config, dtype=dtype)
    image = info.image
    assert np.array_equal(image.read(memory), array)
    assert np.array_equal(read_image(
        bytearray(memory.tobytes()), image.table, layout=layout, shape=len(array), dtype=dtype, signed=image.signed,
        data_address=image.data_address, directory_address=image.directory_address, slot_bytes=image.slot_bytes,
    ), array)
    entries = image.entries(memory)
    sizes = entries["symbol_bytes"].astype(int) + entries["offset_bytes"]
    assert info.stored_bytes == sizes.sum() and info.raw_blocks == (entries["symbol_bytes"] == 0).sum()
    starts = image.data_address + (np.cumsum(sizes) - sizes if layout == "packed"
                                   else np.arange(len(sizes)) * image.slot_bytes)
    mine = np.zeros(len(memory), bool)
    for start, size, crc in zip(starts, sizes, entries["crc32"], strict=True):
        mine[start : start + size] = True
        assert zlib.crc32(memory[start : start + size].tobytes()) == crc
    mine[image.directory_address : image.directory_address + 8 * len(sizes)] = True
    assert np.array_equal(memory[~mine], before[~mine])
    for i in range(len(sizes)):
        block = array[i * config.block : (i + 1) * config.block]
        assert np.array_equal(image.read_block(memory, i), block)


@pytest.mark.parametrize("width", (3, 8, 13))
def test_packed_is_directory_and_payload_of_the_file(width):
    config = CodecConfig(width, block=48)
    memory, _, array, info = written(width, "packed", config=config, length=1000, dtype=np.int16)
    file = compress(array, table=info.image.table)
    with Reader(file) as reader:
        assert reader.table and 0 < info.raw_blocks < info.image.header.block_count
        assert np.array_equal(reader.blocks, info.image.entries(memory))
        payload = file[len(file) - info.stored_bytes :]
    at = info.image.data_address
    assert memory[at : at + info.stored_bytes].tobytes() == payload


def test_slots_hold_the_same_blocks_as_packed():
    config = CodecConfig(8, block=64)
    packed, _, array, info = written(5, "packed", config=config, length=500)
    slots, at = bytearray(20000), info.image.data_address
    other = write_image(
        slots, array, info.image.table, layout="slots", data_address=24, directory_address=8192
    ).image
    assert other.slot_bytes == 64 and np.array_equal(other.entries(slots), info.image.entries(packed))
    for i, entry in enumerate(other.entries(slots)):
        size = int(entry["symbol_bytes"]) + int(entry["offset_bytes"])
        assert slots[24 + 64 * i : 24 + 64 * i + size] == packed[at : at + size].tobytes()
        at += size


@pytest.mark.parametrize("seed", range(4))
def test_slots_are_updated_in_place(seed):
    config = CodecConfig(8, block=32)
    memory, _, array, info = written(seed, "slots", config=config, length=200)
    rng, image, array = np.random.default_rng(seed), info.image, array.copy()
    for _ in range(12):
        i = int(rng.integers(7))
        new = (rng.integers(-128, 128, 32) if rng.integers(2) else rng.normal(0, 2, 32).round()).astype(np.int8)
        new = new[: 32 if i < 6 else 8]
        before = memory.copy()
        image.write_block(memory, i, new)
        array[i * 32 : i * 32 + len(new)] = new
        changed = np.flatnonzero(memory != before)
        slot, entry = image.data_address + i * image.slot_bytes, image.directory_address + 8 * i
        assert all(slot <= at < slot + 32 or entry <= at < entry + 8 for at in changed)
        assert np.array_equal(image.read(memory), array)


@pytest.mark.parametrize("layout", images.LAYOUTS)
def test_every_damaged_bit_is_found(layout):
    memory, _, array, info = written(3, layout, length=70)
    image = info.image
    sizes = [int(a) + int(b) for a, b, _ in image.entries(memory).tolist()]
    starts = [image.data_address + (sum(sizes[:i]) if layout == "packed" else i * image.slot_bytes)
              for i in range(len(sizes))]
    places = [(at, i) for i in range(len(sizes)) for at in range(starts[i], starts[i] + sizes[i])]
    places += [(image.directory_address + k, k // 8) for k in range(8 * len(sizes))]
    for at, block in places:
        damaged = memory.copy()
        damaged[at] ^= 1 << at % 8
        with pytest.raises(FormatError, match=r"block \d+"):
            image.read(damaged)
        if layout == "slots":  # no block depends on another
            with pytest.raises(FormatError, match=f"block {block}"):
                image.read_block(damaged, block)
            other = (block + 1) % len(sizes)
            assert np.array_equal(image.read_block(damaged, other), array[other * 16 : other * 16 + 16])


def test_blocks_beyond_the_memory_are_corrupt():
    memory, _, _, info = written(3, "packed", length=70, data=0)
    image = replace(info.image, data_address=len(memory) - 5)
    with pytest.raises(FormatError, match="block 0: ends at .* beyond the memory's"):
        image.read(memory)


def test_narrower_tensors_in_wider_hardware():
    hardware = CodecConfig(8, 16, 10, 8, 64)
    narrow = SymbolTable(hardware.with_(width=3), (0, 1, 6), (512, 256, 256))
    assert table_rows(narrow, hardware) == [(0, 0)] * 12 + [(0, 512), (1, 256), (6, 256), (8, 0)]
    # The hardware's table then codes the narrow values just so, and no other.
    wide = SymbolTable(hardware, (0, 1, 6, 8), (512, 256, 256, 0))
    values = np.random.default_rng(1).integers(0, 8, 64).tolist()
    streams = encode_block(narrow, values)
    assert streams == encode_block(wide, values) and decode_block(wide, *streams, 64) == values
    with pytest.raises(ValueError):
        encode_block(wide, [8])
    whole = SymbolTable(hardware, (0, 100), (1000, 24))
    assert table_rows(whole, hardware) == [(0, 0)] * 14 + [(0, 1000), (100, 24)]


@pytest.mark.parametrize(("own", "hardware", "problem"), [
    (CodecConfig(8, prob_bits=9), CodecConfig(8), "prob_bits must be in 10..10, not 9"),
    (CodecConfig(8, mult_bits=9), CodecConfig(8), "mult_bits must be in 8..8, not 9"),
    (CodecConfig(9), CodecConfig(8), "width must be in 2..8, not 9"),
    (CodecConfig(4, rows=2), CodecConfig(8, rows=2), r"number of rows must be in 1..1, not 2 \(a row ends"),
])
def test_tables_that_hardware_cannot_use(own, hardware, problem):
    table = SymbolTable(own, (0, 3), (own.total - 1, 1))
    with pytest.raises(ValueError, match=problem):
        table_rows(table, hardware)


GOOD = {"layout": "slots", "data_address": 0, "directory_address": 512, "slot_bytes": 8}


@pytest.mark.parametrize(("changes", "kind", "problem"), [
    ({"layout": "heap"}, ValueError, "layout must be one of packed, slots, not 'heap'"),
    ({"slot_bytes": 7}, ValueError, "slot_bytes must be in 8..16777215, not 7"),
    ({"layout": "packed"}, ValueError, "slot_bytes must be in 0..0, not 8"),
    ({"directory_address": 508}, ValueError, "directory_address must be a multiple of 8, not 508"),
    ({"directory_address": 32}, ValueError, "directory_address must keep its 5 entries outside"),
    ({"directory_address": 1000}, ValueError, "end of the directory must be in 0..1024, not 1040"),
    ({"data_address": 999, "directory_address": 0}, ValueError, "end of the blocks must be in 0..1024, not 1034"),
    ({"data_address": 1.5}, TypeError, "data_address must be an integer"),
    ({"block": 0}, ValueError, "block must be in 1..131070, not 0"),
    ({"memory": [1]}, TypeError, "memory must be a bytearray or a one-dimensional uint8 array, not list"),
    ({"memory": np.zeros(9)}, TypeError, r"not float64 \(9,\)"),
    ({"memory": bytes(1024)}, TypeError, "memory must be writable"),
    ({"table": None}, TypeError, "table must be a SymbolTable, not None"),
    ({"array": np.full(70, 9, np.int8)}, None, None),
    ({"array": np.full(70, 99, np.int8)}, ValueError, "values must all be in -8..7 or all in 0..15"),
    ({"array": [1]}, TypeError, "array must be a numpy array, not list"),
])
def test_what_cannot_be_written_changes_nothing(changes, kind, problem):
    array = tensor(1, SMALL, 70, np.int8)
    given = {"memory": bytearray(1024), "array": array, "table": table_for(SMALL, array)} | GOOD | changes
    memory, array, table = (given.pop(name) for name in ("memory", "array", "table"))
    before = bytes(memory) if isinstance(memory, bytearray) else None
    if kind is None:
        assert write_image(memory, array, table, **given).image.signed is False
        return
    with pytest.raises(kind, match=problem):
        write_image(memory, array, table, **given)
    assert before is None or bytes(memory) == before


def test_blocks_that_cannot_be_written():
    memory, _, _, info = written(2, "slots", length=70)
    for values, problem in [
        (np.zeros(15, np.int8), "number of values must be in 16..16, not 15"),
        (np.full(16, 8, np.int8), r"values must be in -8..7, not 8..8"),
    ]:
        with pytest.raises(ValueError, match=problem):
            info.image.write_block(memory, 0, values)
    with pytest.raises(ValueError, match="index must be in 0..4, not 5"):
        info.image.write_block(memory, 5, np.zeros(16, np.int8))
    with pytest.raises(ValueError, match="index must be in 0..4, not 5"):
        info.image.read_block(memory, 5)
    packed = written(2, "packed", length=70)[3].image
    with pytest.raises(ValueError, match="layout must be slots for a block to be written by itself, not packed"):
        packed.write_block(memory, 0, np.zeros(16, np.int8))


def test_an_empty_tensor_takes_no_bytes():
    memory = bytearray(b"\xaa" * 16)
    table = SymbolTable(SMALL, (0, 5), (32, 32))
    info = write_image(memory, np.zeros((3, 0), np.int8), table, layout="packed", data_address=4, directory_address=8)
    assert memory == b"\xaa" * 16 and info.stored_bytes == 0
    assert info.image.read(memory).shape == (3, 0)


@pytest.mark.parametrize("name", INDEX)
def test_frozen_images(name):
    """Bytes that change here are a breaking change of the format (see vectors/make_memory_images.py)."""
    case = INDEX[name]
    array = np.array(case["values"], case["dtype"])
    memory = bytearray([case["filler"]]) * case["memory_bytes"]
    table = SymbolTable.from_dict(case["table"])
    image = write_image(memory, array, table, **case["where"]).image
    assert memory.hex(" ", 4) == case["bytes"] and zlib.crc32(memory) == case["crc32"]
    back = Image(table, array.dtype, array.shape, image.signed, **case["where"]).read(memory)
    assert np.array_equal(back, array)


@pytest.mark.parametrize("name", INDEX)
def test_format_document_shows_the_frozen_images(name):
    text = (Path(images.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")
    shown = re.findall(r"^ ?\d+  ((?:[0-9A-F]{2} ){15}[0-9A-F]{2})", text[text.index("### 10.5") :], re.MULTILINE)
    assert len(shown) == 6
    memory = b"".join(map(bytes.fromhex, shown[:3] if name == "packed" else shown[3:]))
    assert zlib.crc32(memory) == INDEX[name]["crc32"] and len(memory) == INDEX[name]["memory_bytes"]
