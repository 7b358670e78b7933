"""Tires: gas amount, leaks, heat, what people do to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulators.chance import Floats, Singles, VehicleChance
from simulators.climate import DAY_S
from simulators.faults.injection import NEVER
from simulators.faults.tire import ATMOSPHERE_KPA, CHOKED_RATIO, LEGAL_SHARE
from simulators.fleet import Fleet
from simulators.physics.tire_faults import TIRE_FAULTS, TireFaults

REFERENCE_K = 293.15
TIME_CONSTANT_S = 18 * 60.0
#: A valve that leaks only when the wheel spins fast, or only when it is stiff with cold.
FAST_MPS, COLD_DEGC = 60.0 / 3.6, 0.0
#: Torque of a dragging brake that warms the cavity by 10 K, and the speed from which it does so fully.
DRAG_NM, DRAG_MPS = 20.0, 14.0

Mask = npt.NDArray[np.bool_]


def gauge_pressure(amount_kpa: Floats, temperature_degc: Floats, air_kpa: Floats) -> Floats:
    """Return gauge pressure in kPa of a sealed tire of constant volume.

    Args:
        amount_kpa: Absolute pressure the gas would have at 20 °C.
        temperature_degc: Of the gas.
        air_kpa: Pressure of the air outside.
    """
    return np.asarray(amount_kpa * (temperature_degc + 273.15) / REFERENCE_K - air_kpa)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What people do to all wheels of a vehicle; (F,) unless said otherwise; infinite: never."""

    refill_at_s: Floats  #: first of the regular ones, about every 120 days
    every_s: Floats
    low_fill_at_s: Floats  #: decoy: filled from far below
    hot_fill_at_s: Floats  #: decoy: filled hot
    rotation_at_s: Floats
    winter_at_s: Floats
    winter_kpa: Floats  #: (F, 4) over placard

    @property
    def first_s(self) -> Floats:
        """Return (F,) when the decoy of each vehicle is due."""
        return np.minimum(
            np.minimum(self.low_fill_at_s, self.hot_fill_at_s),
            np.minimum(self.rotation_at_s, self.winter_at_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TireConstants:
    """Constants of the wheels, shape (F, 4) unless said otherwise."""

    placard_kpa: Floats
    permeation_kpa_per_s: Floats
    load: Floats  #: over the load the placard is for
    sun_side: Floats  #: share of the solar heating
    faults: TireFaults
    service: Service


@dataclass(slots=True, kw_only=True)
class TireState:
    """What changes, shape (F, 4) unless said otherwise; instants in seconds, infinite until they come."""

    amount_kpa: Floats
    temperature_degc: Floats
    wheel_set: npt.NDArray[np.int64]  #: (F, 4) which sensor sits on each wheel: 0-3 and, in winter, 4-7
    legal_at_s: Floats  #: below 75 % of placard at 20 °C
    flat_at_s: Floats  #: below 60 %
    burst_at_s: Floats
    is_burst: Mask
    next_fill_s: Floats  #: (F,)
    is_served: Mask  #: (F,) its decoy of service is done


def build_tires(fleet: Fleet, chance: VehicleChance, ambient_degc: Floats) -> tuple[TireConstants, TireState]:
    """Return wheels at their first instant, in balance with the air."""
    plan, n = fleet.plan, len(fleet)
    placard = np.array([v.placard_kpa for v in fleet.vehicles])
    drawn = chance.uniform(3, 4)
    normal = np.clip(chance.normal(2, 4), -2.5, 2.5).astype(np.float64)
    own = chance.uniform(4)
    low = np.where(plan.mask("refill"), -20.0, -6.0 + 12.0 * own[:, 0])
    has_fault = np.logical_or.reduce([plan.mask(kind) for kind in TIRE_FAULTS])
    is_told = np.isin(np.array(plan.kinds()), ("refill", "hot_refill", "rotation", "winter_wheels"))
    every = (90.0 + 60.0 * own[:, 2]) * DAY_S
    constants = TireConstants(
        placard_kpa=placard,
        permeation_kpa_per_s=(2.5 + 6.5 * drawn[:, 0]) / 30.0 / 86_400.0,
        load=0.85 + 0.2 * drawn[:, 1],
        sun_side=np.where(own[:, 1:2] < 0.5, np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0, 1.0])),
        faults=TireFaults.of(plan),
        service=Service(
            refill_at_s=np.where(has_fault | is_told, NEVER, fleet.start_s + own[:, 3] * every),
            every_s=every,
            low_fill_at_s=plan.onset("refill"),
            hot_fill_at_s=plan.onset("hot_refill"),
            rotation_at_s=plan.onset("rotation"),
            winter_at_s=plan.onset("winter_wheels"),
            winter_kpa=4.0 * normal[:, 1],
        ),
    )
    amount = placard + low[:, None] + 1.5 * normal[:, 0] + ATMOSPHERE_KPA
    state = TireState(
        amount_kpa=amount,
        temperature_degc=np.repeat(ambient_degc[:, None], 4, axis=1),
        wheel_set=np.tile(np.arange(4), (n, 1)),
        legal_at_s=np.full((n, 4), NEVER),
        flat_at_s=np.full((n, 4), NEVER),
        burst_at_s=np.full((n, 4), NEVER),
        is_burst=np.zeros((n, 4), np.bool_),
        next_fill_s=constants.service.refill_at_s.copy(),
        is_served=np.zeros(n, np.bool_),
    )
    return constants, state


