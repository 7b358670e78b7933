"""Daily features of tires as their sensors would tell them."""

from __future__ import annotations

import numpy as np

from simulators.day_level.chance import Flags, Floats, Singles
from simulators.day_level.plan import Course
from simulators.day_level.scene import Scene
from simulators.day_level.tire_fitted import fit_sensors
from simulators.day_level.tire_gas import Gas
from simulators.day_level.tire_samples import REFERENCE_K, Conditions, draw_medians
from simulators.day_level.tire_sensors import misread

#: The rim's sensor and the gas differ by this much over a day, kPa at 20 °C.
_RIM_KPA = 0.12


def tire_features(scene: Scene, gas: Gas) -> tuple[dict[str, Singles], list[Course]]:
    """Return the features of set ``tire_days``, (F, D, W) or (F, D), and the courses of broken sensors.

    Transmissions once a minute under way; six in ten vehicles are silent while parked, and what their
    receiver holds is believed for some hours. Sensors are constantly wrong by 3 kPa and 1 K (standard
    deviations).
    """
    usage = scene.usage
    fitted = fit_sensors(scene, gas)
    noise, luck, is_awake_parked = fitted.noise, fitted.luck, fitted.is_awake_parked
    grid, air = fitted.grid_kpa, fitted.air_kpa
    parked = np.where(is_awake_parked, 24.0, np.where(luck[:, 0, :, 0] < 0.3, 3.0, 0.0))
    count = np.where(usage.drives, 120.0 * usage.drive_h + 7.0 * usage.trips, parked)
    minutes = 60.0 * usage.drive_h / np.maximum(usage.trips, 1)
    rolling_k = 20.0 * usage.speed_kmh / 100.0 * -np.expm1(-minutes / 18.0)
    cool = np.where(usage.drives, usage.degc - 0.7 * usage.weather.swing_degc, usage.degc)
    found = draw_medians(
        scene.chance.topic("tire readings"),
        gas,
        Conditions(
            air_kpa=air[..., None],
            cool_degc=cool[..., None],
            warms_k=(0.8 * usage.weather.swing_degc + np.where(usage.drives, rolling_k, 0.0))[..., None],
            bias_kpa=fitted.bias_kpa,
            bias_k=fitted.bias_k,
            grid_kpa=grid,
            noise=np.where(scene.has("noise"), 3.0, 1.0)[:, None, None],
            is_still=((count < 8.0) & ~usage.drives)[..., None].astype(np.float64),
            transmissions=np.where(usage.drives, 58.0 * usage.drive_h + 2.0, 18.0)[..., None],
        ),
    )
    wrong = misread(scene, luck, noise[:, 2])
    shift = wrong.shift_kpa + _RIM_KPA * noise[:, 0]
    against = shift - np.median(shift, axis=2, keepdims=True)
    heard = usage.is_heard[..., None] & (count[..., None] >= 2) & ~wrong.is_lost
    in_thirds = heard & (count[..., None] >= 9)

    def read(values: Singles, added: Floats, known: Flags) -> Floats:
        return np.where(known, _freeze(values + added, wrong.is_frozen), np.nan)

    middle = read(found.gas, shift, heard)
    begin, end = read(found.begin, shift, in_thirds), read(found.end, shift, in_thirds)
    # where a wheel is silent or stands still, the instants no longer pair: medians against medians
    is_odd = (wrong.is_lost | wrong.is_frozen).any(axis=2, keepdims=True)
    by_instant = [
        read(found.contrast, against, heard),
        read(found.begin_contrast, against, in_thirds),
        read(found.end_contrast, against, in_thirds),
    ]
    contrasts = [
        np.where(is_odd, contrast(whole), one)
        for whole, one in zip((middle, begin, end), by_instant, strict=True)
    ]
    cold_k = np.where(usage.drives, 0.3 * usage.degc + 0.7 * usage.night_degc, usage.night_degc) + 273.15
    cold = middle / REFERENCE_K * cold_k[..., None] - air[..., None] + 0.7 * noise[:, 1]
    stale = np.where(is_awake_parked, 0.0, np.maximum(24.0 - usage.drive_h - 4.0 * usage.trips, 0.0))
    share = (count / np.maximum(count + stale, 1.0))[..., None]
    is_known = usage.is_heard[..., None]
    features = {
        "contrast_kpa": contrasts[0],
        "gas_kpa": middle,
        "spread_kpa": np.where(heard, found.spread, np.nan),
        "weight": np.where(heard, np.minimum(count / 8.0, 1.0)[..., None], 0.0),
        "begin_contrast_kpa": contrasts[1],
        "end_contrast_kpa": contrasts[2],
        "step_kpa": end - begin,
        "cold_gauge_kpa": _on_grid(cold, grid),
        "low_gauge_kpa": _on_grid(cold - 0.3 * np.abs(noise[:, 2]), grid),
        "gauge_span_kpa": np.where(
            heard & (count >= 8)[..., None], np.where(wrong.is_frozen, 0.0, found.gauge_span), np.nan
        ),
        "heard_share": np.where(is_known, np.where(wrong.is_lost, 0.0, share), np.nan),
        "zero_share": np.where(is_known, np.zeros(middle.shape), np.nan),
        "low_temperature_degc": np.where(heard.any(2), np.rint(cold_k - 273.15), np.nan),
        "equal_share": _equal_share(middle, grid[..., 0]),
        "moving_h": np.where(usage.is_heard, 0.94 * usage.drive_h, np.nan),
        "altitude_span_m": np.where(usage.is_heard, usage.climb_m, np.nan),
    }
    return {name: values.astype(np.float32) for name, values in features.items()}, wrong.courses


def contrast(values: Floats) -> Floats:
    """Return each wheel's value less the median of the others; NaN where no other is known."""
    out = np.full(values.shape, np.nan)
    for wheel in range(values.shape[-1]):
        others = np.sort(np.delete(values, wheel, axis=-1), axis=-1)
        count = np.isfinite(others).sum(-1)[..., None]
        low = np.take_along_axis(others, np.maximum((count - 1) // 2, 0), -1)[..., 0]
        high = np.take_along_axis(others, np.minimum(count // 2, others.shape[-1] - 1), -1)[..., 0]
        out[..., wheel] = values[..., wheel] - 0.5 * (low + high)
    return out


def _freeze(values: Floats, frozen: Flags) -> Floats:
    """Return the values with those of frozen days repeating the last day before."""
    if not frozen.any():
        return values
    day = np.arange(values.shape[1])[None, :, None]
    source = np.maximum.accumulate(np.where(frozen, 0, day), axis=1)
    return np.take_along_axis(values, source, axis=1)


def _on_grid(values: Floats, grid_kpa: Floats) -> Floats:
    return np.asarray(np.rint(values / grid_kpa) * grid_kpa)


def _equal_share(middle: Floats, grid_kpa: Floats) -> Floats:
    """Return how often all wheels show one value: the nearer they are to each other against the grid."""
    high = np.where(np.isfinite(middle), middle, -np.inf).max(2)
    low = np.where(np.isfinite(middle), middle, np.inf).min(2)
    known = np.isfinite(middle).all(2)
    apart = np.where(known, high, 0.0) - np.where(known, low, 0.0)
    return np.where(known, 0.3 * np.exp(-((apart / (1.8 * grid_kpa)) ** 2)), np.nan)
