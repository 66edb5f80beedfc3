"""The symbol table of one tensor: where each row of the value space starts, and how probable it is."""

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .config import CodecConfig, check_int


@dataclass(frozen=True)
class SymbolTable:
    """A cut of the value space into rows, with a probability count per row. Immutable, checked on construction.

    Row i covers the values ``v_min[i] .. v_min[i+1]-1`` (the last one up to ``2**W - 1``). A value is coded as
    the row's index (the symbol) and ``v - v_min[i]`` in ``offset_bits[i]`` bits. A row whose count is 0 has no code.

    Members
    -------
    config : the parameters the table belongs to; a table has 1..``config.rows`` rows.
    v_min : first value of each row, W bits each, strictly rising from 0.
    counts : probability counts, ``0..2**P``, adding up to ``2**P``.

    Raises TypeError for a member of the wrong kind, ValueError for one that breaks the rules above.
    """

    config: CodecConfig
    v_min: tuple[int, ...]
    counts: tuple[int, ...]

    def __post_init__(self):
        cfg = self.config
        if not isinstance(cfg, CodecConfig):
            raise TypeError(f"config must be a CodecConfig, not {cfg!r}")
        v_min = tuple(check_int("v_min", v, 0, cfg.values - 1) for v in self.v_min)
        counts = tuple(check_int("counts", c, 0, cfg.total) for c in self.counts)
        check_int("number of rows", len(v_min), 1, cfg.rows)
        if len(counts) != len(v_min):
            raise ValueError(f"counts must have one entry per row: {len(v_min)} rows, {len(counts)} counts")
        if v_min[0] != 0 or any(a >= b for a, b in zip(v_min, v_min[1:], strict=False)):
            raise ValueError(f"v_min must start at 0 and rise strictly, not {list(v_min)}")
        if sum(counts) != cfg.total:
            raise ValueError(f"counts must add up to 2**prob_bits = {cfg.total}, not {sum(counts)}")
        object.__setattr__(self, "v_min", v_min)
        object.__setattr__(self, "counts", counts)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Values covered by each row."""
        ends = (*self.v_min[1:], self.config.values)
        return tuple(b - a for a, b in zip(self.v_min, ends, strict=True))

    @cached_property
    def offset_bits(self) -> tuple[int, ...]:
        """OL of each row: ``ceil(log2(size))``, 0..W bits."""
        return tuple((size - 1).bit_length() for size in self.sizes)

    @cached_property
    def cumulative(self) -> tuple[int, ...]:
        """c[0] = 0 .. c[rows] = ``2**P``: row i owns the counts ``c[i] .. c[i+1]-1``."""
        c = [0]
        for count in self.counts:
            c.append(c[-1] + count)
        return tuple(c)

    @cached_property
    def row_of_value(self) -> np.ndarray:
        """Row of each value: uint8, shape ``(2**W,)``."""
        return np.repeat(np.arange(len(self.v_min), dtype=np.uint8), self.sizes)

    def covers_all(self) -> bool:
        """Whether every value of the value space can be coded."""
        return min(self.counts) > 0

    def cost_bits(self, histogram: np.ndarray) -> float:
        """Ideal code length in bits of a tensor with this histogram: ``sum n*(OL + P - log2 count)``.

        ``histogram``: integers, shape ``(2**W,)``. Infinite if a value that occurs has no code.
        """
        n = np.add.reduceat(np.asarray(histogram, np.float64), self.v_min)
        with np.errstate(divide="ignore"):
            symbol_bits = self.config.prob_bits - np.log2(np.array(self.counts, np.float64))
        used = n > 0
        return float(n[used] @ (symbol_bits + np.array(self.offset_bits))[used])

    def to_dict(self) -> dict:
        """Plain dictionary for JSON: ``{"config": {...}, "v_min": [...], "counts": [...]}``."""
        return {"config": self.config.to_dict(), "v_min": list(self.v_min), "counts": list(self.counts)}

    @classmethod
    def from_dict(cls, data: dict) -> "SymbolTable":
        """The inverse of :meth:`to_dict`. Raises TypeError or ValueError if anything is missing or wrong."""
        if not isinstance(data, dict):
            raise TypeError(f"a table must be a JSON object, not {type(data).__name__}")
        missing = {"config", "v_min", "counts"} - data.keys()
        if missing:
            raise ValueError(f"the table lacks {', '.join(sorted(missing))}")
        for key in ("v_min", "counts"):
            if not isinstance(data[key], list):
                raise TypeError(f"{key} must be a list of integers, not {type(data[key]).__name__}")
        if not isinstance(data["config"], dict):
            raise TypeError(f"config must be a JSON object, not {type(data['config']).__name__}")
        try:
            config = CodecConfig(**data["config"])
        except TypeError as error:
            raise TypeError(f"config: {error}") from None
        return cls(config, tuple(data["v_min"]), tuple(data["counts"]))

    @classmethod
    def from_json(cls, text: str) -> "SymbolTable":
        """Read a table from JSON text. Raises TypeError or ValueError saying what is wrong with it."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"not JSON: {error}") from None
        return cls.from_dict(data)
