"""The same test bench in Amaranth's own simulator: slow, but it needs no compiler. It runs the component itself,
not the emitted Verilog."""

import random
from dataclasses import dataclass

import numpy as np
from amaranth.lib import wiring
from amaranth.sim import Simulator

from golden.config import CodecConfig

from ..emit import TOPS
from .bench import QUIET, Episode, StreamError, watchdog_cycles


@dataclass(frozen=True)
class PysimBench:
    """Like :class:`.bench.Bench`, for one episode at a time."""

    config: CodecConfig
    direction: str
    word: int

    def run(self, episode, *, stall: float = 0.0, seed: int = 1) -> list[Episode]:
        """Play ``episode`` from reset on; see :meth:`.bench.Bench.run`."""
        component = TOPS[self.direction](self.config, word=self.word)
        ends = [
            _End(name, getattr(component, name), member.flow == wiring.In, episode.get(name, ()), f"{seed} {name}")
            for name, member in component.signature.members.items()
        ]

        async def play(ctx):
            quiet = since = cycle = 0
            while quiet < QUIET:
                cycle += 1
                for end in ends:
                    # The first stream is `load`, and no block may begin before the first table does.
                    end.decide(ctx, stall, begun=end is ends[0] or ends[0].begun)
                _, _, *samples = await ctx.tick().sample(*(signal for end in ends for signal in end.signals))
                active = [end.look(cycle, *samples[3 * i : 3 * i + 3]) for i, end in enumerate(ends)]
                quiet = 0 if any(active) else quiet + 1
                since = 0 if any(end.last_transfer == cycle for end in ends) else since + 1
                if any(active) and since > watchdog_cycles(stall):
                    raise StreamError(f"stuck at cycle {cycle} (stall {stall:g}, seed {seed})")

        simulator = Simulator(component)
        simulator.add_clock(1e-6)
        simulator.add_testbench(play)
        simulator.run()
        times = {end.name: (end.first_transfer, end.last_transfer) for end in ends}
        return [Episode(times, {end.name: end.taken() for end in ends if not end.into})]


class _End:
    """One end of a stream: offers rows, or takes them."""

    def __init__(self, name: str, port, into: bool, rows, seed: str):
        self.name, self.port, self.into = name, port, into
        self.random = random.Random(seed)
        layout = port.payload.shape()
        self.fields = [layout[field] for field in layout.members]
        self.rows = [self._join(row) for row in np.asarray(rows, object)] if into else []
        self.signals = (port.valid, port.ready, port.payload.as_value())
        self.next, self.offering, self.shown = 0, False, None
        self.first_transfer = self.last_transfer = 0

    def _join(self, row) -> int:
        return sum((int(value) & (1 << field.width) - 1) << field.offset for value, field in
                   zip(row, self.fields, strict=True))

    @property
    def begun(self) -> bool:
        return self.offering or self.next > 0 or not self.rows

    def decide(self, ctx, stall: float, begun: bool):
        willing = self.random.random() >= stall
        if not self.into:
            ctx.set(self.port.ready, willing)
            return
        if begun and not self.offering and self.next < len(self.rows) and willing:
            self.offering = True
            ctx.set(self.port.payload.as_value(), self.rows[self.next])
        ctx.set(self.port.valid, self.offering)

    def look(self, cycle: int, valid: int, ready: int, payload: int) -> bool:
        """Whether anything is going on at this end, or could be."""
        if valid and ready:
            self.first_transfer = self.first_transfer or cycle
            self.last_transfer = cycle
        if self.into:
            if valid and ready:
                self.next, self.offering = self.next + 1, False
            return bool(valid) or self.next < len(self.rows)
        if self.offering and (not valid or payload != self.shown):
            raise StreamError(f"{self.name}: an offer changed before it was taken, in cycle {cycle}")
        self.shown, self.offering = payload, valid and not ready
        if valid and ready:
            self.rows.append(payload)
        return bool(valid)

    def taken(self) -> np.ndarray:
        rows = [[payload >> field.offset & (1 << field.width) - 1 for field in self.fields] for payload in self.rows]
        return np.array(rows, np.uint64).reshape(-1, len(self.fields))
