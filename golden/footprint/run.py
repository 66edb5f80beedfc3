"""Footprints of whole models, in this process, in several, or on a cluster."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path

from ..config import check_int
from ..tensors import open_model
from .figures import measure
from .settings import Settings, together
from .totals import model_document, summary

FORMAT, VERSION = "apack-footprint", 2
# Values in a worker's task: enough to fill the lanes, few enough that workers end at about the same time. A tensor
# costs a search besides, which is the work of about so many values.
TASK_VALUES, SEARCH_VALUES = 1 << 21, 1 << 16

# A worker's task is called with these and yields, in whatever order they end, each task's number and result.
Submit = Callable[[Callable, list[tuple]], Iterator[tuple[int, list]]]
Progress = Callable[[int, int], object]


def footprint(paths, settings: Settings | None = None, *, jobs: int = 1, cluster: str | None = None, **options) -> dict:
    """The footprint of model files or tensor packs: a dictionary ready for JSON, described in FOOTPRINT.md.

    ``jobs`` and ``cluster`` are those of :func:`workers`, the other options :func:`model_footprint`'s, and so are the
    errors raised.
    """
    settings = settings or Settings()
    with workers(jobs, cluster) as submit:
        return document(settings, [model_footprint(path, settings, submit=submit, **options) for path in paths])


def document(settings: Settings, models: list[dict]) -> dict:
    """All of a footprint, from what :func:`model_footprint` found for each model."""
    return {
        "format": FORMAT, "version": VERSION, "settings": describe(settings), "models": models,
        "summary": summary(models) | {"whole": summary(models, whole=True)},
    }


def model_footprint(
    path, settings: Settings, *, options: dict | None = None, submit: Submit | None = None,
    progress: Progress | None = None,
) -> dict:
    """What FOOTPRINT.md says about one model.

    Parameters
    ----------
    path : the file. options : for :func:`golden.tensors.open_model`.
    submit : how tasks get to workers, from :func:`workers`; None to work here.
    progress : called with the number of tensors done and of those there are.

    Raises OSError for a file that cannot be read, FormatError for one that is damaged, TypeError and ValueError as
    :func:`measure`, naming the tensor.
    """
    options = options or {}
    with open_model(path, **options) as model:
        groups, info = together(model.records), model.info
        report = _reporter(progress, len(model.records))
        if submit is None:
            tensors, seconds = _timed(measure(model, groups, settings, progress=report))
    if submit is not None:
        common = str(Path(path).absolute()), options, settings
        tensors, seconds = _scattered(submit, _tasks(groups), common, report)
    result = model_document(str(path), info, tensors)
    size = result["totals"]["all"]["raw_bits"] / 8e6
    return result | {"speed": {"processor_seconds": seconds, "mb_per_s": size / seconds if seconds else 0.0}}


def _timed(figures: Iterable[dict]) -> tuple[list[dict], float]:
    """The figures, and the processor time that they took, in seconds."""
    began = time.process_time()
    return list(figures), time.process_time() - began


def describe(settings: Settings) -> dict:
    """What the figures depend on, for JSON."""
    config = settings.config.to_dict()
    del config["width"]  # each tensor has its own
    return {"config": config, "activation_tables": settings.activation_tables, "rivals": list(settings.rivals),
            "width": settings.width, "verified": settings.verify}


def _reporter(progress: Progress | None, total: int):
    """Adds up the tensors that are done."""
    done = 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    report(0)
    return report


def _tasks(groups: list[list]) -> list[list[int]]:
    """Indices of groups in runs of about equal work."""
    tasks, waiting = [[]], 0
    for index, group in enumerate(groups):
        size = sum(_values(record) for record in group)
        if waiting and waiting + size > TASK_VALUES:
            tasks.append([])
            waiting = 0
        tasks[-1].append(index)
        waiting += size
    return tasks


def _values(record) -> int:
    """The work for a tensor, as a number of values, as far as the model says how many it has."""
    stored = record.meta.get("n_stored")
    return SEARCH_VALUES + (stored if type(stored) is int and stored > 0 else 0)


def work(path: str, options: dict, settings: Settings, indices: list[int]) -> tuple[list[dict], float]:
    """A task: the figures of some of a model's groups, and the processor time. Runs in a worker."""
    with open_model(path, **options) as model:
        groups = together(model.records)
        return _timed(measure(model, [groups[index] for index in indices], settings))


def _scattered(submit, tasks: list[list[int]], common: tuple, report) -> tuple[list[dict], float]:
    """The figures of all tasks, in order, from workers, and their processor time."""
    results, seconds = {}, 0.0
    for number, (figures, took) in submit(work, [(*common, task) for task in tasks]):
        results[number] = figures
        seconds += took
        report(len(figures))
    return [entry for number in range(len(tasks)) for entry in results[number]], seconds


@contextmanager
def workers(jobs: int = 1, cluster: str | None = None) -> Iterator[Submit | None]:
    """Workers for :func:`model_footprint`; None is this process.

    Parameters
    ----------
    jobs : processes to work in, 1..1024.
    cluster : address of a Dask scheduler whose workers do it instead. They must have this project, and the models
        under the same absolute paths.

    Raises ValueError if Dask is missing or an argument wrong, OSError if the cluster does not answer or a worker dies.
    """
    check_int("jobs", jobs, 1, 1024)
    if cluster is not None:
        from .cluster import connected  # Dask comes with an extra

        with connected(cluster) as submit:
            yield submit
    elif jobs == 1:
        yield None
    else:
        with _pool(jobs) as pool:
            yield partial(_in_pool, pool)


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end at once when something goes wrong here, whatever they are at."""
    before = set(active_children())
    # Fresh processes: a fork would copy the locks of a progress display's thread. Interrupts are the parent's business.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.shutdown()


def _in_pool(pool: ProcessPoolExecutor, function, tasks) -> Iterator[tuple[int, list]]:
    numbers = {pool.submit(function, *task): number for number, task in enumerate(tasks)}
    try:
        for future in as_completed(numbers):
            yield numbers[future], future.result()
    except BrokenProcessPool:
        raise OSError("a worker process has ended without a result; memory may have run out") from None
