"""The figures of models on a machine, as a dictionary ready for JSON; README.md describes it."""

from dataclasses import asdict, dataclass
from statistics import fmean, geometric_mean

from ..config import check_int
from ..tensors import open_model
from .choice import choose
from .cycles import compute_cycles
from .decoding import token_layers
from .derive import derive, unmultiplied
from .layers import Layer, batched
from .machine import KIB, Machine
from .memory import Memory
from .running import run_all, total
from .schemes import effective_ratio, schemes
from .study import Case, block_study, compare, lost, scheme_answers, technologies
from .tensors import tensors_of
from .tiling import search

FORMAT, VERSION = "apack-system", 3
PER_LAYER = ("raw", "apack", "apack, chosen")  # schemes whose layers are listed


@dataclass(frozen=True)
class Options:
    """What is asked. ``batch``: inputs at once, or texts; ``context``: tokens before the one that is generated, 0 for
    inference of whole inputs; ``study``: whether to vary parameters, too.
    """

    batch: int = 1
    context: int = 0
    study: bool = True

    def __post_init__(self):
        check_int("batch", self.batch, 1, 1 << 16)
        check_int("context", self.context, 0, 1 << 24)


def model_system(figures: dict, machine: Machine, memory: Memory, options: Options | None = None, **reading) -> dict:
    """A model on a machine with a memory, from its figures.

    ``figures``: what :func:`golden.footprint.model_footprint` found (its ``name`` is the file, which is opened for
    shapes, with the options in ``reading``), and the block length it was measured with as ``block``.

    Raises OSError and FormatError for the file, ValueError if nothing of it can be run, or it is another file.
    """
    options = options or Options()
    layers, notes = model_layers(figures, machine, options, **reading)
    return _measured(layers, notes, figures, machine, memory, options)


def model_layers(figures: dict, machine: Machine, options: Options, **reading) -> tuple[list[Layer], dict]:
    """The layers of a model, and notes; arguments and errors as of :func:`model_system`."""
    by_key = {t["key"]: t for t in figures["tensors"]}
    with open_model(figures["name"], **reading) as model:
        records = list(model.records)
    if {r.key for r in records} != set(by_key):
        raise ValueError(f"{figures['name']}: is not the model that the footprint was measured on: other tensors")
    layers, notes = derive(*tensors_of(records, by_key), machine.buffers.weights_kib * KIB / 2)
    if options.context:
        layers, more = token_layers(layers, options.context, options.batch)
        notes |= more
    else:
        layers = [batched(layer, options.batch) for layer in layers]
    if not layers:
        raise ValueError(f"{figures['name']}: has no tensors that a layer could be made of")
    return layers, notes


def _measured(layers: list[Layer], notes: dict, figures: dict, machine: Machine, memory: Memory, options) -> dict:
    found = schemes(figures["tensors"], figures["block"], machine)
    for name, basis in (("apack, chosen", "apack"), ("apack, ideal engines", "apack, ideal engines")):
        found[name] = choose(layers, machine, memory, found[basis])
    runs = {name: run_all(layers, machine, memory, scheme) for name, scheme in found.items()}
    sums = {name: total(some) for name, some in runs.items()}
    # What compression alone would take, by the scheme of which some tensors were chosen.
    alone = {name: total(run_all(layers, machine, memory, found["apack"])).alone if name.startswith("apack")
             else run.alone for name, run in sums.items()}
    operands = [o for layer in layers for o in layer.operands]
    weights = [o for o in operands if o.kind == "weights"]
    result = {
        "name": figures["name"], "info": figures["info"], "macs": sum(layer.macs for layer in layers),
        "unmultiplied": unmultiplied(layers),
        "schemes": {
            name: sums[name].to_dict() | compare(sums["raw"], sums[name])
            | {"alone_speedup": sums["raw"].time / alone[name] if alone[name] else 1.0,
               "lost": lost(sums["raw"], sums[name], alone[name]),
               "capacity": 1 / effective_ratio(found[name], operands),
               "weights_capacity": 1 / effective_ratio(found[name], weights)}
            for name in found
        },
        "layers": [_layer(layer, machine, {n: runs[n][i] for n in PER_LAYER}) for i, layer in enumerate(layers)],
        "notes": notes,
    }
    if options.study:
        result["answers"] = _answers(layers, machine, memory, found)
    return result


