"""Daily features of the 12 V battery and the DC/DC converter."""

from __future__ import annotations

import numpy as np

from simulators.day_level.chance import Floats, Singles
from simulators.day_level.drive_sensors import DriveSensors
from simulators.day_level.low_voltage import LowVoltage
from simulators.day_level.scene import Scene

#: From empty to full, V.
_SWING_V = 0.85


def lv_features(
    scene: Scene, state: LowVoltage, sensors: DriveSensors
) -> tuple[dict[str, Singles], tuple[Floats, Floats]]:
    """Return the features of set ``lv_days`` and the voltages at rest and at work as measured, (F, D)."""
    days = scene.shape[1]
    usage, who, error = scene.usage, scene.who, sensors.error
    topic = scene.chance.topic("lv days")
    own = topic.normal(3)[:, :, None].astype(np.float64)
    half = topic.uniform()[:, None].astype(np.float64)
    noise = topic.normal(13, days).astype(np.float64)
    woken = usage.is_heard & usage.drives & (topic.uniform(days) < 0.97)
    rested = usage.is_heard & (usage.rest_h >= 3.0)
    driven = usage.is_heard & usage.drives
    stands = usage.is_heard & (usage.rest_h >= 6.5)
    has_current, has_dcdc = who.has_lv_current[:, None], who.has_converter_sensor[:, None]
    volt = error["lv.voltage"]

    # lights, wipers and fans; a converter that fails gives way under them
    load_a = 30.0 + 0.45 * np.abs(usage.degc - 21.0) + 5.0 * usage.weather.is_wet + 3.0 * noise[:, 0]
    load_a = np.maximum(load_a + np.where(scene.has("lv_load")[:, None], 15.0, 0.0), 10.0)
    target = 14.0 + 0.25 * half - 0.012 * (usage.degc - 20.0)
    on_v = target - np.minimum(0.3 * state.sag * load_a / 40.0, 2.5)
    short = np.clip((state.rest_v + 0.3 - on_v) / 0.5, 0.0, 1.0)
    rise = 3.0 + 0.22 * load_a + 10.0 * state.sag - 3.0 + 0.4 * own[:, 0]
    on_h = usage.drive_h + np.where(usage.is_charged, 4.0, 0.0)
    # each stop begins with two hours that do not count
    count = np.clip(24.0 - on_h - 2.0 * (usage.trips + 1.5), 1.0, 22.0)
    # what the surface charge of the drive leaves behind falls over the night
    slope = -0.14 - (state.drain_a - 0.035) * 24.0 / state.capacity_ah * _SWING_V
    measured_rest = state.rest_v + volt
    values = {
        "rest_voltage_v": (np.round(measured_rest + 0.012 * noise[:, 1], 2), rested),
        "rest_low_v": (np.round(measured_rest - 0.025 - 0.015 * np.abs(noise[:, 2]), 2), rested),
        "rest_slope_v_per_day": (slope + 0.08 * noise[:, 3], rested & (count >= 5)),
        "rest_current_a": (np.round(-state.drain_a + 0.006 * noise[:, 4], 2), rested & has_current),
        "rest_temperature_degc": (usage.night_degc + error["ambient"], rested),
        "rest_h": (count, rested),
        "wake_min_v": (np.round(state.wake_v + volt + 0.02 * noise[:, 5], 2), woken),
        "wake_resistance_mohm": (1000.0 * state.ohm * (1.0 + 0.06 * noise[:, 6]), woken & has_current),
        "charge_current_a": (np.round(state.charge_a * np.exp(0.15 * noise[:, 7]), 2), driven & has_current),
        "on_voltage_v": (np.round(on_v + volt + 0.015 * noise[:, 8], 2), driven),
        "on_low_v": (np.round(on_v + volt - 0.035 - 0.15 * state.sag + 0.012 * noise[:, 9], 2), driven),
        "on_high_v": (np.round(on_v + volt + 0.05 + 0.015 * np.abs(noise[:, 10]), 2), driven),
        "on_drain_share": (short, driven & has_current),
        "on_temperature_degc": (usage.degc + error["ambient"], driven),
        "dcdc_rise_k": (
            rise + error["dcdc.temperature"] - error["coolant"] + 1.0 * noise[:, 11],
            driven & has_dcdc,
        ),
        "dcdc_soak_k": (
            -0.9 + 0.4 * own[:, 1] + 0.8 * noise[:, 12] + error["dcdc.temperature"] - error["coolant"],
            stands & has_dcdc,
        ),
        "on_h": (on_h, usage.is_heard & (on_h > 0)),
    }
    features = {k: np.where(known, found, np.nan).astype(np.float32) for k, (found, known) in values.items()}
    return features, (measured_rest, on_v + volt)
