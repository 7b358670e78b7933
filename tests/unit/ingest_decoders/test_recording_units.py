"""Recordings that hold several vehicles or tests, laboratory cells and tables of trucks."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.records import Family, FamilyRows
from ingest.recordings import Recording, RecordingError, open_recording, open_recordings

PSI = 6.894757


def rows_of(recording: Recording, family: Family) -> FamilyRows:
    return next(batch for batch in recording.batches if batch.family is family)


def tire_table() -> pd.DataFrame:
    rows = [
        (vehicle, tire, f"2025-01-01 06:{minute:02d}:00+00:00", psi + minute / 10, 12.5, 64.6, 6.0)
        for vehicle, psi in (("B", 32.0), ("A", 30.0))
        for minute in (30, 0)
        for tire in ("RL", "FL", "RR", "FR")
    ]
    table = pd.DataFrame(
        rows,
        columns=["vehicle_id", "tire_id", "timestamp", "pressure", "temperature", "speed", "ambient_temp"],
    )
    return table.assign(label="normal")


def test_each_vehicle_of_a_tire_table_is_a_recording(tmp_path: Path) -> None:
    table = tire_table()
    table.loc[table["tire_id"] == "RL", "pressure"] = 20.0
    table.to_csv(tmp_path / "tires.csv", index=False)

    first, second = open_recordings(tmp_path / "tires.csv")

    assert [(r.unit, r.format, r.rows) for r in (first, second)] == [
        ("A", "aws-tires", 8),
        ("B", "aws-tires", 8),
    ]
    pressure = rows_of(first, Family.TIRE).columns["tire.pressure"]
    np.testing.assert_allclose(pressure[0] / PSI, [30, 30, 20, 30])
    np.testing.assert_allclose(pressure[1] / PSI, [33, 33, 20, 33])
    assert float(rows_of(first, Family.DRIVE).columns["ambient"][0]) == 6.0
    assert first.decoded["tire.temperature"] == 8


def test_parquet_files_of_a_folder_are_one_recording(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    january, february = tire_table(), tire_table()
    february["timestamp"] = february["timestamp"].str.replace("2025-01", "2025-02")
    january.to_parquet(tmp_path / "1.parquet")
    february.to_parquet(tmp_path / "2.parquet")
    (tmp_path / "episodes.csv").write_text("another,table\n")

    recording = open_recording(tmp_path, unit="B")

    assert (recording.rows, recording.vehicle_days) == (16, 2)
    assert len(rows_of(recording, Family.TIRE)) == 4


def test_rows_of_an_unknown_wheel_or_time_and_doubled_rows_are_counted(tmp_path: Path) -> None:
    table = tire_table()
    table.loc[0, "tire_id"] = "SPARE"
    table.loc[1, "timestamp"] = "never"
    doubled = table.iloc[[2]].assign(pressure=99.0)
    pd.concat([table, doubled]).to_csv(tmp_path / "tires.csv", index=False)

    recording = open_recording(tmp_path / "tires.csv", unit="B")

    assert recording.skipped == {
        "row: unknown tire_id": 1,
        "row: unreadable time": 1,
        "row: duplicate time": 1,
    }
    assert float(np.nanmax(rows_of(recording, Family.TIRE).columns["tire.pressure"])) < 36 * PSI


ABUSE = "test,t_s,voltage_v,temp_c,force_n,disp_mm\n"


def test_a_test_without_a_date_is_a_vehicle_of_one_cell(tmp_path: Path) -> None:
    file = tmp_path / "abuse.csv.gz"
    lines = "nail,0.2,,23.8,1,\nnail,0.0,4.142,23.7,1,\ncrush,0.0,3.3,900,1,\ncrush,0.2,-0.05,30,1,\n"
    file.write_bytes(gzip.compress((ABUSE + lines).encode()))

    crush, nail = open_recordings(file)

    cells = rows_of(nail, Family.CELL)
    np.testing.assert_array_equal(cells.columns["cell.voltage"], [[4.142], [np.nan]])
    np.testing.assert_array_equal(np.diff(cells.time_us), [200_000])
    assert (nail.first.isoformat(), nail.spec.cell_count, nail.spec.chemistry) == (
        "2020-01-01T00:00:00+00:00",
        1,
        "NCM",
    )
    assert crush.skipped == {"cell.voltage: out of range": 1, "cell.temperature: out of range": 1}
    assert crush.spec.chemistry == "LFP"


def test_several_vehicles_need_a_name_and_the_name_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "abuse.csv"
    file.write_text(ABUSE + "a,0,4,20,1,\nb,0,4,20,1,\n")

    with pytest.raises(RecordingError, match=r"several vehicles or tests \(a, b, …\): name one with --unit"):
        open_recording(file)
    with pytest.raises(RecordingError, match="test 'c': must be one of a, b"):
        open_recording(file, unit="c")
    assert open_recording(file, unit="b").unit == "b"


def test_a_file_of_one_vehicle_takes_no_unit(tmp_path: Path) -> None:
    file = tmp_path / "cell.csv"
    file.write_text(NASA + "4.19,-2,24,0,0,0,1\n")

    with pytest.raises(RecordingError, match="format nasa-csv holds one vehicle"):
        open_recording(file, unit="1")


NASA = "voltage_v,current_a,temp_c,current_load_a,voltage_load_v,t_s,cycle\n"


def test_each_cycle_of_a_laboratory_cell_is_a_day_and_its_current_flows_out(tmp_path: Path) -> None:
    file = tmp_path / "cell.csv"
    file.write_text(NASA + "4.19,-2,24,0,0,0,3\n3.9,-2,25,0,0,60,3\n4.18,-2,24,0,0,0.5,4\n")

    recording = open_recording(file)
    drive = rows_of(recording, Family.DRIVE)

    np.testing.assert_array_equal(np.diff(drive.time_us), [60_000_000, 86_340_500_000])
    np.testing.assert_array_equal(drive.columns["pack.current"], [-2, -2, -2])
    np.testing.assert_array_equal(
        rows_of(recording, Family.CELL).columns["cell.voltage"][:, 0], [4.19, 3.9, 4.18]
    )
    assert recording.vehicle_days == 2


def test_a_cycle_longer_than_a_day_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cell.csv"
    file.write_text(NASA + "4.19,-2,24,0,0,90000,1\n")

    with pytest.raises(RecordingError, match="t_s 90000: must be from 0 to a day"):
        open_recording(file)


def test_codes_above_a_parameters_range_are_not_values(tmp_path: Path) -> None:
    file = tmp_path / "truck.csv"
    file.write_text(
        "time,84_vehicle_speed,110_engine_coolant_temperature,171_ambient_air_temperature,"
        "108_barometric_pressure,245_odometer,245_to,96_fuel_level\n"
        "2025-10-26 00:00:13,255.996,86,1774.969,127.5,82983.1,81932.8,102\n"
        "2025-10-26 00:01:13,37.5,215,32.4,98.5,82984.1,81933.8,\n"
    )

    recording = open_recording(file)
    drive = rows_of(recording, Family.DRIVE).columns

    assert recording.format == "j1939-csv"
    expected = {
        "speed": [np.nan, 37.5],
        "coolant": [86, np.nan],
        "ambient": [np.nan, 32.4],
        "barometer": [np.nan, 98.5],
        "odometer": [82983.1, 82984.1],
    }
    assert drive.keys() == expected.keys()
    for alias, values in expected.items():
        np.testing.assert_array_equal(drive[alias], values)
    assert sum(recording.skipped.values()) == 4
    assert recording.decoded["96_fuel_level"] == 1


def test_a_tracker_tells_power_ignition_and_place(tmp_path: Path) -> None:
    file = tmp_path / "tracker.csv"
    file.write_text(
        "time,speed,devbattery,carbattery,ignstatus,latitude,longitude\n"
        "2025-10-26 00:00:51,0,4.11,0.05,0,0,0\n"
        "2025-10-26 00:00:21,36.3,4.11,27.16,1,18.76,73.09\n"
        "never,0,4.11,27.16,1,18.76,73.09\n"
    )

    recording = open_recording(file)
    drive = rows_of(recording, Family.DRIVE).columns

    np.testing.assert_array_equal(drive["lv.voltage"], [27.16, 0.05])
    np.testing.assert_array_equal(drive["vehicle.state"], [1, 2])
    np.testing.assert_array_equal(drive["latitude"], [18.76, np.nan])
    assert (recording.has_position, recording.skipped["row: unreadable time"]) == (True, 1)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.parquet", b"PAR1 and then nothing", "not a readable Parquet file"),
        ("a.csv", b"vehicle_id,tire_id,timestamp,pressure\nA,FL,never,30\n", "readable timestamp"),
        ("a.csv", b"vehicle_id,tire_id,timestamp,pressure\nA,XX,2025-01-01,30\n", "has a tire_id of FL"),
        ("a.csv", ABUSE.encode() + b"a,never,4,20,1,\n", "no row of test 'a' has a t_s"),
        ("a.csv", NASA.encode() + b"4,1,20,0,0,never,1\n", "no row has a cycle and a t_s"),
        (
            "a.csv",
            b"time,speed,carbattery,latitude,longitude\nnever,1,2,3,4\n",
            "no row has a time of the form",
        ),
    ],
)
def test_unreadable_tables_are_named_with_the_fault(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(RecordingError, match=words):
        open_recording(tmp_path / name)


def test_a_folder_must_hold_parquet_files(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="a folder without Parquet files"):
        open_recording(tmp_path)
