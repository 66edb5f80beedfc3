"""Reports of footprints: whole, self-contained, of bounded size; the Markdown table; the command that writes them."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from apack_hdl import cli
from golden.footprint import Settings, footprint
from golden.report import html, markdown, overhead
from golden.report.page import PICTURES, short_form
from golden.rivals import RIVALS
from golden.sample import PATH

RNG = np.random.default_rng(3)
RIVAL_NAMES = tuple(name for name, rival in RIVALS.items() if not rival.missing())[:3]


def pack(path, tensors=6, name="</script><b>&"):
    """A pack of weights, and an activation for two inputs, with names that must not become markup."""
    arrays = {f"w{i}": np.rint(RNG.laplace(0, 2 + i, 400)).clip(-128, 127).astype(np.int8) for i in range(tensors)}
    entries = [{"key": key, "kind": "weight", "name": f"{name}{key}", "role": "embedding"} for key in arrays]
    arrays |= {f"a{i}": RNG.integers(0, 9, 500).astype(np.uint8) for i in range(2)}
    entries += [{"key": f"a{i}", "kind": "activation", "name": "relu", "input": i, "n_total": 900} for i in range(2)]
    np.savez(path, meta=np.frombuffer(json.dumps({"tensors": entries}).encode(), np.uint8), **arrays)
    return path


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    path = pack(tmp_path_factory.mktemp("packs") / "one.npz")
    return footprint([path, path], Settings(rivals=RIVAL_NAMES, pictures=True))


def data_of(page: str) -> dict:
    """What the page's script reads."""
    return json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)[1])


def test_page_is_whole_and_fetches_nothing(document):
    page = html(document)
    assert page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")
    assert "$" not in page.split("<script")[0]  # every place of the template is filled
    assert not re.search(r"""(?i)\bsrc\s*=|<link|@import|url\(|fetch\(|XMLHttp|href\s*=\s*"(?!#)""", page)
    assert [*map(page.count, ("<script", "</script>", "<style>"))] == [2, 2, 1]  # names opened and closed none
    assert "<b>&" not in page and data_of(page)["models"][0]["tensors"][0][0] == "</script><b>&w0"
    ids = set(re.findall(r'id="([^"]+)"', page))
    used = set(re.findall(r'\$id\("([^"]+)"\)', page)) | {f"{t}-table" for t in re.findall(r'\btable\("([^"]+)"', page)}
    assert used <= ids and set(re.findall(r'href="#([^"]+)"', page)) <= ids
    labelled = set(re.findall(r'<label for="([^"]+)"', page)) | {"equal"}
    assert set(re.findall(r'<(?:select|input)[^>]* id="([^"]+)"', page)) == labelled


def test_page_holds_the_document(document):
    model, shown = document["models"][1], data_of(html(document))["models"][1]
    total = model["totals"]["weights"]
    assert shown["totals"]["weights"][1:6] == [round(total[n]) for n in (
        "values", "raw_bits", "floor_bits", "bound_bits", "apack_bits")]
    assert shown["totals"]["weights"][7] == [total["rivals"][name] for name in RIVAL_NAMES]
    assert shown["totals"]["activations"][8] == model["totals"]["activations"]["loss"] > 0
    assert list(shown["roles"]) == ["embedding"] and shown["whole"] == 6 * 400 + 2 * 900
    for row, tensor in zip(shown["tensors"], model["tensors"], strict=True):
        assert row[4] == tensor["raw_bits"] and row[7] == tensor["apack_bits"] and row[9] == tensor["width"]
    assert [row[0] for row in shown["tensors"][-2:]] == ["relu [0]", "relu [1]"]
    assert sum(row[3] for row in shown["layers"]) == pytest.approx(1, abs=1e-4)
    signed, bars, v_min, counts = shown["pictures"]["0"]
    assert signed == 1 and len(base64.b64decode(bars)) == 256 and max(base64.b64decode(bars)) == 255
    assert v_min[0] == 0 and len(v_min) == len(counts) and sum(counts) == 1024


