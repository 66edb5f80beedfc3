"""A memory behind AXI4 channels, for benches in pysim: stalls at random, minds the protocol's rules in every cycle.

Rules from Arm IHI 0022 (AMBA AXI protocol), and what this project promises on top: whole beats, one ID.
"""

import random
from collections import deque
from dataclasses import dataclass, field

PAGE = 4096


def pattern(address: int) -> int:
    """The byte that memory holds at first."""
    return (address * 0x9E3779B1 >> 13 ^ address >> 5) & 0xFF


class Memory(dict):
    """Bytes by address; what was not written holds :func:`pattern`."""

    def __missing__(self, address):
        return pattern(address)

    def bytes_at(self, address, count):
        return bytes(self[address + k] for k in range(count))


@dataclass
class Burst:
    """A burst as its address channel gave it, the cycle in which it was offered, and what has come of it since."""

    address: int
    beats: int
    offered: int
    due: int = 0
    done: int = 0
    taken: bool = False
    failed: bool = False
    strobes: list = field(default_factory=list)


class _Side:
    """What both directions have in common. ``axi``: the manager's port. ``busy``: probability of being willing, for
    each channel by name or for all. ``latency``: least and most cycles before an answer. ``errors``: addresses of
    beats that are answered with an error. ``burst``, ``outstanding``: the most that may come."""

    channels = ()

    def __init__(
        self, axi, memory, *, data_width, seed, busy=1.0, latency=(0, 0), errors=(), burst=256, outstanding=64
    ):
        self.axi, self.memory, self.bytes = axi, memory, data_width // 8
        self.rng = random.Random(f"{seed} {type(self).__name__}")
        self.busy = dict.fromkeys(self.channels, busy) if not isinstance(busy, dict) else busy
        self.latency, self.errors, self.burst, self.outstanding = latency, set(errors), burst, outstanding
        self.bursts = []  # all, in their order
        self.under_way = deque()
        self.now, self.pending = -1, {}

    def willing(self, channel):
        return self.rng.random() < self.busy.get(channel, 1.0)

    def get(self, ctx, *names):
        return [ctx.get(getattr(self.axi, name)) for name in names]

    def stable(self, channel, valid, ready, values):
        """An offer stays as it is until it is taken. Returns whether it is taken now."""
        before = self.pending.get(channel)
        if before is not None:
            assert valid, f"cycle {self.now}: {channel}valid was withdrawn"
            assert values == before, f"cycle {self.now}: {channel} changed while it was offered: {before} to {values}"
        self.pending[channel] = values if valid and not ready else None
        return valid and ready

    def address(self, ctx, channel, ready):
        """One cycle of an address channel. Returns whether the newest burst is taken."""
        fields = "addr", "len", "size", "burst", "cache", "prot"
        valid, *values = self.get(ctx, f"{channel}valid", *(channel + name for name in fields))
        fresh = valid and self.pending.get(channel) is None
        taken = self.stable(channel, valid, ready, values)
        if not fresh:
            return taken
        address, length, size, kind, cache, prot = values
        burst = Burst(address, length + 1, self.now)
        assert 1 << size == self.bytes and kind == 1, f"{burst}: size {size}, burst {kind}"
        assert address % self.bytes == 0, f"{burst} does not begin with a whole beat"
        last = address + burst.beats * self.bytes - 1
        assert address // PAGE == last // PAGE, f"{burst} goes across 4 KiB"
        assert burst.beats <= self.burst, f"{burst} is longer than {self.burst} beats"
        assert (cache, prot) == (0b0011, 0b010)
        self.bursts.append(burst)
        self.under_way.append(burst)
        assert len(self.under_way) <= self.outstanding, f"cycle {self.now}: more than {self.outstanding} under way"
        return taken

    @property
    def quiet(self):
        """Nothing is under way."""
        return not self.under_way


