"""The accelerator: a MAC array, buffers, engines of the codec, and the energy of each."""

import json
import re
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from .fields import SLACK, build, check, choice, number, packaged, read_toml

MACHINES = ("tensorcore", "tpu", "npu")
KIB = 1024


@dataclass(frozen=True)
class Array:
    """The multipliers.

    Members
    -------
    kind : "cores": ``units`` independent cores, each multiplying an m by k with a k by n matrix a cycle; "systolic":
        a grid of ``rows`` by ``columns``.
    dataflow : of a systolic array: what stays in it, "weights" or "outputs".
    packs_groups : whether the groups of a depthwise convolution fill the columns of a systolic array side by side; else
        one group after another is in it.
    clock_ghz : GHz. sharing : cores that use one operand read from the buffers.
    vector_lanes : values that elementwise operators work on a cycle.
    """

    kind: str = choice("cores", "systolic")
    clock_ghz: float = number(0.001, 100.0, "GHz")
    units: int = number(1, 1 << 20, "cores", default=1)
    m: int = number(1, 1024, "rows", default=1)
    n: int = number(1, 1024, "columns", default=1)
    k: int = number(1, 1024, "terms", default=1)
    rows: int = number(1, 4096, "rows", default=1)
    columns: int = number(1, 4096, "columns", default=1)
    dataflow: str = choice("weights", "outputs", default="weights")
    packs_groups: bool = choice(True, False, default=False)
    sharing: int = number(1, 1024, "cores", default=1)
    vector_lanes: int = number(1, 1 << 20, "values a cycle", default=256)

    def __post_init__(self):
        check(self, "array", SLACK)

    @property
    def macs_per_cycle(self) -> int:
        """Multiplications and additions a cycle with every multiplier busy."""
        return self.units * self.m * self.n * self.k if self.kind == "cores" else self.rows * self.columns


@dataclass(frozen=True)
class Buffers:
    """What is on chip, in KiB; each is split in two halves that take turns (double buffering), except ``outputs``.

    ``outputs`` holds sums of 32 bits. ``prefetch``: a layer's first weights are loaded while the layer before it is
    computed. ``parts``: a tile comes and goes in so many; the array begins when the first one is there.
    ``keep_kib``: a layer's output up to this size stays on chip for the next layer; 0: everything goes to memory.
    """

    weights_kib: float = number(0.0625, 1e6, "KiB")
    inputs_kib: float = number(0.0625, 1e6, "KiB")
    outputs_kib: float = number(0.0625, 1e6, "KiB")
    prefetch: bool = choice(True, False, default=True)
    parts: int = number(1, 1024, "parts", default=8)
    keep_kib: float = number(0.0, 1e6, "KiB", default=0.0)

    def __post_init__(self):
        check(self, "buffers", SLACK)

    def scaled(self, factor: float) -> "Buffers":
        """All sizes times ``factor``."""
        names = ("weights_kib", "inputs_kib", "outputs_kib", "keep_kib")
        return replace(self, **{name: getattr(self, name) * factor for name in names})


@dataclass(frozen=True)
class Engines:
    """Decoders or encoders of one kind.

    Members
    -------
    count : engines. streams : S, blocks that an engine works on in turn, each having a turn every S cycles.
    clock_ghz : GHz. values_per_cycle : of an engine, all its streams together, while they are busy.
    block_cycles : turns that a block takes besides one per value.
    latency_cycles : of a decoder from a block's order and first words in to its first value out, of an encoder from its
        last value in to its last word out; the longest where it depends on whose turn it is.
    interface_cycles : what lies between engines and memory adds to that. pj_per_value : pJ.
    """

    count: int = number(1, 1 << 20, "engines")
    streams: int = number(1, 64, "streams")
    clock_ghz: float = number(0.001, 1e9, "GHz")
    values_per_cycle: float = number(0.001, 64.0, "values")
    block_cycles: float = number(0.0, 1e6, "cycles")
    latency_cycles: float = number(0.0, 1e6, "cycles")
    pj_per_value: float = number(0.0, 1e6, "pJ")
    interface_cycles: float = number(0.0, 1e6, "cycles", default=0.0)

    def __post_init__(self):
        check(self, "engines", SLACK)

    @property
    def values_per_ns(self) -> float:
        """All engines busy."""
        return self.count * self.values_per_cycle * self.clock_ghz

    @property
    def latency_ns(self) -> float:
        """From a tile's last words or values in to its last values or words out, nothing else being waited for."""
        return (self.latency_cycles + self.interface_cycles) / self.clock_ghz

    @property
    def beyond_turns_ns(self) -> float:
        """What a block takes besides its turns: latency runs while the block has its turns without values."""
        hidden = (1 + self.block_cycles) * self.streams - 1
        return (max(0.0, self.latency_cycles - hidden) + self.interface_cycles) / self.clock_ghz


IDEAL = Engines(1 << 20, 1, 1e9, 64.0, 0.0, 0.0, 0.0)  # takes no time and no energy that could be seen


