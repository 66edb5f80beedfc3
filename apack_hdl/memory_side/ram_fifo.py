"""A queue of wide payloads in a memory."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..registers import payload_register
from .place import place
from .ram import Ram


class RamFifo(wiring.Component):
    """Holds payloads in order, one of them in a register at the exit.

    Latency 3 cycles; one payload every 2 cycles. All outputs are registered; ``i.ready`` depends on its own state only.

    Parameters
    ----------
    shape : of the payload. depth : payloads besides that in the register, a power of two.

    Members
    -------
    i, o : streams, in and out. clear : In(1), forget all. level : Out, payloads held.

    Raises ValueError for another depth.
    """

    def __init__(self, shape, depth: int):
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, 2 or more, not {depth}")
        self.shape, self.depth = shape, depth
        super().__init__({
            "i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)), "clear": In(1),
            "level": Out(bits_for(depth + 1)),
        })

    def elaborate(self, platform):
        m = Module()
        i, o, level = self.i, self.o, self.level
        store = place(m, platform, "store", Ram(self.shape.size, self.depth))
        write, read = Signal(range(self.depth)), Signal(range(self.depth))
        inside, fetched, put, get = Signal(range(self.depth + 1)), Signal(), Signal(), Signal()
        payload = payload_register(m, o)
        leaves = Signal()
        m.d.comb += [
            i.ready.eq(inside != self.depth), put.eq(i.valid & i.ready), leaves.eq(o.valid & o.ready),
            get.eq((inside != 0) & ~fetched & ~o.valid),
            store.write_enable.eq(put), store.write_address.eq(write), store.write_data.eq(Value.cast(i.payload)),
            store.read_enable.eq(get), store.read_address.eq(read),
        ]
        m.d.sync += [write.eq(write + put), read.eq(read + get), fetched.eq(get)]
        with m.If(put != get):
            m.d.sync += inside.eq(Mux(put, inside + 1, inside - 1))
        with m.If(put != leaves):
            m.d.sync += level.eq(Mux(put, level + 1, level - 1))
        with m.If(leaves):
            m.d.sync += o.valid.eq(0)
        with m.If(fetched):
            m.d.sync += [o.valid.eq(1), Value.cast(payload).eq(store.read_data)]
        with m.If(self.clear):
            m.d.sync += [signal.eq(0) for signal in (write, read, inside, fetched, level, o.valid)]
        return m
