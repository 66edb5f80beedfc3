"""The decoders of a chip, with one port for all of them."""

from amaranth import Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from ...layouts import row_load_layout
from ..layouts import ID_BITS, fill_layout, out_beat_layout
from ..parameters import MemorySide
from ..parts.dealing import Choose, Fork, Gather, groups, tree
from ..parts.memory_fifo import MemoryFifo
from ..parts.place import place
from .cell import DecoderCell


class DecoderArray(wiring.Component):
    """E decoder cells: stored blocks in, beats of V values out.

    "In order": block k goes to cell k mod E, and blocks leave in the order of their reservations. "By id": a block goes
    to the next cell that has a place free, looked for one cell a cycle; of the cells that have a whole block decoded
    one after the other gives one, and its ``id`` tells which it is. A block's beats follow each other in both.

    Between the ports and the cells are trees of registers, up to 8 branches on each: none for one cell, one level for
    up to 8, two for up to 64. Through them go a chunk a cycle and a beat a cycle, also from one block to the next,
    if the other cell has its beat ready: in steady state the output is never idle. Levels add a cycle each to the
    latencies of :class:`.cell.DecoderCell`. A reservation takes a cycle on its way, with any number of cells.

    ``reserve.ready`` and ``fill.ready`` are registers' but for a choice among E bits. The memories' enables in the
    cells depend combinationally on ``values.ready``, by way of the tree's nodes.

    Parameters
    ----------
    p : of the memory-side block.

    Members
    -------
    load : stream of N rows, in, for all decoders. ``raw_mask`` : In(W), see :class:`.cell.DecoderCell`.
    clear : In, forget everything; it takes effect in the cycle after, in which nothing is taken or offered.
    reserve : stream of ``id``, in: ready while the cell whose turn it is has a place free.
    fill : stream of chunks, in: blocks in the order of their reservations. Always ready, but by id: a cycle after a
        block of 2 chunks, and 5 cycles after the first reservation.
    values : stream of beats, out.
    busy : Out(1), a block is in here: from its reservation to its last beat.
    """

    def __init__(self, p: MemorySide):
        self.p, self.engines = p, p.engines
        self.by_id = p.order == "by id" and p.engines > 1
        super().__init__({
            "load": In(stream.Signature(row_load_layout(p.codec))),
            "clear": In(1),
            "raw_mask": In(p.codec.width),
            "reserve": In(stream.Signature(data.StructLayout({"id": ID_BITS}))),
            "fill": In(stream.Signature(fill_layout(p))),
            "values": Out(stream.Signature(out_beat_layout(p))),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, beat = self.p, out_beat_layout(self.p)
        self.clearing = Signal()
        m.d.sync += self.clearing.eq(self.clear)
        self.cells = [place(m, platform, f"cell_{k}", DecoderCell(p)) for k in range(self.engines)]
        for cell in self.cells:
            m.d.comb += [cell.clear.eq(self.clearing), cell.raw_mask.eq(self.raw_mask)]
        load = tree(m, "load", [cell.load for cell in self.cells],
            lambda shares: Fork(row_load_layout(p.codec), len(shares)), self.clearing)
        values = tree(m, "values", [cell.values for cell in self.cells],
            lambda shares: Choose(beat, len(shares), "last") if self.by_id else Gather(beat, shares, "last"),
            self.clearing)
        m.d.comb += [
            load.valid.eq(self.load.valid & ~self.clearing), load.payload.eq(self.load.payload),
            self.load.ready.eq(load.ready & ~self.clearing),
            self.values.valid.eq(values.valid & ~self.clearing), self.values.payload.eq(values.payload),
            values.ready.eq(self.values.ready),
        ]
        reserved = self._reserve(m)
        self._fill(m)
        self._count(m, reserved)
        return m

    def _reserve(self, m: Module) -> Value:
        """Give a reservation to the cell whose turn it is. Returns whether there is one."""
        E, port = self.engines, self.reserve
        turn = Signal(E, init=1)  # the cell, one-hot
        number = Signal(bits_for(E - 1))  # and as a number
        free = Signal()
        taken = Signal()
        on = Signal()
        m.d.comb += [
            free.eq((turn & Cat(cell.reserve.ready for cell in self.cells)).any()),
            port.ready.eq(free & ~self.clearing),
            taken.eq(port.valid & port.ready),
            on.eq(taken | ~free if self.by_id else taken),
        ]
        with m.If(on):
            m.d.sync += [turn.eq(turn.rotate_left(1)), number.eq(Mux(turn[-1], 0, number + 1))]
        with m.If(self.clearing):
            m.d.sync += [turn.eq(1), number.eq(0)]
        # On its way it is not counted by its cell yet; but a turn comes back no sooner than it has arrived.
        self._deal(m, "reserve", [cell.reserve for cell in self.cells], turn & taken.replicate(E), port.payload)
        if self.by_id:
            depth = 1 << ceil_log2(2 * self.p.decoder_lanes * E)
            self.queue = queue = MemoryFifo(data.StructLayout({"cell": len(number)}), depth)
            m.submodules.cells = ResetInserter(self.clearing)(queue)
            m.d.comb += [queue.i.valid.eq(taken), queue.i.p.cell.eq(number)]
        return taken

    def _fill(self, m: Module):
        """Give chunks to the cell that their block was reserved in."""
        E, fill = self.engines, self.fill
        to = Signal(E, init=1)  # the cell, one-hot
        known = Signal(init=not self.by_id)
        taken = Signal()
        offsets = Signal()
        end = Signal()
        m.d.comb += [
            fill.ready.eq(known & ~self.clearing),
            taken.eq(fill.valid & fill.ready),
            end.eq(taken & fill.p.last & offsets),
        ]
        with m.If(taken):
            m.d.sync += offsets.eq(offsets ^ fill.p.last)
        if self.by_id:
            following = self.queue.o
            m.d.comb += following.ready.eq(~known | end)
            with m.If(following.ready):
                m.d.sync += [known.eq(following.valid), to.eq(Cat(following.p.cell == k for k in range(E)))]
        else:
            with m.If(end):
                m.d.sync += to.eq(to.rotate_left(1))
        with m.If(self.clearing):
            m.d.sync += [to.eq(1), known.eq(not self.by_id), offsets.eq(0)]
        self._deal(m, "fill", [cell.fill for cell in self.cells], to & taken.replicate(E), fill.payload)

    def _deal(self, m: Module, name: str, ports: list, to: Value, payload):
        """A tree of registers for a payload on its way to the port ``to``, one-hot or none, which is ready for it."""
        if len(ports) == 1:
            m.d.comb += [ports[0].valid.eq(to[0] & ~self.clearing), ports[0].payload.eq(payload)]
            return
        there = Signal(len(ports), name=f"{name}_there")
        kept = Signal(payload.shape(), name=f"{name}_kept", reset_less=True)
        m.d.sync += there.eq(to & (~self.clearing).replicate(len(ports)))
        with m.If(to.any()):
            m.d.sync += kept.eq(payload)
        for k, branch in enumerate(groups([*range(len(ports))])):
            below = slice(branch[0], branch[-1] + 1)
            self._deal(m, f"{name}_{k}", ports[below], there[below], kept)

    def _count(self, m: Module, reserved: Value):
        """Blocks in here. A reservation is counted a cycle late: that it is one hangs on all cells."""
        blocks = Signal(range(2 * self.p.decoder_lanes * self.engines + 1))
        comes = Signal()
        leaves = Signal()
        m.d.comb += [
            leaves.eq(self.values.valid & self.values.ready & self.values.p.last),
            self.busy.eq(((blocks != 0) | comes) & ~self.clearing),
        ]
        m.d.sync += comes.eq(reserved)
        with m.If(comes != leaves):
            m.d.sync += blocks.eq(Mux(comes, blocks + 1, blocks - 1))
        with m.If(self.clearing):
            m.d.sync += [comes.eq(0), blocks.eq(0)]
