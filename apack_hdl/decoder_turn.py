"""What a stream of the decoder does in a turn: decided at its beginning, from what is settled and what ports offer."""

from amaranth import Module, Mux, Signal

from .layouts import report_layout
from .reader import can_read, has_ended
from .registers import payload_register
from .ring import Ring

# What a stream does in a turn. Waiting: IDLE for an order, WAIT for the first digits, STARVE for bits or for room at
# `values`, CLOSE for the streams' ends and for room at `report`. Otherwise: BEGIN a block, START the code, GO on by
# one value, decode the LAST one.
IDLE, BEGIN, WAIT, START, STARVE, CLOSE, GO, LAST = range(8)


def take_turn(m: Module, ring: Ring, decoder):
    """Begin the stream's turn: puts ``op`` and ``go`` (a value is decoded) into the ring, with raw blocks also
    ``gives`` (a value is given) and ``raw`` (of the block; ``go`` is low then), and brings ``left`` and the
    readers' states up to date. Accepts orders and offers reports.

    ``decoder`` : whose ports and table it is about.
    """
    op, left = ring["op"], ring["left"]
    blocks, values, reports = decoder.each("blocks"), decoder.each("values"), decoder.each("report")
    readable, ended = {}, {}
    for name in decoder.shapes:
        offered = ring.pick([port.valid for port in decoder.each(name)], f"{name}_offered")
        readable[name] = can_read(ring[name], offered)
        ended[name] = has_ended(ring[name])
    idle = Signal()
    beginning = Signal()
    decoding = Signal()
    closing = Signal()
    finish = Signal()
    accept = Signal()
    start = Signal()
    go = Signal()
    last = Signal()
    ordered = ring.pick([port.valid for port in blocks], "ordered")
    values_free = ring.pick([~port.valid | port.ready for port in values], "values_free")
    report_free = ring.pick([~port.valid | port.ready for port in reports], "report_free")
    order = ring.pick([port.p.as_value() for port in blocks], "order")
    count = order[: len(left)]
    loading = decoder.table.loading
    if decoder.banks == 2:
        loading = Mux(order[-1], loading[1], loading[0])
    m.d.comb += [
        idle.eq(op == IDLE),
        beginning.eq((op == BEGIN) | (op == WAIT)),
        decoding.eq((op == START) | (op == STARVE) | (op == GO)),
        closing.eq((op == LAST) | (op == CLOSE)),
        finish.eq(closing & ended["symbols"] & ended["offsets"] & report_free),
        accept.eq((idle | finish) & ordered & ~loading),
        start.eq(beginning & readable["symbols"]),
        go.eq(decoding & readable["symbols"] & readable["offsets"] & values_free),
        last.eq(left == 0),
    ]
    what = Signal(3)
    with m.If(accept):
        m.d.comb += what.eq(BEGIN)
    with m.Elif(idle | finish):
        m.d.comb += what.eq(IDLE)
    with m.Elif(closing):
        m.d.comb += what.eq(CLOSE)
    with m.Elif(beginning):
        m.d.comb += what.eq(Mux(start, START, WAIT))
    with m.Else():
        m.d.comb += what.eq(Mux(go, Mux(last, LAST, GO), STARVE))
    _begin_and_end(m, ring, decoder, accept, finish, order)
    for name, shape in decoder.shapes.items():
        state = Signal(shape.state, name=f"{name}_now")
        m.d.comb += state.eq(ring[name])
        with m.If(accept):  # a new stream
            m.d.comb += [state.position.eq(0), state.end.eq(0), state.place.eq(0)]
        ring[name] = state
    ring["op"], ring[decoder.gives] = what, go
    if decoder.raw:
        ring["raw"] = Mux(accept, order[len(left)], ring["raw"])
        ring["go"] = go & ~ring["raw"]
    ring["left"] = Mux(accept, count, left - go)[: len(left)]
    if decoder.banks == 2:
        ring["bank"] = Mux(accept, order[-1], ring["bank"])


def _begin_and_end(m: Module, ring: Ring, decoder, accept, finish, order):
    """Blocks that are taken, blocks that are over."""
    report = Signal(report_layout(), name="verdict")
    for name, shape in decoder.shapes.items():
        short, long = shape.verdict(m, ring[name], name)
        if decoder.raw and name == "symbols":
            short, long = short & ~ring["raw"], long & ~ring["raw"]
        m.d.comb += [report[f"{name}_short"].eq(short), report[f"{name}_long"].eq(long)]
    busy = Signal(decoder.banks * decoder.streams)  # blocks under way, per bank and stream
    bank_in, bank_out = (order[-1], ring["bank"]) if decoder.banks == 2 else (0, 0)
    for j, turn in enumerate(ring.here):
        port = decoder.each("report")[j]
        payload = payload_register(m, port)
        m.d.comb += decoder.each("blocks")[j].ready.eq(turn & accept)
        with m.If(port.ready):
            m.d.sync += port.valid.eq(0)
        with m.If(turn & finish):
            m.d.sync += [port.valid.eq(1), payload.eq(report)]
        for bank in range(decoder.banks):
            bit = busy[bank * decoder.streams + j]
            with m.If(turn & accept & (bank_in == bank)):
                m.d.sync += bit.eq(1)
            with m.Elif(turn & finish & (bank_out == bank)):
                m.d.sync += bit.eq(0)
    for bank in range(decoder.banks):
        m.d.comb += decoder.table.busy[bank].eq(busy.word_select(bank, decoder.streams).any())
