"""Designs of many instances of few modules: each module is synthesized once, areas are added up by instances.

A module is mapped without the modules in it, flattened for the rest; what those give is taken to come a stated time
after the clock. Memories are not mapped at all: their bits are counted.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .files import write_atomically
from .report import SynthesisReport
from .synthesis import CUT_DELAY_NS, synthesize

HEADER = ("module", "instances", "kGE each", "kGE", "flops each", "clock gates each", "T_min ns")
MEMORIES = ("memory", "instances", "bits of a row", "rows", "kbit in all")
NOTE = (
    "memories are not mapped: {kbit:,.1f} kbit in {instances:,} of them stand beside these areas; what they and other "
    "modules give is taken to come {delay} ns after the clock, in the clocks below as well"
)


@dataclass(frozen=True)
class Part:
    """A module by itself: how many there are, and what one is (``report``, without the modules in it)."""

    module: str
    instances: int
    report: SynthesisReport

    @property
    def kge(self) -> float:
        """Of all instances."""
        return self.instances * self.report.cells.kge


@dataclass(frozen=True)
class Memory:
    """A module that is a memory: ``bits`` of each of its ``instances``."""

    module: str
    instances: int
    width: int
    depth: int

    @property
    def bits(self) -> int:
        """Of one instance."""
        return self.width * self.depth


@dataclass(frozen=True)
class HierarchyReport:
    """What a design of several modules takes. ``parts``: the top first; ``memories`` beside them."""

    top: str
    target: str
    period_ns: float
    parts: tuple[Part, ...]
    memories: tuple[Memory, ...]

    @property
    def kge(self) -> float:
        """All parts, without memories."""
        return sum(part.kge for part in self.parts)

    @property
    def kbit(self) -> float:
        """Of all memories, in units of 1,024 bits."""
        return sum(memory.instances * memory.bits for memory in self.memories) / 1024

    @property
    def t_min_ns(self) -> float | None:
        """Of the slowest part; None without OpenSTA."""
        times = [part.report.cells.t_min_ns for part in self.parts]
        return None if None in times else max(times)

    @property
    def clock_ghz(self) -> float | None:
        """The clock that it allows."""
        return 1 / self.t_min_ns if self.t_min_ns else None

    @property
    def notes(self) -> list[str]:
        """What to know about the figures."""
        instances = sum(memory.instances for memory in self.memories)
        own = [note for note in self.parts[0].report.notes if not note.startswith("without its")]
        return [*own, NOTE.format(kbit=self.kbit, instances=instances, delay=CUT_DELAY_NS)]

    def to_json(self) -> dict:
        """Everything as plain dictionaries, lists, numbers and strings."""
        first = self.parts[0].report
        return {
            "top": self.top, "target": self.target, "period_ns": self.period_ns, "kge": self.kge, "kbit": self.kbit,
            "t_min_ns": self.t_min_ns, "clock_ghz": self.clock_ghz,
            "parts": [{"module": part.module, "instances": part.instances, "kge": part.kge,
                       "report": part.report.to_json()} for part in self.parts],
            "memories": [asdict(memory) | {"bits": memory.bits} for memory in self.memories],
            "verilog_sha256": first.verilog_sha256, "tools": first.tools, "date": first.date, "notes": self.notes,
        }

    def rows(self) -> list[tuple[str, ...]]:
        """The table of modules, a line for each, and one for all."""

        def time(ns: float | None) -> str:
            return "-" if ns is None else f"{ns:.3f}"

        rows = [
            (self._short(part.module), f"{part.instances:,}", f"{cells.kge:,.2f}", f"{part.kge:,.1f}",
             f"{cells.flops:,}", f"{cells.clock_gates:,}", time(cells.t_min_ns))
            for part in self.parts for cells in [part.report.cells]
        ]
        return [*rows, ("all", "", "", f"{self.kge:,.1f}", "", "", time(self.t_min_ns))]

    def memory_rows(self) -> list[tuple[str, ...]]:
        """The table of memories."""
        return [
            (self._short(memory.module), f"{memory.instances:,}", f"{memory.width:,}", f"{memory.depth:,}",
             f"{memory.instances * memory.bits / 1024:,.1f}")
            for memory in self.memories
        ]

    def to_markdown(self) -> str:
        """A section with both tables, the slowest path and the notes."""
        lines = [f"## {self.top} on {self.target}, by module", ""]
        for header, rows in ((HEADER, self.rows()), (MEMORIES, self.memory_rows())):
            lines += [f"| {' | '.join(header)} |", "|---" + "|---:" * (len(header) - 1) + "|"]
            lines += [f"| {' | '.join(row)} |" for row in rows] + [""]
        lines += [f"Slowest path, in {name}: {words}." for name, words in self._slowest()]
        first = self.parts[0].report
        tools = ", ".join(f"{tool} {version}" for tool, version in first.tools.items())
        return "\n".join([*lines, "", *(f"- {note}" for note in (*self.notes, tools, first.date))]) + "\n"

    def render(self, console: Console) -> None:
        """Print both tables, the slowest path and the notes."""
        for title, header, rows in ((f"{self.top} on {self.target}, by module", HEADER, self.rows()),
                                    ("Memories", MEMORIES, self.memory_rows())):
            table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
            for at, name in enumerate(header):
                table.add_column(name, justify="right" if at else "left", overflow="fold")
            for row in rows:
                table.add_row(*row)
            console.print(table)
        for text in [*(f"slowest path, in {name}: {words}" for name, words in self._slowest()), *self.notes]:
            console.print(f"\n{text}", markup=False)

    def write(self, json_path: Path, markdown_path: Path, facts: dict | None = None, section: str = "") -> None:
        """Write the report to the given files, each atomically; with further ``facts``, and a ``section`` of text."""
        write_atomically(json_path, json.dumps(self.to_json() | (facts or {}), indent=1) + "\n")
        write_atomically(markdown_path, self.to_markdown() + section)

    def _slowest(self) -> list[tuple[str, str]]:
        timed = [part for part in self.parts if part.report.cells.path]
        slow = max(timed, key=lambda part: part.report.cells.t_min_ns, default=None)
        return [(self._short(slow.module), slow.report.cells.path.words)] if slow else []

    def _short(self, module: str) -> str:
        """What a module is called within the design, whose names all begin alike."""
        return "top" if module == self.top else module.removeprefix(f"{self.top}_")


def synthesize_parts(
    verilog: Path,
    top: str,
    *,
    modules: Mapping[str, Mapping[str, int]],
    memories: Mapping[str, Mapping[str, int]],
    build_dir: Path,
    progress: Callable[[str], None] | None = None,
    **how,
) -> HierarchyReport:
    """What the module ``top`` of a file takes, module by module.

    ``modules``: module name -> how often it uses each of the others, of ``top`` and all below it; those of
    ``memories`` (``width`` and ``depth``) are counted, not mapped. ``how``: library, period_ns, activity, clock_gating
    of :func:`synthesize`. Raises as that does, and ValueError if ``modules`` lacks one.
    """
    say = progress or (lambda message: None)
    instances = Counter({top: 1})
    _count(top, modules, 1, instances)
    parts = []
    for module in instances:
        if module not in memories:
            say(module)
            report = synthesize(verilog, module, cut=[*modules[module]], build_dir=Path(build_dir) / module,
                                progress=lambda line, module=module: say(f"{module}: {line}"), **how)
            parts.append(Part(module, instances[module], report))
    counted = tuple(
        Memory(name, instances[name], shape["width"], shape["depth"]) for name, shape in memories.items()
        if instances[name]
    )
    first = parts[0].report
    return HierarchyReport(top, first.target, first.period_ns, tuple(parts), counted)


def _count(module: str, modules: Mapping, number: int, instances: Counter) -> None:
    """Add to ``instances`` what is below ``number`` instances of ``module``."""
    if module not in modules:
        raise ValueError(f"modules must say what {module} uses")
    for name, uses in modules[module].items():
        instances[name] += number * uses
        _count(name, modules, number * uses, instances)
