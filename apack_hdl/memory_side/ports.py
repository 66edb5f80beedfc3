"""The ports of an emitted memory-side block: their names, and what each is for."""

from amaranth.hdl import Value
from amaranth.lib import wiring

from ..ports import CLOCK_NOTES, Port

IRQ_NOTE = "interrupt, active high, stays until it is cleared"
INTERFACES = {  # beginning of the ports' names: protocol, role of the block, what for
    "s_axil": ("AXI4-Lite", "subordinate", "registers"),
    "s_axis": ("AXI4-Stream", "receiver", "values to be compressed"),
    "m_axis": ("AXI4-Stream", "transmitter", "values that were decompressed"),
    "m_axi": ("AXI4", "manager", "the memory"),
}
NOTES = {
    "araddr": "read address", "arlen": "beats of the burst, less one",
    "arsize": "bytes of a beat, as a power of two: all", "arburst": "1: addresses rise",
    "arcache": "3: normal, not cacheable, bufferable", "arprot": "protection",
    "arvalid": "a read address is offered", "arready": "and can be taken",
    "rdata": "read data", "rresp": "0 or 1: fine; else an error", "rlast": "last beat of its burst",
    "rvalid": "read data are offered", "rready": "and can be taken",
    "awaddr": "write address", "awlen": "beats of the burst, less one",
    "awsize": "bytes of a beat, as a power of two: all", "awburst": "1: addresses rise",
    "awcache": "3: normal, not cacheable, bufferable", "awprot": "protection",
    "awvalid": "a write address is offered", "awready": "and can be taken",
    "wdata": "write data", "wstrb": "bytes to write", "wlast": "last beat of its burst",
    "wvalid": "write data are offered", "wready": "and can be taken",
    "bresp": "0 or 1: fine; else an error", "bvalid": "the response to a write is offered",
    "bready": "and can be taken",
    "tdata": "values, the first in the lowest bits", "tkeep": "bytes that count, from the lowest on",
    "tlast": "last beat of its packet", "tid": "number of the block", "tuser": "see the integration guide",
    "tvalid": "a beat is offered", "tready": "and can be taken",
}


def list_ports(component: wiring.Component) -> list[Port]:
    """The ports of an emitted memory-side block in their order."""
    ports = [Port(name, "input", 1, note) for name, note in CLOCK_NOTES.items()]
    for path, member, signal in component.signature.flatten(component):
        name = "_".join(map(str, path))
        note = IRQ_NOTE if name == "irq" else NOTES[path[-1]]
        ports.append(Port(name, "input" if member.flow == wiring.In else "output", len(Value.cast(signal)), note))
    return ports


def list_interfaces(ports: list[Port]) -> dict[str, dict]:
    """The buses among ``ports``, for tools that connect buses: name: protocol, role, and ``ports``, signal of the
    protocol: port."""
    return {
        name: {
            "protocol": protocol, "role": role, "clock": "clk", "reset": "rst",
            "ports": {port.name[len(name) + 1 :].upper(): port.name for port in ports if belongs(port, name)},
        }
        for name, (protocol, role, _) in INTERFACES.items() if any(belongs(port, name) for port in ports)
    }


def belongs(port: Port, interface: str) -> bool:
    """Whether a port is one of an interface of ``INTERFACES``."""
    return port.name.rpartition("_")[0] == interface
