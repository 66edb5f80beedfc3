"""Tensor packs: what is read, and what is said about files that are none."""

import json
import zipfile

import numpy as np
import pytest

from golden.errors import FormatError
from golden.tensors import Recipe, open_model
from golden.tensors.packs import Pack

W = np.arange(6, dtype=np.int8)
A = np.arange(300, dtype=np.uint16)


def write(path, meta=None, **arrays):
    if meta is not None:
        text = meta if isinstance(meta, bytes) else json.dumps(meta).encode()
        arrays["meta"] = np.frombuffer(text, np.uint8)
    np.savez_compressed(path, **arrays)
    return path


def test_pack_with_meta(tmp_path):
    entries = [
        {"key": "a0000", "kind": "activation", "name": "relu", "bits": 12, "shape": [2, 1000], "input": 1},
        {"key": "w0000", "kind": "weight", "name": "conv", "bits": 4, "shape": [2, 3]},
    ]
    path = write(tmp_path / "m.npz", {"info": {"model": "toy"}, "tensors": entries}, w0000=W, a0000=A, other=A)
    with Pack(path) as pack:
        assert pack.info == {"model": "toy"}
        assert [(r.key, r.name, r.kind, r.bits) for r in pack.records] == [
            ("a0000", "relu", "activation", 12),
            ("w0000", "conv", "weight", 4),
        ]
        assert pack.records[0].meta == entries[0]
        pairs = list(pack)
        assert [record for record, _ in pairs] == pack.records
        for (_, array), expected in zip(pairs, (A, W), strict=True):
            assert array.dtype == expected.dtype and np.array_equal(array, expected)
        assert np.array_equal(pack.load(pack.records[1]), W)


def test_plain_npz(tmp_path):
    with Pack(write(tmp_path / "p.npz", w=W, x=np.zeros((2, 2), ">i2"))) as pack:
        assert pack.info == {}
        assert [(r.key, r.name, r.kind, r.bits, a.shape) for r, a in pack] == [
            ("w", "w", "tensor", None, (6,)),
            ("x", "x", "tensor", None, (2, 2)),
        ]


FLOATS = np.random.default_rng(1).normal(size=(5, 40)).astype(np.float32)


def test_floats_are_skipped_or_quantized(tmp_path):
    """Whatever is no tensor of the codec's is counted with the reason; weights take the recipe that is given."""
    arrays = {"f": FLOATS, "half": FLOATS.astype(np.float16), "bias": FLOATS[0], "norm1": FLOATS, "b": W > 2, "t": W}
    path = write(tmp_path / "p.npz", **arrays)
    with Pack(path) as pack:
        assert [r.key for r in pack.records] == ["t"]
        assert [(s["reason"], s["tensors"], s["values"]) for s in pack.info["skipped"]] == [
            ("floating point (needs --quantize)", 4, 640), ("neither integers nor floating point", 1, 6)]
    recipe = Recipe(bits=4)
    with Pack(path, recipe) as pack:
        found = {r.key: (r, array) for r, array in pack}
        assert list(found) == ["f", "half", "t"] and pack.info["skipped"][0]["values"] == 240
        record, codes = found["f"]
        assert (record.bits, record.meta["quantized"]) == (4, str(recipe))
        assert np.array_equal(codes, recipe.quantize(FLOATS, 0)[0]) and codes.dtype == np.int8
    np.save(tmp_path / "f.npy", FLOATS)
    with open_model(tmp_path / "f.npy", quantize=recipe) as model:
        assert np.array_equal(model.load(model.records[0]), codes)
    with pytest.raises(FormatError, match=r"f.npy: holds no quantized tensor \(1 x floating point \(needs --quantize"):
        open_model(tmp_path / "f.npy")


def test_a_member_that_ends_before_what_it_claims(tmp_path):
    """Its length in the archive's directory is a lie, its checksum is right: values must not be what was in memory."""
    np.save(tmp_path / "x.npy", np.ones(12345, np.int8))
    data = (tmp_path / "x.npy").read_bytes()
    with zipfile.ZipFile(tmp_path / "p.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", data[:-100])
    size, claimed = (length.to_bytes(4, "little") for length in (len(data) - 100, len(data)))
    text = (tmp_path / "p.npz").read_bytes()
    assert text.count(size) == 2
    (tmp_path / "p.npz").write_bytes(text.replace(size, claimed))
    said = "'x': it ends after 12,245 of 12,345 bytes"
    with Pack(tmp_path / "p.npz") as pack, pytest.raises(FormatError, match=said):
        list(pack)


