"""Time, traffic and energy of layers on a machine with a memory (README.md, "Time" and "Energy")."""

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from math import ceil

from .cycles import compute_cycles, operand_bytes
from .layers import Layer, Operand
from .machine import KIB, Array, Buffers, Engines, Machine
from .memory import Memory
from .scheme import Scheme
from .tiling import search
from .timing import Work, losses


@dataclass(frozen=True)
class Run:
    """What a layer, or all of them, takes: times in ns, volumes in bytes, energies in pJ.

    Members
    -------
    time : all of it; compute, memory, decode, encode : what each alone would take.
    exposed : of ``time``, what no overlap hides: first tiles in, last tile out, latencies.
    pipeline, first_block, rate, rounding : of ``time``, what engines and blocks cost
        (:class:`golden.system.timing.Losses`).
    read, write : moved from and to memory; weights, activations : the same by kind (sums of 32 bits count
        as activations).
    decoded, encoded : values.
    mac_pj, sram_pj, memory_pj, codec_pj, static_pj : energies; memory_pj includes the memory's background.
    """

    time: float = 0.0
    compute: float = 0.0
    memory: float = 0.0
    decode: float = 0.0
    encode: float = 0.0
    exposed: float = 0.0
    pipeline: float = 0.0
    first_block: float = 0.0
    rate: float = 0.0
    rounding: float = 0.0
    read: float = 0.0
    write: float = 0.0
    weights: float = 0.0
    activations: float = 0.0
    decoded: float = 0.0
    encoded: float = 0.0
    mac_pj: float = 0.0
    sram_pj: float = 0.0
    memory_pj: float = 0.0
    codec_pj: float = 0.0
    static_pj: float = 0.0

    @property
    def alone(self) -> float:
        """ns that it would take if compression cost nothing but its ratio: no engines, no blocks, no bursts."""
        return self.time - self.pipeline - self.first_block - self.rate - self.rounding

    @property
    def traffic(self) -> float:
        """Bytes to and from memory."""
        return self.read + self.write

    @property
    def energy(self) -> float:
        """pJ in all."""
        return self.mac_pj + self.sram_pj + self.memory_pj + self.codec_pj + self.static_pj

    def to_dict(self) -> dict:
        """For JSON, with sums."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"traffic": self.traffic, "energy": self.energy}


@dataclass(frozen=True)
class Transfer:
    """An operand's way in or out: so many tiles of so many values each. ``role``: which of the layer's it is."""

    role: str
    operand: Operand
    tiles: float
    values: float  # of a tile, on average

    @property
    def total(self) -> float:
        return self.tiles * self.values


def total(runs) -> Run:
    """The sum of runs."""
    runs = list(runs)
    return Run(*(sum(getattr(run, f.name) for run in runs) for f in fields(Run)))


def run_all(layers: list[Layer], machine: Machine, memory: Memory, scheme: Scheme) -> list[Run]:
    """Each layer in turn."""
    return [run(layer, machine, memory, scheme, **kept)
            for layer, kept in zip(layers, kept_on_chip(layers, machine), strict=True)]


def kept_on_chip(layers: list[Layer], machine: Machine) -> list[dict[str, bool]]:
    """For each layer what of it stays on chip, as :func:`run` wants to know it."""
    kept = kept_outputs(layers, machine.buffers.keep_kib * KIB)
    return [{"input_kept": index - 1 in kept, "output_kept": index in kept} for index in range(len(layers))]


def kept_outputs(layers: list[Layer], room: float) -> set[int]:
    """Layers whose output stays on chip: it fits, and the next layer is the only one to read it, as its input."""
    readers: dict[str, list[int]] = {}
    for index, layer in enumerate(layers):
        for operand in (layer.input, layer.weights, layer.extra):
            if operand and operand.tensor is not None:
                readers.setdefault(operand.tensor, []).append(index)
    kept = set()
    for index, (layer, after) in enumerate(zip(layers, layers[1:], strict=False)):
        out = layer.output
        if out is None or out.tensor is None or after.input is None or after.input.tensor != out.tensor:
            continue
        if readers[out.tensor] == [index + 1] and out.values * out.width / 8 <= room:
            kept.add(index)
    return kept


def run(
    layer: Layer, machine: Machine, memory: Memory, scheme: Scheme, *, input_kept: bool = False,
    output_kept: bool = False,
) -> Run:
    """One layer; ``input_kept`` and ``output_kept`` tell what stays on chip."""
    reads, writes, sums = transfers(layer, machine.buffers)
    if input_kept:
        reads = [r for r in reads if r.role != "input"]
    if output_kept:
        writes = []
    prefetched = machine.buffers.prefetch
    first, ahead = ([t for t in reads if (prefetched and t.role == "weights") == early] for early in (False, True))
    compute = compute_cycles(layer, machine.array) / machine.array.clock_ghz
    burst = memory.burst_bytes
    volumes = {t.role: t.tiles * scheme.stored_bytes(t.operand, t.values, burst) for t in reads + writes}
    read, write = (sum(volumes[t.role] for t in ts) + sums / 2 for ts in (reads, writes))

    def moved(volumes: dict, read: float, write: float) -> Work:
        """Without engines."""
        load, store = (sum(volumes[t.role] / t.tiles for t in ts) / machine.buffers.parts for ts in (first, writes))
        # What cannot overlap: the first part of the first tiles on its way in, the last part of the last out.
        return Work(compute, memory.read_ns(read) + memory.write_ns(write), memory.read_ns(load),
                    memory.write_ns(store), memory.read_ns(KIB / 2 * (machine.buffers.inputs_kib
                                                                       + machine.buffers.weights_kib)),
                    memory.latency_ns if first else 0.0)

    work = _coded(moved(volumes, read, write), first, ahead, writes, scheme, machine)
    least = {t.role: t.total * t.operand.width / 8 * min(1.0, scheme.ratio(t.operand)) for t in reads + writes}
    exact = moved(least, *(sum(least[t.role] for t in ts) + sums / 2 for ts in (reads, writes)))
    time, exposed = work.times()
    decoded, encoded = (sum(t.total for t in ts if scheme.codes(t.operand)) for ts in (reads, writes))
    by_kind = {kind: sum(volumes[t.role] for t in reads + writes if t.operand.kind == kind)
               for kind in ("weights", "activations")}
    coders = scheme.codec
    return Run(
        time, compute, work.moving, work.decode, work.encode, exposed, *losses(work, exact), read, write,
        by_kind["weights"], by_kind["activations"] + sums, decoded, encoded,
        **energies(layer, machine, memory, read, write, time),
        codec_pj=decoded * coders.decoders.pj_per_value + encoded * coders.encoders.pj_per_value if coders else 0.0,
    )


def _coded(work: Work, first: list, ahead: list, writes: list, scheme: Scheme, machine: Machine) -> Work:
    """The work with the engines': ``first`` is waited for, ``ahead`` is loaded while the layer before is computed."""
    coders = scheme.codec
    if not coders:
        return work
    waited, ahead, written = ([t for t in ts if scheme.codes(t.operand)] for ts in (first, ahead, writes))
    # What is decoded ahead has no latency, and takes streams that are idle.
    decode = max(engine_time(coders.decoders, waited, scheme, machine),
                 busy_time(coders.decoders, waited + ahead, scheme))
    encode = engine_time(coders.encoders, written, scheme, machine)
    begin, end = (round_time(side, [(t, 1 / machine.buffers.parts) for t in ts], scheme)
                  for side, ts in ((coders.decoders, waited), (coders.encoders, written)))
    work = replace(work, decode=decode, encode=encode, first=begin, last=end)
    if waited:
        work = replace(work, latency_in=coders.decoders.latency_ns, rest_in=coders.decoders.beyond_turns_ns)
    if written:
        work = replace(work, latency_out=coders.encoders.latency_ns, rest_out=coders.encoders.beyond_turns_ns)
    return work


