"""Drives stream ports in pysim: producers and consumers that stall at random, stream-law checks, a watchdog."""

import random
from bisect import bisect_right
from dataclasses import dataclass, field

from amaranth import ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.sim import Simulator

PERIOD = 1e-6


@dataclass
class Run:
    """What was seen: per port, payloads taken (``out``), the cycles of all transfers (``times``), and the cycles
    in which an output first showed each of its payloads (``offers``). ``cycles`` counts up to the last transfer."""

    out: dict = field(default_factory=dict)
    times: dict = field(default_factory=dict)
    offers: dict = field(default_factory=dict)
    cycles: int = 0


def willing(busy, rng, now):
    """``busy`` asked for one cycle: a probability, or f(cycle) -> bool."""
    return busy(now) if callable(busy) else rng.random() < busy


class _Port:
    """One side's memory of a stream port. ``busy``: probability of being willing in a cycle, or f(cycle) -> bool."""

    def __init__(self, name, port, busy, seed):
        self.name, self.port = name, port
        fields = getattr(port.payload.shape(), "members", None)  # a plain number's only field is itself
        self.names = list(fields or ["payload"])
        self.fields = [port.payload[f] for f in fields] if fields else [port.payload]
        self.rng, self.busy = random.Random(f"{seed} {name}"), busy
        self.level = 0  # of the wire this side drives

    def willing(self, now):
        return willing(self.busy, self.rng, now)

    def drive(self, ctx, wire, level):
        if level != self.level:
            ctx.set(wire, level)
            self.level = level


class _Producer(_Port):
    made = 0  # offers so far

    def before(self, ctx, now):
        if not self.level and self.items and self.willing(now):
            self.made += 1
            ctx.set(self.port.payload, self.items[0])
            self.drive(ctx, self.port.valid, 1)

    def watched(self):
        return [self.port.ready]

    def after(self, ctx, now, run, ready):
        if not (self.level and ready):
            return False
        self.items.pop(0)
        run.times[self.name].append(now)
        # Off first: the next offer may come in this cycle or a later one, but never shows the old payload.
        self.drive(ctx, self.port.valid, 0)
        return True

    def finished(self):
        return not self.items


class _Consumer(_Port):
    pending = None  # what was offered in the cycle before and not taken

    def before(self, ctx, now):
        self.drive(ctx, self.port.ready, int(self.willing(now) if self.wanted else 1))

    def watched(self):
        return [self.port.valid, *self.fields]

    def after(self, ctx, now, run, valid, *values):
        if self.pending is not None:
            assert valid, f"cycle {now}: {self.name} withdrew an offer"
            assert values == self.pending, f"cycle {now}: {self.name} changed an offered payload"
        elif valid:
            run.offers[self.name].append(now)
        self.pending = values if valid and not self.level else None
        if not (valid and self.level):
            return False
        payload = dict(zip(self.names, values, strict=True))
        assert self.wanted, f"cycle {now}: {self.name} has something left over: {payload}"
        self.wanted -= 1
        run.out[self.name].append(payload)
        run.times[self.name].append(now)
        return True

    def finished(self):
        return not self.wanted


def stream_ports(component):
    """Name, flow and port of every stream port; those of an array as emitted, ``values_0``, ``values_1``."""
    for name, member in component.signature.members.items():
        if member.is_signature and isinstance(member.signature, stream.Signature):
            port = getattr(component, name)
            if member.dimensions:
                yield from ((f"{name}_{number}", member.flow, one) for number, one in enumerate(port))
            else:
                yield name, member.flow, port


