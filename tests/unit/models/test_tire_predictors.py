from __future__ import annotations

from dataclasses import replace

import numpy as np

from data.records import BoolArray, FloatArray
from models.features.steps import step_over_line
from models.predictors.base import DayPanel
from models.predictors.tire_sensor_fault import TireSensorFaultPredictor
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from models.predictors.tire_topped_up_leak import TireToppedUpLeakPredictor
from tests.unit.models import factories as make

LEAK = TireSlowLeakPredictor()
TOPPED = TireToppedUpLeakPredictor()
SENSOR = TireSensorFaultPredictor()
N_DAYS = 60


def days() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(N_DAYS, dtype=np.int64)


def gas(seed: int = 11, n: int = 30, noise_kpa: float = 0.8) -> FloatArray:
    return make.healthy_gas(np.random.default_rng(seed), n, N_DAYS, noise_kpa)


def panel(values: FloatArray, **extra: FloatArray) -> DayPanel:
    found = make.make_tire_panel(values)
    return replace(found, extra={**found.extra, **extra})


def every(value: float, n: int = 30) -> FloatArray:
    return np.full((n, N_DAYS, 4), value)


def alerts(probability: FloatArray) -> BoolArray:
    """Days that pass the raise level and the dwell of half a day."""
    return (probability[:, 1:] >= 0.7) & (probability[:, :-1] >= 0.5)


def test_sensor_that_jumps_down_is_a_sensor_fault_and_no_leak() -> None:
    values = gas()
    values[:, 25:, 1] -= 15.0
    given = panel(values)

    assert alerts(LEAK.predict(given, days()).probability).mean() < 1e-3
    found = SENSOR.predict(given, days()).probability
    assert (found[:, 31, 1] >= 0.7).mean() > 0.5
    assert not (found[:, :, [0, 2, 3]] >= 0.7).any()


def test_wheels_that_change_places_are_neither() -> None:
    values = gas(n=60)
    values[:, :, 0] += 8.0
    values[:, :, 3] -= 6.0
    values[:, 30:] = values[:, 30:][:, :, [3, 2, 1, 0]]
    given = panel(values)

    for predictor in (LEAK, TOPPED, SENSOR):
        assert not (predictor.predict(given, days()).probability >= 0.7).any(), predictor.model_version


def test_leak_is_no_sensor_fault() -> None:
    values = gas()
    values[:, :, 2] -= 4.0 * np.maximum(days() - 20, 0)

    assert not (SENSOR.predict(panel(values), days()).probability >= 0.7).any()


def test_coarse_sensor_without_temperature_raises_nothing() -> None:
    rng = np.random.default_rng(12)
    values = gas(n=150, noise_kpa=0.0) + rng.normal(0, 1.5, (150, N_DAYS, 4))
    given = panel(np.round(values / 4.0) * 4.0)

    assert (LEAK.predict(given, days()).probability >= 0.7).any((1, 2)).mean() <= 0.02


def test_fast_leak_shows_within_two_days() -> None:
    values = gas()
    loss = 20.0 * np.maximum(days() - 39.5, 0)
    values[:, :, 1] -= loss
    found = make.make_tire_panel(values)
    begin, end = found.value.copy(), found.value.copy()
    begin[:, 40:, 1] += 5.0
    end[:, 40:, 1] -= 5.0
    given = panel(values, begin_contrast_kpa=begin, end_contrast_kpa=end)
    risk = LEAK.predict(given, days())

    assert (risk.probability[:, 41, 1] >= 0.7).mean() > 0.9
    assert (risk.severity[:, 42, 1] <= 2).mean() > 0.8
    assert not (risk.probability[:, :40] >= 0.7).any()


def test_day_that_reads_low_all_through_is_no_fast_leak() -> None:
    values = gas()
    values[:, 25, 1] -= 25.0
    given = panel(values)
    contrast = given.value

    found = LEAK.predict(
        replace(
            given, extra={**given.extra, "begin_contrast_kpa": contrast, "end_contrast_kpa": contrast - 1.5}
        ),
        days(),
    )
    assert not (found.probability[:, 25, 1] >= 0.7).any()


def test_cold_morning_brings_the_limit_nearer() -> None:
    values = gas(n=1)
    values[:, :, 2] -= 3.0 * np.maximum(days() - 40, 0)
    given = panel(values, low_temperature_degc=np.full((1, N_DAYS, 1), -10.0))
    risk = LEAK.predict(given, np.array([50]))
    why = LEAK.explain(given, risk, 0, 0, 2)

    assert risk.detail["cold_ttt"][0, 0, 2] < risk.ttt_h[1, 0, 0, 2]
    texts = [reason.text_en for reason in why.reasons]
    assert any("on a morning of -10 °C" in text for text in texts)
    assert texts[-1].startswith("clears when")


def test_tire_topped_up_twice_is_told_of_with_its_loss() -> None:
    values = gas()
    values[:, :, 3] -= 1.2 * (days() % 15)
    found = TOPPED.predict(panel(values), days())

    assert (found.probability[:, 35, 3] >= 0.7).mean() >= 0.9
    assert not (found.probability[:, :, :3] >= 0.7).any()
    assert 0.8 < float(np.median(found.detail["rate"][:, 35, 3])) < 1.6
    assert (
        "was topped up twice in 15 days" in TOPPED.explain(panel(values), found, 0, 35, 3).reasons[0].text_en
    )


