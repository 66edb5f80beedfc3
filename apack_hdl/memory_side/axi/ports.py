"""AXI ports with their conventional names, so that ``m_axi`` has ``m_axi_araddr`` and so on in Verilog.

Source: Arm IHI 0022 (AMBA AXI and ACE protocol), IHI 0051 (AXI-Stream). Signals that a block does not use are left
out where the protocol has a default for them.
"""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


def axi_read(address_width: int, data_width: int) -> wiring.Signature:
    """Read channels of an AXI4 manager: incrementing bursts of whole beats, one ID."""
    return wiring.Signature({
        "araddr": Out(address_width), "arlen": Out(8), "arsize": Out(3), "arburst": Out(2), "arcache": Out(4),
        "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
        "rdata": In(data_width), "rresp": In(2), "rlast": In(1), "rvalid": In(1), "rready": Out(1),
    })


def axi_write(address_width: int, data_width: int) -> wiring.Signature:
    """Write channels of an AXI4 manager: incrementing bursts of whole beats, one ID."""
    return wiring.Signature({
        "awaddr": Out(address_width), "awlen": Out(8), "awsize": Out(3), "awburst": Out(2), "awcache": Out(4),
        "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
        "wdata": Out(data_width), "wstrb": Out(data_width // 8), "wlast": Out(1), "wvalid": Out(1), "wready": In(1),
        "bresp": In(2), "bvalid": In(1), "bready": Out(1),
    })


def axi_lite(address_width: int) -> wiring.Signature:
    """An AXI4-Lite manager with 32 bits of data; a subordinate has it flipped, ``In(axi_lite(...))``."""
    return wiring.Signature({
        "awaddr": Out(address_width), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
        "wdata": Out(32), "wstrb": Out(4), "wvalid": Out(1), "wready": In(1),
        "bresp": In(2), "bvalid": In(1), "bready": Out(1),
        "araddr": Out(address_width), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
        "rdata": In(32), "rresp": In(2), "rvalid": In(1), "rready": Out(1),
    })


def axi_stream(data_width: int, *, id_width: int = 0, user_width: int = 0) -> wiring.Signature:
    """An AXI4-Stream transmitter; TKEEP says which bytes count, from the lowest on, all of them but in a last beat."""
    optional = {"tid": Out(id_width)} if id_width else {}
    optional |= {"tuser": Out(user_width)} if user_width else {}
    return wiring.Signature({
        "tdata": Out(data_width), "tkeep": Out(data_width // 8), "tlast": Out(1), "tvalid": Out(1), "tready": In(1),
    } | optional)


# Of every burst: rising addresses; normal memory, bufferable; data, not secure, unprivileged.
BURST_INCR, CACHE, PROT = 0b01, 0b0011, 0b010
