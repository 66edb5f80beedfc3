"""What the nets of a mapped netlist do while a tensor goes through it."""

from pathlib import Path

import numpy as np

from golden.table import SymbolTable

from ..emit import engine_options
from .against_golden import deal
from .bench import Episode
from .building import build
from .result import EngineResult, engine_result
from .work import Plan, Work

CYCLES = 4000  # in which transitions are counted
FILLING = 300  # cycles before: tables of up to 64 rows are loaded, the pipeline fills


def count_activity(
    table: SymbolTable,
    codes: np.ndarray,
    direction: str,
    netlist: Path,
    counts: Path,
    *,
    options: dict,
    seed: int = 1,
    progress=None,
    build_dir: Path,
) -> tuple[EngineResult, int]:
    """Have a netlist that counts its transitions write them to the file ``counts``; gives the values handled meanwhile.

    Nothing stalls. The first values of the tensor are taken, again from its start if it is short: as many as keep all
    streams busy for ``CYCLES`` cycles.

    Parameters
    ----------
    codes, seed, progress, build_dir : see :func:`simulate`.
    direction, options : which engine the netlist is of, and how it was built.
    netlist : Verilog file with the engine's top module and its cells; it heeds the plus-arguments ``+activity=FILE``,
        ``+activity_skip=N`` and ``+activity_cycles=N``.

    Raises as :func:`simulate_queues` does.
    """
    tell = progress or (lambda text: None)
    options = engine_options(direction, options)
    tell(f"building a simulator of the {direction}'s netlist")
    how = {"folder": build_dir, "netlists": {direction: [netlist]}, "optimize": False}  # a short run
    bench = build(table.config, {direction: options}, **how)[direction]
    tell(f"simulating the {direction}'s netlist")
    codes = np.resize(codes, CYCLES + FILLING)
    plan = Plan(Work([table], deal(table, codes, streams=options["streams"])), direction, options)
    plusargs = f"+activity={counts.absolute()}", f"+activity_skip={FILLING}", f"+activity_cycles={CYCLES}"
    (episode,) = bench.run(plan.inputs(), waits=[plan.waits()], seed=seed, plusargs=plusargs)
    return engine_result(plan, options, episode), _counted(plan, episode)


def _counted(plan: Plan, episode: Episode) -> int:
    """Values in the cycles in which transitions were counted."""
    times = np.concatenate([episode.times[name] for name in plan.names("values")])
    return int(((times > FILLING) & (times <= FILLING + CYCLES)).sum())