class Bench:
    """A component in pysim, elaborated once for any number of runs; every run starts from the initial state.

    All stream ports are driven; other inputs keep the value given in ``levels`` (port name: value).
    """

    def __init__(self, dut, levels=None):
        self.dut, self.levels = dut, levels or {}
        self.streams = {name: (flow, port) for name, flow, port in stream_ports(dut)}
        self.reset = Signal()
        self.sim = Simulator(ResetInserter(self.reset)(dut))
        self.sim.add_clock(PERIOD)
        self.sim.add_testbench(self._main)
        self.started = False

    def run(self, inputs, outputs, *, seed, busy=1.0, watchdog=20000, after=30, interrupted=None, probe=None):
        """Feed ``inputs`` (port name: list of payloads), collect ``outputs`` (port name: how many payloads).

        ``busy``: how willing the other side is, see _Port, for all ports or by port name (1.0 if not named).
        ``interrupted``: ``(inputs, busy, cycles)``, fed first for that many cycles, then comes a cycle of reset.
        ``probe(ctx)`` is called in every cycle, with all inputs set. Returns a Run. Raises AssertionError, naming
        ``seed``, when a stream breaks the law, after ``watchdog`` cycles, or if an output has more to offer.
        """
        self.job = (inputs, outputs, seed, busy, watchdog, after, interrupted, probe)
        if self.started:
            self.sim.reset()
        self.started = True
        self.sim.run()
        return self.result

    def made(self, name):
        """Offers that input ``name`` has had in this run, taken or not."""
        return next(port.made for port in self.ports if port.name == name)

    async def _main(self, ctx):
        inputs, outputs, seed, busy, watchdog, after, interrupted, probe = self.job
        for name, level in self.levels.items():
            ctx.set(getattr(self.dut, name), level)
        if interrupted:
            first, first_busy, cycles = interrupted
            self._plug(first, dict.fromkeys(outputs, watchdog), f"{seed} interrupted", first_busy)
            for now in range(cycles):
                await self._cycle(ctx, now, probe)
            for port in self.ports:
                port.drive(ctx, port.port.valid if isinstance(port, _Producer) else port.port.ready, 0)
            ctx.set(self.reset, 1)
            await ctx.tick()
            ctx.set(self.reset, 0)
        self._plug(inputs, outputs, seed, busy)
        last = 0
        for now in range(watchdog):
            if await self._cycle(ctx, now, probe):
                self.result.cycles, last = now + 1, now
            if now - last >= after and all(port.finished() for port in self.ports):
                return
        taken = {name: len(times) for name, times in self.result.times.items()}
        raise AssertionError(f"watchdog (seed {seed}): after {watchdog} cycles these have been taken: {taken}")

    def _plug(self, inputs, outputs, seed, busy):
        """Fresh ports and a fresh result."""
        self.ports, self.result = [], Run()
        assert set(self.streams) == {*inputs, *outputs}, "every stream port must be named"
        for name, (flow, wires) in self.streams.items():
            share = busy.get(name, 1.0) if isinstance(busy, dict) else busy
            kind = _Producer if flow == wiring.In else _Consumer
            port = kind(name, wires, share, seed)
            self.result.times[name] = []
            if kind is _Producer:
                port.items = list(inputs[name])
            else:
                port.wanted = outputs[name]
                self.result.out[name], self.result.offers[name] = [], []
            self.ports.append(port)

    async def _cycle(self, ctx, now, probe):
        for port in self.ports:
            port.before(ctx, now)
        if probe:
            probe(ctx)
        watched = [port.watched() for port in self.ports]
        _, _, *values = await ctx.tick().sample(*sum(watched, []))
        moved = False
        for port, wires in zip(self.ports, watched, strict=True):
            moved |= port.after(ctx, now, self.result, *values[: len(wires)])
            values = values[len(wires) :]
        return moved


def reload_gates(bench, name, rows, firsts, earliest, share, seed):
    """Entries of ``busy`` that make tables and what is coded with them come in the right order, no more.

    Table k (``rows`` transfers of ``load``) is offered once ``earliest[k]`` transfers of ``name`` were taken, in
    the middle of a block, say; transfer ``firsts[k]``, the first that needs it, as soon as the table is offered.
    """
    rng = random.Random(f"{seed} gates")

    def may_load(now):
        taken = len(bench.result.times[name])
        return taken >= earliest[bench.made("load") // rows] and rng.random() < 0.7

    def may_go(now):
        table = bisect_right(firsts, bench.made(name)) - 1
        return bench.made("load") > table * rows and willing(share, rng, now)

    return {"load": may_load, name: may_go}


def run_streams(dut, inputs, outputs, **options):
    """One run of a fresh :class:`Bench`; returns ``(port name: list of payload dictionaries, cycles)``."""
    run = Bench(dut).run(inputs, outputs, **options)
    return run.out, run.cycles


def simulate(dut, testbench, clocked=True):
    """Run one testbench, ``async def testbench(ctx)``, that drives ``dut`` by hand."""
    sim = Simulator(dut)
    if clocked:
        sim.add_clock(PERIOD)
    sim.add_testbench(testbench)
    sim.run()


class PathFinder:
    """A probe that toggles every input within a cycle, where no register can see it, and notes which outputs follow.

    ``paths``: pairs of port wires, like ``("symbols.ready", "values.ready")``: a combinational path was seen.
    """

    def __init__(self, dut, seed):
        self.rng, self.paths = random.Random(seed), set()
        self.inputs, self.outputs = {}, {}
        for name, flow, port in stream_ports(dut):
            inward = flow == wiring.In
            ahead, back = (self.inputs, self.outputs) if inward else (self.outputs, self.inputs)
            ahead[f"{name}.valid"], ahead[f"{name}.payload"] = port.valid, port.payload.as_value()
            back[f"{name}.ready"] = port.ready

    def __call__(self, ctx):
        before = {name: ctx.get(wire) for name, wire in self.outputs.items()}
        for name, wire in self.inputs.items():
            level = ctx.get(wire)
            ctx.set(wire, 1 - level if len(wire) == 1 else self.rng.getrandbits(len(wire)))
            self.paths |= {(name, o) for o, was in before.items() if ctx.get(self.outputs[o]) != was}
            ctx.set(wire, level)
