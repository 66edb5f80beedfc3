"""Registers that streams leave from."""

from amaranth import Module, Signal


def payload_register(m: Module, port):
    """The register behind the payload of ``port``, a stream out: assign to it in the domain ``sync``.

    It has no reset, as only ``valid`` needs one: a reset costs a gate a bit, and keeps registers that are written
    together from sharing one gated clock.
    """
    register = Signal(port.payload.shape(), name="payload", reset_less=True)
    m.d.comb += port.payload.eq(register)
    return register
