"""The frozen files: bytes that change here are a breaking change of the format (see vectors/make_vectors.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from golden.config import CodecConfig
from golden.container import Reader, compress
from golden.reference import decode_block, encode_block, narrow
from golden.table import SymbolTable

VECTORS = Path(__file__).parent / "vectors"
INDEX = json.loads((VECTORS / "vectors.json").read_text())


def load(name):
    """Frozen file, its tensor, and the table (or None) that made it."""
    table = INDEX[name]["table"]
    file, array = (VECTORS / f"{name}.apack").read_bytes(), np.load(VECTORS / f"{name}.npy", allow_pickle=False)
    return file, array, SymbolTable.from_dict(table) if table else None


@pytest.mark.parametrize("name", INDEX)
def test_same_bytes(name):
    file, array, table = load(name)
    config = None if table else CodecConfig(**INDEX[name]["config"])
    assert compress(array, table=table, config=config) == file


@pytest.mark.parametrize("name", INDEX)
def test_same_values(name):
    file, array, _ = load(name)
    with Reader(file) as reader:
        back = reader.read_all()
        assert (back.dtype.str, back.shape) == (array.dtype.str, array.shape)
        assert np.array_equal(back, array)


@pytest.mark.parametrize("name", INDEX)
def test_readable_model_agrees(name):
    """Coded blocks are what golden.reference makes of their values, and the other way round."""
    file, array, _ = load(name)
    with Reader(file) as reader:
        codes = (array.ravel().astype(np.int64) % reader.config.values).tolist()
        start = len(file) - sum(a + b for a, b, _ in reader.blocks.tolist())
        for i, (symbol_bytes, offset_bytes, _) in enumerate(reader.blocks.tolist()):
            middle, end = start + symbol_bytes, start + symbol_bytes + offset_bytes
            values = codes[i * reader.config.block : (i + 1) * reader.config.block]
            if symbol_bytes:
                assert encode_block(reader.table, values) == (file[start:middle], file[middle:end])
                assert decode_block(reader.table, file[start:middle], file[middle:end], len(values)) == values
            start = end


def test_nothing_is_missing_or_left_over():
    files = {f"{name}.{kind}" for name in INDEX for kind in ("npy", "apack")}
    assert {p.name for p in VECTORS.iterdir() if p.suffix in (".npy", ".apack")} == files
    assert sum(p.stat().st_size for p in VECTORS.iterdir() if p.is_file()) < 150_000


def low_after(table, values):
    """The bits of `low` that have left the encoder's window after these values, as text."""
    size, low, t, left = table.config.range_bits, 0, 2**table.config.mult_bits - 1, 0
    for value in values:
        a, d, t = narrow(table, t, int(table.row_of_value[value]))
        low, left = (low + a) << d, left + d
    return f"{low >> size:0{left}b}"


def test_carry_runs_through_thousands_of_ones():
    _, array, table = load("carry_run")
    before, after = low_after(table, array[:-1]), low_after(table, array)
    ones = len(before) - len(before.rstrip("1"))
    assert ones > 3700 and len(before) - ones < 10
    assert after.startswith(before[: -ones - 1] + "1" + "0" * ones)


def test_cases_hold_what_they_are_for():
    info = {name: Reader(load(name)[0]).info() for name in INDEX}
    raw = {name: (i["blocks"], i["raw_blocks"]) for name, i in info.items()}
    assert raw["raw_mix"] == (4, 2) and raw["empty"] == (0, 0) and raw["noise"] == (2, 2) and raw["one_value"] == (1, 1)
    assert info["noise"]["rows"] == 0 and info["largest"]["rows"] == 64
    config = {name: CodecConfig(**i["config"]) for name, i in info.items()}
    assert (config["smallest_multiplier"].mult_bits, config["largest_multiplier"].mult_bits) == (2, 16)
    assert (config["smallest"].range_bits, config["largest"].range_bits) == (3, 31)
    assert all(raw[name][1] == 0 for name in ("smallest_multiplier", "largest_multiplier", "smallest", "largest"))
    assert info["big_endian"]["dtype"] == ">i2"
