"""Run one function over partitions of vehicles: in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import importlib
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import Any, Protocol, TypeVar

from models.errors import SpreadError

Part = TypeVar("Part")
Found = TypeVar("Found")
#: Partitions handed out ahead of the one whose result is waited for, a worker: no worker waits for the next
#: one, and a long list of partitions never stands in memory.
_AHEAD = 2
_CONNECT_S = 30.0


def run_partitions(
    function: Callable[[Part], Found],
    partitions: Iterable[Part],
    *,
    cluster: str | None = None,
    workers: int | None = None,
) -> Iterator[Found]:
    """Yield what a function returns for each partition, in the order of the partitions.

    The function and its arguments are pickled, so it is one that a module defines (or a ``partial`` of one),
    and what it needs (database address, seeds) is part of the partition. It may run twice where a worker of
    a cluster is lost, so it reads only. Partitions are taken as results are: an endless iterable works.

    Args:
        function: Of one partition.
        partitions: Any iterable; each is one piece of work.
        cluster: Address of a Dask scheduler (``tcp://host:8786``), whose workers have this version of Anxin
            installed; None: processes of this machine.
        workers: Processes of this machine, one for each CPU that this process may use by default; 1 runs in
            this process. A cluster has its own number.

    Raises:
        SpreadError: The cluster does not answer, the extra ``cluster`` is not installed, or ``workers`` is
            below 1. What the function raises for a partition is raised in that partition's turn.
    """
    if workers is not None and workers < 1:
        raise SpreadError(f"workers {workers}: must be 1 or more")
    if cluster is not None:
        return _on_cluster(function, partitions, cluster)
    return _here(function, partitions, workers or count_cpus())


def count_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _here(function: Callable[[Part], Found], partitions: Iterable[Part], workers: int) -> Iterator[Found]:
    if workers == 1:
        yield from map(function, partitions)
        return
    # spawned, not forked: this process may hold threads and connections
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield from _in_order(lambda part: pool.submit(function, part), partitions, _AHEAD * workers)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _on_cluster(
    function: Callable[[Part], Found], partitions: Iterable[Part], cluster: str
) -> Iterator[Found]:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise SpreadError("cluster: needs the extra 'cluster' (pip install 'anxin[cluster]')") from error
    try:
        client = distributed.Client(cluster, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SpreadError(f"cluster {cluster}: {error}") from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise SpreadError(f"cluster {cluster}: has no worker")
        yield from _in_order(
            lambda part: client.submit(function, part, pure=False), partitions, _AHEAD * threads
        )


class _Future(Protocol[Found]):  # type: ignore[misc]
    def result(self) -> Found: ...

    def cancel(self) -> object: ...


def _in_order(
    submit: Callable[[Part], _Future[Found]], partitions: Iterable[Part], ahead: int
) -> Iterator[Found]:
    """Yield results in the order of the partitions, ``ahead`` of them under way at most."""
    rest = iter(partitions)
    under_way = deque(submit(part) for part in islice(rest, ahead))
    try:
        while under_way:
            found = under_way.popleft().result()
            under_way.extend(submit(part) for part in islice(rest, 1))
            yield found
    finally:
        for future in under_way:
            future.cancel()
