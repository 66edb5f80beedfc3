"""The shipped sample is the file its README describes, and its `meta` tells the truth about the arrays."""

import hashlib
import json
import math
import os
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from golden import sample
from golden.sample import make_sample

README = sample.PATH.with_name("README.md").read_text(encoding="utf-8")
SCRIPT = Path(make_sample.__file__)


@pytest.fixture(scope="module")
def pack():
    with np.load(sample.PATH) as file:
        return {key: file[key] for key in file.files}


@pytest.fixture(scope="module")
def tensors(pack):
    return json.loads(bytes(pack["meta"]))["tensors"]


def entropy(values):
    """Bits per value, counted in another way than the script does."""
    return sum(n / values.size * math.log2(values.size / n) for n in Counter(values.tolist()).values())


def test_file_is_the_one_the_readme_names():
    data = sample.PATH.read_bytes()
    assert hashlib.sha256(data).hexdigest() in README
    assert f"({len(data):,} bytes)" in README


def test_readme_names_the_pinned_origin():
    assert make_sample.WHEEL_SHA256 in README
    assert make_sample.MODEL_SHA256 in README
    assert make_sample.WHEEL.partition("==")[2] in README


def test_every_array_is_described_once(pack, tensors):
    keys = [t["key"] for t in tensors]
    assert len(keys) == len(set(keys))
    assert {*keys, "meta"} == set(pack)


def test_meta_agrees_with_the_arrays(pack, tensors):
    for t in tensors:
        values, where = pack[t["key"]], t["key"]
        assert values.dtype == t["dtype"] == {"weight": "int8", "activation": "uint8"}[t["kind"]], where
        assert t["bits"] == 8 * values.itemsize, where
        assert values.shape == (t["n_stored"],), where
        assert t["n_stored"] <= t["n_total"] == math.prod(t["shape"]), where
        assert len(t["scale"]) == len(t["zero_point"]) == 1 and t["scale"][0] > 0, where
        zeros = np.count_nonzero(values == t["zero_point"][0])
        assert t["frac_zero"] == pytest.approx(zeros / values.size, abs=6e-5), where
        assert t["h_stored"] == pytest.approx(entropy(values), abs=6e-5), where
        if t["n_stored"] == t["n_total"]:
            assert t["h_full"] == t["h_stored"], where


def test_weights_are_whole_and_symmetric(pack, tensors):
    weights = [t for t in tensors if t["kind"] == "weight"]
    for t in weights:
        assert (t["input"], t["zero_point"], t["n_stored"]) == (None, [0], t["n_total"]), t["key"]
        assert pack[t["key"]].min() >= -127, t["key"]
    assert sum(t["n_stored"] for t in weights) >= 400_000


def test_activations_of_both_inputs_pair_up(tensors):
    """A table built on one input can be measured on the other: same tensors, same scales, different values."""
    first, second = ([t for t in tensors if t["input"] == i] for i in (0, 1))
    same = ("name", "op", "shape", "scale", "zero_point")
    assert [[t[k] for k in same] for t in first] == [[t[k] for k in same] for t in second]
    assert all(a["h_full"] != b["h_full"] for a, b in zip(first, second, strict=True))
    assert sum(t["n_stored"] for t in first + second) >= 800_000
    assert max(t["n_stored"] for t in first) >= 100_000


def test_readme_table_is_the_script_s(pack):
    assert make_sample.summary(pack) in README


def run_without_extra(tmp_path, *arguments):
    """Run the script where the `sample` extra's packages cannot be imported, installed or not."""
    (tmp_path / "hidden").mkdir()
    for name in ("onnx", "onnxruntime", "skimage"):
        (tmp_path / "hidden" / f"{name}.py").write_text(f"raise ImportError('No module named {name}')")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "hidden")}
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_help_needs_no_extra(tmp_path):
    done = run_without_extra(tmp_path, "--help")
    assert done.returncode == 0 and "--wheel" in done.stdout and done.stderr == ""


def test_missing_extra_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(make_sample, "read_model", lambda wheel, folder: b"")
    monkeypatch.setattr(sys, "argv", ["make_sample", "--out", str(tmp_path / "out.npz")])
    for name in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)  # what Python takes for "cannot be imported"
    problem = make_sample.main()
    assert problem.startswith("make_sample: ") and problem.endswith("install the project's `sample` extra")
    assert "\n" not in problem and not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["absent", "another"])
def test_wrong_wheel_is_one_line(tmp_path, what):
    wheel, out = tmp_path / "some.whl", tmp_path / "out.npz"
    if what == "another":
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(make_sample.MODEL, b"not a model")
    command = [sys.executable, SCRIPT, "--wheel", wheel, "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("make_sample: ") and str(wheel) in line
    if what == "another":
        assert make_sample.WHEEL_SHA256 in line and hashlib.sha256(wheel.read_bytes()).hexdigest() in line
    assert not out.exists()


def test_save_leaves_nothing_behind_when_it_fails(tmp_path):
    class Unwritable:
        def __array__(self, dtype=None, copy=None):
            raise ValueError("cannot be written")

    (tmp_path / "pack.npz").write_bytes(b"old")
    with pytest.raises(ValueError, match="cannot be written"):
        make_sample.save({"w0000": Unwritable()}, tmp_path / "pack.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["pack.npz"]
    assert (tmp_path / "pack.npz").read_bytes() == b"old"
