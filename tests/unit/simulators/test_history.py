from datetime import UTC, datetime

import numpy as np
import pytest

from data.catalogue import load_catalogue
from data.records import Family, FamilyRows
from simulators.batches import join_rows, select_rows
from simulators.errors import FleetError
from simulators.fleet import Fleet, build_fleet
from simulators.history import History
from simulators.live import LiveFleet
from simulators.physics.chemistry import SOC_KNOTS

Past = dict[Family, FamilyRows]
START = datetime(2026, 1, 5, 20, 0, tzinfo=UTC)
END_S = START.timestamp() + 86_400


def of_vehicle(rows: FamilyRows, row: int) -> FamilyRows:
    return select_rows(rows, rows.vehicle_id == row)


def test_same_seed_gives_the_same_readings() -> None:
    one, other = (
        [
            join_rows(list(day))
            for day in zip(*History(build_fleet(3, seed=5, start=START, days=1)).days(END_S), strict=True)
        ]
        for _ in range(2)
    )

    for rows, again in zip(one, other, strict=True):
        for alias, values in rows.columns.items():
            np.testing.assert_array_equal(values, again.columns[alias])


def test_every_reading_is_within_the_catalogue_range(past: Past) -> None:
    catalogue = load_catalogue()
    for rows in past.values():
        for alias, values in rows.columns.items():
            signal = catalogue.signals[alias]
            low, high = np.nanmin(values), np.nanmax(values)

            assert signal.low <= low, alias
            assert high <= signal.high, alias


def test_nothing_is_missing_but_the_cells_a_smaller_pack_has_not(fleet: Fleet, past: Past) -> None:
    for family in (Family.DRIVE, Family.TIRE):
        for alias, values in past[family].columns.items():
            assert np.isfinite(values).all(), alias
    cells = past[Family.CELL]
    counts = np.array([fleet.models[i].cell_count for i in fleet.model_index])

    np.testing.assert_array_equal(
        np.isfinite(cells.columns["cell.voltage"]).sum(axis=1), counts[cells.vehicle_id]
    )


def test_times_ascend_within_the_span_and_never_repeat(fleet: Fleet, past: Past) -> None:
    for rows in past.values():
        assert rows.time_us.min() >= fleet.start_s * 1e6
        assert rows.time_us.max() <= fleet.end_s * 1e6
        for row in range(len(fleet)):
            assert (np.diff(np.sort(of_vehicle(rows, row).time_us)) > 0).all()


def test_back_fill_stays_within_its_budget_of_rows(fleet: Fleet, past: Past) -> None:
    for rows in past.values():
        assert len(rows) / (len(fleet) * fleet.days) < 350_000 / (60 * 14)


def test_vehicles_drive_charge_and_rest_long_enough_for_cold_readings(fleet: Fleet, past: Past) -> None:
    drive = past[Family.DRIVE].columns
    assert drive["speed"].max() > 60
    assert {1.0, 3.0} <= set(np.unique(drive["charging"]))
    for row in range(len(fleet)):
        mine = of_vehicle(past[Family.DRIVE], row)
        moves = mine.columns["speed"] > 0
        starts = np.flatnonzero(moves[1:] & ~moves[:-1]) + 1
        rest_s = (
            mine.time_us[starts] - np.array([mine.time_us[:s][moves[:s]].max(initial=0) for s in starts])
        ) / 1e6

        assert (rest_s > 3 * 3600).sum() >= fleet.days // 2


def test_tire_readings_stand_still_while_parked_and_are_heard_after_driving_off(
    fleet: Fleet, past: Past
) -> None:
    silent = [i.vehicle for i in fleet.plan.of("hot_stop")]
    assert silent
    tires, drive = of_vehicle(past[Family.TIRE], silent[0]), of_vehicle(past[Family.DRIVE], silent[0])
    parked = drive.columns["speed"] == 0
    pressure, age = tires.columns["tire.pressure"], tires.columns["tire.age"]
    both = parked[1:] & parked[:-1] & (age[:-1, 0] > 120)

    assert both.sum() > 50
    assert (pressure[1:] == pressure[:-1])[both].all()
    assert np.quantile(age[~parked], 0.98) < 300  # a transmission may be lost
    assert age[parked].max() > 3 * 3600


def test_pack_current_is_positive_into_the_battery(past: Past) -> None:
    drive = past[Family.DRIVE].columns

    assert np.median(drive["pack.current"][drive["charging"] == 1]) > 10
    assert np.median(drive["pack.current"][(drive["speed"] > 30)]) < 0


