"""The buffers' memories."""

from string import Template

from amaranth import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

VERILOG = """\
// A memory with a port to write and a port to read, for chips to replace by a macro. Latency 1 cycle; a row is never
// read in the cycle in which it is written.
module $name (
  input wire clk,
$ports
);

  (* no_rw_check *)  // as they never meet, Yosys need not care what is read from a row that is being written
  reg [$high:0] ram_rows [0:$last];

  always @(posedge clk) begin
$writes
    if (read_enable)
      read_data <= ram_rows[read_address];
  end
endmodule
"""


class Ram(wiring.Component):
    """A memory with a port to write and a port to read, to be placed with :func:`.place.place`: one module for each
    size, which chips replace by a macro.

    Latency 1 cycle: ``read_data`` is the row whose address stood at ``read_address`` in the last cycle with
    ``read_enable``. A row must not be read in the cycle in which it is written: what comes then is undefined. No
    reset.

    Parameters
    ----------
    width : bits of a row.
    depth : rows.
    lanes : parts of a row that can be written apart, a divisor of ``width``.

    Members
    -------
    write_enable : In(lanes), the lowest for the lowest bits.
    write_address, write_data : In.
    read_enable : In(1).
    read_address : In. ``read_data`` : Out.
    """

    def __init__(self, width: int, depth: int, lanes: int = 1):
        if width % lanes:
            raise ValueError(f"lanes must be a divisor of width = {width}, not {lanes}")
        self.width, self.depth, self.lanes = width, depth, lanes
        address = max(1, bits_for(depth - 1))
        super().__init__({
            "write_enable": In(lanes), "write_address": In(address), "write_data": In(width),
            "read_enable": In(1), "read_address": In(address), "read_data": Out(width),
        })

    @property
    def module(self) -> str:
        """Name of its module."""
        return f"ram_{self.width}x{self.depth}" + (f"_{self.lanes}lanes" if self.lanes > 1 else "")

    def verilog(self, name: str) -> str:
        """The module in Verilog, called ``name``: plain enough for every tool to find a memory in it."""
        lane = self.width // self.lanes
        writes = [
            f"    if (write_enable{f'[{i}]' if self.lanes > 1 else ''})\n"
            f"      ram_rows[write_address]{bits} <= write_data{bits};"
            for i in range(self.lanes)
            for bits in [f"[{(i + 1) * lane - 1}:{i * lane}]" if self.lanes > 1 else ""]
        ]
        ports = ",\n".join(
            f"  {'input wire' if member.flow == In else 'output reg'} {f'[{bits - 1}:0] ' if bits > 1 else ''}{port}"
            for port, member in self.signature.members.items() for bits in [member.shape]
        )
        return Template(VERILOG).substitute(
            name=name, ports=ports, writes="\n".join(writes), high=self.width - 1, last=self.depth - 1
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.store = store = memory.Memory(shape=self.width, depth=self.depth, init=[])
        write = store.write_port(granularity=self.width // self.lanes)
        read = store.read_port()
        m.d.comb += [
            write.en.eq(self.write_enable), write.addr.eq(self.write_address), write.data.eq(self.write_data),
            read.en.eq(self.read_enable), read.addr.eq(self.read_address), self.read_data.eq(read.data),
        ]
        return m
