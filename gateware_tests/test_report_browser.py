"""The report in a real browser: nothing to scroll sideways on a phone, tables that sort, all models side by side."""

import json
import subprocess
import sys

import numpy as np
import pytest

from golden.footprint import Settings, footprint
from golden.report import html, pictures
from golden.rivals import RIVALS

pytestmark = pytest.mark.skipif(pictures.missing() is not None, reason=f"needs a browser: {pictures.missing()}")
RNG = np.random.default_rng(3)
LONG = "a_name_without_any_place_to_break_it_" * 4


@pytest.fixture(scope="module")
def opened():
    with pictures.browser() as found:
        yield found


def pack(path, spread: float):
    """Weights and two inputs' activations, with names that are too long for any phone."""
    arrays = {f"w{i}": np.rint(RNG.laplace(0, spread + i, 3000)).clip(-128, 127).astype(np.int8) for i in range(3)}
    arrays |= {f"a{i}": RNG.poisson(spread, 4000).astype(np.uint8) for i in range(2)}
    entries = [{"key": f"w{i}", "kind": "weight", "name": LONG + str(i), "op": LONG, "role": "kv"} for i in range(3)]
    entries += [{"key": f"a{i}", "kind": "activation", "name": LONG, "input": i, "n_total": 9999} for i in range(2)]
    meta = json.dumps({"info": {"model": LONG}, "tensors": entries}).encode()
    np.savez(path, meta=np.frombuffer(meta, np.uint8), **arrays)
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Three models: the second has the smallest ratios; the third has a name that is long."""
    folder = tmp_path_factory.mktemp("report")
    paths = [pack(folder / f"{name}.npz", spread) for name, spread in (("b", 9.0), ("a", 2.0), ("c" * 60, 30.0))]
    settings = Settings(rivals=tuple(n for n, r in RIVALS.items() if not r.missing())[:4], pictures=True)
    document = footprint(paths, settings)
    (folder / "r.html").write_text(html(document), encoding="utf-8")
    (folder / "one.html").write_text(html(document | {"models": document["models"][:1]}), encoding="utf-8")
    return folder / "r.html", document


@pytest.mark.parametrize("width, scheme", [(390, "light"), (320, "dark")])
def test_nothing_to_scroll_sideways_on_a_phone(opened, report, width, scheme):
    page, errors = pictures.open_page(opened, report[0], width, 844, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
    assert page.evaluate("innerWidth") == width
    root = "document.documentElement"
    assert page.evaluate(f"[{root}.scrollWidth, {root}.clientWidth]") == [width, width]
    assert page.evaluate(pictures.WIDER) == [] and errors == []
    page.close()


def texts(page, cells: str) -> list[str]:
    return page.locator(f"#overview-table {cells}").all_text_contents()


def names(page) -> list[str]:
    return texts(page, "tbody tr td:first-child")


def test_all_models_side_by_side(opened, report):
    path, document = report
    page, errors = pictures.open_page(opened, path, 1280, 900)
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    assert names(page) == ["b", "a", "c" * 60]
    row = texts(page, "tbody tr:first-child td")
    for at, kind in ((1, "weights"), (5, "activations")):
        sums = document["models"][0]["totals"][kind]
        assert row[at : at + 3] == [f"{sums[f'{n}_bits'] / sums['raw_bits']:.4f}" for n in ("floor", "bound", "apack")]
        best = min(sums["rivals"], key=sums["rivals"].get)
        assert row[at + 3 + (at == 5)] == f"{sums['rivals'][best] / sums['raw_bits']:.4f} {best}"
    assert row[8] == f"{document['models'][0]['profiled']['loss']:.2%}".replace("%", " %")
    summary = document["summary"]["weights"]
    means = [f"{summary[how]['apack']:.4f}" for how in ("mean", "weighted")]
    assert texts(page, "tfoot td:nth-child(4)") == [*means, "0.6000"]
    page.click("#overview-table th:nth-child(4) button")
    assert names(page) == ["c" * 60, "b", "a"]
    page.click("#overview-table th:nth-child(4) button")
    assert names(page) == ["a", "b", "c" * 60]
    bars = [page.locator(f"#overview-{kind} rect.fill").count() for kind in ("weights", "activations")]
    assert bars == [3, 3] and page.locator("#overview-weights path.best").count() == 3
    page.click("#overview-table tbody tr:first-child button")  # to that model
    assert page.evaluate("document.getElementById('model').value") == "1"
    shown = page.evaluate("document.querySelector('#cards b').textContent")
    assert shown == f"{document['models'][1]['totals']['weights']['ratio']:.4f}" and errors == []
    page.close()


def test_one_model_has_no_overview(opened, report):
    page, errors = pictures.open_page(opened, report[0].with_name("one.html"), 1280, 900)
    assert not page.is_visible("#overview") and page.is_visible("#totals") and errors == []
    page.close()


def test_pictures_are_made(report, tmp_path):
    wrong = tmp_path / "wide.html"
    wrong.write_text("<p style='width: 999px'>too wide</p>")
    said = []
    for page in (report[0], wrong):  # in processes of their own: playwright works for one at a time in each
        command = [sys.executable, "-m", "golden.report.pictures", str(page), str(tmp_path)]
        said.append(subprocess.run(command, capture_output=True, text=True, timeout=60))
    assert said[0].returncode == 0 and said[0].stderr == ""
    assert {p.name for p in tmp_path.glob("*.png")} == {"report-desk.png", "report-phone.png"}
    assert said[1].stderr == "pictures: phone: has to be scrolled sideways: ['HTML']\n" and said[1].returncode == 1
