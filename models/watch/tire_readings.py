"""Readings of tires as the live rules take them: as wide as the model says, trusted or missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import BoolArray, FloatArray
from models.features.tires import atmosphere_kpa, trusted_gas
from models.watch.rule import Readings


@dataclass(frozen=True, slots=True)
class TrustedReadings:
    """What is believed of readings, shapes (n, n_wheels); NaN where not trusted."""

    gas_kpa: FloatArray
    gauge_kpa: FloatArray
    degc: FloatArray  #: own temperature, as told
    age_s: FloatArray  #: how long the value has been standing, NaN where not told

    @property
    def is_paired(self) -> BoolArray:
        """Return which come with an own temperature."""
        return np.isfinite(self.degc)


def tire_columns(readings: Readings, n_wheels: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return pressure, temperature and age as told, (n, n_wheels) each; NaN where missing."""
    gauge, degc, age = (
        _wide(readings.columns.get(name), len(readings), n_wheels)
        for name in ("tire.pressure", "tire.temperature", "tire.age")
    )
    return gauge, degc, age


def trusted_readings(readings: Readings, n_wheels: int) -> TrustedReadings:
    """Return readings compensated by each wheel's temperature and the air around it, where trusted."""
    gauge, own, age = tire_columns(readings, n_wheels)
    unknown = np.full(len(readings), np.nan)
    barometer, altitude, ambient = (
        readings.columns.get(name, unknown) for name in ("barometer", "altitude", "ambient")
    )
    air = np.where(np.isfinite(barometer), barometer, atmosphere_kpa(altitude))
    gas, is_trusted = trusted_gas(gauge, own, age, air_kpa=air, ambient_degc=ambient)
    return TrustedReadings(
        gas_kpa=np.where(is_trusted, gas, np.nan),
        gauge_kpa=np.where(is_trusted, gauge, np.nan),
        degc=own,
        age_s=age,
    )


def _wide(values: FloatArray | None, n: int, width: int) -> FloatArray:
    out = np.full((n, width), np.nan)
    if values is not None and values.ndim > 1:
        used = min(width, values.shape[1])
        out[:, :used] = values[:, :used]
    return out
