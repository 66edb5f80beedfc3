"""The bench notices components that break the stream law."""

import pytest
from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from drivers import Bench, PathFinder

PAYLOAD = data.StructLayout({"data": 8})
ITEMS = [{"data": n} for n in range(1, 9)]


class Register(wiring.Component):
    """A stream register, good, or with one fault."""

    i: In(stream.Signature(PAYLOAD))
    o: Out(stream.Signature(PAYLOAD))

    def __init__(self, fault=""):
        self.fault = fault
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        full, value = Signal(), Signal(8)
        m.d.comb += [self.i.ready.eq(~full | self.o.ready), self.o.valid.eq(full), self.o.p.data.eq(value)]
        with m.If(self.o.ready):
            m.d.sync += full.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [full.eq(1), value.eq(self.i.p.data)]
        if self.fault == "changes":
            with m.If(full & ~self.o.ready):
                m.d.sync += value.eq(value + 1)
        elif self.fault == "withdraws":
            with m.If(full & ~self.o.ready):
                m.d.sync += full.eq(0)
        elif self.fault == "repeats":
            with m.If((value == len(ITEMS)) & self.o.ready):
                m.d.sync += full.eq(1)
        elif self.fault == "stops":
            m.d.comb += self.i.ready.eq((~full | self.o.ready) & (value != 5))
        elif self.fault == "waits":
            m.d.comb += self.o.valid.eq(full & self.o.ready)
        return m


def run(fault, **options):
    return Bench(Register(fault)).run({"i": ITEMS}, {"o": len(ITEMS)}, seed=0, watchdog=300, **options)


def test_good():
    bench = Bench(Register())
    for _ in range(2):
        result = bench.run({"i": ITEMS}, {"o": len(ITEMS)}, seed=0)
        assert result.out["o"] == ITEMS
        assert result.times == {"i": list(range(8)), "o": list(range(1, 9))} and result.cycles == 9
    result = bench.run({"i": ITEMS}, {"o": len(ITEMS)}, seed=0, busy={"o": lambda cycle: cycle > 50})
    assert result.out["o"] == ITEMS and result.offers["o"][0] == 1 and result.times["o"][0] == 51


@pytest.mark.parametrize("fault,message", [
    ("changes", "o changed an offered payload"),
    ("withdraws", "o withdrew an offer"),
    ("repeats", "o has something left over"),
    ("stops", r"watchdog \(seed 0\).*'o': 5"),
])
def test_fault(fault, message):
    with pytest.raises(AssertionError, match=message):
        run(fault, busy={"o": 0.5})


def test_waiting_for_ready_shows():
    """Whoever offers only when asked does so late: tests compare `offers`, and the path is seen."""
    assert run("waits", busy={"o": lambda cycle: cycle > 50}).offers["o"][0] == 51
    for fault, path in (("", {("o.ready", "i.ready")}), ("waits", {("o.ready", "i.ready"), ("o.ready", "o.valid")})):
        bench = Bench(Register(fault))
        finder = PathFinder(bench.dut, 0)
        bench.run({"i": ITEMS}, {"o": len(ITEMS)}, seed=0, busy=0.5, probe=finder)
        assert finder.paths == path


def test_reset():
    """What was under way is gone, and the second run starts as if nothing had been."""
    bench = Bench(Register())
    first = [{"data": 200 + n} for n in range(5)]
    never = {"o": lambda cycle: False}
    result = bench.run({"i": ITEMS}, {"o": len(ITEMS)}, seed=0, interrupted=({"i": first}, never, 5))
    assert result.out["o"] == ITEMS and result.times["i"] == list(range(8))
