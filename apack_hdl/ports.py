"""The ports of an emitted engine: their names, and what each is for."""

from collections.abc import Iterator
from dataclasses import dataclass
from string import Template

from amaranth.lib import stream, wiring

CLOCK_NOTES = {"clk": "clock, rising edge", "rst": "synchronous reset, active high"}
# What is offered on each stream, for the notes on `valid` and `ready`.
OFFERS = {
    "load": "a table row",
    "values": "a value",
    "blocks": "an order to decode a block",
    "symbols": "a word of the symbol stream",
    "offsets": "a word of the offset stream",
    "report": "how a block ended",
}
FIELD_NOTES = {
    "load_v_min": "first value of the row",
    "load_count": "probability count of the row; the counts of all rows add up to $total",
    "load_bank": "the bank to load, looked at in the first row of a table",
    "values_data": "tensor value, two's complement read as unsigned",
    "values_last": "last value of its block",
    "values_bank": "the bank with the block's table, looked at in the first value of a block",
    "blocks_count_m1": "values in the block, less one",
    "blocks_bank": "the bank with the block's table",
    "symbols_data": "first byte of the stream in bits 7..0",
    "symbols_bytes": "how many bytes count: all, but in the last word",
    "symbols_last": "last word of the block",
    "symbols_error": "with last: a value had no code, throw the block's streams away",
    "offsets_data": "first byte of the stream in bits 7..0",
    "offsets_bytes": "how many bytes count: all, but in the last word; 0 if the stream is empty",
    "offsets_last": "last word of the block",
    "offsets_error": "0",
    "report_symbols_short": "the symbol stream ended before the block did",
    "report_symbols_long": "the symbol stream had bytes left over",
    "report_offsets_short": "the offset stream ended before the block did",
    "report_offsets_long": "the offset stream had bytes left over",
}
IGNORED_NOTES = {"symbols_error": "not looked at", "offsets_error": "not looked at"}  # of the decoder


@dataclass(frozen=True)
class Port:
    """A port of the emitted module: ``name``, ``direction`` ("input" or "output"), ``bits``, and a ``note``;
    ``stream`` is the number of the stream it belongs to, None if it serves all of them or there is only one."""

    name: str
    direction: str
    bits: int
    note: str
    stream: int | None = None

    @property
    def pattern(self) -> str:
        """The name with N for the number of the stream."""
        return self.name if self.stream is None else self.name.replace(f"_{self.stream}_", "_N_", 1)


@dataclass(frozen=True)
class StreamPort:
    """One stream port of a component.

    Members
    -------
    kind : the member of the signature, such as "values".
    number : of the stream, where the member is an array of ports; else None.
    inward : the component takes from it.
    interface : the port itself, with ``valid``, ``ready`` and ``payload``.
    """

    kind: str
    number: int | None
    inward: bool
    interface: object

    @property
    def name(self) -> str:
        """What its ports begin with in Verilog, such as "values" or "values_3"."""
        return self.kind if self.number is None else f"{self.kind}_{self.number}"


def stream_ports(component: wiring.Component) -> Iterator[StreamPort]:
    """The stream ports of an Encoder or Decoder in their order, arrays one by one."""
    for name, member in component.signature.members.items():
        assert member.is_signature and isinstance(member.signature, stream.Signature), name
        inward, port = member.flow == wiring.In, getattr(component, name)
        if member.dimensions:
            yield from (StreamPort(name, number, inward, one) for number, one in enumerate(port))
        else:
            yield StreamPort(name, None, inward, port)


def list_ports(component: wiring.Component) -> list[Port]:
    """The ports of an emitted Encoder or Decoder in their order: clock, reset, then stream by stream."""
    ports = [Port(name, "input", 1, note) for name, note in CLOCK_NOTES.items()]
    for each in stream_ports(component):
        forward, backward = ("input", "output") if each.inward else ("output", "input")
        ports += [
            Port(f"{each.name}_valid", forward, 1, f"{OFFERS[each.kind]} is offered", each.number),
            Port(f"{each.name}_ready", backward, 1, "and can be taken", each.number),
        ]
        payload = each.interface.payload
        for field in payload.shape().members:
            kind = f"{each.kind}_{field}"
            note = IGNORED_NOTES.get(kind, FIELD_NOTES[kind]) if each.inward else FIELD_NOTES[kind]
            note = Template(note).substitute(total=component.config.total)
            ports.append(Port(f"{each.name}_{field}", forward, len(payload[field]), note, each.number))
    return ports
