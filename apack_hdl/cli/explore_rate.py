"""Values per cycle of an engine: what its documentation promises, or what a simulation of its Verilog shows."""

import hashlib
from pathlib import Path

from golden.search import histogram, search_table
from synth.explore import Job, hash_of, source_hash

from .. import simulation
from ..simulation import simulate
from .explore_loss import tensors
from .explore_points import Point


def documented(point: Point) -> dict:
    """``values_per_cycle`` while every stream is busy with whole blocks, and ``rate_source``."""
    besides, block = point.engine().BLOCK_CYCLES, point.config.block
    return {"values_per_cycle": block / (block + besides), "rate_source": f"block of {block}, {besides} besides"}


def simulation_job(point: Point, verilog: str, paths: list[Path]) -> Job:
    """The job of simulating an engine; see :func:`simulated`."""
    data = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]
    sources = [source_hash(file.parent, pattern) for file, pattern in (
        (Path(simulation.__file__), "*.*"), (Path(__file__), Path(__file__).name))]
    key = hash_of(["simulation", point.direction, hashlib.sha256(verilog.encode()).hexdigest(), data, sources])
    return Job(f"simulation-{point.name}", key, simulated, (point, list(map(str, paths))))


def simulated(point: Point, paths: list[str], simulator: str = "auto") -> dict | None:
    """The same from simulating the engine on the biggest tensor of its width, until a stream runs out of values.

    None if there is no such tensor. Raises ValueError if what comes out is not the golden model's.
    """
    codes = max(tensors(paths, point.width), key=len, default=None)
    if codes is None:
        return None
    table = search_table(point.config, histogram(codes, point.width)).table
    options = {name: value for name, value in point.options.items() if name != "word"}
    result = simulate(table, codes, word=point.word, simulator=simulator, **{point.direction: options})
    engine = getattr(result, point.direction)
    if engine.mismatch:
        raise ValueError(f"the simulation differs from the golden model: {engine.mismatch}")
    rate = engine.busy_values_per_cycle or engine.values_per_cycle
    return {"values_per_cycle": rate, "rate_source": f"{result.simulator}, {result.values} values"}
