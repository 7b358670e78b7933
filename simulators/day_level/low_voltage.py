"""The 12 V battery and its converter from day to day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode, Severity
from simulators.day_level.chance import Floats
from simulators.day_level.plan import Course
from simulators.day_level.scene import Scene

_EMPTY_V, _FULL_V = 11.9, 12.75
_REST_LIMIT_V, _WAKE_LIMIT_V = 12.2, 9.6
#: Waking current and first resistance of a battery that will fail, so that 9.6 V is reached from 12.5 V.
_OLD_WAKE_A, _OLD_OHM, _FROM_V = 80.0, 0.006, 12.5
_SLEEP_A = 0.035
_AGEING, _DRAIN = range(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class LowVoltage:
    """State of the 12 V system, (F, D)."""

    rest_v: Floats  #: at the end of the longest rest
    wake_v: Floats  #: lowest at waking up
    ohm: Floats  #: of the battery
    drain_a: Floats  #: while the vehicle sleeps
    charge_a: Floats  #: some minutes after the converter took over
    capacity_ah: Floats
    sag: Floats  #: what is wrong with the converter; 1: ill
    courses: list[Course]


def run_low_voltage(scene: Scene) -> LowVoltage:
    """Return the 12 V system day by day.

    An ageing battery's resistance grows exponentially to a waking up below 9.6 V in 40-120 days while its
    capacity falls by three fifths; charge below 60 % sulphates it for good. A parasitic drain adds
    0.1-0.4 A. A failing converter sags by 0.3 V at 40 A and is 10 K too warm after 20-90 days.
    """
    days = scene.shape[1]
    u, usage, plan = scene.plan.u, scene.usage, scene.plan
    own = scene.chance.topic("low voltage").uniform(5).astype(np.float64)
    variant = scene.variant(FailureMode.LV_BATTERY, 2)
    is_old = variant == _AGEING
    takes = np.where(is_old, 40.0 + 80.0 * u[:, 2], 1e9)
    ratio = (_FROM_V - _WAKE_LIMIT_V) / (_OLD_WAKE_A * _OLD_OHM)
    gone = np.maximum(np.arange(days)[None, :] + 0.5 - np.minimum(plan.onset_day, 1e6)[:, None], 0.0)
    old = gone / takes[:, None]
    cold = np.exp(0.012 * (25.0 - usage.night_degc)) * np.where(scene.has("winter_lv"), 1.3, 1.0)[:, None]
    ohm = np.where(is_old, _OLD_OHM, 0.005 + 0.002 * own[:, 0])[:, None]
    ohm = ohm * np.exp(np.minimum(old * np.log(ratio), 4.0)) * cold
    capacity = (50.0 + 20.0 * own[:, 1])[:, None] * np.maximum(1.0 - 0.6 * old, 0.3)
    wake_a = np.where(is_old, _OLD_WAKE_A, 40.0 + 40.0 * own[:, 2])[:, None]
    drain = np.where((variant == _DRAIN)[:, None] & (gone > 0), 0.1 * 4.0 ** u[:, 2:3], 0.0) + _SLEEP_A
    charge, charge_a = _charge(scene, capacity, drain, own)
    sulphated = np.cumsum(np.maximum(0.6 - charge, 0.0), axis=1) / 30.0
    ohm = ohm * (1.0 + sulphated) * (1.0 + 0.6 * np.exp(-np.maximum(charge, 0.0) / 0.2))
    rest_v = _EMPTY_V + (_FULL_V - _EMPTY_V) * charge
    sags = scene.has(FailureMode.DCDC_FAULT)
    sag_takes = 20.0 + 70.0 * u[:, 2]
    state = LowVoltage(
        rest_v=rest_v,
        wake_v=rest_v + 0.05 - wake_a * ohm,
        ohm=ohm,
        drain_a=drain,
        charge_a=charge_a,
        capacity_ah=capacity,
        sag=np.where(sags[:, None], gone / sag_takes[:, None], 0.0),
        courses=[],
    )
    state.courses.extend(_battery_courses(scene, state, takes, 100.0 * (ratio ** (7.0 / takes) - 1.0)))
    state.courses.extend(_converter_courses(scene, sag_takes))
    return state


def _charge(scene: Scene, capacity_ah: Floats, drain_a: Floats, own: Floats) -> tuple[Floats, Floats]:
    """Return the battery's charge after the longest rest, 0-1, and the current that fills it up again."""
    usage, since = scene.usage, scene.since
    charge = 0.85 + 0.15 * own[:, 3]
    out, current = np.zeros(scene.shape), np.zeros(scene.shape)
    parks = scene.has("long_parking")[:, None] & (since >= 0) & (since < 16)
    drives = usage.drives & ~parks
    forgotten = np.where(scene.has("forgotten_light")[:, None] & (since == 0), 18.0, 0.0)
    awake_h = np.where(drives, usage.drive_h, 0.0) + np.where(usage.is_charged & drives, 4.0, 0.0)
    warm = np.clip(0.4 + 0.02 * (usage.degc + 10.0), 0.3, 1.0)
    for day in range(scene.shape[1]):
        # accepts 2.5 times its lack an hour, twice that at first, and a trickle
        rate = 2.5 * warm[:, day]
        current[:, day] = np.minimum(0.3 + rate * (1.0 - charge) * capacity_ah[:, day], 25.0)
        gained = (1.0 - charge) * -np.expm1(-rate * awake_h[:, day])
        gained = np.minimum(gained, 20.0 * awake_h[:, day] / capacity_ah[:, day])
        charge = np.minimum(charge + gained + 0.3 * awake_h[:, day] / capacity_ah[:, day], 1.0)
        asleep = np.where(drives[:, day], usage.rest_h[:, day], 24.0)
        spent = (drain_a[:, day] * asleep + forgotten[:, day]) / capacity_ah[:, day]
        out[:, day] = np.maximum(charge - 0.7 * spent, -0.2)
        charge = np.maximum(charge - spent, -0.2)
    return out, current


