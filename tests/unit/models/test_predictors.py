from __future__ import annotations

import numpy as np
import pytest

from models.checks import Check, yield_checks
from models.predictors import day_predictors
from models.predictors.base import DayPanel, Predictor, reference_of_others, time_to_threshold
from models.predictors.cell_internal_short import CellInternalShortPredictor
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from tests.unit.models import factories as make
from tests.unit.models.any_panel import panel_for

TIRES = TireSlowLeakPredictor()
CELLS = CellInternalShortPredictor()


def leaking_tires(rate: float, *, onset: int = 6, noise_kpa: float = 1.0, n: int = 40) -> DayPanel:
    rng = np.random.default_rng(5)
    gas = make.healthy_gas(rng, n, 20, noise_kpa)
    gas[:, :, 2] -= rate * np.maximum(np.arange(20) - onset, 0)
    return make.make_tire_panel(gas)


def shorted_cells(rate: float, *, onset: int = 6, n: int = 20) -> DayPanel:
    rng = np.random.default_rng(6)
    deficit = make.healthy_deficit(rng, n, 20)
    deficit[:, :, 7] += rate * np.maximum(np.arange(20) - onset, 0)
    return make.make_cell_panel(deficit)


#: Where a fault is known to be; any other predictor gets features of made-up rows.
PANELS = {TIRES.model_version: leaking_tires(3.0, n=3), CELLS.model_version: shorted_cells(0.4, n=3)}


@pytest.mark.parametrize(
    ("predictor", "check"),
    list(yield_checks(day_predictors())),
    ids=lambda v: getattr(v, "__name__", type(v).__name__),
)
def test_predictor_keeps_the_promise(predictor: Predictor, check: Check) -> None:
    check(predictor, PANELS.get(predictor.model_version) or panel_for(predictor))


@pytest.mark.parametrize("rate", [2.0, 4.0, 8.0])
def test_slow_leak_is_found_on_the_right_wheel_with_its_rate(rate: float) -> None:
    risk = TIRES.predict(leaking_tires(rate), np.array([19]))

    assert (risk.probability[:, 0, 2] > 0.7).mean() >= 0.95
    assert (risk.probability[:, 0, 2] > 0.5).all()
    assert (risk.probability[:, 0, [0, 1, 3]] < 0.5).all()
    assert rate == pytest.approx(float(np.median(risk.detail["loss"][:, 0, 2])), rel=0.15)


def test_a_wheel_that_fell_silent_is_unknown_and_not_healthy() -> None:
    panel = leaking_tires(4.0, n=3)
    for values in (panel.value, panel.extra["gas_kpa"]):
        values[:, 8:, 2] = np.nan
    risk = TIRES.predict(panel, np.arange(20))

    assert (risk.probability[:, 1, 2] == 0.0).all()  # too early to say
    assert np.isnan(risk.probability[:, 19, 2]).all()
    assert np.isfinite(risk.probability[:, 19, [0, 1, 3]]).all()


def test_time_until_a_quarter_is_lost_is_inside_its_interval() -> None:
    panel = leaking_tires(4.0)
    risk = TIRES.predict(panel, np.array([19]))
    gauge = panel.extra["gas_kpa"][:, 19, 2] - 101.325
    truth_h = 24 * (gauge - 180.0) / 4.2

    inside = (risk.ttt_h[0, :, 0, 2] <= truth_h) & (truth_h <= risk.ttt_h[2, :, 0, 2])

    assert inside.mean() > 0.6


@pytest.mark.parametrize("noise_kpa", [0.8, 1.5])
def test_healthy_tires_stay_quiet(noise_kpa: float) -> None:
    gas = make.healthy_gas(np.random.default_rng(1), 150, 60, noise_kpa)

    risk = TIRES.predict(make.make_tire_panel(gas), np.arange(60))

    episodes = int((risk.probability > 0.7).any(1).sum())
    assert episodes <= 1  # of 9,000 vehicle-days


def test_refill_of_all_wheels_is_no_leak_and_hides_none() -> None:
    gas = make.healthy_gas(np.random.default_rng(2), 40, 24)
    gas[:, 10:] += 25.0
    gas[:, :, 1] -= 3.0 * np.arange(24)

    risk = TIRES.predict(make.make_tire_panel(gas), np.arange(24))

    assert (risk.probability[:, :, [0, 2, 3]] < 0.7).all()
    assert (risk.probability[:, 23, 1] > 0.7).all()


