"""The same test bench in Amaranth's own simulator: slow, but it needs no compiler. It runs the component itself,
not the emitted Verilog."""

import random
from dataclasses import dataclass

import numpy as np
from amaranth.sim import Simulator

from golden.config import CodecConfig

from ..emit import make_engine
from ..ports import StreamPort, stream_ports
from .bench import QUIET, Episode, StreamError, describe, stall_of, watchdog_cycles


@dataclass(frozen=True)
class PysimBench:
    """Like :class:`.bench.Bench`, for one episode at a time."""

    config: CodecConfig
    direction: str
    options: dict

    def run(self, episode, *, stall=0.0, seed: int = 1, waits=()) -> list[Episode]:
        """Play ``episode`` from reset on; see :meth:`.bench.Bench.run`."""
        component = make_engine(self.config, self.direction, self.options)
        ends = {port.name: _End(port, episode, stall_of(stall, port.name), seed) for port in stream_ports(component)}
        for name, rows in (waits[0] if waits else {}).items():
            for row, other, count in rows:
                ends[name].waits.setdefault(row, []).append((ends[other], count))

        async def play(ctx):
            quiet = since = cycle = 0
            while quiet < QUIET:
                cycle += 1
                for end in ends.values():
                    end.decide(ctx)
                signals = (signal for end in ends.values() for signal in end.signals)
                _, _, *samples = await ctx.tick().sample(*signals)
                active = [end.look(cycle, *samples[3 * i : 3 * i + 3]) for i, end in enumerate(ends.values())]
                quiet = 0 if any(active) else quiet + 1
                since = 0 if any(end.times and end.times[-1] == cycle for end in ends.values()) else since + 1
                if any(active) and since > watchdog_cycles(stall):
                    raise StreamError(f"stuck at cycle {cycle} ({describe(stall, seed)})")

        simulator = Simulator(component)
        simulator.add_clock(1e-6)
        simulator.add_testbench(play)
        simulator.run()
        times = {name: np.array(end.times, np.int64) for name, end in ends.items()}
        return [Episode(times, {name: end.taken() for name, end in ends.items() if not end.into})]


class _End:
    """One end of a stream: offers rows, or takes them."""

    def __init__(self, port: StreamPort, episode, stall: float, seed: int):
        self.name, self.port, self.into, self.stall = port.name, port.interface, port.inward, stall
        self.random = random.Random(f"{seed} {port.name}")
        layout = self.port.payload.shape()
        self.fields = [layout[field] for field in layout.members]
        self.rows = [self._join(row) for row in np.asarray(episode.get(port.name, ()), object)] if self.into else []
        self.waits = {}
        self.signals = (self.port.valid, self.port.ready, self.port.payload.as_value())
        self.next, self.offering, self.shown = 0, False, None
        self.times = []

    def _join(self, row) -> int:
        return sum((int(value) & (1 << field.width) - 1) << field.offset for value, field in
                   zip(row, self.fields, strict=True))

    def _free(self) -> bool:
        """Whether nothing keeps the next row back."""
        return all(len(other.times) >= count for other, count in self.waits.get(self.next, ()))

    def decide(self, ctx):
        willing = self.random.random() >= self.stall
        if not self.into:
            ctx.set(self.port.ready, willing)
            return
        if not self.offering and self.next < len(self.rows) and willing and self._free():
            self.offering = True
            ctx.set(self.port.payload.as_value(), self.rows[self.next])
        ctx.set(self.port.valid, self.offering)

    def look(self, cycle: int, valid: int, ready: int, payload: int) -> bool:
        """Whether anything is going on at this end, or could be."""
        if valid and ready:
            self.times.append(cycle)
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
