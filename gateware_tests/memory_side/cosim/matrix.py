"""All configurations and scenarios in both simulators, with a report: ``make cosim``.

usage, in gateware_tests/memory_side: python -m cosim.matrix [-o REPORT.md] [--build DIR] [--seeds N] [--jobs N]
    [--only TEXT]
"""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product, repeat
from multiprocessing import get_context
from pathlib import Path

from apack_hdl.memory_side.parameters import MemorySide
from golden.config import CodecConfig
from golden.container import write_atomic

from . import runner

SCENARIOS = ("registers", "real_tensors", "shapes", "short_blocks", "queue", "both_at_once", "bad_descriptors",
             "broken_memory", "corrupt_memory", "short_packet", "aborts", "soft_resets", "hard_resets")
FEW = {"values": 300, "shapes": 3, "rounds": 2, "corruptions": 5, "aborts": 2, "resets": 1}
SHORT = {"decoder": {"streams": 2, "search": "division"}, "queue": 4}  # for Icarus, which is some ten times slower


@dataclass(frozen=True)
class Case:
    """A build, what it goes through, and with which stalls."""

    name: str
    simulator: str
    p: MemorySide
    stalls: tuple[float, ...] = (0.0, 0.4)
    settings: dict | None = None


def cases() -> list[Case]:
    """Every number of engines and every width of the bus that is asked for, orders, widths of values, searches."""
    codec = CodecConfig(block=512)

    def case(name, codec=codec, simulator="verilator", settings=None, **parameters):
        return Case(name, simulator, MemorySide(codec, **parameters), settings=settings)

    found = [case(f"E={e} D={d}", engines=e, data_width=d) for e, d in ((1, 32), (2, 64), (4, 128), (8, 256), (8, 512))]
    found += [
        case("E=4 D=64, by id", engines=4, data_width=64, order="by id"),
        case("E=3 D=32, stream of 128", engines=3, data_width=32, stream_width=128, tables=1),
        case("E=2 D=128, 12 bits", CodecConfig(width=12, rows=16, block=256), engines=2, data_width=128),
        case("E=2 D=64, 16 bits", CodecConfig(width=16, block=256), engines=2, data_width=64),
        case("E=2 D=32, 4 bits, N=4", CodecConfig(width=4, rows=4, prob_bits=6, mult_bits=4, block=64), engines=2,
             data_width=32, decoder={"streams": 3, "search": "bisection"}, encoder={"streams": 2}),
        case("E=2 D=64, bursts of 1, one at a time", engines=2, data_width=64, burst=1, outstanding=1),
        case("E=4 D=32, bursts of 1, one at a time", engines=4, data_width=32, stream_width=64, burst=1, outstanding=1),
        case("E=2 D=64, bursts of 256, 64-bit addresses", engines=2, data_width=64, burst=256, address_width=64),
    ]
    small = CodecConfig(block=64)
    slow = [case(f"E={e} D={d}", small, "icarus", FEW, engines=e, data_width=d, **SHORT)
            for e, d in ((8, 128), (4, 64), (2, 512), (1, 32))]
    return slow + found  # those that take longest first


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, metavar="REPORT.md")
    parser.add_argument("--build", type=Path, default=Path("build/cosim"), metavar="DIR")
    parser.add_argument("--seeds", type=int, default=1, metavar="N")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="cases at a time")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose simulator and name contain this")
    options = parser.parse_args()
    lines, failed, begun = [], 0, time.monotonic()
    wanted = [case for case in cases() if options.only in f"{case.simulator} {case.name}"]
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        for runs in pool.map(run_case, wanted, repeat(options.build), repeat(options.seeds)):
            for line, bad in runs:
                lines.append(line)
                failed += len(bad)
                print(" | ".join([*line, *bad]), flush=True)
    if options.output:
        write_atomic(options.output, report(lines, failed, time.monotonic() - begun).encode())
    sys.exit(bool(failed))


def run_case(case: Case, folder: Path, seeds: int) -> list[tuple[tuple[str, ...], list[str]]]:
    """Build a case and run it: of each seed and share of stalls a line of the report, and what failed."""
    if lack := runner.missing(case.simulator):
        return [((case.simulator, case.name, "", "", "", "left out"), [lack])]
    place, runs = runner.build(case.p, case.simulator, folder), []
    for seed, stall in product(range(1, seeds + 1), case.stalls):
        outcomes = runner.run(place, case.simulator, list(SCENARIOS), seed=seed, stall=stall, **(case.settings or {}))
        bad = [outcome for outcome in outcomes if outcome.message]
        verdict = ", ".join(outcome.scenario for outcome in bad) or "all passed"
        cycles = sum(outcome.nanoseconds for outcome in outcomes) / 10
        line = case.simulator, case.name, f"{stall:g}", str(seed), f"{cycles:,.0f}", verdict
        runs.append((line, [f"\n    {outcome.scenario}: {outcome.message[:2000]}" for outcome in bad]))
    return runs


def report(lines: list[tuple[str, ...]], failed: int, seconds: float) -> str:
    """The record of a run, as Markdown."""
    icarus = subprocess.run(["iverilog", "-V"], capture_output=True, text=True).stdout.splitlines()[:1]
    tools = [line.removesuffix(" ()") for line in icarus]
    packages = ("verilator", "cocotb", "cocotbext-axi", "apack-hdl", "amaranth")
    tools += [f"{name} {version(name)}" for name in packages]
    rows = ["| simulator | block | stalls | seed | cycles | outcome |", "|---|---|---:|---:|---:|---|"]
    return "\n".join([
        "# The emitted memory-side block in cocotb", "",
        f"`make cosim`, {datetime.now(UTC):%Y-%m-%d}, {seconds / 60:.0f} minutes; {', '.join(tools)}.", "",
        f"Scenarios, in each line all of them: {', '.join(SCENARIOS)}. {failed} failed.", "",
        "Stalls: share of cycles in which a channel waits, on all AXI channels, AXI4-Lite and both streams.", "",
        *rows, *(f"| {' | '.join(line)} |" for line in lines), "",
    ])


if __name__ == "__main__":
    main()