def advance_tires(
    state: TireState,
    c: TireConstants,
    *,
    time_s: Floats,
    dt_s: Floats,
    speed_mps: Floats,
    is_parked: Mask,
    ambient_degc: Floats,
    air_kpa: Floats,
    sun_degc: Floats,
    overload: Floats,
    hazard_s: Floats,
    drag_nm: Floats,
    noise: Singles,
) -> None:
    """Move the wheels on by ``dt_s`` (F,) to ``time_s`` (F,); ``noise`` is (F, 4) standard normal.

    Capillary leak: dP/dt = -k (P² - P_air²); orifice: choked while P_air/P < 0.528. Permeation grows 3 % per
    kelvin. Heat: first order to ambient + 20 K at 100 km/h and full load, more with too little air. A belt
    that comes apart heats exponentially from ``hazard_s`` (F,) on until the tire bursts.
    """
    dt, now, f = dt_s[:, None], time_s[:, None], c.faults
    gauge = np.maximum(gauge_pressure(state.amount_kpa, state.temperature_degc, air_kpa[:, None]), 20.0)
    rolling = 20.0 * (speed_mps[:, None] / 27.78) * c.load * overload[:, None]
    rolling *= (c.placard_kpa / gauge) ** 0.7
    moves = np.clip(speed_mps[:, None] / DRAG_MPS, 0.0, 1.0)
    brake = 10.0 * drag_nm / DRAG_NM * moves
    brake += np.where((now > f.hot_at_s) & (now < f.hot_until_s), f.hot_k, 0.0) * (moves > 0)
    since = np.where(np.isfinite(hazard_s), np.maximum(time_s - hazard_s, 0.0), 0.0)[:, None]
    belt = 8.0 * np.expm1(np.minimum(since / f.belt_grows_s, 2.8)) * (speed_mps[:, None] > 5.0)
    level = ambient_degc[:, None] + rolling + brake + sun_degc[:, None] * c.sun_side
    pace = np.where(belt > 0, 180.0, TIME_CONSTANT_S)
    state.temperature_degc += (level + belt - state.temperature_degc) * -np.expm1(-dt / pace)

    leaks_s = np.clip(now - f.leak_at_s, 0.0, dt)
    leaks_s = leaks_s * np.where(f.only_fast, speed_mps[:, None] > FAST_MPS, True)
    leaks_s = leaks_s * np.where(f.only_cold, state.temperature_degc < COLD_DEGC, True)
    lost = f.capillary_k * np.maximum(state.amount_kpa**2 - ATMOSPHERE_KPA**2, 0.0) * leaks_s
    warm = np.maximum(1.0 + 0.03 * (state.temperature_degc - 20.0), 0.1)
    seeps = np.where(since > 0, 1.5 / 60.0 / c.placard_kpa, 0.0) * np.isfinite(f.belt_grows_s)
    hole_s = np.minimum(since, dt) * (f.puncture_c + seeps) + f.orifice_c * leaks_s
    ratio = ATMOSPHERE_KPA / np.maximum(state.amount_kpa, ATMOSPHERE_KPA)
    flows = np.where(ratio < CHOKED_RATIO, 1.0, np.sqrt(np.maximum(1.0 - ratio, 0.0) / (1.0 - CHOKED_RATIO)))
    amount = (state.amount_kpa - lost - c.permeation_kpa_per_s * warm * dt) * np.exp(-hole_s * flows)
    bursts = (state.temperature_degc > f.bursts_degc) & (since > 0) & ~state.is_burst
    state.burst_at_s = np.where(bursts, now, state.burst_at_s)
    state.is_burst |= bursts
    outside = air_kpa[:, None] * REFERENCE_K / (state.temperature_degc + 273.15)
    state.amount_kpa = np.where(state.is_burst, outside, np.maximum(amount, outside))
    _serve(
        state,
        c,
        time_s=time_s,
        is_parked=is_parked,
        ambient_degc=ambient_degc,
        air_kpa=air_kpa,
        noise=noise,
    )
    cold = state.amount_kpa - ATMOSPHERE_KPA
    for limit, seen in ((LEGAL_SHARE, state.legal_at_s), (0.6, state.flat_at_s)):
        np.copyto(seen, now, where=(cold < limit * c.placard_kpa) & ~np.isfinite(seen))


