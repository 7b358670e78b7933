"""Daily features of the pack as a whole and of its insulation."""

from __future__ import annotations

import numpy as np

from data.records import FailureMode, Severity
from simulators.day_level.chance import Floats, Singles
from simulators.day_level.drive_sensors import DriveSensors
from simulators.day_level.loads import Loads
from simulators.day_level.plan import Course, first_day_below
from simulators.day_level.scene import Scene

_LEAST_SWING = 0.40
_SPENT = 0.80


def run_ageing(scene: Scene) -> tuple[Floats, list[Course]]:
    """Return the true state of health, (F, D) 0-1, and the courses of packs that fade fast.

    Calendar 1.5-2.5 % times the root of the years, 0.6-1.0 % in 100 full cycles. Fast fading, as past a knee,
    takes 0.03-0.12 points a day from the onset on, faster by half after two months.
    """
    days = scene.shape[1]
    who, usage, u = scene.who, scene.usage, scene.plan.u
    own = scene.chance.topic("ageing").uniform(3).astype(np.float64)
    way = usage.km * who.consumption_kwh_per_km[:, None] / who.energy_kwh
    cycles = who.age_years[:, None] * 365.0 * way.mean(axis=1, keepdims=True) + np.cumsum(way, axis=1)
    years = who.age_years[:, None] + np.arange(days)[None, :] / 365.0
    calendar = (1.5 + own[:, :1]) * np.sqrt(years)
    health = 1.0 + 0.02 * (own[:, 2:] - 0.5) - 0.01 * (calendar + (0.6 + 0.4 * own[:, 1:2]) * cycles / 100.0)
    health = np.maximum(health, 0.86)
    fades = scene.has(FailureMode.BATTERY_CAPACITY_FADE)
    since = np.maximum(
        np.arange(days)[None, :] + 0.5 - np.where(fades, scene.plan.onset_day, 1e6)[:, None], 0.0
    )
    rate = (0.03 + 0.09 * u[:, 2:3]) / 100.0
    health = health - rate * (since + 0.5 * np.maximum(since - 60.0, 0.0))
    courses = [
        Course(
            row=row,
            component="battery",
            magnitude=round(float(100.0 * rate[row, 0]), 3),
            unit="points/day",
            onset_day=float(scene.plan.onset_day[row]),
            threshold_day=first_day_below(health[row], _SPENT, float(scene.plan.onset_day[row])),
            severity=Severity.S4,
        )
        for row in np.flatnonzero(fades).tolist()
    ]
    return np.maximum(health, 0.3), courses


def battery_features(scene: Scene, loads: Loads, health: Floats, sensors: DriveSensors) -> dict[str, Singles]:
    """Return the features of set ``battery_days``, (F, D)."""
    days = scene.shape[1]
    usage, spec, who = scene.usage, scene.spec, scene.who
    topic = scene.chance.topic("battery days")
    noise = topic.normal(8, days).astype(np.float64)
    own = topic.normal(4).astype(np.float64)
    has_offset = topic.uniform()[:, None] < 0.85
    swing = np.where(usage.is_charged, usage.charged_to - usage.charged_from, 0.0)
    known = usage.is_heard & (swing >= _LEAST_SWING)
    safe = np.maximum(swing, 0.1)
    # what the vehicle's own state of charge and the gain of its sensor add; the offset only where unseen
    hours = np.maximum(loads.charge_h, 0.2)
    unseen = np.where(has_offset, 0.03 * noise[:, 0], sensors.error["pack.current"])
    drifts = scene.has("soc_drift")[:, None] & (scene.since >= 0)
    drift = np.where(drifts, 0.012, 0.005)
    error = drift * noise[:, 1] / safe + unseen * hours / (safe * spec.capacity_ah) + 0.003 * own[:, :1]
    capacity = health * spec.capacity_ah * (1.0 + error)
    said = np.sqrt(
        (0.005 / safe) ** 2
        + (np.where(has_offset, 0.05, 0.3) * hours / (safe * spec.capacity_ah)) ** 2
        + 0.005**2
    )
    tells_soh = who.tells_health[:, None] & usage.is_heard
    jump = 0.55 + 0.12 * np.abs(noise[:, 2]) + np.where(noise[:, 3] > 2.2, 1.5 + 2.0 * noise[:, 4] ** 2, 0.0)
    jump = jump + np.where(drifts & (noise[:, 3] > 0.8), 4.0, 0.0)
    busy = usage.is_heard & (120.0 * usage.drive_h + 60.0 * loads.charge_h >= 60.0)
    ohm = (
        0.12
        / spec.capacity_ah
        * spec.cell_count
        * np.exp(22_000.0 / 8.314 * (1 / (usage.degc + 278.0) - 1 / 298.15))
    )
    heat_w = loads.current_square * ohm
    warm_k = heat_w / 60.0 * -np.expm1(-loads.load_h * 60.0 / 150.0) * np.clip(scene.spec.probe_count, 1, 1)
    spread = np.maximum(2.6 + 0.4 * own[:, :1] + 0.02 * warm_k + 0.03 * noise[:, 5], 1.0)
    is_swung = busy & usage.drives & (usage.drive_h > 0.3)
    values = {
        "capacity_ah": np.where(known, capacity, np.nan),
        "capacity_error_ah": np.where(known, said * capacity, np.nan),
        "soh_percent": np.where(tells_soh, np.round(100.0 * health + 0.8 * own[:, 1:2], 1), np.nan),
        "soc_jump_percent": np.where(busy, jump, np.nan),
        "current_offset_a": np.where(
            usage.is_heard & has_offset,
            np.round(sensors.error["pack.current"] + 0.03 * noise[:, 0], 1),
            np.nan,
        ),
        "voltage_offset_v": np.where(busy, -0.05 + 0.05 * own[:, 2:3] + 0.05 * noise[:, 6], np.nan),
        "series_mohm": np.where(is_swung, 3.0 + 0.6 * own[:, 3:4] + 0.15 * noise[:, 7], np.nan),
        "temperature_max_degc": np.where(usage.is_heard, np.round(usage.degc + 3.0 + warm_k), np.nan),
        "temperature_spread_k": np.where(usage.is_heard, np.round(spread), np.nan),
    }
    return {name: found.astype(np.float32) for name, found in values.items()}


