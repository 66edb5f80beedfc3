"""Nodes of trees of registers: streams dealt out in turn, gathered in turn or as they come, copied to all."""

from collections.abc import Callable

from amaranth import Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from ...arithmetic import select
from ...registers import payload_register

RADIX = 8  # parts on a node: 64 parts are two levels, and a choice among 8 is four gates deep


class _Turns:
    """Whose turn it is: ``chosen``, a bit for each part. A part with n parts behind it has n turns in a row."""

    def __init__(self, m: Module, shares: list[int]):
        self.m, self.turn = m, Signal(sum(shares), init=1, name="turn")
        ends = [sum(shares[: k + 1]) for k in range(len(shares))]
        self.chosen = Signal(len(shares), name="chosen")
        parts = (self.turn[end - share : end].any() for end, share in zip(ends, shares, strict=True))
        m.d.comb += self.chosen.eq(Cat(*parts))

    def go_on(self, over: Value):
        with self.m.If(over):
            self.m.d.sync += self.turn.eq(Cat(self.turn[-1], self.turn[:-1]))


class Spread(wiring.Component):
    """Deals blocks out in turn: a register with a spare one, and whose turn it is. Latency 1 cycle, a transfer per
    cycle.

    All outputs are registers, ``i.ready`` too, so that no path goes from all cells through the nodes to where their
    blocks come from.

    Parameters
    ----------
    layout : payload of all streams.
    shares : of each output, how many blocks in a row it gets in a round.
    end : the payload's field that marks the end of a block; if not given, every transfer is a block.

    Members
    -------
    i : stream in. ``o`` : array of streams out.
    """

    def __init__(self, layout, shares: list[int], end: str | None = None):
        self.shares, self.end = shares, end
        port = stream.Signature(layout)
        super().__init__({"i": In(port), "o": Out(port).array(len(shares))})

    def elaborate(self, platform):
        m = Module()
        turns, given = _Turns(m, self.shares), Value.cast(self.i.payload)
        payload = Signal(self.i.payload.shape(), reset_less=True)
        offered = Signal(len(self.shares))
        spare = Signal(len(given), reset_less=True)
        spare_for = Signal(len(self.shares), reset_less=True)
        full = Signal()
        waits = offered & ~Cat(*(o.ready for o in self.o))
        m.d.comb += self.i.ready.eq(~full)
        for o, valid in zip(self.o, offered, strict=True):
            m.d.comb += [o.valid.eq(valid), o.payload.eq(payload)]
        with m.If(~waits.any()):
            m.d.sync += offered.eq(Mux(full, spare_for, Mux(self.i.valid, turns.chosen, 0)))
            m.d.sync += [Value.cast(payload).eq(Mux(full, spare, given)), full.eq(0)]
        with m.Elif(~full):
            m.d.sync += [spare.eq(given), spare_for.eq(turns.chosen), full.eq(self.i.valid)]
        turns.go_on(self.i.valid & self.i.ready & (self.i.payload[self.end] if self.end else 1))
        return m


class Gather(wiring.Component):
    """Puts blocks together that come from several inputs in turn; the other way round than :class:`Spread`, whose
    parameters it has. Latency 1 cycle, a transfer per cycle, also from one input to the next.

    The ``ready`` of the inputs depends combinationally on ``o.ready``.

    Members
    -------
    i : array of streams in. ``o`` : stream out.
    """

    def __init__(self, layout, shares: list[int], end: str | None = None):
        self.shares, self.end = shares, end
        port = stream.Signature(layout)
        super().__init__({"i": In(port).array(len(shares)), "o": Out(port)})

    def elaborate(self, platform):
        m = Module()
        turns, payload = _Turns(m, self.shares), payload_register(m, self.o)
        room = Signal()
        there = Signal()
        over = Signal()
        m.d.comb += [
            room.eq(~self.o.valid | self.o.ready),
            there.eq((turns.chosen & Cat(*(i.valid for i in self.i))).any()),
        ]
        for i, chosen in zip(self.i, turns.chosen, strict=True):
            m.d.comb += i.ready.eq(chosen & room)
        found = select(m, turns.chosen, [Value.cast(i.payload) for i in self.i], "found")
        with m.If(room):
            m.d.sync += [self.o.valid.eq(there), Value.cast(payload).eq(found)]
        ends = select(m, turns.chosen, [i.payload[self.end] for i in self.i], "ends") if self.end else 1
        m.d.comb += over.eq(there & room & ends)
        turns.go_on(over)
        return m


