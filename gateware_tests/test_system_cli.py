"""`apack system`: what it prints and writes, its errors, and the model beside others'."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import golden.system.__main__ as commands
from apack_hdl.cli import main
from golden.footprint import Settings, model_footprint
from golden.sample import PATH as SAMPLE
from golden.system import (
    MACHINES,
    MEMORIES,
    Options,
    load_machine,
    load_memory,
    model_system,
    summary,
    with_reports,
)
from golden.system.variations import held_out, rows


def apack(capsys, *args):
    """(exit code, standard output, standard error) of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["system", *map(str, args)])
    out, err = capsys.readouterr()
    return ended.value.code, out, err


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """The sample's first layers: what is studied of them takes a tenth of the time."""
    path = tmp_path_factory.mktemp("pack") / "first.npz"
    with np.load(SAMPLE) as sample:
        meta = json.loads(bytes(sample["meta"]))
        kinds = [[t for t in meta["tensors"] if t["kind"] == kind] for kind in ("weight", "activation")]
        names = {t["name"] for t in kinds[1][:7]}
        meta["tensors"] = kinds[0][:6] + [t for t in kinds[1] if t["name"] in names]
        arrays = {t["key"]: sample[t["key"]] for t in meta["tensors"]}
    np.savez(path, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
    return path


@pytest.fixture(scope="module")
def figures(pack):
    settings = Settings(rivals=("zvc",))
    return model_footprint(pack, settings) | {"block": settings.config.block}


@pytest.fixture(scope="module")
def footprint(figures, tmp_path_factory):
    """A footprint's file, so that commands need not measure."""
    path = tmp_path_factory.mktemp("system") / "footprint.json"
    document = {"settings": {"config": {"block": figures["block"]}}, "models": [figures]}
    path.write_text(json.dumps(document))
    return path


def test_document_report_and_pictures(capsys, pack, footprint, tmp_path):
    out, page = tmp_path / "s.json", tmp_path / "s.html"
    code, text, err = apack(capsys, pack, "--footprint", footprint, "--json", out, "--html", page, "--plots",
                            tmp_path / "p", "--per", "layer")
    assert (code, err) == (0, "")
    document = json.loads(out.read_text())
    (model,) = document["models"]
    names = {"raw", "apack", "apack, chosen", "apack, ideal engines", "published ratios", "floor", "zvc"}
    assert set(model["schemes"]) == names
    assert model["macs"] == sum(layer["macs"] for layer in model["layers"]) > 1e6
    for name, scheme in model["schemes"].items():
        assert scheme["speedup"] == pytest.approx(model["schemes"]["raw"]["time"] / scheme["time"]), name
        assert f"{scheme['speedup']:.3f}" in text
    for name in ("raw", "apack"):
        assert model["schemes"][name]["time"] == pytest.approx(sum(layer[name]["time"] for layer in model["layers"]))
    chosen = model["schemes"]["apack, chosen"]
    assert chosen["speedup"] * chosen["efficiency"] >= 1
    ideal, real = (model["schemes"][name] for name in ("apack, ideal engines", "apack"))
    assert ideal["speedup"] > 1 and ideal["time"] < real["time"] and ideal["traffic"] < chosen["traffic"]
    assert {t["name"] for t in model["answers"]["technologies"]} == set(MEMORIES)
    html = page.read_text()
    assert html.count("<svg") == 3 and not re.search(r'(src|href)="http', html)
    for name in ("roofline", "layers", "energy", "gains"):
        assert (tmp_path / f"p-{name}.svg").read_bytes().startswith(b"<?xml")


def test_factors_of_one_are_the_case_itself(figures):
    model = model_system(figures, load_machine("tensorcore"), load_memory("ddr4-3200"))
    chosen = model["schemes"]["apack, chosen"]
    for scheme, answers in model["answers"]["schemes"].items():
        usual = {"bandwidth": 1.0, "buffers": 1.0}
        if scheme in ("apack", "apack, chosen"):
            usual |= {"engines": 1.0, "pipeline latency": 1.0}
            assert {row["factor"] for row in answers["sensitivity"].pop("decoder streams")} == {1, 2, 4, 8}
        assert answers["sensitivity"].keys() == usual.keys()
        for name, factor in usual.items():
            (same,) = (row for row in answers["sensitivity"][name] if row["factor"] == factor)
            assert all(same[key] == model["schemes"][scheme][key] for key in ("speedup", "efficiency", "traffic")), name
    (here,) = (t for t in model["answers"]["technologies"] if t["name"] == "ddr4-3200")
    assert here["speedup"] == chosen["speedup"] and here["raw_keeps"]
    assert sum(block["best"] for block in model["answers"]["blocks"]) == 1


def test_every_scheme_has_its_answers(figures):
    """The memory that each needs; a scheme that stores less needs no more of it."""
    model = model_system(figures, load_machine("tensorcore"), load_memory("ddr4-3200"))
    answers = model["answers"]["schemes"]
    assert set(answers) == set(model["schemes"]) - {"raw"}
    coded, chosen = answers["apack"], answers["apack, chosen"]
    assert [coded[key] for key in ("bandwidth_share", "bandwidth_gbs", "memory")] == [None] * 3  # slower than raw
    assert coded["break_even"]["time"] is None
    assert 0 < coded["break_even"]["energy"] < chosen["break_even"]["energy"] < 1
    assert answers["zvc"]["break_even"] == {"time": 1.0, "energy": 1.0}  # its engines cost nothing
    floor, rival = answers["floor"]["bandwidth_share"], answers["zvc"]["bandwidth_share"]
    assert 0.5 < floor < rival <= 1 and answers["floor"]["memory"] == "ddr4-3200"
    hbm = model_system(figures, load_machine("tensorcore"), load_memory("hbm2"))["answers"]["schemes"]
    assert hbm["apack, chosen"]["memory"] == "hbm2"
    slow = model_system(figures, load_machine("npu"), load_memory("lpddr5"))["answers"]["schemes"]["floor"]["memory"]
    assert slow != "lpddr5"  # of which an NPU needs a part


def test_means_of_answers(figures):
    """Over models of which one never breaks even; and a rival's bandwidth matters to it as much as it should."""
    machine, memory = load_machine("tensorcore"), load_memory("ddr4-3200")
    model = model_system(figures, machine, memory)
    other = model_system(figures, machine, memory, Options(batch=64))
    pair = [m["answers"]["schemes"]["apack"] for m in (model, other)]
    assert pair[0]["break_even"]["time"] is None is not pair[1]["break_even"]["time"]
    means = summary([model, other])["apack"]
    assert means["break_even"]["time"] == pair[1]["break_even"]["time"] and means["pays"] == 1 and means["models"] == 2
    rows = [m["answers"]["schemes"]["zvc"]["sensitivity"]["bandwidth"] for m in (model, other)]
    found = summary([model, other])["zvc"]["sensitivity"]["bandwidth"]
    for i, row in enumerate(found):
        assert row["speedup"] == pytest.approx((rows[0][i]["speedup"] * rows[1][i]["speedup"]) ** 0.5)
    assert found[0]["speedup"] > found[-1]["speedup"] > 1
    lost = summary([model, other])["apack"]["lost"]
    assert lost["first_block"] == pytest.approx(
        sum(m["schemes"]["apack"]["lost"]["first_block"] for m in (model, other)) / 2)
    assert "break_even" not in summary([model_system(figures, machine, memory, Options(study=False))])["apack"]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("memory", ["ddr4-2400", "hbm3"])
def test_every_machine_runs_on_every_memory(figures, machine, memory):
    found = model_system(figures, load_machine(machine), load_memory(memory), Options(batch=2, study=False))
    assert found["schemes"]["floor"]["speedup"] >= 1 and "answers" not in found


@pytest.mark.parametrize("array", [np.zeros(0, np.int8), np.int8(3), np.full(1000, -7, np.int8)])
def test_tensors_with_nothing_in_them(capsys, tmp_path, array):
    np.save(tmp_path / "t.npy", array)
    code, out, err = apack(capsys, tmp_path / "t.npy", "--json", "-")
    assert (code, err) == (0, "")
    assert json.loads(out)["models"][0]["notes"] == {
        "weights without an activation that could be their result: read once, not multiplied": 1}
    out = apack(capsys, tmp_path / "t.npy", "--no-study")[1]
    assert ("WARNING: 100% of the weights are not multiplied" in out) == (array.size > 0)


def test_engines_from_synthesis_reports(capsys, pack, footprint, tmp_path):
    report = {"cells": {"path": {"t_min_ns": 0.5}, "power": {"total_mw": 30.0}}, "values_per_cycle": 0.75}
    for side in ("decoder", "encoder"):
        (tmp_path / f"{side}_cells.json").write_text(json.dumps(report))
    files = [tmp_path / f"{side}_cells.json" for side in ("decoder", "encoder")]
    decoders = with_reports(load_machine("npu"), *files).codec.decoders
    assert (decoders.clock_ghz, decoders.values_per_cycle, decoders.pj_per_value) == (2.0, 0.75, 20.0)
    report["cells"]["power_measured"] = {"pj_per_value": 25.0}  # of a real tensor: what counts
    files[0].write_text(json.dumps(report))
    codec = with_reports(load_machine("npu"), *files).codec
    assert (codec.decoders.pj_per_value, codec.encoders.pj_per_value) == (25.0, 20.0)
    code, out, _ = apack(capsys, pack, "--footprint", footprint, "--synth", tmp_path, "--no-study", "--json", "-")
    assert code == 0 and json.loads(out)["machine"]["codec"]["decoders"]["clock_ghz"] == 2.0
    (tmp_path / "decoder_ecp5.json").write_text(json.dumps({"cells": None, "fpga": {}}))  # no energy: not looked at
    assert apack(capsys, pack, "--footprint", footprint, "--synth", tmp_path, "--no-study")[0] == 0
    (tmp_path / "decoder_other.json").write_text(json.dumps(report))
    code, _, err = apack(capsys, pack, "--footprint", footprint, "--synth", tmp_path)
    assert code == 2 and "of standard cells, not decoder_cells.json, decoder_other.json" in err
    (tmp_path / "decoder_other.json").unlink()
    ports = [{"name": f"values_{i}_valid"} for i in range(3)] + [{"name": "values_0_ready"}]
    (tmp_path / "engine.json").write_text(json.dumps({"sha256": "1f", "ports": ports}))
    files[0].write_text(json.dumps(report | {"verilog": str(tmp_path / "engine.v"), "verilog_sha256": "1f"}))
    code, _, err = apack(capsys, pack, "--footprint", footprint, "--synth", tmp_path)
    assert code == 2 and "is of an engine of 3 streams, and codec.decoders.streams is 6" in err and err.count("\n") == 1
    (tmp_path / "engine.json").write_text(json.dumps({"sha256": "2e", "ports": ports}))  # of other Verilog
    assert apack(capsys, pack, "--footprint", footprint, "--synth", tmp_path, "--no-study")[0] == 0
    files[0].write_text('{"cells": {}}')
    code, _, err = apack(capsys, pack, "--footprint", footprint, "--synth", tmp_path)
    assert code == 2 and "not a synthesis report" in err


MACHINE_FILE = """
[array]
kind = "cores"
clock_ghz = 1.0
[buffers]
weights_kib = 64
inputs_kib = 64
outputs_kib = 64
[codec]
block = 4096
least_block = 128
block_bytes = 9
decoders = ENGINES
encoders = ENGINES
[energy]
multiply_pj = 0.2
add_pj = 0.1
sram_pj_per_byte = 2.5
""".replace("ENGINES", "{count = 1, streams = 1, clock_ghz = 1.0, values_per_cycle = 1, block_cycles = 2, "
                       "latency_cycles = 3, pj_per_value = 1}")


@pytest.mark.parametrize("old, new, message", [
    ("clock_ghz = 1.0", "clock_ghz = -1", "array.clock_ghz must be 0.001 to 100 GHz, not -1"),
    ('kind = "cores"', 'kind = "grid"', "array.kind must be one of cores, systolic, not 'grid'"),
    ("weights_kib = 64", "", "buffers.weights_kib is missing"),
    ("block_bytes = 9", 'block_bytes = "9"', "codec.block_bytes must be a number, not '9'"),
    ("add_pj", "ad_pj", "energy.ad_pj is unknown; known are multiply_pj, add_pj"),
    ("[energy]", "[enrgy]", "table [energy] is missing"),
    ("encoders =", "encoder =", "table [codec.encoders] is missing"),
    ("least_block = 128", "least_block = 8192", "codec.least_block must be 1 to codec.block (4096), not 8192"),
    ("[array]", "[array", "is not TOML"),
    ("[array]", "sources = 3\n[array]", "sources must be a table, not 3"),
    ("[array]", "title = 5\n[array]", "title must be a text, not 5"),
    ("clock_ghz = 1.0", "clock_ghz = 0.0009", "array.clock_ghz must be 0.001 to 100 GHz, not 0.0009"),
    ("count = 1,", "count = 1.5,", "codec.decoders.count must be an integer, not 1.5"),
    ("weights_kib = 64", "weights_kib = nan", "buffers.weights_kib must be 0.0625 to 1e+06 KiB, not nan"),
])
def test_mistakes_in_machine_files(capsys, tmp_path, old, new, message):
    path = tmp_path / "m.toml"
    path.write_text(MACHINE_FILE.replace(old, new, 1))
    code, out, err = apack(capsys, SAMPLE, "--machine", path)
    assert (code, out) == (2, "") and message in err and str(path) in err and err.count("\n") == 1


def test_a_machine_file_and_a_memory_file_are_read(capsys, tmp_path, pack, footprint):
    machine, memory = tmp_path / "m.toml", tmp_path / "own.toml"
    machine.write_text(MACHINE_FILE)
    memory.write_text('[slow]\ntitle = "slow"\nsource = "-"\nread_gbs = 1.0\nwrite_gbs = 1.0\nefficiency = 1.0\n'
                      "read_pj = 1.0\nwrite_pj = 1.0\nbackground_mw = 0.0\nburst_bytes = 1\nlatency_ns = 0.0\n")
    code, out, _ = apack(capsys, pack, "--machine", machine, "--memory", f"{memory}:slow", "--footprint", footprint,
                         "--no-study", "--json", "-")
    assert code == 0 and json.loads(out)["memory"]["read_gbs"] == 1.0


def test_files_at_their_limits_can_be_studied(capsys, tmp_path, footprint, pack):
    """What a study makes of their numbers is beyond them."""
    machine, memory = tmp_path / "m.toml", tmp_path / "own.toml"
    machine.write_text(re.sub("(weights|inputs|outputs)_kib = 64", r"\1_kib = 0.0625", MACHINE_FILE).replace(
        "latency_cycles = 3", "latency_cycles = 1000000").replace("count = 1,", "count = 1048576,"))
    memory.write_text('[slow]\ntitle = "slow"\nsource = "-"\nread_gbs = 0.001\nwrite_gbs = 0.001\nefficiency = 1.0\n'
                      "read_pj = 1.0\nwrite_pj = 1.0\nbackground_mw = 0.0\nburst_bytes = 1\nlatency_ns = 0.0\n")
    for args in (["--machine", machine], ["--memory", f"{memory}:slow"]):
        code, out, err = apack(capsys, pack, *args, "--footprint", footprint, "--json", "-")
        assert (code, err) == (0, "")
        answers = json.loads(out)["models"][0]["answers"]["schemes"]["apack"]["sensitivity"]
        assert [row["factor"] for row in answers["pipeline latency"]] == [0, 1, 10, 100]
    good = memory.read_text()
    for text, message in (
        (good.replace("read_gbs = 0.001", "read_gbs = 0.0009"), "slow.read_gbs must be 0.001 to 1e+09 GB/s, not"),
        (good.replace('"slow"', "5"), "slow.title must be a text, not 5"), ("slow = 3", "slow must be a table, not 3"),
    ):
        memory.write_text(text)
        code, _, err = apack(capsys, pack, "--memory", f"{memory}:slow", "--footprint", footprint)
        assert code == 2 and message in err and err.count("\n") == 1
    with pytest.raises(ValueError, match="latency_cycles"):
        replace(load_machine("npu").codec.decoders, latency_cycles=2e10)


@pytest.mark.parametrize("name", [*MACHINES, "memories"])
def test_files_to_start_from_are_printed(capsys, tmp_path, name):
    """And read again: they say the same."""
    with pytest.raises(SystemExit) as ended:
        main(["system", "--print", name])
    path = tmp_path / f"{name}.toml"
    path.write_text(capsys.readouterr().out)
    assert ended.value.code == 0
    if name == "memories":
        assert load_memory(f"{path}:pcm") == load_memory("pcm")
    else:
        assert load_machine(path) == load_machine(name)


def test_several_models_are_compared(capsys, pack, footprint, tmp_path):
    twin = tmp_path / "twin.npz"
    twin.write_bytes(pack.read_bytes())
    document = json.loads(footprint.read_text())
    document["models"].append(document["models"][0] | {"name": str(twin)})
    both = tmp_path / "both.json"
    both.write_text(json.dumps(document))
    code, out, _ = apack(capsys, pack, twin, "--footprint", both, "--no-study", "--plots", tmp_path / "p", "--html",
                         tmp_path / "p.html", "--json", tmp_path / "p.json")
    found = json.loads((tmp_path / "p.json").read_text())
    chosen = found["models"][0]["schemes"]["apack, chosen"]
    assert code == 0 and found["summary"]["apack, chosen"]["speedup"] == pytest.approx(chosen["speedup"])
    lines = [line.split() for line in out.splitlines() if line.startswith("│")]
    assert [line[3] for line in lines if line[1] in ("first", "twin")] == [f"{chosen['speedup']:.3f}"] * 2
    svg = (tmp_path / "p-gains.svg").read_text()
    assert svg.count(f">{chosen['speedup']:.2f}<") >= 3 and (tmp_path / "p.html").read_text().count("<svg") == 7


@pytest.mark.parametrize("args, message", [
    (["--memory", "ddr9"], "--memory ddr9: memory must be one of ddr4-3200"),
    (["--machine", "cray"], "--machine cray: machine must be one of tensorcore, tpu, npu or a .toml file"),
    (["--machine", "/nowhere/m.toml"], "--machine /nowhere/m.toml"),
    (["--batch", "0"], "--batch"),
    (["--context", "64"], "decoding takes a transformer"),
    (["--rivals", "nobody"], "--rivals: must be of"),
    (["--footprint", "F", "--rivals", "zvc"], "--rivals: not together with --footprint"),
    (["--json", "/nowhere/x.json"], "there is no folder"),
    (["--plots", "/nowhere/x"], "there is no folder"),
    (["--synth", "/nowhere"], "must have one report"),
])
def test_mistakes_on_the_command_line(capsys, pack, footprint, args, message):
    if "--footprint" not in args and "--rivals" not in args:
        args = [*args, "--footprint", str(footprint)]
    code, out, err = apack(capsys, pack, *args)
    assert (code, out) == (2, "") and message in err and "Traceback" not in err and err.count("\n") == 1


def test_a_footprint_of_another_model_is_refused(capsys, pack, footprint, tmp_path):
    other = tmp_path / "other.json"
    document = json.loads(footprint.read_text())
    document["models"][0]["tensors"].pop()
    other.write_text(json.dumps(document))
    code, _, err = apack(capsys, pack, "--footprint", other)
    assert code == 2 and "is not the model that the footprint was measured on" in err
    other.write_text("[]")
    code, _, err = apack(capsys, pack, "--footprint", other)
    assert code == 2 and "is not a footprint" in err


@pytest.mark.parametrize("change, message", [
    (lambda d: d["models"][0]["tensors"][3].pop("apack_bits"), "models[0].tensors[3].apack_bits is missing"),
    (lambda d: d["models"][0]["tensors"][3].update(apack_bits=float("nan")),
     "models[0].tensors[3].apack_bits must be 0 to 1e+18, not nan"),
    (lambda d: d["models"][0]["tensors"][3].update(floor_bits=-5.0), "floor_bits must be 0 to 1e+18, not -5.0"),
    (lambda d: d["models"][0]["tensors"][3].update(apack_bits=10**400), "apack_bits must be 0 to 1e+18, not 10000"),
    (lambda d: d["models"][0]["tensors"][3].update(raw_bits=0), "tensors[3].raw_bits must be more than 0 for"),
    (lambda d: d["models"][0]["tensors"][3].update(values="many"), "values must be an integer, not 'many'"),
    (lambda d: d["models"][0]["tensors"][3].update(whole_values=1), "tensors[3].whole_values must be"),
    (lambda d: d["models"][0]["tensors"][3].update(width=40), "width must be 1 to 16, not 40"),
    (lambda d: d["models"][0]["tensors"][3].update(kind="bias"), "kind must be one of weight, activation, not 'bias'"),
    (lambda d: d["models"][0]["tensors"][3].update(rivals={}), "tensors[3].rivals must be those of the first tensor"),
    (lambda d: d["models"][0]["tensors"][3]["rivals"].update(zvc=None), "rivals.zvc must be a number, not None"),
    (lambda d: d["models"][0]["tensors"][3].update(key=d["models"][0]["tensors"][0]["key"]), "key must be another"),
    (lambda d: d["models"][0]["tensors"].insert(0, 7), "models[0].tensors[0] must be an object, not 7"),
    (lambda d: d["models"][0].update(tensors=[]), "models[0].tensors must have one at least"),
    (lambda d: d["models"][0].update(tensors={}), "models[0].tensors must be a list, not {}"),
    (lambda d: d["models"][0].pop("info"), "models[0].info is missing"),
    (lambda d: d["models"][0].pop("name"), "models[0].name is missing"),
    (lambda d: d["settings"]["config"].update(block=0), "settings.config.block must be 1 to 65535, not 0"),
    (lambda d: d["settings"].pop("config"), "settings.config is missing"),
    (lambda d: d.update(models=3), "models must be a list, not 3"),
])
def test_mistakes_in_footprints(capsys, pack, footprint, tmp_path, change, message):
    document, path = json.loads(footprint.read_text()), tmp_path / "f.json"
    change(document)
    path.write_text(json.dumps(document))
    code, out, err = apack(capsys, pack, "--footprint", path)
    assert (code, out) == (2, "") and message in err and str(path) in err and err.count("\n") == 1


def test_a_footprint_that_is_no_json(capsys, pack, tmp_path):
    for text in ("", "{", "\udcff", "[]", '"x"', "[" * 100_000):
        (tmp_path / "f.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        code, out, err = apack(capsys, pack, "--footprint", tmp_path / "f.json")
        assert (code, out) == (2, "") and err.count("\n") == 1, text[:10]


def test_other_choices(figures):
    """The first variation is the machine itself, and the others differ in what they say."""
    machine, memory = load_machine("tensorcore"), load_memory("ddr4-3200")
    found = dict(rows([figures], "tensorcore", "ddr4-3200", 1))
    own = model_system(figures, machine, memory, Options(study=False))
    assert found["as shipped"] == summary([own])
    shipped, packed = found["as shipped"]["apack"], found["blocks follow each other without gaps"]["apack"]
    assert packed["traffic"] < shipped["traffic"]
    assert found["28 and 40 cycles between engines and memory"]["apack"]["speedup"] < shipped["speedup"]
    assert found["engines at an activity of 0.1"]["apack"]["efficiency"] > shipped["efficiency"]
    assert {"depthwise convolutions one group at a time"} == set(dict(rows([figures], "npu", "lpddr4", 1))) - set(found)


def test_tables_of_documents(capsys, figures, monkeypatch, tmp_path):
    """The README's table and figure, and the study of blocks with its means."""
    monkeypatch.setattr(commands, "measured", lambda path: figures)
    monkeypatch.setattr(commands, "PICTURE", tmp_path / "gains.svg")
    commands.main(["gains", "a.npz", "b.npz"])
    lines = [[cell.strip() for cell in line.split("|")] for line in capsys.readouterr().out.splitlines()]
    for batch, columns in ((1, slice(2, 5)), (16, slice(6, 9))):
        own = model_system(figures, load_machine("tensorcore"), load_memory("ddr4-3200"), Options(batch, study=False))
        chosen = own["schemes"]["apack, chosen"]
        cells = [f"{chosen[key]:.2f}" for key in ("speedup", "efficiency", "traffic")]
        assert [line[columns] for line in lines] == [cells] * 3  # both models, and their mean
    assert (tmp_path / "gains.svg").read_bytes().startswith(b"<?xml")
    commands.main(["blocks", "a.npz"])
    header, *rows, mean_one, _ = capsys.readouterr().out.splitlines()
    assert [row.count("**") for row in rows] == [2, 2] and {row.count("|") for row in rows} == {header.count("|")}
    assert mean_one.count(" 1 (") == 1 and mean_one.split("|")[-2].strip() == rows[0].split("|")[-2].strip()


def test_what_is_chosen_on_one_input_is_run_on_the_others(figures):
    machine, memory = load_machine("tensorcore"), load_memory("ddr4-3200")
    seen, own = held_out(figures, machine, memory, 16)
    assert own["speedup"] * own["efficiency"] >= seen["speedup"] * seen["efficiency"] > 1
    first = [t for t in figures["tensors"] if t["input"] in (None, 0)]
    assert held_out(figures | {"tensors": first}, machine, memory, 1) is None  # before anything is looked up
    worse = [t | ({"apack_bits": min(t["raw_bits"], 1.5 * t["apack_bits"])} if t["input"] else {})
             for t in figures["tensors"]]
    assert held_out(figures | {"tensors": worse}, machine, memory, 16)[0]["traffic"] > seen["traffic"]
    # The same input twice: what is chosen on it fits it as well the second time.
    twice = [next(o for o in first if o["name"] == t["name"]) | {"key": t["key"], "input": t["input"]}
             if t["kind"] == "activation" else t for t in figures["tensors"]]
    assert len({*map(str, held_out(figures | {"tensors": twice}, machine, memory, 16))}) == 1
