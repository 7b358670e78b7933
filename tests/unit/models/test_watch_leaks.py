from __future__ import annotations

import numpy as np
import pytest

from data.records import BoolArray, Family, FamilyRows, FloatArray
from models.watch.leak_window import GRID_US
from models.watch.rule import LiveRisk, Readings, State
from models.watch.stream import Stream
from models.watch.tire_fast_leak import TireFastLeakRule
from tests.unit.models import factories as make

SPEC = make.make_spec()
RULE = TireFastLeakRule()
AIR = 101.325
#: Trips of two days, as hours since the first midnight: begin and end.
TRIPS = ((8.0, 8.5), (17.5, 18.0), (32.0, 32.5), (37.0, 37.3), (41.5, 42.0))
OFFSET = np.array([2.0, -3.0, 0.0, 4.0])
REAR_LEFT = 2


def hours(trips: tuple[tuple[float, float], ...] = TRIPS) -> FloatArray:
    return np.concatenate([np.arange(begin, end, 1 / 60) for begin, end in trips])


def told(
    at_h: FloatArray, gas_change: FloatArray, *, warmer: FloatArray | None = None, seed: int = 3
) -> Readings:
    """Readings of one vehicle whose gas (n, 4) changes by so much; a warmer rim reads the gas low."""
    rng = np.random.default_rng(seed)
    n = len(at_h)
    degc = 15.0 + 6.0 * np.sin(2 * np.pi * (at_h - 9) / 24)[:, None] + np.zeros((n, 4))
    gas = 345.0 + OFFSET + gas_change
    gauge = gas * (degc + 273.15) / 293.15 - AIR + rng.normal(0, 0.8, (n, 4))
    shown = degc if warmer is None else degc + warmer
    return Readings(
        at=np.zeros(n, dtype=np.int64),
        time_us=make.START_US + (at_h * 3.6e9).astype(np.int64),
        columns={
            "tire.pressure": np.rint(gauge / 1.373) * 1.373,
            "tire.temperature": np.rint(shown),
            "tire.age": np.zeros((n, 4)),
            "ambient": degc[:, 0],
            "barometer": np.full(n, AIR),
            "altitude": np.zeros(n),
        },
    )


def on(wheel: int, values: FloatArray) -> FloatArray:
    return np.where(np.arange(4) == wheel, values[:, None], 0.0)


def leak(at_h: FloatArray, per_day: float, *, from_h: float) -> FloatArray:
    return on(REAR_LEFT, -per_day / 24 * np.maximum(at_h - from_h, 0.0))


def run(given: Readings) -> LiveRisk:
    return RULE.take(RULE.empty(1, SPEC), given, SPEC)


def first_h(risk: LiveRisk, at_h: FloatArray, wheel: int = REAR_LEFT) -> float:
    found = np.flatnonzero(risk.probability[:, wheel] > 0.7)
    return float(at_h[found[0]]) if len(found) else np.inf


@pytest.mark.parametrize(("per_day", "by_h"), [(15.0, 42.0), (25.0, 37.5), (40.0, 32.5), (60.0, 32.5)])
def test_leak_of_hours_is_found_in_the_trips_that_show_it(per_day: float, by_h: float) -> None:
    at_h = hours()
    risk = run(told(at_h, leak(at_h, per_day, from_h=15.0)))

    assert 15.0 < first_h(risk, at_h) <= by_h
    assert not (risk.probability[:, [0, 1, 3]] > 0.3).any()


def test_leak_within_one_long_drive_needs_no_rest() -> None:
    at_h = np.arange(8.0, 12.0, 1 / 60)

    assert first_h(run(told(at_h, leak(at_h, 200.0, from_h=8.7))), at_h) < 10.5


def test_sound_tires_stay_quiet_for_days() -> None:
    at_h = np.concatenate([hours() + 48 * i for i in range(3)])
    probability = run(told(at_h, np.zeros((len(at_h), 4)))).probability

    assert not (probability > 0.3).any()
    assert np.isfinite(probability[at_h > 9.0]).mean() > 0.9


def jump(at_h: FloatArray) -> FloatArray:
    return on(REAR_LEFT, np.where(at_h > 17.7, -20.0, 0.0))


def one_low_rest(at_h: FloatArray) -> FloatArray:
    return on(REAR_LEFT, np.where(at_h > 20.0, -12.0, 0.0))


def others_filled(at_h: FloatArray) -> FloatArray:
    return np.where(at_h[:, None] > 20.0, np.array([30.0, 30.0, 0.0, 30.0]), 0.0)


def all_set_anew(at_h: FloatArray) -> FloatArray:
    return np.where(at_h[:, None] > 20.0, np.array([-6.0, -8.0, -28.0, -7.0]), 0.0)


def rotated(at_h: FloatArray) -> FloatArray:
    return np.where(at_h[:, None] > 20.0, np.array([22.0, 0.0, -22.0, 0.0]), 0.0)


@pytest.mark.parametrize("course", [jump, one_low_rest, others_filled, all_set_anew, rotated])
def test_what_falls_once_or_was_tended_is_no_leak(course: object) -> None:
    at_h = hours()
    assert callable(course)

    assert first_h(run(told(at_h, course(at_h))), at_h) == np.inf


def test_rim_that_a_brake_warms_is_no_leak() -> None:
    at_h = np.arange(8.0, 11.0, 1 / 60)
    warmer = on(REAR_LEFT, 12.0 * (1 - np.exp(-np.maximum(at_h - 8.5, 0.0) / 0.5)))

    assert first_h(run(told(at_h, np.zeros((len(at_h), 4)), warmer=warmer)), at_h) == np.inf


