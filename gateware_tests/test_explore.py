"""Sweeps: what is finished is kept and not done again, failures stay alone, nothing runs on after the end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from synth import SynthError, explore_plot
from synth.explore import Job, Store, Task, hash_of, run, synthesis_job
from synth.explore_results import Axis, front

# Jobs. They run in other processes, so that what they did is seen in files.


def square(folder: str, number: int) -> dict:
    """Leaves a file for each time it was called."""
    Path(folder, f"{number}.{time.monotonic_ns()}").touch()
    return {"square": number * number}


def fail(how: str) -> dict:
    if how == "die":
        os._exit(3)
    raise {"expected": SynthError, "unexpected": KeyError}[how]("two\nlines")


def wait_for(path: str) -> dict:
    """Ends well only when the file is there."""
    deadline = time.monotonic() + 20
    while not Path(path).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return {}


def sleep_in_subprocess(folder: str) -> dict:
    subprocess.run([sys.executable, "-c", f"import os, time; open({folder!r} + '/pid', 'w').write(str(os.getpid()));"
                    "time.sleep(100)"])
    return {}


def tasks(*jobs: Job) -> list[Task]:
    return [Task(job.name, lambda job=job: job) for job in jobs]


def squares(folder, *numbers) -> list[Task]:
    return tasks(*(Job(f"n={n}", hash_of(n), square, (str(folder), n)) for n in numbers))


def done(folder: Path) -> list[int]:
    """The numbers squared, once for each time."""
    return sorted(int(path.name.split(".")[0]) for path in folder.iterdir())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


@pytest.fixture
def calls(tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_a_second_run_does_only_what_is_missing(calls, store):
    first = list(run(squares(calls, 1, 2), store))
    assert [(o.name, o.result) for o in first] == [("n=1", {"square": 1}), ("n=2", {"square": 4})]
    second = {o.name: o for o in run(squares(calls, 2, 3, 1), store, jobs=2)}
    assert {name: o.result["square"] for name, o in second.items()} == {"n=1": 1, "n=2": 4, "n=3": 9}
    assert {name for name, o in second.items() if not o.reused} == {"n=3"}
    assert done(calls) == [1, 2, 3]


def test_outcomes_have_the_names_of_tasks(calls, store):
    (job,) = (task.prepare() for task in squares(calls, 3))
    for reused in (False, True):
        (outcome,) = run([Task("task", lambda: job)], store)
        assert (outcome.name, outcome.reused) == ("task", reused)


def test_a_damaged_result_is_made_anew_and_clear_forgets(calls, store):
    list(run(squares(calls, 5), store))
    (path,) = store.folder.iterdir()
    whole = path.read_text()
    older = whole.replace('"schema": 1', '"schema": 0')
    for damage in (whole[:-9], whole.replace(hash_of(5), hash_of(6)), older):
        path.write_text(damage)
        assert [o.result for o in run(squares(calls, 5), store)] == [{"square": 25}]
        assert path.read_text() == whole
    assert done(calls) == [5] * 4
    store.clear()
    assert store.get(hash_of(5)) is None


def test_failures_stay_alone_and_are_tried_again(calls, store):
    bad = tasks(*(Job(how, how, fail, (how,)) for how in ("expected", "unexpected", "die")))
    unmade = Task("unmade", lambda: 1 / 0)
    outcomes = {o.name: o for o in run([*bad, unmade, *squares(calls, 4)], store, jobs=2)}
    assert outcomes.pop("n=4").result == {"square": 16}
    assert {name: o.error for name, o in outcomes.items()} == {
        "expected": "two lines",
        "unexpected": "KeyError: 'two\\nlines'",
        "die": "its process ended without a result (exit code 3)",
        "unmade": "ZeroDivisionError: division by zero",
    }
    assert len(list(store.folder.iterdir())) == 1
    assert all(not o.reused for o in run(bad, store))


def test_jobs_run_side_by_side_and_results_come_as_they_are_ready(tmp_path, store):
    """The first job ends well only after the second has: one at a time it would wait in vain."""
    flag = str(tmp_path / "flag")
    slow = Job("slow", "slow", wait_for, (flag,))
    order = []
    for outcome in run([*tasks(slow), *squares(tmp_path, 7)], store, jobs=2):
        order.append(outcome.name)
        Path(flag).touch()
    assert order == ["n=7", "slow"]


def test_a_sweep_given_up_leaves_no_process_and_keeps_what_is_finished(tmp_path, calls, store):
    sweep = run([*tasks(Job("long", "long", sleep_in_subprocess, (str(tmp_path),))), *squares(calls, 2)], store, jobs=2)
    assert next(sweep).name == "n=2"
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.01)
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid)
    sweep.close()
    assert not alive(pid)
    assert store.get(hash_of(2)) == {"square": 4} and store.get("long") is None


def test_a_killed_sweep_takes_its_processes_along(tmp_path):
    """Even when it has no chance to clean up."""
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_explore import *
if __name__ == "__main__":
    list(run(tasks(Job("long", "long", sleep_in_subprocess, ({str(tmp_path)!r},))), Store({str(tmp_path)!r})))
"""
    (tmp_path / "sweep.py").write_text(code)
    sweep = subprocess.Popen([sys.executable, tmp_path / "sweep.py"])
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert sweep.poll() is None
        time.sleep(0.01)
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_cluster(calls, store):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        mixed = [*squares(calls, 1, 2, 3), *tasks(Job("bad", "bad", fail, ("expected",)))]
        outcomes = {o.name: o for o in run(mixed, store, cluster=cluster.scheduler_address)}
        assert outcomes.pop("bad").error == "two lines"
        assert sorted(o.result["square"] for o in outcomes.values()) == [1, 4, 9]
        assert done(calls) == [1, 2, 3]
    # With everything finished no cluster is needed.
    assert all(o.reused for o in run(squares(calls, 3, 2), store, cluster="tcp://127.0.0.1:1"))


