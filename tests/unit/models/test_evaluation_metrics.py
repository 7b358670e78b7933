"""Every figure against a case that was worked out by hand or stands in the literature."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import EvaluationError
from models.evaluation import metrics


def test_wilson_interval_of_a_published_case() -> None:
    # Newcombe 1998, Stat. Med. 17:857, table I: 81 of 263 and 0 of 20
    assert pytest.approx(metrics.wilson(81, 263), abs=5e-5) == (0.2553, 0.3662)
    assert pytest.approx(metrics.wilson(0, 20), abs=5e-5) == (0.0, 0.1611)
    assert metrics.wilson(0, 0) is None


def test_clopper_pearson_interval_of_a_published_case() -> None:
    # the same table, method 5
    assert pytest.approx(metrics.clopper_pearson(81, 263), abs=5e-5) == (0.2527, 0.3676)
    assert pytest.approx(metrics.clopper_pearson(0, 20), abs=5e-5) == (0.0, 0.1684)


def test_poisson_bound_of_nothing_seen_is_the_rule_of_three() -> None:
    assert pytest.approx(metrics.poisson_upper(0, 1000.0), rel=1e-4) == 2.9957 / 1000
    assert pytest.approx(metrics.poisson_upper(1, 10.0), rel=1e-4) == 4.7439 / 10
    assert metrics.poisson_upper(3, 0.0) is None
    with pytest.raises(EvaluationError, match="count -1"):
        metrics.poisson_upper(-1, 1.0)


def test_bootstrap_by_vehicle_is_wider_where_events_of_a_vehicle_agree() -> None:
    rng = np.random.default_rng(0)
    alone = metrics.cluster_bootstrap(np.repeat([1, 0], [90, 10]), np.ones(100, np.int64), rng=rng)
    together = metrics.cluster_bootstrap(np.repeat([10, 0], [9, 1]), np.full(10, 10), rng=rng)

    assert alone is not None
    assert together is not None
    assert pytest.approx(alone, abs=0.02) == (0.84, 0.96)
    assert together[0] < 0.75
    with pytest.raises(EvaluationError, match="found and total"):
        metrics.cluster_bootstrap(np.array([2]), np.array([1]), rng=rng)


def test_precision_in_the_field_follows_the_base_rate() -> None:
    # 80 % recall of 0.0014 per 1,000 vehicle-days against 0.0026 false ones: 30 %
    assert pytest.approx(metrics.field_precision(0.8, 0.0014, 0.0026), abs=0.005) == 0.30
    assert metrics.field_precision(0.0, 0.1, 0.0) is None


def test_scores_of_a_hand_worked_case() -> None:
    p = np.array([0.05, 0.15, 0.15, 0.85, 0.95, np.nan])
    y = np.array([0, 0, 1, 1, 1, 1])
    found = metrics.Scores.of(p, y)

    assert found.count == 5
    assert found.prevalence == 0.6
    assert pytest.approx(found.brier) == (0.05**2 + 0.15**2 + 0.85**2 + 0.15**2 + 0.05**2) / 5
    # bins: 0.05 against 0; (0.15, 0.15) against (0, 1); 0.85 and 0.95 against 1
    assert (0.05 + abs(0.3 - 1) + 0.15 + 0.05) / 5 == pytest.approx(found.ece)
    # from the top: 1/1, 2/2, then 0.15 shared by a hit and a miss: 3/4
    assert pytest.approx(found.average_precision) == (1 + 1 + 0.75) / 3
    assert [row["cases"] for row in found.reliability()] == [1, 2, 1, 1]


def test_scores_of_parts_add_up_to_those_of_the_whole() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(1000)
    y = (rng.random(1000) < p).astype(np.float64)
    whole = metrics.Scores.of(p, y)
    parts = metrics.Scores.of(p[:300], y[:300]) + metrics.Scores.of(p[300:], y[300:])

    assert whole.brier == pytest.approx(parts.brier)
    assert whole.ece == pytest.approx(parts.ece)
    assert whole.average_precision == pytest.approx(parts.average_precision)
    assert whole.ece is not None
    assert whole.ece < 0.05
    assert pytest.approx(whole.brier, abs=0.01) == 1 / 6  # E[p(1-p)] of a uniform p


def test_scores_of_nothing_are_not_known() -> None:
    empty = metrics.Scores.of(np.array([np.nan]), np.array([1.0]))

    assert (empty.brier, empty.ece, empty.average_precision) == (None, None, None)


def test_pareto_tail_finds_the_share_of_an_exponential() -> None:
    scores = np.random.default_rng(3).exponential(1.0, 100_000)
    tail = metrics.pareto_tail(scores, 9.0)

    assert tail is not None
    assert pytest.approx(tail.share, rel=0.01) == 0.02
    assert np.exp(-9.0) == pytest.approx(tail.beyond, rel=0.6)
    assert pytest.approx(tail.shape, abs=0.1) == 0.0
    assert metrics.pareto_tail(scores[:100], 9.0) is None


def test_quantiles_leave_out_what_is_missing() -> None:
    assert pytest.approx(metrics.quantiles(np.array([1.0, np.nan, 2.0, 3.0]))) == (1.2, 2.0, 2.8)
    assert metrics.quantiles(np.array([np.nan])) is None


@pytest.mark.parametrize("total", [7, 80, 95])
def test_the_share_of_none_or_all_is_bounded_by_exactly_none_or_all(total: int) -> None:
    nothing, everything = metrics.wilson(0, total), metrics.wilson(total, total)

    assert nothing is not None
    assert everything is not None
    assert (nothing[0], everything[1]) == (0.0, 1.0)
