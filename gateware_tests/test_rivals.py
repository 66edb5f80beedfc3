"""Every rival's size is what its encoder writes, its decoder gives the tensor back, and no tensor is too odd."""

import subprocess
import sys

import numpy as np
import pytest

from golden.rivals import RIVALS, Rival, dictionary, paper, readings
from golden.rivals.__main__ import main
from golden.rivals.bench import REMARK, run

WIDTHS = (2, 3, 4, 7, 8, 9, 12, 16)
OWN = [name for name, rival in RIVALS.items() if not rival.module]


@pytest.fixture(params=RIVALS)
def rival(request):
    found = RIVALS[request.param]
    if missing := found.missing():
        pytest.skip(missing)
    return found


def tensors(width, seed=1):
    """Named tensors with the shapes that codecs trip over; unsigned codes in the smaller type that holds them."""
    rng, top = np.random.default_rng(seed), 1 << width
    noise = rng.integers(0, top, 500)
    named = {
        "empty": [],
        "zero": [0],
        "one value": [top - 1],
        "all equal": [top // 2] * 300,
        "all zero": [0] * 333,
        "two values": [0, top - 1],
        "noise": noise,
        "weights": np.rint(rng.laplace(0, top / 20, 700)).astype(np.int64) % top,
        "sparse": np.where(rng.random(500) < 0.8, 0, noise),
        "sparse around a zero point": np.where(rng.random(500) < 0.8, top // 2, noise),
        "ramp": np.arange(min(top, 300)),
        "long runs": np.repeat(noise[:6], [1, 300, 2, 256, 17, 90]),
        "ends in zeros": np.concatenate((noise[:30], np.zeros(270, np.int64))),
    }
    return {name: np.array(codes).astype(np.uint8 if width <= 8 else np.uint16) for name, codes in named.items()}


@pytest.mark.parametrize("width", WIDTHS)
def test_size_is_what_the_encoder_writes_and_the_decoder_reads(rival, width):
    for name, codes in tensors(width).items():
        bits = rival.encode(codes, width)
        assert rival.bits(codes, width) == len(bits), name
        back = rival.decode(bits, len(codes), width)
        assert back.dtype == codes.dtype and np.array_equal(back, codes), name
        if len(codes):  # without the choice to store it raw
            bits = rival.scheme.encode(codes, width)
            assert rival.scheme.bits(codes, width) == len(bits), name
            assert np.array_equal(rival.scheme.decode(bits, len(codes), width), codes), name


def test_longer_tensor_cut_into_many_pieces(rival, monkeypatch):
    """Sizes are computed piece by piece: where the cuts are must not show."""
    codes = np.concatenate([tensors(8)["sparse"], tensors(8)["weights"], tensors(8)["long runs"]])
    whole = rival.scheme.bits(codes, 8)
    monkeypatch.setattr(readings, "PIECE", 128)
    monkeypatch.setattr(dictionary, "LARGEST", 700)
    monkeypatch.setattr(paper, "LANES", 2)
    bits = rival.scheme.encode(codes, 8)
    assert rival.scheme.bits(codes, 8) == len(bits)
    assert np.array_equal(rival.scheme.decode(bits, len(codes), 8), codes)
    if rival.name in OWN + ["ans"]:
        assert len(bits) == whole


def test_no_tensor_takes_more_than_raw_and_a_bit(rival):
    for width in (2, 8, 16):
        for name, codes in tensors(width).items():
            assert 0 <= rival.bits(codes, width) <= len(codes) * width + (len(codes) > 0), name
        noise = tensors(width)["noise"]
        assert rival.bits(noise, width) > 0.97 * len(noise) * width  # nothing compresses noise


def test_zero_point_and_sign_cost_nothing(rival):
    """A tensor whose zero is elsewhere, as its zero point puts it, takes about as much (dictionaries see no values)."""
    for codes in (tensors(8)["weights"], tensors(8)["sparse"]):
        here, there = (rival.bits(tensor, 8) for tensor in (codes, codes + np.uint8(100)))
        bound = 0.04 if rival.name == "paper" else 0.02  # its search starts from rows of equal size
        assert there == pytest.approx(here, rel=bound, abs=150)


def test_codes_may_come_in_the_larger_type(rival):
    codes = tensors(4)["weights"]
    assert rival.bits(codes.astype(np.uint16), 4) == rival.bits(codes, 4)


@pytest.mark.parametrize(
    "codes, width, error, words",
    [
        ([1, 2], 8, TypeError, "codes must be a numpy array of uint8 or uint16, not list"),
        (np.zeros(3, np.int8), 8, TypeError, "uint8 or uint16, not int8"),
        (np.zeros((2, 2), np.uint8), 8, ValueError, "one dimension, not 2"),
        (np.array([1, 16], np.uint8), 4, ValueError, r"codes must be in 0\.\.15, not 16"),
        (np.zeros(3, np.uint8), 1, ValueError, r"width must be in 2\.\.16, not 1"),
        (np.zeros(3, np.uint8), 8.0, TypeError, "width must be an integer"),
    ],
)
def test_errors(rival, codes, width, error, words):
    for do in (rival.bits, rival.encode):
        with pytest.raises(error, match=words):
            do(codes, width)


@pytest.mark.parametrize("module", ["no_such_module", "no_such_module.at_all"])
def test_missing_library_is_named_with_its_extra(module):
    absent = Rival("x", "X", "nowhere", object(), "some-package", module)
    assert absent.missing() == "some-package is not installed: pip install 'apack-hdl[rivals]'"
    with pytest.raises(ModuleNotFoundError, match="some-package is not installed"):
        absent.bits(np.zeros(3, np.uint8), 8)


def test_registry_and_light_import():
    """Names are keys; and looking at what there is loads no library."""
    assert all(name == rival.name and rival.title and rival.source for name, rival in RIVALS.items())
    heavy = sorted({rival.module.split(".")[0] for rival in RIVALS.values()} - {""})
    code = f"import sys, golden.rivals; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]" and len(heavy) == 4


def test_bench(tmp_path, capsys, monkeypatch):
    results = run(["zvc", "rle"], size_mb=0.01)
    assert [r["rival"] for r in results[:2]] == ["zvc", "rle"] and len(results) == 6
    assert all(r["mb_s"] > 0 and 0 < r["ratio"] <= 1.001 for r in results)
    monkeypatch.setattr("golden.rivals.bench.SLOW", 1e9)
    main(["bench", "--rivals", "zvc", "--size", "0.01", "--json", str(tmp_path / "b.json")])
    assert capsys.readouterr().out.count(REMARK) == 3 and (tmp_path / "b.json").stat().st_size > 100
    main(["list"])
    assert capsys.readouterr().out.count("\n") == len(RIVALS)
    with pytest.raises(SystemExit):
        main(["bench", "--rivals", "zcv"])
    assert "names must be among rle" in capsys.readouterr().err
    with pytest.raises(ValueError, match="size_mb must be above 0"):
        run(size_mb=0)
