"""Off-chip memories: bandwidth, energy, granularity, each with its source (memories.toml)."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from .fields import SLACK, build, check, number, packaged, read_toml


@dataclass(frozen=True)
class Memory:
    """One memory system.

    Members
    -------
    title, source : for people.
    read_gbs, write_gbs : peak bandwidth in GB/s (10^9 bytes); reads and writes share the time.
    efficiency : share of the peak that long transfers reach.
    read_pj, write_pj : pJ for a bit moved, without what flows in any case.
    background_mw : mW that flow in any case: standby with open rows, and refresh.
    burst_bytes : the smallest transfer. latency_ns : from a request to its first data.
    """

    title: str
    source: str
    read_gbs: float = number(0.001, 1e9, "GB/s")
    write_gbs: float = number(0.001, 1e9, "GB/s")
    efficiency: float = number(0.01, 1.0, "of the peak")
    read_pj: float = number(0.0, 1e6, "pJ/bit")
    write_pj: float = number(0.0, 1e6, "pJ/bit")
    background_mw: float = number(0.0, 1e9, "mW")
    burst_bytes: int = number(1, 65536, "bytes")
    latency_ns: float = number(0.0, 1e6, "ns")
    name: str = ""
    device: dict | None = None

    def __post_init__(self):
        check(self, f"memory {self.name}".strip(), SLACK)

    def read_ns(self, volume: float) -> float:
        """Time to read so many bytes."""
        return volume / (self.read_gbs * self.efficiency)

    def write_ns(self, volume: float) -> float:
        """Time to write so many bytes."""
        return volume / (self.write_gbs * self.efficiency)

    def scaled(self, factor: float) -> "Memory":
        """The same with another bandwidth."""
        return replace(self, read_gbs=self.read_gbs * factor, write_gbs=self.write_gbs * factor)


def _memories(path) -> dict[str, Memory]:
    found = {}
    for name, table in read_toml(path).items():
        if isinstance(table, dict):
            for text in ("title", "source"):
                if not isinstance(table.get(text, ""), str):
                    raise TypeError(f"{name}.{text} must be a text, not {table[text]!r}")
            table = table | {"name": name}
        found[name] = build(Memory, table, name)
    return found


@cache
def _shipped() -> dict[str, Memory]:
    return _memories(packaged("memories.toml"))


MEMORIES = tuple(_shipped())


def load_memory(which: str) -> Memory:
    """A memory by name (``MEMORIES``), or FILE.toml:NAME from a file laid out as memories.toml.

    Raises OSError, TypeError and ValueError as :func:`golden.system.machine.load_machine`.
    """
    path, _, name = str(which).rpartition(":")
    known = _memories(Path(path)) if path else _shipped()
    if name not in known:
        raise ValueError(f"memory must be one of {', '.join(known)} or FILE.toml:NAME, not {str(which)!r}")
    return known[name]
