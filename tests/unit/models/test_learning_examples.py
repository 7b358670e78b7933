"""Each trap of leakage has a test that fails when it opens; a learner must earn its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from data.records import Truth, Vin
from models.errors import LearningError
from models.learning.compare import Bar, compare, figures_at, threshold_at
from models.learning.examples import Examples, arranged, concatenate, gather
from models.learning.labels import WorkshopLabel, label_outcomes, label_truths
from models.learning.learner import Kind, fit, make_learner, out_of_fold, score
from models.learning.split import forward_split, vehicle_folds
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from tests.unit.models.any_panel import panel_for
from tests.unit.models.factories import DAY_US

PREDICTOR = TireSlowLeakPredictor()
WHEEL = "tire rear-left"


def examples(rng: np.random.Generator, *, hint: float = 0.0, seeds: int = 3) -> Examples:
    """Vehicles of several seeds, half of them faulty; ``hint`` is how much a second feature tells."""
    n_vehicles, n_days = 40 * seeds, 60
    vehicle = np.repeat(np.arange(n_vehicles), n_days)
    day = np.tile(np.arange(n_days), n_vehicles) + 20_000
    is_faulty = vehicle % 2 == 0
    limit = 20_000 + 15 + rng.integers(0, 40, n_vehicles)[vehicle]
    left_h = np.where(is_faulty & (day < limit), (limit - day) * 24.0, np.nan)
    keep = ~is_faulty | (day < limit)
    is_event = (left_h <= 240).astype(np.float64)
    shown = np.where(is_event == 1, 1.0, 0.0)
    x = np.stack([shown + rng.normal(0, 1, len(day)), hint * shown + rng.normal(0, 1, len(day))], axis=1)
    x[rng.random(x.shape) < 0.02] = np.nan
    x[:, 0] = np.nan_to_num(x[:, 0])
    found = Examples(
        names=("score", "second"),
        x=x,
        is_event=is_event,
        vehicle=vehicle,
        component=np.zeros(len(day), dtype=np.int64),
        day=day,
        known_day=np.where(is_event == 1, limit, day + 10),
        is_faulty=is_faulty,
        left_h=left_h,
        seed=1001 + vehicle // 40,
    )
    return found.rows(keep)


def test_no_vehicle_is_in_two_folds() -> None:
    found = examples(np.random.default_rng(1))

    for train, rest in vehicle_folds(found, folds=4):
        assert not set(found.vehicle[train]) & set(found.vehicle[rest])


def test_no_vehicle_is_trained_on_and_judged() -> None:
    found = examples(np.random.default_rng(1))
    half_of_each = found.day % 2 == 0

    with pytest.raises(LearningError, match="is trained on and judged"):
        forward_split(found, is_judged=half_of_each, cut_day=20_030)


def test_training_sees_no_label_that_becomes_known_after_the_cut() -> None:
    found = examples(np.random.default_rng(1))

    train, judged = forward_split(found, is_judged=found.seed == 1003, cut_day=20_030)

    assert len(train)
    assert train.known_day.max() <= 20_030
    assert judged.day.min() > 20_030


def test_scales_and_medians_come_from_the_rows_trained_on_alone() -> None:
    found = examples(np.random.default_rng(1))
    train = found.rows(found.seed != 1003)
    strange = replace(found, x=np.where((found.seed == 1003)[:, None], 1e6, found.x))

    ours = fit(Kind.LOGISTIC, train, seed=0)
    theirs = fit(Kind.LOGISTIC, strange.rows(strange.seed != 1003), seed=0)

    assert np.array_equal(score(ours, train.x), score(theirs, train.x))
    by_hand = make_learner(Kind.LOGISTIC, seed=0)
    assert [name for name, _ in by_hand.steps] == ["simpleimputer", "standardscaler", "logisticregression"]
    assert ours[1].mean_[:2] == pytest.approx(np.nanmean(train.x, axis=0), abs=0.02)


def test_out_of_fold_scores_know_nothing_of_their_vehicle() -> None:
    rng = np.random.default_rng(2)
    found = examples(rng, seeds=2)
    random = replace(
        found,
        x=np.stack([np.zeros(len(found)), found.vehicle + rng.normal(0, 1e-3, len(found))], axis=1),
        is_event=(found.vehicle % 2 == 0).astype(np.float64),
    )

    inside = score(fit(Kind.BOOSTING, random, seed=0), random.x)
    outside = out_of_fold(Kind.BOOSTING, random, seed=0)

    def gap(s: np.ndarray) -> float:
        return float(s[random.is_event == 1].mean() - s[random.is_event == 0].mean())

    assert gap(inside) > 0.5
    assert gap(outside) < 0.2


@pytest.mark.parametrize("kind", list(Kind))
def test_a_feature_that_no_row_has_teaches_nothing(kind: Kind) -> None:
    found = examples(np.random.default_rng(2), seeds=1)
    bare = replace(found, x=np.column_stack((found.x[:, 0], np.full(len(found), np.nan))))

    assert np.isfinite(score(fit(kind, bare, seed=0), bare.x)).all()


def test_features_name_neither_vehicle_nor_age_nor_odometer() -> None:
    panel = panel_for(PREDICTOR)
    risk = PREDICTOR.predict(panel, np.arange(len(panel.day)))
    names = gather(PREDICTOR, panel, risk, label_truths(PREDICTOR, panel, []), is_enriched=False).names

    assert names[0] == "score"
    assert not [n for n in names if set(n.split("_")) & {"vehicle", "vin", "odometer", "mileage"}]


def _truth(panel_day: int, limit_day: int, **changes: object) -> Truth:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    values = {
        "vehicle": 1,
        "vin": Vin("LANX0000000000001"),
        "component": WHEEL,
        "kind": "tire_slow_leak",
        "is_fault": True,
        "onset": epoch + timedelta(days=panel_day),
        "threshold_at": epoch + timedelta(days=limit_day),
        "failure_at": None,
        "severity": None,
        "magnitude": 2.0,
    }
    return Truth(**{**values, **changes})  # type: ignore[arg-type]


def test_a_day_is_an_event_only_within_the_horizon_before_the_limit() -> None:
    panel = panel_for(PREDICTOR)
    first = int(panel.day[0])

    labels = label_truths(PREDICTOR, panel, [_truth(first, first + 33)])

    row = labels.is_event[1, :, 2]
    assert row[:3].tolist() == [0, 0, 0]
    assert (row[3:33] == 1).all()
    assert np.isnan(row[33:]).all()
    assert labels.is_faulty.sum() == 1
    assert labels.left_h[1, 32, 2] == pytest.approx(4.0)
    assert (labels.is_event[0] == 0).all()


def test_days_of_another_fault_on_the_component_teach_nothing() -> None:
    panel = panel_for(PREDICTOR)
    first = int(panel.day[0])

    labels = label_truths(PREDICTOR, panel, [_truth(first, first + 9, kind="sensor_fault")])

    assert np.isnan(labels.is_event[1, :, 2]).all()
    assert not labels.is_faulty.any()


def _finding(found_us: int, decided_us: int, **changes: object) -> WorkshopLabel:
    values = {
        "vehicle": 1,
        "component": WHEEL,
        "failure_mode": "tire_slow_leak",
        "is_confirmed": True,
        "found_us": found_us,
        "decided_us": decided_us,
    }
    return WorkshopLabel(**{**values, **changes})  # type: ignore[arg-type]


def test_a_finding_decided_after_the_cut_is_not_known_at_the_cut() -> None:
    panel = panel_for(PREDICTOR)
    found_us = int(panel.day[20]) * DAY_US
    cut_us = int(panel.day[25]) * DAY_US

    early = label_outcomes(PREDICTOR, panel, [_finding(found_us, cut_us - 1)], cut_us=cut_us)
    late = label_outcomes(PREDICTOR, panel, [_finding(found_us, cut_us + 1)], cut_us=cut_us)

    assert (early.is_event[1, :20, 2] == 1).all()
    assert not (np.nan_to_num(late.is_event) == 1).any()
    assert not late.is_faulty.any()


def test_days_whose_horizon_is_not_over_are_not_yet_healthy() -> None:
    panel = panel_for(PREDICTOR)
    cut_us = int(panel.day[-1]) * DAY_US

    labels = label_outcomes(PREDICTOR, panel, [], cut_us=cut_us)

    known = np.isfinite(labels.is_event).any((0, 2))
    assert known.any()
    assert (panel.last_us[:, known] + 720 * 3_600_000_000 <= cut_us).all()


def test_no_fault_found_is_no_event() -> None:
    panel = panel_for(PREDICTOR)
    when = int(panel.day[10]) * DAY_US

    labels = label_outcomes(
        PREDICTOR, panel, [_finding(when, when, is_confirmed=False)], cut_us=when + 400 * DAY_US
    )

    assert (labels.is_event == 0).all()


def test_thresholds_hold_the_budget_on_healthy_vehicles() -> None:
    found = examples(np.random.default_rng(3), hint=0.0)
    bar = Bar(budget_per_1000=1.0, act_h=24.0)

    threshold = threshold_at(found.x[:, 0], found, bar)
    told = figures_at(found.x[:, 0], found, threshold, bar)

    assert 0 < told.false_per_1000 <= 1.0


def test_a_learner_with_more_to_see_earns_its_place() -> None:
    verdict = compare(
        examples(np.random.default_rng(4), hint=5.0),
        Bar(budget_per_1000=1.0, act_h=24.0),
        model_version="known",
        kinds=(Kind.LOGISTIC,),
    )

    assert verdict.is_earned
    assert len(verdict.learned) == len(verdict.physical) == 3
    assert min(f.recall for f in verdict.learned) > 0.9


def test_a_learner_with_nothing_more_to_see_is_left_out() -> None:
    verdict = compare(
        examples(np.random.default_rng(5), hint=0.0),
        Bar(budget_per_1000=1.0, act_h=24.0),
        model_version="blind",
        kinds=(Kind.LOGISTIC,),
    )

    assert not verdict.is_earned


def test_rows_of_parts_with_other_features_are_put_side_by_side() -> None:
    one = examples(np.random.default_rng(6), seeds=2)
    other = replace(one, names=("score", "third"))

    both = concatenate([one, other])

    assert both.names == ("score", "second", "third")
    assert np.isnan(both.x[: len(one), 2]).all()
    assert arranged(both.x, both.names, ("third", "score")).shape == (2 * len(one), 2)
