"""A footprint's document as the machine model needs it, every figure checked before anything is worked out."""

import json

from ..files import read_text

KINDS = ("weight", "activation")
MOST_BLOCK = 65535
MOST = 1e18  # of values or bits: nothing that a float could not add up


def read_footprint(path) -> object:
    """What is in a JSON file. Raises OSError; ValueError for one that is not JSON, or too deep."""
    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise ValueError("is not a footprint: too many lists within lists") from None


def models_of(document, paths) -> list[dict]:
    """The footprint's models of these files, in this order, each with its ``block``.

    ``document``: what ``apack footprint --json`` wrote, read from JSON. Raises ValueError that names the member, what
    is allowed, and what arrived; also for a file that is not in it.
    """
    block = member(member(member(document, "settings", dict), "config", dict, "settings."), "block", int,
                   "settings.config.", low=1, high=MOST_BLOCK)
    found = {}
    for index, model in enumerate(member(document, "models", list)):
        found[member(model, "name", str, f"models[{index}].")] = index, model
    for path in paths:
        if path not in found:
            raise ValueError(f"has no model {path}, but {', '.join(found) or 'none'}")
    return [_model(found[path][1], f"models[{found[path][0]}].") | {"block": block} for path in paths]


def _model(model: dict, where: str) -> dict:
    member(model, "info", dict, where)
    tensors = member(model, "tensors", list, where)
    if not tensors:
        raise ValueError(f"{where}tensors must have one at least")
    keys = set()
    for index, tensor in enumerate(tensors):
        here = f"{where}tensors[{index}]."
        _tensor(tensor, here)
        if tensor["key"] in keys:
            raise ValueError(f"{here}key must be another one for each tensor, not {tensor['key']!r} again")
        keys.add(tensor["key"])
        if tensor["rivals"].keys() != tensors[0]["rivals"].keys():
            names = ", ".join(tensor["rivals"]) or "none"
            raise ValueError(f"{here}rivals must be those of the first tensor, not {names}")
    return model


def _tensor(tensor, where: str) -> None:
    for name in ("key", "name"):
        member(tensor, name, str, where)
    kind = member(tensor, "kind", str, where)
    if kind not in KINDS:
        raise ValueError(f"{where}kind must be one of {', '.join(KINDS)}, not {kind!r}")
    member(tensor, "width", int, where, low=1, high=16)
    values = member(tensor, "values", int, where)
    member(tensor, "whole_values", int, where, low=values)
    raw = member(tensor, "raw_bits", float, where)
    if raw and not values or values and not raw:
        raise ValueError(f"{where}raw_bits must be {'more than 0' if values else '0'} for {values} values, not {raw!r}")
    for name in ("apack_bits", "floor_bits"):
        member(tensor, name, float, where)
    if "whole_floor_bits" in tensor:
        member(tensor, "whole_floor_bits", float, where)
    if tensor.get("input") is not None:
        member(tensor, "input", int, where)
    for name in member(tensor, "rivals", dict, where):
        member(tensor["rivals"], name, float, f"{where}rivals.")


WORDS = {dict: "an object", list: "a list", str: "a text", int: "an integer", float: "a number"}


def member(table, name: str, kind: type, where: str = "", low: float = 0, high: float = MOST):
    """A member of a kind; numbers are within ``low..high``. ``where``: what comes before its name."""
    if not isinstance(table, dict):
        raise ValueError(f"is not a footprint: {where.rstrip('.') or 'it'} must be an object, not {short(table)}")
    if name not in table:
        raise ValueError(f"is not a footprint: {where}{name} is missing")
    value = table[name]
    kinds = (int, float) if kind is float else kind
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ValueError(f"{where}{name} must be {WORDS[kind]}, not {short(value)}")
    if kind in (int, float) and not low <= value <= high:  # refuses nan, too
        raise ValueError(f"{where}{name} must be {low:g} to {high:g}, not {short(value)}")
    return value


def short(value) -> str:
    """What arrived, on a line."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
