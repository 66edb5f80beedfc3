"""Chunks of any number of bytes in, full ones out."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ...registers import payload_register
from ..parameters import MemorySide


def piece_layout(p: MemorySide) -> data.StructLayout:
    """Bytes to be joined to those before: ``data``, ``bytes`` as in :func:`..layouts.chunk_layout`; ``lane``, which
    place in a full chunk a run's first byte takes, looked at in a run's first piece; ``end`` of the run."""
    return data.StructLayout({"data": p.data_width, "bytes": bits_for(p.data_bytes), "lane": p.data_shift, "end": 1})


def merged_layout(p: MemorySide) -> data.StructLayout:
    """A full chunk, or what there is of one at the beginning or the end of a run: ``data``; bytes ``low`` to ``high``
    - 1 belong to the run, those from ``high`` on are 0, those below ``low`` are anything; ``end`` of the run."""
    return data.StructLayout({"data": p.data_width, "low": p.data_shift, "high": bits_for(p.data_bytes), "end": 1})


class Merger(wiring.Component):
    """Joins pieces to full chunks with one rotator, and remembers what is over.

    A piece of 0 bytes leaves no trace but for its ``end``: if nothing is left to show then, a chunk of 0 bytes
    (``high`` = 0) shows the end.

    The rotator is two halves with a register between, so that its selects can drive a bus of 512 bits.

    Latency 2 cycles; a piece per cycle, but a cycle more for a run's end that makes two chunks. The outputs are
    registered; ``pieces.ready`` depends combinationally on ``merged.ready``.

    Members
    -------
    pieces : stream of :func:`piece_layout`, in.
    merged : stream of :func:`merged_layout`, out.
    idle : Out(1), nothing is held.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "pieces": In(stream.Signature(piece_layout(p))), "merged": Out(stream.Signature(merged_layout(p))),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, piece = self.p, self.pieces.payload
        # of the next piece
        fresh = Signal(init=1)
        at = Signal(p.data_shift)
        low = Signal(p.data_shift)
        lane = Signal(p.data_shift)
        first = Signal(p.data_shift)
        total = Signal(p.data_shift + 1)
        fields = {"data": p.data_width, "lane": p.data_shift, "low": p.data_shift, "rest": p.data_shift, "full": 1}
        turned = Signal(data.StructLayout(fields | {"end": 1}), reset_less=True)
        valid, ready = Signal(name="turned_valid"), Signal(name="turned_ready")
        fine = p.data_shift // 2  # bits of the rotator's second half
        full = total[p.data_shift]
        m.d.comb += [
            lane.eq(Mux(fresh, piece.lane, at)),
            first.eq(Mux(fresh, piece.lane, low)),
            total.eq(lane + piece.bytes),
            self.pieces.ready.eq(~valid | ready),
            self.idle.eq(fresh & ~valid & ~self.merged.valid),
        ]
        with m.If(self.pieces.ready):
            m.d.sync += [
                valid.eq(self.pieces.valid & ((piece.bytes != 0) | piece.end)),
                turned.data.eq(rotate(m, piece.data, lane, range(fine, p.data_shift), "coarse")),
                turned.lane.eq(lane),
                turned.low.eq(first),
                turned.rest.eq(total),
                turned.full.eq(full),
                turned.end.eq(piece.end),
            ]
        with m.If(self.pieces.valid & self.pieces.ready):
            m.d.sync += [fresh.eq(piece.end), at.eq(total), low.eq(Mux(full, 0, first))]
        self._join(m, turned, valid, ready, range(fine))
        return m

    def _join(self, m: Module, turned, valid, ready, fine):
        p, chunk = self.p, payload_register(m, self.merged)
        held = Signal(p.data_width, reset_less=True)
        rest = Signal(p.data_shift, reset_less=True)
        tail = Signal()  # `held` is to go, as the run is over
        room = Signal()
        rotated = rotate(m, turned.data, turned.lane, fine, "fine")
        joined = Signal(p.data_width)
        below = Cat((turned.lane > k).replicate(8) for k in range(p.data_bytes))
        two = turned.full & turned.end & (turned.rest != 0)
        m.d.comb += [
            room.eq(~self.merged.valid | self.merged.ready),
            ready.eq(room & ~tail),
            joined.eq((held & below) | (rotated & ~below)),
        ]
        with m.If(room):
            m.d.sync += [
                self.merged.valid.eq(tail | (valid & (turned.full | turned.end))),
                chunk.data.eq(Mux(tail, held, joined)),
                chunk.low.eq(Mux(tail, 0, turned.low)),
                chunk.high.eq(Mux(tail, rest, Mux(turned.full, p.data_bytes, turned.rest))),
                chunk.end.eq(tail | (turned.end & ~two)),
                tail.eq(valid & ~tail & two),
            ]
        with m.If(valid & ready):
            m.d.sync += [held.eq(Mux(turned.full, rotated & below, joined)), rest.eq(turned.rest)]


def rotate(m: Module, value, lanes, bits, name: str) -> Signal:
    """``value`` rotated towards its top by as many bytes as those ``bits`` of ``lanes`` say."""
    for bit in bits:
        rotated = Signal(len(value), name=f"{name}{1 << bit}")
        m.d.comb += rotated.eq(Mux(lanes[bit], value.rotate_left(8 << bit), value))
        value = rotated
    return value
