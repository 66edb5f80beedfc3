"""Answers from the model: gains, break-even, the smallest memory that will do, what each parameter matters."""

from collections.abc import Callable
from dataclasses import replace

from .choice import choose
from .layers import Layer
from .machine import IDEAL, Engines, Machine
from .memory import MEMORIES, Memory, load_memory
from .running import Run, run_all, total
from .scheme import RAW, Scheme, uniform

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
LATENCY = ("latency_cycles", "interface_cycles")
LOSSES = ("pipeline", "first_block", "rate", "rounding")  # of a Run
LATENCIES = (0.0, 1.0, 10.0, 100.0)
STREAMS = (1, 2, 4, 8)
BLOCKS = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
LEAST_GAIN = 0.01  # of a speedup, for shares of it to mean something
WORTH = 0.001  # of energy times time: what makes a difference
STEPS = 14  # of a bisection: a share to four digits


class Case:
    """Layers on a machine with a memory, and the scheme whose worth is asked.

    ``choosing``: how each tensor is stored is chosen anew for every machine and memory (:func:`choose`).
    """

    def __init__(self, layers: list[Layer], machine: Machine, memory: Memory, scheme: Scheme, *, choosing=False):
        self.layers, self.machine, self.memory = layers, machine, memory
        self.scheme, self.choosing = scheme, choosing

    def run(self, scheme: Scheme, *, machine=None, memory=None) -> Run:
        """All layers together."""
        return total(run_all(self.layers, machine or self.machine, memory or self.memory, scheme))

    def coded(self, *, scheme=None, machine=None, memory=None) -> Run:
        """With the case's scheme, or a variant of it."""
        machine, memory, scheme = machine or self.machine, memory or self.memory, scheme or self.scheme
        if self.choosing:
            scheme = choose(self.layers, machine, memory, scheme)
        return self.run(scheme, machine=machine, memory=memory)

    def gains(self, *, scheme=None, machine=None, memory=None) -> dict:
        """Of the scheme over raw storage, on the same machine with the same memory."""
        return compare(self.run(RAW, machine=machine, memory=memory),
                       self.coded(scheme=scheme, machine=machine, memory=memory))


def compare(raw: Run, coded: Run) -> dict:
    """``speedup`` and ``efficiency`` (above 1: better), ``traffic`` (below 1: less)."""
    return {
        "speedup": raw.time / coded.time if coded.time else 1.0,
        "efficiency": raw.energy / coded.energy if coded.energy else 1.0,
        "traffic": coded.traffic / raw.traffic if raw.traffic else 1.0,
    }


def lost(raw: Run, coded: Run, alone: float) -> dict[str, float] | None:
    """Where the time went that compression alone would have saved: shares of it, which add up to ``all``.

    ``alone``: ns with every tensor coded, engines of no cost, and nothing rounded up. ``left_raw`` is what tensors
    would have saved that are stored raw; the others are :class:`golden.system.timing.Losses`. Above 1 in all, the
    scheme is slower than raw storage. None where compression alone gains less than ``LEAST_GAIN``.
    """
    saved = raw.time - alone
    if saved <= LEAST_GAIN * alone:
        return None
    parts = {"left_raw": (coded.alone - alone) / saved, **{name: getattr(coded, name) / saved for name in LOSSES}}
    return parts | {"all": sum(parts.values())}


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
    """Ratios, the same for all tensors, up to which the scheme's engines pay in ``time`` and ``energy``; None: never.

    Where each tensor is stored as suits it, they never cost: then both are the ratio up to which energy times time is
    lower by ``WORTH``.
    """
    raw, codec = case.run(RAW), case.scheme.codec
    if case.choosing:
        def worth(ratio: float) -> bool:
            run = case.coded(scheme=uniform(ratio, codec))
            return run.time * run.energy <= raw.time * raw.energy * (1 - WORTH)

        ratio = largest(worth, 0.001, 1.0)
        return {"time": ratio, "energy": ratio}
    return {
        key: largest(lambda r, key=key: getattr(case.run(uniform(r, codec)), key) <= getattr(raw, key) * (1 + 1e-12),
                     0.001, 1.0)
        for key in ("time", "energy")
    }


def smallest_bandwidth(case: Case) -> float | None:
    """The share of the memory's bandwidth with which the scheme is as fast as raw storage with all of it.

    None if it is slower even with all of it.
    """
    raw = case.run(RAW).time * (1 + 1e-12)
    saved = largest(lambda s: case.coded(memory=case.memory.scaled(1 - s)).time <= raw, 0.0, 0.999)
    return None if saved is None else 1 - saved


