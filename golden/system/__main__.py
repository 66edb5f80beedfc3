"""``python -m golden.system``: the tables of README.md that are not `apack system`'s own.

``gains PACK...``: the table and the figure of the project's README. ``scalesim PACK...``: compute cycles against
SCALE-Sim. ``dram``: energies against energydram. ``macs PACK...``: MACs of models. ``table PACK...``: gains of every
model, on each machine. ``blocks PACK...``: what latency takes, by block length. ``tokens PACK...``: one token of a
transformer after another. ``choices PACK...``: what comes of other choices.
"""

import sys
from pathlib import Path
from statistics import fmean, geometric_mean, median

from ..footprint import Settings, model_footprint
from ..tensors import open_model
from .crosscheck import compare_cycles
from .derive import derive, unmultiplied
from .document import Options, model_layers, model_system, summary, system_document
from .dram import compare_energies
from .machine import KIB, load_machine
from .memory import load_memory
from .plots import picture_of_gains
from .schemes import schemes
from .study import BLOCKS, LOSSES, Case, block_study
from .tables import LOST, lost_cells
from .tensors import tensors_of
from .variations import held_out, rows

CASES = (("tensorcore", "ddr4-3200", 1), ("tensorcore", "ddr4-3200", 16), ("tensorcore", "ddr4-2400", 1),
         ("tensorcore", "hbm2", 1), ("tpu", "ddr4-3200", 1), ("npu", "lpddr4", 1))
SCHEMES = ("apack", "apack, chosen", "apack, ideal engines", "floor", "published ratios")
VARIED = SCHEMES[:3]
PICTURE = Path(__file__).parent / "figures" / "sample-gains.svg"


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
    """A line for each memory with a device: the parts of a bit read, memories.toml's figures, the total."""
    print("| memory | burst | row | wires | read_pj | write_pj | background_mw | in all at full bandwidth |")
    for name, *parts, read, write, background, total in compare_energies():
        print(f"| {name} | {' | '.join(f'{part:.2f}' for part in parts)} | {read} | {write} | {background:.0f} | "
              f"{total:.1f} |")


def macs(paths: list[str]) -> None:
    """A line for each model: million MACs, the share of weights that is not multiplied, how many notes there are."""
    for path in paths:
        layers, notes = layers_of(path)
        print(f"| {Path(path).stem} | {sum(layer.macs for layer in layers) / 1e6:,.1f} | {unmultiplied(layers):.1%} | "
              f"{sum(notes.values())} |")


def named_schemes(document: dict) -> list[tuple[str, dict]]:
    """Each model's name and schemes, and the means."""
    found = [(Path(model["name"]).stem, model["schemes"]) for model in document["models"]]
    return [*found, ("geometric mean", document["summary"])]


def measured(path: str) -> dict:
    """A model's figures."""
    return model_footprint(path, Settings()) | {"block": Settings().config.block}


def cells(schemes: dict, names=SCHEMES) -> str:
    """Speedup / energy efficiency of each scheme."""
    return " | ".join(f"{schemes[name]['speedup']:.2f} / {schemes[name]['efficiency']:.2f}" for name in names)


def table(paths: list[str]) -> None:
    """For each case of machine, memory and batch: gains of all models, and their means."""
    figures = [measured(path) for path in paths]
    for machine, memory, batch in CASES:
        options = Options(batch=batch, study=False)
        models = [model_system(f, load_machine(machine), load_memory(memory), options) for f in figures]
        print(f"\n{machine}, {memory}, batch {batch}")
        for model in models:
            print(f"| {Path(model['name']).stem} | {cells(model['schemes'])} |")
        means = summary(models)
        print(f"| geometric mean | {cells(means)} |")
        lost = ", ".join(f"{LOST[part]} {share:.0%}" for part, share in means["apack, chosen"]["lost"].items())
        print(f"of what compression alone would save, chosen loses on average: {lost}", flush=True)


def gains(paths: list[str]) -> None:
    """A line for each model, one input at a time and 16, on the default machine; and the figure of one at a time."""
    figures = [measured(path) for path in paths]
    machine, memory = load_machine("tensorcore"), load_memory("ddr4-3200")
    documents = []
    for batch in (1, 16):
        options = Options(batch=batch, study=False)
        models = [model_system(f, machine, memory, options) for f in figures]
        documents.append(system_document(models, machine, memory, options))
    for one, many in zip(*(named_schemes(document) for document in documents), strict=True):
        lines = [[f"{schemes['apack, chosen'][key]:.2f}" for key in ("speedup", "efficiency", "traffic")]
                 for schemes in (one[1], many[1])]
        print(f"| {one[0]} | {' | '.join(lines[0])} | {cells(one[1], SCHEMES[2:3])} | {' | '.join(lines[1])} |")
    PICTURE.write_bytes(picture_of_gains(documents[0]))


