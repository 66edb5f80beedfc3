"""CRC-32 of blocks."""

from functools import reduce
from operator import xor

from amaranth import Cat, Const, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from ..layouts import chunk_layout
from ..parameters import MemorySide
from .crc_matrices import ONES, data_matrix, forward, zeros_matrix
from .merger import Merger, merged_layout

GROUP = 64  # bits of data whose parities are found between two registers


def crc_chunk_layout(p: MemorySide) -> data.StructLayout:
    """A chunk of a block: as :func:`..layouts.chunk_layout`, but with any number of bytes; ``last`` means nothing;
    ``end``: the block is over."""
    return data.StructLayout(dict(chunk_layout(p).members) | {"end": 1})


class Crc32(wiring.Component):
    """CRC-32 of blocks, each any number of chunks, of any number of bytes.

    Chunks are first made full (:class:`.merger.Merger`). What a chunk adds is found in a tree of exclusive-ors with
    registers in it, so all that the loop has to do in a cycle is one matrix of 32 x 32. What a block lacks to its last
    full chunk is zeros; :class:`CrcFinish` takes them back beside the next block.

    A chunk per cycle, and a cycle more for a block whose end makes two full chunks of one. A block takes
    log2(D/8) + 2 cycles at least, for the finish of the one before. Latency from a block's end to its CRC:
    log2(D/8) + 6 cycles, one more if D is above 64, and one more in the case above. ``chunks.ready`` depends
    on registers only; ``crc`` is registered.

    Members
    -------
    chunks : stream of :func:`crc_chunk_layout`, in.
    crc : stream of 32 bits, out, one for each block.
    clear : In(1), forget all.
    idle : Out(1), nothing is held.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "chunks": In(stream.Signature(crc_chunk_layout(p))),
            "crc": Out(stream.Signature(32)),
            "clear": In(1), "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        merger, remainder, finish = Merger(self.p), CrcRemainder(self.p), CrcFinish(self.p)
        for name, part in {"merger": merger, "remainder": remainder, "finish": finish}.items():
            m.submodules[name] = ResetInserter(self.clear)(part)
        chunk, piece = self.chunks.payload, merger.pieces.payload
        m.d.comb += [
            piece.data.eq(chunk.data),
            piece.bytes.eq(chunk.bytes),
            piece.lane.eq(0),
            piece.end.eq(chunk.end),
            merger.pieces.valid.eq(self.chunks.valid),
            self.chunks.ready.eq(merger.pieces.ready),
            self.idle.eq(merger.idle & remainder.idle & finish.idle),
        ]
        wiring.connect(m, merger.merged, remainder.merged)
        wiring.connect(m, remainder.padded, finish.padded)
        wiring.connect(m, finish.crc, wiring.flipped(self.crc))
        return m


def padded_layout(p: MemorySide) -> data.StructLayout:
    """``remainder`` after a block and ``zeros`` bytes more, 0..D/8, of zeros."""
    return data.StructLayout({"remainder": 32, "zeros": bits_for(p.data_bytes)})


class CrcRemainder(wiring.Component):
    """The remainder of blocks that are filled up with zeros to full chunks.

    Latency 2 cycles, 3 if D is above 64; a chunk per cycle. ``merged.ready`` depends combinationally on
    ``padded.ready``; the outputs are registered.

    Members
    -------
    merged : stream of :func:`.merger.merged_layout`, in; ``low`` means nothing.
    padded : stream of :func:`padded_layout`, out, one for each block.
    idle : Out(1), nothing is held.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "merged": In(stream.Signature(merged_layout(p))),
            "padded": Out(stream.Signature(padded_layout(p))),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, chunk = self.p, self.merged.payload
        adds = data_matrix(p.data_bytes)
        size = min(GROUP, p.data_width)
        groups = [
            multiply(chunk.data[at : at + size], adds[at : at + size]) for at in range(0, p.data_width, size)
        ]
        end, zeros = chunk.end, (p.data_bytes - chunk.high)[: bits_for(p.data_bytes)]
        valid, ready = self.merged.valid, Signal(name="ready1")
        m.d.comb += self.merged.ready.eq(ready)
        valid, ready, parities, end, zeros = self._register(m, 1, valid, ready, Cat(groups), end, zeros)
        if len(groups) > 1:
            parity = 0
            for at in range(0, len(parities), 32):
                parity ^= parities[at : at + 32]
            valid, ready, parities, end, zeros = self._register(m, 2, valid, ready, parity, end, zeros)
        self._loop(m, valid, ready, parities, end, zeros)
        return m

    def _register(self, m: Module, number, valid, ready, *values):
        """A register of the tree. Returns what is behind it; ``ready`` there is still to be driven."""
        held, next_ready = Signal(name=f"valid{number}"), Signal(name=f"ready{number + 1}")
        registers = [Signal(len(value), name=f"{name}{number}", reset_less=True)
                     for name, value in zip(("parities", "end", "zeros"), values, strict=True)]
        m.d.comb += ready.eq(~held | next_ready)
        with m.If(ready):
            m.d.sync += [held.eq(valid), *(r.eq(value) for r, value in zip(registers, values, strict=True))]
        return held, next_ready, *registers

    def _loop(self, m: Module, valid, ready, parities, end, zeros):
        p, padded = self.p, self.padded
        first = Signal(init=1)
        remainder = Signal(32, reset_less=True)
        lacks = Signal(len(zeros), reset_less=True)
        moved = multiply(remainder, zeros_matrix(p.data_bytes))
        m.d.comb += [
            ready.eq(~padded.valid | padded.ready),
            padded.payload.remainder.eq(remainder),
            padded.payload.zeros.eq(lacks),
            self.idle.eq(first & ~valid & ~padded.valid),
        ]
        with m.If(ready):
            m.d.sync += padded.valid.eq(valid & end)
        with m.If(valid & ready):
            m.d.sync += [
                first.eq(end),
                remainder.eq(Mux(first, forward(ONES, p.data_bytes), moved) ^ parities),
                lacks.eq(zeros),
            ]


