"""What a simulation found, engine by engine and stream by stream."""

from dataclasses import asdict, dataclass

import numpy as np

from .bench import Episode
from .work import Plan


@dataclass(frozen=True)
class StreamResult:
    """One stream of an engine.

    Members
    -------
    values, blocks : what was coded or decoded.
    first_cycle, last_cycle : of its values, counted from the end of loading the first table; 0 if it had none.
    mismatch : where it first differs from golden, in one line; None if nowhere.
    """

    values: int
    blocks: int
    first_cycle: int
    last_cycle: int
    mismatch: str | None

    @property
    def values_per_cycle(self) -> float | None:
        """From its first value to its last; None if it had none."""
        return self.values / (self.last_cycle - self.first_cycle + 1) if self.values else None


@dataclass(frozen=True)
class EngineResult:
    """One engine.

    Members
    -------
    options : how it was built.
    values : of all streams.
    cycles : from the end of loading the first table to the last transfer.
    busy_cycles, busy_values : those cycles in which every stream is between its first and its last value, and the
        values then; 0 if there are none.
    flagged : blocks the encoder flagged ``error``, or the decoder reported a stream of as too short or too long.
    streams : by number.
    """

    options: dict
    values: int
    cycles: int
    busy_cycles: int
    busy_values: int
    flagged: int
    streams: tuple[StreamResult, ...]

    @property
    def values_per_cycle(self) -> float:
        """Over all cycles."""
        return self.values / self.cycles

    @property
    def busy_values_per_cycle(self) -> float | None:
        """While all streams are busy, None if they never are."""
        return self.busy_values / self.busy_cycles if self.busy_cycles else None

    @property
    def mismatch(self) -> str | None:
        """The first difference from golden, in one line; None if there is none."""
        number = next((i for i, stream in enumerate(self.streams) if stream.mismatch), None)
        if number is None:
            return None
        where = f"stream {number}, " if len(self.streams) > 1 else ""
        return where + self.streams[number].mismatch

    def to_dict(self) -> dict:
        """Plain dictionary for JSON."""
        rates = {"values_per_cycle": self.values_per_cycle, "busy_values_per_cycle": self.busy_values_per_cycle}
        streams = [asdict(stream) | {"values_per_cycle": stream.values_per_cycle} for stream in self.streams]
        return asdict(self) | rates | {"streams": streams}


@dataclass(frozen=True)
class SimulationResult:
    """How a simulation went.

    Members
    -------
    simulator : "verilator" (of the emitted Verilog, or of a netlist) or "pysim" (of the Amaranth components).
    values, blocks, tables : what was coded and decoded.
    stall, seed : of the random stalls on every port.
    encoder, decoder : what each engine did.
    note : what the user should know besides, None if nothing.
    """

    simulator: str
    values: int
    blocks: int
    tables: int
    stall: float
    seed: int
    encoder: EngineResult
    decoder: EngineResult
    note: str | None = None

    @property
    def engines(self) -> dict[str, EngineResult]:
        """By name."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    @property
    def mismatch(self) -> str | None:
        """Where bytes or values first differ from golden's, in one line; None if nowhere."""
        found = (f"{name}: {engine.mismatch}" for name, engine in self.engines.items() if engine.mismatch)
        return "; ".join(found) or None

    @property
    def identical(self) -> bool:
        """All bytes and values are golden's, of every stream."""
        return self.mismatch is None

    def to_dict(self) -> dict:
        """Plain dictionary for JSON."""
        engines = {name: engine.to_dict() for name, engine in self.engines.items()}
        return asdict(self) | engines | {"identical": self.identical, "mismatch": self.mismatch}


def engine_result(plan: Plan, options: dict, episode: Episode) -> EngineResult:
    """The result of playing ``plan``."""
    loaded = int(episode.times["load"][plan.work.config.rows - 1])
    times = [episode.times[name] - loaded for name in plan.names("values")]
    streams = tuple(
        StreamResult(
            values=len(share.values), blocks=len(share.counts), mismatch=mismatch,
            first_cycle=int(mine[0]) if len(mine) else 0, last_cycle=int(mine[-1]) if len(mine) else 0,
        )
        for share, mine, mismatch in zip(plan.shares, times, plan.compare(episode.outputs), strict=True)
    )
    cycles, values = _all_busy(times)
    return EngineResult(
        options=options, values=len(plan.work.codes), cycles=episode.last_cycle - loaded, busy_cycles=cycles,
        busy_values=values, flagged=plan.flagged(episode.outputs), streams=streams,
    )


def _all_busy(times: list[np.ndarray]) -> tuple[int, int]:
    """Cycles between first and last value of all streams at once, and the values in them."""
    if not all(len(mine) for mine in times):
        return 0, 0
    begin, end = max(mine[0] for mine in times), min(mine[-1] for mine in times)
    if begin > end:
        return 0, 0
    return int(end - begin) + 1, sum(int(((mine >= begin) & (mine <= end)).sum()) for mine in times)