def insulation_features(scene: Scene) -> tuple[dict[str, Singles], list[Course]]:
    """Return the features of set ``insulation_days``, (F, D), and the courses of failing insulation.

    A fault falls exponentially from some megohm to 50 kOhm in 10-60 days and to a fifth of that when wet; a
    sound system loses up to a third when wet, and the decoy three quarters.
    """
    days = scene.shape[1]
    usage, spec, u = scene.usage, scene.spec, scene.plan.u
    topic = scene.chance.topic("insulation")
    own = topic.uniform(3).astype(np.float64)
    noise = topic.normal(3, days).astype(np.float64)
    dry = np.log(2500.0 + 5500.0 * own[:, :1])
    wet_part = np.where(scene.has("insulation_rain"), 0.25, 0.65 + 0.35 * own[:, 1])
    wet_part = np.where(scene.has(FailureMode.INSULATION_LOSS), 0.2 + 0.3 * u[:, 4], wet_part)[:, None]
    failing = scene.has(FailureMode.INSULATION_LOSS)
    takes = 10.0 + 50.0 * u[:, 2]
    clock = np.arange(days)[None, :] + 0.5 - np.where(failing, scene.plan.onset_day, 1e6)[:, None]
    part = np.clip(clock / takes[:, None], 0.0, 1.15)
    true_log = dry + part * (np.log(50.0) - dry)
    is_wet = usage.weather.is_wet
    log = true_log + np.where(is_wet, np.log(wet_part), 0.0) + 0.02 * noise[:, 0]
    # driven wet and standing dry: a tenth of the readings knows the worst
    median = true_log + np.where(is_wet, 0.7 * np.log(wet_part), 0.0) + 0.02 * noise[:, 1]
    rows = 120.0 * usage.drive_h + 24.0
    low = log - 1.28 * 0.03 + 0.06 * noise[:, 2] / np.sqrt(rows)
    volts = spec.cell_count * (4.05 if spec.chemistry == "NCM" else 3.35)
    has_rain = scene.who.has_rain_sensor[:, None]
    heard = usage.is_heard
    values = {
        "insulation_log_kohm": np.where(heard, low, np.nan),
        "insulation_median_log_kohm": np.where(heard, np.maximum(median, low), np.nan),
        "insulation_ohm_per_v": np.where(heard, 1000.0 * np.exp(low) / volts, np.nan),
        "rain_share": np.where(
            heard & has_rain, np.where(is_wet, 0.2 + 0.3 * np.abs(noise[:, 2]) % 0.7, 0.0), np.nan
        ),
    }
    courses = []
    for row in np.flatnonzero(failing).tolist():
        begin, onset = float(dry[row, 0]), float(scene.plan.onset_day[row])
        fall = (begin - np.log(50.0)) / takes[row]
        marks = [
            onset + max(begin - np.log(ohm_per_v * volts / 1000.0), 0.0) / fall
            for ohm_per_v in (500.0, 100.0)
        ]
        courses.append(
            Course(
                row=row,
                component="battery",
                magnitude=round(float(takes[row]), 1),
                unit="days to 50 kOhm",
                onset_day=onset,
                threshold_day=float(marks[0]),
                failure_day=float(marks[1]),
                severity=Severity.S2 if marks[1] < days else Severity.S3,
            )
        )
    return {name: found.astype(np.float32) for name, found in values.items()}, courses
