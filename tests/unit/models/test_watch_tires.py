from __future__ import annotations

import numpy as np
import pytest

from data.records import Family, FamilyRows, FloatArray, Origin, Severity
from models.features.days import to_datetime
from models.watch.rule import LiveRisk, Readings, State, rounds
from models.watch.rules import live_rules
from models.watch.stream import Stream
from models.watch.telling import told_of, watch_recording
from models.watch.tire_blowout import TireBlowoutRule
from models.watch.tire_puncture import TirePunctureRule
from tests.unit.models import factories as make

SPEC = make.make_spec()
PUNCTURE = TirePunctureRule()
BLOWOUT = TireBlowoutRule()
AIR = 101.325


def readings(
    at_s: FloatArray, gauge: FloatArray, degc: FloatArray | float = 30.0, speed: FloatArray | float = 80.0
) -> Readings:
    """Readings of one vehicle; gauge of shape (n, 4)."""
    n = len(at_s)
    return Readings(
        at=np.zeros(n, dtype=np.int64),
        time_us=make.START_US + (at_s * 1e6).astype(np.int64),
        columns={
            "tire.pressure": gauge,
            "tire.temperature": np.broadcast_to(degc, gauge.shape),
            "tire.age": np.zeros(gauge.shape),
            "ambient": np.full(n, 20.0),
            "barometer": np.full(n, AIR),
            "altitude": np.zeros(n),
            "speed": np.broadcast_to(speed, n),
        },
    )


