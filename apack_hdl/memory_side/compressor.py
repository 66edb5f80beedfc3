"""Half of the block: from the accelerator to the memory."""

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import bits_for

from .axi.ports import axi_stream, axi_write
from .axi.writer import AxiWriter
from .blocks.block_writer import BlockWriter
from .control.table_store import TableStore, table_write_layout
from .encoders.array import EncoderArray
from .job_runner import JobRunner, connect_runner
from .layouts import Error, beat_layout, job_layout, result_layout
from .parameters import MemorySide
from .parts.spare import Spare
from .streams.stream_in import TRANSFER_FIELDS, StreamIn


def activity_layout(p: MemorySide) -> data.StructLayout:
    """What happens in a cycle, to be counted: ``values`` that pass, ``stored`` bytes of blocks that pass; whether
    something waits for the accelerator's ``stream``, for the ``memory``, for the ``engines``."""
    return data.StructLayout({
        "values": bits_for(p.beat_values), "stored": bits_for(p.data_bytes), "stream": 1, "memory": 1, "engines": 1,
    })


class Compressor(wiring.Component):
    """Carries out jobs that compress, one after another.

    A job ends with its result when the memory has confirmed all that was written. After an error nothing more is
    written, all that is under way comes to its end as the protocol demands, and the result names the block.

    Members
    -------
    job : In, stream of jobs (:func:`.layouts.job_layout`), checked.
    result : Out, stream of results.
    abort : In(1), end the job under way.
    busy : Out(1), a job is under way. ``activity`` : Out, :func:`activity_layout`.
    table_write : In, see :class:`.control.table_store.TableStore`.
    stream : AXI4-Stream, in: the values.
    axi : AXI4 write channels.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        super().__init__({
            "job": In(stream.Signature(job_layout(p))),
            "result": Out(stream.Signature(result_layout(p))),
            "abort": In(1), "busy": Out(1), "activity": Out(activity_layout(p)),
            "table_write": In(table_write_layout(p)),
            "stream": In(axi_stream(p.stream_width)),
            "axi": Out(axi_write(p.address_width, p.data_width)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.runner = runner = JobRunner(p, decompress=False)
        m.submodules.tables = tables = TableStore(p)
        m.submodules.source = source = StreamIn(p)
        m.submodules.array = array = EncoderArray(p)
        blocks, job, forget = BlockWriter(p), runner.current, runner.stop
        m.submodules.blocks = ResetInserter(forget)(blocks)
        beats = Spare(beat_layout(p))  # so that no path goes from the cells to the stream
        m.submodules.beats = ResetInserter(forget)(beats)
        m.submodules.writer = writer = AxiWriter(p)
        connect_runner(m, self, runner)
        connect(m, flipped(self.stream), source.stream)
        connect(m, source.beats, beats.i)
        connect(m, tables.rows, array.load)
        for name in ("head", "coded", "raw"):
            connect(m, getattr(array, name), getattr(blocks, name))
        connect(m, blocks.take, array.take)
        for name in ("ranges", "chunks", "entries"):
            connect(m, getattr(blocks, name), getattr(writer, name))
        connect(m, writer.axi, flipped(self.axi))
        loaded = load_table(m, tables, runner)
        m.d.comb += [
            tables.table_write.eq(self.table_write),
            # All but the writer forget a job that is stopped: the writer has to finish what it began.
            tables.clear.eq(forget), source.clear.eq(forget), array.clear.eq(forget), writer.stop.eq(forget),
            begin_transfer(job, runner.begin, source.begin), blocks.job.eq(job), blocks.begin.eq(runner.begin),
            # Values go to the encoders once they have the job's table.
            array.fill.p.eq(beats.o.p), array.fill.valid.eq(beats.o.valid & loaded),
            beats.o.ready.eq(array.fill.ready & loaded),
            runner.done.eq(blocks.done & writer.idle), runner.quiet.eq(writer.idle),
            runner.block.eq(blocks.blocks), runner.stored_bytes.eq(blocks.stored_bytes),
        ]
        with m.If(self.abort):
            m.d.comb += runner.problem.eq(Error.ABORTED)
        with m.Elif(writer.error):
            m.d.comb += runner.problem.eq(Error.WRITE)
        with m.Elif(source.short):
            m.d.comb += runner.problem.eq(Error.PACKET)
        self._watch(m, source, blocks)
        return m

    def _watch(self, m: Module, source: StreamIn, blocks: BlockWriter):
        """Count what happens, and what waits for what."""
        beats, now = source.beats, self.activity
        m.d.comb += [
            now.values.eq(Mux(beats.valid & beats.ready, beats.p.count, 0)),
            now.stored.eq(Mux(blocks.chunks.valid & blocks.chunks.ready, blocks.chunks.p.bytes, 0)),
            now.stream.eq(self.stream.tready & ~self.stream.tvalid),
            now.memory.eq(blocks.chunks.valid & ~blocks.chunks.ready),
            now.engines.eq(beats.valid & ~beats.ready),
        ]


def begin_transfer(job, begin, port) -> list:
    """Statements that tell the end of a stream at ``port`` of the ``job`` when it begins. The end is ready then."""
    return [port.valid.eq(begin), *(port.p[name].eq(job[name]) for name in TRANSFER_FIELDS)]


def load_table(m: Module, tables: TableStore, runner: JobRunner) -> Signal:
    """Load the table of each job when it runs. Returns a register: the engines have all of it."""
    loaded = Signal(name="loaded")
    m.d.comb += [tables.load.p.table.eq(runner.current.table), tables.load.valid.eq(runner.running & ~loaded)]
    with m.If(runner.begin):
        m.d.sync += loaded.eq(0)
    with m.Elif(tables.load.valid & tables.load.ready):
        m.d.sync += loaded.eq(1)
    return loaded
