"""`apack explore`: figures that are consistent and exact, lists and errors, a sweep from end to end."""

import csv
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from apack_hdl import cli
from apack_hdl.cli import explore_loss, explore_rate
from apack_hdl.cli.explore_points import choose, default_sweep, preset_of, preset_point
from apack_hdl.cli.explore_report import COLUMNS
from apack_hdl.emit import emit
from apack_hdl.encoder import Encoder
from apack_hdl.presets import PRESETS
from golden.codec import code_type
from golden.config import CodecConfig
from golden.lockstep import encode_blocks
from golden.search import histogram, search_table

# Compression


@pytest.mark.parametrize("config", [
    CodecConfig(block=100),
    CodecConfig(width=4, rows=5, prob_bits=6, mult_bits=3, block=33),
    CodecConfig(width=10, rows=16, prob_bits=15, mult_bits=16, block=50),  # in double precision
])
def test_bits_of_the_coder_are_exact(config, tmp_path):
    rng = np.random.default_rng(1)
    spread, dtype = config.values / 20, code_type(config.width)
    tensors = {f"t{n}": (np.abs(rng.laplace(0, spread, n)).astype(int) % config.values).astype(dtype)
               for n in (1, 99, 100, 101, 3000)}
    work, want = [], 0
    for codes in tensors.values():
        table = search_table(config, histogram(codes, config.width), table_bits=False).table
        starts = np.arange(0, len(codes), config.block)
        coded = encode_blocks(table, codes, starts, np.minimum(config.block, len(codes) - starts))
        want += int(coded.symbol_bytes.sum() + coded.offset_bytes.sum())
        work.append((table, codes))
    assert explore_loss.stream_bytes(config, work) == want
    assert explore_loss.stream_bytes(config, []) == 0
    meta = json.dumps({"tensors": [{"key": key, "bits": config.width} for key in tensors]})
    np.savez(tmp_path / "p.npz", meta=np.frombuffer(meta.encode(), np.uint8), **tensors)
    assert explore_loss.coded([str(tmp_path / "p.npz")], config)["stream_bits"] == 8 * want


def test_loss_is_against_a_coder_without_any(tmp_path):
    """Halves of the value space, equally often: one bit and offsets, which two rows and few multiplier bits can do."""
    np.savez(tmp_path / "p.npz", a=np.arange(4096).astype(np.uint8), b=np.zeros(5, np.int8),
             meta=np.frombuffer(b'{"tensors": [{"key": "a"}, {"key": "b", "bits": 5}]}', np.uint8))
    configs = [CodecConfig(rows=2, prob_bits=1, mult_bits=2), CodecConfig(width=5), CodecConfig(width=3)]
    jobs = [task.prepare() for task in explore_loss.loss_tasks(configs, [tmp_path / "p.npz"])]
    assert len({job.key for job in jobs}) == len(jobs) == 6
    results = {job.name: job.function(*job.arguments) for job in jobs}
    even, constant, none = (explore_loss.losses_of(config, results) for config in configs)
    ideal = results["reference-w8-n64-p15-m16"]
    assert ideal["tensors"] == 1 and ideal["values"] == 4096 and ideal["reference_bits"] == 8 * 4096
    assert 0 <= even["loss_percent"] < 0.1 and even["table_percent"] >= 0
    assert even["bits_per_value"] == pytest.approx(8 * (1 + (even["loss_percent"] + even["table_percent"]) / 100))
    assert constant["bits_per_value"] > 0
    assert none == dict.fromkeys(("precision_percent", "loss_percent", "table_percent", "bits_per_value"))


# The command


def test_the_default_sweep_is_worth_looking_at():
    points, _ = choose(default_sweep())
    assert len(points) >= 60 and len({point.name for point in points}) == len(points)
    for direction in ("encoder", "decoder"):
        mine = [point for point in points if point.direction == direction]
        assert {preset for point in mine if (preset := preset_of(point))} == {
            preset_of(preset_point(name, direction)) for name in PRESETS}
        assert {point.period_ns for point in mine} == {None, 0.8}
        visited = {"streams": {1, 2, 4, 6, 7, 8}, "rows": {8, 16, 32}, "mult_bits": {6, 8, 10, 16}, "banks": {1, 2},
                   "prob_bits": {8, 10, 12}, "width": {4, 8, 16}, "word": {16, 32, 64}}
        assert {name: {getattr(point, name) for point in mine} for name in visited} == visited


