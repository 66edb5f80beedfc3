"""StreamIn and StreamOut: containers and dense values, blocks, packets that end early, jobs that fail."""

import random

import pytest
from amaranth import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from drivers import Bench, simulate

from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.memory_side.streams.stream_in import StreamIn
from apack_hdl.memory_side.streams.stream_out import StreamOut
from golden.config import CodecConfig


class _AxisSide(wiring.Component):
    """A part with its AXI4-Stream as a stream of the kind that the bench drives."""

    def __init__(self, part, name, fields):
        self.part, self.name, self.fields = part, name, fields
        others = {n: m for n, m in part.signature.members.items() if n != "stream"}
        flow = In if name == "axis_in" else Out
        super().__init__(others | {name: flow(stream.Signature(data.StructLayout(fields)))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.part = part = self.part
        mine, theirs = getattr(self, self.name), part.stream
        for n, member in part.signature.members.items():
            if n == "stream":
                continue
            if member.is_signature:
                connect(m, flipped(getattr(self, n)), getattr(part, n))
            elif member.flow == In:
                m.d.comb += getattr(part, n).eq(getattr(self, n))
            else:
                m.d.comb += getattr(self, n).eq(getattr(part, n))
        payload = [(getattr(theirs, n), mine.payload[n]) for n in self.fields]
        if self.name == "axis_in":
            m.d.comb += [theirs.tvalid.eq(mine.valid), mine.ready.eq(theirs.tready), *(a.eq(b) for a, b in payload)]
        else:
            m.d.comb += [mine.valid.eq(theirs.tvalid), theirs.tready.eq(mine.ready), *(b.eq(a) for a, b in payload)]
        return m


def parameters(width=8, stream_width=32, **options):
    return MemorySide(codec=CodecConfig(width=width, block=32), stream_width=stream_width, engines=1, **options)


def words(p, codes, width, dense, rng, *, signed=False):
    """The stream's beats: tdata as numbers, and how many bytes of the last count."""
    bits = width if dense else p.value_bits
    total = 0
    for k, code in enumerate(codes):
        negative = signed and not dense and code >> (width - 1)
        above = ((1 << bits) - (1 << width)) if negative else 0
        if rng and not dense:  # what lies above the value in its container does not count
            above = rng.getrandbits(bits) >> width << width
        total |= (code | above) << (k * bits)
    used = (len(codes) * bits + 7) // 8
    size = p.stream_width // 8
    count = -(-used // size)
    return [(total >> (8 * size * k)) & ((1 << 8 * size) - 1) for k in range(count)], used - (count - 1) * size


def some_jobs(p, rng, jobs=6):
    for _ in range(jobs):
        width = rng.randint(2, p.codec.width)
        block = rng.randrange(p.beat_values, 33, p.beat_values)
        length = rng.choice([1, 2, p.beat_values, block, rng.randint(1, 70)])
        codes = [rng.getrandbits(width) for _ in range(length)]
        yield {
            "codes": codes, "length": length, "block": block, "width": width, "dense": rng.getrandbits(1),
            "signed": rng.getrandbits(1),
        }


def begin(job):
    return {name: job[name] for name in ("length", "block", "width", "dense", "signed")}


def beats(p, job, *, ids=False):
    """The beats of a job's blocks."""
    found, V, codes = [], p.beat_values, job["codes"]
    for number, start in enumerate(range(0, len(codes), job["block"])):
        block = codes[start : start + job["block"]]
        for at in range(0, len(block), V):
            part = block[at : at + V]
            beat = {"values": part + [0] * (V - len(part)), "count": len(part), "last": int(at + V >= len(block))}
            found.append(beat | ({"bad": 0, "id": number} if ids else {}))
    return found


SHAPES = [(8, 32), (4, 64), (12, 32), (16, 64), (5, 32)]


@pytest.mark.parametrize(("width", "stream_width"), SHAPES)
def test_values_in(width, stream_width):
    p = parameters(width, stream_width)
    bench = Bench(_AxisSide(StreamIn(p), "axis_in", {"tdata": p.stream_width, "tlast": 1}))
    for seed in range(3):
        rng = random.Random(f"in {width} {seed}")
        jobs, source, expected = list(some_jobs(p, rng)), [], []
        for job in jobs:
            data_words, _ = words(p, job["codes"], job["width"], job["dense"], rng)
            packet = rng.getrandbits(1)  # TLAST is optional
            source += [{"tdata": w, "tlast": int(packet and w_at == len(data_words) - 1)}
                       for w_at, w in enumerate(data_words)]
            expected += beats(p, job)
        run = bench.run(
            {"begin": [begin(job) for job in jobs], "axis_in": source}, {"beats": len(expected)},
            seed=seed, busy=1.0 if not seed else 0.6,
        )
        got = [
            dict(beat, values=[int(v) if k < beat["count"] else 0 for k, v in enumerate(beat["values"])])
            for beat in run.out["beats"]
        ]
        assert got == expected, f"seed {seed}"


def test_values_in_come_one_beat_a_cycle():
    p = parameters()
    bench = Bench(_AxisSide(StreamIn(p), "axis_in", {"tdata": 32, "tlast": 1}))
    job = {"codes": list(range(200)), "length": 200, "block": 32, "width": 8, "dense": 0, "signed": 0}
    data_words, _ = words(p, job["codes"], 8, 0, None)
    run = bench.run(
        {"begin": [begin(job)], "axis_in": [{"tdata": w, "tlast": 0} for w in data_words]}, {"beats": 50}, seed=1
    )
    assert run.times["beats"][-1] - run.times["beats"][0] == 49


def test_a_packet_that_ends_early():
    p = parameters()
    part = StreamIn(p)
    bench = Bench(_AxisSide(part, "axis_in", {"tdata": 32, "tlast": 1}))
    seen = []
    job = {"length": 32, "block": 16, "width": 8, "dense": 0, "signed": 0}
    source = [{"tdata": k, "tlast": int(k == 4)} for k in range(5)]
    ports = {"begin": [job], "axis_in": source}, {"beats": 5}
    bench.run(*ports, seed=1, probe=lambda ctx: seen.append(ctx.get(part.short)))
    assert not seen[0] and seen[-1]


@pytest.mark.parametrize("order", ["in order", "by id"])
@pytest.mark.parametrize(("width", "stream_width"), SHAPES)
def test_values_out(width, stream_width, order):
    p = parameters(width, stream_width, order=order)
    names = {"tdata": p.stream_width, "tkeep": p.stream_width // 8, "tlast": 1, "tuser": 1}
    names |= {"tid": 16} if order == "by id" else {}
    bench = Bench(_AxisSide(StreamOut(p), "axis_out", names))
    for seed in range(3):
        rng = random.Random(f"out {width} {order} {seed}")
        jobs, given, expected = list(some_jobs(p, rng)), [], []
        for job in jobs:
            blocks = [job["codes"]]
            if order == "by id":
                blocks = [job["codes"][k : k + job["block"]] for k in range(0, job["length"], job["block"])]
            for number, block in enumerate(blocks):
                data_words, used = words(p, block, job["width"], job["dense"], None, signed=job["signed"])
                for k, w in enumerate(data_words):
                    last = k == len(data_words) - 1
                    keep = (1 << (used if last else p.stream_width // 8)) - 1
                    expected.append({"tdata": w, "tkeep": keep, "tlast": int(last), "tuser": 0})
                    if order == "by id":
                        expected[-1]["tid"] = number
            given += beats(p, job, ids=True)
        run = bench.run(
            {"begin": [begin(job) for job in jobs], "beats": given}, {"axis_out": len(expected)},
            seed=seed, busy=1.0 if not seed else 0.6,
        )
        assert run.out["axis_out"] == expected, f"seed {seed}"


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("after", range(16))
def test_a_job_that_fails_ends_its_packet_once(after, eager):
    """``fail`` comes in cycle ``after``: one beat more with TUSER, or none if the packet has ended."""
    p = parameters()
    part, taken = StreamOut(p), []
    job = {"codes": list(range(32)), "length": 32, "block": 16, "width": 8, "dense": 0, "signed": 0}
    given = beats(p, job, ids=True)

    async def testbench(ctx):
        ctx.set(part.begin.payload, begin(job))
        ctx.set(part.begin.valid, 1)
        await ctx.tick()
        ctx.set(part.begin.valid, 0)
        offered = None
        for now in range(60):
            ctx.set(part.fail, int(now >= after))
            ctx.set(part.beats.valid, int(bool(given)))
            if given:
                ctx.set(part.beats.payload, given[0])
            ready = int(eager or now % 3 == 0)
            ctx.set(part.stream.tready, ready)
            out = part.stream
            _, _, beat_taken, valid, *beat = await ctx.tick().sample(
                part.beats.ready, out.tvalid, out.tdata, out.tkeep, out.tlast, out.tuser
            )
            assert offered in (None, beat), f"cycle {now}: what was offered has changed or gone"
            offered = beat if valid and not ready else None
            if valid and ready:
                taken.append(beat)
            if given and beat_taken:
                given.pop(0)
        assert ctx.get(part.idle)

    simulate(part, testbench)
    whole = [beat for beat in taken if beat[1]]
    assert [beat[0] for beat in whole] == [w for w in words(p, job["codes"], 8, 0, None)[0]][: len(whole)]
    assert [beat[2] for beat in taken] == [0] * (len(taken) - 1) + [1]
    assert taken[-1][3] == (len(whole) < 8), "TUSER tells a packet that is not whole"
    assert len(taken) == min(8, len(whole) + 1)