@dataclass(frozen=True)
class Codec:
    """The engines, and the blocks that tensors are stored in.

    Members
    -------
    block, least_block : a tile is cut into as many blocks as there are decoders' streams, so that all of them work on
        it, but no block has more or fewer values than these. Equal: blocks of that length.
    block_bytes : what a block takes besides its values' code.
    aligned : whether each block takes whole bursts of the memory; else only each tile does, whose blocks then have to
        be read one after another and dealt out to the engines on chip.
    parallel : streams to cut for; 0: the decoders'.
    """

    block: int = number(1, 65535, "values")
    least_block: int = number(1, 65535, "values")
    block_bytes: float = number(0.0, 1024.0, "bytes")
    decoders: Engines = None
    encoders: Engines = None
    parallel: int = number(0, 1 << 30, "streams", default=0)
    aligned: bool = choice(True, False, default=True)

    def __post_init__(self):
        check(self, "codec", SLACK)
        if self.least_block > self.block:
            raise ValueError(f"codec.least_block must be 1 to codec.block ({self.block}), not {self.least_block}")

    def block_for(self, values: float, least: int | None = None) -> int:
        """Values of a block of a tile of so many; ``least``: in place of ``least_block``."""
        streams = self.parallel or self.decoders.count * self.decoders.streams
        return min(self.block, max(least or self.least_block, ceil(values / streams)))

    def without_cost(self) -> "Codec":
        """The same blocks, coded in no time and with no energy."""
        streams = self.parallel or self.decoders.count * self.decoders.streams
        return replace(self, decoders=IDEAL, encoders=IDEAL, parallel=streams)


@dataclass(frozen=True)
class Energy:
    """On chip, in pJ: an 8-bit multiplication, a 32-bit addition, a byte to or from a buffer."""

    multiply_pj: float = number(0.0, 1e6, "pJ")
    add_pj: float = number(0.0, 1e6, "pJ")
    sram_pj_per_byte: float = number(0.0, 1e6, "pJ")
    static_mw: float = number(0.0, 1e9, "mW", default=0.0)

    def __post_init__(self):
        check(self, "energy", SLACK)


@dataclass(frozen=True)
class Machine:
    """All of it. ``sources`` says where the figures of each table are from."""

    name: str
    title: str
    array: Array
    buffers: Buffers
    codec: Codec
    energy: Energy
    sources: dict


def load_machine(which) -> Machine:
    """A preset by name (``MACHINES``), or a TOML file laid out as they are.

    Raises OSError if the file cannot be read, TypeError and ValueError for what is wrong in it.
    """
    path = packaged("machines", f"{which}.toml") if str(which) in MACHINES else Path(which)
    if str(which) not in MACHINES and Path(which).suffix.lower() != ".toml":
        raise ValueError(f"machine must be one of {', '.join(MACHINES)} or a .toml file, not {str(which)!r}")
    table = read_toml(path)
    needed = ("array", "buffers", "codec", "energy")
    wanted = {"title", "sources", *needed}
    for name in needed:
        if name not in table:
            raise ValueError(f"table [{name}] is missing")
    for name in table:
        if name not in wanted:
            raise ValueError(f"{name} is unknown; known are {', '.join(sorted(wanted))}")
    title, sources = table.get("title", str(which)), table.get("sources", {})
    if not isinstance(title, str):
        raise TypeError(f"title must be a text, not {title!r}")
    if not isinstance(sources, dict):
        raise TypeError(f"sources must be a table, not {sources!r}")
    codec = dict(table["codec"]) if isinstance(table["codec"], dict) else table["codec"]
    if isinstance(codec, dict):
        for side in ("decoders", "encoders"):
            if side not in codec:
                raise ValueError(f"table [codec.{side}] is missing")
            try:
                codec[side] = build(Engines, codec[side], f"codec.{side}")
            except (TypeError, ValueError) as error:  # which of the two it is
                raise type(error)(str(error).replace("engines.", f"codec.{side}.", 1)) from None
    return Machine(
        Path(str(which)).stem, title, build(Array, table["array"], "array"),
        build(Buffers, table["buffers"], "buffers"), build(Codec, codec, "codec"),
        build(Energy, table["energy"], "energy"), dict(sources),
    )


def with_reports(machine: Machine, decoder, encoder) -> Machine:
    """The machine with clock, rate and energy of its engines from synthesis reports (JSON files of ``apack synth``).

    Energy is that of a real tensor if the report has it (``--measured``), else of its activity for all nets. Streams
    and latency stay the machine's.

    Raises OSError, and ValueError for a report without a clock or power, or of an engine that is known to have another
    number of streams than the machine's: block by block it would be another engine.
    """
    sides = {}
    for side, path in (("decoders", decoder), ("encoders", encoder)):
        try:
            report = json.loads(Path(path).read_text("utf-8"))
            clock, rate = 1 / report["cells"]["path"]["t_min_ns"], report["values_per_cycle"]
            cells = report["cells"]
            measured = (cells.get("power_measured") or {}).get("pj_per_value")
            pj = cells["power"]["total_mw"] / (rate * clock) if measured is None else float(measured)
        except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            raise ValueError(f"{path}: is not a synthesis report with clock, rate and power ({error})") from None
        engines = getattr(machine.codec, side)
        streams = streams_of(report)
        if streams not in (None, engines.streams):
            raise ValueError(f"{path}: is of an engine of {streams} streams, and codec.{side}.streams is "
                             f"{engines.streams}: change the machine's file (streams, latency_cycles), or the engine")
        sides[side] = replace(engines, clock_ghz=clock, values_per_cycle=rate, pj_per_value=pj)
    note = f"clock, rate and energy of engines: {decoder}, {encoder}"
    return replace(machine, codec=replace(machine.codec, **sides), sources=machine.sources | {"reports": note})


def streams_of(report: dict) -> int | None:
    """Streams of the engine in a synthesis report, by the ports in the description beside its Verilog.

    None if that is not there, or no longer describes what was synthesized.
    """
    try:
        described = json.loads(Path(report["verilog"]).with_suffix(".json").read_text("utf-8"))
        if described["sha256"] != report["verilog_sha256"]:
            return None
        names = [port["name"] for port in described["ports"]]
        return sum(re.fullmatch(r"values(_\d+)?_valid", name) is not None for name in names) or None
    except (OSError, ValueError, KeyError, TypeError):
        return None