def _battery_courses(scene: Scene, state: LowVoltage, takes: Floats, weekly: Floats) -> list[Course]:
    """Return the courses: ill at a waking up below 9.6 V, or after three nights in a row below 12.2 V."""
    courses = []
    variant = scene.variant(FailureMode.LV_BATTERY, 2)
    for row in scene.plan.rows(FailureMode.LV_BATTERY).tolist():
        onset = float(scene.plan.onset_day[row])
        after = np.arange(scene.shape[1]) >= onset
        low = (state.rest_v[row] < _REST_LIMIT_V) & after
        ill = np.flatnonzero(low[2:] & low[1:-1] & low[:-2])[:1] + 3.0
        dead = np.flatnonzero((state.wake_v[row] < _WAKE_LIMIT_V) & after)[:1] + 1.0
        ages = variant[row] == _AGEING
        marks = [*ill.tolist(), *dead.tolist(), *([onset + float(takes[row])] if ages else [])]
        threshold = max(min(marks, default=np.inf), onset)
        courses.append(
            Course(
                row=row,
                component="lv battery",
                magnitude=round(
                    float(weekly[row] if ages else 1000.0 * (state.drain_a[row, -1] - _SLEEP_A)), 1
                ),
                unit="% of resistance/week" if ages else "mA",
                onset_day=onset,
                threshold_day=threshold,
                failure_day=max(onset + 1.15 * float(takes[row]), threshold) if ages else np.inf,
                severity=Severity.S2 if ages else Severity.S3,
            )
        )
    return courses


def _converter_courses(scene: Scene, takes: Floats) -> list[Course]:
    onset = scene.plan.onset_day
    return [
        Course(
            row=row,
            component="dcdc",
            magnitude=round(float(0.3 / takes[row]), 4),
            unit="V/day",
            onset_day=float(onset[row]),
            threshold_day=float(onset[row] + takes[row]),
            failure_day=float(onset[row] + 3.0 * takes[row]),
        )
        for row in scene.plan.rows(FailureMode.DCDC_FAULT).tolist()
    ]
