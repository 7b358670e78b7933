"""Real CSV recordings read completely and plausibly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.records import Family, FloatArray
from ingest.recordings import Recording, open_recording, open_recordings

pytestmark = pytest.mark.recorded


def column(recording: Recording, family: Family, alias: str) -> FloatArray:
    batch = next(b for b in recording.batches if b.family is family)
    return np.asarray(batch.columns[alias], dtype=np.float64)


def test_car1_has_96_cells_two_days_and_no_alarm(recordings: Path) -> None:
    recording = open_recording(recordings / "ev_cells" / "car1.zip")
    cells = column(recording, Family.CELL, "cell.voltage")

    assert (
        recording.rows,
        recording.spec.cell_count,
        recording.spec.probe_count,
        recording.spec.chemistry,
    ) == (66_666, 96, 24, "NCM")
    assert recording.skipped == {"row: duplicate time": 6, "cell.voltage: sentinel": 1537}
    assert 3.4 < float(np.nanmin(cells)) < float(np.nanmax(cells)) < 4.25
    assert not recording.events


def test_car2_cell_82_lies_lowest_in_august(recordings: Path) -> None:
    recording = open_recording(recordings / "ev_cells" / "car2.zip")
    cells = column(recording, Family.CELL, "cell.voltage")
    contrast = np.nanmedian(cells[-1000:] - np.nanmedian(cells[-1000:], axis=1, keepdims=True), axis=0)

    assert (recording.rows, recording.spec.cell_count, recording.spec.probe_count) == (14_385, 88, 19)
    assert int(np.argmin(contrast)) + 1 == 82
    assert float(np.nanmax(column(recording, Family.CELL, "cell.temperature"))) < 50
    days = {
        np.datetime64(e.time_us + 8 * 3_600_000_000, "us").astype("datetime64[D]")
        for e in recording.events
        if e.level == 3
    }
    assert {np.datetime64(f"2019-{d}") for d in ("05-10", "06-17", "07-15", "08-03")} <= days


def test_leaf_year_is_metric_and_tires_stay_near_their_placard(recordings: Path) -> None:
    recording = open_recording(recordings / "leaf_tires" / "leaf_2018-03_2019-01.csv.gz")

    assert recording.rows == 17_839
    assert float(np.nanmax(column(recording, Family.DRIVE, "altitude"))) == 1795
    assert float(np.nanmax(column(recording, Family.DRIVE, "speed"))) < 130
    pressure = column(recording, Family.TIRE, "tire.pressure")
    assert 200 < float(np.nanmin(pressure)) < float(np.nanmax(pressure)) < 290
    assert recording.skipped["tire.pressure: sentinel"] == 38


def test_leaf_trips_are_imperial(recordings: Path) -> None:
    paths = sorted((recordings / "leaf_trips").glob("*.csv"))
    highest = []
    for path in paths:
        recording = open_recording(path)
        highest.append(float(np.nanmax(column(recording, Family.DRIVE, "altitude"))))
        assert 90 < float(np.nanmax(column(recording, Family.DRIVE, "speed"))) < 140

    assert len(paths) == 6
    assert round(max(highest)) == 3042


def test_abuse_tests_are_vehicles_of_one_cell(recordings: Path) -> None:
    (path,) = (recordings / "cell_abuse").glob("*.csv.gz")
    tests = list(open_recordings(path))

    assert (len(tests), sum(test.rows for test in tests)) == (109, 642_915)
    assert {test.spec.cell_count for test in tests} == {1}
    fire = next(test for test in tests if test.unit == "NissanLeaf-60SOC-cell4")
    assert float(np.nanmax(column(fire, Family.CELL, "cell.temperature"))) > 150
    assert float(np.nanmin(column(fire, Family.CELL, "cell.voltage"))) < 0.5


def test_laboratory_cells_give_their_capacity(recordings: Path) -> None:
    recording = open_recording(recordings / "nasa_cells" / "B0005_discharge.csv.gz")
    drive = next(batch for batch in recording.batches if batch.family is Family.DRIVE)
    first = drive.time_us < drive.time_us[0] + 86_400_000_000
    hours = drive.time_us[first] / 3.6e9
    voltage, current = (drive.columns[name][first] for name in ("pack.voltage", "pack.current"))
    until = int(np.argmax(voltage < 2.7))

    assert recording.vehicle_days == 168
    assert -float(np.trapezoid(current[: until + 1], hours[: until + 1])) == pytest.approx(1.856, rel=0.01)


def test_tire_telemetry_of_many_vehicles(recordings: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    vehicles = list(open_recordings(recordings / "tires_aws"))

    assert (len(vehicles), sum(vehicle.rows for vehicle in vehicles)) == (50, 360_136)
    assert {vehicle.vehicle_days for vehicle in vehicles} == {90.0}
    usual = [float(np.nanmedian(column(v, Family.TIRE, "tire.pressure"))) for v in vehicles]
    assert 180 < min(usual) < max(usual) < 230


def test_trucks_have_no_codes_among_their_values(recordings: Path) -> None:
    folder = recordings / "trucks"
    can, tracker = open_recording(folder / "truck1_can.csv.gz"), open_recording(folder / "truck1_gps.csv.gz")

    assert float(np.nanmax(column(can, Family.DRIVE, "barometer"))) < 102
    assert "brake" not in can.decoded
    assert float(np.nanmax(column(can, Family.DRIVE, "speed"))) == 37.613
    assert float(np.nanmin(column(tracker, Family.DRIVE, "lv.voltage"))) == 0
    assert tracker.has_position
    truck2 = open_recording(folder / "truck2_can.csv.gz")
    assert float(np.nanmin(column(truck2, Family.DRIVE, "odometer"))) > 190_000
