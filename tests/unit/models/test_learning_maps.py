"""Maps of risk: known probabilities come back, p-values of healthy days are spread evenly, intervals hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.errors import LearningError
from models.learning.calibration import expected_and_seen, fit_curve
from models.learning.conformal import fit_healthy
from models.learning.coverage import covered, fit_stretch, needed_stretch, stretched
from models.learning.evidence import DayCounts, Evidence, VehicleDays
from models.learning.mapped import MappedPredictor, with_maps
from models.learning.maps import RiskMaps, fit_maps
from models.learning.scale import BINS, CENTRES, LIMIT, bin_of, counts, log_odds, season_of
from models.predictors.base import logistic
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from tests.unit.models.any_panel import panel_for


def _counts_at(truth: np.ndarray, n: float) -> tuple[np.ndarray, np.ndarray]:
    """Return events and healthy days of scores spread evenly, whose true probability is given."""
    total = np.full(BINS, n / BINS)
    return total * truth, total * (1 - truth)


def test_isotonic_gives_back_the_probability_that_scores_were_drawn_with() -> None:
    truth = 1 / (1 + np.exp(-(CENTRES - 2.0)))
    positive, healthy = _counts_at(truth, 1e6)
    prevalence = positive.sum() / 1e6

    curve = fit_curve(positive, np.zeros(BINS), healthy, prevalence=prevalence, faults=1000)

    assert curve.method == "isotonic"
    assert curve.at(CENTRES) == pytest.approx(truth, abs=0.01)


def test_enriched_fleets_are_weighed_down_to_the_stated_prevalence() -> None:
    truth = 1 / (1 + np.exp(-(CENTRES - 2.0)))
    positive, healthy = _counts_at(truth, 1e6)
    prevalence = positive.sum() / 1e6

    curve = fit_curve(positive * 50, np.zeros(BINS), healthy, prevalence=prevalence, faults=1000)

    assert curve.at(CENTRES) == pytest.approx(truth, abs=0.01)
    held = expected_and_seen(curve, positive * 50, np.zeros(BINS), healthy)
    assert held["ratio"] == pytest.approx(1.0, abs=0.01)
    assert held["ece"] < 0.005
    assert held["brier"] < held["brier_base"]


def test_few_faults_get_a_curve_of_two_parameters() -> None:
    truth = 1 / (1 + np.exp(-(CENTRES - 2.0)))
    positive, healthy = _counts_at(truth, 1e4)

    curve = fit_curve(positive, np.zeros(BINS), healthy, prevalence=float(positive.sum() / 1e4), faults=30)

    assert curve.method == "platt"
    assert curve.at(CENTRES) == pytest.approx(truth, abs=0.02)


def test_a_score_that_no_healthy_day_had_is_not_certain() -> None:
    positive, healthy = np.zeros(BINS), np.zeros(BINS)
    positive[-1], healthy[0] = 100.0, 10_000.0

    curve = fit_curve(positive, np.zeros(BINS), healthy, prevalence=0.001, faults=100)

    assert 0.9 < curve.at(np.array([LIMIT]))[0] < 0.99


def test_calibration_without_faults_is_refused_with_what_is_missing() -> None:
    with pytest.raises(LearningError, match="0 days before an event"):
        fit_curve(np.zeros(BINS), np.zeros(BINS), np.ones(BINS), prevalence=0.01, faults=0)


def test_p_values_of_exchangeable_days_are_never_too_small() -> None:
    rng = np.random.default_rng(1001)
    scores = np.clip(rng.normal(-8, 3, 60_000), -LIMIT, LIMIT)
    known, fresh = scores[:20_000], scores[20_000:]

    p, is_tail = fit_healthy(counts(known), np.sort(known)[::-1][:4096]).p_value(fresh)

    for level in (0.5, 0.1, 0.01, 0.001):
        share = (p <= level).mean()
        spread = 4 * np.sqrt(level / 20_000)
        assert level - spread - 0.1 * level < share < level + spread
    assert is_tail.sum() < 20


def test_beyond_all_that_was_seen_the_tail_goes_on_and_says_so() -> None:
    rng = np.random.default_rng(1002)
    known = np.clip(rng.exponential(1.0, 20_000) - 12, -LIMIT, LIMIT)

    p, is_tail = fit_healthy(counts(known), np.sort(known)[::-1][:4096]).p_value(
        np.array([-11.0, 8.0, np.nan])
    )

    assert is_tail.tolist() == [False, True, False]
    assert p[0] == pytest.approx(np.exp(-1.0), rel=0.1)
    assert np.log(p[1]) == pytest.approx(-20.0, abs=3.0)
    assert np.isnan(p[2])


def test_without_enough_days_no_tail_is_made_up() -> None:
    known = np.linspace(-14, -5, 500)

    p, is_tail = fit_healthy(counts(known), known).p_value(np.array([10.0]))

    assert p[0] == pytest.approx(1 / 501)
    assert not is_tail[0]


def test_stretched_intervals_hold_eighty_percent_of_further_faults() -> None:
    rng = np.random.default_rng(1003)
    left = rng.uniform(100, 1000, 2000)
    middle = left * np.exp(rng.normal(0, 0.5, 2000))
    ttt = np.stack([middle * 0.9, middle, middle * 1.1])
    needed, fault = needed_stretch(ttt, left), np.arange(2000)

    stretch = fit_stretch(needed[:1000], fault[:1000])

    assert stretch is not None
    assert covered(needed[1000:], fault[1000:]) < 0.25
    assert covered(needed[1000:], fault[1000:], stretch) == pytest.approx(0.8, abs=0.04)
    p10, p50, p90 = stretched(ttt[:, 1000:], stretch)
    assert ((p10 <= left[1000:]) & (left[1000:] <= p90)).mean() == pytest.approx(0.8, abs=0.04)
    assert (p50 == middle[1000:]).all()


def test_intervals_that_are_too_wide_are_narrowed() -> None:
    left = np.random.default_rng(1004).uniform(100, 1000, 500)
    ttt = np.stack([left * 0.1, left * 1.05, left * 10])

    assert fit_stretch(needed_stretch(ttt, left), np.arange(500)) < 0.1


def test_what_has_been_crossed_stays_crossed() -> None:
    ttt = np.array([[0.0, np.nan], [0.0, np.nan], [0.0, np.nan]])

    assert np.array_equal(stretched(ttt, 3.0), ttt, equal_nan=True)


def test_few_faults_stretch_nothing() -> None:
    assert fit_stretch(np.full(19, 2.0), np.arange(19)) is None


def test_each_score_lies_in_its_bin_and_seasons_follow_the_calendar() -> None:
    assert bin_of(np.array([-99.0, -LIMIT, 0.0, LIMIT, 99.0])).tolist() == [0, 0, 150, 299, 299]
    assert log_odds(logistic(np.array([1.0]))).tolist() == [0.0]
    days = np.array(["2026-01-15", "2026-04-01", "2026-07-31", "2026-12-01"], dtype="datetime64[D]")
    assert season_of(days.astype(np.int64)).tolist() == [0, 1, 2, 0]


def _evidence(rng: np.random.Generator, chemistry: str, shift: float) -> Evidence:
    bad, good = rng.normal(6 + shift, 2, 4000), rng.normal(-8 + shift, 2, 40_000)
    return Evidence(
        components={chemistry: DayCounts(positive=counts(bad), healthy=counts(good), faults=100)},
        vehicles={f"{chemistry} winter": VehicleDays(counts=counts(good), top=np.sort(good)[::-1][:4096])},
        needed=np.full(40, 1.5),
        fault=np.arange(40),
    )


def test_evidence_of_parts_adds_up_to_that_of_the_fleet() -> None:
    rng = np.random.default_rng(1005)
    one, other = _evidence(rng, "NCM", 0.0), _evidence(rng, "NCM", 1.0)

    both = one + other

    assert both.components["NCM"].faults == 200
    assert both.vehicles["NCM winter"].counts.sum() == 80_000
    assert len(np.unique(both.fault)) == 80
    assert both.vehicles["NCM winter"].top[0] == max(e.vehicles["NCM winter"].top[0] for e in (one, other))


def test_maps_go_through_plain_values_and_leave_the_risk_index_alone() -> None:
    rng = np.random.default_rng(1006)
    maps = fit_maps(
        _evidence(rng, "NCM", 0.0),
        model_version="tire-slow-leak-2",
        horizon_h=720.0,
        faults_per_vehicle_year=0.1,
    )
    predictor = TireSlowLeakPredictor()
    maps = RiskMaps.from_dict(replace(maps, model_version=predictor.model_version).to_dict())
    panel = panel_for(predictor)
    as_of = np.arange(len(panel.day))

    (mapped,) = with_maps([predictor], {maps.model_version: maps})
    plain, learned = predictor.predict(panel, as_of), mapped.predict(panel, as_of)

    assert isinstance(mapped, MappedPredictor)
    assert np.array_equal(plain.probability, learned.probability, equal_nan=True)
    known = np.isfinite(plain.probability)
    assert np.isfinite(learned.calibrated[known]).all()
    assert ((learned.p_value[known] > 0) & (learned.p_value[known] <= 1)).all()
    time_known = np.isfinite(plain.ttt_h).all(0) & (plain.ttt_h[0] > 1.0)
    assert (learned.ttt_h[0][time_known] <= plain.ttt_h[0][time_known] + 1e-9).all()


def test_maps_of_another_version_are_not_applied() -> None:
    predictor = TireSlowLeakPredictor()

    (found,) = with_maps([predictor], {"tire-slow-leak-0": RiskMaps(model_version="tire-slow-leak-0")})

    assert found is predictor


@pytest.mark.parametrize(
    "broken",
    [
        {"model_version": "x"},
        {
            "model_version": "x",
            "curves": {"all": {"probability": np.zeros(3)}},
            "healthy": {},
            "stretch": None,
        },
        {
            "model_version": "x",
            "curves": {"all": {"probability": np.zeros(3), "prevalence": 0.1, "method": "platt"}},
            "healthy": {},
            "stretch": None,
        },
    ],
)
def test_what_is_no_map_is_refused(broken: dict) -> None:
    with pytest.raises(LearningError, match="maps"):
        RiskMaps.from_dict(broken)
