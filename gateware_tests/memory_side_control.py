"""Control with both halves of the block replaced by models, and a model of the software that drives it."""

import random

from amaranth import Module
from amaranth.sim import Simulator
from axi_lite_manager import OKAY, AxiLiteManager
from drivers import PERIOD

from apack_hdl.memory_side.control.control import Control
from apack_hdl.memory_side.control.registers import COUNTERS, DIRECTIONS, REGISTERS
from apack_hdl.memory_side.control.table_store import TableStore
from apack_hdl.memory_side.layouts import Error

WATCHDOG = 12000  # cycles of a run
OFFSET = {register.name: register.offset for register in REGISTERS}
FIELD = {r.name: {f.name: f for f in r.fields} for r in REGISTERS}


class WithTables:
    """Control and the table stores of both halves, to simulate."""

    def __init__(self, p):
        self.control, self.stores = Control(p), [TableStore(p), TableStore(p)]
        self.module = m = Module()
        m.submodules.control = self.control
        m.submodules.first, m.submodules.second = self.stores
        for store in self.stores:
            m.d.comb += [store.table_write.eq(self.control.table_write), store.clear.eq(self.control.soft_reset)]


class Half:
    """What stands for a half of the block: takes jobs, is busy, moves values, ends; or aborts."""

    def __init__(self, control, direction, rng, clock, *, error=0.3, longest=60, stuck=False, moves=False, lazy=0.6):
        self.control, self.direction, self.rng, self.error, self.stuck = control, direction, rng, error, stuck
        self.lazy = lazy  # the chance of one cycle more before it takes a job, and before it is idle again
        self.clock, self.moves = clock, moves  # values, too, not only jobs
        self.longest, self.jobs, self.results, self.began, self.ended = longest, [], [], [], []
        self.counted = dict.fromkeys((name for name in COUNTERS if name.startswith(direction)), 0)
        self.bits = 0

    def port(self, name):
        return getattr(self.control, f"{self.direction}_{name}")

    async def run(self, ctx):
        rng = self.rng
        while True:
            job_port, result_port = self.port("job"), self.port("result")
            ctx.set(job_port.ready, 0)
            while rng.random() < self.lazy:
                await ctx.tick()
            ctx.set(job_port.ready, 1)
            valid, job = False, None
            while not valid:
                valid, job = (await ctx.tick().sample(job_port.valid, job_port.payload))[2:]
            ctx.set(job_port.ready, 0)
            job = {name: int(job[name]) for name in job.shape().members}
            self.jobs.append(job)
            self.began.append(self.clock.now)
            ctx.set(self.port("busy"), 1)
            error = rng.choice(list(Error)[1:]) if rng.random() < self.error else Error.NONE
            if await self._work(ctx, job):
                error = Error.ABORTED
            result = {"tag": job["tag"], "decompress": job["decompress"], "error": error,
                      "block": rng.getrandbits(32), "stored_bytes": rng.getrandbits(40)}
            ctx.set(result_port.payload, result)
            ctx.set(result_port.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(result_port.ready)
            ctx.set(result_port.valid, 0)
            self.results.append(result)
            while rng.random() < self.lazy:
                await ctx.tick()
            ctx.set(self.port("busy"), 0)
            self.ended.append(self.clock.now)

    async def _work(self, ctx, job):
        """Some cycles of it; whether the job was aborted."""
        left, abort = self.rng.randrange(self.longest), self.port("abort")
        if not self.moves:
            time = 3600 if self.stuck else (left + 0.25) * PERIOD
            await ctx.delay(time).changed(abort)
        while self.moves and left and not ctx.get(abort):
            left -= 1
            await self._move(ctx, job)
        return ctx.get(abort)

    async def _move(self, ctx, job):
        """A cycle's worth of values."""
        p = self.control.p
        values, stored, stalls = (self.rng.randint(0, most) for most in (p.beat_values, p.data_bytes, 7))
        for name, value in (("values", values), ("stored", stored), ("stalls", stalls)):
            ctx.set(self.port(name), value)
        self.count(values, values * job["width"], stored, stalls)
        await ctx.tick()
        for name in ("values", "stored", "stalls"):
            ctx.set(self.port(name), 0)

    def count(self, values, bits, stored, stalls):
        self.bits += bits
        new = {"values": values, "stored_bytes": stored, "stall_stream": stalls & 1, "stall_memory": stalls >> 1 & 1,
               "stall_engines": stalls >> 2}
        for name, amount in new.items():
            self.counted[f"{self.direction}_{name}"] += amount
        self.counted[f"{self.direction}_raw_bytes"] = self.bits // 8


class Software:
    """A driver: registers by name, fields by name."""

    def __init__(self, control, seed, busy):
        self.bus, self.control = AxiLiteManager(control.axil, seed, busy), control
        self.refused, self.ctx, self.known = 0, None, {}

    async def write(self, name, **fields):
        word = 0
        for field, value in fields.items():
            word |= value << FIELD[name][field].low
        assert await self.bus.write(self.ctx, OFFSET[name], word) == OKAY

    async def read(self, name):
        word, response = await self.bus.read(self.ctx, OFFSET[name])
        assert response == OKAY
        return {field.name: (word & field.mask) >> field.low for field in FIELD[name].values()}

    async def counter(self, name):
        low = (await self.read(f"{name.upper()}_LO"))["value"]
        return low | (await self.read(f"{name.upper()}_HI"))["value"] << 32

    async def push(self, job):
        words = {
            "JOB_FLAGS": {n: job[n] for n in ("decompress", "slots", "dense", "signed", "overlap")},
            "JOB_FORMAT": {n: job[n] for n in ("width", "table", "tag")}, "JOB_BLOCK": {"value": job["block"]},
            "JOB_SLOT_BYTES": {"value": job["slot_bytes"]}, "JOB_LENGTH": {"value": job["length"]},
        }
        for name, field in (("JOB_DATA", "data_address"), ("JOB_DIRECTORY", "directory_address")):
            words |= {f"{name}_LO": {"value": job[field] & 0xFFFFFFFF}, f"{name}_HI": {"value": job[field] >> 32}}
        for name, fields in words.items():
            if self.known.get(name) != fields:  # the registers keep what was written
                self.known[name] = fields
                await self.write(name, **fields)
        await self.write("JOB_PUSH", push=1)
        status = await self.read("STATUS")
        self.refused += status["push_refused"]
        return not status["push_refused"]

    async def pop(self):
        """The oldest result, or None."""
        status = await self.read("RESULT_STATUS")
        if not status.pop("valid"):
            return None
        status["block"] = (await self.read("RESULT_BLOCK"))["value"]
        high = (await self.read("RESULT_STORED_HI"))["value"]
        status["stored_bytes"] = (await self.read("RESULT_STORED_LO"))["value"] | high << 32
        status["error"] = Error(status["error"])
        await self.write("RESULT_POP", pop=1)
        return status


def good_job(rng, p, tag=0):
    """Any job that can be done."""
    width = rng.randint(2, p.codec.width)
    block = p.beat_values * rng.randint(1, p.codec.block // p.beat_values)
    length = rng.choice([rng.randint(1, 1 << 32) - 1 or 1, rng.randint(1, 40)])
    if length < p.codec.block and rng.random() < 0.5:
        block = rng.randint(length, p.codec.block)
    raw = (block * width + 7) // 8
    return {
        "decompress": rng.randrange(2), "slots": rng.randrange(2), "dense": rng.randrange(2),
        "signed": rng.randrange(2), "overlap": rng.randrange(2), "width": width, "table": rng.randrange(p.tables),
        "tag": tag, "block": block, "length": length, "slot_bytes": rng.choice([raw, raw + 1, (1 << 24) - 1]),
        "data_address": rng.getrandbits(p.address_width), "directory_address": rng.getrandbits(p.address_width - 3) * 8,
    }


def bad_jobs(rng, p):
    """Jobs with one field out of range each, just or far beyond."""
    jobs = [{"width": width} for width in (0, 1, p.codec.width + 1, 32 + p.codec.width, 255)]
    jobs += [{"table": table} for table in (p.tables, 255)]
    jobs += [{"length": 0}] + [{"block": b} for b in (0, p.codec.block + p.beat_values, (1 << 20) - p.beat_values)]
    jobs += [{"block": part, "length": part + 1} for part in (1, p.beat_values // 2, p.codec.block - 1)]
    jobs += [{"slots": 1, "slot_bytes": 0}, {"slots": 1, "slot_bytes": -1}]
    jobs += [{"directory_address": 8 * rng.getrandbits(20) | low} for low in (1, 2, 4, 7)]
    if p.address_width < 64:
        jobs += [{"data_address": 1 << p.address_width}, {"directory_address": 1 << 63}]
    bad = []
    for change in jobs:
        job = good_job(rng, p) | change
        if job["slot_bytes"] == -1:  # a byte less than a raw block
            job["slot_bytes"] = (job["block"] * job["width"] + 7) // 8 - 1
        bad.append(job)
    return bad


def bad_job(rng, p, tag=0):
    """Any of them."""
    return rng.choice(bad_jobs(rng, p)) | {"tag": tag}


def is_good(p, job):
    """The rules of FORMAT.md, 10.3, and of the register map, in plain words."""
    raw = -(-job["block"] * job["width"] // 8)
    return (
        2 <= job["width"] <= p.codec.width and job["table"] < p.tables and job["length"] >= 1
        and 1 <= job["block"] <= p.codec.block and (job["block"] % p.beat_values == 0 or job["length"] <= job["block"])
        and (not job["slots"] or job["slot_bytes"] >= raw) and job["directory_address"] % 8 == 0
        and max(job["data_address"], job["directory_address"]) < 1 << p.address_width
    )


class ControlBench:
    """Control in pysim, elaborated once for any number of runs."""

    def __init__(self, p):
        self.p, self.dut, self.started, self.levels = p, WithTables(p), False, []
        self.sim = Simulator(self.dut.module)
        self.sim.add_clock(PERIOD)
        self.sim.add_testbench(self._software)
        self.sim.add_testbench(self._first, background=True)
        self.sim.add_testbench(self._second, background=True)
        self.sim.add_testbench(self._watch, background=True)

    def run(self, seed, body, *, busy=1.0, **options):
        """``body(software, halves)`` from the state after reset; ``options`` are those of Half. Returns the halves."""
        control = self.dut.control
        self.halves = [Half(control, d, random.Random(f"{seed} {d}"), self, **options) for d in DIRECTIONS]
        self.software, self.body = Software(control, seed, busy), body
        self.now, self.levels, self.rows = 0, [], []
        self.pushed, self.offered = [], []  # the cycles in which jobs were
        if self.started:
            self.sim.reset()
        self.started = True
        self.sim.run()
        return self.halves

    async def _software(self, ctx):
        self.software.ctx = ctx
        await self.body(self.software, self.halves)

    async def _first(self, ctx):
        await self.halves[0].run(ctx)

    async def _second(self, ctx):
        await self.halves[1].run(ctx)

    async def _watch(self, ctx):
        """A soft reset must find all jobs ended; ``levels``, the cycles that it lasted; ``rows`` of tables written. No
        event is missed."""
        control, came = self.dut.control, 0
        async for _, _, level, row, push, done, event, busy, jobs in ctx.tick().sample(
            control.soft_reset, control.table_write, control.queue.push, control.queue.done,
            control.registers.shown.irq_status_job_done,
            control.compress_busy | control.decompress_busy,
            control.compress_job.valid | control.decompress_job.valid,
        ):
            self.now += 1
            assert self.now < WATCHDOG, f"watchdog: {WATCHDOG} cycles"
            self.levels.append(level)
            assert event or not came, "an event was missed"
            came = done and not level
            if push:
                self.pushed.append(self.now)
            if jobs and (not self.offered or self.offered[-1] < self.now - 1):
                self.offered.append(self.now)
            if row.valid:
                self.rows.append(tuple(row[name] for name in ("table", "row", "v_min", "count")))
            assert not (level and (busy or jobs)), "soft reset while a job is under way"


BENCHES = {}


def bench(p):
    """The bench for a block of these parameters, made once."""
    if repr(p) not in BENCHES:
        BENCHES[repr(p)] = ControlBench(p)
    return BENCHES[repr(p)]
