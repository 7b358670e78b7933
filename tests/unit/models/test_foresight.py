from __future__ import annotations

import numpy as np
import pytest

from models.predictors.foresight import Shown, time_to_limit

SHOWN = Shown(share=1.5, spread=0.2)


def times(level: float, rate: float, error: float = 0.0) -> list[float]:
    found = time_to_limit(np.array([level]), np.array([rate]), np.array([error]), 10.0, SHOWN)
    return [float(v) for v in found[:, 0]]


def test_far_from_its_limit_a_part_needs_what_is_left_at_its_rate() -> None:
    """At 1 of 15 the distribution is as good as untruncated: 14 left at 0.5 a day are 28 days."""
    p10, p50, p90 = times(1.0, 0.5)

    assert p50 == pytest.approx(24 * 28, rel=0.01)
    # the quantiles of a logistic law of scale 0.2 lie at a factor of 9^0.2
    assert p10 == pytest.approx(24 * (15 / 9**0.2 - 1) / 0.5, rel=0.01)
    assert p90 == pytest.approx(24 * (15 * 9**0.2 - 1) / 0.5, rel=0.01)


def test_part_that_shows_more_than_its_limit_still_has_time_left() -> None:
    assert 0 < times(20.0, 0.5)[0] < times(20.0, 0.5)[1] < times(20.0, 0.5)[2]


def test_interval_holds_its_share_of_limits_that_scatter_as_told() -> None:
    rng = np.random.default_rng(7)
    at = 10.0 * SHOWN.share * np.exp(SHOWN.spread * rng.logistic(size=4000))
    level = 12.0
    left = 24.0 * (at[at > level] - level) / 0.5
    p10, _, p90 = times(level, 0.5)

    assert np.mean((p10 <= left) & (left <= p90)) == pytest.approx(0.8, abs=0.03)


def test_doubt_in_the_rate_widens_and_moves_no_median() -> None:
    sure, doubtful = times(5.0, 0.5), times(5.0, 0.5, 0.3)

    assert doubtful[1] == sure[1]
    assert doubtful[0] < sure[0] < sure[2] < doubtful[2]


def test_without_growth_or_level_no_time_is_told() -> None:
    assert np.isnan([*times(5.0, 0.0), *times(np.nan, 0.5)]).all()