def test_report_of_a_thousand_tensors_is_bounded():
    """Of activations for many inputs, as well: pictures are of the tensors that move most."""
    with np.load(PATH) as arrays:
        sample = arrays["w0066"]
    bars, rows = [255] * 256, list(range(16))
    tensor = {
        "name": "model/block_12/expanded_conv/project/FusedBatchNorm", "kind": "weight", "op": "CONV_2D", "input": None,
        "layer": "x", "role": None, "key": "k", "inputs": 1, "width": 8, "values": sample.size,
        "whole_values": sample.size, "table_from": "others", "rows": 16, "share": 1e-3,
        "picture": {"signed": True, "bars": bars, "v_min": [v * 16 for v in rows], "counts": [64] * 16, "total": 1024},
        "rivals": {name: 10**7 for name in RIVALS},
    } | {f"{name}_bits": 10**7 for name in ("raw", "floor", "bound", "apack", "self")}
    sums = {name: tensor[name] for name in tensor if name.endswith("_bits") or name == "rivals"}
    sums |= {"tensors": 2000, "values": 10**9, "name": "x", "kind": "weights", "op": "Conv", "share": 1e-3}
    sums |= {"loss": None}
    sums["whole"] = sums
    model = {"name": "m", "info": {}, "tensors": [tensor] * 2000, "layers": [sums] * 2000, "roles": {}}
    model["totals"] = {"weights": sums, "all": sums}
    settings = {"rivals": list(RIVALS), "activation_tables": "others", "verified": False, "config": {}}
    document = {"settings": settings, "models": [model], "summary": {}}
    assert len(short_form(document)["models"][0]["pictures"]) == PICTURES == 1000
    assert len(html(document)) < 2.5e6


