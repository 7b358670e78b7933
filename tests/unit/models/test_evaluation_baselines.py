from __future__ import annotations

import numpy as np
import pytest

from data.records import FailureMode, FloatArray
from models.errors import EvaluationError
from models.evaluation import baselines as base
from models.evaluation.drawn import drawn_panel
from models.evaluation.forest import train_forest
from models.evaluation.part import EvaluationPart
from models.features.tire_days import TireDaySet
from models.predictors.base import DayPanel
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from tests.unit.models.test_evaluation_judge import DAY_0, N_DAYS, SPEC, make_panel

PSI = 6.894757


def tire_panel(n: int = 1, **values: FloatArray) -> DayPanel:
    plain = make_panel(n)
    return drawn_panel(
        TireDaySet(),
        SPEC,
        vehicle_id=plain.vehicle_id,
        day=plain.day,
        first_us=plain.first_us,
        last_us=plain.last_us,
        values=values,
    )


def gauge(*wheels: FloatArray | float) -> FloatArray:
    return np.stack([np.broadcast_to(w, (1, N_DAYS)) for w in wheels], axis=2).astype(np.float64)


def test_drawn_panel_has_every_feature_of_the_set_and_takes_no_other() -> None:
    panel = tire_panel(gas_kpa=gauge(351.0, 352.0, 353.0, 354.0))

    assert set(panel.extra) == {f.name for f in TireDaySet().features}
    assert panel.extra["gas_kpa"][0, 3].tolist() == [351.0, 352.0, 353.0, 354.0]
    assert np.isnan(panel.extra["contrast_kpa"]).all()
    assert panel.day[0] == DAY_0
    with pytest.raises(EvaluationError, match="gas_psi"):
        tire_panel(gas_psi=gauge(1.0, 1.0, 1.0, 1.0))
    with pytest.raises(EvaluationError, match=r"shape \(1, 40, 3\)"):
        tire_panel(gas_kpa=gauge(1.0, 1.0, 1.0))


def test_legal_threshold_is_a_quarter_under_placard() -> None:
    over = base.under_legal(tire_panel(low_gauge_kpa=gauge(187.4, 187.6, 250.0, np.nan)))

    assert (over[0, 0] > 0).tolist() == [True, False, False, False]
    assert np.isnan(over[0, 0, 3])


def test_trailing_slope_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(300.0, 5.0, (3, 20, 2))
    values[rng.random(values.shape) < 0.3] = np.nan
    slope = base.trailing_slope(values, 7, 3)

    for vehicle, day, component in [(0, 10, 0), (1, 15, 1), (2, 19, 0), (2, 4, 1)]:
        part = values[vehicle, max(0, day - 6) : day + 1, component]
        known = np.flatnonzero(np.isfinite(part))
        expected = np.polyfit(known, part[known], 1)[0] if len(known) >= 3 else np.nan
        assert slope[vehicle, day, component] == pytest.approx(expected, nan_ok=True)


def test_aws_rule_wants_both_the_slope_and_the_level() -> None:
    days = np.arange(N_DAYS)
    falling_low = (29.9 - 0.5 * days) * PSI
    falling_high = (60.0 - 0.5 * days) * PSI
    steady_low = np.full(N_DAYS, 25.0) * PSI
    slowly = (29.9 - 0.2 * days) * PSI
    over = base.aws_rule(tire_panel(cold_gauge_kpa=gauge(falling_low, falling_high, steady_low, slowly)))

    assert (over[0, 20] > 0).tolist() == [True, False, False, False]
    assert np.isnan(over[0, 1]).all()  # two days make no slope


def test_spread_limit_blames_the_cell_farthest_from_the_median() -> None:
    panel = make_panel(1)
    deviation = np.zeros((1, N_DAYS, 96))
    deviation[0, 10, 7] = -70.0
    deviation[0, 10, 9] = 5.0
    panel = DayPanel(
        spec=SPEC,
        vehicle_id=panel.vehicle_id,
        day=panel.day,
        value=deviation,
        weight=deviation,
        first_us=panel.first_us,
        last_us=panel.last_us,
        extra={"deviation_mv": deviation},
    )

    assert np.argwhere(base.service_spread(panel) > 0).tolist() == [[0, 10, 7]]
    assert not (base.alarm_spread(panel) > 0).any()


def test_every_baseline_names_a_mode_it_is_judged_by() -> None:
    modes = {d.failure_mode for found in base.baselines().values() for d in found}

    assert {FailureMode.TIRE_SLOW_LEAK, FailureMode.CELL_INTERNAL_SHORT, FailureMode.LV_BATTERY} <= modes


def test_forest_keeps_its_budget_on_healthy_vehicles_and_finds_a_wild_one() -> None:
    rng = np.random.default_rng(1)
    n = 120
    contrast = rng.normal(0, 1.0, (n, N_DAYS, 4)) + rng.normal(0, 3.0, (n, 1, 4))
    part = EvaluationPart(
        spec=SPEC,
        panels={"tire_days": tire_panel(n, contrast_kpa=contrast)},
        truths=[],
        seed=1000,
        is_enriched=False,
    )
    detector = train_forest(TireSlowLeakPredictor(), [part], budget_per_1000=0.5, rng=rng)
    assert detector is not None
    wild = rng.normal(0, 1.0, (40, N_DAYS, 4)) + rng.normal(0, 3.0, (40, 1, 4))
    wild[0, 30:, 2] -= 40.0
    found = detector.detect(tire_panel(40, contrast_kpa=wild)).probability

    assert (found[0, 30:, 2] > 0.9).all()
    assert (found[1:] > 0.7).any((1, 2)).sum() <= 6
    nothing = EvaluationPart(spec=SPEC, panels={}, truths=[], seed=1, is_enriched=False)
    assert train_forest(TireSlowLeakPredictor(), [nothing], budget_per_1000=0.5, rng=rng) is None
