"""Streams that part."""

from amaranth import Module, Signal


def fork(m: Module, name: str, valid, *sinks, clear=0) -> Signal:
    """Give what is offered (``valid``) to all ``sinks``, streams whose payloads the caller connects, each as soon as
    it is ready. Returns ``ready``: all have it, or take it in this cycle. No ``valid`` depends on a ``ready``.
    ``clear``: forget who has it."""
    ready = Signal(name=f"{name}_ready")
    done = Signal(len(sinks), name=f"{name}_done")  # have taken what is offered
    over = [bit | sink.ready for bit, sink in zip(done, sinks, strict=True)]
    all_over = over[0]
    for each in over[1:]:
        all_over = all_over & each
    m.d.comb += ready.eq(all_over)
    for bit, sink in zip(done, sinks, strict=True):
        m.d.comb += sink.valid.eq(valid & ~bit)
        with m.If((valid & ready) | clear):
            m.d.sync += bit.eq(0)
        with m.Elif(valid & sink.ready):
            m.d.sync += bit.eq(1)
    return ready
