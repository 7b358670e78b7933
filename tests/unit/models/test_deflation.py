from __future__ import annotations

import numpy as np
import pytest

from data.records import Origin, Severity
from models.features.days import to_datetime
from models.features.deflation import DeflationState, deflation, empty_state, push
from models.predictors.tire_puncture import TirePunctureRule
from tests.unit.models import factories as make

RULE = TirePunctureRule()
ROW = np.array([0])


def feed(state: DeflationState, at_s: float, gas: np.ndarray) -> np.ndarray:
    push(state, ROW, np.array([make.START_US + int(at_s * 1e6)]), gas[None])
    return RULE.probability(deflation(state, ROW))[0]


def run(
    rate_kpa_per_min: float, *, every_s: int, until_s: int, onset_s: int = 900, noise: float = 0.8
) -> list:
    rng = np.random.default_rng(2)
    state = empty_state(np.zeros(1, dtype=np.int64), 4)
    out = []
    for at in range(0, until_s, every_s):
        gas = 341 + np.array([2.0, -1.0, 0.0, 1.0])
        gas[2] -= rate_kpa_per_min * max(0, at - onset_s) / 60
        out.append((at, feed(state, at, np.round((gas + rng.normal(0, noise, 4)) / 1.373) * 1.373)))
    return out


@pytest.mark.parametrize(("rate", "within_s"), [(2.0, 420), (5.0, 240), (20.0, 90)])
def test_rapid_deflation_is_found_in_time_on_the_right_wheel(rate: float, within_s: int) -> None:
    found = run(rate, every_s=5, until_s=1500)
    first = next(at for at, p in found if p[2] > 0.7)

    assert 0 < first - 900 <= within_s
    assert all(p[[0, 1, 3]].max() < 0.5 for _, p in found)


def test_steady_tires_stay_quiet_for_an_hour() -> None:
    assert max(p.max() for _, p in run(0.0, every_s=5, until_s=3600)) < 0.5


def test_single_reading_of_zero_is_no_puncture() -> None:
    state = empty_state(np.zeros(1, dtype=np.int64), 4)
    steady = np.full(4, 341.0)
    for at in range(0, 600, 20):
        feed(state, at, steady)
    glitch = steady.copy()
    glitch[1] = 101.325

    assert feed(state, 600, glitch)[1] < 0.5
    assert feed(state, 620, steady)[1] < 0.5


def test_other_wheels_that_are_inflated_are_no_puncture() -> None:
    state = empty_state(np.zeros(1, dtype=np.int64), 4)
    gas = np.full(4, 320.0)
    worst = 0.0
    for at in range(0, 900, 20):
        gas[:3] += 5.0 if at >= 300 and gas[0] < 350 else 0.0
        worst = max(worst, float(feed(state, at, gas).max()))

    assert worst < 0.5


def test_hot_values_that_settle_after_driving_off_are_no_puncture() -> None:
    state = empty_state(np.zeros(1, dtype=np.int64), 4)
    held = np.full(4, 360.0)
    for at in range(0, 300, 20):
        feed(state, at, held)
    worst = 0.0
    for step, at in enumerate(range(36_000, 36_400, 10)):
        settled = np.where(np.arange(4) < step // 2, 340.0, 360.0)
        worst = max(worst, float(feed(state, at, settled).max()))

    assert worst < 0.5


def test_late_and_repeated_readings_change_nothing() -> None:
    state = empty_state(np.zeros(1, dtype=np.int64), 4)
    time_us = np.array([make.START_US])

    assert push(state, ROW, time_us, np.full((1, 4), 341.0)).tolist() == [True]
    assert push(state, ROW, time_us, np.full((1, 4), 300.0)).tolist() == [False]
    assert push(state, ROW, time_us - 1, np.full((1, 4), 300.0)).tolist() == [False]
    assert state.gas_kpa[0, -1, 0] == 341.0


def test_puncture_says_how_fast_and_how_urgent() -> None:
    state = empty_state(np.zeros(1, dtype=np.int64), 4)
    for at in range(0, 900, 20):
        gas = np.full(4, 341.0)
        gas[3] -= 10.0 * max(0, at - 600) / 60
        feed(state, at, gas)

    prediction = RULE.tell(
        make.make_spec(),
        deflation(state, ROW),
        0,
        3,
        vehicle_id=5,
        now=to_datetime(make.START_US),
        origin=Origin.SIMULATED,
        is_fresh=True,
    )

    assert (prediction.component, prediction.severity) == ("tire rear-right", Severity.S1)
    assert pytest.approx(prediction.reasons[0].value, rel=0.1) == 10.0
    assert prediction.time_to_threshold_h is not None
    assert prediction.time_to_threshold_h.p50 < 0.5
