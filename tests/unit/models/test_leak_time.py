from __future__ import annotations

import numpy as np
import pytest

from models.predictors.leak_time import time_until_low

AIR = 101.325


def hours_by_steps(gauge: float, limit: float, rate: float) -> float:
    """Integrate dP/dt = -k (P² - P_air²) in steps of a minute."""
    k = rate / ((gauge + AIR) ** 2 - AIR**2)
    hours = 0.0
    while gauge > limit:
        gauge -= k * ((gauge + AIR) ** 2 - AIR**2) / 1440
        hours += 1 / 60
    return hours


@pytest.mark.parametrize(("gauge", "rate"), [(250.0, 2.0), (250.0, 8.0), (200.0, 20.0)])
def test_middle_is_the_time_that_a_capillary_takes(gauge: float, rate: float) -> None:
    found = time_until_low(np.array([gauge]), np.array([187.5]), np.array([rate]), np.array([0.1]))[:, 0]

    assert found[1] == pytest.approx(hours_by_steps(gauge, 187.5, rate), rel=0.01)
    assert found[0] < found[1] < found[2]


def test_leak_slows_down_as_the_tire_empties() -> None:
    found = time_until_low(np.array([250.0]), np.array([187.5]), np.array([2.0]), np.array([0.1]))[1, 0]

    assert found > 1.15 * 24 * (250.0 - 187.5) / 2.0


def test_limit_that_is_passed_may_still_lie_ahead_by_the_error_of_the_level() -> None:
    low, middle, high = time_until_low(
        np.array([187.0, 150.0]), np.array([187.5, 187.5]), np.array([4.0, 4.0]), np.array([0.1, 0.1])
    )

    assert low.tolist() == middle.tolist() == [0.0, 0.0]
    assert 0 < high[0] < 48
    assert high[1] == 0


def test_tire_that_loses_nothing_has_no_time_left_to_tell() -> None:
    gauge, limit, rate = np.array([250.0, np.nan]), np.array([187.5, 187.5]), np.array([0.0, 2.0])

    assert np.isnan(time_until_low(gauge, limit, rate, np.array([0.1, 0.1]))).all()
