"""Daily features of the 12 V battery and the DC/DC converter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode
from simulators.day_level.chance import Floats, Singles
from simulators.day_level.drive_sensors import DriveSensors
from simulators.day_level.plan import Course
from simulators.day_level.scene import Scene

_EMPTY_V, _FULL_V = 11.95, 12.75
_REST_LIMIT_V, _WAKE_LIMIT_V, _NIGHTS = 12.2, 9.6, 3
_SET_V = 14.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LowVoltage:
    """State of the 12 V system, (F, D)."""

    charge: Floats  #: 0-1, at the end of the night's rest
    ohm: Floats  #: of the battery
    drain_a: Floats  #: while the vehicle sleeps
    full: Floats  #: charge that a charger can still get into it, 0-1
    capacity_ah: Floats


def run_low_voltage(scene: Scene) -> LowVoltage:
    """Return the 12 V battery day by day.

    Ageing: capacity -0.3 %, resistance +1 % a week, several times faster in a failing one, and faster still
    while it rests below 12.4 V (sulphation). A parasitic drain adds 30-300 mA to the sleeping 15-40 mA.
    """
    n, days = scene.shape
    u, usage = scene.plan.u, scene.usage
    own = scene.chance.topic("low voltage").uniform(6).astype(np.float64)
    capacity = 45.0 + 25.0 * own[:, 0]
    quiet = 0.015 + 0.025 * own[:, 1]
    ohm = (0.006 + 0.003 * own[:, 2]) * 55.0 / capacity
    variant = scene.variant(FailureMode.LV_BATTERY, 2)
    weekly = np.where(variant == 0, 0.02 + 0.06 * u[:, 2], 0.0)
    added = np.where(variant == 1, 0.03 * 10.0 ** u[:, 2], 0.0)
    spent = 0.04 + 0.10 * own[:, 3]  # a battery of some years
    charge = 0.80 + 0.15 * own[:, 4]
    since = scene.since
    forgets = scene.has("forgotten_light")[:, None] & (since == 0)
    parks = scene.has("long_parking")[:, None] & (since >= 0) & (since < 16)
    states = {name: np.zeros((n, days)) for name in ("charge", "ohm", "drain_a", "full", "capacity_ah")}
    out = LowVoltage(**states)
    for day in range(days):
        began = since[:, day] >= 0
        low = np.interp(charge, (0.0, 1.0), (_EMPTY_V, _FULL_V)) < 12.4
        rate = (0.003 + np.where(began, weekly, 0.0)) / 7.0 * np.where(low, 2.5, 1.0)
        spent = np.minimum(spent + rate, 0.9)
        drain = quiet + np.where(began, added, 0.0)
        drives = usage.drives[:, day] & ~parks[:, day]
        full = 1.0 - 0.75 * np.maximum(spent - 0.1, 0.0)
        cold = np.clip((usage.degc[:, day] + 15.0) / 30.0, 0.3, 1.0)
        # the DC/DC also feeds the battery while the pack charges
        on_h = usage.drive_h[:, day] * drives + np.where(usage.is_charged[:, day], 4.0, 0.0)
        charge = full - (full - charge) * np.exp(-on_h * 0.9 * cold * (1.0 - 0.6 * spent))
        taken = drain * np.where(drives, usage.rest_h[:, day] + 6.0, 24.0) + np.where(
            forgets[:, day], 18.0, 0.0
        )
        charge = np.clip(charge - taken / (capacity * (1.0 - 0.5 * spent)), 0.03, 1.0)
        out.charge[:, day], out.full[:, day], out.drain_a[:, day] = charge, full, drain
        out.ohm[:, day] = ohm * (1.0 + 1.6 * spent) * (1.0 + 1.2 * np.exp(-charge / 0.25))
        out.capacity_ah[:, day] = capacity * (1.0 - 0.5 * spent)
    return out


def lv_features(
    scene: Scene, state: LowVoltage, sensors: DriveSensors
) -> tuple[dict[str, Singles], list[Course], tuple[Floats, Floats]]:
    """Return the features of set ``lv_days``, the courses, and the voltages at rest and at work, (F, D)."""
    days = scene.shape[1]
    usage, who = scene.usage, scene.who
    topic = scene.chance.topic("lv days")
    own = topic.normal(5).astype(np.float64)
    noise = topic.normal(12, days).astype(np.float64)
    cold = np.clip(25.0 - usage.night_degc, 0.0, 45.0)
    rest_v = _EMPTY_V + (_FULL_V - _EMPTY_V) * state.charge - 0.0015 * cold
    ohm = state.ohm * (1.0 + 0.012 * cold)
    wakes_a = 18.0 + 14.0 * np.abs(np.tanh(own[:, :1]))
    # an empty battery gives way under load
    wake_v = rest_v - ohm * wakes_a * (1.0 + np.maximum(0.35 - state.charge, 0.0) * 12.0)
    derate, dcdc_courses = _converter(scene)
    load_a = 22.0 + 8.0 * np.abs(noise[:, 0]) + np.where(scene.has("lv_load")[:, None], 18.0, 0.0)
    short = np.maximum(load_a - 130.0 * (1.0 - derate), 0.0)
    set_v = _SET_V + 0.05 * own[:, 1:2]
    on_v = set_v - 0.9 * derate - 0.02 * short
    on_low = on_v - 0.05 - 1.2 * derate - 0.015 * short
    error = sensors.error["lv.voltage"]
    has_current = who.has_lv_current[:, None]
    has_dcdc = who.has_converter_sensor[:, None]
    rested = usage.is_heard & (usage.rest_h >= 3.0)
    driven = usage.is_heard & usage.drives
    woken = driven & (topic.uniform(days) < 0.9)
    hurried = np.where(usage.degc < 0.0, 1.3, 1.0)
    accepts = (5.0 + 60.0 * np.maximum(state.full - state.charge, 0.0)) * (0.5 + 0.5 * state.full) / hurried
    rise = 14.0 + 4.0 * own[:, 2:3] + 0.15 * (load_a - 22.0) + 22.0 * derate
    count = np.maximum(usage.rest_h - 2.0, 1.0)
    slope = -state.drain_a * 24.0 / state.capacity_ah * (_FULL_V - _EMPTY_V)
    slope_error = 0.02 * 3.5 / np.sqrt(count) / (count / 24.0)
    on_h = usage.drive_h + np.where(usage.is_charged, 4.0, 0.0)
    values = {
        "rest_voltage_v": (np.round(rest_v + error + 0.01 * noise[:, 1], 2), rested),
        "rest_low_v": (
            np.round(rest_v + error + 0.15 * slope - 0.02 - 0.005 * np.abs(noise[:, 2]), 2),
            rested,
        ),
        "rest_slope_v_per_day": (slope + slope_error * noise[:, 3], rested & (count >= 5)),
        "rest_current_a": (np.round(-state.drain_a + 0.01 * noise[:, 4], 2), rested & has_current),
        "rest_temperature_degc": (usage.night_degc + sensors.error["ambient"], rested),
        "rest_h": (count, rested),
        "wake_min_v": (np.round(wake_v + error + 0.02 * noise[:, 5], 2), woken),
        "wake_resistance_mohm": (1000.0 * ohm * (1.0 + 0.05 * noise[:, 6]), woken & has_current),
        "charge_current_a": (np.round(accepts * (1.0 + 0.08 * noise[:, 7]), 2), driven & has_current),
        "on_voltage_v": (np.round(on_v + error + 0.01 * noise[:, 8], 2), driven),
        "on_low_v": (np.round(on_low + error + 0.015 * noise[:, 9], 2), driven),
        "on_high_v": (np.round(on_v + error + 0.05 + 0.01 * np.abs(noise[:, 10]), 2), driven),
        "on_drain_share": (np.clip(short / 30.0, 0.0, 1.0), driven & has_current),
        "on_temperature_degc": (usage.degc + sensors.error["ambient"], driven),
        "dcdc_rise_k": (
            rise + sensors.error["dcdc.temperature"] - sensors.error["coolant"] + 0.8 * noise[:, 11],
            driven & has_dcdc,
        ),
        "on_h": (on_h, usage.is_heard & (on_h > 0)),
        "dcdc_soak_k": (
            np.round(0.4 + sensors.error["dcdc.temperature"] - sensors.error["coolant"] + 0.4 * noise[:, 10]),
            usage.is_heard & (usage.rest_h >= 6.0) & has_dcdc,
        ),
    }
    features = {k: np.where(known, found, np.nan).astype(np.float32) for k, (found, known) in values.items()}
    courses = _battery_courses(scene, rest_v, wake_v) + dcdc_courses
    return features, courses, (rest_v + error, on_v + error)


def _battery_courses(scene: Scene, rest_v: Floats, wake_v: Floats) -> list[Course]:
    """Return the courses: ill from three nights in a row below 12.2 V or a waking up below 9.6 V on."""
    courses, u = [], scene.plan.u
    variant = scene.variant(FailureMode.LV_BATTERY, 2)
    for row in scene.plan.rows(FailureMode.LV_BATTERY).tolist():
        onset = float(scene.plan.onset_day[row])
        after = np.arange(rest_v.shape[1]) >= onset
        low = (rest_v[row] < _REST_LIMIT_V) & after
        ill = np.flatnonzero(low[2:] & low[1:-1] & low[:-2])[:1] + 2
        dead = np.flatnonzero((wake_v[row] < _WAKE_LIMIT_V) & after)[:1]
        threshold = min([*ill.tolist(), *dead.tolist()], default=np.inf) + 1.0
        is_drain = variant[row] == 1
        courses.append(
            Course(
                row=row,
                component="lv battery",
                magnitude=round(float(30.0 * 10.0 ** u[row, 2] if is_drain else 2.0 + 6.0 * u[row, 2]), 1),
                unit="mA" if is_drain else "%/week",
                onset_day=onset,
                threshold_day=threshold,
                failure_day=float(dead[0]) + 1.0 if len(dead) else np.inf,
            )
        )
    return courses


def _converter(scene: Scene) -> tuple[Floats, list[Course]]:
    """Return the part of its output that the converter has lost, (F, D) 0-1, and the courses."""
    u, has = scene.plan.u, scene.has(FailureMode.DCDC_FAULT)
    takes = 30.0 + 90.0 * u[:, 2]
    clock = np.arange(scene.shape[1])[None, :] + 0.5 - np.minimum(scene.plan.onset_day, 1e6)[:, None]
    derate = np.where(has[:, None], np.clip(clock / takes[:, None], 0.0, 1.1), 0.0)
    courses = [
        Course(
            row=row,
            component="dcdc",
            magnitude=round(float(takes[row]), 1),
            unit="days",
            onset_day=float(scene.plan.onset_day[row]),
            threshold_day=float(scene.plan.onset_day[row] + takes[row] * 0.3 / 0.9),
            failure_day=float(scene.plan.onset_day[row] + takes[row]),
        )
        for row in np.flatnonzero(has).tolist()
    ]
    return derate, courses
