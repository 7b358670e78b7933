from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal

from data.catalogue import load_catalogue
from ingest.quality import EARLIEST_US, find_bad_times, mask_values

SIGNALS = load_catalogue().signals
NAN = np.nan


def test_values_out_of_range_are_missing_and_both_ends_are_in_range() -> None:
    values, counts = mask_values(SIGNALS["soc"], np.array([-0.1, 0, 100, 100.1, NAN, np.inf]))

    assert_array_equal([NAN, 0, 100, NAN, NAN, NAN], values)
    assert counts == {"soc:range": 3}


def test_four_wheels_at_255_are_a_sentinel_and_one_wheel_is_a_pressure() -> None:
    values, counts = mask_values(SIGNALS["tire.pressure"], np.array([[255.0] * 4, [255, 250, 250, NAN]]))

    assert_array_equal([[NAN] * 4, [255, 250, 250, NAN]], values)
    assert counts == {"tire.pressure:sentinel": 4}


def test_masking_never_writes_to_its_input() -> None:
    given = np.array([-5.0])
    mask_values(SIGNALS["speed"], given)

    assert given.tolist() == [-5.0]


def test_a_clock_may_be_a_little_ahead_and_never_before_2010() -> None:
    received = np.full(4, EARLIEST_US + 10**12)
    times = np.array([received[0] + 300_000_000, received[0] + 300_000_001, EARLIEST_US, EARLIEST_US - 1])

    future, ancient = find_bad_times(times, received, future_s=300)

    assert future.tolist() == [False, True, False, False]
    assert ancient.tolist() == [False, False, False, True]
