"""The newest readings of a batch: whose, of when, and how their numbers are written."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.catalogue import load_catalogue
from data.records import Family, FamilyRows
from ingest.families import FamilyBatch
from ingest.newest import newest_readings, shortest

NAN = math.nan


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_a_short_decimal_is_the_same_32_bit_float(values: list[float]) -> None:
    exact = np.array(values)
    np.testing.assert_array_equal(exact.astype(np.float32), shortest(exact).astype(np.float32))


@given(st.lists(st.decimals(-99999, 99999, places=2, allow_nan=False), min_size=1, max_size=20))
def test_a_number_that_was_sent_in_32_bits_is_written_as_it_was_meant(values: list[float]) -> None:
    meant = [float(v) for v in values]
    assert shortest(np.array(meant, np.float32)).tolist() == [0.0 if v == 0 else v for v in meant]


def test_each_vehicle_has_its_newest_values_and_the_times_of_the_older_ones() -> None:
    time_us = np.array([1, 2, 5, 7], np.int64) * 1_000_000
    rows = FamilyRows(
        family=Family.DRIVE,
        vehicle_id=np.array([4, 4, 4, 9], np.int32),
        time_us=time_us,
        sent_us=time_us,
        received_us=time_us,
        is_hist=np.array([False, False, True, True]),
        columns={
            "speed": np.array([1.5, 2.5, NAN, NAN]),
            "soc": np.array([NAN, NAN, 80.1, NAN]),
            "gear": np.array([1.0, NAN, NAN, 3.0]),
        },
    )

    found = newest_readings(FamilyBatch(rows=rows, origin=np.zeros(4, np.int8)), load_catalogue())

    assert [json.loads(text) for text in found["readings"]] == [
        {"speed": 2.5, "soc": 80.1, "gear": 1},
        {"gear": 3},
    ]
    assert [json.loads(text) for text in found["reading_times"]] == [
        {"speed": 2_000_000, "gear": 1_000_000},
        {},
    ]
    assert (found["vehicle_id"], found["is_hist"]) == ("{4,9}", "{t,t}")
    assert found["live_time"] == "{1970-01-01T00:00:02.000000Z,NULL}"


def test_cells_of_several_frames_are_one_pack() -> None:
    time_us = np.array([1, 1, 2, 2, 2, 2, 3, 1], np.int64) * 1_000_000
    cells = np.array(
        [[3.1, 3.2], [3.3, NAN], [4.1, 4.2], [4.3, NAN], [8.8, 8.8], [2.9, 2.9], [9.9, 9.9], [5.1, NAN]],
        np.float32,
    )
    rows = FamilyRows(
        family=Family.CELL,
        vehicle_id=np.array([4, 4, 4, 4, 4, 4, 4, 9], np.int32),
        time_us=time_us,
        sent_us=time_us,
        received_us=time_us,
        is_hist=np.zeros(8, np.bool_),
        columns={"cell.voltage": cells},
        sub_pack=np.array([1, 1, 1, 1, 1, 2, 1, 1], np.int16),
        first_cell=np.array([1, 3, 1, 3, 30_000, 1, 3, 1], np.int16),
    )
    widths = {"cell.voltage": np.array([2, 1, 2, 1, 2, 2, 2, 1])}

    found = newest_readings(
        FamilyBatch(rows=rows, origin=np.zeros(8, np.int8), widths=widths), load_catalogue()
    )

    assert [json.loads(text) for text in found["readings"]] == [
        {"cell.voltage": [4.1, 4.2, 4.3]},
        {"cell.voltage": [5.1]},
    ]
    assert json.loads(found["reading_times"][0]) == {"cell.voltage": 2_000_000}