@lru_cache(8192)
def transfers(layer: Layer, buffers: Buffers) -> tuple[list[Transfer], list[Transfer], float]:
    """What is read, what is written, and bytes of incomplete sums out and in again."""
    half = buffers.inputs_kib * KIB / 2

    def plain(role: str) -> Transfer:
        operand = getattr(layer, role)
        tiles = max(1, ceil(operand.values * operand.width / 8 / half))
        return Transfer(role, operand, tiles, operand.values / tiles)

    if layer.kind == "lookup":
        rows = max(1, layer.steps)
        reads = [Transfer("weights", layer.weights, rows, layer.weights.values / rows)]
    elif not layer.macs:
        reads = [plain(role) for role in ("input", "weights", "extra") if (o := getattr(layer, role)) and o.values]
    else:
        t = search(layer, buffers)
        again = 1 if layer.resident else layer.steps
        reads = [
            Transfer("input", layer.input, t.input_tiles * layer.steps, t.input / t.input_tiles),
            Transfer("weights", layer.weights, t.weight_tiles * again, t.weights / t.weight_tiles),
        ] + ([plain("extra")] if layer.extra else [])
        writes = [Transfer("output", layer.output, t.output_tiles * layer.steps, t.output / t.output_tiles)]
        return reads, writes, t.sum_bytes * layer.steps
    return reads, [plain("output")] if layer.output and layer.output.values else [], 0.0


