"""From the jobs that software pushes to their results."""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import bits_for

from ...registers import payload_register
from ..layouts import Error, job_layout, result_layout
from ..parameters import MemorySide
from ..parts.memory_fifo import MemoryFifo
from .job_check import JobCheck, queued_layout
from .registers import DIRECTIONS


class JobQueue(wiring.Component):
    """Keeps up to ``p.queue`` jobs in order, begins them, and keeps their results, as many.

    The oldest job is checked; a bad one has its result at once. A good one begins when ``enable`` is set, its direction
    is idle, the other direction is too unless the job says ``overlap``, and there is room for its result: so no result
    is ever lost or held up. From ``push`` to the offer of a job to an idle block's half 12 cycles.

    What goes to the halves is registered. ``decompress_result.ready`` depends on ``compress_result.valid``, with which
    it shares the way into the queue of results.

    Members
    -------
    enable : In(1), begin jobs. push : In(1), take ``queued``, In, :func:`.job_check.queued_layout`; only where
        ``free``, Out, the number of jobs that there is room for, is not 0.
    compress_job, decompress_job : streams of jobs, out. compress_busy, decompress_busy : In(1), the half is not idle.
    running : Out(2), a job of the direction has begun and its result has not come. width : Out, of the values of each.
    compress_result, decompress_result : streams of results, in, one for each job.
    result : stream of results, out, as they came. waiting : Out, their number.
    done, failed, emptied : Out(1), for a cycle: a result came, without and with error; the last job left the queue.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        jobs, results = stream.Signature(job_layout(p)), stream.Signature(result_layout(p))
        ports = {}
        for direction in DIRECTIONS:
            ports |= {f"{direction}_job": Out(jobs), f"{direction}_busy": In(1), f"{direction}_result": In(results)}
        super().__init__(ports | {
            "enable": In(1), "push": In(1), "queued": In(queued_layout(p)),
            "free": Out(bits_for(p.queue)), "running": Out(2), "width": Out(data.ArrayLayout(5, 2)),
            "result": Out(results), "waiting": Out(bits_for(p.queue)),
            "done": Out(1), "failed": Out(1), "emptied": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.jobs = jobs = MemoryFifo(queued_layout(p), p.queue)
        m.submodules.results = results = MemoryFifo(result_layout(p), p.queue)
        m.submodules.check = check = JobCheck(p)
        connect(m, results.o, flipped(self.result))
        head = jobs.o
        room = Signal(range(p.queue + 1), init=p.queue)  # for results of jobs that have not begun
        m.d.comb += [
            jobs.i.valid.eq(self.push), Value.cast(jobs.i.payload).eq(Value.cast(self.queued)),
            check.queued.eq(head.payload),
        ]
        checking, good, bad, begins, refused, leaves = (
            Signal(name=n) for n in ("checking", "good", "bad", "begins", "refused", "leaves"))
        m.d.comb += [
            check.start.eq(head.valid & ~checking & ~good & ~bad),
            leaves.eq(begins | refused), head.ready.eq(leaves),
        ]
        m.d.sync += checking.eq((checking | check.start) & ~check.done)
        with m.If(check.done):
            m.d.sync += [good.eq(~check.bad), bad.eq(check.bad)]
        with m.If(leaves):
            m.d.sync += [good.eq(0), bad.eq(0)]
        self._begin(m, head.payload.job, good, room, begins)
        self._collect(m, results.i, head.payload.job, bad & (room != 0), refused)

        free, popped = Signal(range(p.queue + 1), init=p.queue, name="places"), Signal(name="popped")
        m.d.comb += [self.free.eq(free), popped.eq(self.result.valid & self.result.ready)]
        with m.If(self.push != leaves):
            m.d.sync += free.eq(Mux(leaves, free + 1, free - 1))
        with m.If(popped != leaves):
            m.d.sync += room.eq(Mux(popped, room + 1, room - 1))
        with m.If(popped != results.i.valid):
            m.d.sync += self.waiting.eq(Mux(popped, self.waiting - 1, self.waiting + 1))
        m.d.sync += self.emptied.eq(leaves & ~self.push & (free == p.queue - 1))
        return m

    def _begin(self, m: Module, job, good, room, begins):
        """Give the oldest job to its half when it may have it."""
        occupied, may_begin = Signal(2, name="occupied"), Signal(name="may_begin")
        busy = Cat(getattr(self, f"{direction}_busy") for direction in DIRECTIONS)
        mine = Mux(job.decompress, occupied[1], occupied[0])
        other = Mux(job.decompress, occupied[0], occupied[1])
        m.d.comb += [
            occupied.eq(self.running | busy),
            begins.eq(good & may_begin & self.enable),
        ]
        m.d.sync += may_begin.eq(good & ~begins & self.enable & (room != 0) & ~mine & (job.overlap | ~other))
        for k, direction in enumerate(DIRECTIONS):
            port, result = getattr(self, f"{direction}_job"), getattr(self, f"{direction}_result")
            payload = payload_register(m, port)
            with m.If(port.valid & port.ready):
                m.d.sync += port.valid.eq(0)
            with m.If(result.valid & result.ready):
                m.d.sync += self.running[k].eq(0)
            with m.If(begins & (job.decompress == k)):
                m.d.sync += [port.valid.eq(1), self.running[k].eq(1), self.width[k].eq(job.width)]
                m.d.sync += Value.cast(payload).eq(Value.cast(job))

    def _collect(self, m: Module, into, job, bad, refused):
        """Results of both halves, and of bad jobs, into the queue."""
        compress, decompress = self.compress_result, self.decompress_result
        given = Signal(into.payload.shape())
        m.d.comb += [
            compress.ready.eq(1), decompress.ready.eq(~compress.valid),
            refused.eq(bad & ~compress.valid & ~decompress.valid),
        ]
        with m.If(compress.valid):
            m.d.comb += given.eq(compress.payload)
        with m.Elif(decompress.valid):
            m.d.comb += given.eq(decompress.payload)
        with m.Else():
            m.d.comb += [given.tag.eq(job.tag), given.decompress.eq(job.decompress), given.error.eq(Error.DESCRIPTOR)]
        payload = Signal(into.payload.shape(), reset_less=True, name="arrived")
        came = Signal()
        m.d.sync += [came.eq(compress.valid | decompress.valid | refused), payload.eq(given)]
        m.d.comb += [into.valid.eq(came), into.payload.eq(payload)]
        fine = payload.error == Error.NONE
        m.d.sync += [self.done.eq(came & fine), self.failed.eq(came & ~fine)]
