"""Encoder and decoder back to back: the words of one are the words of the other, with a block's worth of buffer."""

import random

import pytest
from amaranth import Module
from amaranth.lib import fifo, wiring
from drivers import Bench
from models import random_block, random_config, random_table, transfers

from apack_hdl.decoder import Decoder
from apack_hdl.encoder import Encoder
from apack_hdl.layouts import WORD_BITS
from apack_hdl.table import load_rows


class Loop(wiring.Component):
    """``values`` coded into two FIFOs and decoded from there.

    The FIFOs hold a whole block: either side handles its two streams at different paces, so that with less both
    could wait for each other for ever.
    """

    def __init__(self, config, word):
        self.encoder, self.decoder = Encoder(config, word=word), Decoder(config, word=word)
        bits = config.block * max(config.prob_bits, config.width)
        self.depth = bits // word + 2
        ports = self.decoder.signature.members
        super().__init__({
            "encoder_load": ports["load"],
            "decoder_load": ports["load"],
            "values": ports["values"].flip(),
            "blocks": ports["blocks"],
            "decoded": ports["values"],
            "report": ports["report"],
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.encoder, m.submodules.decoder = encoder, decoder = self.encoder, self.decoder
        for port, inner in (
            (self.encoder_load, encoder.load),
            (self.decoder_load, decoder.load),
            (self.values, encoder.values),
            (self.blocks, decoder.blocks),
        ):
            wiring.connect(m, wiring.flipped(port), inner)
        wiring.connect(m, decoder.values, wiring.flipped(self.decoded))
        wiring.connect(m, decoder.report, wiring.flipped(self.report))
        for name in ("symbols", "offsets"):
            source, sink = getattr(encoder, name), getattr(decoder, name)
            buffer = fifo.SyncFIFOBuffered(width=len(source.payload.as_value()), depth=self.depth)
            m.submodules[f"{name}_buffer"] = buffer
            m.d.comb += [
                buffer.w_data.eq(source.payload),
                buffer.w_en.eq(source.valid),
                source.ready.eq(buffer.w_rdy),
                sink.payload.eq(buffer.r_data),
                sink.valid.eq(buffer.r_rdy),
                buffer.r_en.eq(sink.ready),
            ]
        return m


@pytest.mark.parametrize("seed", range(12))
def test_loop(seed):
    rng = random.Random(seed)
    config = random_config(rng)
    table = random_table(rng, config)
    blocks = [random_block(rng, table, rng.choice([1, config.block, rng.randint(1, config.block)])) for _ in range(8)]
    loaded = 4 * config.rows + 20  # cycles after which both tables are in
    share = rng.choice([1.0, 0.5])
    busy = {name: share for name in ("decoded", "report")}
    busy |= {name: lambda now: now > loaded for name in ("values", "blocks")}
    run = Bench(Loop(config, rng.choice(WORD_BITS))).run(
        {
            "encoder_load": load_rows(table),
            "decoder_load": load_rows(table),
            "values": transfers(blocks),
            "blocks": [{"count_m1": len(block) - 1} for block in blocks],
        },
        {"decoded": sum(map(len, blocks)), "report": len(blocks)},
        seed=seed,
        busy=busy,
    )
    assert run.out["decoded"] == transfers(blocks), table
    assert not any(any(report.values()) for report in run.out["report"]), table
