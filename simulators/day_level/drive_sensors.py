"""Sensors of the drive that measure wrongly, and what the others then say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode
from simulators.day_level.chance import Flags, Floats, Singles
from simulators.day_level.loads import Loads
from simulators.day_level.plan import Course
from simulators.day_level.scene import Scene
from simulators.day_level.tire_sensors import SENSOR_VARIANTS, WRONG_DAYS

#: In the order of the components of ``sensor_days``, with resolution, noise of one reading and unit.
SENSORS = (
    ("ambient", 0.5, 0.3, "K"),
    ("coolant", 1.0, 0.2, "K"),
    ("motor.temperature", 1.0, 0.2, "K"),
    ("inverter.temperature", 1.0, 0.2, "K"),
    ("dcdc.temperature", 1.0, 0.2, "K"),
    ("lv.voltage", 0.01, 0.02, "V"),
    ("pack.current", 0.1, 0.1, "A"),
    ("speed", 0.1, 0.1, "%"),
    ("motor.speed", 1.0, 5.0, "%"),
)
_FEATURES = (
    "sensor_rows",
    "sensor_range",
    "sensor_offset",
    "sensor_ratio",
    "sensor_spikes_per_h",
    "sensor_noise",
)
_NAMES = tuple(name for name, *_ in SENSORS)
#: How far a broken one is off: least and most.
_SIZES = {"K": (8.0, 25.0), "V": (0.4, 1.2), "A": (3.0, 12.0), "%": (6.0, 20.0)}
_BIAS, _DRIFT, _STUCK, _WILD = 4, 5, 6, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveSensors:
    """What the sensors of the drive add to the truth."""

    error: dict[str, Floats]  #: (F, D) by sensor, in its unit; speeds as a part of the value
    is_stuck: Flags  #: (F, D, S)
    is_wild: Flags  #: (F, D, S) spikes and noise
    courses: list[Course]


def draw_drive_sensors(scene: Scene) -> DriveSensors:
    """Return the constant errors of all sensors and the growing ones of the broken."""
    n, days = scene.shape
    u, since = scene.plan.u, scene.since
    own = np.clip(scene.chance.topic("drive sensors").normal(len(SENSORS)), -2.5, 2.5).astype(np.float64)
    usual = {"K": 0.3, "V": 0.006, "A": 0.15, "%": 0.4}
    variant = scene.variant(FailureMode.SENSOR_FAULT, SENSOR_VARIANTS)
    which = np.where(variant >= 4, scene.picked(len(SENSORS)), -1)
    sign = np.where(u[:, 2] < 0.5, -1.0, 1.0)
    error: dict[str, Floats] = {}
    courses: list[Course] = []
    stuck, wild = np.zeros((n, days, len(SENSORS)), np.bool_), np.zeros((n, days, len(SENSORS)), np.bool_)
    for place, (name, _, _, unit) in enumerate(SENSORS):
        low, high = _SIZES[unit]
        size = sign * (low + (high - low) * u[:, 3])
        grown = np.where(since >= 0, 1.0, 0.0)
        drifted = np.clip(since / (20.0 + 60.0 * u[:, 4:5]), 0.0, 1.0)
        mine = (which == place)[:, None]
        kind = variant[:, None]
        added = size[:, None] * (grown * (mine & (kind == _BIAS)) + drifted * (mine & (kind == _DRIFT)))
        part = 0.01 if unit == "%" else 1.0
        error[name] = part * (usual[unit] * own[:, place : place + 1] + added)
        stuck[..., place] = mine & (kind == _STUCK) & (since >= 0)
        wild[..., place] = mine & (kind == _WILD) & (since >= 0)
        for row in np.flatnonzero(which == place).tolist():
            is_sized = variant[row] in (_BIAS, _DRIFT)
            courses.append(
                Course(
                    row=row,
                    component=f"sensor {name}",
                    magnitude=round(float(size[row]), 2) if is_sized else 0.0,
                    unit=unit if is_sized else "",
                    onset_day=float(scene.plan.onset_day[row]),
                    threshold_day=float(scene.plan.onset_day[row]) + WRONG_DAYS,
                )
            )
    return DriveSensors(error=error, is_stuck=stuck, is_wild=wild, courses=courses)


def sensor_features(
    scene: Scene, loads: Loads, sensors: DriveSensors, spans: dict[str, Floats], volts: tuple[Floats, Floats]
) -> dict[str, Singles]:
    """Return the features of set ``sensor_days``, (F, D, S).

    Args:
        scene: The part.
        loads: Its loads.
        sensors: Its sensors.
        spans: By sensor, (F, D), how far the quantity ranges while driving.
        volts: 12 V at rest and with the converter on, as measured, (F, D).
    """
    n, days = scene.shape
    usage, who = scene.usage, scene.who
    topic = scene.chance.topic("sensor days")
    noise = topic.normal(3, days, len(SENSORS)).astype(np.float64)
    shape = (n, days, len(SENSORS))
    out = {name: np.full(shape, np.nan) for name in _FEATURES}
    has_dcdc = who.has_converter_sensor[:, None]
    seen = usage.is_heard & usage.drives
    enough = seen & (usage.drive_h >= 1.0 / 6.0)
    rows = np.maximum(np.rint(120.0 * usage.drive_h), 1.0)
    soaked = usage.is_heard & (usage.rest_h >= 6.5)
    is_long = seen & (usage.km >= 5.0)
    thermometers = [place for place, sensor in enumerate(SENSORS) if sensor[3] == "K"]
    soak = np.stack([sensors.error[_NAMES[place]] for place in thermometers], axis=2)
    soak = soak + np.array([0.0, 0.8, 0.8, 0.5, 0.5]) + 0.3 * noise[:, 1, :, : len(thermometers)]
    for place, (name, step, read, unit) in enumerate(SENSORS):
        is_there = seen & (has_dcdc if name == "dcdc.temperature" else True)
        stuck, wild = sensors.is_stuck[..., place], sensors.is_wild[..., place]
        out["sensor_rows"][..., place] = np.where(is_there, rows, np.nan)
        span = np.maximum(spans[name] * (1.0 + 0.1 * noise[:, 0, :, place]) + 2.0 * read, 0.0)
        span = np.where(stuck, 0.0, np.where(wild, span + 30.0 * read, span))
        out["sensor_range"][..., place] = np.where(is_there & enough, np.round(span / step) * step, np.nan)
        if unit in ("K", "V"):
            spikes = np.where(wild, 4.0 + np.abs(noise[:, 2, :, place]), 0.0)
            level = np.where(stuck, 0.0, np.hypot(read, 0.5 * step) * (1.0 + 0.1 * noise[:, 2, :, place]))
            level = np.where(wild, 6.0 * level, level)
            out["sensor_spikes_per_h"][..., place] = np.where(is_there & enough, spikes, np.nan)
            out["sensor_noise"][..., place] = np.where(is_there & enough, level, np.nan)
    for column, place in enumerate(thermometers):
        others = np.median(np.delete(soak, column, axis=2), axis=2)
        is_there = soaked & (has_dcdc if _NAMES[place] == "dcdc.temperature" else True)
        out["sensor_offset"][..., place] = np.where(is_there, soak[..., column] - others, np.nan)
    current = sensors.error["pack.current"] + 0.03 * noise[:, 1, :, _NAMES.index("pack.current")]
    out["sensor_offset"][..., _NAMES.index("pack.current")] = np.where(usage.is_heard, current, np.nan)
    lv = _NAMES.index("lv.voltage")
    out["sensor_offset"][..., lv] = np.where(soaked, volts[0], np.nan)
    out["sensor_ratio"][..., lv] = np.where(seen, volts[1], np.nan)
    ratios = {"speed": np.ones(usage.km.shape), "motor.speed": loads.krpm * 1000.0 / usage.speed_kmh}
    for name, per_km in ratios.items():
        place = _NAMES.index(name)
        told = (
            per_km * (1.0 + sensors.error[name]) * (1.0 + 0.01 * noise[:, 1, :, place] / np.sqrt(rows / 30.0))
        )
        told = np.where(sensors.is_stuck[..., place], per_km * (0.3 + noise[:, 1, :, place] ** 2), told)
        out["sensor_ratio"][..., place] = np.where(is_long, told, np.nan)
    return {name: values.astype(np.float32) for name, values in out.items()}