def test_cluster_that_is_not_there(monkeypatch, store, calls):
    pytest.importorskip("distributed")
    monkeypatch.setattr("synth.explore_workers._CONNECT_S", 0.5)
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        with pytest.raises(SynthError, match=f"cluster: no scheduler with workers at '{address}'"):
            list(run(squares(calls, 1), store, cluster=address))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SynthError, match=r"pip install 'apack-hdl\[cluster\]'"):
        list(run(squares(calls, 1), store, cluster="tcp://127.0.0.1:1"))


def test_files_of_a_store_tell_what_they_are(calls, store):
    list(run(squares(calls, 6), store))
    (path,) = store.folder.iterdir()
    assert json.loads(path.read_text()) == {"schema": 1, "name": "n=6", "key": path.stem, "result": {"square": 36}}


# Results


def test_front_is_what_nothing_beats():
    rng = np.random.default_rng(3)
    x, y = Axis("x", "x"), Axis("y", "y", more=True)
    for _ in range(50):
        rows = [{"x": int(a), "y": int(b)} for a, b in rng.integers(0, 9, (12, 2))] + [{"x": None, "y": 9}]
        known = rows[:-1]
        want = [
            i for i, row in enumerate(known)
            if not any(o["x"] <= row["x"] and o["y"] >= row["y"] and o != row for o in known)
        ]
        found = front(rows, x, y)
        assert sorted(found) == want
        assert [rows[i]["x"] for i in found] == sorted(rows[i]["x"] for i in found)


def picture_rows():
    rows = [{"a": a, "b": b, "label": f"S{a}", "series": "s" if a % 2 else "t", "preset": None}
            for a, b in ((1, 1), (2, 4), (3, 3), (4, 5))]
    rows[2]["preset"] = "small"
    return rows


def test_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    axes = Axis("a", "area, kGE"), Axis("b", "clock, GHz", more=True)
    panels = {"first": picture_rows(), "second": picture_rows()[:2], "empty": [{"a": None, "b": 1}]}
    paths = explore_plot.draw(tmp_path / "p", "A title", *axes, panels)
    assert [path.name for path in paths] == ["p.svg", "p.png"]
    svg, png = (path.read_bytes() for path in paths)
    texts = re.findall(r"<!-- (.*?) -->", svg.decode())
    # The front but not the point below it, which is named for being a preset; shapes of both series; no empty panel.
    assert {"S1", "S2", "S4", "small", "s", "t", "first", "second", "A title"} <= set(texts)
    assert not {"S3", "empty"} & set(texts)
    assert texts.count("S1") == 2 and texts.count("S4") == 1
    assert png[:4] == b"\x89PNG"
    again = explore_plot.draw(tmp_path / "again", "A title", *axes, panels)
    assert [path.read_bytes() for path in again] == [svg, png]
    assert explore_plot.draw(tmp_path / "none", "A title", *axes, {"empty": panels["empty"]}) == []


def test_a_key_says_everything_that_the_result_follows_from(monkeypatch):
    first = synthesis_job("name", "module m; endmodule", "m", library="nangate45", period_ns=1.0)
    assert synthesis_job("other name", "module m; endmodule", "m", library="nangate45", period_ns=1.0).key == first.key
    others = [
        synthesis_job("name", "module m;  endmodule", "m", library="nangate45", period_ns=1.0),
        synthesis_job("name", "module m; endmodule", "n", library="nangate45", period_ns=1.0),
        synthesis_job("name", "module m; endmodule", "m", library="sky130hd", period_ns=1.0),
        synthesis_job("name", "module m; endmodule", "m", library="nangate45", period_ns=1.1),
    ]
    monkeypatch.setattr("synth.explore.tool_versions", lambda: {"pyosys": "another"})
    others.append(synthesis_job("name", "module m; endmodule", "m", library="nangate45", period_ns=1.0))
    assert len({job.key for job in (first, *others)}) == 6
    # A worker with other tools refuses.
    with pytest.raises(SynthError, match="pyosys another, not "):
        first.function(*first.arguments[:3], {"pyosys": "0.1"})
