"""Runs of beats, cut into bursts."""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from ..parameters import MemorySide

PAGE = 4096  # bytes; no burst goes across a boundary of so many (IHI 0022, A3.4.1)


def burst_beats(p: MemorySide) -> int:
    """Beats of the longest burst: the greatest power of two that is neither above ``p.burst`` nor above a page. As
    bursts end at multiples of it, how many beats are left to the end of one takes no subtractor, and the memory sees
    whole aligned lines."""
    return min(1 << p.burst.bit_length() - 1, PAGE // p.data_bytes)


def run_layout(address_bits: int, count_bits: int) -> data.StructLayout:
    """Beats in a row: ``beat``, the first one's address in beats; ``count_m1``, how many, less one."""
    return data.StructLayout({"beat": address_bits, "count_m1": count_bits})


class BurstCutter(wiring.Component):
    """Cuts runs of beats into bursts that end at multiples of ``beats`` beats, and at the end of the run.

    Latency 1 cycle; one burst per cycle. The outputs are a few gates behind registers; ``runs.ready`` depends
    combinationally on ``bursts.ready``.

    Parameters
    ----------
    address_bits : of a beat's address.
    count_bits : of a run's number of beats less one.
    beats : of the longest burst, a power of two, 256 at most.

    Members
    -------
    runs : stream of :func:`run_layout`, in.
    bursts : stream of the same, out; ``count_m1`` has 8 bits.
    """

    def __init__(self, address_bits: int, count_bits: int, beats: int):
        self.address_bits, self.count_bits, self.beats = address_bits, count_bits, beats
        super().__init__({
            "runs": In(stream.Signature(run_layout(address_bits, count_bits))),
            "bursts": Out(stream.Signature(run_layout(address_bits, 8))),
        })

    def elaborate(self, platform):
        m = Module()
        low = exact_log2(self.beats)
        beat = Signal(self.address_bits, reset_less=True)
        left_m1 = Signal(self.count_bits, reset_less=True)
        room_m1 = Signal(max(1, low))  # beats up to the next multiple, less one
        last = Signal()
        m.d.comb += [
            room_m1.eq(~beat[:low] if low else 0),
            last.eq(left_m1 <= room_m1),
            self.bursts.payload.beat.eq(beat),
            self.bursts.payload.count_m1.eq(Mux(last, left_m1, room_m1)),
            self.runs.ready.eq(~self.bursts.valid | (self.bursts.ready & last)),
        ]
        with m.If(self.runs.ready):
            m.d.sync += [
                self.bursts.valid.eq(self.runs.valid),
                beat.eq(self.runs.payload.beat),
                left_m1.eq(self.runs.payload.count_m1),
            ]
        with m.Elif(self.bursts.ready):
            rest = Cat(beat[:low], Const(-1, self.count_bits))[: self.count_bits] if low else Const(-1, self.count_bits)
            m.d.sync += [
                beat.eq(Cat(Const(0, low), beat[low:] + 1) if low else beat + 1),
                left_m1.eq(left_m1 + rest),  # less room_m1 + 1
            ]
        return m
