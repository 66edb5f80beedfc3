"""The side that software sees: registers, tables, queue of jobs, results, counters, interrupt."""

from amaranth import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import bits_for

from ..axi.lite import AxiLite
from ..axi.ports import axi_lite
from ..layouts import job_layout, result_layout
from ..parameters import MemorySide
from .counters import Counters
from .job_check import queued_layout
from .job_queue import JobQueue
from .register_file import RegisterFile
from .registers import ADDRESS_BITS, COUNTER_OFFSET, DIRECTIONS, REGISTER_FILE, identity
from .table_store import table_write_layout

RESET_CYCLES = 8  # of a soft reset; as many again pass before a job may begin


class Control(wiring.Component):
    """AXI4-Lite registers (driver/registers.md), the queue of jobs, results, counters and the interrupt.

    An access takes 6 cycles from its last part to its answer, that to a counter's low half 9 to 20. Both halves are
    given jobs one at a time. What each does is counted as it says.

    Soft reset: both halves are told to abort; when they have, and are idle, ``soft_reset`` is high for 8 cycles. AXI
    ports are not disturbed. It waits as long as a half is busy.

    Members
    -------
    axil : AXI4-Lite, 12 bits of address. irq : Out(1), an enabled event is set; a level.
    compress_job, decompress_job : streams of :func:`..layouts.job_layout`, out.
    compress_result, decompress_result : streams of :func:`..layouts.result_layout`, in, one for each job.
    compress_abort, decompress_abort : Out(1), end the job under way (which may still be on offer): high until its
        result has come.
    compress_busy, decompress_busy : In(1), the half is not idle. It may be low in the cycle after it took a job.
    compress_values, decompress_values : In, values that pass in this cycle. compress_stored, decompress_stored : In,
        bytes of stored blocks. compress_stalls, decompress_stalls : In(3), does it wait for stream, memory, engines.
    table_write : Out, :func:`.table_store.table_write_layout`, for the tables of both halves.
    soft_reset : Out(1).

    All outputs are registered but ``decompress_result.ready``, see :class:`.job_queue.JobQueue`.
    """

    def __init__(self, p: MemorySide):
        self.p = p
        ports = {}
        for direction in DIRECTIONS:
            ports |= {
                f"{direction}_job": Out(stream.Signature(job_layout(p))),
                f"{direction}_result": In(stream.Signature(result_layout(p))),
                f"{direction}_abort": Out(1), f"{direction}_busy": In(1), f"{direction}_stalls": In(3),
                f"{direction}_values": In(bits_for(p.beat_values)), f"{direction}_stored": In(bits_for(p.data_bytes)),
            }
        super().__init__({"axil": In(axi_lite(ADDRESS_BITS)), "irq": Out(1)} | ports | {
            "table_write": Out(table_write_layout(p)), "soft_reset": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.axi_lite = bus = AxiLite(ADDRESS_BITS)
        m.submodules.registers = self.registers = RegisterFile(REGISTER_FILE, ADDRESS_BITS)
        m.submodules.counters = self.counters = Counters(p, ADDRESS_BITS)
        self.queue = JobQueue(p)
        m.submodules.queue = ResetInserter(self.soft_reset)(self.queue)
        connect(m, flipped(self.axil), bus.axil)
        self._share_bus(m, bus)
        self.shown, self.kept, self.pulses = self.registers.shown, self.registers.kept, self.registers.pulses
        m.d.comb += [self.shown[name].eq(value) for name, value in identity(p).items()]
        m.d.comb += self.registers.clear.eq(self.soft_reset)
        self._connect_halves(m)
        resetting = self._soft_reset(m)
        self._jobs(m, resetting)
        self._results(m)
        self._tables(m)
        return m

    def _share_bus(self, m: Module, bus: AxiLite):
        """Counters have a page of the map to themselves. One access at a time, so answers need no choice."""
        page = COUNTER_OFFSET.bit_length() - 1 - 2
        counting = Signal()
        m.d.comb += counting.eq(bus.access.payload.address[page:] == 1)
        for target, chosen in ((self.registers, ~counting), (self.counters, counting)):
            m.d.comb += [
                target.access.payload.eq(bus.access.payload),
                target.access.valid.eq(bus.access.valid & chosen),
                target.answer.ready.eq(bus.answer.ready),
            ]
        counted, shown = self.counters.answer, self.registers.answer
        m.d.comb += [
            bus.access.ready.eq(self.registers.access.ready | self.counters.access.ready),
            bus.answer.valid.eq(shown.valid | counted.valid),
            bus.answer.payload.eq(Mux(counted.valid, counted.payload, shown.payload)),
        ]

    def _connect_halves(self, m: Module):
        queue, counters = self.queue, self.counters
        for k, direction in enumerate(DIRECTIONS):
            for name in ("job", "result"):
                inner, outer = getattr(queue, f"{direction}_{name}"), flipped(getattr(self, f"{direction}_{name}"))
                connect(m, *((inner, outer) if name == "job" else (outer, inner)))
            busy, passing = getattr(self, f"{direction}_busy"), counters.passing[k]
            m.d.comb += [getattr(queue, f"{direction}_busy").eq(busy), passing.width.eq(queue.width[k])]
            m.d.comb += self.shown[f"status_busy_{direction}"].eq(queue.running[k] | busy)
            for name in ("values", "stored", "stalls"):
                m.d.comb += passing[name].eq(getattr(self, f"{direction}_{name}"))
        m.d.comb += counters.clear.eq(
            self.pulses.counters_clear_clear | self.soft_reset.replicate(len(counters.clear)))

    def _soft_reset(self, m: Module) -> Signal:
        """Whether jobs are to be ended, forgotten, or not yet to be begun because of a soft reset; aborts, too."""
        resetting, idle = Signal(name="resetting"), Signal(name="idle")
        cycles = Signal(range(2 * RESET_CYCLES))
        active = Cat(getattr(self, f"{direction}_busy") for direction in DIRECTIONS) | self.queue.running
        m.d.sync += idle.eq(~active.any() & resetting)
        with m.If(self.pulses.control_soft_reset):
            m.d.sync += resetting.eq(1)
        with m.If((idle & resetting) | (cycles != 0)):
            m.d.sync += cycles.eq(cycles + 1)
            with m.If(cycles == 2 * RESET_CYCLES - 1):
                m.d.sync += resetting.eq(0)
        m.d.sync += self.soft_reset.eq((cycles != 0) & (cycles <= RESET_CYCLES))
        m.d.comb += self.shown.control_soft_reset.eq(resetting)
        for k, direction in enumerate(DIRECTIONS):
            abort = getattr(self, f"{direction}_abort")
            asked = self.pulses[f"control_abort_{direction}"] | resetting
            m.d.sync += abort.eq((abort | asked) & self.queue.running[k])
            m.d.comb += self.shown[f"control_abort_{direction}"].eq(abort)
        return resetting

    def _jobs(self, m: Module, resetting: Signal):
        """What software has put together becomes a job in the queue."""
        kept, queue = self.kept, self.queue
        queued = Signal(queued_layout(self.p), reset_less=True)
        wide = {
            "data_address": Cat(kept.job_data_lo_value, kept.job_data_hi_value),
            "directory_address": Cat(kept.job_directory_lo_value, kept.job_directory_hi_value),
            "length": kept.job_length_value, "block": kept.job_block_value, "slot_bytes": kept.job_slot_bytes_value,
            **{name: kept[f"job_format_{name}"] for name in ("width", "table", "tag")},
            **{name: kept[f"job_flags_{name}"] for name in ("decompress", "slots", "dense", "signed", "overlap")},
        }
        # A field may have more bits in the map than this block has; none is cut off in silence.
        beyond = [value[len(queued.job[name]) :] for name, value in wide.items() if len(value) > len(queued.job[name])]
        m.d.sync += [queued.job[name].eq(value) for name, value in wide.items()]
        m.d.sync += queued.too_large.eq(Cat(*beyond).any())

        # A cycle after the pulse `queued` is what was written.
        push, refused = Signal(name="push"), Signal(name="push_refused")
        m.d.sync += push.eq(self.pulses.job_push_push)
        m.d.comb += [
            queue.queued.eq(queued), queue.push.eq(push & (queue.free != 0) & ~resetting),
            queue.enable.eq(kept.control_enable & ~resetting),
            self.shown.status_queue_free.eq(queue.free), self.shown.status_push_refused.eq(refused),
        ]
        with m.If(push):
            m.d.sync += refused.eq(~queue.push)
        with m.Elif(self.soft_reset):
            m.d.sync += refused.eq(0)

    def _results(self, m: Module):
        """The oldest result, and events."""
        queue, shown = self.queue, self.shown
        result = Signal(queue.result.payload.shape())
        with m.If(queue.result.valid):  # a memory that was never written holds nothing that software should see
            m.d.comb += result.eq(queue.result.payload)
        m.d.comb += [
            shown.result_status_valid.eq(queue.result.valid), shown.result_status_decompress.eq(result.decompress),
            shown.result_status_error.eq(result.error), shown.result_status_tag.eq(result.tag),
            shown.result_block_value.eq(result.block),
            Cat(shown.result_stored_lo_value, shown.result_stored_hi_value).eq(result.stored_bytes),
            shown.status_results.eq(queue.waiting), queue.result.ready.eq(self.pulses.result_pop_pop),
        ]
        events = {"job_done": queue.done, "job_failed": queue.failed, "queue_empty": queue.emptied}
        enabled = []
        for name, event in events.items():
            register = Signal(name=f"irq_{name}")
            cleared = self.pulses[f"irq_status_{name}"] | self.soft_reset
            m.d.sync += register.eq(event & ~self.soft_reset | register & ~cleared)
            m.d.comb += shown[f"irq_status_{name}"].eq(register)
            enabled.append(register & self.kept[f"irq_enable_{name}"])
        m.d.sync += self.irq.eq(Cat(*enabled).any())

    def _tables(self, m: Module):
        """Rows that software writes, one after another."""
        p, kept, update = self.p, self.kept, self.registers.update
        write, refused = self.table_write, Signal(name="row_refused")
        row, table = kept.table_select_row, kept.table_select_table
        written = self.registers.written.table_row
        last, bad = Signal(name="last_row"), Signal(name="bad_row")
        m.d.comb += [
            last.eq(row == p.codec.rows - 1),
            bad.eq((row >= p.codec.rows) | (table >= p.tables) | (kept.table_row_v_min > p.codec.values - 1)
                   | (kept.table_row_count > p.codec.total)),
            update.table_select_row.enable.eq(written & ~bad), update.table_select_row.value.eq(Mux(last, 0, row + 1)),
            update.table_select_table.enable.eq(written & ~bad & last), update.table_select_table.value.eq(table + 1),
            self.shown.status_row_refused.eq(refused),
        ]
        m.d.sync += [
            write.valid.eq(written & ~bad), write.row.eq(row), write.table.eq(table),
            write.v_min.eq(kept.table_row_v_min), write.count.eq(kept.table_row_count),
        ]
        with m.If(written):
            m.d.sync += refused.eq(bad)
        with m.Elif(self.soft_reset):
            m.d.sync += refused.eq(0)
