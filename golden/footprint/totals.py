"""Sums of tensors' figures: by kind, by role, by layer, over models."""

from statistics import fmean

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
        "roles": {role: totals(some) for role, some in roles.items() if role},
        "layers": layers(tensors),
        "tensors": tensors,
    }


def totals(tensors: list[dict]) -> dict:
    """Sums for the whole tensors; those of the values that were there, under ``stored``.

    The figures of a tensor of which only a beginning is there are scaled up to all of it, header and table included.
    """
    whole = _sums(tensors, [t["whole_values"] / t["values"] if t["values"] else 1 for t in tensors])
    stored = _sums(tensors, [1] * len(tensors))
    profiled = sum(t["table_from"] == "others" for t in tensors)
    return {"tensors": len(tensors), "profiled": profiled, **whole, "stored": stored}


def _sums(tensors: list[dict], weights: list[float]) -> dict:
    def add(values) -> float:
        total = round(sum(value * weight for value, weight in zip(values, weights, strict=True)), 3)
        return int(total) if total == int(total) else total

    sums = {name: add(t[name] for t in tensors) for name in ("values", *BITS)}
    sums["values"] = round(sums["values"])
    rivals = tensors[0]["rivals"] if tensors else ()
    sums["rivals"] = {name: add(t["rivals"][name] for t in tensors) for name in rivals}
    return sums | quotients(sums)


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
        weights = [t["whole_values"] / t["values"] / t["inputs"] if t["values"] else 1 for t in some]
        sums = _sums(some, weights)
        names = {group_of(t) for t in some}
        kind = names.pop() if len(names) == 1 else "mixed"
        op = next((t["op"] for t in some if t["op"]), None)
        share = sum(t["share"] for t in some)
        result.append({"name": layer, "kind": kind, "op": op, "tensors": len(some), "share": share, **sums})
    return result


def summary(models: list[dict], *, stored: bool = False) -> dict:
    """Over models: means of their ratios, and the ratio of their sums (which large models dominate).

    ``stored``: of the values that were there instead of whole tensors.
    """
    result = {}
    for group in (*GROUPS.values(), "others", "all"):
        found = [m["totals"][group] for m in models if group in m["totals"]]
        found = [s for s in found if s["raw_bits"]]
        sums = [s["stored"] if stored else s for s in found]
        if not sums:
            continue
        names = {name.removesuffix("_bits"): [s[name] for s in sums] for name in BITS[1:]}
        names |= {name: [s["rivals"][name] for s in sums] for name in sums[0]["rivals"]}
        raw = [s["raw_bits"] for s in sums]
        losses = [s["loss"] for s, whole in zip(sums, found, strict=True) if whole["profiled"]]
        result[group] = {
            "models": len(sums),
            "mean": {name: fmean(b / r for b, r in zip(bits, raw, strict=True)) for name, bits in names.items()},
            "weighted": {name: sum(bits) / sum(raw) for name, bits in names.items()},
            "mean_loss": fmean(losses) if losses else None,
        }
    return result
