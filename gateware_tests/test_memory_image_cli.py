"""The command memory-image: its file is golden's image, its JSON all that software needs; what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from apack_hdl import cli
from golden.config import CodecConfig
from golden.memory import Image, table_rows
from golden.table import SymbolTable


@pytest.fixture
def tensor(tmp_path, monkeypatch):
    """A tensor of 4-bit values in w.npy, in the current folder."""
    monkeypatch.chdir(tmp_path)
    array = np.random.default_rng(2).normal(0, 1.4, (6, 50)).round().clip(-8, 7).astype(np.int8)
    np.save("w.npy", array)
    return array


def apack(*arguments, code=0):
    with pytest.raises(SystemExit) as ended:
        cli.main(["memory-image", "w.npy", "-o", "w.bin", *map(str, arguments)])
    assert ended.value.code == code


@pytest.mark.parametrize("layout", ("packed", "slots"))
@pytest.mark.parametrize("engine_bits", (4, 8))
def test_image_and_json(tensor, capsys, layout, engine_bits):
    apack("--bits", 4, "--block", 32, "--layout", layout, "--address", 64, "--engine-bits", engine_bits, "--rows", 6,
          "--verify", "--json", "w.json")
    facts = json.loads(Path("w.json").read_text(encoding="utf-8"))
    job, config = facts["job"], CodecConfig(**facts["config"])
    rows = [tuple(row) for row in facts["table_rows"]]
    assert len(rows) == 6 and config.rows == 6 - (engine_bits > 4)
    own = rows[:-1] if engine_bits > 4 else rows
    own = own[max(i for i, row in enumerate(own) if row[0] == 0) :]
    table = SymbolTable(config, *zip(*own, strict=True))
    assert table_rows(table, config.with_(width=engine_bits, rows=6)) == rows
    memory = np.concatenate([np.zeros(64, np.uint8), np.fromfile("w.bin", np.uint8)])
    image = Image(table, np.dtype("i1"), (6, 50), True, layout, job["data_address"], job["directory_address"],
                  job["slot_bytes"])
    assert np.array_equal(image.read(memory), tensor) and image.job() == job
    assert len(memory) == 64 + facts["image_bytes"] and facts["verified"]
    assert "verified" in capsys.readouterr().out


@pytest.mark.parametrize(("options", "problem"), [
    (("--address", 4), "--address: must be a multiple of 8 in 0..2^63, not 4"),
    (("--layout", "packed", "--slot-bytes", 64), "--slot-bytes: not together with --layout packed"),
    (("--slot-bytes", 3), "--slot-bytes: slot_bytes must be in 1024..16777215, not 3"),
    (("--engine-bits", 4), "--engine-bits: the table's width must be in 2..4, not 8"),
    (("--bits", 4, "--engine-bits", 5, "--rows", 2), "--rows: must be in 3..64 for values narrower"),
    (("--bits", 2), "w.npy: values must all be in -2..1"),
])
def test_refusals_take_one_line_and_leave_no_file(tensor, tmp_path, capsys, options, problem):
    apack(*options, code=2)
    said = capsys.readouterr().err
    assert problem in said and said.count("\n") == 1 and not (tmp_path / "w.bin").exists()


def test_an_empty_tensor_is_refused(tensor, capsys):
    np.save("w.npy", np.zeros((0, 3), np.int8))
    apack(code=2)
    assert "w.npy: must hold a value at least" in capsys.readouterr().err
