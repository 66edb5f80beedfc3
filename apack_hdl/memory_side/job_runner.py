"""One job after another, from its beginning to its result."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .layouts import Error, job_layout, result_layout
from .parameters import MemorySide


class JobRunner(wiring.Component):
    """What both halves of the block do with a job: take it, begin, run until it is done or something is wrong, in which
    case stop whatever is under way, and give the result.

    Parameters
    ----------
    p : how the block is built.
    decompress : the direction, as results tell it.

    Members
    -------
    job : In, stream of jobs. ``result`` : Out, stream of results.
    busy : Out(1), a job is under way, its result has not been taken.
    current : Out, the job under way.
    begin, running, stop : Out(1): a cycle at its beginning; from then on until it ends; from an error on until
        ``quiet``.
    done : In(1), all of it is done. ``quiet`` : In(1), nothing is under way any more, though it was stopped.
    problem, block : In: what is wrong in this cycle (an :class:`.layouts.Error`), with which block; the first counts.
    stored_bytes : In, of the job's blocks so far.
    """

    def __init__(self, p: MemorySide, *, decompress: bool):
        self.decompress = decompress
        super().__init__({
            "job": In(stream.Signature(job_layout(p))), "result": Out(stream.Signature(result_layout(p))),
            "busy": Out(1), "current": Out(job_layout(p)), "begin": Out(1), "running": Out(1), "stop": Out(1),
            "done": In(1), "quiet": In(1), "problem": In(Error), "block": In(32), "stored_bytes": In(40),
        })

    def elaborate(self, platform):
        m = Module()
        job = Signal.like(self.current, reset_less=True)
        result = self.result.p
        error = Signal(Error)
        block = Signal(32, reset_less=True)
        stored_bytes = Signal(40, reset_less=True)
        m.d.comb += [
            self.current.eq(job), self.busy.eq(1),
            result.tag.eq(job.tag), result.decompress.eq(self.decompress), result.error.eq(error),
            result.block.eq(Mux(error == Error.NONE, 0, block)), result.stored_bytes.eq(stored_bytes),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.job.ready.eq(1), self.busy.eq(0)]
                m.d.sync += job.eq(self.job.p)
                with m.If(self.job.valid):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += self.begin.eq(1)
                m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += self.running.eq(1)
                m.d.sync += [error.eq(self.problem), block.eq(self.block), stored_bytes.eq(self.stored_bytes)]
                with m.If(self.problem != Error.NONE):
                    m.next = "STOP"
                with m.Elif(self.done):
                    m.next = "RESULT"
            with m.State("STOP"):
                m.d.comb += self.stop.eq(1)
                with m.If(self.quiet):
                    m.next = "RESULT"
            with m.State("RESULT"):
                m.d.comb += self.result.valid.eq(1)
                with m.If(self.result.ready):
                    m.next = "IDLE"
        return m


def connect_runner(m: Module, half, runner: JobRunner):
    """Give the ports for jobs of a ``half`` of the block to its ``runner``."""
    wiring.connect(m, wiring.flipped(half.job), runner.job)
    wiring.connect(m, runner.result, wiring.flipped(half.result))
    m.d.comb += half.busy.eq(runner.busy)