def _answers(layers: list[Layer], machine: Machine, memory: Memory, found: dict) -> dict:
    cases = {name: Case(layers, machine, memory, scheme) for name, scheme in found.items() if name != "raw"}
    cases["apack, chosen"] = chosen = Case(layers, machine, memory, found["apack"], choosing=True)
    best = technologies(chosen)
    return {
        "schemes": {name: scheme_answers(case, best if case is chosen else technologies(case))
                    for name, case in cases.items()},
        "technologies": best, "blocks": block_study(cases["apack"]),
    }


def _layer(layer: Layer, machine: Machine, runs: dict) -> dict:
    tiling = search(layer, machine.buffers) if layer.macs else None
    cycles = compute_cycles(layer, machine.array)
    peak = machine.array.macs_per_cycle
    return {
        "name": layer.name, "kind": layer.kind, "macs": layer.macs, "steps": layer.steps, "note": layer.note,
        "groups": layer.groups, "m": layer.m, "n": layer.n, "k": layer.k, "cycles": cycles,
        "utilization": layer.macs / (cycles * peak) if cycles and layer.macs else None,
        "window": asdict(layer.window) if layer.window else None,
        "tiling": asdict(tiling) if tiling else None,
        "bound": {name: bound(run) for name, run in runs.items()},
        **{name: run.to_dict() for name, run in runs.items()},
    }


def bound(run) -> str:
    """What a layer waits for most."""
    parts = {"compute": run.compute, "memory": run.memory, "decoders": run.decode, "encoders": run.encode}
    return max(parts, key=parts.get)


def system_document(models: list[dict], machine: Machine, memory: Memory, options: Options) -> dict:
    """Everything, for JSON."""
    return {
        "format": FORMAT, "version": VERSION, "machine": _described(machine), "memory": _described(memory),
        "options": asdict(options), "models": models, "summary": summary(models),
    }


def _described(thing) -> dict:
    return asdict(thing)


def summary(models: list[dict]) -> dict:
    """By scheme, over models: geometric means of speedup, efficiency, capacity; means of traffic and of shares lost;
    with a study, :func:`mean_answers`.
    """
    if not models:
        return {}
    result = {}
    for name in models[0]["schemes"]:
        rows = [m["schemes"][name] for m in models if name in m["schemes"]]
        result[name] = {key: geometric_mean([r[key] for r in rows])
                        for key in ("speedup", "efficiency", "alone_speedup", "capacity", "weights_capacity")}
        result[name]["traffic"] = fmean([r["traffic"] for r in rows])
        shares = [r["lost"] for r in rows if r["lost"]]
        result[name]["lost"] = {key: fmean(s[key] for s in shares) for key in shares[0]} if shares else None
        answers = [m["answers"]["schemes"][name] for m in models if name in m.get("answers", {}).get("schemes", {})]
        if answers:
            result[name] |= mean_answers(answers)
    return result


def mean_answers(answers: list[dict]) -> dict:
    """Of one scheme's answers for each model: means of ``break_even`` and geometric means of ``bandwidth_share`` and
    ``sensitivity``, in the form that they have for one model.

    Of the models that have such a number: ``pays`` tells how many break even in time, ``keeps`` how many keep up with
    raw storage with less bandwidth or as much.
    """
    even = {key: [a["break_even"][key] for a in answers if a["break_even"][key] is not None]
            for key in ("time", "energy")}
    shares = [a["bandwidth_share"] for a in answers if a["bandwidth_share"] is not None]
    means = {"speedup": geometric_mean, "efficiency": geometric_mean, "traffic": fmean}
    rows = {
        parameter: [{"factor": some[0]["factor"]} | {key: mean(row[key] for row in some) for key, mean in means.items()}
                    for some in zip(*(a["sensitivity"][parameter] for a in answers), strict=True)]
        for parameter in answers[0]["sensitivity"]
    }
    return {
        "break_even": {key: fmean(values) if values else None for key, values in even.items()},
        "bandwidth_share": geometric_mean(shares) if shares else None, "sensitivity": rows,
        "models": len(answers), "pays": len(even["time"]), "keeps": len(shares),
    }
