"""``python -m golden.system``: the tables of README.md that are not `apack system`'s own.

``scalesim PACK...``: compute cycles against SCALE-Sim. ``dram``: energies against energydram. ``macs PACK...``: MACs
of models. ``table PACK...``: gains of every model, on each machine. ``blocks PACK...``: what latency takes, by block
length. ``tokens PACK...``: one token of a transformer after another.
"""

import sys
from pathlib import Path

from ..footprint import Settings, model_footprint
from ..tensors import open_model
from .crosscheck import compare_cycles
from .derive import derive
from .document import Options, model_system, summary
from .dram import compare_energies
from .machine import KIB, MACHINES, load_machine
from .memory import load_memory
from .study import BLOCKS
from .tensors import tensors_of

CASES = (("tensorcore", "ddr4-3200", 1), ("tensorcore", "ddr4-3200", 16), ("tensorcore", "ddr4-2400", 1),
         ("tensorcore", "hbm2", 1), ("tpu", "ddr4-3200", 1), ("npu", "lpddr4", 1))
SCHEMES = ("apack", "apack, chosen", "apack, ideal engines", "floor", "published ratios")


def layers_of(path: str) -> tuple[list, dict]:
    """A model's layers and notes, without measuring it."""
    with open_model(path) as model:
        sizes = {r.key: {"whole_values": r.meta["n_total"], "width": r.bits} for r in model.records}
        return derive(*tensors_of(model.records, sizes), 256 * KIB)


def scalesim(paths: list[str]) -> None:
    """A line for each model and dataflow."""
    for path in paths:
        for dataflow in ("weights", "outputs"):
            rows = compare_cycles(layers_of(path)[0], dataflow)
            ours, theirs = sum(row[1] for row in rows), sum(row[2] for row in rows)
            worst = max(rows, key=lambda row: abs(row[1] / row[2] - 1))
            print(f"| {Path(path).stem} | {dataflow} | {len(rows)} | {ours:,} | {theirs:,} | "
                  f"{100 * (ours / theirs - 1):+.2f} % | {100 * (worst[1] / worst[2] - 1):+.2f} % |", flush=True)


def dram(_) -> None:
    """A line for each memory whose device's currents are known."""
    for name, here, there, total, device in compare_energies():
        print(f"| {name} | {here:.0f} | {there:.0f} | {total:.1f} | {device:.1f} |")


def macs(paths: list[str]) -> None:
    """A line for each model."""
    for path in paths:
        layers, notes = layers_of(path)
        print(f"| {Path(path).stem} | {sum(layer.macs for layer in layers) / 1e6:,.1f} | {sum(notes.values())} |")


def table(paths: list[str]) -> None:
    """For each case of machine, memory and batch: gains of all models, and their means."""
    block = Settings().config.block
    figures = [model_footprint(path, Settings()) | {"block": block} for path in paths]
    for machine, memory, batch in CASES:
        assert machine in MACHINES
        options = Options(batch=batch, study=False)
        models = [model_system(f, load_machine(machine), load_memory(memory), options) for f in figures]
        print(f"\n{machine}, {memory}, batch {batch}")
        for model in models:
            found = [f"{model['schemes'][name][key]:.2f}" for name in SCHEMES for key in ("speedup", "efficiency")]
            print(f"| {Path(model['name']).stem} | {' | '.join(found)} |")
        means = summary(models)
        found = [f"{means[name][key]:.2f}" for name in SCHEMES for key in ("speedup", "efficiency")]
        print(f"| geometric mean | {' | '.join(found)} |", flush=True)


def blocks(paths: list[str]) -> None:
    """A line for each model and batch: the speedup by block length, and without latency at the best."""
    machine, memory = load_machine("tensorcore"), load_memory("ddr4-3200")
    print(f"| model | batch | {' | '.join(map(str, BLOCKS))} | without latency | gain lost |")
    for path in paths:
        figures = model_footprint(path, Settings()) | {"block": Settings().config.block}
        for batch in (1, 16):
            found = model_system(figures, machine, memory, Options(batch=batch))["answers"]["blocks"]
            best = next(row for row in found if row["best"])
            cells = [f"{'**' * row['best']}{row['speedup']:.2f}{'**' * row['best']}" for row in found]
            print(f"| {Path(path).stem} | {batch} | {' | '.join(cells)} | {best['ideal_speedup']:.2f} | "
                  f"{best['lost']:.0%} |", flush=True)


def tokens(paths: list[str]) -> None:
    """A line for each transformer, context and number of texts."""
    machine, memory = load_machine("tensorcore"), load_memory("ddr4-3200")
    for path in paths:
        figures = model_footprint(path, Settings()) | {"block": Settings().config.block}
        for context, batch in ((128, 1), (2048, 1), (2048, 16)):
            model = model_system(figures, machine, memory, Options(batch, context, study=False))
            found = [f"{model['schemes'][name][key]:.2f}" for name in SCHEMES for key in ("speedup", "efficiency")]
            microseconds = model["schemes"]["raw"]["time"] / 1e3
            print(f"| {Path(path).stem} | {context} | {batch} | {microseconds:.0f} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    commands = {"scalesim": scalesim, "dram": dram, "macs": macs, "table": table, "blocks": blocks, "tokens": tokens}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](sys.argv[2:])
