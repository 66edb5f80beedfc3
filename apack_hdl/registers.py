"""Registers that streams leave from."""

from amaranth import Module, Signal
from amaranth.lib import data


def payload_register(m: Module, port, *, without: tuple[str, ...] = ()):
    """The register behind the payload of ``port``, a stream out: assign to its fields in the domain ``sync``, to all.

    It has no reset, as only ``valid`` needs one: a reset costs a gate a bit, and keeps registers that are written
    together from sharing one gated clock. Fields named in ``without`` have no register and are 0.
    """
    fields = {name: field.shape for name, field in port.payload.shape() if name not in without}
    register = Signal(data.StructLayout(fields), name="payload", reset_less=True)
    m.d.comb += [port.payload[name].eq(register[name]) for name in fields]
    return register
