"""A queue in a memory that gives a payload per cycle."""

from amaranth import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from .place import place
from .ram import Ram


class MemoryFifo(wiring.Component):
    """Holds up to ``depth`` payloads in a memory, in order, and one more that is on its way out.

    Latency 2 cycles; one payload per cycle. No path through it: ``i.ready`` depends on its own state only.

    Parameters
    ----------
    shape : of the payload.
    depth : payloads, a power of two, 2 or more.

    Members
    -------
    i, o : streams, in and out. ``empty`` : Out(1), nothing is held.

    Raises ValueError for a depth that is no power of two, or 1: pointers are compared by their lowest bits.
    """

    def __init__(self, shape, depth: int):
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, 2 or more, not {depth}")
        self.shape, self.depth = shape, depth
        super().__init__({
            "i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)), "empty": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        places = exact_log2(self.depth)
        payload = Value.cast(self.i.payload)
        ram = place(m, platform, "ram", Ram(len(payload), self.depth))
        # a bit more tells a full memory from an empty one
        write = Signal(places + 1)
        read = Signal(places + 1)
        put = Signal()
        get = Signal()
        some = Signal()
        m.d.comb += [
            some.eq(write != read),
            self.i.ready.eq((write ^ read) != self.depth),
            self.empty.eq(~some & ~self.o.valid),
            put.eq(self.i.valid & self.i.ready),
            get.eq(some & (~self.o.valid | self.o.ready)),
            ram.write_enable.eq(put),
            ram.write_address.eq(write),
            ram.write_data.eq(payload),
            ram.read_enable.eq(get),
            ram.read_address.eq(read),
            Value.cast(self.o.payload).eq(ram.read_data),  # which the memory keeps until it is read again
        ]
        m.d.sync += [write.eq(write + put), read.eq(read + get), self.o.valid.eq(get | (self.o.valid & ~self.o.ready))]
        return m
