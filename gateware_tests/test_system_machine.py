"""Machines and memories of the system model: their files against the gateware, the codec, and other people's models."""

import random
import warnings
from dataclasses import asdict, replace

import pytest
from drivers import Bench
from models import random_block, random_table
from test_decoder import Work, encoded
from test_encoder_streams import LATENCY

from apack_hdl.decoder import Decoder
from apack_hdl.encoder import Encoder
from apack_hdl.presets import PRESETS
from golden.container import compress
from golden.footprint import Settings, model_footprint
from golden.sample import PATH as SAMPLE
from golden.system import MACHINES, MEMORIES, load_machine, load_memory
from golden.system.crosscheck import compare_cycles
from golden.system.dram import device_energy
from golden.system.dram import figures as energydram_figures
from golden.system.layers import Layer, Operand
from golden.system.machine import Array
from golden.system.schemes import schemes
from golden.tensors import open_model


def test_what_a_block_takes_is_what_files_of_short_blocks_take():
    """The sizes for other block lengths, which the model estimates, against the files' exact sizes."""
    machine, settings = load_machine("tensorcore"), Settings()
    ratio = schemes(model_footprint(SAMPLE, settings)["tensors"], settings.config.block, machine)["apack"].ratio
    estimate = exact = 0
    with open_model(SAMPLE) as pack:
        for record in [r for r in pack.records if r.kind == "weight" and r.meta["n_total"] > 20_000]:
            array, length = pack.load(record), 256
            exact += len(compress(array, config=Settings().config, block=length))
            operand = type("Operand", (), {"tensor": f"weights {record.key}", "kind": "weights"})
            estimate += array.size * ratio(operand) + -(-array.size // length) * machine.codec.block_bytes
    assert estimate == pytest.approx(exact, rel=0.01)


def first_value(ready: int) -> int:
    """Cycles from words and orders, which come in the cycle ``ready``, to the first value where it is longest."""
    preset, rng = PRESETS["balanced"], random.Random(1)
    table = random_table(rng, replace(preset.codec, block=8), style="random")
    decoder = Decoder(table.config, **preset.options("decoder"))
    work = Work(decoder, [(table, [encoded(table, [random_block(rng, table, 8)])] * decoder.streams)], 0)
    bench, expected = Bench(decoder), work.expected()
    gates = work.busy(bench, 1.0)
    for name, may in list(gates.items()):
        if name.startswith(("blocks", "symbols", "offsets")):
            gates[name] = lambda now, may=may: now >= ready and (may(now) if callable(may) else True)
    run = bench.run(work.inputs(), {name: len(out) for name, out in expected.items()}, seed=0, busy=gates)
    assert run.out == expected
    return max(run.times[work.port["values", j]][0] for j in range(decoder.streams)) - ready


def test_machine_files_say_what_the_gateware_does():
    """Streams, turns a block, and latency, of the engines' presets."""
    balanced = PRESETS["balanced"]
    streams, latency = balanced.decoder.get("streams", 1), first_value(100)
    for name in MACHINES:
        codec = load_machine(name).codec
        assert codec.decoders.block_cycles == Decoder.BLOCK_CYCLES
        assert codec.encoders.block_cycles == Encoder.BLOCK_CYCLES
        assert codec.decoders.streams == streams and codec.encoders.streams == balanced.encoder.get("streams", 1)
        assert codec.decoders.latency_cycles == latency == 4 * streams - 1
        assert codec.encoders.latency_cycles == LATENCY[balanced.encoder.get("streams", 1)][0]


# Others' models


@pytest.mark.parametrize("dataflow", ["weights", "outputs"])
def test_cycles_are_scale_sim_s(dataflow):
    pytest.importorskip("scalesim")
    layers = [Layer(str(i), "fully connected", g, m, n, k, input=Operand(None, m * k, 8, "activations"),
                    weights=Operand(None, n * k, 8, "weights"), output=Operand(None, m * n, 8, "activations"))
              for i, (g, m, n, k) in enumerate([(1, 49, 160, 96), (1, 1, 100, 64), (16, 30, 1, 9), (1, 200, 33, 31)])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        rows = compare_cycles(layers, dataflow)
    assert len(rows) == 4 and all(ours == theirs for _, ours, theirs in rows)


@pytest.mark.parametrize("name", [name for name in MEMORIES if load_memory(name).device])
def test_memories_are_energydram_s(name):
    """The figures in memories.toml are what the library makes of the devices' currents, to the last digit."""
    pytest.importorskip("energydram")
    memory = load_memory(name)
    assert energydram_figures(memory.device) == {key: getattr(memory, key)
                                                 for key in ("read_pj", "write_pj", "background_mw")}
    # What others state of whole systems, controller and all: more, and not several times as much.
    total = memory.read_pj + memory.background_mw / memory.read_gbs / 8
    published = {"ddr4-3200": 21.5, "ddr4-2400": 20.3, "lpddr4": 11.6}[name]
    assert published / 2 < total < published


def test_estimates_follow_from_what_they_are_estimates_of():
    lpddr4, lpddr5, hbm2, hbm3 = map(load_memory, ("lpddr4", "lpddr5", "hbm2", "hbm3"))
    for key in ("read_pj", "write_pj"):
        assert getattr(lpddr5, key) == round(0.8 * getattr(lpddr4, key), 1)
        assert getattr(hbm3, key) == round(getattr(hbm2, key) * (1.1 / 1.2) ** 2, 2)
    assert lpddr5.background_mw == round(0.8 * 2 * lpddr4.background_mw)  # twice the channels
    pytest.importorskip("energydram")
    wires, pcm = device_energy(load_memory("ddr4-3200").device), load_memory("pcm")
    assert pcm.read_pj == round(2.47 + 0.93 + wires["read_wires_pj"], 1)
    assert pcm.write_pj == round(16.82 + 1.02 + wires["write_wires_pj"], 1)


def test_energydram_s_own_example():
    """DDR3 of its tests: 67.5 mW with open rows, 202.5 mW to read without pause, 5.2 mW of refresh."""
    energydram = pytest.importorskip("energydram")
    currents = energydram.IDDs(idd0=95, idd2p=35, idd2n=42, idd3p=40, idd3n=45, idd4r=180, idd4w=185, idd5=215)
    timing = energydram.Timing(RRD=6, RAS=35, RP=12.5, RFC=160, REFI=7800)
    dram = energydram.EnergyDDR(1.25, timing, 1.5, currents, 1)
    assert dram.background_energy(cycles_bankact_ckehi=1) / 1.25 == pytest.approx(67.5, abs=0.1)
    assert dram.readwrite_energy(1, 0) / 4 / 1.25 == pytest.approx(202.5, abs=0.1)


def test_sources_are_given_for_every_constant():
    for name in MACHINES:
        assert set(load_machine(name).sources) == {"array", "buffers", "codec", "energy"}
    assert all(load_memory(name).source for name in MEMORIES)
    assert Array(**asdict(load_machine("tpu").array)).macs_per_cycle == 65536
