"""How a layer's work adds up to its time, and what of it engines and blocks cost (README.md, "Time")."""

from dataclasses import dataclass, replace
from typing import NamedTuple


@dataclass(frozen=True)
class Work:
    """What a layer's time is made of, in ns.

    Members
    -------
    compute, moving, decode, encode : what each alone takes.
    load, store : the first part of the first tiles in, the last part of the last tile out.
    first, last : the engines' work on these two. room : how long the memory can go on before buffers are full.
    latency_in, latency_out : of the engines' pipelines, beyond ``load`` and ``store``. rest_in, rest_out : the same
        beyond ``first`` and ``last``. memory_latency : before the first data.
    """

    compute: float
    moving: float
    load: float
    store: float
    room: float
    memory_latency: float
    decode: float = 0.0
    encode: float = 0.0
    first: float = 0.0
    last: float = 0.0
    latency_in: float = 0.0
    latency_out: float = 0.0
    rest_in: float = 0.0
    rest_out: float = 0.0

    def times(self) -> tuple[float, float]:
        """ns in all, and of it what no overlap hides."""
        fill = max(self.load + self.latency_in, self.first + self.rest_in) + self.memory_latency
        drain = max(self.store + self.latency_out, self.last + self.rest_out)
        # While the first part is decoded the memory goes on, as far as the buffers' other halves have room.
        early = self.load + min(max(0.0, self.first - self.load), self.room)
        steady = max(self.compute, self.moving - early - self.store, self.decode - self.first, self.encode - self.last)
        return fill + steady + drain, fill + drain

    def without_pipelines(self) -> "Work":
        """With engines that give a block's first value in the turn in which they take it."""
        return replace(self, latency_in=0.0, latency_out=0.0, rest_in=0.0, rest_out=0.0)

    def without_first_blocks(self) -> "Work":
        """With engines, besides, whose first values are there when the first part is, and likewise at the end."""
        return replace(self.without_pipelines(), first=min(self.first, self.load), last=min(self.last, self.store))

    def without_engines(self) -> "Work":
        """With engines that take no time."""
        return replace(self.without_pipelines(), decode=0.0, encode=0.0, first=0.0, last=0.0)


class Losses(NamedTuple):
    """ns that come on top of what compression alone would take, in this order, so that they add up.

    Members
    -------
    pipeline : the engines' latency from a block's first word to its first value, or its last value to its last word.
    first_block : waiting for the first blocks to be decoded and the last to be encoded, value by value in turns.
    rate : all further blocks, where the engines together are slower than array and memory.
    rounding : bursts that blocks do not fill, and what blocks take besides their values' code.
    """

    pipeline: float
    first_block: float
    rate: float
    rounding: float


def losses(work: Work, exact: Work) -> Losses:
    """What costs how much; ``exact``: the work with neither engines nor bursts nor blocks."""
    steps = work, work.without_pipelines(), work.without_first_blocks(), work.without_engines(), exact
    times = [step.times()[0] for step in steps]
    return Losses(*(max(0.0, a - b) for a, b in zip(times, times[1:], strict=False)))