@pytest.mark.parametrize("array", [
    np.arange(12).reshape(3, 4).T, np.zeros((0, 3), np.int8), np.array(7, np.int16), np.arange(5, dtype=">u2"),
    np.arange(100_000, dtype=np.uint16).reshape(10, -1)])
def test_arrays_are_as_numpy_reads_them(tmp_path, array):
    """In either order of axes and bytes, empty, without axes, compressed and not."""
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "p.npz", x=array)
        with Pack(tmp_path / "p.npz") as pack:
            found = pack.load(pack.records[0])
        assert found.dtype == array.dtype and found.shape == array.shape and np.array_equal(found, array)
        assert found.flags.f_contiguous == array.flags.f_contiguous


def test_arrays_are_loaded_one_at_a_time(tmp_path):
    """A pack whose second array is damaged still gives its first."""
    path = write(tmp_path / "m.npz", w=W, a=A)
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("a.npy").header_offset + 60
    data = bytearray(path.read_bytes())
    data[at : at + 20] = bytes(20)
    path.write_bytes(data)
    with Pack(path) as pack:
        pairs = iter(pack)
        assert np.array_equal(next(pairs)[1], W)
        with pytest.raises(FormatError, match="m.npz: array 'a' is damaged"):
            next(pairs)


@pytest.mark.parametrize(
    "meta, message",
    [
        (b"{", "meta must be UTF-8 JSON"),
        (b"\xff\xfe", "meta must be UTF-8 JSON"),
        ([], "meta must be a JSON object with a list 'tensors'"),
        ({"tensors": {}}, "meta must be a JSON object with a list 'tensors'"),
        ({"tensors": [{"key": "w1"}]}, "describes tensor 'w1', the file has no such array"),
        ({"tensors": [{"name": "w"}]}, "describes tensor None"),
        ({"tensors": ["w"]}, "describes tensor 'w'"),
        ({"tensors": [{"key": "w", "bits": "8"}]}, "bits of tensor 'w' must be an integer, not '8'"),
        ({"tensors": [{"key": "w", "shape": 5}]}, "shape of tensor 'w' must be a list of natural numbers, not '5'"),
        ({"tensors": [{"key": "w", "shape": [2, -1]}]}, "shape of tensor 'w' must be a list of natural numbers"),
        ({"tensors": [{"key": "w", "n_total": -1}]}, "n_total of tensor 'w' must be a natural number, not '-1'"),
        ({"tensors": [{"key": "w", "role": ["kv"]}]}, "role of tensor 'w' must be text"),
        ({"tensors": [], "info": []}, "info in meta must be a JSON object"),
        (b"[" * 100_000, "meta must be UTF-8 JSON"),
        ({"tensors": [{"key": "w", "bits": True}]}, "bits of tensor 'w' must be an integer, not True"),
    ],
)
def test_broken_meta(tmp_path, meta, message):
    path = write(tmp_path / "m.npz", meta, w=W)
    with pytest.raises(FormatError, match=f"m.npz: .*{message}"):
        Pack(path)


def test_objects_are_not_unpickled(tmp_path):
    with Pack(write(tmp_path / "m.npz", o=np.array([None]))) as pack:
        with pytest.raises(FormatError, match="array 'o': it holds Python objects"):
            list(pack)


def test_member_that_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with Pack(tmp_path / "m.npz") as pack:
        with pytest.raises(FormatError, match="'readme.txt' is not an array"):
            list(pack)


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04 and no more", b"\x93NUMPY\x01\x00"])
def test_not_an_npz(tmp_path, data):
    path = tmp_path / "m.npz"
    path.write_bytes(data)
    with pytest.raises(FormatError, match="m.npz: not an .npz file"):
        Pack(path)
    with pytest.raises(FileNotFoundError):
        Pack(tmp_path / "none.npz")
