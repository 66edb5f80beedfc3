"""Control: jobs from their registers to their results, in order; counters, interrupt, abort, soft reset, tables."""

import random

import pytest
from amaranth import Shape
from axi_lite_manager import OKAY
from drivers import Bench, simulate
from memory_side_control import OFFSET, ControlBench, bad_job, bad_jobs, bench, good_job, is_good

from apack_hdl.memory_side.control.job_check import JobCheck
from apack_hdl.memory_side.control.job_queue import JobQueue
from apack_hdl.memory_side.control.registers import COUNTERS, DIRECTIONS
from apack_hdl.memory_side.control.table_store import TableStore
from apack_hdl.memory_side.layouts import Error, job_layout
from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.memory_side.parts import ram
from golden.config import CodecConfig

SMALL = MemorySide(CodecConfig(6, 5, 6, 5, 32), engines=2, queue=4, tables=3, stream_width=32, data_width=32,
                   address_width=36, decoder={"streams": 2})


@pytest.mark.parametrize("seed", range(2))
def test_every_job_has_its_result(seed):
    """Jobs, good and bad, in mixed directions, pushed and popped at random; the queue full at times."""
    rng = random.Random(seed)
    p, total = SMALL, 18
    pushed, popped = [], []

    async def body(software, halves):
        await software.write("CONTROL", enable=1)
        while len(popped) < total:
            eager = rng.random() < 0.7
            if len(pushed) < total and eager:
                job = (bad_job if rng.random() < 0.3 else good_job)(rng, p, len(pushed))
                if await software.push(job):
                    pushed.append(job)
            elif result := await software.pop():
                popped.append(result)
        status = await software.read("STATUS")
        assert status == {"busy_compress": 0, "busy_decompress": 0, "push_refused": status["push_refused"],
                          "row_refused": 0, "queue_free": p.queue, "results": 0}
        assert software.refused

    halves = bench(p).run(seed, body, busy=[1.0, 0.7][seed % 2], longest=[900, 100][seed % 2])
    assert sorted(r["tag"] for r in popped) == list(range(total))
    refused = {r["tag"] for r in popped if r["error"] == Error.DESCRIPTOR and not r["block"] | r["stored_bytes"]}
    for direction, half in enumerate(halves):
        mine = [job for job in pushed if job["decompress"] == direction]
        # What began is what was pushed, in order, field by field, but those that were refused.
        assert half.jobs == [job for job in mine if job["tag"] not in refused]
        given = {r["tag"]: r for r in half.results}
        for r in popped:
            if r["tag"] in given:
                assert r == given[r["tag"]]
    bad = {job["tag"] for job in pushed if not is_good(p, job)}
    assert refused == bad and bad


