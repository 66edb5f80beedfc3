"""Entries of the directory in, beats of the bus out."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ..layouts import entry_layout
from ..parameters import MemorySide
from ..parts.fifo import Fifo
from ..parts.place import place
from ..parts.ram import Ram
from .bursts import BurstCutter, burst_beats, run_layout

LINE = 64  # bytes: what a DRAM gives or takes at a time
ENTRY = 8


def strobed_layout(p: MemorySide) -> data.StructLayout:
    """A beat to write: ``data``, and a bit of ``strobe`` for each of its bytes."""
    return data.StructLayout({"data": p.data_width, "strobe": p.data_bytes})


class EntryLines(wiring.Component):
    """Collects entries up to the end of an aligned line of 64 bytes, or ``flush``. One line can be collected while
    another one waits to be written.

    Two cycles from a line's last entry to its first burst and its first beat; a beat per cycle. ``beats`` comes out of
    a memory. There is no combinational path through it.

    Members
    -------
    entries : stream of :func:`..layouts.entry_layout`, in.
    bursts : stream of :func:`.bursts.run_layout`, out: where beats are to go.
    beats : stream of :func:`strobed_layout`, out, those of the bursts in their order.
    idle : Out(1), nothing is held.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        self.beat_bits = p.address_width - p.data_shift
        super().__init__({
            "entries": In(stream.Signature(entry_layout(p))),
            "bursts": Out(stream.Signature(run_layout(self.beat_bits, 8))),
            "beats": Out(stream.Signature(strobed_layout(p))),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, entry, beats = self.p, self.entries.payload, LINE // self.p.data_bytes
        count_bits = max(1, exact_log2(beats))  # with 512 bits a line is one beat, and no field may have no bits
        m.submodules.runs = runs = Fifo(run_layout(self.beat_bits, count_bits), 2)
        m.submodules.lines = lines = Fifo(data.StructLayout({"first": 3, "last": 3}), 2)
        m.submodules.cutter = cutter = BurstCutter(self.beat_bits, count_bits, burst_beats(p))
        connect(m, runs.o, cutter.runs)
        connect(m, cutter.bursts, flipped(self.bursts))

        fresh = Signal(init=1)
        first = Signal(3)
        kept = Signal(3, reset_less=True)
        number = Signal(3)
        put = Signal()
        closes = Signal()
        m.d.comb += [
            number.eq(entry.address[3:6]),
            first.eq(Mux(fresh, number, kept)),
            self.entries.ready.eq(runs.i.ready & lines.i.ready),
            put.eq(self.entries.valid & self.entries.ready),
            closes.eq(put & ((number == 7) | entry.flush)),
            lines.i.valid.eq(closes),
            lines.i.payload.first.eq(first),
            lines.i.payload.last.eq(number),
            runs.i.valid.eq(closes),
            runs.i.payload.beat.eq(Cat(first, entry.address[6:]) << 3 >> p.data_shift),
            runs.i.payload.count_m1.eq(self._beat_of(number, last=True) - self._beat_of(first)),
        ]
        with m.If(put):
            m.d.sync += [fresh.eq(closes), kept.eq(first)]
        filling, held = self._drain(m, platform, lines.o, put, number)
        m.d.sync += filling.eq(filling ^ closes)
        m.d.comb += self.idle.eq(fresh & ~lines.o.valid & ~runs.o.valid & ~held & ~self.bursts.valid)
        return m

    def _beat_of(self, number, *, last=False):
        """Number within its line of the beat in which an entry begins, or ends."""
        if self.p.data_bytes < ENTRY:
            return Cat(last, number)
        return number >> (self.p.data_shift - 3)

    def _drain(self, m: Module, platform, lines, put, number):
        """Memory for two lines, and its reader. Returns which one is filled, and whether a beat is held."""
        p, entry, beats = self.p, self.entries.payload, LINE // self.p.data_bytes
        per_row = max(1, p.data_bytes // ENTRY)  # entries
        row, half = exact_log2(per_row), int(p.data_bytes < ENTRY)  # half: there are two beats in a row
        ram = place(m, platform, "ram", Ram(per_row * 8 * ENTRY, 2 * LINE // ENTRY // per_row, lanes=per_row))
        filling = Signal()
        draining = Signal()
        started = Signal()
        valid = Signal(name="beat_valid")
        get = Signal()
        ends = Signal()
        at = Signal(range(max(2, beats)))
        after = Signal(range(max(2, beats)), reset_less=True)
        second = Signal(reset_less=True)
        strobes = Signal(per_row, reset_less=True)  # a strobe for each entry
        m.d.comb += [
            ram.write_enable.eq(put << number[:row] if row else put),
            ram.write_address.eq(Cat(number, filling) >> row),
            ram.write_data.eq(Cat(entry.symbol_bytes, entry.offset_bytes, entry.crc32).replicate(per_row)),
            at.eq(Mux(started, after, self._beat_of(lines.payload.first))),
            ends.eq(at == self._beat_of(lines.payload.last, last=True)),
            get.eq(lines.valid & (~valid | self.beats.ready)),
            lines.ready.eq(get & ends),
            ram.read_enable.eq(get),
            ram.read_address.eq(Cat(at[half : exact_log2(beats)], draining)),
            self.beats.valid.eq(valid),
            self.beats.payload.data.eq(ram.read_data.word_select(second, p.data_width) if half else ram.read_data),
            self.beats.payload.strobe.eq(Cat(bit.replicate(p.data_bytes // per_row) for bit in strobes)),
        ]
        m.d.sync += valid.eq(get | (valid & ~self.beats.ready))
        owners = [Cat(Const(k, row), at)[half:] for k in range(per_row)]
        with m.If(get):
            m.d.sync += [
                started.eq(~ends),
                after.eq(at + 1),
                draining.eq(draining ^ ends),
                second.eq(at[0]),
                strobes.eq(Cat((own >= lines.payload.first) & (own <= lines.payload.last) for own in owners)),
            ]
        return filling, valid