def drive(
    rate_kpa_per_min: float, *, minutes: int = 32, every_s: int = 55, noise: float = 0.8, wheel: int = 2
) -> tuple[FloatArray, FloatArray]:
    """A drive of sensors that send every ``every_s``, told every 10 s; a leak from 15 min on."""
    rng = np.random.default_rng(2)
    at = np.arange(0, minutes * 60, 10.0)
    gauge = 240.0 + np.array([2.0, -1.0, 0.0, 1.0]) + np.zeros((len(at), 4))
    gauge[:, wheel] -= rate_kpa_per_min * np.maximum(at - 900, 0) / 60
    heard = np.maximum((at[:, None] // every_s * every_s + np.arange(4) * 10) // 10, 0).astype(int)
    heard = np.minimum(heard, np.arange(len(at))[:, None])
    noisy = np.round((gauge + rng.normal(0, noise, gauge.shape)) / 1.373) * 1.373
    return at, np.take_along_axis(noisy, heard, axis=0)


def puncture(at: FloatArray, gauge: FloatArray) -> FloatArray:
    return PUNCTURE.take(PUNCTURE.empty(1, SPEC), readings(at, gauge), SPEC).probability


def punctures(drives: list[tuple[FloatArray, FloatArray]]) -> list[FloatArray]:
    """What the rule says of several vehicles at once."""
    given = [readings(*one) for one in drives]
    columns = {n: np.concatenate([g.columns[n] for g in given]) for n in given[0].columns}
    at = np.repeat(np.arange(len(drives)), [len(g) for g in given])
    time_us = np.concatenate([g.time_us for g in given])
    together = Readings(at=at, time_us=time_us, columns=columns)
    probability = PUNCTURE.take(PUNCTURE.empty(len(drives), SPEC), together, SPEC).probability
    return [probability[at == vehicle] for vehicle in range(len(drives))]


def test_rapid_deflation_is_found_in_time_on_the_right_wheel() -> None:
    within_s = {1.0: 900, 2.0: 480, 5.0: 240, 20.0: 120}
    drives = [drive(rate) for rate in within_s]
    for (at, _), limit, probability in zip(drives, within_s.values(), punctures(drives), strict=True):
        first = at[np.argmax(probability[:, 2] > 0.7)]

        assert 0 < first - 900 <= limit
        assert not (probability[:, [0, 1, 3]] > 0.5).any()


def test_steady_tires_stay_quiet_for_an_hour() -> None:
    assert not (puncture(*drive(0.0, minutes=60)) > 0.5).any()


def test_single_odd_reading_is_no_puncture() -> None:
    drives = []
    for glitch in (0.0, 25.0, 120.0, 200.0):
        at, gauge = drive(0.0)
        gauge[150, 1] = glitch
        drives.append((at, gauge))

    assert not any((probability > 0.5).any() for probability in punctures(drives))


def test_sensor_that_jumps_and_stays_is_no_puncture() -> None:
    drives = []
    for jump in (8.0, 15.0):
        at, gauge = drive(0.0, noise=0.3)
        gauge[150:, 1] -= jump
        drives.append((at, gauge))

    assert not any((probability > 0.7).any() for probability in punctures(drives))


def test_other_wheels_that_are_inflated_are_no_puncture() -> None:
    at, gauge = drive(0.0)
    gauge[:, :3] += np.clip((at - 900) / 4, 0, 30)[:, None]

    assert not (puncture(at, gauge) > 0.5).any()


def test_hot_values_that_settle_after_driving_off_are_no_puncture() -> None:
    at, gauge = drive(0.0)
    later, settled = drive(0.0)
    settled[:] = 240.0
    for wheel in range(4):
        settled[later < 20.0 * (wheel + 1), wheel] = 262.0

    assert not (puncture(np.r_[at, later + 36_000], np.r_[gauge, settled]) > 0.5).any()


def test_coarse_sensor_on_a_warming_wheel_is_no_puncture() -> None:
    at = np.arange(0, 2400, 15.0)
    degc = 20 * (1 - np.exp(-at / 1080))[:, None] * np.array([1.0, 0.9, 1.05, 0.8]) + 5
    gas = np.array([331.0, 334.0, 338.0, 340.0])
    gauge = np.round((gas * (degc + 273.15) / 293.15 - AIR) / 4) * 4
    risk = PUNCTURE.take(PUNCTURE.empty(1, SPEC), readings(at, gauge, np.round(degc)), SPEC)

    assert not (risk.probability > 0.5).any()


def blowout(risk_rule: TireBlowoutRule, given: Readings) -> tuple[State, LiveRisk]:
    state = risk_rule.empty(1, SPEC)
    return state, risk_rule.take(state, given, SPEC)


def test_soft_tire_that_heats_up_at_speed_is_told_of_within_minutes() -> None:
    at = np.arange(0, 2400, 30.0)
    degc = np.full((len(at), 4), 50.0)
    degc[:, 1] = 50 + 30 * (1 - np.exp(-at / 900))
    gauge = np.full((len(at), 4), 270.0)
    gauge[:, 1] = 170.0
    _, risk = blowout(BLOWOUT, readings(at, gauge, degc, 120.0))
    first = np.argmax(risk.probability[:, 1] > 0.7)

    assert 60 <= at[first] <= 900
    assert risk.severity[first, 1] == 1
    assert not (risk.probability[:, [0, 2, 3]] > 0.3).any()


def test_sound_tires_in_a_heat_wave_are_no_blowout_risk() -> None:
    at = np.arange(0, 5400, 60.0)
    given = readings(at, np.full((len(at), 4), 285.0), 68.0, 130.0)

    assert not (blowout(BLOWOUT, given)[1].probability > 0.3).any()


def test_held_values_are_no_evidence_of_a_blowout() -> None:
    at = np.arange(0, 2400, 30.0)
    given = readings(at, np.full((len(at), 4), 150.0), 85.0, 120.0)
    given.columns["tire.age"][:] = at[:, None] + 600

    assert not (blowout(BLOWOUT, given)[1].probability > 0.3).any()


def test_gap_starts_the_minutes_anew() -> None:
    at = np.r_[np.arange(0, 60, 30.0), np.arange(4000, 4060, 30.0)]
    given = readings(at, np.full((len(at), 4), 190.0), 70.0, 110.0)

    assert not (blowout(BLOWOUT, given)[1].probability > 0.5).any()


def rows_of(vehicles: int) -> dict[Family, FamilyRows]:
    at, leaking = drive(6.0)
    _, steady = drive(0.0)
    every = [leaking if v == 1 else steady for v in range(vehicles)]
    time_us = np.tile(make.START_US + (at * 1e6).astype(np.int64), vehicles)
    tire = make.make_rows(
        Family.TIRE,
        time_us,
        {
            "tire.pressure": np.concatenate(every),
            "tire.temperature": np.full((len(time_us), 4), 30.0),
            "tire.age": np.zeros((len(time_us), 4)),
        },
    )
    tire.vehicle_id[:] = np.repeat(np.arange(vehicles) + 7, len(at))
    return {Family.TIRE: tire}


def test_stream_says_the_same_however_the_readings_are_cut() -> None:
    rows = rows_of(3)
    tire = rows[Family.TIRE]
    whole = Stream(live_rules())
    whole.add([7, 8, 9], SPEC)
    at_once = whole.take(rows, SPEC)
    cut = Stream(live_rules())
    found = []
    for begin in range(0, 1920, 90):
        if begin == 900:
            cut.add([9], SPEC)
        cut.add([7, 8], SPEC) if begin < 900 else cut.add([7, 8, 9], SPEC)
        moment = (tire.time_us - make.START_US) / 1e6
        some = (moment >= begin) & (moment < begin + 90) & ((tire.vehicle_id < 9) | (begin >= 900))
        part = make.make_rows(Family.TIRE, tire.time_us[some], {a: v[some] for a, v in tire.columns.items()})
        part.vehicle_id[:] = tire.vehicle_id[some]
        found += cut.take({Family.TIRE: part}, SPEC)

    first, again = at_once[0], found[0]
    assert (first.vehicle_id, first.component) == (8, "tire rear-left")
    assert (again.vehicle_id, again.component, again.time_us) == (8, "tire rear-left", first.time_us)
    assert again.probability == first.probability
    assert {f.vehicle_id for f in found} == {8}


def test_readings_that_were_taken_change_nothing_again() -> None:
    rows = rows_of(2)
    stream = Stream(live_rules())
    stream.add([7, 8], SPEC)

    assert stream.take(rows, SPEC)
    assert stream.take(rows, SPEC) == []


def test_recording_in_pieces_tells_of_the_puncture_with_reasons_in_both_languages() -> None:
    tire = rows_of(2)[Family.TIRE]
    leaking = tire.vehicle_id == 8
    quiet = ~leaking
    time_us = np.r_[tire.time_us[quiet], tire.time_us[leaking] + 24 * make.HOUR_US]
    columns = {a: np.concatenate((v[quiet], v[leaking])) for a, v in tire.columns.items()}
    told = watch_recording([make.make_rows(Family.TIRE, time_us, columns)], SPEC, origin=Origin.REAL)

    prediction = next(t.prediction for t in told if t.prediction.probability > 0.7)
    assert (prediction.component, prediction.severity) == ("tire rear-left", Severity.S1)
    assert pytest.approx(prediction.reasons[0].value, rel=0.4) == 6.0
    assert "while the other wheels held" in prediction.reasons[0].text_en
    assert "其余车轮正常" in prediction.reasons[0].text_zh
    assert prediction.time_to_threshold_h is not None
    assert prediction.since <= prediction.data_time


def test_rounds_take_each_vehicle_once_and_in_order() -> None:
    at = np.array([0, 0, 0, 2, 2, 5])

    assert [r.tolist() for r in rounds(at)] == [[0, 3, 5], [1, 4], [2]]


def test_finding_says_whether_it_is_fresh() -> None:
    stream = Stream(live_rules())
    stream.add([7, 8], SPEC)
    finding = stream.take(rows_of(2), SPEC)[0]

    told = told_of(finding, now=to_datetime(finding.time_us), origin=Origin.SIMULATED, is_fresh=False)
    assert (told.prediction.is_fresh, told.prediction.origin) == (False, Origin.SIMULATED)
    lengths = {len(v) for v in told.evidence["series"].values()}
    assert lengths == {len(told.evidence["time"])}
