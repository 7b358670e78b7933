"""Tires: gas amount, leaks, temperature, and the sensor that reports them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.chance import Floats, Singles, VehicleChance
from simulators.faults import ATMOSPHERE_KPA, Plan
from simulators.fleet import Fleet

REFERENCE_K = 293.15
TIME_CONSTANT_S = 18 * 60.0
GRID_KPA = 1.373
#: Least time between two transmissions of a rolling sensor.
REFRESH_S = 55.0


def gauge_pressure(amount_kpa: Floats, temperature_degc: Floats, air_kpa: Floats) -> Floats:
    """Return gauge pressure in kPa of a sealed tire of constant volume.

    Args:
        amount_kpa: Absolute pressure the gas would have at 20 °C.
        temperature_degc: Of the gas.
        air_kpa: Pressure of the air outside.
    """
    return np.asarray(amount_kpa * (temperature_degc + 273.15) / REFERENCE_K - air_kpa)


@dataclass(frozen=True, slots=True, kw_only=True)
class TireConstants:
    """Constants of the wheels and their sensors, shape (F, 4) unless said otherwise."""

    placard_kpa: Floats
    permeation_kpa_per_s: Floats
    load: Floats  #: over the load the placard is for
    bias_kpa: Floats
    bias_degc: Floats
    sun_side: Floats  #: share of the solar heating
    parked_refresh_s: Floats  #: (F, 1) infinite: silent while parked


@dataclass(slots=True, kw_only=True)
class TireState:
    """What changes, shape (F, 4); ``has_refilled`` (F,)."""

    amount_kpa: Floats
    temperature_degc: Floats
    held_kpa: Floats
    held_degc: Floats
    held_at_s: Floats
    has_refilled: np.ndarray[tuple[int], np.dtype[np.bool_]]


def build_tires(fleet: Fleet, chance: VehicleChance, ambient_degc: Floats) -> tuple[TireConstants, TireState]:
    """Return wheels at their first instant, in balance with the air."""
    placard = np.array([v.placard_kpa for v in fleet.vehicles])
    drawn = chance.uniform(5, 4)
    normal = np.clip(chance.normal(3, 4), -2.5, 2.5).astype(np.float64)
    own = chance.uniform(3)
    is_silent = (own[:, 0] < 0.6) | np.array([d == "hot_stop" for d in fleet.plan.decoy])
    low = np.where(np.array([d == "refill" for d in fleet.plan.decoy]), -20.0, -6.0 + 12.0 * own[:, 1])
    constants = TireConstants(
        placard_kpa=placard,
        permeation_kpa_per_s=(2.5 + 6.5 * drawn[:, 0]) / 30.0 / 86_400.0,
        load=0.85 + 0.2 * drawn[:, 1],
        bias_kpa=3.0 * normal[:, 0],
        bias_degc=1.0 * normal[:, 1],
        sun_side=np.where(own[:, 2:] < 0.3, np.array([1.0, 0.0, 1.0, 0.0]), 0.0) * (own[:, 2:] * 25.0),
        parked_refresh_s=np.where(is_silent, np.inf, 900.0)[:, None],
    )
    temperature = np.repeat(ambient_degc[:, None], 4, axis=1)
    amount = placard + low[:, None] + 1.5 * normal[:, 2] + ATMOSPHERE_KPA
    state = TireState(
        amount_kpa=amount,
        temperature_degc=temperature,
        held_kpa=np.full_like(amount, np.nan),
        held_degc=np.full_like(amount, np.nan),
        held_at_s=np.full_like(amount, -np.inf),
        has_refilled=np.zeros(len(fleet), np.bool_),
    )
    return constants, state


def advance_tires(
    state: TireState,
    constants: TireConstants,
    plan: Plan,
    *,
    time_s: Floats,
    dt_s: Floats,
    speed_mps: Floats,
    is_parked: np.ndarray[tuple[int], np.dtype[np.bool_]],
    ambient_degc: Floats,
    air_kpa: Floats,
    sun_degc: Floats,
    noise: Singles,
) -> None:
    """Move the wheels on by ``dt_s`` (F,) to ``time_s`` (F,); ``noise`` is (F, 2, 4) standard normal.

    Leak: dP/dt = -k (P² - P_air²), capillary. Permeation grows 3 % per kelvin. Heat: first order to
    ambient + 20 K at 100 km/h and full load.
    """
    dt = dt_s[:, None]
    gauge = np.maximum(gauge_pressure(state.amount_kpa, state.temperature_degc, air_kpa[:, None]), 20.0)
    rolling = 20.0 * (speed_mps[:, None] / 27.78) * constants.load * (constants.placard_kpa / gauge) ** 0.7
    level = ambient_degc[:, None] + rolling + sun_degc[:, None] * constants.sun_side / 8.0
    state.temperature_degc += (level - state.temperature_degc) * -np.expm1(-dt / TIME_CONSTANT_S)
    leaking_s = np.clip(time_s - plan.leak_at_s, 0.0, dt_s)[:, None]
    lost = plan.leak_k * np.maximum(state.amount_kpa**2 - ATMOSPHERE_KPA**2, 0.0) * leaking_s
    warm = np.maximum(1.0 + 0.03 * (state.temperature_degc - 20.0), 0.1)
    state.amount_kpa -= lost + constants.permeation_kpa_per_s * warm * dt

    fills = (
        ~state.has_refilled
        & is_parked
        & (time_s >= plan.decoy_at_s)
        & np.array([d == "refill" for d in plan.decoy])
    )
    if fills.any():
        aim = constants.placard_kpa + 6.0 + 2.0 * np.tanh(noise[:, 0].astype(np.float64))
        filled = (aim + air_kpa[:, None]) * REFERENCE_K / (state.temperature_degc + 273.15)
        state.amount_kpa = np.where(fills[:, None], filled, state.amount_kpa)
        state.has_refilled |= fills

    waits = time_s[:, None] - state.held_at_s
    is_rolling = (speed_mps > 0.5)[:, None]
    hears = np.where(is_rolling, waits >= REFRESH_S, waits >= constants.parked_refresh_s)
    hears |= ~np.isfinite(state.held_at_s)
    hears &= (noise[:, 1] < 1.75) | ~np.isfinite(state.held_at_s)  # 4 % of the transmissions are lost
    true_kpa = gauge_pressure(state.amount_kpa, state.temperature_degc, air_kpa[:, None])
    read_kpa = np.round((true_kpa + constants.bias_kpa + 0.8 * noise[:, 0]) / GRID_KPA) * GRID_KPA
    read_degc = np.round(state.temperature_degc + constants.bias_degc + 0.4 * noise[:, 1])
    state.held_kpa = np.where(hears, np.maximum(read_kpa, 0.0), state.held_kpa)
    state.held_degc = np.where(hears, read_degc, state.held_degc)
    state.held_at_s = np.where(hears, time_s[:, None], state.held_at_s)