def engine_time(side: Engines, moved: list[Transfer], scheme: Scheme, machine: Machine) -> float:
    """ns that the engines work on all tiles; as many tiles at a time as half of a buffer holds."""
    if not moved:
        return 0.0
    half = KIB / 2 * min(machine.buffers.inputs_kib, machine.buffers.weights_kib)
    steps = 0
    for t in moved:
        together = max(1, int(half / max(t.values * t.operand.width / 8, 1e-9)))
        steps = max(steps, ceil(t.tiles / together))
    return steps * round_time(side, [(t, t.tiles / steps) for t in moved], scheme)


def busy_time(side: Engines, moved: list[Transfer], scheme: Scheme) -> float:
    """ns that the engines are taken by tiles, all of them at work."""
    turns = sum(
        t.tiles * (t.values / side.values_per_cycle + ceil(t.values / scheme.block_for(t.operand, t.values) - 1e-9)
                   * side.block_cycles)
        for t in moved
    )
    return turns / side.count / side.clock_ghz


def round_time(side: Engines, tiles: list[tuple[Transfer, float]], scheme: Scheme) -> float:
    """ns to code tiles (so many of each) that are there at once: a stream codes one block at a time."""
    if not tiles:
        return 0.0
    lengths = [scheme.block_for(t.operand, t.values) for t, _ in tiles]
    blocks = sum(ceil(t.values / length - 1e-9) * count for (t, count), length in zip(tiles, lengths, strict=True))
    longest = max(min(length, t.values) for (t, _), length in zip(tiles, lengths, strict=True))
    turns = longest / side.values_per_cycle + side.block_cycles
    rounds = ceil(blocks / (side.count * side.streams) - 1e-9)
    return rounds * turns * side.streams / side.clock_ghz


def energies(layer: Layer, machine: Machine, memory: Memory, read: float, write: float, time: float) -> dict:
    """pJ of all but the codec."""
    e = machine.energy
    mac = 0.0
    if layer.macs:
        mac = layer.macs * (e.multiply_pj * layer.input.width * layer.weights.width / 64 + e.add_pj)
    sram = e.sram_pj_per_byte * buffer_bytes(layer, machine.array, machine.buffers)
    moved = 8 * (read * memory.read_pj + write * memory.write_pj)
    background = memory.background_mw * time  # mW times ns is pJ
    return {"mac_pj": mac, "sram_pj": sram, "memory_pj": moved + background, "static_pj": e.static_mw * time}


@lru_cache(8192)
def buffer_bytes(layer: Layer, array: Array, buffers: Buffers) -> float:
    """Bytes in and out of the buffers: the array's, and the codec's, where values are raw whatever the memory holds."""
    reads, writes, sums = transfers(layer, buffers)
    return operand_bytes(layer, array) + sum(t.total * t.operand.width / 8 for t in reads + writes) + sums
