"""The schemes to compare, out of a footprint's figures of one model."""

from math import ceil

from .layers import Operand
from .machine import Machine
from .scheme import IDEAL_CODEC, RAW, Scheme
from .tensors import label

# Mean footprints of the paper's models (arXiv 2201.08830, abstract): what this machine would make of them.
PUBLISHED = {"weights": 0.60, "activations": 0.48}
KINDS = {"weight": "weights", "activation": "activations"}


def schemes(tensors: list[dict], block: int, machine: Machine) -> dict[str, Scheme]:
    """The schemes by name: raw, APack with the machine's engines and with ideal ones, the order-0 floor, rivals.

    ``tensors``: a footprint's entries; ``block``: values per block that they were measured with. Rivals, the floor and
    the published ratios have an ideal codec: what they gain is an upper bound.
    """
    codec = machine.codec
    own = _ratios(tensors, lambda t: t["apack_bits"] - 8 * codec.block_bytes * ceil(t["values"] / block))
    found = {
        "raw": RAW,
        "apack": Scheme("apack", codec, *own),
        "apack, ideal engines": Scheme("apack, ideal engines", codec.without_cost(), *own),
        "apack, chosen": RAW,  # its place; what is stored raw depends on the layers
        "published ratios": Scheme("published ratios", IDEAL_CODEC, {}, PUBLISHED),
        "floor": Scheme("floor", IDEAL_CODEC, *_ratios(tensors, lambda t: t["floor_bits"])),
    }
    for name in tensors[0]["rivals"] if tensors else ():
        found[name] = Scheme(name, IDEAL_CODEC, *_ratios(tensors, lambda t, name=name: t["rivals"][name]))
    return found


def _ratios(tensors: list[dict], bits) -> tuple[dict[str, float], dict[str, float]]:
    """Ratios by label, an activation's inputs together, and by kind.

    Of whole tensors: where only a beginning was measured, its bits grow with the number of values, and by what the
    entropy of all values, which packs state, is more than that.
    """
    stored, raw = {}, {}
    for t in tensors:
        if not t["values"]:
            continue
        name, kind = label(t["kind"], t["key"], t["name"]), KINDS.get(t["kind"], "weights")
        scale = t["whole_values"] / t["values"]
        more = t.get("whole_floor_bits", t["floor_bits"] * scale) - t["floor_bits"] * scale
        for key in ((name,), ("kind", kind)):
            stored[key] = stored.get(key, 0.0) + min(max(0.0, bits(t) * scale + more), t["raw_bits"] * scale)
            raw[key] = raw.get(key, 0.0) + t["raw_bits"] * scale
    ratios = {key: stored[key] / raw[key] for key in raw if raw[key]}
    return ({key[0]: r for key, r in ratios.items() if len(key) == 1},
            {key[1]: r for key, r in ratios.items() if len(key) == 2})


def effective_ratio(scheme: Scheme, operands: list[Operand]) -> float:
    """Stored to raw bits of some tensors together, each once; a bit is stored at least."""
    once = {o.tensor or index: o for index, o in enumerate(operands)}
    raw = sum(o.values * o.width for o in once.values())
    stored = sum(o.values * o.width * min(1.0, scheme.ratio(o)) for o in once.values())
    return max(1.0, stored) / raw if raw else 1.0
