"""What is to be proved, as components around the one that it is about: Amaranth's Assert, Assume and Cover.

A harness has the ports of its component, all inputs free but for what is assumed of them; reset can come at any time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from amaranth import Cat, Module, Mux, ResetSignal, Signal, Value
from amaranth.hdl import Assert, Assume, Cover
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

PAGE = 4096  # bytes


@dataclass(frozen=True)
class Handshake:
    """A stream, or a channel of AXI: ``port`` and ``channel`` name it; ``offers``: the component is who offers."""

    port: str
    channel: str
    offers: bool
    valid: Value
    ready: Value
    payload: Value

    @property
    def taken(self):
        return self.valid & self.ready


def handshakes(component: wiring.Component) -> Iterator[Handshake]:
    """All streams and all channels among the ports of a component."""
    interfaces = {}
    for (*path, name), member, signal in component.signature.flatten(component):
        interfaces.setdefault("_".join(map(str, path)), {})[name] = (member.flow, Value.cast(signal))
    for port, wires in interfaces.items():
        for channel in [name.removesuffix("valid") for name in wires if name.endswith("valid")]:
            flow, valid = wires[channel + "valid"]
            payload = [
                wire for name, (_, wire) in wires.items()
                if name.startswith(channel) and name.removeprefix(channel) not in ("valid", "ready")
            ]
            yield Handshake(port, channel, flow == Out, valid, wires[channel + "ready"][1], Cat(payload))


class StreamLaw(wiring.Component):
    """Proves that what any stream out and any channel of AXI offers stays as it is until it is taken; assumes the
    same of all that comes in. Reusable for every component.

    Parameters
    ----------
    part : the component.
    withdraws : name of an input that lets streams withdraw what they offer; not channels of AXI.
    """

    def __init__(self, part: wiring.Component, withdraws: str | None = None):
        self.part, self.withdraws = part, withdraws
        super().__init__(dict(part.signature.members))

    def elaborate(self, platform):
        m = Module()
        m.submodules.part = self.part
        connect(m, flipped(self), self.part)
        self.running = Signal()
        m.d.comb += self.running.eq(~ResetSignal())
        self.ports = {(each.port, each.channel): each for each in handshakes(self)}
        for each in self.ports.values():
            held = Signal(name=f"{each.port}_{each.channel}_held")
            before = Signal(len(each.payload), name=f"{each.port}_{each.channel}_before")
            withdrawn = getattr(self, self.withdraws) if self.withdraws and not each.channel else 0
            m.d.sync += [held.eq(each.valid & ~each.ready & ~withdrawn), before.eq(each.payload)]
            law = ~held | (each.valid & (each.payload == before))
            m.d.comb += self.proved(law) if each.offers else Assume(law)
        self.more(m)
        return m

    def proved(self, law):
        return Assert(~self.running | law)

    def possible(self, state):
        return Cover(self.running & state)

    def more(self, m: Module):
        """More to be proved of the component."""


class AddressLaw(StreamLaw):
    """An AXI manager of one direction, ``channel`` "ar" or "aw": bursts are legal, and none is offered after
    ``stop``. ``p``: parameters of the part."""

    def __init__(self, part: wiring.Component, p, channel: str):
        self.p, self.channel = p, channel
        super().__init__(part, "stop")

    def more(self, m: Module):
        self.bursts(m)

    def bursts(self, m: Module):
        """The laws. Returns that a burst is offered first in this cycle, and its length less one."""
        p, offer = self.p, self.ports["axi", self.channel]
        address, count_m1 = (getattr(self.axi, self.channel + name) for name in ("addr", "len"))
        first, waiting, stopped = Signal(), Signal(), Signal()
        m.d.sync += [waiting.eq(offer.valid & ~offer.ready), stopped.eq(self.stop)]
        m.d.comb += [
            first.eq(offer.valid & ~waiting),
            self.proved(~offer.valid | (address[: p.data_shift] == 0)),
            self.proved(~offer.valid | (address[:12] + (count_m1 + 1) * p.data_bytes <= PAGE)),
            self.proved(~offer.valid | (count_m1 < p.burst)),
            self.proved(~(first & stopped)),
        ]
        return first, count_m1

    def queue(self, m: Module, put, value, get, name: str):
        """A queue of the harness. Returns how many it holds, and the oldest."""
        size = self.p.outstanding
        places = [Signal(8, name=f"{name}{k}") for k in range(size)]
        level = Signal(range(size + 2), name=f"{name}_level")
        m.d.sync += level.eq(level + put - get)
        for k, place in enumerate(places):
            behind = places[k + 1] if k + 1 < size else 0
            m.d.sync += place.eq(Mux(put & (level - get == k), value, Mux(get, behind, place)))
        return level, places[0]


class ReaderLaw(AddressLaw):
    """:class:`AxiReader`: addresses, number under way, chunks. Assumes that data come only when they are due."""

    def __init__(self, part, p):
        super().__init__(part, p, "ar")

    def more(self, m: Module):
        p, axi, chunk = self.p, self.axi, self.chunks.payload
        _, count_m1 = self.bursts(m)
        taken, data = self.ports["axi", "ar"].taken, self.ports["axi", "r"].taken
        number, stopped = Signal(8), Signal()
        level, oldest = self.queue(m, taken, count_m1, data & axi.rlast, "under_way")
        with m.If(data):
            m.d.sync += number.eq(Mux(axi.rlast, 0, number + 1))
        m.d.sync += stopped.eq(stopped | (self.stop & (level != 0)))
        m.d.comb += [
            Assume(~axi.rvalid | ((level != 0) & (axi.rlast == (number == oldest)))),
            self.proved(level + axi.arvalid <= p.outstanding),
            self.proved(~self.idle | ((level == 0) & ~axi.arvalid & ~self.chunks.valid)),
            self.proved(~self.chunks.valid | (chunk.bytes <= p.data_bytes)),
            self.proved(~self.chunks.valid | chunk.last | (chunk.bytes == p.data_bytes)),
            *(self.proved(~self.chunks.valid | (chunk.bytes > k) | (chunk.data.word_select(k, 8) == 0))
              for k in range(p.data_bytes)),
            self.possible(self.chunks.valid & chunk.last & (chunk.bytes == 3) & (level == p.outstanding)),
            self.possible(stopped & self.idle),
        ]


class WriterLaw(AddressLaw):
    """:class:`AxiWriter`: addresses, number under way, data in their order and number, no strobes after ``stop``.
    Assumes that answers come only when they are due."""

    def __init__(self, part, p):
        super().__init__(part, p, "aw")

    def more(self, m: Module):
        p, axi = self.p, self.axi
        first, count_m1 = self.bursts(m)
        data, answer = self.ports["axi", "w"].taken, self.ports["axi", "b"].taken
        number, unanswered, under_way = Signal(8), Signal(range(4 * p.outstanding)), Signal(range(4 * p.outstanding))
        # Of the bursts that were offered, the lengths of those whose data are to come; a data beat may come with the
        # address at the earliest.
        level, oldest = self.queue(m, first, count_m1, data & axi.wlast, "data_due")
        waiting, untaken = Signal(range(4 * p.outstanding)), Signal(range(4 * p.outstanding))
        with m.If(data):
            m.d.sync += number.eq(Mux(axi.wlast, 0, number + 1))
        m.d.sync += [
            under_way.eq(under_way + first - answer),
            unanswered.eq(unanswered + (data & axi.wlast) - answer),
            untaken.eq(untaken + first - self.ports["axi", "aw"].taken),
        ]
        m.d.comb += waiting.eq(untaken + first)
        stopping, old = Signal(), Signal(2)  # since a stop, beats that may have been on their way
        m.d.sync += stopping.eq((self.stop | stopping) & ~self.idle)
        with m.If(~stopping):
            m.d.sync += old.eq(0)
        with m.Elif(data & (old != 2)):
            m.d.sync += old.eq(old + 1)
        m.d.comb += [
            Assume(~axi.bvalid | (unanswered != 0) & (under_way - waiting != 0)),  # data and address were taken
            self.proved(~axi.wvalid | (level != 0) & (axi.wlast == (number == oldest))),
            self.proved(under_way + first <= p.outstanding),
            self.proved(~self.idle | ((under_way == 0) & ~axi.awvalid & ~axi.wvalid)),
            self.proved(~(axi.wvalid & stopping & (old == 2)) | (axi.wstrb == 0)),
            self.possible(axi.wvalid & axi.wlast & (number == p.burst - 1) & (under_way == p.outstanding)),
            self.possible(axi.wvalid & stopping & (old == 2)),
            self.possible(self.idle & stopping & (old == 2)),
        ]


class LiteLaw(StreamLaw):
    """An AXI4-Lite subordinate's front end: an answer for each write and each read that was taken, and no other.
    Assumes that accesses are answered when they were taken, once."""

    def more(self, m: Module):
        axil, ports = self.axil, self.ports
        asked, answered = ports["access", ""].taken, ports["answer", ""].taken
        waiting = Signal(name="access_waiting")
        m.d.sync += waiting.eq((waiting | asked) & ~answered)
        m.d.comb += Assume(~self.answer.valid | waiting)
        for kind, parts in {"b": ("aw", "w"), "r": ("ar",)}.items():
            given = ports["axil", kind].taken
            for part in parts:
                owed = Signal(2, name=f"{part}_owed")  # taken, not answered
                m.d.sync += owed.eq(owed + ports["axil", part].taken - given)
                m.d.comb += self.proved(~getattr(axil, f"{kind}valid") | (owed != 0))
                m.d.comb += self.proved(owed <= 1)
        m.d.comb += [self.possible(axil.bvalid & axil.arready), self.possible(axil.rvalid & axil.rresp.any())]
