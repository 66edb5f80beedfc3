"""What software needs: the registers as a document and as a C header, both made, and a driver in C."""

from pathlib import Path

from ..control.register_map import ACCESS, c_header, markdown
from ..control.registers import ID, REGISTERS, VERSION

FOLDER = Path(__file__).parent
PREFIX = "APACK"

_DOCUMENT = """\
# Registers of the memory-side block

Version {version} of the map. Made from the description of the registers (`python -m apack_hdl.memory_side.driver`), as
is the C header `apack_memory_side.h`; the hardware is built from it, too.

Registers have 32 bits, at offsets in bytes. Bytes can be written by themselves; a register of which it is said that
something happens when its highest byte is written takes a write of 8 or 16 bits, too, low bytes first. Bits that belong
to no field read as 0 and ignore what is written. Where there is no register reads give 0, and reads and writes are
answered with SLVERR. After reset fields have the value in the column "reset".

{access}

Counters have 64 bits. Reading the low half of one takes the whole number; reading the high half of any counter then
gives the other half of the number that was taken last. Writes to them are ignored; COUNTERS_CLEAR sets them to 0.

"""

_HEADER = """\
/* Registers of the APack memory-side block, version {version} of the map.
 * Made by `python -m apack_hdl.memory_side.driver`; registers.md has the same with all details.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef APACK_MEMORY_SIDE_H
#define APACK_MEMORY_SIDE_H

#define APACK_MAP_MAJOR {major}u
#define APACK_MAP_MINOR {minor}u
#define APACK_ID_EXPECTED 0x{identity:08X}u /* "APCK" */
"""


def documents() -> dict[str, str]:
    """Name and content of every file of this folder that is made."""
    major, minor = VERSION
    access = "\n".join(["| access | |", "|---|---|", *(f"| {name} | {what} |" for name, what in ACCESS.items())])
    version = f"{major}.{minor}"
    return {
        "registers.md": _DOCUMENT.format(version=version, access=access) + markdown(REGISTERS),
        "apack_memory_side.h": _HEADER.format(version=version, major=major, minor=minor, identity=ID)
        + "\n" + c_header(REGISTERS, PREFIX) + "\n#endif\n",
    }
