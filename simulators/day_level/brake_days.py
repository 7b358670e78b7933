"""Daily features of the brakes: heat of single wheels, energy on the way."""

from __future__ import annotations

import numpy as np

from data.records import FailureMode
from simulators.day_level.chance import Singles
from simulators.day_level.plan import Course
from simulators.day_level.scene import Scene
from simulators.day_level.tire_days import contrast

#: Dragging torque: what is ill, and what the cavity of the tire sees of it at 60 km/h.
_LIMIT_NM, _K_PER_NM = 40.0, 0.5


def brake_features(scene: Scene, gas_kpa: Singles) -> tuple[dict[str, Singles], list[Course]]:
    """Return the features of set ``brake_days``, (F, D, W) or (F, D), and the courses of dragging brakes."""
    days = scene.shape[1]
    usage, who, u = scene.usage, scene.who, scene.plan.u
    n_wheels = len(scene.spec.wheels)
    topic = scene.chance.topic("brakes")
    bias = np.clip(topic.normal(n_wheels), -2.5, 2.5).astype(np.float64)[:, None]
    load = 0.8 * topic.normal(n_wheels).astype(np.float64)[:, None]
    noise = topic.normal(2, days, n_wheels).astype(np.float64)
    single = topic.normal(days).astype(np.float64)
    one, since = scene.mark(n_wheels), scene.since
    drags = scene.has(FailureMode.BRAKE_DRAG)
    takes = 5.0 + 20.0 * u[:, 2]
    most = 15.0 + 45.0 * u[:, 3]
    to_limit = takes * np.minimum(1.0, _LIMIT_NM / most)
    clock = np.arange(days)[None, :] + 0.5 - np.minimum(scene.plan.onset_day, 1e6)[:, None]
    torque = np.where(drags[:, None], np.clip(clock / takes[:, None], 0.0, 1.0) * most[:, None], 0.0)
    hot = np.where(scene.has("hot_brake")[:, None] & (since >= 0) & (since < 4), 12.0 + 10.0 * u[:, 3:4], 0.0)
    pads = scene.has("new_brake_pads")[:, None] & (since >= 0) & (since < 6)
    hot = hot + np.where(pads, 6.0 * np.exp(-np.maximum(since, 0.0) / 2.0), 0.0)
    warm = np.clip(usage.speed_kmh / 60.0, 0.2, 1.6) * (1.0 - 0.5 * np.exp(-usage.drive_h / 0.5))
    heat = ((_K_PER_NM * torque + hot)[..., None] * one) * warm[..., None]
    low = np.nan_to_num(contrast(gas_kpa.astype(np.float64)))
    side = (np.arange(n_wheels) % 2 == (u[:, 2:3] < 0.5))[:, None, :] & scene.has("sun_one_side")[
        :, None, None
    ]
    sun = np.where(side & ~usage.weather.is_wet[..., None], 2.5, 0.0)
    degc = bias + load * warm[..., None] - 0.05 * low + heat + sun + 0.3 * noise[:, 0]
    degc = np.round(2.0 * degc) / 2.0
    rank = np.sort(degc, axis=2)
    others = np.where(degc == rank[..., -1:], rank[..., -2:-1], rank[..., -1:])
    warm_h = np.maximum(0.85 * usage.drive_h - 0.17 * usage.trips - 0.03, 0.0)
    heard = np.isfinite(gas_kpa).all(axis=2) & usage.is_heard
    known = (heard & (warm_h >= 0.04))[..., None]
    still = (heard & (usage.rest_h >= 4.0) & (scene.chance.topic("tire sensors").uniform(4)[:, :1] < 0.4))[
        ..., None
    ]
    energy = (
        1000.0 * who.consumption_kwh_per_km[:, None] * (1.0 + 0.008 * np.clip(21.0 - usage.degc, 0.0, 40.0))
    )
    energy = energy * usage.load * np.exp(0.22 * single) + torque / 0.33 / 3.6
    values = {
        "wheel_excess_k": np.where(known, degc - others, np.nan),
        "wheel_rise_k": np.where(known, contrast(degc), np.nan),
        "wheel_soak_k": np.where(still, contrast(np.round(bias + 0.3 * noise[:, 1])), np.nan),
        "wheel_pressure_percent": np.where(known, 100.0 * low / np.where(known, gas_kpa, 1.0), np.nan),
        "energy_wh_per_km": np.where(usage.is_heard & (usage.km >= 5.0), energy, np.nan),
        "warm_h": np.where(usage.is_heard & (warm_h > 1 / 60), warm_h, np.nan),
    }
    courses = [
        Course(
            row=row,
            component=f"brake {scene.spec.wheels[int(one[row, 0].argmax())]}",
            magnitude=round(float(most[row]), 1),
            unit="N·m",
            onset_day=float(scene.plan.onset_day[row]),
            threshold_day=float(scene.plan.onset_day[row] + to_limit[row]),
        )
        for row in np.flatnonzero(drags).tolist()
    ]
    return {name: found.astype(np.float32) for name, found in values.items()}, courses
