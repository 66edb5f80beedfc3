"""A short queue in registers."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ...arithmetic import select


class Fifo(wiring.Component):
    """Holds up to ``depth`` payloads in registers, in order.

    Latency 1 cycle; one payload per cycle. No path through it: ``i.ready`` depends on its own state only.

    Parameters
    ----------
    shape : of the payload.
    depth : payloads, 2 or more.

    Members
    -------
    i, o : streams, in and out. ``level`` : Out, payloads held.

    Raises ValueError for a depth below 2, with which it could not take one and give one in a cycle.
    """

    def __init__(self, shape, depth: int):
        if depth < 2:
            raise ValueError(f"depth must be 2 or more, not {depth}")
        self.shape, self.depth = shape, depth
        super().__init__({
            "i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)),
            "level": Out(bits_for(depth)),
        })

    def elaborate(self, platform):
        m = Module()
        places = [Signal(self.shape, name=f"place{k}", reset_less=True) for k in range(self.depth)]
        # one-hot
        write = Signal(self.depth, init=1)
        read = Signal(self.depth, init=1)
        put = Signal()
        get = Signal()
        m.d.comb += [
            self.i.ready.eq(self.level != self.depth),
            self.o.valid.eq(self.level != 0),
            put.eq(self.i.valid & self.i.ready),
            get.eq(self.o.valid & self.o.ready),
            Value.cast(self.o.payload).eq(select(m, read, [Value.cast(place) for place in places], "oldest")),
        ]
        with m.If(put):
            m.d.sync += write.eq(write.rotate_left(1))
            for k, place in enumerate(places):
                with m.If(write[k]):
                    m.d.sync += Value.cast(place).eq(Value.cast(self.i.payload))
        with m.If(get):
            m.d.sync += read.eq(read.rotate_left(1))
        with m.If(put != get):
            m.d.sync += self.level.eq(Mux(put, self.level + 1, self.level - 1))
        return m
