"""Half of the block: from the memory to the accelerator."""

from amaranth import Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .axi.ports import axi_read, axi_stream
from .axi.reader import AxiReader
from .blocks.block_reader import BlockReader, tag_layout
from .blocks.crc import Crc32
from .compressor import activity_layout, begin_transfer, load_table
from .control.table_store import TableStore, table_write_layout
from .decoders.array import DecoderArray
from .job_runner import JobRunner, connect_runner
from .layouts import ID_BITS, Error, chunk_layout, job_layout, result_layout
from .parameters import MemorySide
from .parts.fifo import Fifo
from .parts.flow import fork
from .streams.stream_out import StreamOut

AHEAD = 8  # blocks asked for whose checksums have not been seen


class Decompressor(wiring.Component):
    """Carries out jobs that decompress, one after another.

    A job ends with its result when the accelerator has taken its last value, and all checksums were right. After an
    error nothing more is read, all that is under way comes to its end as the protocol demands, the packet ends with
    TUSER, and the result names the block.

    Members
    -------
    job : In, stream of jobs (:func:`.layouts.job_layout`), checked.
    result : Out, stream of results.
    abort : In(1), end the job under way.
    busy : Out(1), a job is under way. ``activity`` : Out, :func:`.compressor.activity_layout`.
    table_write : In, see :class:`.control.table_store.TableStore`.
    stream : AXI4-Stream, out: the values, see :class:`.streams.stream_out.StreamOut`.
    axi : AXI4 read channels.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        by_id = {"id_width": ID_BITS} if p.order == "by id" else {}
        super().__init__({
            "job": In(stream.Signature(job_layout(p))),
            "result": Out(stream.Signature(result_layout(p))),
            "abort": In(1), "busy": Out(1), "activity": Out(activity_layout(p)),
            "table_write": In(table_write_layout(p)),
            "stream": Out(axi_stream(p.stream_width, user_width=1, **by_id)),
            "axi": Out(axi_read(p.address_width, p.data_width)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.runner = runner = JobRunner(p, decompress=True)
        m.submodules.tables = tables = TableStore(p)
        blocks, expected, job, forget = BlockReader(p), Fifo(32, AHEAD), runner.current, runner.stop
        m.submodules.blocks = ResetInserter(forget)(blocks)
        m.submodules.expected = ResetInserter(forget)(expected)
        m.submodules.reader = reader = AxiReader(p, tag_layout(p).size)
        m.submodules.crc = crc = Crc32(p)
        m.submodules.array = array = DecoderArray(p)
        m.submodules.sink = sink = StreamOut(p)
        connect_runner(m, self, runner)
        connect(m, blocks.ranges, reader.ranges)
        connect(m, reader.axi, flipped(self.axi))
        connect(m, blocks.reserve, array.reserve)
        connect(m, blocks.expected, expected.i)
        connect(m, tables.rows, array.load)
        connect(m, array.values, sink.beats)
        connect(m, sink.stream, flipped(self.stream))
        loaded = load_table(m, tables, runner)
        mask = Signal(p.codec.width, reset_less=True)  # a register, for it goes to all cells
        m.d.sync += mask.eq((Const(1, p.codec.width + 1) << job.width) - 1)
        m.d.comb += [
            tables.table_write.eq(self.table_write),
            # All but the ports forget a job that is stopped: they have to finish what they began.
            tables.clear.eq(forget), array.clear.eq(forget), crc.clear.eq(forget),
            reader.stop.eq(forget), reader.keep.eq(runner.running), sink.fail.eq(forget),
            begin_transfer(job, runner.begin, sink.begin), blocks.job.eq(job), blocks.begin.eq(runner.begin),
            blocks.hold.eq(~loaded), array.raw_mask.eq(mask),
            runner.done.eq(blocks.done & ~expected.o.valid & sink.idle), runner.quiet.eq(reader.idle & sink.idle),
            runner.stored_bytes.eq(blocks.stored_bytes),
        ]
        read_error = self._distribute(m, forget, blocks, crc, reader, array)
        checked, wrong = self._check(m, crc, expected, runner.begin)
        delivered, bad = self._deliver(m, array, runner.begin)
        # What is wrong with the blocks before is found first, and what is right is delivered.
        corrupt = blocks.corrupt & ~expected.o.valid & ~array.busy
        faults = [
            (self.abort, Error.ABORTED, checked),
            (read_error, Error.READ, checked),
            (wrong, Error.CHECKSUM, checked),
            (bad, Error.STREAM, delivered),
            (corrupt, Error.DIRECTORY, blocks.blocks),
        ]
        for seen, problem, block in reversed(faults):
            with m.If(seen):
                m.d.comb += [runner.problem.eq(problem), runner.block.eq(block)]
        self._watch(m, runner, blocks, reader, array)
        return m

    def _distribute(self, m: Module, forget, blocks, crc, reader, array) -> Signal:
        """What has been read goes to the directory's reader, or to a decoder and the checksum. Returns that a read
        failed."""
        chunk = reader.chunks.p
        tag = Signal(tag_layout(self.p))
        mine = Signal()
        ready = Signal()
        read_error = Signal()
        m.d.comb += [
            tag.eq(chunk.tag),
            mine.eq(reader.chunks.valid & tag.block),
            blocks.directory.valid.eq(reader.chunks.valid & ~tag.block),
            array.fill.p.raw.eq(tag.raw), array.fill.p.count_m1.eq(tag.count_m1),
            crc.chunks.p.end.eq(chunk.last & tag.offsets),
            ready.eq(fork(m, "chunks", mine, array.fill, crc.chunks, clear=forget)),
            reader.chunks.ready.eq(Mux(tag.block, ready, blocks.directory.ready)),
            read_error.eq(reader.chunks.valid & chunk.error),
        ]
        for sink in (blocks.directory, array.fill, crc.chunks):
            m.d.comb += [sink.p[name].eq(chunk[name]) for name in chunk_layout(self.p).members]
        return read_error

    def _check(self, m: Module, crc: Crc32, expected: Fifo, begin) -> tuple[Signal, Signal]:
        """Compare checksums. Returns how many blocks were right, and that one is wrong."""
        checked = Signal(32)
        wrong = Signal()
        both = Signal()
        m.d.comb += [
            both.eq(crc.crc.valid & expected.o.valid),
            crc.crc.ready.eq(both), expected.o.ready.eq(both),
            wrong.eq(both & (crc.crc.payload != expected.o.payload)),
        ]
        with m.If(both & ~wrong):
            m.d.sync += checked.eq(checked + 1)
        with m.If(begin):
            m.d.sync += checked.eq(0)
        return checked, wrong

    def _deliver(self, m: Module, array: DecoderArray, begin) -> tuple[Signal, Signal]:
        """Returns how many blocks have been given to the accelerator (by id: the number of this one), and that this
        one's streams were too short or too long."""
        delivered = Signal(32)
        bad = Signal()
        end = Signal()
        beat = array.values.p
        m.d.comb += [
            end.eq(array.values.valid & array.values.ready & beat.last),
            bad.eq(end & beat.bad),
        ]
        with m.If(end & ~bad):
            m.d.sync += delivered.eq(delivered + 1)
        with m.If(begin):
            m.d.sync += delivered.eq(0)
        return (delivered, bad) if self.p.order == "in order" else (beat.id, bad)

    def _watch(self, m: Module, runner, blocks, reader, array):
        """Count what happens, and what waits for what."""
        now, values, chunks = self.activity, array.values, reader.chunks
        mine = chunks.valid & tag_layout(self.p)(chunks.p.tag).block
        m.d.comb += [
            now.values.eq(Mux(values.valid & values.ready, values.p.count, 0)),
            now.stored.eq(Mux(mine & chunks.ready, chunks.p.bytes, 0)),
            now.stream.eq(values.valid & ~values.ready),
            now.memory.eq(runner.running & ~values.valid & ~reader.idle & ~chunks.valid),
            now.engines.eq(blocks.starved & ~values.valid),
        ]
