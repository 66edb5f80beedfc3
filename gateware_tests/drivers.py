"""Drives stream ports in pysim: producers and consumers that stall at random, and a watchdog."""

import random

from amaranth.sim import Simulator

PERIOD = 1e-6


async def _push(ctx, port, items, rng, busy):
    """Offer ``items`` one after the other; an offer, once made, stays until it is taken."""
    for item in items:
        while rng.random() >= busy:
            await ctx.tick()
        ctx.set(port.payload, item)
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)


async def _pull(ctx, port, out, count, rng, busy, fields, after):
    """Take ``count`` payloads into ``out`` as dictionaries of integers; checks that an offer stays as it is."""
    pending = None
    while len(out) < count:
        ready = rng.random() < busy
        ctx.set(port.ready, ready)
        _, _, valid, *values = await ctx.tick().sample(port.valid, *(port.payload[f] for f in fields))
        if pending is not None:
            assert valid and values == pending, "an offered payload changed before it was taken"
        pending = values if valid and not ready else None
        if valid and ready:
            out.append(dict(zip(fields, values, strict=True)))
    ctx.set(port.ready, 1)
    for _ in range(after):
        _, _, valid = await ctx.tick().sample(port.valid)
        assert not valid, "something was left over"


def run_streams(dut, inputs, outputs, *, seed, busy=1.0, watchdog=20000, after=30):
    """Feed ``inputs`` (port name: list of payload dictionaries), collect ``outputs`` (port name: how many).

    ``busy`` is the probability that a side is willing in a cycle, for all ports or by port name. Returns
    ``(port name: list of dictionaries, cycles)`` where cycles counts up to the last transfer. Raises
    AssertionError when that takes more than ``watchdog`` cycles, or when something is left over.
    """
    sim = Simulator(dut)
    sim.add_clock(PERIOD)
    results = {name: [] for name in outputs}
    open_ends = len(inputs) + len(outputs)
    cycles = 0

    def share(name):
        return busy[name] if isinstance(busy, dict) else busy

    def finished():
        nonlocal open_ends
        open_ends -= 1

    for name, items in inputs.items():

        async def producer(ctx, name=name, items=items):
            await _push(ctx, getattr(dut, name), items, random.Random(f"{seed} {name}"), share(name))
            finished()

        sim.add_testbench(producer, background=True)

    for name, count in outputs.items():

        async def consumer(ctx, name=name, count=count):
            port = getattr(dut, name)
            fields = list(port.payload.shape().members)
            await _pull(ctx, port, results[name], count, random.Random(f"{seed} {name}"), share(name), fields, after)
            finished()

        sim.add_testbench(consumer, background=True)

    async def watch(ctx):
        nonlocal cycles
        for now in range(watchdog):
            if not open_ends:
                return
            before = sum(map(len, results.values()))
            await ctx.tick()
            if sum(map(len, results.values())) != before:
                cycles = now + 1
        counts = {name: len(items) for name, items in results.items()}
        raise AssertionError(f"watchdog (seed {seed}): {open_ends} ports still busy, taken so far {counts}")

    sim.add_testbench(watch)
    sim.run()
    return results, cycles
