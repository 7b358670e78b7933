"""Who the vehicles are: where they live, how they are used, how old they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.records import VehicleSpec
from simulators.day_level.chance import Flags, Floats, Ints, PartChance
from simulators.day_level.weather import REGIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Constants of the vehicles of one part, all of one model; (F,)."""

    vehicle: Ints  #: index in the fleet
    spec: VehicleSpec
    region: Ints
    altitude_m: Floats
    is_garaged: Flags  #: stands indoors at night
    is_taxi: Flags
    drive_h: Floats  #: a usual day under way
    parked_share: Floats  #: of days without a trip, 0.05-0.2
    gap_rate: Floats  #: beginnings of days unheard of (underground, no network), per day
    charge_from: Floats  #: state of charge, 0-1, below which it is plugged in
    charge_to: Floats
    fast_share: Floats  #: of charges with direct current
    age_years: Floats
    consumption_kwh_per_km: Floats
    mass_kg: Floats
    energy_kwh: float  #: of the pack when new
    has_barometer: Flags  #: or an altitude
    tells_health: Flags
    has_rain_sensor: Flags
    has_pump_signals: Flags
    has_converter_sensor: Flags
    has_lv_current: Flags

    def __len__(self) -> int:
        return len(self.vehicle)


def draw_population(chance: PartChance, vehicle: Ints, spec: VehicleSpec) -> Population:
    """Return the vehicles of a part: one in ten a taxi, 60 % at sea level, 30 % at 200 m, 10 % at 1000 m."""
    u = chance.topic("population").uniform(14).astype(np.float64)
    is_taxi = u[:, 0] < 0.1
    region = np.minimum((u[:, 1] * REGIONS).astype(np.int64), REGIONS - 1)
    altitude = np.select([u[:, 2] < 0.6, u[:, 2] < 0.9], [np.zeros(len(u)), np.full(len(u), 200.0)], 1000.0)
    fitted = chance.topic("fitted").uniform(6)
    nominal_v = 3.70 if spec.chemistry == "NCM" else 3.25
    return Population(
        vehicle=vehicle,
        spec=spec,
        region=region,
        altitude_m=altitude + 25.0 * u[:, 3],
        is_garaged=u[:, 4] < 0.35,
        is_taxi=is_taxi,
        drive_h=np.where(is_taxi, 5.0 + 3.0 * u[:, 5], 0.5 * np.exp(1.2 * u[:, 5])),
        parked_share=np.where(is_taxi, 0.03, 0.05 + 0.15 * u[:, 6]),
        gap_rate=np.where(u[:, 7] < 0.5, 1 / 300.0, 1 / 60.0),
        charge_from=0.25 + 0.4 * u[:, 8],
        # makers ask for full charges of LFP, whose state of charge is lost otherwise
        charge_to=np.where(u[:, 9] < (0.35 if spec.chemistry == "NCM" else 0.85), 1.0, 0.8 + 0.15 * u[:, 9]),
        fast_share=np.where(is_taxi, 0.7, 0.3 * u[:, 10]),
        age_years=6.0 * u[:, 11],
        consumption_kwh_per_km=0.11 + 0.06 * u[:, 12],
        mass_kg=1500.0 + 800.0 * u[:, 13],
        energy_kwh=nominal_v * spec.cell_count * spec.capacity_ah / 1000.0,
        has_barometer=fitted[:, 0] < 0.9,
        tells_health=fitted[:, 1] < 0.75,
        has_rain_sensor=fitted[:, 2] < 0.7,
        has_pump_signals=fitted[:, 3] < 0.7,
        has_converter_sensor=fitted[:, 4] < 0.8,
        has_lv_current=fitted[:, 5] < 0.85,
    )
