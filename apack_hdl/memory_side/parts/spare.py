"""A register with a spare one."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Spare(wiring.Component):
    """Holds up to two payloads, in order. All outputs are registers, ``i.ready`` too, so no path leads through it.

    Latency 1 cycle; one payload per cycle.

    Parameters
    ----------
    shape : of the payload.

    Members
    -------
    i, o : streams, in and out.
    """

    def __init__(self, shape):
        self.shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        payload, given = Signal(self.shape, reset_less=True, name="payload"), Value.cast(self.i.payload)
        spare = Signal(len(given), reset_less=True)
        full = Signal()
        m.d.comb += [self.i.ready.eq(~full), self.o.payload.eq(payload)]
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                Value.cast(payload).eq(Mux(full, spare, given)), self.o.valid.eq(full | self.i.valid), full.eq(0)
            ]
        with m.Elif(~full):
            m.d.sync += [spare.eq(given), full.eq(self.i.valid)]
        return m
