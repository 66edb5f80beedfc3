"""Whole-model footprints: everything is counted, and stays near the bound where a model is large enough."""

import numpy as np
import pytest

from golden.config import CodecConfig
from golden.container import compress
from golden.footprint import pack_footprint, tensor_footprint
from golden.sample import PATH
from golden.tensors.packs import Pack


def laplacian(count, scale, seed=1):
    values = np.rint(np.random.default_rng(seed).laplace(0, scale, count))
    return np.clip(values, -128, 127).astype(np.int8)


@pytest.mark.parametrize("scale", [1.5, 4, 12])
def test_large_tensor_is_within_half_a_percent_of_the_bound(scale):
    figures, data = tensor_footprint(laplacian(300_000, scale), CodecConfig())
    assert figures["apack_bits"] == 8 * len(data) == 8 * len(compress(laplacian(300_000, scale)))
    assert figures["floor_bits"] <= figures["bound_bits"] < figures["apack_bits"] <= 1.005 * figures["bound_bits"]


def test_sample():
    """The sample's tensors are small: what each needs besides its values is bounded in bytes instead."""
    kept = {}
    with Pack(PATH) as pack:
        totals = pack_footprint(pack, CodecConfig(), keep=kept.__setitem__)
        assert sorted(kept) == sorted(record.key for record in pack.records)
    assert list(totals)[-1] == "all" and set(totals) == {"weight", "activation", "all"}
    whole = totals["all"]
    assert whole["apack_bits"] == 8 * sum(map(len, kept.values()))
    for name in whole:
        assert whole[name] == pytest.approx(totals["weight"][name] + totals["activation"][name])
    besides = whole["apack_bits"] - whole["bound_bits"] * 1.002  # the coder's own loss is below 0.2 %
    assert 0 < besides / 8 <= 75 * whole["tensors"]


def test_width_of_the_pack_counts(tmp_path):
    """Values of 4 bits that are stored in bytes are raw in 4 bits, and the same as without a description of 8."""
    values = np.random.default_rng(1).integers(-8, 8, 5000).astype(np.int8)
    np.savez(tmp_path / "plain.npz", x=values)
    with Pack(tmp_path / "plain.npz") as pack:
        assert pack_footprint(pack, CodecConfig())["all"]["raw_bits"] == 8 * 5000
    meta = b'{"tensors": [{"key": "x", "kind": "weight", "name": "x", "bits": 4}]}'
    np.savez(tmp_path / "four.npz", x=values, meta=np.frombuffer(meta, np.uint8))
    with Pack(tmp_path / "four.npz") as pack:
        assert pack_footprint(pack, CodecConfig())["all"]["raw_bits"] == 4 * 5000


def test_tensor_that_is_not_quantized_is_named(tmp_path):
    np.savez(tmp_path / "float.npz", x=np.zeros(3, np.int8), y=np.zeros(3))
    with Pack(tmp_path / "float.npz") as pack, pytest.raises(TypeError, match="^y: tensor must have dtype int8"):
        pack_footprint(pack, CodecConfig())
