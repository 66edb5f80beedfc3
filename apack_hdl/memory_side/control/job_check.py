"""Whether a job can be done at all."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..layouts import job_layout
from ..parameters import MemorySide


def queued_layout(p: MemorySide) -> data.StructLayout:
    """A job in the queue; ``too_large``: a field of it was beyond what this block has bits for."""
    return data.StructLayout({"job": job_layout(p), "too_large": 1})


class JobCheck(wiring.Component):
    """Says whether a job's fields are in range, 7 cycles after ``start``.

    The product of block length and width, which a slot must have room for, takes five steps of an adder.

    Members
    -------
    start : In(1). queued : In, :func:`queued_layout`, stays as it is until ``done``.
    done : Out(1), for one cycle, in which ``bad`` (Out(1)) means something.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({"start": In(1), "queued": In(queued_layout(p)), "done": Out(1), "bad": Out(1)})

    def elaborate(self, platform):
        m = Module()
        p, job = self.p, self.queued.job
        step = Signal(7)
        width_bits = len(job.width)
        raw = Signal(len(job.block) + width_bits, reset_less=True)  # bits of a raw block
        block = Signal.like(job.block, reset_less=True)  # not the memory's output: an adder stands behind it
        left = Signal(width_bits, reset_less=True)
        m.d.sync += step.eq(Cat(self.start, step[:-1]))
        m.d.comb += self.done.eq(step[-1])
        with m.If(self.start):
            m.d.sync += [raw.eq(0), block.eq(job.block), left.eq(job.width)]
        with m.Else():
            m.d.sync += [raw.eq((raw << 1) + (block & left[-1].replicate(len(block)))), left.eq(left << 1)]

        # Each a register, so that nothing long stands behind the comparisons.
        checks = {
            "too_large": self.queued.too_large,
            "width": (job.width < 2) | (job.width > p.codec.width),
            "length": job.length == 0,
            "block": (job.block == 0) | (job.block > p.codec.block),
            "part_of_beat": (job.block & (p.beat_values - 1)) != 0,
            "several_blocks": job.length > job.block,
            "directory": job.directory_address[:3] != 0,
        }
        if p.tables >> len(job.table) == 0:  # else there is no number too large
            checks["table"] = job.table >= p.tables
        found = {name: Signal(name=f"bad_{name}", reset_less=True) for name in checks}
        slot = Signal(name="bad_slot", reset_less=True)
        m.d.sync += [found[name].eq(check) for name, check in checks.items()]
        with m.If(step[5]):
            m.d.sync += slot.eq(job.slots & (raw > Cat(Const(0, 3), job.slot_bytes)))
        odd = found.pop("part_of_beat") & found.pop("several_blocks")
        m.d.comb += self.bad.eq(Cat(odd, slot, *found.values()).any())
        return m
