from datetime import UTC, datetime

import numpy as np
import pytest

from data.records import Family, FamilyRows
from simulators.batches import join_rows, select_rows
from simulators.fleet import Fleet, build_fleet
from simulators.history import History
from simulators.live import LiveFleet

FAULTS = {"tire_puncture": 1, "tire_blowout_risk": 1, "battery_thermal_event:charged": 1}
LASTS_S = 1000


@pytest.fixture(scope="module")
def present() -> tuple[Fleet, History, dict[Family, FamilyRows]]:
    """A quarter of an hour of the present of four vehicles, three of which come to grief."""
    start = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
    fleet = build_fleet(4, seed=25, start=start, days=1, faults=FAULTS, decoys=0, timing="ahead")
    history = History(fleet)
    for _ in history.traces(fleet.end_s):
        pass
    live = LiveFleet(history, fleet.end_s)
    told: dict[Family, list[FamilyRows]] = {f: [] for f in (Family.DRIVE, Family.TIRE, Family.CELL)}
    for second in range(1, LASTS_S):
        for rows in live.advance(fleet.end_s + second) or ():
            told[rows.family].append(rows)
    return fleet, history, {family: join_rows(rows) for family, rows in told.items()}


def of_kind(fleet: Fleet, told: dict[Family, FamilyRows], kind: str, family: Family) -> FamilyRows:
    one = next(fleet.plan.of(kind))
    return select_rows(told[family], told[family].vehicle_id == one.vehicle)


def test_hazards_begin_when_planned_and_are_told_every_second(
    present: tuple[Fleet, History, dict[Family, FamilyRows]],
) -> None:
    fleet, history, told = present
    for one in fleet.plan.injections:
        rows = of_kind(fleet, told, one.kind, Family.DRIVE)
        since = rows.time_us / 1e6 - one.at_s
        during = (since > 5) & (since < 100)

        assert history.hazard_s[one.vehicle] == one.at_s
        assert np.median(np.diff(rows.time_us[during])) == pytest.approx(1e6)


def test_puncture_lets_the_air_out_at_its_rate(
    present: tuple[Fleet, History, dict[Family, FamilyRows]],
) -> None:
    fleet, history, told = present
    one = next(fleet.plan.of("tire_puncture"))
    tires = of_kind(fleet, told, "tire_puncture", Family.TIRE)
    kpa = tires.columns["tire.pressure"][:, one.element]
    minutes = (tires.time_us / 1e6 - one.at_s) / 60.0
    first = (minutes > 0) & (kpa > 150.0)
    slope = -np.polyfit(minutes[first], kpa[first], 1)[0]

    assert first.sum() > 20
    assert slope == pytest.approx(one.magnitude, rel=0.5)
    assert history.state.tires.amount_kpa[one.vehicle, one.element] < 300.0


def test_belt_heats_until_the_tire_bursts(present: tuple[Fleet, History, dict[Family, FamilyRows]]) -> None:
    fleet, history, told = present
    one = next(fleet.plan.of("tire_blowout_risk"))
    tires = of_kind(fleet, told, "tire_blowout_risk", Family.TIRE)
    hot = np.nanmax(tires.columns["tire.temperature"][:, one.element])
    burst_s = history.state.tires.burst_at_s[one.vehicle, one.element]

    assert np.isfinite(burst_s)
    assert burst_s - one.at_s > 300.0
    assert hot > 90.0
    assert np.nanmin(tires.columns["tire.pressure"][:, one.element]) < 30.0


def test_runaway_drops_a_cell_heats_the_probes_and_falls_silent(
    present: tuple[Fleet, History, dict[Family, FamilyRows]],
) -> None:
    fleet, history, told = present
    one = next(fleet.plan.of("battery_thermal_event"))
    cells = of_kind(fleet, told, "battery_thermal_event", Family.CELL)
    fire = history.runaways[0]
    volts = cells.columns["cell.voltage"][:, int(one.p["cell"])]
    rise = np.diff(np.nanmax(cells.columns["cell.temperature"], axis=1))

    assert volts[-1] < 0.75 * volts[0]
    assert rise.max() >= 1.0
    assert cells.time_us[-1] / 1e6 < fire.silent_s
    assert len(history.truths()) == 3