def test_refill_that_one_wheel_shares_less_is_no_leak() -> None:
    gas = make.healthy_gas(np.random.default_rng(3), 40, 24)
    gas[:, 10:] += np.array([25.0, 25.0, 25.0, 13.0])

    risk = TIRES.predict(make.make_tire_panel(gas), np.arange(24))

    assert (risk.probability < 0.7).all()


def test_hot_wheel_that_cools_is_no_leak() -> None:
    gas = make.healthy_gas(np.random.default_rng(4), 40, 24)
    gas[:, 12, 0] += 20.0

    risk = TIRES.predict(make.make_tire_panel(gas), np.arange(24))

    # one day alone is no alert: the level must hold for half a day
    is_high = risk.probability >= 0.5
    assert not (is_high[:, 1:] & is_high[:, :-1] & (risk.probability[:, 1:] >= 0.7)).any()


def test_growing_internal_short_is_found_within_fourteen_days() -> None:
    risk = CELLS.predict(shorted_cells(0.35), np.array([19]))

    # a cell that began above its pack has not come below it everywhere yet
    assert (risk.probability[:, 0, 7] > 0.7).mean() >= 0.9
    assert (np.delete(risk.probability[:, 0], 7, axis=1) < 0.2).all()


def test_cell_that_was_always_low_is_no_internal_short() -> None:
    deficit = make.healthy_deficit(np.random.default_rng(7), 20, 60)
    deficit[:, :, 7] += 4.0

    risk = CELLS.predict(make.make_cell_panel(deficit), np.arange(60))

    assert np.nanmax(risk.probability) < 0.5


def test_module_that_drifts_together_is_no_internal_short() -> None:
    deficit = make.healthy_deficit(np.random.default_rng(8), 20, 60)
    deficit[:, :, 4:10] += 0.06 * np.arange(60)[None, :, None]

    risk = CELLS.predict(make.make_cell_panel(deficit), np.arange(60))

    assert np.nanmax(risk.probability) < 0.5


def test_first_days_of_a_vehicle_raise_nothing() -> None:
    deficit = make.healthy_deficit(np.random.default_rng(9), 20, 3)
    deficit[:, :, 7] += 6.0

    risk = CELLS.predict(make.make_cell_panel(deficit), np.arange(3))

    assert np.nanmax(risk.probability) < 0.5


def test_low_resistance_is_more_urgent() -> None:
    slow = CELLS.predict(shorted_cells(0.3, onset=10), np.array([19]))
    fast = CELLS.predict(shorted_cells(1.2, onset=10), np.array([19]))

    assert (slow.severity[:, 0, 7] == 3).all()
    assert (fast.severity[:, 0, 7] == 2).all()


def test_reasons_are_told_in_both_languages_with_units() -> None:
    panel = leaking_tires(4.0, n=1)
    risk = TIRES.predict(panel, np.array([19]))

    why = TIRES.explain(panel, risk, 0, 0, 2)

    first = why.reasons[0]
    assert first.text_en.startswith("rear-left loses ")
    assert "kPa/day against" in first.text_en
    assert "reaches −25 % in" in first.text_en
    assert first.text_zh.startswith("左后轮每天漏气")
    assert (first.unit, first.healthy_low, first.healthy_high) == ("kPa/day", 0.0, 0.35)


def test_reference_of_others_is_not_the_component_itself() -> None:
    values = np.array([[1.0, 9.0, 2.0, 3.0]])

    assert reference_of_others(values, 0.25).tolist() == [[9.0, 3.0, 9.0, 9.0]]


def test_time_to_threshold_is_zero_beyond_it_and_unknown_without_a_rate() -> None:
    ttt = time_to_threshold(
        np.array([-1.0, 10.0, 10.0]), np.full(3, 1.0), np.array([1.0, 0.0, 2.0]), np.full(3, 0.1)
    )

    assert ttt[:, 0].tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(ttt[:, 1]).all()
    assert pytest.approx(ttt[1, 2]) == 120.0
