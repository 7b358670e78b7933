import numpy as np
import pytest

from simulators.climate import DAY_S, air_pressure
from simulators.faults.tire import ATMOSPHERE_KPA, capillary_takes_s
from simulators.fleet import Fleet
from simulators.physics.tires import gauge_pressure


@pytest.mark.parametrize(("degc", "gauge"), [(-10, 214), (0, 226), (10, 238), (40, 274), (60, 298)])
def test_gauge_pressure_follows_the_gas_law(degc: float, gauge: float) -> None:
    amount = np.array(250.0 + 101.325)

    assert gauge == round(float(gauge_pressure(amount, np.array(float(degc)), np.array(101.325))))


@pytest.mark.parametrize(("height_m", "more_kpa"), [(1000, 11.5), (2000, 21.8)])
def test_thinner_air_adds_to_the_gauge(height_m: float, more_kpa: float) -> None:
    amount, degc = np.array(351.325), np.array(20.0)

    rise = gauge_pressure(amount, degc, air_pressure(height_m)) - gauge_pressure(
        amount, degc, air_pressure(0)
    )

    assert more_kpa == pytest.approx(float(rise), abs=0.06)


def test_truth_of_a_leak_shows_in_the_gas_that_is_lost(
    fleet: Fleet, amount_kpa: tuple[np.ndarray, np.ndarray]
) -> None:
    leaks = list(fleet.plan.of("tire_slow_leak"))
    assert len(leaks) == 2
    for leak in leaks:
        time_s, amount = amount_kpa[0][leak.vehicle], amount_kpa[1][leak.vehicle]
        after = time_s > leak.at_s
        days = (time_s[after][-1] - time_s[after][0]) / DAY_S
        lost = (amount[after][0] - amount[after][-1]) / days
        others = np.delete(lost, leak.element)

        assert others.max() < 0.6
        assert leak.magnitude == pytest.approx(lost[leak.element] - np.median(others), rel=0.25)


def test_leak_of_a_demo_reaches_its_threshold_after_the_back_fill(fleet: Fleet) -> None:
    for leak in fleet.plan.of("tire_slow_leak"):
        assert leak.threshold_s > fleet.end_s


def test_crossing_time_solves_the_capillary_law(fleet: Fleet) -> None:
    leak = next(fleet.plan.of("tire_slow_leak"))
    placard, k = fleet.vehicles[leak.vehicle].placard_kpa[leak.element], leak.p["k"]
    level, elapsed = placard + ATMOSPHERE_KPA, 0.0
    while level - ATMOSPHERE_KPA > 0.75 * placard:
        level -= k * (level**2 - ATMOSPHERE_KPA**2) * 600.0
        elapsed += 600.0

    assert elapsed == pytest.approx(capillary_takes_s(k, placard, 0.75 * placard), rel=0.01)
    assert elapsed == pytest.approx(leak.threshold_s - leak.at_s, rel=0.01)


def test_decoys_lose_no_more_gas_than_rubber_lets_through(
    fleet: Fleet, amount_kpa: tuple[np.ndarray, np.ndarray]
) -> None:
    decoys = [i.vehicle for i in fleet.plan.injections if not i.is_fault]
    amount = amount_kpa[1][decoys]
    lost_per_30_days = (amount[:, 0] - amount[:, -1]) / fleet.days * 30.0

    assert len(decoys) == 6
    assert lost_per_30_days.max() < 15.0


def test_cold_front_lowers_the_gauge_but_not_the_gas(fleet: Fleet) -> None:
    climate = fleet.climate
    city = int(np.flatnonzero(climate.front_depth_degc > 0)[0])
    at = climate.front_at_s[city]
    before = climate.temperature(np.array([city]), np.array([at - 12 * 3600.0]))
    after = climate.temperature(np.array([city]), np.array([at + 12 * 3600.0]))

    assert float((before - after)[0]) > 5.0