def test_lists_are_crossed_and_what_cannot_be_is_left_out(apack):
    listed = json.loads(apack("explore", "encoder", "--rows", "8,16", "--prob-bits", "3,10", "--list", "--json", "-"))
    assert [(p["rows"], p["prob_bits"], p["width"]) for p in listed["points"]] == [(8, 3, 8), (8, 10, 8), (16, 10, 8)]
    (left_out,) = listed["skipped"]
    assert left_out["name"].startswith("encoder-s1-w8-n16-p3-")
    assert left_out["reason"].startswith("prob_bits must be in 4..15, not 3")
    text = apack("explore", "encoder", "--preset", "small, paper", "--list")
    assert "2 configurations" in text and "(paper)" in text and "(small)" in text
    periods = json.loads(apack("explore", "encoder", "--period", "1,.8", "--list", "--json", "-"))["points"]
    assert [(p["period_ns"], p["name"].rpartition("-")[2]) for p in periods] == [(1, "t1"), (0.8, "t0.8")]
    # An encoder does not search: the list multiplies decoders only.
    both = json.loads(apack("explore", "--search", "flash,division", "--list", "--json", "-"))["points"]
    assert [p["search"] for p in both] == [None, "flash", "division"]


@pytest.mark.parametrize(("arguments", "words"), [
    (["--rows", "1,16"], ["--rows", "2..64", "'1'"]),
    (["--mult-bits", "6;8"], ["--mult-bits", "2..16", "'6;8'"]),
    (["--word", "24"], ["--word", "16, 32, 64", "'24'"]),
    (["--search", "fash"], ["--search", "flash, bisection", "division", "'fash'"]),
    (["--preset", "tiny"], ["--preset", "small", "'tiny'"]),
    (["--rows", "32", "--prob-bits", "4"], ["no configuration is left", "prob_bits must be in 5..15, not 4"]),
    (["--tensors", "none.npz"], ["none.npz", "No such file"]),
    (["-o", "w.npy"], ["w.npy", "folder"]),
    (["--jobs", "0"], ["--jobs", "0"]),
    (["--period", "1,-1"], ["--period", "0.001..1000000", "'-1'"]),
    (["--period", "nan"], ["--period", "'nan'"]),
    (["--json", "none/x.json", "-o", "."], ["none/x.json"]),
])
def test_bad_input_is_one_line(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("w.npy", np.zeros(3, np.int8))
    with pytest.raises(SystemExit) as ended:
        cli.main(["explore", *arguments])
    said = capsys.readouterr()
    assert ended.value.code == 2 and said.out == ""
    assert re.fullmatch(r"apack: [^\n]+\n", said.err), said.err
    assert all(word in said.err for word in words), said.err


SMALL = ("--bits", "4", "--rows", "2", "--prob-bits", "4", "--word", "16")


@pytest.fixture
def apack(capsys, tmp_path, monkeypatch):
    """Runs a command line in an empty folder; gives what it wrote to stdout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments, code=0, says=""):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(list(map(str, arguments)))
        said = capsys.readouterr()
        assert ended.value.code == code, said.err
        assert re.fullmatch(says, said.err), said.err
        assert all(len(line) <= 80 for line in said.out.splitlines() if line[:1] in "┏┃┡│└┌")
        return said.out

    return run


def test_a_sweep_from_end_to_end(apack, monkeypatch, tmp_path):
    if find_spec("pyosys") is None or find_spec("matplotlib") is None or not shutil.which("sta"):
        pytest.skip("needs pyosys, matplotlib and OpenSTA")
    codes = np.random.default_rng(2).binomial(15, 0.2, 3000).astype(np.uint8)
    meta = json.dumps({"tensors": [{"key": "t", "bits": 4}]}).encode()
    np.savez("p.npz", t=codes, meta=np.frombuffer(meta, np.uint8))
    sweep = ("explore", "encoder", *SMALL, "--tensors", "p.npz", "-o", "sweep", "--mult-bits")
    text = apack(*sweep, 4)
    data = json.loads(Path("sweep/explore.json").read_text())
    with open("sweep/explore.csv", newline="") as file:
        table = list(csv.DictReader(file))
    columns = [column["name"] for column in data["columns"]]
    assert data["schema"] == 1 and list(table[0]) == columns and set(data["points"][0]) == set(columns)
    assert [row["mult_bits"] for row in data["points"]] == [4]
    for row, cells in zip(data["points"], table, strict=True):
        config = CodecConfig(width=4, rows=2, prob_bits=4, mult_bits=row["mult_bits"])
        assert row["status"] == "done" and row["error"] is None and cells["error"] == ""
        assert float(cells["area_kge"]) == row["area_kge"] == pytest.approx(row["area_um2"] / 798, rel=1e-4)
        assert 0.9 < sum(row["blocks_kge"].values()) / row["area_kge"] < 1.3
        assert row["clock_ghz"] == pytest.approx(1 / row["t_min_ns"], rel=1e-3)
        assert row["values_per_cycle"] == pytest.approx(config.block / (config.block + Encoder.BLOCK_CYCLES), abs=1e-6)
        rate = row["clock_ghz"] * row["values_per_cycle"]
        assert row["gvalues_per_s_per_mm2"] == pytest.approx(rate / row["area_um2"] * 1e6, rel=1e-3)
        assert row["pj_per_bit"] * 4 == pytest.approx(row["pj_per_value"], rel=1e-3)
        assert row["pj_per_value"] == pytest.approx(row["power_mw"] / rate, rel=1e-3)
        found = search_table(config, histogram(codes, 4), table_bits=False)
        coded = encode_blocks(found.table, codes, np.array([0]), np.array([3000]))
        bits = 8 * int(coded.symbol_bytes[0] + coded.offset_bytes[0])
        ideal = search_table(CodecConfig(width=4, rows=64, prob_bits=15), histogram(codes, 4)).bound_bits
        assert row["loss_percent"] == pytest.approx(100 * (bits / ideal - 1), abs=1e-5)
        exact = sum(found.table.offset_bits[r] + 4 - math.log2(found.table.counts[r])
                    for r in found.table.row_of_value[codes].tolist())
        assert row["precision_percent"] == pytest.approx(100 * (bits / exact - 1), abs=1e-5)
        assert f"{row['area_kge']:.2f}" in text and f"{row['clock_ghz']:.3f}" in text
        assert row["name"] in Path("sweep/explore.md").read_text()
    for name in ("clock", "density", "energy"):
        assert Path(f"sweep/explore_{name}.png").is_file()
        assert f"(explore_{name}.svg)" in Path("sweep/explore.md").read_text()
    host = os.uname().nodename
    assert not any(host in path.read_text() for path in Path("sweep").rglob("*.json"))

    # Again: nothing is left to do, and the figures are the same.
    monkeypatch.setattr("synth.explore_workers.LocalWorkers.start", None)
    monkeypatch.setattr("synth.explore_plot.available", lambda: False)
    no_pictures = r"apack: no pictures, matplotlib is missing: .*\n"
    again = apack(*sweep, 4, says=no_pictures)
    assert "1 configuration of 1 from earlier runs" in again
    assert json.loads(Path("sweep/explore.json").read_text())["points"] == data["points"]

    # One that fails does not stop the other, and shows.
    def emit_or_not(config, *arguments, **options):
        if config.mult_bits == 3:
            raise RuntimeError("broken\nin two")
        return emit(config, *arguments, **options)

    failure = r"apack: 1 of 2 configurations failed: encoder-\S+: RuntimeError: broken in two\n"
    monkeypatch.undo()  # LocalWorkers work again
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("synth.explore_plot.available", lambda: False)
    monkeypatch.setattr("apack_hdl.cli.explore.emit", emit_or_not)
    text = apack(*sweep, "4,3", code=2, says=no_pictures + failure)
    good, bad = json.loads(Path("sweep/explore.json").read_text())["points"]
    assert (bad["status"], bad["error"], bad["area_kge"]) == ("failed", "RuntimeError: broken in two", None)
    assert good == data["points"][0]
    assert "FAILED" in text and "broken in two" in Path("sweep/explore.md").read_text()


def test_interrupt_is_one_line_and_keeps_what_is_finished(tmp_path):
    # Jobs in the background of a shell begin with SIGINT ignored, and the tests may be one.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "from apack_hdl.cli import main; main()"
    command = [sys.executable, "-c", program, "explore", "encoder", *SMALL, "-j", "1"]
    sweep = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    store = tmp_path / "build/explore/points"
    while not store.is_dir() or not list(store.glob("[0-9a-f]*.json")):
        assert sweep.poll() is None
        time.sleep(0.02)
    sweep.send_signal(signal.SIGINT)
    out, err = sweep.communicate(timeout=30)
    assert sweep.returncode == 130 and out == ""
    kept = len(list(store.iterdir()))
    said = f"{kept} result{'s'[:kept != 1]} in build/explore/points"
    assert err == f"apack: interrupted; {said}, the same command goes on from there\n"


def test_readme_explains_every_column():
    text = (Path(cli.__file__).parent.parent / "README.md").read_text().split("## Exploring the design space")[1]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", text, re.MULTILINE)
    assert rows == [(column.name, column.unit, column.meaning) for column in COLUMNS]


def test_rates_are_documented_or_simulated(tmp_path):
    point = replace(preset_point("small", "encoder"), rows=2, prob_bits=4, mult_bits=3)
    values = np.random.default_rng(4).binomial(9, 0.3, 400).astype(np.int8)
    np.savez(tmp_path / "p.npz", a=np.zeros(3, np.int8), b=values)
    rate = explore_rate.simulated(point, [str(tmp_path / "p.npz")], simulator="pysim")
    promised = explore_rate.documented(point)
    assert promised["values_per_cycle"] == point.config.block / (point.config.block + Encoder.BLOCK_CYCLES)
    assert rate["rate_source"] == "pysim, 400 values"
    assert promised["values_per_cycle"] - 0.02 < rate["values_per_cycle"] <= 1
    assert explore_rate.simulated(replace(point, width=4), [str(tmp_path / "p.npz")]) is None
