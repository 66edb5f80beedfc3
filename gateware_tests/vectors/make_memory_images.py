"""Make ``memory_images.json``: ``python gateware_tests/vectors/make_memory_images.py``.

Two small memories with a tensor in each layout, as FORMAT.md, section 10, shows them. The bytes are what version 1 is:
changing them is a breaking change, so this script leaves a file that is there alone; delete it first.
"""

import json
import zlib
from pathlib import Path

import numpy as np

from golden.config import CodecConfig
from golden.container import write_atomic
from golden.memory import write_image
from golden.table import SymbolTable

FILE = Path(__file__).parent / "memory_images.json"
# The tensor and table that FORMAT.md works through.
VALUES = [0, -1, 2, 17, -1, 0, 0, 0, 0, 0, 0, 0, 100, -100]
TABLE = SymbolTable(CodecConfig(8, 4, 4, 5, 6), (0, 1, 4, 252), (9, 3, 1, 3))
PLACES = {
    "packed": {"layout": "packed", "data_address": 3, "directory_address": 16},
    "slots": {"layout": "slots", "data_address": 24, "directory_address": 0, "slot_bytes": 7},
}
FILLER, SIZE = 0xEE, 48


def case(where: dict) -> dict:
    """One memory, and all that it follows from."""
    memory = bytearray([FILLER]) * SIZE
    write_image(memory, np.array(VALUES, np.int8), TABLE, **where)
    return {
        "values": VALUES, "dtype": "int8", "table": TABLE.to_dict(), "where": where, "filler": FILLER,
        "memory_bytes": SIZE, "bytes": memory.hex(" ", 4), "crc32": zlib.crc32(memory),
    }


if __name__ == "__main__" and not FILE.exists():
    write_atomic(FILE, (json.dumps({name: case(where) for name, where in PLACES.items()}, indent=1) + "\n").encode())