def test_large_loss_over_one_rest_is_withdrawn_when_it_does_not_go_on() -> None:
    at_h = hours(((8.0, 9.0), (17.0, 18.0), (24.5, 30.0)))
    probability = run(told(at_h, on(REAR_LEFT, np.where(at_h > 20.0, -20.0, 0.0)))).probability[:, REAR_LEFT]
    known = np.isfinite(probability)

    assert (probability[known & (at_h < 25.5)] > 0.7).any()
    assert probability[known][-1] < 0.3


def rows(given: Readings, chosen: BoolArray) -> dict[Family, FamilyRows]:
    names = ("tire.pressure", "tire.temperature", "tire.age")
    return {
        Family.TIRE: make.make_rows(
            Family.TIRE, given.time_us[chosen], {n: given.columns[n][chosen] for n in names}
        )
    }


def test_state_built_from_the_first_reading_of_each_minute_says_the_same() -> None:
    at_h = np.concatenate([np.arange(begin, end, 1 / 360) for begin, end in TRIPS])
    given = told(at_h, leak(at_h, 40.0, from_h=15.0))
    whole, rebuilt = Stream((RULE,)), Stream((RULE,))
    for stream in (whole, rebuilt):
        stream.add([7], SPEC)
    early = at_h < 30.0
    whole.take(rows(given, early), SPEC)
    minute = given.time_us // GRID_US
    rebuilt.recall(rows(given, early & np.r_[True, minute[1:] != minute[:-1]]), SPEC)
    first, again = (stream.take(rows(given, ~early), SPEC)[0] for stream in (whole, rebuilt))

    assert (first.time_us, first.probability) == (again.time_us, again.probability)
    assert first.component == "tire rear-left"
    assert first.severity in (1, 2)
    assert "while the other wheels held" in first.why.reasons[0].text_en
    assert "其余车轮正常" in first.why.reasons[0].text_zh
    assert first.why.ttt_h is not None
    assert first.why.ttt_h.p10 < 40


def test_wheel_that_falls_silent_and_comes_back_moves_no_reference() -> None:
    at_h = np.arange(8.0, 20.0, 1 / 60)
    given = told(at_h, on(3, np.full(len(at_h), 12.0)))
    is_silent = (at_h > 9.0) & (at_h < 18.0)
    for name in ("tire.pressure", "tire.temperature"):
        given.columns[name][is_silent, 3] = np.nan

    assert not (run(given).probability > 0.3).any()


def test_leak_is_found_although_it_sinks_past_the_other_wheels() -> None:
    at_h = hours()
    lowest = on(REAR_LEFT, np.full(len(at_h), 6.0)) + leak(at_h, 36.0, from_h=18.0)

    assert first_h(run(told(at_h, lowest)), at_h) < 33.0


def test_leak_is_found_after_days_of_silence() -> None:
    at_h = hours(((8.0, 9.0), (98.0, 98.5)))

    assert first_h(run(told(at_h, leak(at_h, 12.0, from_h=10.0))), at_h) < 98.5


def test_small_loss_over_a_rest_that_surely_goes_on_is_a_leak() -> None:
    at_h = hours(((8.0, 9.0), (17.0, 19.5)))

    assert 17.0 < first_h(run(told(at_h, leak(at_h, 36.0, from_h=10.5))), at_h) < 19.0


def high_for_a_while(at_h: FloatArray) -> FloatArray:
    return on(REAR_LEFT, np.interp(at_h, [17.5, 17.6, 18.0, 32.2], [0.0, 9.0, 6.0, 0.0], left=0.0, right=0.0))


def one_odd_reading_before_a_rest(at_h: FloatArray) -> FloatArray:
    return on(REAR_LEFT, np.where((at_h > 18.01) & (at_h < 18.03), 30.0, 0.0))


def all_set_within_a_block(at_h: FloatArray) -> FloatArray:
    return np.where(at_h[:, None] > 41.64, np.array([4.0, 3.0, -8.0, 1.0]), 0.0)


@pytest.mark.parametrize("course", [high_for_a_while, one_odd_reading_before_a_rest, all_set_within_a_block])
def test_what_comes_back_or_was_set_within_minutes_is_no_leak(course: object) -> None:
    at_h = hours((*TRIPS[:1], (17.5, 18.03), *TRIPS[2:]))
    assert callable(course)

    for seed in range(6):
        assert first_h(run(told(at_h, course(at_h), seed=seed)), at_h) == np.inf


def test_readings_cut_into_calls_say_the_same() -> None:
    at_h = hours()
    given = told(at_h, leak(at_h, 40.0, from_h=15.0))
    whole, state = run(given).probability, RULE.empty(1, SPEC)
    parts = [RULE.take(state, part(given, slice(at, at + 17)), SPEC) for at in range(0, len(at_h), 17)]

    assert np.array_equal(whole, np.concatenate([p.probability for p in parts]), equal_nan=True)


def part(given: Readings, chosen: slice) -> Readings:
    columns = {name: values[chosen] for name, values in given.columns.items()}
    return Readings(at=given.at[chosen], time_us=given.time_us[chosen], columns=columns)


def test_wheels_without_own_temperature_are_not_judged() -> None:
    at_h = hours()
    given = told(at_h, leak(at_h, 60.0, from_h=15.0))
    given.columns["tire.temperature"][:] = np.nan
    state: State = RULE.empty(1, SPEC)

    assert np.isnan(RULE.take(state, given, SPEC).probability).all()
