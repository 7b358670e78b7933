"""Tire features: what the gas inside did, whatever weather, altitude and driving did to the reading."""

from __future__ import annotations

import numpy as np

from data.records import BoolArray, FamilyRows, FloatArray, IntArray
from models.features.align import as_of, column

SEA_LEVEL_KPA = 101.325
REFERENCE_K = 293.15
#: A sample-and-hold value younger than this is taken at its word.
FRESH_AGE_S = 900.0
#: A value that carries its own temperature may be older: both stood still together.
PAIRED_AGE_S = 4 * 3600.0
_PLAUSIBLE_KPA = (60.0, 1200.0)
_CONTEXT_US = 15 * 60 * 1_000_000
_POSITION_US = 6 * 3600 * 1_000_000
_ONE_GROUP = 4


def atmosphere_kpa(altitude_m: FloatArray) -> FloatArray:
    """Return the air pressure of the standard atmosphere (ISO 2533, troposphere).

    Args:
        altitude_m: Any shape, m above sea level; NaN is taken as sea level.

    Returns:
        Same shape, kPa.
    """
    height = np.clip(np.where(np.isfinite(altitude_m), altitude_m, 0.0), -500.0, 9000.0)
    return np.asarray(SEA_LEVEL_KPA * (1 - 2.25577e-5 * height) ** 5.2559)


def compensate(gauge_kpa: FloatArray, temperature_degc: FloatArray, air_kpa: FloatArray) -> FloatArray:
    """Return the absolute pressure that the gas would have at 20 °C.

    Gas law at constant volume: (gauge + air) x 293.15 K / (temperature in kelvin).

    Args:
        gauge_kpa: Any shape, kPa above the surrounding air.
        temperature_degc: Broadcastable, °C, of the gas.
        air_kpa: Broadcastable, kPa, of the surrounding air.

    Returns:
        kPa, absolute; NaN where an input is missing.
    """
    return np.asarray((gauge_kpa + air_kpa) * REFERENCE_K / (temperature_degc + 273.15))


def contrast(values: FloatArray) -> FloatArray:
    """Return each wheel's value less the median of the other wheels at the same instant.

    Args:
        values: Shape (..., n_wheels); NaN is missing.

    Returns:
        Same shape; NaN where the wheel or all but one of the others is missing.
    """
    out = np.full(values.shape, np.nan)
    for wheel in range(values.shape[-1]):
        others = np.sort(np.delete(values, wheel, axis=-1), axis=-1)
        count = np.isfinite(others).sum(-1)
        low = np.take_along_axis(others, np.maximum((count - 1) // 2, 0)[..., None], -1)[..., 0]
        high = np.take_along_axis(others, np.minimum(count // 2, others.shape[-1] - 1)[..., None], -1)[..., 0]
        out[..., wheel] = np.where(
            count >= min(2, others.shape[-1]), values[..., wheel] - (low + high) / 2, np.nan
        )
    return out


def axle_contrast(values: FloatArray) -> FloatArray:
    """Return the contrast within the vehicle, or within each axle group where there are more than two axles.

    Wheels come in order from the front. Up to four are compared with each other; of a truck or a bus the
    steered axle carries other loads and pressures than the driven ones, so its two wheels are compared with
    one another and the rest among themselves.

    Args:
        values: Shape (..., n_wheels); NaN is missing.

    Returns:
        Same shape; as ``contrast``.
    """
    if values.shape[-1] <= _ONE_GROUP:
        return contrast(values)
    return np.concatenate((contrast(values[..., :2]), contrast(values[..., 2:])), axis=-1)


def gas_amount(tire: FamilyRows, drive: FamilyRows | None) -> tuple[FloatArray, BoolArray]:
    """Return the compensated pressure of each sample and which of them are trusted.

    Own-sensor temperature where the tire has one, else the outside air; barometer where the vehicle has one,
    else the standard atmosphere at its altitude. Not trusted: implausible values, and values that have been
    standing longer than ``FRESH_AGE_S`` (``PAIRED_AGE_S`` with an own temperature), such as the hot value of
    the last stop.

    Args:
        tire: Rows of one vehicle, ascending in time.
        drive: Rows of the same vehicle, ascending in time.

    Returns:
        Pressure, kPa absolute at 20 °C, and trust; both of shape (n, n_wheels).
    """
    gauge = np.asarray(tire.columns["tire.pressure"], dtype=np.float64)
    air, ambient = _surroundings(tire.time_us, drive)
    own = np.full_like(gauge, np.nan)
    if "tire.temperature" in tire.columns:
        own[:] = tire.columns["tire.temperature"]
    age = np.full_like(gauge, np.nan)
    if "tire.age" in tire.columns:
        age[:] = tire.columns["tire.age"]
    return trusted_gas(gauge, own, age, air_kpa=air, ambient_degc=ambient)


def trusted_gas(
    gauge_kpa: FloatArray,
    own_degc: FloatArray,
    age_s: FloatArray,
    *,
    air_kpa: FloatArray,
    ambient_degc: FloatArray,
) -> tuple[FloatArray, BoolArray]:
    """Return the compensated pressure of samples and which of them are trusted; see ``gas_amount``.

    Args:
        gauge_kpa: Shape (n, n_wheels).
        own_degc: Same shape, NaN where the sensor tells none.
        age_s: Same shape, how long the value has been standing, NaN where not told.
        air_kpa: Shape (n,).
        ambient_degc: Shape (n,), NaN where not told.
    """
    ambient = np.where(np.isfinite(ambient_degc), ambient_degc, 20.0)[:, None]
    temperature = np.where(np.isfinite(own_degc), own_degc, ambient)
    pressure = compensate(gauge_kpa, temperature, air_kpa[:, None])
    limit = np.where(np.isfinite(own_degc), PAIRED_AGE_S, FRESH_AGE_S)
    is_plausible = (gauge_kpa > _PLAUSIBLE_KPA[0]) & (gauge_kpa < _PLAUSIBLE_KPA[1])
    return pressure, is_plausible & ~(age_s > limit) & np.isfinite(pressure)


def _surroundings(time_us: IntArray, drive: FamilyRows | None) -> tuple[FloatArray, FloatArray]:
    if drive is None or not len(drive):
        missing = np.full(len(time_us), np.nan)
        return np.full(len(time_us), SEA_LEVEL_KPA), missing
    count = len(drive)
    barometer = as_of(
        time_us, drive.time_us, column(drive.columns, "barometer", count), within_us=_CONTEXT_US
    )
    ambient = as_of(time_us, drive.time_us, column(drive.columns, "ambient", count), within_us=_CONTEXT_US)
    return np.where(np.isfinite(barometer), barometer, atmosphere_kpa(altitude_m(time_us, drive))), ambient


def outside_degc(time_us: IntArray, drive: FamilyRows | None) -> FloatArray:
    """Return the temperature of the outside air at each time, at most 15 min old, NaN where not told."""
    return _surroundings(time_us, drive)[1]


def altitude_m(time_us: IntArray, drive: FamilyRows | None) -> FloatArray:
    """Return the altitude at each time, at most 6 h old, NaN where not told."""
    if drive is None:
        return np.full(len(time_us), np.nan)
    height = column(drive.columns, "altitude", len(drive))
    return as_of(time_us, drive.time_us, height, within_us=_POSITION_US)