class Choose(wiring.Component):
    """Puts blocks together that come from several inputs, as they are there: the next input behind the last one, round
    and round, that has one. A block is never interrupted. Latency 1 cycle, a transfer per cycle, also from one input
    to the next. The ``ready`` of the inputs depends combinationally on ``o.ready`` and on the offers of all.

    Parameters
    ----------
    layout : payload of all streams.
    count : inputs.
    end : the payload's field that marks the end of a block.

    Members
    -------
    i : array of streams in. ``o`` : stream out.
    """

    def __init__(self, layout, count: int, end: str):
        self.end = end
        port = stream.Signature(layout)
        super().__init__({"i": In(port).array(count), "o": Out(port)})

    def elaborate(self, platform):
        m = Module()
        count, payload = len(self.i), payload_register(m, self.o)
        offered = Signal(count)
        behind = Signal(count)
        within = Signal()
        last = Signal(count)
        first = Signal(count)
        chosen = Signal(count)
        room = Signal()
        there = Signal()
        late = offered & behind  # inputs behind the last one come first
        m.d.comb += [
            offered.eq(Cat(*(i.valid for i in self.i))),
            behind.eq(Cat(*(last[:k].any() for k in range(count)))),
            first.eq(Mux(late.any(), late & -late, offered & -offered)),
            chosen.eq(Mux(within, last, first)),
            room.eq(~self.o.valid | self.o.ready),
            there.eq((chosen & offered).any()),
        ]
        for i, mine in zip(self.i, chosen, strict=True):
            m.d.comb += i.ready.eq(mine & room)
        found = select(m, chosen, [Value.cast(i.payload) for i in self.i], "found")
        with m.If(room):
            m.d.sync += [self.o.valid.eq(there), Value.cast(payload).eq(found)]
        with m.If(room & there):
            ends = select(m, chosen, [i.payload[self.end] for i in self.i], "ends")
            m.d.sync += [last.eq(chosen), within.eq(~ends)]
        return m


class Fork(wiring.Component):
    """Copies a stream to all outputs, each of which takes it when it likes. Latency 1 cycle; a transfer per cycle if
    all take it at once. ``i.ready`` depends combinationally on the ``ready`` of the outputs.

    Members
    -------
    i : stream in. ``o`` : array of ``count`` streams out.
    """

    def __init__(self, layout, count: int):
        port = stream.Signature(layout)
        super().__init__({"i": In(port), "o": Out(port).array(count)})

    def elaborate(self, platform):
        m = Module()
        payload = Signal(self.i.payload.shape(), reset_less=True)
        offered = Signal(len(self.o))
        waits = offered & ~Cat(*(o.ready for o in self.o))
        m.d.comb += self.i.ready.eq(~waits.any())
        m.d.sync += offered.eq(waits)
        for o, valid in zip(self.o, offered, strict=True):
            m.d.comb += [o.valid.eq(valid), o.payload.eq(payload)]
        with m.If(self.i.ready):
            m.d.sync += [offered.eq(self.i.valid.replicate(len(self.o))), payload.eq(self.i.payload)]
        return m


def groups(parts: list) -> list[list]:
    """Parts in at most RADIX groups of neighbours, about equally large: a group for each branch of a node."""
    size = -(-len(parts) // min(RADIX, -(-len(parts) // RADIX))) if len(parts) > RADIX else 1
    return [parts[k : k + size] for k in range(0, len(parts), size)]


def tree(m: Module, name: str, ends: list, node: Callable, clear: Value):
    """A tree of registers between one stream and the streams ``ends`` of parts; returns the one stream.

    ``node(shares)`` makes a node for branches with so many ends: Spread or Fork (towards the ends), or Gather (from
    them). A single end is returned itself. ``clear`` resets all nodes.
    """
    if len(ends) == 1:
        return ends[0]
    branches = groups(ends)
    made = node([len(branch) for branch in branches])
    m.submodules[name] = ResetInserter(clear)(made)
    inward = made.signature.members["i"].dimensions != ()
    for k, branch in enumerate(branches):
        far = tree(m, f"{name}_{k}", branch, node, clear)
        connect(m, *((far, made.i[k]) if inward else (made.o[k], far)))
    return made.o if inward else made.i
