"""A memory-side block with watchers of the AXI rules around it, to be the top of a simulation."""

from importlib.resources import files
from string import Template

NAME = "watched"
RULES = files(__package__) / "axi_rules.v"

MODULE = Template("""\
`timescale 1ns / 1ps
module $name (
$ports,
  output wire [0:0] m_axi_arid,
  output wire [0:0] m_axi_awid,
  input wire [0:0] m_axi_rid,
  input wire [0:0] m_axi_bid,
  output reg [31:0] s_axis_taken,
  output wire [15:0] reads_under_way,
  output wire [15:0] writes_under_way,
  output wire [$last:0] broken
);
  assign m_axi_arid = 1'b0;
  assign m_axi_awid = 1'b0;
  wire unused = &{1'b0, m_axi_rid, m_axi_bid};
  always @(posedge clk)
    s_axis_taken <= rst ? 32'd0 : s_axis_taken + {31'd0, s_axis_tvalid && s_axis_tready};

  $block block (
$connections
  );

$watchers
endmodule
""")
# Channel: who offers, and the payload. The memory and the ends of the streams are watched as well: a rule broken there
# would make a run meaningless.
CHANNELS = {
    "m_axi_aw": ("addr", "len", "size", "burst", "cache", "prot"), "m_axi_w": ("data", "strb", "last"),
    "m_axi_b": ("resp",), "m_axi_ar": ("addr", "len", "size", "burst", "cache", "prot"),
    "m_axi_r": ("data", "resp", "last"),
    "s_axil_aw": ("addr", "prot"), "s_axil_w": ("data", "strb"), "s_axil_b": ("resp",),
    "s_axil_ar": ("addr", "prot"), "s_axil_r": ("data", "resp"),
    "s_axis_t": ("data", "keep", "last"), "m_axis_t": ("data", "keep", "last", "user", "id"),
}


def wrapper(facts: dict, name: str = NAME) -> tuple[str, list[str]]:
    """Verilog of the module ``name``, to be compiled with RULES and the block, and what each bit of ``broken`` means.

    ``facts`` : the sidecar of the emitted block. Ports are the block's, IDs (always 0), the number of
    beats that the block took from ``s_axis``, of bursts under way, and the watchers' results.
    """
    ports = facts["ports"]
    widths = {port["name"]: port["bits"] for port in ports}
    watchers = _watchers(widths, facts["parameters"])
    lines = [
        f"  {module} {parameters}{watcher} (.clk(clk), .rst(rst), {connections}, .broken(broken[{bit}]));"
        for bit, (watcher, (module, parameters, connections)) in enumerate(watchers.items())
    ]
    text = MODULE.substitute(
        name=name,
        ports=",\n".join(f"  {port['direction']} wire [{port['bits'] - 1}:0] {port['name']}" for port in ports),
        last=len(watchers) - 1,
        block=facts["name"],
        connections=",\n".join(f"    .{port}({port})" for port in widths),
        watchers="\n".join(lines),
    )
    return text, [*watchers]


def _watchers(widths: dict[str, int], p: dict) -> dict[str, tuple[str, str, str]]:
    """Name: module, parameters and connections."""
    found = {}
    for channel, fields in CHANNELS.items():
        payload = [f"{channel}{field}" for field in fields if f"{channel}{field}" in widths]
        parameters = f"#(.WIDTH({sum(widths[port] for port in payload)})) "
        wires = f".valid({channel}valid), .ready({channel}ready), .payload({{{', '.join(payload)}}})"
        found[f"{channel}_stable"] = "axi_stable", parameters, wires
    for channel in ("m_axi_aw", "m_axi_ar"):
        sizes = f"#(.DATA({p['data_width']}), .BURST({p['burst']})) "
        wires = ", ".join(f".{name}({channel}{short})" for name, short in (
            ("valid", "valid"), ("address", "addr[11:0]"), ("len", "len"), ("size", "size"), ("burst", "burst")))
        found[f"{channel}_bursts"] = "axi_bursts", sizes, wires
    found["m_axi_w_lengths"] = "axi_lengths", "", _lengths("aw", "w", "m_axi_awvalid")
    found["m_axi_r_lengths"] = "axi_lengths", "", _lengths("ar", "r", _taken("m_axi_ar"))
    found["m_axi_reads"] = _count(p["outstanding"], _taken("m_axi_ar"), f"{_taken('m_axi_r')} && m_axi_rlast",
                                  "reads_under_way")
    found["m_axi_writes"] = _count(p["outstanding"], _taken("m_axi_aw"), _taken("m_axi_b"), "writes_under_way")
    found["m_axi_responses"] = _count(256, f"{_taken('m_axi_w')} && m_axi_wlast", _taken("m_axi_b"))
    for response, request in (("b", "aw"), ("b", "w"), ("r", "ar")):
        found[f"s_axil_{response}_after_{request}"] = _count(8, _taken(f"s_axil_{request}"),
                                                            _taken(f"s_axil_{response}"))
    failing = "m_axis_tuser" if "m_axis_tuser" in widths else "1'b0"
    found["m_axis_keep"] = "axi_keep", f"#(.BYTES({widths['m_axis_tkeep']})) ", (
        ".valid(m_axis_tvalid), .keep(m_axis_tkeep), .last(m_axis_tlast), "
        f".allow_empty({failing})")
    return found


def _taken(channel: str) -> str:
    return f"{channel}valid && {channel}ready"


def _lengths(address: str, data: str, offered: str) -> str:
    return (
        f".address_offered({offered}), .address_taken({_taken(f'm_axi_{address}')}), .len(m_axi_{address}len), "
        f".data_valid(m_axi_{data}valid), .data_taken({_taken(f'm_axi_{data}')}), .data_last(m_axi_{data}last), .left()"
    )


def _count(limit: int, begins: str, ends: str, count: str = "") -> tuple[str, str, str]:
    return "axi_count", f"#(.LIMIT({limit})) ", f".begins({begins}), .ends({ends}), .count({count})"
