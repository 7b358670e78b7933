from __future__ import annotations

import numpy as np
import pytest

from simulators.day_level import DayFleet, TireReadings, draw_fleet, tire_readings

FLEET = draw_fleet(24, 40, seed=1077, faults=["tire_slow_leak"], models=["anxin-sedan-96-ncm"])


def of_vehicle(found: TireReadings, vehicle: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark the readings of a vehicle, each once."""
    counts = found.time_us >= found.counts_from_us[found.row]
    return np.asarray((found.vehicle[found.row] == vehicle) & counts)


def test_vehicle_reads_the_same_in_parts_of_any_size() -> None:
    together = tire_readings(FLEET, np.arange(12))
    for vehicle in (2, 7, 11):
        alone = tire_readings(FLEET, np.array([vehicle]))
        here, there = of_vehicle(together, vehicle), of_vehicle(alone, 0)

        assert np.array_equal(together.time_us[here], alone.time_us[there])
        for name, values in together.columns.items():
            assert np.array_equal(values[here], alone.columns[name][there], equal_nan=True), name


def test_readings_ascend_within_a_piece_and_reach_back_before_it() -> None:
    found = tire_readings(FLEET, np.arange(4), piece_days=10, look_back_days=2)
    same = np.diff(found.row) == 0

    assert (np.diff(found.row) >= 0).all()
    assert (np.diff(found.time_us)[same] > 0).all()
    early = found.time_us < found.counts_from_us[found.row]
    assert early.any()
    assert (found.counts_from_us[found.row] - found.time_us)[early].max() <= 2 * 86_400_000_000


@pytest.mark.parametrize("fleet", [FLEET, draw_fleet(24, 40, seed=1078, mode="healthy")])
def test_gas_behind_the_readings_is_that_of_the_days(fleet: DayFleet) -> None:
    vehicles = np.arange(0, 24, len(fleet.specs))
    part, found = fleet.part(vehicles), tire_readings(fleet, vehicles)
    gauge, degc = found.columns["tire.pressure"], found.columns["tire.temperature"]
    air = np.nan_to_num(found.columns["barometer"], nan=101.3)[:, None]
    gas = (gauge + air) * 293.15 / (degc + 273.15)
    day = np.searchsorted(fleet.midnights_us(), found.time_us, side="right") - 1
    off = []
    for vehicle in range(len(vehicles)):
        mine = of_vehicle(found, vehicle)
        for number in range(fleet.days):
            rows = mine & (day == number)
            if rows.sum() > 20:
                level = np.median(gas[rows], axis=0) - part.sets["tire_days"]["gas_kpa"][vehicle, number]
                off.append(np.median(level))

    assert len(off) > 100
    assert abs(np.nanmedian(off)) < 0.6
    assert np.nanquantile(np.abs(off), 0.9) < 5.0
