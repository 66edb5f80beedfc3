"""Make the frozen vectors of this folder: ``python gateware_tests/vectors/make_vectors.py``.

For each case there is ``NAME.npy`` (a tensor), ``NAME.apack`` (its file) and an entry in ``vectors.json`` with the
table it was coded with (so that a better table search changes nothing; null: no table) and a word on what it is for.

The bytes are what version 1 of the format is: changing them is a breaking change, announced in CHANGELOG. This script
therefore adds what is missing and leaves what is there alone; to replace a case, delete its two files first.
"""

import json
from pathlib import Path

import numpy as np

from golden.config import CodecConfig
from golden.container import write_atomic, write_file
from golden.reference import find_row, narrow
from golden.table import SymbolTable

HERE = Path(__file__).parent
INT8 = CodecConfig(block=1024)
# Both sides of zero, as weights are (two's complement: the negative values are the upper half).
BELL = (0, 2, 4, 8, 12, 16, 24, 32, 64, 192, 224, 232, 240, 244, 248, 252)
BELL_COUNTS = (95, 96, 150, 90, 60, 60, 30, 4, 1, 1, 30, 60, 60, 91, 96, 100)
# Many zeros, then falling, as behind a ReLU; there is no code from 200 on.
RELU = SymbolTable(INT8, (0, 1, 4, 16, 64, 200), (620, 150, 150, 90, 14, 0))
# The tensor that FORMAT.md works through.
TINY = SymbolTable(CodecConfig(8, 4, 4, 5, 6), (0, 1, 4, 252), (9, 3, 1, 3))
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)


def bell(seed: int, shape, width: float, dtype, limit: int) -> np.ndarray:
    """A Gaussian of that standard deviation, cut off at -limit-1 and limit."""
    values = np.random.default_rng(seed).normal(0, width, shape).round()
    return values.clip(-limit - 1, limit).astype(dtype)


def relu(seed: int, shape) -> np.ndarray:
    """Mostly zeros, 0..199."""
    return np.random.default_rng(seed).normal(-8, 24, shape).round().clip(0, 199).astype(np.uint8)


def carry_run(table: SymbolTable, count: int) -> np.ndarray:
    """Codes after whose first `low` is xxx0111.., more ones with each, until the last one carries through all of them.

    The point that `low` stays below is the next at which a carry leaves the window. All codes but the first and the
    last are what a decoder finds there; the last one's row lies above it.
    """
    whole = table.config.range_bits
    for first in table.v_min:
        low, d, t = narrow(table, (1 << table.config.mult_bits) - 1, int(table.row_of_value[first]))
        dif, codes = (1 << whole) - (low << d) % (1 << whole), [first]
        while 0 < dif < t << table.config.prob_bits and len(codes) < count - 1:
            row = find_row(table, t, dif)
            codes.append(table.v_min[row])
            a, d, t = narrow(table, t, row)
            dif = (dif - a) << d
        if 0 < dif < min(t << table.config.prob_bits, t * table.cumulative[-2]):
            return np.array([*codes, table.v_min[-1]], np.uint8)
    raise ValueError("the point lies in what a step gives up, whatever the first code")


def cases():
    """Yield name, what it is for, tensor, and table or configuration."""
    bell8 = SymbolTable(INT8, BELL, BELL_COUNTS)
    weights = bell(1, (30, 3, 3, 10), 14, np.int8, 127)
    yield "int8_gaussian", "weights: four dimensions, a short last block", weights, bell8
    yield "uint8_relu", "activations: many zeros, a row without a code", relu(2, (9, 10, 32)), RELU

    wide = CodecConfig(16, 16, 10, 8, 512)
    starts = [(v if v < 128 else v - 256) * 64 % 65536 for v in BELL]
    yield "int16", "16-bit values", bell(3, 1500, 900, np.int16, 32767), SymbolTable(wide, tuple(starts), BELL_COUNTS)

    four = CodecConfig(4, 16, 10, 8, 2048)
    counts = (200, 150, 80, 40, 20, 10, 6, 6, 2, 4, 10, 20, 40, 80, 156, 200)
    four = SymbolTable(four, tuple(range(16)), counts)
    yield "int4", "4-bit values in int8: every row holds one value", bell(4, 3000, 2.2, np.int8, 7), four

    equal = SymbolTable(INT8, (0, 7, 8), (0, 1024, 0))
    yield "all_equal", "one row owns all counts: no bit per value", np.full((50, 60), 7, np.uint8), equal
    yield "one_value", "zero dimensions, no table", np.array(-3, np.int8), INT8
    yield "empty", "no blocks", np.zeros((0, 5), np.uint8), INT8
    noise = np.random.default_rng(5).integers(0, 256, 3000).astype(np.uint8)
    yield "noise", "nothing to gain: the table is left out", noise[:1500], RELU

    mix = relu(6, (4, 1024))
    mix[1], mix[2, 500] = noise[:1024], 255
    yield "raw_mix", "block 1 does not shrink, block 2 holds a value without a code", mix, RELU
    yield "carry_run", "a carry through thousands of ones", carry_run(bell8, 1024), bell8

    twelve = CodecConfig(12, 8, 8, 6, 700)
    twelve = SymbolTable(twelve, (0, 32, 128, 512, 2048, 3584, 3968, 4064), (50, 60, 17, 1, 1, 17, 60, 50))
    yield "big_endian", "12-bit values in big-endian items", bell(7, (5, 4, 3, 30), 80, ">i2", 2047), twelve

    most = SymbolTable(INT8.with_(mult_bits=16), BELL, BELL_COUNTS)
    yield "largest_multiplier", "M = 16", bell(8, (40, 50), 14, np.int8, 127), most
    least = SymbolTable(CodecConfig(3, 3, 4, 2, 300), (0, 1, 4), (12, 3, 1))
    small = np.random.default_rng(9).choice(8, 2000, p=[0.8, 0.05, 0.05, 0.05, 0.02, 0.01, 0.01, 0.01]).astype(np.int32)
    yield "smallest_multiplier", "M = 2; 3-bit values, unsigned, in signed items of 4 bytes", small, least
    tiny = [[0, -1, 2, 17, -1, 0, 0], [0, 0, 0, 0, 0, 100, -100]]
    yield "tiny", "the example of FORMAT.md", np.array(tiny, np.int8), TINY

    counts = [200 + 12 * p for p in PRIMES * 4]
    counts[0] += 2**15 - sum(counts)
    big = SymbolTable(CodecConfig(8, 64, 15, 16, 4096), tuple(range(0, 128, 2)), tuple(counts))
    yield "largest", "N, P and M at their largest", noise[:3000] // 2, big
    bits = SymbolTable(CodecConfig(2, 2, 1, 2, 100), (0, 1), (1, 1))
    yield "smallest", "W, N, P and M at their smallest", (small[:1000] % 4).astype(np.uint8), bits


def main() -> None:
    """Write the cases that are missing, and the list of all."""
    index = {}
    for name, purpose, array, coder in cases():
        table = coder if isinstance(coder, SymbolTable) else None
        config = table.config if table else coder
        index[name] = {"purpose": purpose, "config": config.to_dict(), "table": table.to_dict() if table else None}
        if not (HERE / f"{name}.apack").exists():
            np.save(HERE / f"{name}.npy", array)
            write_file(HERE / f"{name}.apack", array, **({"table": table} if table else {"config": config}))
    write_atomic(HERE / "vectors.json", (json.dumps(index, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
