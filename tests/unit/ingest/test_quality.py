from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
from numpy.testing import assert_array_equal

from data.catalogue import load_catalogue
from data.records import FloatArray
from ingest.quality import EARLIEST_US, check_family, find_bad_times
from ingest.tally import Finding, Tally

SIGNALS = load_catalogue().signals
NAN = np.nan


def test_values_out_of_range_are_missing_and_both_ends_are_in_range() -> None:
    checked, tally = check({"soc": np.array([-0.1, 0, 100, 100.1, NAN, np.inf])}, [1] * 6)

    assert_array_equal([NAN, 0, 100, NAN, NAN, NAN], checked["soc"])
    assert tally.counts == {Finding(1, "soc", 0, "range"): 3}


def test_four_wheels_at_255_are_a_sentinel_and_one_wheel_is_a_pressure() -> None:
    checked, tally = check({"tire.pressure": np.array([[255.0] * 4, [255, 250, 250, NAN]])}, [1, 1])

    assert_array_equal([[NAN] * 4, [255, 250, 250, NAN]], checked["tire.pressure"])
    assert {finding.reason for finding in tally.counts} == {"sentinel"}
    assert sum(tally.counts.values()) == 4


def test_masking_never_writes_to_its_input() -> None:
    given = np.array([-5.0])
    check({"speed": given}, [1])

    assert given.tolist() == [-5.0]


def test_a_clock_may_be_a_little_ahead_and_never_before_2010() -> None:
    received = np.full(4, EARLIEST_US + 10**12)
    times = np.array([received[0] + 300_000_000, received[0] + 300_000_001, EARLIEST_US, EARLIEST_US - 1])

    future, ancient = find_bad_times(times, received, future_s=300)

    assert future.tolist() == [False, True, False, False]
    assert ancient.tolist() == [False, False, False, True]


def check(
    columns: dict[str, FloatArray], vehicle_id: list[int]
) -> tuple[dict[str, npt.NDArray[np.floating]], Tally]:
    tally, masked = Tally(), Counter[str]()
    checked = check_family(SIGNALS, columns, np.array(vehicle_id, np.int32), tally=tally, masked=masked)
    by_reason: Counter[str] = Counter()
    for finding, count in tally.counts.items():
        by_reason[f"{finding.signal}:{finding.reason}"] += count
    assert by_reason == masked
    return checked, tally


def test_findings_tell_vehicle_and_element() -> None:
    pressure = np.array([[250, 251, 2000, 249], [250, 251, 2000, 249], [-5, 250, 250, 250]], np.float64)

    checked, tally = check({"tire.pressure": pressure}, [7, 7, 9])

    assert tally.counts == {
        Finding(7, "tire.pressure", 3, "range"): 2,
        Finding(9, "tire.pressure", 1, "range"): 1,
    }
    assert np.isnan(checked["tire.pressure"][[0, 1, 2], [2, 2, 0]]).all()
    assert checked["tire.pressure"][0, 0] == 250


def test_good_columns_come_back_untouched() -> None:
    columns = {"speed": np.array([0.0, 12.5]), "gear": np.array([1.0, NAN])}

    checked, tally = check(columns, [1, 2])

    assert all(checked[alias] is columns[alias] for alias in columns)
    assert not tally.counts


@pytest.mark.parametrize(("all_four", "is_masked"), [(0.0, True), (1023.0, True), (250.0, False)])
def test_wheels_that_all_show_one_impossible_pressure_were_not_heard(
    all_four: float, *, is_masked: bool
) -> None:
    pressure = np.array([[all_four] * 4, [all_four, 250, 250, 250]])

    checked, tally = check({"tire.pressure": pressure}, [1, 1])

    assert np.isnan(checked["tire.pressure"][0]).all() == is_masked
    assert checked["tire.pressure"][1, 0] == all_four  # one wheel alone may well be flat
    reasons = {finding.reason for finding in tally.counts}
    assert reasons == ({"all_equal"} if is_masked else set())


def test_a_pack_whose_cells_all_show_zero_was_not_read() -> None:
    checked, tally = check({"cell.voltage": np.zeros((1, 96))}, [3])

    assert np.isnan(checked["cell.voltage"]).all()
    assert sum(tally.counts.values()) == 96


def test_a_state_that_is_no_integer_is_missing() -> None:
    checked, tally = check({"charging": np.array([1.0, 2.5, NAN])}, [1, 1, 1])

    assert_array_equal([1, NAN, NAN], checked["charging"])
    assert tally.counts == {Finding(1, "charging", 0, "not_integer"): 1}


def test_names_that_vehicles_invent_do_not_grow_the_tally() -> None:
    tally = Tally()
    for number in range(50):
        tally.add_masked(4, {f"invented.{number}:unknown_alias": 2, "soc:abnormal": 1})

    assert tally.counts == {Finding(4, "", 0, "unknown_alias"): 100, Finding(4, "soc", 0, "abnormal"): 50}