@pytest.mark.parametrize("width", (2, 9, 16))
def test_limits_of_jobs(width):
    """Fields at their limits and just beyond, for other parameters."""
    p = MemorySide(CodecConfig(width, block=40), queue=8, tables=4, engines=3, address_width=[64, 32, 40][width % 3])
    rng = random.Random(width)
    jobs = [good_job(rng, p) for _ in range(3)] + bad_jobs(rng, p)
    V, longest = p.beat_values, p.codec.block
    for change in ({"width": 2}, {"width": width}, {"table": p.tables - 1}, {"block": longest // V * V},
                   {"block": longest, "length": longest}, {"block": V}, {"length": 1}, {"directory_address": 0}):
        job = good_job(rng, p) | change
        jobs.append(job | {"slots": 1, "slot_bytes": (job["block"] * job["width"] + 7) // 8})
    for tag, job in enumerate(jobs):
        job["tag"] = tag
    assert sum(is_good(p, job) for job in jobs) == 11

    layout = job_layout(p).members
    fits = [job for job in jobs if all(job[name] >> Shape.cast(shape).width == 0 for name, shape in layout.items())]
    dut = JobCheck(p)

    async def testbench(ctx):
        for job in fits:
            for too_large in (0, 1):
                ctx.set(dut.queued, {"job": job, "too_large": too_large})
                ctx.set(dut.start, 1)
                await ctx.tick()
                ctx.set(dut.start, 0)
                for _ in range(6):
                    _, _, done = await ctx.tick().sample(dut.done)
                    assert not done
                _, _, done, bad = await ctx.tick().sample(dut.done, dut.bad)
                assert done and bad == (too_large or not is_good(p, job)), job

    simulate(dut, testbench)
    assert len(fits) > 20


@pytest.mark.parametrize("seed", range(2))
def test_order_and_overlap(seed):
    """A direction does one job at a time; without `overlap` nothing else is under way."""
    rng, p = random.Random(seed), SMALL
    jobs = [good_job(rng, p, tag) | {"overlap": int(rng.random() < 0.75)} for tag in range(14)]

    async def body(software, halves):
        await software.write("CONTROL", enable=1)
        waiting, popped = list(jobs), 0
        while popped < len(jobs):
            if waiting and await software.push(waiting[0]):
                waiting.pop(0)
            popped += await software.pop() is not None

    halves = bench(p).run(seed, body, longest=300, lazy=[0.6, 0.96][seed])
    spans = {}
    for half in halves:
        for job, began, ended in zip(half.jobs, half.began, [*half.ended, 1 << 60], strict=False):
            spans[job["tag"]] = (began, ended, job)
    assert len(spans) == len(jobs)
    overlapping = 0
    for tag, (began, _, job) in spans.items():
        for other, (other_began, other_ended, _) in spans.items():
            if other < tag and began < other_ended:  # a later job began before this one had ended
                overlapping += 1
                assert job["overlap"] and other_began <= began, (tag, other)
                assert job["decompress"] != spans[other][2]["decompress"]
    assert overlapping > 1


def test_results_wait_for_room():
    """No job begins without room for its result: the queue of results never holds a half up."""
    p, rng = SMALL, random.Random(7)
    jobs = [good_job(rng, p, tag) for tag in range(2 * p.queue)]

    async def body(software, halves):
        await software.write("CONTROL", enable=1)
        waiting = list(jobs)
        while waiting:
            if await software.push(waiting[0]):
                waiting.pop(0)
        await software.ctx.tick().repeat(400)
        status = await software.read("STATUS")
        assert (status["queue_free"], status["results"]) == (0, p.queue)
        assert sum(len(half.jobs) for half in halves) == p.queue
        assert not await software.push(jobs[0])
        await software.pop()
        await software.ctx.tick().repeat(200)
        assert sum(len(half.jobs) for half in halves) == p.queue + 1

    bench(p).run(7, body, longest=10)


@pytest.mark.parametrize("width", (3, 6))
def test_counters_are_exact(width):
    """All counters against the sums of what the halves did; clearing one leaves the others."""
    p, rng = SMALL, random.Random(width)

    async def body(software, halves):
        await software.write("CONTROL", enable=1)
        for tag in range(6):
            await software.push(good_job(rng, p, tag) | {"width": rng.choice([width, 5]), "decompress": tag % 2})
            while not await software.pop():
                pass
        expected = halves[0].counted | halves[1].counted
        assert {name: await software.counter(name) for name in COUNTERS} == expected
        assert all(expected.values())
        for k, name in enumerate(COUNTERS):
            await software.write("COUNTERS_CLEAR", clear=1 << k)
            assert await software.counter(name) == 0
            if k + 1 < len(COUNTERS):
                assert await software.counter(COUNTERS[k + 1]) == expected[COUNTERS[k + 1]]

    bench(p).run(width, body, longest=200, error=0, moves=True)


def test_counters_carry_into_their_high_half(monkeypatch):
    p, memories, make = SMALL, [], ram.memory.Memory.__init__

    def made(memory, *args, **how):
        memories.append(memory)
        make(memory, *args, **how)

    monkeypatch.setattr(ram.memory.Memory, "__init__", made)

    async def body(software, halves):
        ctx, store = software.ctx, "compress_values"
        await software.write("CONTROL", enable=1)
        await software.counter(store)
        (rows,) = (memory for memory in memories if memory.shape == 64)
        row, start = rows.data[COUNTERS.index(store)], (1 << 33) - 5
        while ctx.get(row) != start:  # again if it came between the counter's read and write
            ctx.set(row, start)
            await ctx.tick().repeat(15)
        for _ in range(3):
            ctx.set(software.control.compress_values, 2)
            await ctx.tick()
        ctx.set(software.control.compress_values, 0)
        await ctx.tick().repeat(40)
        assert await software.counter(store) == (1 << 33) + 1

    ControlBench(p).run(1, body)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_abort(direction):
    """The job under way ends, the next one begins; without a job nothing happens."""
    p, rng, k = SMALL, random.Random(3), DIRECTIONS.index(direction)

    async def body(software, halves):
        await software.write("CONTROL", enable=1, **{f"abort_{direction}": 1})
        await software.ctx.tick().repeat(10)
        assert not (await software.read("CONTROL"))[f"abort_{direction}"]
        await software.write("CONTROL", enable=0)
        for tag in range(3):
            await software.push(good_job(rng, p, tag) | {"decompress": k})
        await software.write("CONTROL", enable=1)
        for tag in range(3):
            await software.ctx.tick().repeat(60)
            assert (await software.read("STATUS"))[f"busy_{direction}"]
            assert await software.pop() is None and len(halves[k].jobs) == tag + 1
            assert (await software.read("IRQ_STATUS"))["queue_empty"] == (tag == 2)  # it waits for the last to begin
            await software.write("CONTROL", enable=1, **{f"abort_{direction}": 1})
            while not (result := await software.pop()):
                pass
            assert (result["tag"], result["error"]) == (tag, Error.ABORTED)
            assert not (await software.read("CONTROL"))[f"abort_{direction}"]
        assert not halves[1 - k].jobs

    bench(p).run(3, body, stuck=True)


@pytest.mark.parametrize("seed", range(3))
def test_soft_reset(seed):
    """At any moment: jobs under way are ended first; then all is as after reset, and works."""
    p, rng = SMALL, random.Random(seed)

    async def body(software, halves):
        await software.write("IRQ_ENABLE", job_done=1, job_failed=1, queue_empty=1)
        await software.write("CONTROL", enable=1)
        for tag in range(p.queue):
            await software.push(good_job(rng, p, tag) | {"overlap": 1})
        software.ctx.set(software.control.compress_values, 1)
        await software.ctx.tick().repeat(rng.randint(1, 100))
        assert await software.counter("compress_values")
        software.ctx.set(software.control.compress_values, 0)
        await software.write("CONTROL", soft_reset=1, enable=1)
        while (await software.read("CONTROL"))["soft_reset"]:
            pass
        began = [len(half.jobs) for half in halves]
        for name in ("CONTROL", "IRQ_STATUS", "IRQ_ENABLE", "JOB_LENGTH", "JOB_FORMAT", "RESULT_STATUS"):
            got = await software.read(name)
            got = {field: value for field, value in got.items() if field not in ("tag", "error", "decompress")}
            assert not any(got.values()), name
        status = await software.read("STATUS")
        assert status == dict.fromkeys(status, 0) | {"queue_free": p.queue}
        assert [await software.counter(name) for name in COUNTERS] == [0] * len(COUNTERS)
        assert [len(half.jobs) for half in halves] == began
        for half in halves:
            half.stuck = False
        await software.write("CONTROL", enable=1)
        await software.push(good_job(rng, p, 99))
        while not (result := await software.pop()):
            pass
        assert result["tag"] == 99

    bench(p).run(seed, body, stuck=True, busy=0.8)
    assert sum(bench(p).levels) == 8


def test_soft_reset_when_a_job_is_about_to_begin():
    """In every cycle around it: either it begins and is ended, or it does not begin."""
    p, rng, began = SMALL, random.Random(4), []

    async def body(software, halves):
        job = good_job(rng, p)
        for gap in range(8):
            await software.write("CONTROL", enable=1)
            software.known = {}
            assert await software.push(job | {"length": 0})  # refused: it fills the registers, no more
            while not await software.pop():
                pass
            await software.write("JOB_LENGTH", value=job["length"])
            before = len(halves[0].jobs + halves[1].jobs)
            await software.write("JOB_PUSH", push=1)
            if gap:
                await software.ctx.tick().repeat(gap)
            await software.write("CONTROL", soft_reset=1)
            while (await software.read("CONTROL"))["soft_reset"]:
                pass
            await software.ctx.tick().repeat(20)
            began.append(len(halves[0].jobs + halves[1].jobs) - before)
            assert not (await software.read("STATUS"))[f"busy_{DIRECTIONS[job['decompress']]}"]

    bench(p).run(4, body, stuck=True)
    assert began[0] == 0 and began[-1] == 1 and sorted(began) == began


def test_interrupt():
    """Events are set, kept, cleared by ones, and interrupt when enabled."""
    p, rng = SMALL, random.Random(5)

    async def body(software, halves):
        ctx, irq = software.ctx, software.control.irq
        await software.write("CONTROL", enable=1)
        for tag, (error, event) in enumerate([(0, "job_done"), (1, "job_failed")]):
            for half in halves:
                half.error = error
            while True:
                await software.push(good_job(rng, p, tag))
                while not (result := await software.pop()):
                    pass
                if (result["error"] != Error.NONE) == bool(error):
                    break
                await software.write("IRQ_STATUS", job_done=1, job_failed=1)
            status = await software.read("IRQ_STATUS")
            assert status == {"job_done": 1 - error, "job_failed": error, "queue_empty": 1}
            for enabled in ("job_done", "job_failed", "queue_empty"):
                await software.write("IRQ_ENABLE", **{enabled: 1})
                await ctx.tick()
                assert ctx.get(irq) == status[enabled]
            await software.write("IRQ_ENABLE", **{event: 1})
            await software.write("IRQ_STATUS", queue_empty=1)
            assert await software.read("IRQ_STATUS") == status | {"queue_empty": 0} and ctx.get(irq)
            await software.write("IRQ_STATUS", **{event: 1})
            await ctx.tick()
            assert not ctx.get(irq) and not any((await software.read("IRQ_STATUS")).values())

    bench(p).run(5, body, longest=5)


def test_events_are_not_missed_while_they_are_cleared():
    """A result in any cycle around that in which software clears the event before it: the bench watches."""
    p, rng = SMALL, random.Random(9)

    async def body(software, halves):
        await software.write("CONTROL", enable=1)
        await software.push(good_job(rng, p))
        for gap in range(1, 20):
            while not await software.pop():
                pass
            await software.write("JOB_PUSH", push=1)
            await software.ctx.tick().repeat(gap)
            await software.write("IRQ_STATUS", job_done=1)

    bench(p).run(9, body, longest=1, lazy=0, error=0)


def test_results_that_come_together():
    """Of both halves and of a job refused, in the same cycle: none is lost, those of a half stay in order."""
    p, dut = SMALL, JobQueue(SMALL)
    results = {d: [{"tag": tag, "decompress": k, "error": Error.READ, "block": 0, "stored_bytes": 0}
                   for tag in range(20)] for k, d in enumerate(DIRECTIONS)}
    queue = Bench(dut, {"enable": 1})
    for share in (1.0, 0.7):
        left = [p.queue]

        def push(ctx, left=left):
            """Jobs of which every field is 0, so they are bad."""
            ctx.set(dut.push, left[0] > 0)
            left[0] -= left[0] > 0

        inputs = {f"{d}_result": list(results[d]) for d in DIRECTIONS}
        outputs = {f"{d}_job": 0 for d in DIRECTIONS} | {"result": 40 + p.queue}
        out = queue.run(inputs, outputs, seed=share, busy=dict.fromkeys(inputs, share), probe=push).out
        for k, direction in enumerate(DIRECTIONS):
            mine = [r for r in out["result"] if r["error"] == Error.READ and r["decompress"] == k]
            assert [r["tag"] for r in mine] == [r["tag"] for r in results[direction]]
        assert sum(r["error"] == Error.DESCRIPTOR for r in out["result"]) == p.queue


def test_jobs_wait_for_enable():
    p, rng = SMALL, random.Random(6)

    async def body(software, halves):
        for tag in range(2):
            await software.push(good_job(rng, p, tag))
        await software.ctx.tick().repeat(100)
        assert not halves[0].jobs + halves[1].jobs
        await software.write("CONTROL", enable=1)
        assert [(await wait(software))["tag"] for _ in range(2)] == [0, 1]

    async def wait(software):
        while not (result := await software.pop()):
            pass
        return result

    bench(p).run(6, body, longest=5)


async def load(ctx, store, table, rng, share):
    """The rows that a store gives for a table, and in how many cycles; the stream's law is checked."""
    rows, pending = [], None
    ctx.set(store.load.payload.table, table)
    ctx.set(store.load.valid, 1)
    for cycle in range(800):
        ready = int(rng.random() < share)
        ctx.set(store.rows.ready, ready)
        _, _, valid, payload, taken = await ctx.tick().sample(store.rows.valid, store.rows.payload, store.load.ready)
        row = (int(payload.v_min), int(payload.count))
        assert pending is None or valid and row == pending
        pending = row if valid and not ready else None
        if valid and ready:
            rows.append(row)
        if taken:
            ctx.set(store.load.valid, 0)
            return rows, cycle
    raise AssertionError(f"only {len(rows)} rows came")


@pytest.mark.parametrize("seed", range(2))
def test_tables(seed):
    """Rows go where TABLE_SELECT says, onwards by themselves; others are refused; both stores give them back."""
    p, rng = [SMALL, MemorySide(CodecConfig(16, 16, 15, 8, 32), tables=1, queue=4)][seed], random.Random(seed)
    N, W, P = p.codec.rows, p.codec.width, p.codec.prob_bits
    held = {}

    async def body(software, halves):
        ctx = software.ctx
        for table in range(p.tables):
            for row in range(N):
                held[table, row] = rng.getrandbits(W), rng.randint(0, 1 << P)
        held[0, 1] = (1 << W) - 1, 1 << P
        await software.write("TABLE_SELECT", row=0, table=0)
        for v_min, count in held.values():
            await software.write("TABLE_ROW", v_min=v_min, count=count)
        assert await software.read("TABLE_SELECT") == {"row": 0, "table": p.tables}
        refused = [(0, p.tables, 0, 0), (N, 0, 0, 0), (255, 0, 1, 1)]
        refused += [(0, 0, 1 << W, 0)] if W < 16 else []
        refused += [(0, 0, 0, (1 << P) + 1)]
        for row, table, v_min, count in refused:
            await software.write("TABLE_SELECT", row=row, table=table)
            await software.write("TABLE_ROW", v_min=v_min, count=count)
            assert (await software.read("STATUS"))["row_refused"] == 1
            assert await software.read("TABLE_SELECT") == {"row": row, "table": table}
        # A row by itself, its bytes one after another.
        held[p.tables - 1, 2] = 3, 1 << (P - 1)
        await software.write("TABLE_SELECT", row=2, table=p.tables - 1)
        word = 3 | 1 << (P - 1 + 16)
        for byte in (0, 1, 2, 3):
            assert await software.bus.write(ctx, OFFSET["TABLE_ROW"], word, 1 << byte) == OKAY
        assert (await software.read("STATUS"))["row_refused"] == 0
        assert (await software.read("TABLE_SELECT"))["row"] == 3
        for share in (1.0, 0.3):
            for table in rng.sample(range(p.tables), p.tables):
                for store in bench(p).dut.stores:
                    rows, cycles = await load(ctx, store, table, rng, share)
                    assert rows == [held[table, row] for row in range(N)]
                    assert share < 1 or cycles == 2 * N + 2

    bench(p).run(seed, body, busy=0.8)


def test_latencies():
    """As documented: of registers 6 cycles, of a counter's low half 9 to 20, of a job 12 until it is offered."""
    p, rng, seen = SMALL, random.Random(8), {}

    async def body(software, halves):
        ctx, axil = software.ctx, software.control.axil
        ctx.set(axil.rready, 1)
        for name in ("ID", "COMPRESS_VALUES_LO", "DECOMPRESS_STALL_ENGINES_LO", "COMPRESS_VALUES_HI"):
            for gap in range(12):
                ctx.set(axil.araddr, OFFSET[name])
                ctx.set(axil.arvalid, 1)
                await ctx.tick().until(axil.arready)
                asked = bench(p).now
                ctx.set(axil.arvalid, 0)
                await ctx.tick().until(axil.rvalid)
                seen.setdefault(name, set()).add(bench(p).now - asked)
                await ctx.tick().repeat(gap + 1)
        ctx.set(axil.rready, 0)
        await software.write("CONTROL", enable=1)
        await software.push(good_job(rng, p))
        await software.ctx.tick().repeat(20)
        seen["job"] = {bench(p).offered[0] - bench(p).pushed[0]}

    bench(p).run(8, body)
    assert seen.pop("job") == {12}
    assert seen.pop("ID") == seen.pop("COMPRESS_VALUES_HI") == {6}
    assert {min(s) for s in seen.values()} == {9} and {max(s) for s in seen.values()} == {20}


def test_tables_are_not_read_in_a_cycle_in_which_they_are_written():
    """What a memory gives then is undefined; loading waits."""
    dut = TableStore(SMALL)

    async def testbench(ctx):
        ctx.set(dut.table_write, {"valid": 1, "table": 0, "row": 0, "v_min": 3, "count": 5})
        ctx.set(dut.load.valid, 1)
        ctx.set(dut.rows.ready, 1)
        for _ in range(20):
            _, _, valid = await ctx.tick().sample(dut.rows.valid)
            assert not valid
        ctx.set(dut.table_write.valid, 0)
        (row,) = await ctx.tick().sample(dut.rows.payload).until(dut.rows.valid)
        assert (row.v_min, row.count) == (3, 5)

    simulate(dut, testbench)