class ReadMemory(_Side):
    """Answers reads in their order. Call :meth:`cycle` once per cycle, when all other inputs have been set."""

    channels = ("ar", "r")

    def __init__(self, axi, memory, **options):
        super().__init__(axi, memory, **options)
        self.accepted, self.shown, self.lower = deque(), None, False
        self.beats = []  # the cycles in which data were taken

    def cycle(self, ctx):
        self.now += 1
        self._show(ctx)
        ready = self.willing("ar")
        ctx.set(self.axi.arready, ready)
        if self.address(ctx, "ar", ready):
            self.bursts[-1].due = self.now + 1 + self.rng.randint(*self.latency)
            self.accepted.append(self.bursts[-1])
        if self.shown and ctx.get(self.axi.rready):
            self.beats.append(self.now)
            self.shown.done += 1
            if self.shown.done == self.shown.beats:
                self.under_way.popleft()
                self.accepted.popleft()
            self.shown, self.lower = None, True

    def _show(self, ctx):
        axi = self.axi
        if self.lower:
            ctx.set(axi.rvalid, 0)
            ctx.set(axi.rdata, self.rng.getrandbits(8 * self.bytes))  # means nothing
            self.lower = False
        if self.shown is None and self.accepted and self.accepted[0].due <= self.now and self.willing("r"):
            burst = self.shown = self.accepted[0]
            address = burst.address + burst.done * self.bytes
            ctx.set(axi.rdata, int.from_bytes(self.memory.bytes_at(address, self.bytes), "little"))
            ctx.set(axi.rresp, self.rng.choice((2, 3)) if address in self.errors else 0)
            ctx.set(axi.rlast, burst.done + 1 == burst.beats)
            ctx.set(axi.rvalid, 1)


class WriteMemory(_Side):
    """Takes writes, answers in their order. Call :meth:`cycle` once per cycle, when all other inputs have been set."""

    channels = ("aw", "w", "b")

    def __init__(self, axi, memory, **options):
        super().__init__(axi, memory, **options)
        self.unwritten, self.unanswered, self.shown, self.lower = deque(), deque(), None, False
        self.beats = []  # the cycles in which data were taken

    def cycle(self, ctx):
        self.now += 1
        self._show(ctx)
        ready = {channel: self.willing(channel) for channel in ("aw", "w")}
        ctx.set(self.axi.awready, ready["aw"])
        ctx.set(self.axi.wready, ready["w"])
        offered = len(self.bursts)
        if self.address(ctx, "aw", ready["aw"]):
            self.bursts[-1].taken = True
        if len(self.bursts) > offered:
            self.unwritten.append(self.bursts[-1])
        valid, *values = self.get(ctx, "wvalid", "wdata", "wstrb", "wlast")
        if valid:
            assert self.unwritten, f"cycle {self.now}: data of a burst that was not offered"
            burst = self.unwritten[0]
            last = burst.done + 1 == burst.beats
            assert values[2] == last, f"cycle {self.now}: WLAST is {values[2]} in beat {burst.done} of {burst}"
        if self.stable("w", valid, ready["w"], values):
            self._write(*values)
        self.lower = self.shown is not None and ctx.get(self.axi.bready)
        if self.lower:
            self.shown = None
            self.under_way.popleft()

    def _show(self, ctx):
        axi = self.axi
        if self.lower:
            ctx.set(axi.bvalid, 0)
        if self.shown is None and self.unanswered and self.unanswered[0].taken and self.willing("b"):
            burst = self.unanswered[0]
            if burst.due <= self.now:
                self.shown = self.unanswered.popleft()
                ctx.set(axi.bresp, self.rng.choice((2, 3)) if burst.failed else 0)
                ctx.set(axi.bvalid, 1)

    def _write(self, word, strobes, last):
        burst = self.unwritten[0]
        address = burst.address + burst.done * self.bytes
        burst.failed |= address in self.errors
        for lane in range(self.bytes):
            if strobes >> lane & 1:
                self.memory[address + lane] = word >> 8 * lane & 0xFF
        burst.strobes.append(strobes)
        burst.done += 1
        self.beats.append(self.now)
        if last:
            burst.due = self.now + self.rng.randint(*self.latency)
            self.unanswered.append(self.unwritten.popleft())


class Source:
    """Offers ``items`` on a stream, by hand: :meth:`drive` before all inputs have settled, :meth:`look` after."""

    def __init__(self, port, rng, share=0.8):
        self.port, self.rng, self.share = port, rng, share
        self.items, self.offered, self.taken = [], False, False

    def drive(self, ctx):
        if self.taken or not self.items:  # the next offer is another one; there is none when items were withdrawn
            ctx.set(self.port.valid, 0)
            self.offered = self.taken = False
        if not self.offered and self.items and self.rng.random() < self.share:
            ctx.set(self.port.payload, self.items[0])
            ctx.set(self.port.valid, 1)
            self.offered = True

    def look(self, ctx):
        self.taken = self.offered and bool(ctx.get(self.port.ready))
        if self.taken:
            self.items.pop(0)