class CrcFinish(wiring.Component):
    """Takes back the zeros behind a block: a power of two of them per cycle, if they are there.

    ``log2(D/8) + 2`` cycles for a block, which is the latency, too; a CRC that is not taken holds up the next one's
    last step only. All outputs are registered or, as ``padded.ready``, depend on registers only.

    Members
    -------
    padded : stream of :func:`padded_layout`, in.
    crc : stream of 32 bits, out.
    idle : Out(1), nothing is held.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "padded": In(stream.Signature(padded_layout(p))), "crc": Out(stream.Signature(32)), "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        zeros = Signal.like(self.padded.payload.zeros, reset_less=True, name="zeros")
        steps = Signal(len(zeros))  # one-hot: which power of two
        busy = Signal()  # one of them: `ready` hangs on this, and much on `ready`
        remainder = Signal(32, reset_less=True)
        crc = Signal(32, reset_less=True)
        finished = Signal()
        result = 0
        for power in range(len(zeros)):
            taken_back = multiply(remainder, zeros_matrix(-1 << power))
            result |= Mux(steps[power], Mux(zeros[power], taken_back, remainder), 0)
        m.d.comb += [
            self.padded.ready.eq(~busy),
            self.crc.payload.eq(crc),
            finished.eq(steps[-1] & (~self.crc.valid | self.crc.ready)),
            self.idle.eq(~busy & ~self.crc.valid),
        ]
        m.d.sync += self.crc.valid.eq(finished | (self.crc.valid & ~self.crc.ready))
        with m.If(~steps[-1]):
            m.d.sync += steps.eq(steps << 1)
        with m.If(steps.any() & ~steps[-1]):
            m.d.sync += remainder.eq(result)
        with m.If(finished):
            m.d.sync += [busy.eq(0), steps.eq(0), crc.eq(~result)]
        with m.If(self.padded.valid & self.padded.ready):
            m.d.sync += [
                busy.eq(1), steps.eq(1),
                zeros.eq(self.padded.payload.zeros), remainder.eq(self.padded.payload.remainder),
            ]
        return m


def multiply(vector, columns: list[int]) -> Value:
    """A matrix of 32 rows, a number for each column, times a vector: exclusive-or of the columns whose bit is set."""
    terms = [Mux(bit, Const(column, 32), 0) for bit, column in zip(vector, columns, strict=True)]
    while len(terms) > 1:  # a tree
        terms = [reduce(xor, terms[k : k + 2]) for k in range(0, len(terms), 2)]
    return terms[0]
