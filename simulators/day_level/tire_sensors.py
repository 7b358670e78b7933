"""What tire sensors tell wrongly: broken ones, and the harmless reasons for odd readings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode
from simulators.day_level.chance import Flags, Floats
from simulators.day_level.plan import Course
from simulators.day_level.scene import Scene

#: Broken sensors, in the order of the variants of a sensor fault; the others are not of tires.
SENSOR_VARIANTS = 8
#: A sensor that has been wrong for so long was not found in time.
WRONG_DAYS = 30.0
_BIAS, _DRIFT, _STUCK, _NOISE = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misreadings:
    """What is wrong with the day's readings; (F, D, W)."""

    shift_kpa: Floats  #: added to the gas read, over the day
    warm_kpa: Floats  #: the part of it while under way: the rim is warmer than the gas
    odd_kpa: Floats  #: the part of it that single readings make, not all of them
    is_lost: Flags
    is_frozen: Flags  #: repeats the last day before
    courses: list[Course]  #: of broken sensors


def misread(scene: Scene, luck: Floats, noise: Floats) -> Misreadings:
    """Return misreadings from numbers spread over 0-1, (F, 3, D, W), and normal ones, (F, D, W)."""
    who, usage, u = scene.who, scene.usage, scene.plan.u
    n_wheels, since = noise.shape[2], scene.since
    one, began, today = scene.mark(n_wheels), since >= 0, since == 0
    sign = np.where(u[:, 2] < 0.5, -1.0, 1.0)[:, None, None]
    size = u[:, 3, None, None]
    shift, warm, odd = (np.zeros(noise.shape) for _ in range(3))

    def add(kind: str, on: Flags, values: Floats | float, *of: Floats) -> None:
        chosen = scene.has(kind)
        for one in (shift, *of):
            one[chosen] += np.where(on, values, 0.0)[chosen]

    side = (np.arange(n_wheels) % 2 == (u[:, 2:3] < 0.5))[:, None, :]
    is_sunny = ~usage.weather.is_wet & (luck[:, 1, :, 0] < 0.4)
    # the sun and a hot brake warm the rim with its sensor more than the gas
    add("sun_one_side", is_sunny[..., None] & side, -1.0 - 5.0 * luck[:, 2], warm)
    hot = -3.0 - 9.0 * u[:, 2, None, None] * (0.5 + luck[:, 2])
    add("hot_brake", (began & (since < 4))[..., None] & one, hot, warm)
    add("sensor_bias_step", began[..., None] & one, sign * (3.0 + 5.0 * size))
    add("spikes", luck[:, 1] < 0.02, sign * (8.0 + 30.0 * luck[:, 2]), odd)
    add("cold_front", (began & (since < 5))[..., None], -1.8 - 0.5 * noise)
    add("garage_to_outdoor", today[..., None], 1.5 * noise)
    add("altitude_trip", today[..., None], np.where(u[:, 4, None, None] < 0.5, 6.0 + 12.0 * size, 0.5))
    # one in ten knows neither barometer nor altitude: on a mountain its gauge reads the thinner air as gas
    blind = ~who.has_barometer[:, None] & (luck[:, 1, :, 0] < 0.5)
    shift += np.where(blind, 0.0114 * usage.climb_m, 0.0)[..., None]

    variant = scene.variant(FailureMode.SENSOR_FAULT, SENSOR_VARIANTS)[:, None, None]
    broken = began[..., None] & one
    bias, per_day, wild = sign * (12.0 + 28.0 * size), sign * 0.3 * 6.0**size, 6.0 + 10.0 * size
    shift += np.where(broken & (variant == _BIAS), bias, 0.0)
    shift += np.where(broken & (variant == _DRIFT), per_day * np.maximum(since, 0)[..., None], 0.0)
    restless = np.where(broken & (variant == _NOISE), wild * noise, 0.0)
    shift += restless
    odd += restless
    frozen = broken & (variant == _STUCK)
    frozen |= (began & (since < 4))[..., None] & one & scene.has("sticky_value")[:, None, None]
    frozen |= (began & (since < 2))[..., None] & scene.has("stale_replay")[:, None, None]
    too_cold = (began & (usage.night_degc < 0.0))[..., None] & one
    too_cold &= scene.has("sensor_battery_low")[:, None, None]
    kinds = {_BIAS: (bias, "kPa"), _DRIFT: (per_day, "kPa/day"), _NOISE: (wild, "kPa")}
    courses = []
    for row in np.flatnonzero((variant >= 0) & (variant < 4)).tolist():
        amount, unit = kinds.get(int(variant[row, 0, 0]), (np.zeros_like(bias), ""))
        courses.append(
            Course(
                row=row,
                component=f"sensor tire {scene.spec.wheels[int(one[row, 0].argmax())]}",
                magnitude=round(float(amount[row, 0, 0]), 2),
                unit=unit,
                onset_day=float(scene.plan.onset_day[row]),
                threshold_day=float(scene.plan.onset_day[row]) + WRONG_DAYS,
            )
        )
    return Misreadings(
        shift_kpa=shift,
        warm_kpa=warm,
        odd_kpa=odd,
        is_lost=(luck[:, 1] < 0.003) | too_cold,
        is_frozen=frozen,
        courses=courses,
    )
