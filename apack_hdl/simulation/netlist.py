"""A mapped netlist in place of the emitted Verilog: the same bench, the same answers, and what its nets do."""

from pathlib import Path

import numpy as np

from golden.table import SymbolTable

from ..emit import engine_options
from .against_golden import deal, run_engine
from .building import build
from .result import EngineResult
from .work import Work

CYCLES = 4000  # of a run in which transitions are counted
FILLING = 300  # cycles before: a table is loaded, the pipeline fills


def run_netlist(
    table: SymbolTable,
    codes: np.ndarray,
    direction: str,
    netlist: Path,
    *,
    word: int = 32,
    options: dict | None = None,
    stall: float = 0.0,
    seed: int = 1,
    counts: Path | None = None,
    progress=None,
    build_dir: Path,
) -> EngineResult:
    """Run the netlist of one engine on a tensor, and compare with golden.

    Parameters
    ----------
    codes, word, stall, seed, progress, build_dir : see :func:`simulate`.
    direction, options : which engine the netlist is of, and how it was built.
    netlist : Verilog with the engine's top module and its cells.
    counts : file for the transitions of every net, if the netlist counts them; it is given the plus-arguments
        ``+activity=FILE``, ``+activity_skip`` and ``+activity_cycles``. Then only the first values of the tensor are
        taken, again from its start if it is short: as many as keep all streams busy for ``CYCLES`` cycles.

    Raises as :func:`simulate_queues` does.
    """
    tell = progress or (lambda text: None)
    options = engine_options(direction, {"word": word} | (options or {}))
    plusargs = ()
    if counts is not None:
        codes = np.resize(codes, CYCLES + FILLING)
        # The first table's rows are loaded before any value moves.
        plusargs = (f"+activity={Path(counts).absolute()}", f"+activity_skip={FILLING}", f"+activity_cycles={CYCLES}")
    work = Work([table], deal(table, codes, streams=options.get("streams", 1)))
    tell("building the simulator of the netlist")
    how = {"folder": build_dir, "netlists": {direction: [netlist]}, "optimize": counts is None}
    bench = build(table.config, {direction: options}, **how)[direction]
    tell("simulating the netlist")
    return run_engine(work, direction, options, bench, stall=stall, seed=seed, plusargs=plusargs)