def technologies(case: Case, names=MEMORIES) -> list[dict]:
    """Each memory: raw and coded time and energy, and whether the scheme on it keeps up with raw storage on the case's.

    The slowest one that keeps up is marked ``smallest``.
    """
    raw = case.run(RAW)
    rows = []
    for name in names:
        memory = load_memory(name)
        plain, coded = case.run(RAW, memory=memory), case.coded(memory=memory)
        rows.append({
            "name": name, "title": memory.title, "read_gbs": memory.read_gbs, "raw_time": plain.time,
            "time": coded.time, "raw_energy": plain.energy, "energy": coded.energy, **compare(plain, coded),
            "raw_keeps": plain.time <= raw.time * (1 + 1e-12), "keeps": coded.time <= raw.time * (1 + 1e-12),
        })
    able = [row for row in rows if row["keeps"]]
    least = min(able, key=lambda row: row["read_gbs"]) if able else None
    return [row | {"smallest": row is least} for row in rows]


def scheme_answers(case: Case, rows: list[dict]) -> dict:
    """:func:`break_even`, :func:`sensitivity`, and what memory the case's scheme needs to be as fast as raw storage on
    the case's.

    ``rows``: its :func:`technologies`. ``bandwidth_share``, ``bandwidth_gbs``: of the case's memory, None if all of it
    is not enough; ``memory``: the slowest of the rows' that will do, None for none.
    """
    share = smallest_bandwidth(case)
    return {
        "break_even": break_even(case), "sensitivity": sensitivity(case), "bandwidth_share": share,
        "bandwidth_gbs": None if share is None else share * case.memory.read_gbs,
        "memory": next((row["name"] for row in rows if row["smallest"]), None),
    }


def sensitivity(case: Case) -> dict[str, list[dict]]:
    """Gains as one parameter at a time is multiplied by ``factor``; of decoders' streams the number is given, their
    rate together staying the same, their pipelines as long as so many streams need.

    Engines that cost nothing have only bandwidth and buffers that matter.
    """
    machine, memory, codec = case.machine, case.memory, case.scheme.codec

    def coder(factor: float, **changes) -> dict:
        """With other engines: by side, members and their values."""
        new = replace(codec, **{side: replace(getattr(codec, side), **members) for side, members in changes.items()})
        return {"factor": factor, **case.gains(scheme=replace(case.scheme, codec=new))}

    rows = {
        "bandwidth": [{"factor": f, **case.gains(memory=memory.scaled(f))} for f in FACTORS],
        "buffers": [{"factor": f, **case.gains(machine=replace(machine, buffers=machine.buffers.scaled(f)))}
                    for f in FACTORS],
    }
    if codec.decoders == IDEAL:
        return rows
    sides = {"decoders": codec.decoders, "encoders": codec.encoders}
    return rows | {
        "engines": [coder(f, **{side: {"count": max(1, round(e.count * f))} for side, e in sides.items()})
                    for f in FACTORS],
        "pipeline latency": [
            coder(f, **{side: {name: getattr(e, name) * f for name in LATENCY} for side, e in sides.items()})
            for f in LATENCIES],
        "decoder streams": [coder(n, decoders={"streams": n, "latency_cycles": pipeline_of(codec.decoders, n)})
                            for n in STREAMS],
    }


def pipeline_of(decoders: Engines, streams: int) -> float:
    """``latency_cycles`` with another number of streams: it grows as 4 S - 1 does."""
    return decoders.latency_cycles * (4 * streams - 1) / (4 * decoders.streams - 1)


def block_study(case: Case, blocks=BLOCKS) -> list[dict]:
    """For each block length, everything coded: gains, ``alone_speedup``, which compression alone would give, and
    ``lost`` (:func:`lost`); ``best`` is the length of the largest speedup.
    """
    raw, rows = case.run(RAW), []
    for block in blocks:
        codec = replace(case.scheme.codec, block=block, least_block=block)
        run = case.coded(scheme=replace(case.scheme, codec=codec))
        rows.append({"block": block, **compare(raw, run), "alone_speedup": raw.time / run.alone if run.alone else 1.0,
                     "lost": lost(raw, run, run.alone)})
    best = max(rows, key=lambda row: row["speedup"])
    return [row | {"best": row is best} for row in rows]
