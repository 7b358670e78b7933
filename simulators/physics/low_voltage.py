"""The 12 V system: battery, DC/DC converter, loads, wake-ups, and what drains it at night."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import FailureMode
from simulators.chance import Floats, VehicleChance
from simulators.climate import DAY_S
from simulators.faults.injection import NEVER, Plan, gather
from simulators.faults.powertrain import WAKE_A, WAKE_OHM

SURFACE_S = 1.5 * 3600.0
EMPTY_V, FULL_V = 11.9, 12.75
#: A night below this is a low one; three in a row are the limit.
LOW_REST_V, LOW_NIGHTS = 12.2, 3
#: A row that reports while parked costs this much charge, besides the sleeping current.
SLEEP_A = 0.035

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LvConstants:
    """Constants of the 12 V system and its faults; (F,)."""

    capacity_ah: Floats
    ohm: Floats  #: at 25 °C and full
    wake_a: Floats
    set_v: Floats
    ageing_at_s: Floats
    ageing_per_s: Floats
    ageing_takes_s: Floats
    drain_at_s: Floats
    drain_a: Floats
    sag_at_s: Floats
    sag_takes_s: Floats

    @classmethod
    def draw(cls, plan: Plan, chance: VehicleChance) -> LvConstants:
        """Draw the constants of each vehicle and read its faults."""
        own = chance.uniform(4)
        mode, shape = FailureMode.LV_BATTERY, (plan.count,)
        old, drained = list(plan.of(mode, "ageing")), list(plan.of(mode, "drain"))
        sags = list(plan.of(FailureMode.DCDC_FAULT))
        ageing_at = gather(old, "at_s", shape, NEVER)
        is_old = np.isfinite(ageing_at)
        winter = gather(list(plan.of("winter_lv")), "magnitude", shape, 1.0)
        return cls(
            capacity_ah=50.0 + 20.0 * own[:, 0],
            ohm=np.where(is_old, WAKE_OHM, (0.005 + 0.002 * own[:, 1]) * winter),
            wake_a=np.where(is_old, WAKE_A, 40.0 + 40.0 * own[:, 2]),
            set_v=14.0 + 0.25 * own[:, 3],
            ageing_at_s=ageing_at,
            ageing_per_s=gather(old, "grows_per_s", shape, 0.0),
            ageing_takes_s=gather(old, "takes_s", shape, 1.0),
            drain_at_s=gather(drained, "at_s", shape, NEVER),
            drain_a=gather(drained, "amperes", shape, 0.0),
            sag_at_s=gather(sags, "at_s", shape, NEVER),
            sag_takes_s=gather(sags, "takes_s", shape, 1.0),
        )


@dataclass(slots=True, kw_only=True)
class LvState:
    """What changes; (F,)."""

    soc: Floats
    surface_v: Floats  #: charge that has not spread yet
    sulphated: Floats  #: growth of resistance that low charge has left, 0 at first
    voltage_v: Floats
    current_a: Floats  #: into the battery
    dcdc_degc: Floats
    night_v: Floats  #: lowest rest of this night
    low_nights: Floats
    low_at_s: Floats  #: third low night in a row

    @classmethod
    def begin(cls, c: LvConstants, ambient_degc: Floats, chance: VehicleChance) -> LvState:
        """Return batteries at 85-100 % that have rested."""
        own = chance.uniform(1)[:, 0]
        zero = np.zeros_like(ambient_degc)
        soc = 0.85 + 0.15 * own
        return cls(
            soc=soc,
            surface_v=zero,
            sulphated=zero.copy(),
            voltage_v=EMPTY_V + (FULL_V - EMPTY_V) * soc,
            current_a=zero.copy(),
            dcdc_degc=ambient_degc.copy(),
            night_v=np.full_like(zero, np.inf),
            low_nights=zero.copy(),
            low_at_s=np.full_like(zero, np.inf),
        )


def advance_low_voltage(
    state: LvState,
    c: LvConstants,
    *,
    time_s: Floats,
    dt_s: Floats,
    is_awake: Mask,
    wakes: Mask,
    ambient_degc: Floats,
    coolant_degc: Floats,
    rain: Floats,
    is_dark: Mask,
) -> None:
    """Move the 12 V system on by ``dt_s``; every argument (F,).

    Awake the converter holds its voltage and charges; asleep the battery feeds the sleepers. At the instant
    of waking the battery alone bears the inrush: V = rest voltage - I R. Below 60 % charge it sulphates.
    """
    since = np.maximum(time_s - np.where(np.isfinite(c.ageing_at_s), c.ageing_at_s, time_s), 0.0)
    grown = np.exp(np.minimum(c.ageing_per_s * since, 4.0))
    capacity = c.capacity_ah * np.maximum(1.0 - 0.6 * since / c.ageing_takes_s, 0.3)
    ohm = c.ohm * grown * (1.0 + state.sulphated) * np.exp(0.012 * (25.0 - ambient_degc))
    ohm *= 1.0 + 0.6 * np.exp(-np.clip(state.soc, 0.0, 1.0) / 0.2)
    sag = np.maximum((time_s - c.sag_at_s) / c.sag_takes_s, 0.0)

    load = 28.0 + 0.45 * np.abs(ambient_degc - 21.0) + 0.1 * rain + np.where(is_dark, 9.0, 0.0)
    target = c.set_v - 0.012 * (ambient_degc - 20.0)
    output = target - np.minimum(0.3 * sag * load / 40.0, 2.5)
    rested = EMPTY_V + (FULL_V - EMPTY_V) * np.clip(state.soc, -0.3, 1.0)
    accepts = np.minimum(25.0, 0.3 + 2.5 * np.maximum(1.0 - state.soc, 0.0) * capacity)
    accepts *= np.clip(0.4 + 0.02 * (ambient_degc + 10.0), 0.3, 1.0)
    charge = np.clip((output - rested - 0.5) / 1.2, -3.0, 1.0) * accepts
    drain = SLEEP_A + np.where(time_s > c.drain_at_s, c.drain_a, 0.0)
    current = np.where(is_awake, charge, -drain)
    # A step that ends a rest was asleep all along.
    state.soc = np.clip(state.soc + current * dt_s / 3600.0 / capacity, -0.2, 1.0)
    spread = np.exp(-dt_s / SURFACE_S)
    state.surface_v = np.where(is_awake & (charge > 0), 0.35, state.surface_v * spread)
    rested = EMPTY_V + (FULL_V - EMPTY_V) * np.clip(state.soc, -0.3, 1.0)
    state.sulphated += np.maximum(0.6 - state.soc, 0.0) * dt_s / (30.0 * DAY_S)
    state.voltage_v = np.where(
        wakes,
        rested + 0.5 * state.surface_v - c.wake_a * ohm,
        np.where(is_awake, np.where(charge > 0, output, rested), rested + state.surface_v - drain * ohm),
    )
    state.current_a = np.where(wakes, -c.wake_a, current)
    losses = np.where(is_awake, 3.0 + 0.22 * (load + np.maximum(charge, 0.0)) + 10.0 * sag, 0.0)
    level = np.where(is_awake, coolant_degc, ambient_degc) + losses
    state.dcdc_degc += (level - state.dcdc_degc) * -np.expm1(-dt_s / 300.0)

    is_quiet = ~is_awake & ~wakes & (state.surface_v < 0.05)
    state.night_v = np.where(is_quiet, np.minimum(state.night_v, rested), state.night_v)


def close_night(state: LvState, time_s: Floats) -> None:
    """Count the night that ends: three low ones in a row are the limit."""
    is_low = state.night_v < LOW_REST_V
    state.low_nights = np.where(is_low, state.low_nights + 1.0, 0.0)
    state.low_at_s = np.where(
        state.low_nights >= LOW_NIGHTS, np.minimum(state.low_at_s, time_s), state.low_at_s
    )
    state.night_v = np.full_like(state.night_v, np.inf)
