"""A path of the timing report put back into the words of the source: registers, blocks, cells."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

_POINT = re.compile(r"\s+(?P<delay>-?[\d.]+)\s+(?P<arrival>-?[\d.]+) (?P<edge>[\^v]) (?P<pin>\S+) \((?P<cell>\S+)\)$")


@dataclass(frozen=True)
class Point:
    """One pin on a path: delay of the step and arrival time in ns; edge "rise" or "fall"."""

    pin: str
    cell: str
    delay_ns: float
    arrival_ns: float
    edge: str


@dataclass(frozen=True)
class CriticalPath:
    """The slowest path.

    start, end: register or port names of the source, bit included. cells: gates between the two.
    blocks: (instance path, number of gates), in order of appearance. With `exact` these are the blocks that the gates
    lie in; otherwise (a flat netlist, where gates are shared and rebuilt across blocks and only registers keep their
    names) the blocks whose registers feed the gates.
    t_min_ns: what the path asks of the period, setup time included.
    """

    start: str
    start_kind: str
    end: str
    end_kind: str
    cells: int
    t_min_ns: float
    blocks: tuple[tuple[str, int], ...]
    exact: bool
    points: tuple[Point, ...]

    @property
    def words(self) -> str:
        """The path in one sentence."""
        blocks = ", ".join(block for block, _ in self.blocks)
        where = f" {'in' if self.exact else 'fed by'} {blocks}" if blocks else ""
        return (
            f"from {self.start} ({self.start_kind}) through {self.cells} cells{where} "
            f"to {self.end} ({self.end_kind}): {self.t_min_ns:.3f} ns"
        )


def parse_points(report: str) -> tuple[Point, ...]:
    """The pins of the first path in OpenSTA's report, from the start's output on."""
    points = []
    for line in report.splitlines():
        if "data arrival time" in line:
            break
        if match := _POINT.match(line):
            edge = {"^": "rise", "v": "fall"}[match["edge"]]
            points.append(Point(match["pin"], match["cell"], float(match["delay"]), float(match["arrival"]), edge))
    return tuple(points)


class Names:
    """Who is who in a netlist: which register an instance is, which block a register belongs to.

    contents: the JSON netlist of flow.Netlist; flop_cells, gate_cell: its flip-flop cell types and the type of its
    clock gating cells; block_paths: its blocks.
    """

    def __init__(
        self, contents: Path, top: str, flop_cells: frozenset[str], gate_cell: str, block_paths: tuple[str, ...]
    ) -> None:
        module = json.loads(contents.read_text())["modules"][top]
        self.top = top
        self._cells = module["cells"]
        self._gate_cell = gate_cell
        self._ends = flop_cells | {gate_cell}
        self._blocks = sorted(block_paths, key=len, reverse=True)  # the innermost block matches first
        self._registers = {  # net -> the flip-flop that drives it
            bit: name
            for name, cell in self._cells.items()
            if cell["type"] in flop_cells
            for pin in {"Q", "QN"} & set(cell["connections"])
            for bit in cell["connections"][pin]
        }

    def is_end(self, instance: str) -> bool:
        """Whether paths start or end at the instance: a flip-flop, or a cell that gates a clock."""
        return instance in self._cells and self._cells[instance]["type"] in self._ends

    def describe(self, pin: str) -> tuple[str, str]:
        """(name in the source, kind) of a path's end."""
        instance = pin.rpartition("/")[0]
        if not instance:
            return pin, "port"
        if self._cells[instance]["type"] == self._gate_cell:
            return instance.replace("_gate[", "[").removesuffix("_gate"), "clock gate"
        return instance.replace("_reg[", "[").removesuffix("_reg"), "flip-flop"

    def block(self, name: str) -> str:
        """Path of the block that `name` (of an instance) lies in; "" if it belongs to the top itself."""
        return next((path for path in self._blocks if name.startswith(f"{path}.")), "")

    def feeders(self, pin: str) -> set[str]:
        """Paths of the blocks whose registers feed the gate of this output pin."""
        connections = self._cells[pin.rpartition("/")[0]]["connections"]
        bits = [bit for bits in connections.values() for bit in bits]
        return {self.block(self._registers[bit]) for bit in bits if bit in self._registers}


def critical_path(report: str, t_min_ns: float, names: Names, flattened: bool) -> CriticalPath:
    """The first path of `report` in the source's names; `flattened`: the netlist was flattened before mapping."""
    points = parse_points(report)
    gates = [p.pin for p in points if "/" in p.pin and not names.is_end(p.pin.rpartition("/")[0])]
    counts: dict[str, int] = {}
    for gate in gates:
        for block in sorted(names.feeders(gate) if flattened else {names.block(gate)}):
            counts[block or names.top] = counts.get(block or names.top, 0) + 1
    start, end = names.describe(points[0].pin), names.describe(points[-1].pin)
    return CriticalPath(*start, *end, len(gates), t_min_ns, tuple(counts.items()), not flattened, points)
