from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.merge import group_rows, merge_column, newest_rows

VALUE = st.one_of(st.just(math.nan), st.integers(0, 3).map(float))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.lists(VALUE, min_size=2, max_size=2))))
def test_merging_keeps_the_first_value_of_each_key_and_counts_what_differs(
    rows: list[tuple[int, int, list[float]]],
) -> None:
    kept: dict[tuple[int, int], list[float]] = {}
    differing = 0
    for vehicle, time, values in rows:
        have = kept.setdefault((vehicle, time), [math.nan, math.nan])
        for i, value in enumerate(values):
            if math.isnan(have[i]):
                have[i] = value
            elif not math.isnan(value) and value != have[i]:
                differing += 1

    vehicles = np.array([r[0] for r in rows], np.int64)
    times = np.array([r[1] for r in rows], np.int64)
    values_2d = np.array([r[2] for r in rows], np.float64).reshape(len(rows), 2)
    grouping = group_rows([vehicles, times])
    merged, conflicts = merge_column(values_2d, grouping)

    keys = list(zip(vehicles[grouping.first].tolist(), times[grouping.first].tolist(), strict=True))
    assert sorted(kept) == keys
    np.testing.assert_array_equal(np.array([kept[k] for k in keys]).reshape(-1, 2), merged)
    assert differing == conflicts


def test_merging_never_writes_to_its_input() -> None:
    values: Any = np.array([math.nan, 2.0, 3.0])
    values.flags.writeable = False

    merged, conflicts = merge_column(values, group_rows([np.array([1, 1, 1])]))

    assert merged.tolist() == [2.0]
    assert conflicts == 1


def test_the_newest_row_of_a_group_is_its_last_that_is_there() -> None:
    nan = math.nan
    starts = np.array([0, 3])

    scalars = newest_rows(np.array([1.0, 2.0, nan, nan, nan]), starts)
    arrays = newest_rows(np.array([[1.0, 2], [3, nan], [nan, nan], [nan, nan], [4, 5]]), starts)
    whole = newest_rows(np.arange(5.0), starts)

    assert (scalars.tolist(), arrays.tolist(), whole.tolist()) == ([1, -1], [1, 4], [2, 4])