def choices(paths: list[str]) -> None:
    """A line for each variation of the default machine, batch 1 and 16; of the NPU; and how choices carry over."""
    figures = [measured(path) for path in paths]
    for machine, memory, batches in (("tensorcore", "ddr4-3200", (1, 16)), ("npu", "lpddr4", (1,))):
        print(f"\n{machine}, {memory}, batch {' and '.join(map(str, batches))}")
        for found in zip(*(rows(figures, machine, memory, batch) for batch in batches), strict=True):
            print(f"| {found[0][0]} | {' | '.join(cells(means, VARIED) for _, means in found)} |", flush=True)
    machine, memory = load_machine("tensorcore"), load_memory("ddr4-3200")
    for batch in (1, 16):
        pairs = [pair for pair in (held_out(f, machine, memory, batch) for f in figures) if pair]
        means = [f"{geometric_mean(p[i][key] for p in pairs):.3f}" for i in (0, 1) for key in ("speedup", "efficiency")]
        print(f"batch {batch}, {len(pairs)} models: chosen on the first input, run on the others "
              f"{' / '.join(means[:2])}; chosen on those themselves {' / '.join(means[2:])}", flush=True)


def blocks(paths: list[str]) -> None:
    """A line for each model and batch, everything coded: by block length the speedup, and the share of what compression
    alone saves that is lost to latency (pipelines, first blocks); of the best length all parts of the loss.
    """
    machine, memory = load_machine("tensorcore"), load_memory("ddr4-3200")
    lengths = " | ".join(map(str, BLOCKS))
    print(f"| model | batch | {lengths} | alone | lost: pipelines | first blocks | rate | rounding |")
    all_found = {1: [], 16: []}
    for path in paths:
        figures = measured(path)
        for batch in all_found:
            layers, _ = model_layers(figures, machine, Options(batch=batch))
            scheme = schemes(figures["tensors"], figures["block"], machine)["apack"]
            found = block_study(Case(layers, machine, memory, scheme))
            best = next(row for row in found if row["best"])
            texts = [f"{'**' * row['best']}{row['speedup']:.2f}{'**' * row['best']}"
                     f"{f' ({latency(row):.0%})' if row['lost'] else ''}" for row in found]
            print(f"| {Path(path).stem} | {batch} | {' | '.join(texts)} | {best['alone_speedup']:.2f} | "
                  f"{' | '.join(lost_cells(best['lost'], LOSSES))} |", flush=True)
            all_found[batch].append(found)
    for batch, found in all_found.items():
        print_means(batch, [rows for rows in found if rows[0]["lost"]])


def print_means(batch: int, models: list[list[dict]]) -> None:
    """By block length: for how many models it is best, the median share lost to latency; means of parts at the best."""
    if not models:
        return
    texts = [f"{sum(row['best'] for row in rows)} ({median(map(latency, rows)):.0%})"
             for rows in zip(*models, strict=True)]
    best = [next(row for row in rows if row["best"])["lost"] for rows in models]
    parts = " | ".join(f"{fmean(lost[part] for lost in best):.0%}" for part in LOSSES)
    print(f"| best for so many (median) | {batch} | {' | '.join(texts)} | | {parts} |", flush=True)


def latency(row: dict) -> float:
    """The share lost to pipelines and first blocks."""
    return row["lost"]["pipeline"] + row["lost"]["first_block"]


def tokens(paths: list[str]) -> None:
    """A line for each transformer, context and number of texts."""
    machine, memory = load_machine("tensorcore"), load_memory("ddr4-3200")
    for path in paths:
        figures = measured(path)
        for context, batch in ((128, 1), (2048, 1), (2048, 16)):
            model = model_system(figures, machine, memory, Options(batch, context, study=False))
            microseconds = model["schemes"]["raw"]["time"] / 1e3
            print(f"| {Path(path).stem} | {context} | {batch} | {microseconds:.0f} µs | {cells(model['schemes'])} |",
                  flush=True)


def main(arguments: list[str]) -> None:
    """Run a command. Mistakes end it with one line."""
    if not arguments or arguments[0] not in COMMANDS:
        sys.exit(__doc__)
    command, *paths = arguments
    if (not paths) != (command == "dram"):
        sys.exit(f"{command}: takes {'no arguments' if command == 'dram' else 'tensor packs'}")
    try:
        COMMANDS[command](paths)
    except (OSError, ValueError) as error:
        sys.exit(f"{command}: {error}")


COMMANDS = {"gains": gains, "scalesim": scalesim, "dram": dram, "macs": macs, "table": table, "blocks": blocks,
            "tokens": tokens, "choices": choices}

if __name__ == "__main__":
    main(sys.argv[1:])
