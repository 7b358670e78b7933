from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count, islice

import pytest

from models.errors import SpreadError
from models.spread import run_partitions


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("partition 3 is broken")
    return number


def test_results_come_in_the_order_of_the_partitions() -> None:
    found = list(run_partitions(square, range(7), workers=2))

    assert [n * n for n in range(7)] == [value for value, _ in found]
    assert os.getpid() not in {pid for _, pid in found}


def test_one_worker_is_this_process() -> None:
    assert {os.getpid()} == {pid for _, pid in run_partitions(square, range(3), workers=1)}


def test_error_of_a_partition_is_raised_in_its_turn() -> None:
    found = run_partitions(fail_at_three, range(6), workers=2)

    assert list(islice(found, 3)) == [0, 1, 2]
    with pytest.raises(ValueError, match="partition 3 is broken"):
        next(found)


def test_partitions_are_taken_as_results_are() -> None:
    taken: list[int] = []

    def partitions() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    found = run_partitions(square, partitions(), workers=2)

    assert [value for value, _ in islice(found, 5)] == [0, 1, 4, 9, 16]
    assert len(taken) < 12
    found.close()  # type: ignore[attr-defined]


def test_fewer_than_one_worker_is_refused() -> None:
    with pytest.raises(SpreadError, match="workers 0: must be 1 or more"):
        run_partitions(square, range(3), workers=0)
