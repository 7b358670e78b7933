"""The tire sensors that vehicles of a part are fitted with, and their luck of every day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.day_level.chance import Flags, Floats
from simulators.day_level.scene import Scene
from simulators.day_level.tire_gas import AIR_KPA, Gas

#: Steps of the sensor's reading in kPa and how common they are.
_GRIDS = ((1.373, 0.6), (2.5, 0.25), (4.0, 0.15))


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedSensors:
    """What stays with the sensors, and what each day draws for them."""

    is_awake_parked: Flags  #: (F, 1) they send while the vehicle stands
    grid_kpa: Floats  #: (F, 1, 1) step of the reading
    bias_kpa: Floats  #: (F, D, W) of the sensor that sits there
    bias_k: Floats
    noise: Floats  #: (F, 3, D, W) normal
    luck: Floats  #: (F, 3, D, W) spread over 0-1
    air_kpa: Floats  #: (F, D) at home


def fit_sensors(scene: Scene, gas: Gas) -> FittedSensors:
    """Return the sensors: wrong for good by 3 kPa and 1 K (standard deviation), four in ten always awake."""
    n, days, n_wheels = gas.amount_kpa.shape
    topic = scene.chance.topic("tire sensors")
    own = topic.uniform(4).astype(np.float64)
    bias = np.clip(topic.normal(2, 2, n_wheels), -2.5, 2.5).astype(np.float64)
    noise = topic.normal(3, days, n_wheels).astype(np.float64)
    luck = topic.uniform(3, days, n_wheels).astype(np.float64)
    steps, shares = np.array(_GRIDS).T
    grid = steps[np.minimum(np.searchsorted(np.cumsum(shares), own[:, 1]), len(steps) - 1)][:, None, None]
    rows = np.arange(n)[:, None, None]
    height = AIR_KPA * (1 - 2.25577e-5 * (scene.who.altitude_m[:, None])) ** 5.2559
    return FittedSensors(
        is_awake_parked=own[:, :1] < 0.4,
        grid_kpa=grid,
        bias_kpa=3.0 * bias[rows, 0, gas.wheel_set[..., None], gas.seat],
        bias_k=bias[rows, 1, gas.wheel_set[..., None], gas.seat],
        noise=noise,
        luck=luck,
        air_kpa=height + scene.usage.weather.air_shift_kpa,
    )
