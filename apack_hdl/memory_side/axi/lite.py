"""The AXI4-Lite port: one access at a time."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...registers import payload_register
from .ports import axi_lite

OKAY, SLVERR = 0b00, 0b10


def access_layout(address_width: int) -> data.StructLayout:
    """An access: ``write``, else read; ``address`` of 32 bits, so without its two lowest bits; ``data`` to write and
    ``strobe``, which of its bytes are to be."""
    return data.StructLayout({"write": 1, "address": address_width - 2, "data": 32, "strobe": 4})


def answer_layout() -> data.StructLayout:
    """How it went: ``data`` that was read (0 where nothing is; of writes anything), ``error``: there is nothing."""
    return data.StructLayout({"data": 32, "error": 1})


class AxiLite(wiring.Component):
    """AXI4-Lite subordinate: takes one address of each kind and one word of data to itself, and gives the accesses one
    after another. Reads and writes take turns: the next one of a kind is only taken after the answer to the last, and
    then the other kind, which waited, goes first. Errors are answered with SLVERR.

    Latency: an access is offered 2 cycles after its address (and data) were taken, its answer 1 cycle after it came.
    All outputs are registered, and no ``ready`` depends on another side's.

    Parameters
    ----------
    address_width : bits of a byte address.

    Members
    -------
    axil : AXI4-Lite, the manager's side is outside. AWPROT and ARPROT mean nothing here.
    access : stream of :func:`access_layout`, out. answer : stream of :func:`answer_layout`, in: one for each access.
    """

    def __init__(self, address_width: int):
        self.address_width = address_width
        super().__init__({
            "axil": In(axi_lite(address_width)),
            "access": Out(stream.Signature(access_layout(address_width))),
            "answer": In(stream.Signature(answer_layout())),
        })

    def elaborate(self, platform):
        m = Module()
        waiting = {kind: self._take(m, kind, fields) for kind, fields in
                   {"aw": ["awaddr"], "w": ["wdata", "wstrb"], "ar": ["araddr"]}.items()}
        (addressed, (write_address,)), (filled, word), (asked, (read_address,)) = waiting.values()

        # From the choice to the answer's leaving; the addresses are held so long, and ready with them.
        busy, writes, write = Signal(name="busy"), Signal(name="writes"), Signal(name="write")
        m.d.comb += write.eq(addressed & filled)
        payload = payload_register(m, self.access)
        with m.If(~busy & (write | asked)):
            m.d.sync += [
                busy.eq(1), writes.eq(write), self.access.valid.eq(1), payload.write.eq(write),
                payload.data.eq(word[0]), payload.strobe.eq(word[1]),
            ]
            with m.If(write):
                m.d.sync += payload.address.eq(write_address[2:])
            with m.Else():
                m.d.sync += payload.address.eq(read_address[2:])
        with m.If(self.access.valid & self.access.ready):
            m.d.sync += self.access.valid.eq(0)
        self._answer(m, busy, writes, addressed, filled, asked)
        return m

    def _take(self, m: Module, kind: str, fields: list[str]):
        """Hold one transfer of a channel: whether there is one, and its fields."""
        held = Signal(name=f"{kind}_held")
        ready = getattr(self.axil, f"{kind}ready")
        ready_register = Signal(name=f"{kind}_open")  # low in reset, where a transfer would be lost
        registers = [Signal.like(getattr(self.axil, field), name=f"{field}_held", reset_less=True) for field in fields]
        m.d.comb += ready.eq(ready_register)
        with m.If(ready & getattr(self.axil, f"{kind}valid")):
            m.d.sync += [held.eq(1), ready_register.eq(0)]
            m.d.sync += [register.eq(getattr(self.axil, f)) for register, f in zip(registers, fields, strict=True)]
        with m.Elif(~held):
            m.d.sync += ready_register.eq(1)
        return held, registers

    def _answer(self, m: Module, busy, writes, addressed, filled, asked):
        """Give the answer to whom it is for."""
        axil, answer = self.axil, self.answer
        error, read = Signal(name="error", reset_less=True), Signal(32, name="read_data", reset_less=True)
        response = Mux(error, SLVERR, OKAY)
        m.d.comb += [
            answer.ready.eq(busy & ~(axil.bvalid | axil.rvalid)),
            axil.bresp.eq(response), axil.rresp.eq(response), axil.rdata.eq(read),
        ]
        with m.If(answer.valid & answer.ready):
            m.d.sync += [error.eq(answer.payload.error), read.eq(answer.payload.data)]
            m.d.sync += [axil.bvalid.eq(writes), axil.rvalid.eq(~writes)]
        with m.If(axil.bvalid & axil.bready):
            m.d.sync += [axil.bvalid.eq(0), busy.eq(0), addressed.eq(0), filled.eq(0)]
        with m.If(axil.rvalid & axil.rready):
            m.d.sync += [axil.rvalid.eq(0), busy.eq(0), asked.eq(0)]
