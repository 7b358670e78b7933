from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest

from data.catalogue import load_catalogue
from data.records import Family, FamilyRows
from simulators.errors import FleetError
from simulators.fleet import Fleet, build_fleet
from simulators.parts import FleetPart, map_parts, simulate_part, simulate_parts

START = datetime(2026, 1, 5, 20, 0, tzinfo=UTC)
#: One of each that unfolds within minutes, and some that change what sensors say.
FAULTS = {
    "battery_thermal_event:driving": 1,
    "tire_puncture": 1,
    "tire_blowout_risk": 1,
    "cell_internal_short:growing": 1,
    "sensor_fault:tire.pressure/noise": 1,
}
DECOYS = {"loose_sense_wire": 1, "gateway_replay": 1}


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return build_fleet(9, seed=21, start=START, days=4, faults=FAULTS, decoys=DECOYS, models="all")


@pytest.fixture(scope="module")
def whole(fleet: Fleet) -> FleetPart:
    return simulate_part(fleet, 0, len(fleet), days=3)


def columns_of(rows: dict[Family, FamilyRows]) -> Iterator[tuple[str, np.ndarray]]:
    for found in rows.values():
        yield "time", found.time_us
        yield from found.columns.items()


def test_fleet_is_the_same_in_parts_of_any_size(fleet: Fleet, whole: FleetPart) -> None:
    parts = list(simulate_parts(fleet, days=3, vehicles_per_part=5))

    assert [len(p) for p in parts] == [5, 4]
    assert [t for p in parts for t in p.truths] == list(whole.truths)
    for part in parts:
        for row in range(len(part)):
            here = columns_of(whole.rows_of(part.first + row))
            for (name, values), (_, expected) in zip(columns_of(part.rows_of(row)), here, strict=True):
                np.testing.assert_array_equal(values, expected, err_msg=f"{part.first + row} {name}")
        last = part.first + len(part)
        np.testing.assert_array_equal(
            part.states["soh_percent"], whole.states["soh_percent"][part.first : last]
        )


def test_readings_are_what_the_tables_give_back(whole: FleetPart) -> None:
    signals = load_catalogue().signals
    rows = whole.rows_of(0)
    for found in rows.values():
        assert (np.diff(found.time_us) > 0).all()
        for alias, values in found.columns.items():
            assert values.dtype == np.float64
            if signals[alias].sql_type == "real":
                np.testing.assert_array_equal(values, values.astype(np.float32).astype(np.float64))
    millivolts = rows[Family.CELL].columns["cell.voltage"] * 1000
    np.testing.assert_array_equal(rows[Family.CELL].columns["cell.voltage"], np.rint(millivolts) / 1000)


def test_vehicle_has_the_cells_and_probes_of_its_model(whole: FleetPart) -> None:
    for row, spec in enumerate(whole.specs):
        cell = whole.rows_of(row)[Family.CELL].columns

        assert cell["cell.voltage"].shape[1] == spec.cell_count
        assert cell["cell.temperature"].shape[1] == spec.probe_count
        assert np.isfinite(cell["cell.voltage"]).all()


def test_every_signal_of_the_catalogue_that_a_table_of_readings_holds_is_told(whole: FleetPart) -> None:
    wanted = {s.alias for s in load_catalogue().signals.values() if s.family in ("drive", "tire", "cell")}

    assert wanted == {a for found in whole.rows_of(0).values() for a in found.columns}


def test_hazards_are_sampled_by_the_second_and_their_truth_is_what_happened(whole: FleetPart) -> None:
    hazards = {t.kind: t for t in whole.truths if t.kind in ("tire_puncture", "tire_blowout_risk")}
    assert hazards
    for truth in hazards.values():
        assert truth.threshold_at is not None
        tires = whole.rows_of(truth.vehicle)[Family.TIRE]
        since = tires.time_us / 1e6 - truth.onset.timestamp()
        around = np.diff(tires.time_us[(since > 0) & (since < 300)]) / 1e6

        assert truth.onset < truth.threshold_at
        assert np.median(around) <= 5.0


def test_packs_own_voltage_stays_the_sum_of_its_cells_whatever_is_wrong(whole: FleetPart) -> None:
    burning = {t.vehicle for t in whole.truths if t.kind == "battery_thermal_event"}
    for row in set(range(len(whole))) - burning:
        rows = whole.rows_of(row)
        drive, cell = rows[Family.DRIVE], rows[Family.CELL]
        at = np.searchsorted(drive.time_us, cell.time_us)
        total = cell.columns["cell.voltage"].sum(axis=1)

        np.testing.assert_allclose(total, drive.columns["pack.voltage"][at], rtol=0.006)


def vehicles_of(part: FleetPart) -> tuple[int, int]:
    return part.first, len(part)


def test_work_is_done_where_the_part_is_and_comes_back_in_order(fleet: Fleet) -> None:
    found = map_parts(fleet, vehicles_of, days=1, vehicles_per_part=3, workers=2)

    assert list(found) == [(0, 3), (3, 3), (6, 3)]


@pytest.mark.parametrize(("begin", "end", "days"), [(3, 3, 1), (0, 10, 1), (0, 9, 5), (0, 9, 0)])
def test_part_that_cannot_be_is_refused(fleet: Fleet, begin: int, end: int, days: int) -> None:
    with pytest.raises(FleetError):
        simulate_part(fleet, begin, end, days=days)
