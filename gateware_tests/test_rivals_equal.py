"""Rivals and APack on equal terms: every column against what the codec and the schemes themselves say."""

import json

import numpy as np
import pytest

from golden.codec import to_codes
from golden.config import CodecConfig
from golden.container import compress
from golden.header import DIRECTORY, table_bytes
from golden.rivals import RIVALS
from golden.rivals.__main__ import main
from golden.rivals.equal import compare
from golden.search import histogram, search_table

RNG = np.random.default_rng(3)
BLOCK = CodecConfig().block
needs_ans = pytest.mark.skipif(RIVALS["ans"].missing() is not None, reason="needs the extra: rivals")


@pytest.fixture
def pack(tmp_path):
    """Two weights, of which one has three blocks, and an activation."""
    arrays = {
        "w0": np.rint(RNG.laplace(0, 9, 2 * BLOCK + 99)).clip(-128, 127).astype(np.int8),
        "w1": np.rint(RNG.laplace(0, 30, 700)).clip(-128, 127).astype(np.int8),
        "a0": RNG.integers(0, 9, 500).astype(np.uint8),
    }
    entries = [{"key": key, "kind": "weight" if key[0] == "w" else "activation"} for key in arrays]
    path = tmp_path / "p.npz"
    np.savez(path, meta=np.frombuffer(json.dumps({"tensors": entries}).encode(), np.uint8), **arrays)
    return path, arrays["w0"], arrays["w1"]


@needs_ans
def test_columns(pack):
    path, *weights = pack
    found = compare(path, "weight", ("huffman", "ans"))
    raw = 8 * sum(w.size for w in weights)
    bits = {name: ratio * raw for name, ratio in found.items() if name != "model"}
    codes = [to_codes(w, 8)[0] for w in weights]
    files = [compress(w) for w in weights]
    assert bits["file"] == pytest.approx(8 * sum(map(len, files)))
    for name in ("huffman", "ans"):
        assert bits[name] == pytest.approx(sum(RIVALS[name].bits(c, 8) for c in codes))
    # bare: tables and blocks, which the search's cost foretells; rows and longer blocks then only gain
    searches = [search_table(CodecConfig(), histogram(c, 8)) for c in codes]
    ideal = sum(found.cost_bits + 8 * len(table_bytes(found.table)) for found in searches)
    assert ideal < bits["bare"] < ideal * 1.002 + 4 * 16  # the coder's precision; a bit to end and padding, of 4 blocks
    assert bits["bare"] >= bits["longest blocks"] >= bits["64 rows"] >= bits["M = 10"] > 0
    around = bits["file"] - bits["bare"]
    assert 8 * (4 * DIRECTORY.itemsize + 2 * 20) < around < 8 * (4 * DIRECTORY.itemsize + 2 * 30)
    huffman = sum(RIVALS["huffman"].bits(c[i : i + BLOCK], 8) for c in codes for i in range(0, len(c), BLOCK))
    assert bits["huffman, in blocks"] == pytest.approx(huffman + around)
    # a stream for each block begins with a state of its own: some words more, one model all the same
    more = bits["ans, in blocks"] - around - bits["ans"]
    assert 0 < more <= 2 * 64


@needs_ans
def test_one_block_is_the_whole_tensor(pack):
    codes = to_codes(pack[1], 8)[0]
    scheme = RIVALS["ans"].scheme
    assert scheme.block_bits(codes, 8, len(codes)) == scheme.bits(codes, 8) < scheme.block_bits(codes, 8, 1000)


def test_command(pack, capsys):
    path = str(pack[0])
    main(["equal", path, path, "--rivals", "huffman", "--kind", "activation"])
    head, _, one, two, mean = capsys.readouterr().out.splitlines()
    assert head == "| model | file | huffman | huffman, in blocks | bare | longest blocks | 64 rows | M = 10 |"
    assert one == two and one.startswith("| p | ") and mean.split("|")[2:] == one.split("|")[2:]
    for wrong, words in ((["equal", path, "--rivals", "best"], "not 'best'"), (["equal", "no.npz"], "No such file")):
        with pytest.raises(SystemExit) as ended:
            main(wrong)
        said = capsys.readouterr()
        assert ended.value.code == 2 and words in said.err.splitlines()[-1] and said.out == ""