def _serve(
    state: TireState,
    c: TireConstants,
    *,
    time_s: Floats,
    is_parked: Mask,
    ambient_degc: Floats,
    air_kpa: Floats,
    noise: Singles,
) -> None:
    """Let people fill, rotate and change wheels; at a standstill only."""
    s = c.service
    waits = np.where(state.is_served, NEVER, s.first_s)
    is_topped = c.faults.fills_below_kpa.any()
    if not (is_topped or (is_parked & (time_s >= np.minimum(waits, state.next_fill_s))).any()):
        return
    due = is_parked & (time_s >= state.next_fill_s)
    low = is_parked & ~state.is_served & (time_s >= s.low_fill_at_s)
    is_hot = state.temperature_degc.min(axis=1) > ambient_degc + 8.0
    hot = is_parked & ~state.is_served & (time_s >= s.hot_fill_at_s) & is_hot
    winter = is_parked & ~state.is_served & (time_s >= s.winter_at_s)
    turned = is_parked & ~state.is_served & (time_s >= s.rotation_at_s)
    own = is_parked[:, None] & (c.faults.fills_below_kpa > 0)
    if own.any():
        gauge = gauge_pressure(state.amount_kpa, state.temperature_degc, air_kpa[:, None])
        own &= gauge < c.faults.fills_below_kpa
    everything = due | low | hot | winter | turned
    if not (everything.any() or own.any()):
        return
    spread = np.tanh(noise.astype(np.float64))
    aim = c.placard_kpa + np.where(low, 6.0, 0.0)[:, None] + np.where(due[:, None], 4.0, 2.0) * spread
    aim = np.where(winter[:, None], c.placard_kpa + s.winter_kpa, aim)
    aim = np.where(own, c.faults.fills_to_kpa, aim)
    filled = (aim + air_kpa[:, None]) * REFERENCE_K / (state.temperature_degc + 273.15)
    if turned.any():
        state.amount_kpa = np.where(turned[:, None], state.amount_kpa[:, [2, 3, 0, 1]], state.amount_kpa)
        state.wheel_set = np.where(turned[:, None], state.wheel_set[:, [2, 3, 0, 1]], state.wheel_set)
        is_mixed = turned & (np.ptp(c.placard_kpa, axis=1) > 1.0)
        state.amount_kpa = np.where(is_mixed[:, None], filled, state.amount_kpa)
    state.wheel_set = np.where(winter[:, None], np.arange(4, 8), state.wheel_set)
    state.amount_kpa = np.where((due | low | hot | winter)[:, None] | own, filled, state.amount_kpa)
    state.is_served |= low | hot | winter | turned
    state.next_fill_s = np.where(due, time_s + s.every_s, state.next_fill_s)
    ready = (state.amount_kpa - ATMOSPHERE_KPA) >= LEGAL_SHARE * c.placard_kpa
    np.copyto(state.legal_at_s, NEVER, where=ready & own)


def repair_tires(state: TireState, c: TireConstants, who: Mask) -> None:
    """Put a sound, filled tire wherever a hazard was; ``who`` (F,)."""
    hurt = who[:, None] & ((c.faults.puncture_c > 0) | np.isfinite(c.faults.belt_grows_s))
    state.amount_kpa = np.where(hurt, c.placard_kpa + ATMOSPHERE_KPA, state.amount_kpa)
    state.is_burst &= ~hurt
    c.faults.capillary_k[hurt] = 0.0
