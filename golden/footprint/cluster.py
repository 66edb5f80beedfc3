"""Work for a Dask cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

TIMEOUT = "10s"  # to reach the scheduler


@contextmanager
def connected(address: str) -> Iterator:
    """A function that runs tasks on the cluster and yields ``(number, result)`` as they end.

    Raises ValueError if Dask is missing or the address malformed, OSError if no scheduler answers there or it has no
    workers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("cluster needs Dask: pip install 'apack-hdl[cluster]'") from None
    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise OSError(f"no Dask scheduler answers at {address}") from error
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise OSError(f"the Dask scheduler at {address} has no workers")
        yield lambda function, tasks: _on(client, function, tasks)


def _on(client, function, tasks) -> Iterator[tuple[int, list]]:
    from distributed import KilledWorker, as_completed

    # Not pure: the same call can mean another file's content next time.
    numbers = {client.submit(function, *task, pure=False): number for number, task in enumerate(tasks)}
    try:
        for future in as_completed(list(numbers), loop=client.loop):
            yield numbers[future], future.result()
    except KilledWorker:
        raise OSError("workers of the cluster have ended without a result; memory may have run out") from None
    finally:
        client.cancel(list(numbers))
