"""Answers from the model: gains, break-even, the smallest memory that will do, what each parameter matters."""

from collections.abc import Callable
from dataclasses import replace

from .choice import choose
from .layers import Layer
from .machine import Engines, Machine
from .memory import MEMORIES, Memory, load_memory
from .running import Run, run_all, total
from .scheme import RAW, Scheme, uniform

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
LATENCIES = (0.0, 1.0, 10.0, 100.0)
STREAMS = (1, 2, 4, 8)
BLOCKS = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
LEAST_GAIN = 0.01  # of a speedup, for shares of it to mean something
STEPS = 40  # of a bisection: far below a part in a million


class Case:
    """Layers on a machine with a memory, and the scheme whose worth is asked."""

    def __init__(self, layers: list[Layer], machine: Machine, memory: Memory, scheme: Scheme):
        self.layers, self.machine, self.memory, self.scheme = layers, machine, memory, scheme

    def run(self, scheme: Scheme | None = None, *, machine=None, memory=None) -> Run:
        """All layers together."""
        return total(run_all(self.layers, machine or self.machine, memory or self.memory, scheme or self.scheme))

    def gains(self, *, scheme=None, machine=None, memory=None) -> dict:
        """Of the scheme over raw storage, on the same machine with the same memory."""
        return gains(self.run(RAW, machine=machine, memory=memory),
                     self.run(scheme, machine=machine, memory=memory))


def gains(raw: Run, coded: Run) -> dict:
    """``speedup`` and ``efficiency`` (above 1: better), ``traffic`` (below 1: less)."""
    return {
        "speedup": raw.time / coded.time if coded.time else 1.0,
        "efficiency": raw.energy / coded.energy if coded.energy else 1.0,
        "traffic": coded.traffic / raw.traffic if raw.traffic else 1.0,
    }


def largest(holds: Callable[[float], bool], low: float, high: float) -> float | None:
    """The largest number up to which ``holds``, which must hold below some point only; None if not even at ``low``."""
    if holds(high):
        return high
    if not holds(low):
        return None
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def break_even(case: Case) -> dict:
    """Ratios, the same for all tensors, up to which the engines pay: in ``time`` and in ``energy``; None: never."""
    raw = case.run(RAW)

    def at(ratio: float) -> Run:
        return case.run(uniform(ratio, case.scheme.codec))

    return {
        "time": largest(lambda r: at(r).time <= raw.time * (1 + 1e-12), 0.001, 1.0),
        "energy": largest(lambda r: at(r).energy <= raw.energy * (1 + 1e-12), 0.001, 1.0),
    }


def smallest_bandwidth(case: Case) -> float | None:
    """The share of the memory's bandwidth with which the scheme is as fast as raw storage with all of it.

    None if it is slower even with all of it.
    """
    raw = case.run(RAW).time * (1 + 1e-12)
    saved = largest(lambda s: case.run(memory=case.memory.scaled(1 - s)).time <= raw, 0.0, 0.999)
    return None if saved is None else 1 - saved


def technologies(case: Case, names=MEMORIES) -> list[dict]:
    """Each memory: raw and coded time and energy, and whether the scheme on it keeps up with raw storage on the case's.

    What is stored raw is chosen anew for each. The slowest one that keeps up is marked ``smallest``.
    """
    raw = case.run(RAW)
    rows = []
    for name in names:
        memory = load_memory(name)
        scheme = choose(case.layers, case.machine, memory, case.scheme)
        plain, coded = case.run(RAW, memory=memory), case.run(scheme, memory=memory)
        rows.append({
            "name": name, "title": memory.title, "read_gbs": memory.read_gbs, "raw_time": plain.time,
            "time": coded.time, "raw_energy": plain.energy, "energy": coded.energy, **gains(plain, coded),
            "raw_keeps": plain.time <= raw.time * (1 + 1e-12), "keeps": coded.time <= raw.time * (1 + 1e-12),
        })
    able = [row for row in rows if row["keeps"]]
    least = min(able, key=lambda row: row["read_gbs"]) if able else None
    return [row | {"smallest": row is least} for row in rows]


def sensitivity(case: Case, *, buffers: bool = True) -> dict[str, list[dict]]:
    """Gains as one parameter at a time is multiplied by a factor; of decoders' streams the number is given, their rate
    together staying the same. ``buffers``: whether to vary them, which is slow.
    """
    machine, memory = case.machine, case.memory
    rows = {
        "bandwidth": [_row(f, case.gains(memory=memory.scaled(f))) for f in FACTORS],
        "engines": [_row(f, _with_codec(case, lambda e, f=f: replace(e, count=max(1, round(e.count * f)))))
                    for f in FACTORS],
        "latency": [
            _row(f, _with_codec(case, lambda e, f=f: replace(
                e, latency_cycles=e.latency_cycles * f, block_cycles=e.block_cycles * f)))
            for f in LATENCIES
        ],
    }
    rows["decoder streams"] = [_row(n, _with_decoders(case, n)) for n in STREAMS]
    if buffers:
        rows["buffers"] = [_row(f, case.gains(machine=replace(machine, buffers=machine.buffers.scaled(f))))
                           for f in FACTORS]
    return rows


def _row(factor: float, found: dict) -> dict:
    return {"factor": factor} | found


def _with_codec(case: Case, change: Callable[[Engines], Engines]) -> dict:
    """Gains with other engines."""
    codec = case.scheme.codec
    codec = replace(codec, decoders=change(codec.decoders), encoders=change(codec.encoders))
    return case.gains(scheme=replace(case.scheme, codec=codec))


def _with_decoders(case: Case, streams: int) -> dict:
    """Gains with decoders of so many streams."""
    codec = case.scheme.codec
    codec = replace(codec, decoders=replace(codec.decoders, streams=streams))
    return case.gains(scheme=replace(case.scheme, codec=codec))


def block_study(case: Case, blocks=BLOCKS) -> list[dict]:
    """For each block length: the speedup, the speedup with engines that cost nothing, the share of the gain lost.

    ``lost`` is (ideal - real) / (ideal - 1): above 1 the engines cost more than compression gains; None where that
    gains less than ``LEAST_GAIN``.
    """
    rows = []
    for block in blocks:
        codec = replace(case.scheme.codec, block=block, least_block=block)
        real = case.gains(scheme=replace(case.scheme, codec=codec))
        ideal = case.gains(scheme=replace(case.scheme, codec=codec.without_cost()))
        gain = ideal["speedup"] - 1
        lost = (ideal["speedup"] - real["speedup"]) / gain if gain > LEAST_GAIN else None
        rows.append({"block": block, **real, "ideal_speedup": ideal["speedup"], "lost": lost})
    best = max(rows, key=lambda row: row["speedup"])
    return [row | {"best": row is best} for row in rows]