def test_tire_that_is_topped_up_once_and_falls_again_is_told_of() -> None:
    values = gas()
    values[:, 20:, 3] -= 4.0 * np.arange(N_DAYS - 20)
    values[:, 26:, 3] += 26.0
    found = TOPPED.predict(panel(values), days())

    assert (found.probability[:, 31, 3] >= 0.7).mean() > 0.9
    assert not (found.probability[:, :27] >= 0.7).any()
    assert not (found.probability[:, :, :3] >= 0.7).any()
    assert "was topped up and has lost" in TOPPED.explain(panel(values), found, 0, 31, 3).reasons[0].text_en


def test_day_that_reads_high_and_one_top_up_without_a_leak_are_no_topped_up_leak() -> None:
    values = gas()
    values[:, 15, 2] -= 20.0
    values[:, 18, 2] += 25.0
    values[:, 20:, 1] += 20.0

    assert not (TOPPED.predict(panel(values), days()).probability >= 0.7).any()


def test_refills_of_all_wheels_are_no_topped_up_leak() -> None:
    values = gas()
    for day in (15, 35):
        values[:, day:] += 18.0 + np.random.default_rng(day).normal(0, 2, (30, 1, 4))

    assert not (TOPPED.predict(panel(values), days()).probability >= 0.7).any()


def test_dead_sensor_is_told_of_only_while_the_others_are_heard() -> None:
    heard = every(0.9)
    heard[:, 30:, 2] = 0.0
    alone = SENSOR.predict(panel(gas(), heard_share=heard, moving_h=np.ones((30, N_DAYS, 1))), days())
    heard[:, 30:] = 0.0
    all_gone = SENSOR.predict(panel(gas(), heard_share=heard, moving_h=np.ones((30, N_DAYS, 1))), days())

    assert (alone.probability[:, 33, 2] >= 0.7).all()
    assert not (alone.probability[:, :, [0, 1, 3]] >= 0.7).any()
    assert not (all_gone.probability >= 0.7).any()


def test_stuck_sensor_stands_still_while_the_others_warm() -> None:
    span = every(20.0)
    span[:, 20:, 0] = 0.0
    parked = SENSOR.predict(panel(gas(), gauge_span_kpa=np.zeros_like(span)), days())
    found = SENSOR.predict(panel(gas(), gauge_span_kpa=span), days())

    assert (found.probability[:, 23, 0] >= 0.7).all()
    assert not (found.probability[:, :22] >= 0.7).any()
    assert not (parked.probability >= 0.7).any()


def test_sensor_that_swings_and_comes_back_is_erratic_but_a_fast_leak_is_not() -> None:
    span, step = every(12.0), every(1.0)
    span[:, 20:, 1] = 45.0
    moving = np.ones((30, N_DAYS, 1))
    swings = SENSOR.predict(panel(gas(), gauge_span_kpa=span, step_kpa=step, moving_h=moving), days())
    step[:, 20:, 1] = -42.0
    leaks = SENSOR.predict(panel(gas(), gauge_span_kpa=span, step_kpa=step, moving_h=moving), days())

    assert (swings.probability[:, 23, 1] >= 0.7).all()
    assert (
        "falls and comes back"
        in SENSOR.explain(panel(gas(), gauge_span_kpa=span, step_kpa=step), swings, 0, 23, 1)
        .reasons[0]
        .text_en
    )
    assert not (leaks.probability[:, :, 1] >= 0.7).any()


def test_sensor_that_goes_up_and_down_from_day_to_day_is_restless_but_a_leak_is_not() -> None:
    values = gas()
    wild, leak = values.copy(), values.copy()
    wild[:, 15:, 1] += np.random.default_rng(21).normal(0, 8, wild[:, 15:, 1].shape)
    leak[:, 15:, 1] -= 5.0 * np.arange(values.shape[1] - 15)

    assert alerts(SENSOR.predict(panel(wild), days()).probability)[:, 25:, 1].any(1).mean() >= 0.9
    assert not alerts(SENSOR.predict(panel(leak), days()).probability).any()


def test_reading_that_rises_for_weeks_is_its_sensor_s_and_a_refill_is_not() -> None:
    values = gas()
    rising, filled = values.copy(), values.copy()
    rising[..., 2] += np.maximum(0.6 * (np.arange(values.shape[1]) - 5), 0)
    filled[:, 20:, 2] += 15.0

    assert alerts(SENSOR.predict(panel(rising), days()).probability)[:, 35:, 2].any(1).mean() >= 0.9
    assert not alerts(SENSOR.predict(panel(filled), days()).probability).any()


def test_wheel_that_is_let_down_while_others_are_filled_has_no_broken_sensor() -> None:
    values = gas()
    values[:, 20:] += np.array([12.0, 14.0, -12.0, 13.0])

    assert not alerts(SENSOR.predict(panel(values), np.arange(values.shape[1])).probability).any()


def test_equal_wheels_are_a_replayed_value() -> None:
    equal = np.zeros((30, N_DAYS, 1))
    equal[:, 40:] = 1.0
    found = SENSOR.predict(panel(gas(), equal_share=equal, moving_h=np.ones((30, N_DAYS, 1))), days())

    assert (found.probability[:, 43] >= 0.7).all()
    assert not (found.probability[:, :42] >= 0.7).any()


def test_one_step_explains_a_jump_and_a_line_explains_a_leak() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.7, (50, 14, 1))
    jump, leak = noise.copy(), noise.copy()
    jump[:, 7:] -= 12.0
    leak -= 1.0 * np.arange(14)[None, :, None]
    given = {"window": 14, "as_of": np.array([13]), "noise": np.full((50, 1, 1), 0.7)}
    segment = np.zeros((50, 14), dtype=np.int64)

    assert (step_over_line(jump, segment, **given) < 0.5).all()
    assert (step_over_line(leak, segment, **given) > 1.5).all()
