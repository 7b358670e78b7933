"""Daily features of tires as their sensors would tell them."""

from __future__ import annotations

import numpy as np

from simulators.day_level.chance import Flags, Floats, Singles
from simulators.day_level.plan import Course
from simulators.day_level.scene import Scene
from simulators.day_level.tire_gas import AIR_KPA, Gas
from simulators.day_level.tire_sensors import misread

_REFERENCE_K = 293.15
#: Steps of the sensor's reading in kPa and how common they are.
_GRIDS = ((1.373, 0.6), (2.5, 0.25), (4.0, 0.15))
#: One sample: electrical noise of pressure and of temperature, resolution of temperature.
_NOISE_KPA, _NOISE_K, _GRID_K = 0.8, 0.4, 1.0
#: The rim's sensor and the gas differ by this much over a day, kPa at 20 °C.
_RIM_KPA = 0.12
#: The middle of many samples is known to 1.25 standard deviations over the root of their number.
_MEDIAN = 1.2533


def tire_features(scene: Scene, gas: Gas) -> tuple[dict[str, Singles], list[Course]]:
    """Return the features of set ``tire_days``, (F, D, W) or (F, D), and the courses of broken sensors.

    A day's value is the median of its samples: the true one, the sensor's constant errors (3 kPa, 1 K), and
    what is left of noise and rounding after as many independent transmissions as the driving gave.
    """
    usage = scene.usage
    n, days, n_wheels = gas.amount_kpa.shape
    topic = scene.chance.topic("tire sensors")
    own = topic.uniform(4).astype(np.float64)
    bias = np.clip(topic.normal(2, 2, n_wheels), -2.5, 2.5).astype(np.float64)
    noise = topic.normal(5, days, n_wheels).astype(np.float64)
    luck = topic.uniform(3, days, n_wheels).astype(np.float64)
    is_awake_parked = own[:, :1] < 0.4
    steps, shares = np.array(_GRIDS).T
    grid = steps[np.minimum(np.searchsorted(np.cumsum(shares), own[:, 1]), len(steps) - 1)][:, None, None]

    rows = np.arange(n)[:, None, None]
    bias_kpa = 3.0 * bias[rows, 0, gas.wheel_set[..., None], gas.seat]
    bias_k = bias[rows, 1, gas.wheel_set[..., None], gas.seat]
    warm_k = usage.degc[..., None] + 283.15  # of the gas while the day's samples come
    last_evening = np.where(luck[:, 0, :, 0] < 0.3, 3.0, 0.0)
    parked = np.where(is_awake_parked, 24.0, last_evening)
    count = np.where(usage.drives, 120.0 * usage.drive_h + 7.0 * usage.trips, parked)
    alone = np.where(usage.drives, 58.0 * usage.drive_h + 2.0, np.maximum(0.7 * count, 1.0))[..., None]
    sample = _sample_noise(gas.amount_kpa, grid)
    scale = sample * np.where(scene.has("noise"), 3.0, 1.0)[:, None, None]
    error = _MEDIAN * scale / np.sqrt(alone)
    wrong = misread(scene, luck, noise[:, 4])
    offset = bias_kpa * _REFERENCE_K / warm_k + wrong.shift_kpa + _RIM_KPA * noise[:, 3]
    heard = usage.is_heard[..., None] & (count[..., None] >= 2) & ~wrong.is_lost
    in_thirds = heard & (count[..., None] >= 9)

    def read(gas_kpa: Floats, error_kpa: Floats, known: Flags) -> Floats:
        # a temperature read too high makes the gas seem less
        values = gas_kpa / (1.0 + bias_k / warm_k) + offset + error_kpa
        return np.where(known, _freeze(values, wrong.is_frozen), np.nan)

    middle = read(gas.amount_kpa, error * noise[:, 0], heard)
    begin = read(gas.begin_kpa, 1.7 * error * noise[:, 1], in_thirds)
    end = read(gas.end_kpa, 1.7 * error * noise[:, 2], in_thirds)
    spread = 1.2 * scale * np.maximum(1.0 + 0.9 * noise[:, 4] / np.sqrt(alone), 0.1)

    air = AIR_KPA * (1 - 2.25577e-5 * (scene.who.altitude_m[:, None])) ** 5.2559
    air = (air + usage.weather.air_shift_kpa)[..., None]
    cold_k = np.where(usage.drives, 0.5 * (usage.degc + usage.night_degc), usage.night_degc) + 273.15
    minutes = 60.0 * usage.drive_h / np.maximum(usage.trips, 1)
    rolling_k = 20.0 * usage.speed_kmh / 100.0 * -np.expm1(-minutes / 18.0)
    cold = middle / _REFERENCE_K * cold_k[..., None] - air + 0.7 * sample * noise[:, 1]
    swing_k = usage.weather.swing_degc + np.where(usage.drives, rolling_k, 0.0)
    span = middle / _REFERENCE_K * np.where(count >= 8, swing_k, np.nan)[..., None] + 1.5 * sample
    per_day = {
        "low_temperature_degc": np.where(heard.any(2), np.rint(cold_k - 273.15), np.nan),
        "equal_share": _equal_share(middle, grid[..., 0]),
        "moving_h": np.where(usage.is_heard, 0.94 * usage.drive_h, np.nan),
        "altitude_span_m": np.where(usage.is_heard, usage.climb_m, np.nan),
    }
    stale = np.where(is_awake_parked, 0.0, np.maximum(24.0 - usage.drive_h - 4.0 * usage.trips, 0.0))
    share = (count / np.maximum(count + stale, 1.0))[..., None]
    features = {
        "contrast_kpa": contrast(middle),
        "gas_kpa": middle,
        "spread_kpa": np.where(heard, spread, np.nan),
        "weight": np.where(heard, np.minimum(count / 8.0, 1.0)[..., None], 0.0),
        "begin_contrast_kpa": contrast(begin),
        "end_contrast_kpa": contrast(end),
        "step_kpa": end - begin,
        "cold_gauge_kpa": _on_grid(cold, grid),
        "low_gauge_kpa": _on_grid(cold - 0.3 * sample, grid),
        "gauge_span_kpa": np.where(wrong.is_frozen & heard, 0.0, _on_grid(span, grid)),
        "heard_share": np.where(usage.is_heard[..., None], np.where(wrong.is_lost, 0.0, share), np.nan),
        "zero_share": np.where(usage.is_heard[..., None], np.zeros(middle.shape), np.nan),
        **per_day,
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


def _sample_noise(amount_kpa: Floats, grid_kpa: Floats) -> Floats:
    """Return the standard deviation of one compensated sample: noise and rounding of both readings."""
    per_kelvin = amount_kpa / _REFERENCE_K
    rounding = grid_kpa**2 / 12.0 + (per_kelvin * _GRID_K) ** 2 / 12.0
    return np.sqrt(_NOISE_KPA**2 + (per_kelvin * _NOISE_K) ** 2 + rounding)


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
    return np.where(known, 0.3 * np.clip(1.0 - apart / grid_kpa, 0.0, 1.0), np.nan)
