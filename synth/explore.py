"""Sweeps: many jobs, each done once. What is finished is kept, so a sweep that was stopped goes on where it was.

Knows nothing of what is explored. A job's key is a hash of everything that its result follows from; the result is one
JSON file of that name. `synthesis_job` makes the job of synthesizing a Verilog module.
"""

import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from . import libraries
from .errors import SynthError
from .explore_workers import ClusterWorkers, LocalWorkers, attempt
from .files import write_atomically
from .synthesis import synthesize

SCHEMA = 1  # of the files in a Store


@dataclass(frozen=True)
class Job:
    """A piece of work: `function(*arguments)`, which gives plain JSON data.

    name: for people. key: hash of all that decides the result (:func:`hash_of`). The function must be importable by
    its name, the arguments picklable: both may travel to another process or machine.
    """

    name: str
    key: str
    function: Callable
    arguments: tuple = ()


@dataclass(frozen=True)
class Task:
    """A job yet to be made: `prepare()` gives it when its turn comes. An exception of its is the task's failure."""

    name: str
    prepare: Callable[[], Job]


@dataclass(frozen=True)
class Outcome:
    """How the task of that name ended: with a result or an error of one line. reused: it was there already."""

    name: str
    result: dict | None
    error: str | None = None
    reused: bool = False


class Store:
    """A folder of finished results, one JSON file each: `{"schema", "name", "key", "result"}`."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def get(self, key: str) -> dict | None:
        """The result kept under `key`; None if there is none, or its file is damaged."""
        try:
            kept = json.loads(self._path(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        good = isinstance(kept, dict) and kept.get("schema") == SCHEMA and kept.get("key") == key
        return kept.get("result") if good else None

    def put(self, job: Job, result: dict) -> None:
        """Keep the result of `job`: the whole file or none."""
        data = {"schema": SCHEMA, "name": job.name, "key": job.key, "result": result}
        write_atomically(self._path(job.key), json.dumps(data, indent=1, allow_nan=False) + "\n")

    def clear(self) -> None:
        """Forget everything."""
        for path in self.folder.glob("*.json"):
            path.unlink()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def run(
    tasks: Iterable[Task],
    store: Store,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    started: Callable[[str], None] = lambda name: None,
) -> Iterator[Outcome]:
    """Do what is not yet in `store`, `jobs` at a time here or on the Dask cluster at an address; outcomes as they come.

    A failure is an outcome and is not kept: the next run tries again. `started`: called with a job's name when it
    begins. When the caller stops iterating (or is interrupted), what still runs is ended; what has finished is kept.
    Raises SynthError if the cluster cannot be reached or is lost, OSError if a result cannot be written.
    """
    workers = None
    waiting, running = iter(tasks), []  # running: (job, its task)
    try:
        while True:
            while workers is None or len(running) < max(1, workers.slots):
                task = next(waiting, None)
                if task is None:
                    break
                job, error = attempt(task.prepare, ())
                if error is not None:
                    yield Outcome(task.name, None, error)
                elif (result := store.get(job.key)) is not None:
                    yield Outcome(task.name, result, reused=True)
                else:
                    # Not before there is work: with everything finished no cluster is needed.
                    workers = workers or (ClusterWorkers(cluster) if cluster else LocalWorkers(jobs))
                    started(task.name)
                    workers.start(job)
                    running.append((job, task))
            if not running:
                return
            for job, result, error in workers.finished():
                at = next(i for i, (begun, _) in enumerate(running) if begun is job)
                _, task = running.pop(at)
                if error is None:
                    store.put(job, result)
                yield Outcome(task.name, result, error)
    finally:
        if workers is not None:
            workers.close()


def hash_of(data) -> str:
    """SHA-256 of plain JSON data, in 32 hex digits."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]


def source_hash(folder: Path, pattern: str = "*.py", without: str = "$^") -> str:
    """Hash of the source files in `folder`, in which a result kept today may be out of date tomorrow.

    without: regular expression; files whose whole name matches it do not count.
    """
    files = sorted(path for path in Path(folder).glob(pattern) if not re.fullmatch(without, path.name))
    return hash_of([(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files])


@cache
def tool_versions() -> dict[str, str | None]:
    """What synthesis depends on besides its input: tools (None if missing) and this package's own sources."""
    try:
        pyosys = metadata.version("pyosys")
    except metadata.PackageNotFoundError:
        pyosys = None
    try:
        done = subprocess.run(["sta", "-version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        opensta = done.stdout.strip() or None
    except (OSError, subprocess.TimeoutExpired):
        opensta = None
    # Sweeps and the look of reports decide no figure.
    flow = source_hash(Path(__file__).parent, without=r"explore.*|__.*__.py|report.py")
    return {"pyosys": pyosys, "OpenSTA": opensta, "flow": flow}


def synthesis_job(name: str, verilog: str, top: str, *, library: str, **how) -> Job:
    """The job of synthesizing the module `top` of the text `verilog`; its result is `SynthesisReport.to_json()`.

    how: further arguments of :func:`synth.synthesize`, plain data, `period_ns` and `activity` for instance. Keyed by
    the Verilog, these, the cells and :func:`tool_versions`; a machine that runs it must have the same versions.
    """
    versions = tool_versions()
    how = {"library": library, **how}
    cells = libraries.library(library).used_sha256
    digest = hashlib.sha256(verilog.encode()).hexdigest()
    key = hash_of({"verilog": digest, "top": top, "how": how, "cells": cells, "versions": versions})
    return Job(name, key, _synthesize, (verilog, top, how, versions))


def _synthesize(verilog: str, top: str, how: dict, versions: dict) -> dict:
    here = tool_versions()
    different = [f"{tool} {here[tool]}, not {wanted}" for tool, wanted in versions.items() if here[tool] != wanted]
    if different:
        raise SynthError(f"the worker's tools are not those the sweep was begun with: {'; '.join(different)}")
    with tempfile.TemporaryDirectory(prefix="explore-") as folder:
        path = Path(folder) / "design.v"
        path.write_text(verilog, encoding="utf-8")
        report = synthesize(path, top, build_dir=Path(folder) / "build", **how).to_json()
    return report | {"verilog": path.name}  # the folder is gone, and says something about the machine only
