"""Who does the work of a sweep: processes of this machine, or the workers of a Dask cluster.

Both kinds have `slots` (jobs that run at a time), `start(job)`, `finished()` (blocks until a job has ended, and gives
those that have, as `(job, result, error)`: one of the two is None) and `close()`, which ends whatever still runs. A job
is anything with `function` and `arguments` that can be pickled; its result must be picklable too.
"""

import contextlib
import importlib.util
import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from multiprocessing import connection

from .errors import SynthError

_CONNECT_S = 20  # to reach a scheduler that has at least one worker
_TIDY_S = 3  # that an interrupted job has to end by itself
_LOOK_S = 15  # how often a silent cluster is asked whether it has workers left


class LocalWorkers:
    """A process for each job, so that nothing a job does to its process (memory, crash) reaches another job."""

    def __init__(self, slots: int):
        self.slots = slots
        self._context = multiprocessing.get_context("spawn")  # fork would copy the threads of a progress display
        self._running = {}

    def start(self, job) -> None:
        """Begin `job` in a new process."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, job.function, job.arguments), daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited: Ctrl-C is not the job's
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._running[ours] = job, process

    def finished(self) -> list[tuple]:
        """Wait for a job to end; all that have."""
        done = []
        for ours in connection.wait(list(self._running)):
            job, process = self._running.pop(ours)
            try:
                result, error = ours.recv()
            except EOFError:  # killed, by the system's memory guard for instance
                process.join()
                result, error = None, f"its process ended without a result (exit code {process.exitcode})"
            ours.close()
            process.join()
            done.append((job, result, error))
        return done

    def close(self) -> None:
        """End what still runs."""
        for ours in self._running:
            ours.close()  # which `_serve` notices
        for _, process in self._running.values():
            process.join(_TIDY_S + 1)
            process.kill()
        self._running.clear()


def _serve(theirs: connection.Connection, function, arguments) -> None:
    """Run the function and send `(result, error)`; end, with all subprocesses, when the other side has gone.

    Being a session of its own keeps Ctrl-C away: the parent alone decides what it means.
    """
    os.setsid()
    signal.signal(signal.SIGINT, lambda *_: sys.exit(1))  # unlike KeyboardInterrupt it leaves no traceback
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with, args=(theirs,), daemon=True).start()
    with contextlib.suppress(BrokenPipeError):  # nobody is waiting any more
        theirs.send(attempt(function, arguments))


def _end_with(theirs: connection.Connection) -> None:
    connection.wait([theirs])  # nothing is ever sent this way: it can only have been closed
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # lets the job remove its temporary files
    time.sleep(_TIDY_S)
    os.killpg(0, signal.SIGKILL)


def attempt(function, arguments) -> tuple:
    """`(result, None)`, or `(None, error in one line)`: one failure must not stop a sweep."""
    try:
        return function(*arguments), None
    except Exception as error:
        text = " ".join(str(error).split())
        expected = isinstance(error, SynthError | ValueError) and text
        return None, text if expected else f"{type(error).__name__}: {text}"


class ClusterWorkers:
    """The workers of a Dask cluster. They need this project and its tools in the versions that are here."""

    def __init__(self, address: str):
        if importlib.util.find_spec("distributed") is None:
            raise SynthError("cluster: Dask is missing: pip install 'apack-hdl[cluster]'")
        import distributed

        self._running, self._ended = {}, queue.Queue()
        for logger in ("distributed", "distributed.client"):  # lost connections are told by our own errors
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        self._client = None
        try:
            self._client = distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
            self._client.wait_for_workers(1, timeout=_CONNECT_S)
        except Exception as error:  # of sockets, of names, of addresses: whatever the address makes it raise
            self.close()
            text = " ".join(str(error).split()) or type(error).__name__
            raise SynthError(f"cluster: no scheduler with workers at {address!r} ({text})") from None

    @property
    def slots(self) -> int:
        """Threads of all workers; workers may come and go. SynthError if none is left."""
        try:
            threads = sum(self._client.sync(self._client.scheduler.ncores, callback_timeout=_LOOK_S).values())
        except (OSError, TimeoutError):  # the scheduler has gone
            threads = 0
        if not threads:
            raise SynthError("cluster: no worker is left; what was finished is kept")
        return threads

    def start(self, job) -> None:
        """Hand `job` to the cluster."""
        future = self._client.submit(attempt, job.function, job.arguments, pure=False)
        self._running[future] = job
        future.add_done_callback(self._ended.put)

    def finished(self) -> list[tuple]:
        """Wait for a job to end. SynthError if the cluster has gone."""
        while True:
            try:
                future = self._ended.get(timeout=_LOOK_S)
                return [(self._running.pop(future), *self._outcome(future))]
            except queue.Empty:
                _ = self.slots  # raises where waiting on would be in vain

    @staticmethod
    def _outcome(future) -> tuple:
        if future.status == "finished":
            return future.result()
        reason = str(future.exception()).partition("\n")[0] if future.status == "error" else future.status
        return None, f"lost by the cluster: {reason}"

    def close(self) -> None:
        """Cancel what still runs (a job that has begun goes on to its end over there) and disconnect."""
        if self._client is not None:
            if self._running:
                self._client.cancel(list(self._running))
            self._client.close(timeout=5)