def test_pack_voltage_is_the_sum_of_the_cells(fleet: Fleet, past: Past) -> None:
    cells, drive = of_vehicle(past[Family.CELL], 0), of_vehicle(past[Family.DRIVE], 0)
    at = np.searchsorted(drive.time_us, cells.time_us)
    total = np.nansum(cells.columns["cell.voltage"], axis=1)

    np.testing.assert_allclose(total, drive.columns["pack.voltage"][at], rtol=0.004)


def test_growing_short_separates_its_cell_from_the_pack(fleet: Fleet, past: Past) -> None:
    short = next(fleet.plan.of("cell_internal_short"))
    row, cell = short.vehicle, short.element
    mine, drive = of_vehicle(past[Family.CELL], row), of_vehicle(past[Family.DRIVE], row)
    current = drive.columns["pack.current"][np.searchsorted(drive.time_us, mine.time_us)]
    rested = np.abs(current) < 1.0
    volts = mine.columns["cell.voltage"][rested]
    contrast = 1000 * (volts - np.nanmedian(volts, axis=1)[:, None])
    late = mine.time_us[rested] > (fleet.end_s - 2 * 86_400) * 1e6
    drift = np.median(contrast[late], axis=0) - np.median(contrast[~late], axis=0)[None, :]
    drift = drift.ravel()
    real = np.isfinite(drift)

    assert cell == int(np.flatnonzero(real)[np.argmin(drift[real])])
    assert drift[cell] < -12
    assert np.abs(np.delete(drift[real], cell)).max() < 6


def test_live_continues_where_the_past_ended() -> None:
    fleet = build_fleet(12, seed=11, start=datetime(2026, 1, 5, 10, 0, tzinfo=UTC), days=1)
    history = History(fleet)
    aliases = ("odometer", "soc", "latitude", "longitude")
    last: dict[int, list[float]] = {}
    for drive, *_ in history.days(fleet.end_s):
        for row in set(drive.vehicle_id.tolist()):
            last[row] = [of_vehicle(drive, row).columns[a][-1] for a in aliases]
    live = LiveFleet(history, fleet.end_s)
    first: dict[int, FamilyRows] = {}
    speeds = []
    for second in range(1, 120):
        for row in range(len(fleet)) if (families := live.advance(fleet.end_s + second)) else ():
            mine = of_vehicle(families[0], row)
            if len(mine):
                first.setdefault(row, mine)
                speeds += mine.columns["speed"].tolist()

    assert set(first) == set(last) == set(range(12))
    assert max(speeds) > 5
    for row, mine in first.items():
        jump = np.abs([mine.columns[a][0] - value for a, value in zip(aliases, last[row], strict=True)])
        assert (jump < [2.0, 2.0, 0.02, 0.02]).all(), row
        assert mine.time_us[0] > fleet.end_s * 1e6


def test_decoys_are_never_fewer_than_faults() -> None:
    fleet = build_fleet(60, seed=1, start=START)
    faults = [t for t in fleet.truth if t.is_fault]
    decoys = [t for t in fleet.truth if not t.is_fault]

    assert len(faults) == 5
    assert len(decoys) >= 20
    assert not {t.vin for t in faults} & {t.vin for t in decoys}
    assert len({v.vin for v in fleet.vehicles}) == 60


def test_shorts_of_a_demo_hit_cells_of_nickel_packs_only() -> None:
    for seed in range(5):
        fleet = build_fleet(20, seed=seed, start=START, faults={"cell_internal_short": 4}, timing="ahead")
        shorts = list(fleet.plan.of("cell_internal_short"))

        assert len(shorts) == 4
        assert {"NCM"} == {fleet.model_of(i.vehicle).chemistry for i in shorts}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"n": 0}, "vehicles"),
        ({"days": 0}, "days"),
        ({"start": START.replace(tzinfo=None)}, "start"),
        ({"faults": {"tire_slow_leak": 13}}, "faults"),
        ({"faults": {"rust": 1}}, "rust"),
        ({"faults": {"cooling_loss:rust": 1}}, "cooling_loss:rust"),
        ({"decoys": 13}, "decoys"),
        ({"decoys": {"sunspot": 1}}, "sunspot"),
        ({"models": "tractor"}, "models"),
    ],
)
def test_fleet_that_cannot_be_is_refused_by_name(change: dict[str, object], name: str) -> None:
    arguments: dict[str, object] = {"n": 12, "seed": 1, "start": START, "days": 3, **change}
    n = arguments.pop("n")

    with pytest.raises(FleetError, match=name):
        build_fleet(n, **arguments)  # type: ignore[arg-type] # the bad values are the point


def test_open_circuit_knots_cover_the_whole_charge() -> None:
    assert (SOC_KNOTS[0], SOC_KNOTS[-1]) == (0.0, 1.0)
