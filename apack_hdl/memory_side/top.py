"""The whole block."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .axi.ports import axi_lite, axi_read, axi_stream, axi_write
from .compressor import Compressor
from .control.control import Control
from .control.registers import ADDRESS_BITS
from .decompressor import Decompressor
from .layouts import ID_BITS
from .parameters import MemorySide

WRITE, READ = ("aw", "w", "b"), ("ar", "r")


class MemorySideBlock(wiring.Component):
    """E encoders and E decoders of APack between an accelerator and its memory.

    Compresses values from ``s_axis`` into memory behind ``m_axi``, and decompresses them to ``m_axis``, as jobs in a
    queue say that software fills through ``s_axil``. Both directions can be under way at once.

    Parameters
    ----------
    p : how it is built.

    Members
    -------
    s_axil : AXI4-Lite subordinate: registers (registers.md).
    s_axis, m_axis : AXI4-Stream, values in and out, see :class:`.streams.stream_in.StreamIn` and
        :class:`.streams.stream_out.StreamOut`.
    m_axi : AXI4 manager. Compression uses AW, W and B, decompression AR and R.
    irq : Out(1), an interrupt that is enabled is pending.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        by_id = {"id_width": ID_BITS} if p.order == "by id" else {}
        size = p.address_width, p.data_width
        super().__init__({
            "s_axil": In(axi_lite(ADDRESS_BITS)),
            "s_axis": In(axi_stream(p.stream_width)),
            "m_axis": Out(axi_stream(p.stream_width, user_width=1, **by_id)),
            "m_axi": Out(wiring.Signature(dict(axi_write(*size).members) | dict(axi_read(*size).members))),
            "irq": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.control = control = Control(self.p)
        m.submodules.compressor = compressor = Compressor(self.p)
        m.submodules.decompressor = decompressor = Decompressor(self.p)
        connect(m, flipped(self.s_axil), control.axil)
        connect(m, flipped(self.s_axis), compressor.stream)
        connect(m, decompressor.stream, flipped(self.m_axis))
        m.d.comb += self.irq.eq(control.irq)
        for half in (compressor, decompressor):
            for name, member in half.axi.signature.members.items():
                mine, theirs = getattr(self.m_axi, name), getattr(half.axi, name)
                m.d.comb += mine.eq(theirs) if member.flow == Out else theirs.eq(mine)
        for direction, half in (("compress", compressor), ("decompress", decompressor)):
            connect(m, getattr(control, f"{direction}_job"), half.job)
            connect(m, half.result, getattr(control, f"{direction}_result"))
            m.d.comb += [
                half.abort.eq(getattr(control, f"{direction}_abort")),
                getattr(control, f"{direction}_busy").eq(half.busy),
                getattr(control, f"{direction}_values").eq(half.activity.values),
                getattr(control, f"{direction}_stored").eq(half.activity.stored),
                getattr(control, f"{direction}_stalls").eq(half.activity.as_value()[-3:]),
                half.table_write.eq(control.table_write),
            ]
        return m