def rows_of(table: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert len({len(row) for row in rows}) == 1
    return rows


def percent(quotient: float) -> str:
    return f"{100 * quotient:.2f} %"


def test_markdown(document):
    short, weights, activations, ahead = map(rows_of, markdown(document).split("\n\n"))
    head, _, one, two, mean, sums, published = weights
    assert head == ["weights", "values", "entropy", "bound", "APack", "over bound", "best other scheme"]
    total = document["models"][0]["totals"]["weights"]
    assert one == two and one[:2] == ["one", "2,400"]
    assert one[4:6] == [f"{total['ratio']:.4f}", percent(total["overhead"])]
    best = min(total["rivals"], key=total["rivals"].get)
    assert one[-1] == mean[-1] == f"{total['rivals'][best] / total['raw_bits']:.4f} {best}"
    assert mean[4] == one[4] and mean[2:] == sums[2:]
    assert published[4] == "0.60" and activations[-1][4] == "0.48" and activations[0][6] == "loss"
    loss = percent(document["models"][0]["profiled"]["loss"])
    assert activations[2][6] == activations[4][6] == activations[5][6] == loss  # of equal models, any mean
    # in short: the same figures side by side
    assert short[0][:5] == ["model", "weights: entropy", "bound", "APack", "best other scheme"]
    assert short[0][5:] == ["activations: entropy", "bound", "APack", "loss", "best other scheme"]
    for line, full, more in zip(short[2:], weights[2:], activations[2:], strict=True):
        assert line == [full[0], *full[2:5], full[6], *more[2:5], *more[6:]]
    assert ahead[0] == ["takes less than APack", "weights", "activations"] and len(ahead) == 4


def test_documents_say_what_the_sample_gives():
    """The sample's lines of the tables in both READMEs, but for the other schemes."""
    short, weights, activations = map(rows_of, markdown(footprint([PATH])).split("\n\n"))
    root = Path(__file__).parents[1]
    lines = {name: [line for line in (root / name).read_text("utf-8").splitlines() if line.startswith("| sample |")]
             for name in ("README.md", "golden/README.md")}
    (in_short,) = rows_of(lines["README.md"][0])
    full_weights, full_activations, over = (rows_of(line)[0] for line in lines["golden/README.md"])
    assert [*in_short[:4], *in_short[5:9]] == short[2]
    assert full_weights[:-1] == weights[2] and full_activations[:-1] == activations[2]
    assert over[4] == weights[2][5]


def test_markdown_names_all_that_take_less(document):
    model = document["models"][0]
    changed = {group: sums | {"apack_bits": 1000, "rivals": {"a": 990, "b": 1001, "c": 900}}
               for group, sums in model["totals"].items()}
    del changed["activations"]
    table = markdown(document | {"models": [model | {"totals": changed}]}).split("\n\n")[-1]
    assert rows_of(table)[2:] == [["one", "c 10.00 %, a 1.00 %", ""]]
    without = document | {"settings": document["settings"] | {"rivals": []}}
    assert "takes less" not in markdown(without) and "other scheme" not in markdown(without)


def test_overhead(document, tmp_path, capsys):
    paths = []
    for number, (tables, bits) in enumerate((("self", 10**7), ("self", 10**6), ("others", 1))):
        weights = document["models"][0]["totals"]["weights"] | {"raw_bits": bits}
        model = document["models"][0] | {"totals": document["models"][0]["totals"] | {"weights": weights}}
        settings = document["settings"] | {"activation_tables": tables}
        paths.append(str(tmp_path / f"{number}.json"))
        changed = document | {"models": [model, document["models"][1]], "settings": settings}
        Path(paths[-1]).write_text(json.dumps(changed))
    assert overhead.main(paths[:2]) == 0
    models, documents = map(rows_of, capsys.readouterr().out.split("\n\n"))
    totals = document["models"][0]["totals"]
    expected = [percent(totals[group][bits] / totals[group]["bound_bits"] - 1)
                for group in ("weights", "all") for bits in ("apack_bits", "archive_bits")]
    assert models[2][4:] == models[3][4:] == expected and models[2][0] == "one"
    assert models[2][2] == f"{totals['all']['bound_bits'] / 8e3 / totals['all']['tensors']:.1f}"
    together = f"{100 * totals['weights']['overhead']:.3f} %"
    assert [row[2] for row in documents[2:]] == [together] * 2 and documents[2][:2] == ["16,384", "8"]
    assert [row[4] for row in documents[2:]] == ["1 of 1", "0 of 0"]  # only where weights are many
    for wrong in (paths[2:], [str(tmp_path / "no.json")], []):
        assert overhead.main(wrong).startswith("overhead: ") and capsys.readouterr().out == ""


@pytest.fixture
def apack(tmp_path, monkeypatch, capsys):
    """Runs a command line in an empty folder; gives its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


@pytest.mark.parametrize("per", ["model", "layer", "tensor"])
def test_command(apack, tmp_path, per):
    pack(tmp_path / "one.npz", name="a rather long name of a tensor/")
    outputs = ("--json", "f.json", "--html", "f.html", "--markdown", "f.md")
    rivals = ("--rivals", ",".join(RIVAL_NAMES))
    code, text, said = apack("footprint", "one.npz", "one.npz", *rivals, "--per", per, *outputs)
    assert (code, said) == (0, "") and max(map(len, text.splitlines())) <= 110
    assert all(len(line) <= 80 for line in text.splitlines() if line[:1] in "┏┃┡│└┌")
    document = json.loads((tmp_path / "f.json").read_text())
    assert (document["format"], document["version"]) == ("apack-footprint", 2)
    model = document["models"][0]
    assert "picture" not in model["tensors"][0] and set(model["tensors"][0]["rivals"]) == set(RIVAL_NAMES)
    assert f"{model['totals']['all']['ratio']:.4f}" in text and "2 models" in text
    assert f"APack {model['totals']['all']['whole']['ratio']:.4f}\n" in text and "; mean " in text
    assert f"one.npz {model['speed']['mb_per_s']:.1f}, one.npz" in text
    assert all(name in text for name in RIVAL_NAMES) and "- embedding" in text
    assert ("share" in text) == (per != "model") and ("relu [1]" in text) == (per == "tensor")
    assert data_of((tmp_path / "f.html").read_text())["models"][1]["pictures"]
    assert (tmp_path / "f.md").read_text() == markdown(document)


def test_other_tables_jobs_and_verification_agree(apack, tmp_path):
    pack(tmp_path / "one.npz")
    results = []
    for options in ((), ("--jobs", 2), ("--verify",), ("--activation-tables", "self", "--mult-bits", 16)):
        code, text, said = apack("footprint", "one.npz", "--json", "-", *options)
        assert (code, said) == (0, "")
        results.append(json.loads(text)["models"][0]["totals"])
    assert results[0] == results[1] == results[2] != results[3]
    assert results[3]["activations"]["loss"] is None


def test_folders_bits_floats_and_stdout(apack, tmp_path):
    """Arrays of wide integers take --bits, floats are counted, a folder stands for its files."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "notes.txt").write_text("none")
    code, _, said = apack("footprint", "models")
    assert code == 2 and re.fullmatch(r"apack: models: a folder without a model file \(\.tflite, .*\)\n", said)
    np.savez(tmp_path / "models" / "wide.npz", x=np.arange(-8, 8).repeat(90), f=np.zeros((9, 9)))
    np.save(tmp_path / "models" / "empty.npy", np.zeros(0, np.int8))
    code, _, said = apack("footprint", "models")
    assert code == 2 and said.startswith("apack: models/wide.npz: x: bits must be given (2..16)")
    code, text, said = apack("footprint", "models", "--bits", 5, "--json", "f.json")
    assert (code, said) == (0, "") and "not read: 1 tensor, 81 values: floating point (needs --quantize)" in text
    assert "models/empty.npy: 1 tensor without values, nothing to measure\n" in text
    document = json.loads((tmp_path / "f.json").read_text())
    assert [m["totals"]["all"]["raw_bits"] for m in document["models"]] == [0, 5 * 16 * 90]
    code, text, said = apack("footprint", "models", "--bits", 5, "--quantize", "--markdown", "-")
    assert (code, said) == (0, "") and text.startswith("| others | values |") and "| wide | 1,521 |" in text


@pytest.mark.parametrize("arguments, words", [
    (("no.npz",), "no.npz: No such file"),
    (("one.npz", "no.npz"), "no.npz: No such file"),
    (("float.npz",), "float.npz: "),
    (("one.npz", "--bits", "17"), "--bits: must be in 2..16, not 17"),
    (("one.npz", "--json", "-", "--markdown", "-"), "--markdown: must go elsewhere than --json, not -"),
    (("one.npz", "--rivals", "huffman,best"), "--rivals: must be of .*huffman.*, not 'best'"),
    (("one.npz", "--jobs", "0"), "--jobs"),
    (("one.npz", "--rows", "65"), "--rows: must be in 2..64, not 65"),
    (("one.npz", "--html", "."), r"\.: must be a file"),
    (("one.npz", "--html", "a", "--json", "./a"), "--html: must go elsewhere than --json"),
    (("one.npz", "--markdown", "no/a.md"), "no/a.md: there is no folder no"),
    (("one.npz", "--weight-bits", "4"), "--weight-bits: only together with --quantize"),
    (("one.npz", "--cluster", "nothing here"), "--cluster: .*nothing here"),
    (("one.npz", "--cluster", "tcp://127.0.0.1:9"), "--cluster: no Dask scheduler answers at tcp://127.0.0.1:9"),
])
def test_command_refuses(apack, tmp_path, monkeypatch, arguments, words):
    """One line that names what is wrong, and nothing is written."""
    monkeypatch.setattr("golden.footprint.cluster.TIMEOUT", "1s")
    pack(tmp_path / "one.npz")
    np.savez(tmp_path / "float.npz", x=np.zeros(9))
    if "--cluster" in arguments:
        pytest.importorskip("distributed", reason="needs the extra: cluster")
    before = sorted(tmp_path.iterdir())
    code, text, said = apack("footprint", *arguments)
    assert code == 2 and text == "" and len(said.splitlines()) == 1 and re.search(words, said), said
    assert sorted(tmp_path.iterdir()) == before


def test_damage_is_named(apack, tmp_path):
    path = pack(tmp_path / "one.npz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    for jobs in (1, 2):
        code, text, said = apack("footprint", "one.npz", "--jobs", jobs)
        assert code == 2 and text == "" and said.startswith("apack: one.npz: ") and len(said.splitlines()) == 1, said
