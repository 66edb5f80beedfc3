"""The test bench around a built simulator: what it is given, and what comes of it."""

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .verilator import ToolError

QUIET = 200  # cycles with nothing offered on either side, after which nothing will come (as in the harness)


class StreamError(AssertionError):
    """The design broke the stream law or got stuck. The message says where."""


@dataclass(frozen=True)
class Bench:
    """A simulator of the encoder or the decoder, built from Verilog.

    ``fields``: stream name: names of its payload's fields. ``inputs``: the streams that go in.
    """

    program: Path
    fields: dict[str, list[str]]
    inputs: frozenset[str]

    def run(self, *episodes, stall=0.0, seed: int = 1, cycles=(), waits=(), plusargs=()) -> list["Episode"]:
        """Play ``episodes`` one after the other, each from reset on.

        An episode is ``{input stream: transfers}``, transfers an integer array of shape (n, fields of the payload);
        streams left out offer nothing.

        ``stall`` : probability, 0 <= stall < 1, that an end of a stream is not willing in a cycle; or one for each
        stream named, 0 for the others. 1 is allowed for some of them: these ends never are.
        ``cycles[i]``, if given and not None, ends episode i after so many cycles.
        ``waits[i]``, if given, is ``{input stream: [(row, other stream, transfers)]}``, rows rising: the row is not
        offered before the other stream has had so many transfers.
        ``plusargs`` are for the design, such as ``+verbose=1``.

        Raises StreamError if an offer changes before it is taken or nothing moves any more.
        """
        with tempfile.TemporaryDirectory() as folder:
            arguments = []
            for number, episode in enumerate(episodes):
                where = Path(folder) / str(number)
                self._write(where, episode, stall, waits[number] if number < len(waits) else {})
                limit = cycles[number] if number < len(cycles) else None
                arguments.append(f"{where}:{limit}" if limit is not None else str(where))
            command = [self.program, str(seed), str(watchdog_cycles(stall)), *arguments, *plusargs]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == 1:
                raise StreamError(f"{done.stderr.strip()} ({describe(stall, seed)})")
            if done.returncode:
                raise ToolError(f"the simulation ended with code {done.returncode}: {done.stderr.strip()}")
            return [self._read(Path(folder) / str(number)) for number in range(len(episodes))]

    def _write(self, where: Path, episode, stall, waits):
        for names in (episode.keys(), waits.keys()):
            if unknown := names - self.inputs:
                raise ValueError(f"there is no input stream {', '.join(sorted(unknown))}")
        where.mkdir()
        order = {name: number for number, name in enumerate(self.fields)}
        for stream in self.inputs:
            rows = np.asarray(episode.get(stream, ()), np.uint64)
            (where / f"{stream}.in").write_bytes(rows.astype("<u8").tobytes())
            rows = [(row, order[other], count) for row, other, count in waits.get(stream, ())]
            (where / f"{stream}.wait").write_bytes(np.array(rows, "<u8").tobytes())
        stalls = [stall_of(stall, name) for name in self.fields]
        (where / "stalls").write_bytes(np.array(stalls, "<f8").tobytes())

    def _read(self, where: Path) -> "Episode":
        times = {name: np.fromfile(where / f"{name}.times", "<u8").astype(np.int64) for name in self.fields}
        outputs = {
            name: np.fromfile(where / f"{name}.out", "<u8").reshape(-1, len(fields))
            for name, fields in self.fields.items() if name not in self.inputs
        }
        return Episode(times, outputs)


@dataclass(frozen=True)
class Episode:
    """What came of an episode.

    Members
    -------
    times : per stream the cycles of its transfers, counted from 1 after reset, int64 of shape (transfers,).
    outputs : per output stream its transfers, uint64 of shape (n, fields of the payload).
    """

    times: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    @property
    def last_cycle(self) -> int:
        """The cycle of the last transfer of any stream, 0 if there was none."""
        return max((int(times[-1]) for times in self.times.values() if len(times)), default=0)


def stall_of(stall, stream: str) -> float:
    """The probability meant for one stream."""
    return float(stall.get(stream, 0.0) if isinstance(stall, Mapping) else stall)


def watchdog_cycles(stall) -> int:
    """Cycles without a transfer, though there is work, after which a design is stuck."""
    worst = max((p for p in stall.values() if p < 1), default=0) if isinstance(stall, Mapping) else stall
    return int(10_000 / (1 - worst) ** 2)  # two ends may have to be willing at the same time


def describe(stall, seed: int) -> str:
    """How an episode can be played again."""
    stalls = ", ".join(f"{name} {p:g}" for name, p in stall.items()) if isinstance(stall, Mapping) else f"{stall:g}"
    return f"stall {stalls}, seed {seed}"
