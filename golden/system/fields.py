"""Dataclasses out of TOML tables: every field checked, every message naming file, parameter and what is allowed."""

import tomllib
from dataclasses import MISSING, field, fields
from importlib import resources
from pathlib import Path

SLACK = 1e4  # a hundred times from factors, a thousand at most from seeking a bandwidth


def number(low: float, high: float, unit: str, **options):
    """A field that is a number from ``low`` to ``high`` (a float unless both are of type int)."""
    kind = int if isinstance(low, int) and isinstance(high, int) else float
    return field(metadata={"kind": kind, "low": low, "high": high, "unit": unit}, **options)


def choice(*allowed, **options):
    """A field that is one of these words, or of true and false."""
    return field(metadata={"allowed": allowed}, **options)


def check(obj, where: str, slack: float = 1.0) -> None:
    """Check the fields of a dataclass that were declared with :func:`number` and :func:`choice`.

    ``slack``: how many times a number may be beyond its range. Files may not (:func:`build`); what a study makes of
    them, multiplying their numbers, may by ``SLACK``, so that every file that is allowed can be studied.

    Raises TypeError or ValueError naming ``where``, the field, what is allowed and what arrived.
    """
    for item in fields(obj):
        value, rules = getattr(obj, item.name), item.metadata
        name = f"{where}.{item.name}"
        if "kind" in rules:
            _check_number(name, value, rules, slack)
        elif "allowed" in rules and (value not in rules["allowed"] or type(value) is not type(rules["allowed"][0])):
            raise ValueError(f"{name} must be one of {', '.join(map(str, rules['allowed']))}, not {value!r}")


def _check_number(name: str, value, rules, slack: float) -> None:
    kinds = (int,) if rules["kind"] is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        wanted = "an integer" if rules["kind"] is int else "a number"
        raise TypeError(f"{name} must be {wanted}, not {value!r}")
    if not rules["low"] / slack <= value <= rules["high"] * slack:  # also refuses nan
        raise ValueError(f"{name} must be {rules['low']:g} to {rules['high']:g} {rules['unit']}, not {value!r}")


def build(cls, table, where: str):
    """A dataclass from a TOML table of its fields.

    Raises TypeError for something else than a table or a value of the wrong kind, ValueError for a field that is
    missing, unknown or out of range.
    """
    if not isinstance(table, dict):
        raise TypeError(f"{where} must be a table, not {table!r}")
    known = {item.name: item for item in fields(cls)}
    for name in table:
        if name not in known:
            raise ValueError(f"{where}.{name} is unknown; known are {', '.join(known)}")
    for name, item in known.items():
        if name not in table and item.default is MISSING and item.default_factory is MISSING:
            raise ValueError(f"{where}.{name} is missing")
    built = cls(**table)
    check(built, where)
    return built


def read_toml(path) -> dict:
    """A TOML file. Raises OSError, or ValueError with the place of the mistake."""
    data = Path(path).read_bytes() if not hasattr(path, "read_bytes") else path.read_bytes()
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is not TOML: {error}") from None


def packaged(*names: str):
    """A file that comes with this package."""
    return resources.files(__package__).joinpath(*names)
