"""An AXI4-Lite manager for pysim, which stalls at random on every channel and watches the subordinate's rules."""

import random

OKAY, SLVERR = 0, 2
MOST_CYCLES = 2000  # that an answer may take


class AxiLiteManager:
    """Accesses to the port ``axil``; ``busy``: probability of being willing in a cycle, of each channel by itself."""

    def __init__(self, axil, seed, busy=1.0):
        self.axil, self.rng, self.busy = axil, random.Random(f"{seed} axil"), busy
        self.levels = {}

    async def write(self, ctx, address, data, strobe=15):
        """Returns the response."""
        channels = {"aw": {"awaddr": address, "awprot": self.rng.randrange(8)}, "w": {"wdata": data, "wstrb": strobe}}
        await self._exchange(ctx, channels, "b", ["bresp"])
        return self.seen[0]

    async def read(self, ctx, address):
        """Returns data and response."""
        await self._exchange(ctx, {"ar": {"araddr": address, "arprot": 0}}, "r", ["rdata", "rresp"])
        return self.seen

    async def both(self, ctx, write_address, data, read_address):
        """A write and a read under way together; returns the write's response, data read, and its response."""
        channels = {
            "aw": {"awaddr": write_address}, "w": {"wdata": data, "wstrb": 15}, "ar": {"araddr": read_address},
        }
        await self._exchange(ctx, channels, "br", ["bresp", "rdata", "rresp"])
        return self.seen

    def _level(self, ctx, name, level):
        """Set a wire that this side drives, if it is to change: every setting costs the simulator time."""
        if self.levels.get(name, 0) != level:
            ctx.set(getattr(self.axil, name), level)
            self.levels[name] = level

    async def _exchange(self, ctx, channels, answers, fields):
        axil, waits, self.seen = self.axil, dict(channels), [None] * len(fields)
        wires = [getattr(axil, f"{c}{w}") for c in "br" for w in ("valid", "resp")] + [axil.rdata]
        due, before, offered = set(answers), {}, set()
        for _ in range(MOST_CYCLES):
            for channel, values in waits.items():
                if channel not in offered and self.rng.random() < self.busy:
                    offered.add(channel)
                    for name, value in values.items():
                        ctx.set(getattr(axil, name), value)
                    ctx.set(getattr(axil, f"{channel}valid"), 1)
            ready = {c: int(self.rng.random() < self.busy) for c in "br"}
            for channel, level in ready.items():
                self._level(ctx, f"{channel}ready", level)
            sent = {c: getattr(axil, f"{c}valid") for c in channels}
            taken = {c: getattr(axil, f"{c}ready") for c in channels}
            valids = [ctx.get(v) for v in sent.values()]
            _, _, *seen = await ctx.tick().sample(*taken.values(), *wires)
            took, (bvalid, bresp, rvalid, rresp, rdata) = seen[: len(channels)], seen[len(channels) :]
            for channel, valid, accepted in zip(channels, valids, took, strict=True):
                if valid and accepted:
                    ctx.set(sent[channel], 0)
                    waits.pop(channel)
                    channels = {c: v for c, v in channels.items() if c != channel}
            now = {"b": (bvalid, bresp), "r": (rvalid, rresp, rdata)}
            for channel, shown in now.items():
                if channel in before:
                    assert shown == before.pop(channel), f"{channel} changed or was withdrawn before it was taken"
                if not shown[0]:
                    continue
                assert channel in due, f"{channel} answers what was not asked"
                parts = {"b": ("aw", "w"), "r": ("ar",)}[channel]
                assert not any(part in waits for part in parts), f"{channel} answers before it was asked"
                if ready[channel]:
                    for name, value in zip({"b": ["bresp"], "r": ["rresp", "rdata"]}[channel], shown[1:], strict=True):
                        self.seen[fields.index(name)] = value
                    due.discard(channel)
                else:
                    before[channel] = shown
            if not due:
                return
        raise AssertionError(f"no answer on {', '.join(sorted(due))} in {MOST_CYCLES} cycles")
