"""Sums of tensors' figures: by kind, by role, by layer, over models."""

from statistics import fmean

from .settings import PROFILED

BITS = ("raw_bits", "floor_bits", "bound_bits", "apack_bits", "self_bits", "archive_bits")
GROUPS = {"weight": "weights", "activation": "activations"}


def group_of(entry: dict) -> str:
    """Which of ``weights``, ``activations``, ``others`` a tensor counts among."""
    return GROUPS.get(entry["kind"], "others")


def model_document(name: str, info: dict, tensors: list[dict]) -> dict:
    """Everything about one model, of the figures of its tensors."""
    _add_shares(tensors)
    groups = {group: [t for t in tensors if group_of(t) == group] for group in (*GROUPS.values(), "others")}
    roles = {role: [t for t in tensors if t["role"] == role] for role in dict.fromkeys(t["role"] for t in tensors)}
    return {
        "name": name,
        "info": info,
        "totals": {group: totals(some) for group, some in groups.items() if some} | {"all": totals(tensors)},
        "profiled": totals(_profiled(tensors)),
        "roles": {role: totals(some) for role, some in roles.items() if role},
        "layers": layers(tensors),
        "tensors": tensors,
    }


def totals(tensors: list[dict]) -> dict:
    """Sums of the values that were there; under ``whole``, what those say about the whole tensors (:func:`_whole`).

    ``loss`` is that of profiled tensors alone: what was coded with a table of its own has none.
    """
    loss = {"loss": quotients(_sums(_profiled(tensors)))["loss"]}
    stored, whole = _sums(tensors), _sums([_whole(t) for t in tensors])
    counts = {"tensors": len(tensors), "profiled": len(_profiled(tensors))}
    return counts | stored | quotients(stored) | loss | {"whole": whole | quotients(whole) | loss}


def _profiled(tensors: list[dict]) -> list[dict]:
    return [t for t in tensors if t["table_from"] in PROFILED]


def _whole(t: dict) -> dict:
    """The figures of the whole tensor, of which perhaps only the beginning was there: an extrapolation.

    A beginning need not be like the rest. So the entropy is that of all values, where the file states it, and what a
    scheme takes beyond the entropy grows with the number of values.
    """
    if t["whole_values"] == t["values"]:
        return t
    scale = t["whole_values"] / t["values"]
    raw, more = t["raw_bits"] * scale, t["whole_floor_bits"] - t["floor_bits"] * scale

    def grown(bits: float) -> float:
        return min(max(bits * scale + more, 0), raw)

    bits = {name: grown(t[name]) for name in BITS} | {"raw_bits": raw}
    return t | bits | {"values": t["whole_values"], "rivals": {name: grown(b) for name, b in t["rivals"].items()}}


def _sums(tensors: list[dict], weights: list[float] | None = None) -> dict:
    weights = weights or [1] * len(tensors)

    def add(values) -> float:
        total = round(sum(value * weight for value, weight in zip(values, weights, strict=True)), 3)
        return int(total) if total == int(total) else total

    sums = {name: add(t[name] for t in tensors) for name in ("values", *BITS)}
    sums["values"] = round(sums["values"])
    rivals = tensors[0]["rivals"] if tensors else ()
    sums["rivals"] = {name: add(t["rivals"][name] for t in tensors) for name in rivals}
    return sums


def quotients(sums: dict) -> dict:
    """``ratio`` to raw bits, ``overhead`` over the bound, ``loss`` over tables of their own; None: of nothing."""
    over = {"ratio": ("raw_bits", 0), "overhead": ("bound_bits", 1), "loss": ("self_bits", 1)}
    return {name: sums["apack_bits"] / sums[of] - less if sums[of] else None for name, (of, less) in over.items()}


def _add_shares(tensors: list[dict]) -> None:
    """Add ``share``: of the raw bits of one inference, which moves weights, and activations of one input, once."""
    inputs: dict[tuple, int] = {}
    for t in tensors:
        inputs[_same(t)] = inputs.get(_same(t), 0) + 1
    for t in tensors:
        t["inputs"] = inputs[_same(t)]
    raw = sum(t["whole_values"] * t["width"] / t["inputs"] for t in tensors)
    for t in tensors:
        t["share"] = t["whole_values"] * t["width"] / t["inputs"] / raw if raw else 0.0


def _same(t: dict) -> tuple:
    """The same for an activation whatever the input."""
    return (t["name"], t["width"]) if t["kind"] == "activation" and t["input"] is not None else (t["key"], None)


def layers(tensors: list[dict]) -> list[dict]:
    """What one inference moves for each layer: its weights, and its activations averaged over the inputs."""
    found: dict[str, list[dict]] = {}
    for t in tensors:
        found.setdefault(t["layer"], []).append(t)
    result = []
    for layer, some in found.items():
        sums = _sums([_whole(t) for t in some], [1 / t["inputs"] for t in some])
        sums |= quotients(sums)
        names = {group_of(t) for t in some}
        kind = names.pop() if len(names) == 1 else "mixed"
        op = next((t["op"] for t in some if t["op"]), None)
        share = sum(t["share"] for t in some)
        result.append({"name": layer, "kind": kind, "op": op, "tensors": len(some), "share": share, **sums})
    return result


def summary(models: list[dict], *, whole: bool = False) -> dict:
    """Over models: means of their ratios, and the ratio of their sums (which large models dominate).

    ``whole``: of whole tensors instead of the values that were there.
    """
    result = {}
    for group in (*GROUPS.values(), "profiled", "others", "all"):
        found = [m["profiled"] if group == "profiled" else m["totals"].get(group) for m in models]
        found = [s["whole"] if whole else s for s in found if s and s["raw_bits"]]
        if found:
            result[group] = _means(found)
    return result


def _means(found: list[dict]) -> dict:
    names = {name.removesuffix("_bits"): [s[name] for s in found] for name in BITS[1:]}
    names |= {name: [s["rivals"][name] for s in found] for name in found[0]["rivals"]}
    raw = [s["raw_bits"] for s in found]
    losses = [s["loss"] for s in found if s["loss"] is not None]
    return {
        "models": len(found),
        "mean": {name: fmean(b / r for b, r in zip(bits, raw, strict=True)) for name, bits in names.items()},
        "weighted": {name: sum(bits) / sum(raw) for name, bits in names.items()},
        "mean_loss": fmean(losses) if losses else None,
    }
