"""The array of decoders: every block once, whole, in order or with its number, whatever stalls."""

import random
from bisect import bisect_left

import pytest
from decoder_jobs import ClearBench, Job, Tensor, random_busy, small_side
from drivers import Bench, PathFinder, simulate

from apack_hdl.memory_side.decoders.array import DecoderArray
from apack_hdl.memory_side.parameters import MemorySide
from apack_hdl.memory_side.parts import dealing
from golden.config import CodecConfig


def check(bench, tensor, blocks, seed, busy=1.0, **options):
    """One run; what comes out is compared."""
    p = bench.dut.p
    job = Job(p, tensor, blocks, seed)
    run = job.run(bench, busy, **options)
    given, expected = job.given(run.out["values"]), job.expected()
    if p.order == "by id":
        given, expected = sorted(given), sorted(expected)
    assert given == expected, seed
    return run


@pytest.mark.parametrize("order", ["in order", "by id"])
@pytest.mark.parametrize("engines", [1, 2, 3])
def test_random(engines, order, monkeypatch):
    """Random tables, widths, lengths, damage, stalls; more levels of the trees than so few cells need."""
    monkeypatch.setattr(dealing, "RADIX", 2)
    rng = random.Random(f"{engines} {order}")
    p = small_side(rng, streams=rng.choice([1, 2]) if engines < 9 else 1, engines=engines, order=order)
    bench = Bench(DecoderArray(p))
    for k in range(2):
        tensor = Tensor(rng, p.codec, rng.choice([None, rng.randint(2, p.codec.width)]))
        blocks = tensor.blocks(2 * engines) + tensor.damaged(engines + 1)
        rng.shuffle(blocks)
        check(bench, tensor, blocks, f"{engines} {k}", random_busy(rng))


def regular(engines, order, n=48, **more):
    """An array of quick cells whose beats have as many values as there are engines, or a few more."""
    codec = CodecConfig(4, 4, 4, 3, n)
    decoder = {"streams": 1, "search": "division"}
    return MemorySide(codec, engines=engines, order=order, data_width=64, decoder=decoder, **more)


@pytest.mark.parametrize("engines,order", [(1, "in order"), (2, "by id"), (4, "in order"), (4, "by id"),
                                           (8, "in order")])
def test_rate(engines, order):
    """In steady state every engine gives n values in n + 2 cycles, also where that leaves no beat of the output."""
    rng, n = random.Random(engines), 16
    p = regular(engines, order, n)
    assert engines == 1 or p.beat_values in (engines, 4)
    tensor = Tensor(rng, p.codec)
    run = check(Bench(DecoderArray(p)), tensor, [tensor.block(n) for _ in range(6 * engines)], 0)
    ends = [cycle for cycle, beat in zip(run.times["values"], run.out["values"], strict=True) if beat["last"]]
    assert ends[5 * engines] - ends[3 * engines] <= 2 * (n + 2) + 1


def test_order_of_blocks():
    """In order, a block that takes long holds up all others; by id, only those behind it in its cell."""
    rng = random.Random(0)
    for order, before in (("in order", 0), ("by id", 7)):
        p = regular(3, order, 120)
        tensor = Tensor(rng, p.codec)
        blocks = [tensor.block(120), *(tensor.block(16) for _ in range(8))]
        run = check(Bench(DecoderArray(p)), tensor, blocks, 0)
        ends = [k for k, beat in enumerate(run.out["values"]) if beat["last"]]
        sizes = [b - a for a, b in zip([-1, *ends], ends, strict=False)]
        assert sizes.index(30) == before, order


def test_busy_and_clear(monkeypatch):
    """Busy from the first reservation to the last beat; and whatever was in there before `clear`, nothing is left."""
    monkeypatch.setattr(dealing, "RADIX", 2)
    rng = random.Random(0)
    for order, engines in (("in order", 3), ("by id", 3)):
        p = regular(engines, order, 16, stream_width=32)
        bench = ClearBench(DecoderArray(p))
        for seed in range(4):
            old, new, seen = Tensor(rng, p.codec, 3), Tensor(rng, p.codec), []
            before, moment = Job(p, old, old.damaged(9), f"{seed} before"), rng.randrange(9, 40)
            cut = before.inputs(), {"fill": [1, 0.3][seed % 2], "values": 0.5}, moment
            run = check(bench, new, new.blocks(2 * engines), seed, random_busy(rng), interrupted=cut,
                probe=probe(bench.dut.busy, seen))
            ends = [cycle for cycle, beat in zip(run.times["values"], run.out["values"], strict=True) if beat["last"]]
            inside = [bisect_left(run.times["reserve"], k) - bisect_left(ends, k) for k in range(len(seen) - moment)]
            assert seen[moment:] == [int(blocks > 0) for blocks in inside]


@pytest.mark.parametrize("engines", [1, 3])
def test_cycle_of_clear(engines):
    """In the cycle after `clear` nothing is taken; then everything that can be."""
    dut = DecoderArray(regular(engines, "in order"))

    async def testbench(ctx):
        async def ready(clear):
            ctx.set(dut.clear, clear)
            await ctx.tick()
            return [ctx.get(port.ready) for port in (dut.load, dut.reserve, dut.fill)]

        ctx.set(dut.reserve.valid, 1)
        await ctx.tick()
        ctx.set(dut.reserve.valid, 0)
        await ctx.tick().repeat(4)
        assert ctx.get(dut.busy) and ctx.get(dut.reserve.ready)
        assert await ready(1) == [0, 0, 0] and not ctx.get(dut.busy)
        assert await ready(0) == [1, 1, 1] and not ctx.get(dut.busy)

    simulate(dut, testbench)


def probe(signal, seen):
    """Note what ``signal`` is in every cycle."""
    return lambda ctx: seen.append(ctx.get(signal))


def test_latency():
    """That of a cell, and a cycle more on the way in and on the way out if there are several."""
    worst = {}
    for engines in (1, 3):
        p = regular(engines, "in order", 16, stream_width=64)
        bench, tensor = Bench(DecoderArray(p)), Tensor(random.Random(0), p.codec)
        for late in (20, 21):  # whoever's turn it is among the readers
            busy = {"fill": lambda now, late=late: now > late}
            run = check(bench, tensor, [tensor.block(16)], 0, busy)
            worst[engines] = max(worst.get(engines, 0), run.offers["values"][0] - run.times["fill"][-1])
    assert worst[1] <= (p.beat_values + 5) + 6 and worst[3] == worst[1] + 2, worst


def test_combinational_paths():
    """There are none to any output."""
    rng = random.Random(0)
    p = regular(2, "in order", 16)
    tensor, bench = Tensor(rng, p.codec), Bench(DecoderArray(p))
    finder = PathFinder(bench.dut, 0)
    check(bench, tensor, tensor.blocks(6), 0, 0.7, probe=finder)
    assert not finder.paths, finder.paths
