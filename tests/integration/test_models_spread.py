"""The same function on the workers of a real Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice

import pytest
from distributed import LocalCluster

from models.errors import SpreadError
from models.spread import run_partitions
from tests.unit.models.test_spread import fail_at_three, square


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with LocalCluster(
        processes=True, n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as running:
        yield running.scheduler_address


def test_a_cluster_gives_what_this_machine_gives(cluster: str) -> None:
    found = list(run_partitions(square, range(20), cluster=cluster))

    assert [n * n for n in range(20)] == [value for value, _ in found]
    assert len({pid for _, pid in found} - {os.getpid()}) == 2


def test_error_of_a_partition_on_a_cluster_is_raised_in_its_turn(cluster: str) -> None:
    found = run_partitions(fail_at_three, range(6), cluster=cluster)

    assert list(islice(found, 3)) == [0, 1, 2]
    with pytest.raises(ValueError, match="partition 3 is broken"):
        next(found)


def test_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.spread._CONNECT_S", 0.5)

    with pytest.raises(SpreadError, match=r"cluster tcp://127\.0\.0\.1:9"):
        list(run_partitions(square, range(3), cluster="tcp://127.0.0.1:9"))
