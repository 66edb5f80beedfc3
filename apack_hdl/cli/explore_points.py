"""Which configurations a sweep visits: a cross product of lists, or the default selection."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from golden.config import DEFAULT_PRESET, CodecConfig

from ..emit import TOPS, engine_options, make_engine
from ..presets import PRESETS
from ..search import SEARCHES

# Of the default sweep.
STREAMS = 1, 2, 4, 6, 7, 8
FASTER = 0.8  # of the library's clock period: shows what a design can do when pressed
STAR = {
    "rows": (8, 32), "mult_bits": (6, 10, 16), "prob_bits": (8, 12), "width": (4, 16), "word": (16, 64), "banks": (2,),
}
SHORT = {"streams": "s", "width": "w", "rows": "n", "prob_bits": "p", "mult_bits": "m", "word": "x", "banks": "b"}


@dataclass(frozen=True)
class Point:
    """One engine of the design space: ``direction`` and parameters as of CodecConfig, Encoder and Decoder.

    ``search`` is None for an encoder, which searches nothing. ``period_ns``, asked of the mapper, is None for the
    library's.
    """

    direction: str
    search: str | None
    streams: int
    width: int
    rows: int
    prob_bits: int
    mult_bits: int
    word: int
    banks: int = 1
    period_ns: float | None = None

    @property
    def config(self) -> CodecConfig:
        """The codec's part. Raises ValueError where there is none such."""
        block = min(CodecConfig().block, CodecConfig(width=self.width, block=1).longest_block)
        return CodecConfig(self.width, self.rows, self.prob_bits, self.mult_bits, block)

    @property
    def options(self) -> dict:
        """The engine's part, for :func:`apack_hdl.emit.emit`."""
        options = {"word": self.word, "streams": self.streams, "banks": self.banks}
        return options if self.search is None else options | {"search": self.search}

    @property
    def name(self) -> str:
        """Such as decoder-flash-s6-w8-n16-p10-m8-x32-b1: letters as in the README's table of parameters, x for word.

        A period comes last: -t0.8.
        """
        search = () if self.search is None else (self.search,)
        period = () if self.period_ns is None else (f"t{self.period_ns:g}",)
        return "-".join((self.direction, *search, *(f"{s}{getattr(self, k)}" for k, s in SHORT.items()), *period))

    def label(self, base: "Point") -> str:
        """What differs from ``base``, and S always: for a picture or a narrow table."""
        parts = [self.search] if self.search and self.search != base.search else []
        parts += [f"S{self.streams}"]
        letters = {"width": "W", "rows": "N", "prob_bits": "P", "mult_bits": "M", "word": "word ", "banks": "banks "}
        parts += [f"{s}{getattr(self, k)}" for k, s in letters.items() if getattr(self, k) != getattr(base, k)]
        return " ".join(parts if self.period_ns is None else [*parts, f"{self.period_ns:g}ns"])

    def problem(self) -> str | None:
        """Why there is no such engine; None if there is."""
        try:
            self.engine()
        except (TypeError, ValueError) as error:
            return " ".join(str(error).split())
        return None

    def engine(self):
        """The component. Raises TypeError or ValueError where it cannot be built."""
        return make_engine(self.config, self.direction, self.options)


def preset_point(name: str, direction: str) -> Point:
    """The engine of a preset, for values of 8 bits."""
    codec = PRESETS[name].codec
    options = engine_options(direction, PRESETS[name].options(direction))
    return Point(direction, options.get("search"), options.get("streams", 1), codec.width, codec.rows, codec.prob_bits,
                 codec.mult_bits, options["word"], options.get("banks", 1))


def preset_of(point: Point) -> str | None:
    """The names of the presets whose engine this is, joined by "/"; None if it is none's. Width and period are any."""
    alike = replace(point, width=CodecConfig().width, period_ns=None)
    return "/".join(name for name in PRESETS if preset_point(name, point.direction) == alike) or None


def cross(directions: Iterable[str], presets: Iterable[str], lists: dict[str, tuple]) -> Iterator[Point]:
    """Every combination of the values in ``lists`` (parameter -> values), the rest being each preset's."""
    for direction, name in itertools.product(directions, presets):
        own = {key: values for key, values in lists.items() if not (key == "search" and direction == "encoder")}
        for values in itertools.product(*own.values()):
            yield replace(preset_point(name, direction), **dict(zip(own, values, strict=True)))


def default_sweep(directions: Iterable[str] = tuple(TOPS), period_ns: float = 1.0) -> Iterator[Point]:
    """The presets; streams against searches; every parameter by itself, around the default.

    ``period_ns``: the library's; a part of these is also tried with less.
    """
    shorter = round(FASTER * period_ns, 3)
    for direction in directions:
        yield from (preset_point(name, direction) for name in PRESETS)
        base = preset_point(DEFAULT_PRESET, direction)
        yield from cross([direction], [DEFAULT_PRESET], {"search": tuple(SEARCHES), "streams": STREAMS})
        yield from (replace(preset_point(name, direction), period_ns=shorter) for name in PRESETS)
        yield from (replace(base, streams=streams, period_ns=shorter) for streams in STREAMS)
        for name, values in STAR.items():
            yield from (replace(base, **{name: value}) for value in values)


def choose(points: Iterable[Point]) -> tuple[list[Point], list[tuple[Point, str]]]:
    """The points that can be built, each once; and those that cannot, with the reason."""
    good, bad = [], []
    for point in dict.fromkeys(points):
        problem = point.problem()
        if problem is None:
            good.append(point)
        else:
            bad.append((point, problem))
    return good, bad
