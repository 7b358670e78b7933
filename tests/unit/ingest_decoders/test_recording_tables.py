"""CSV recordings, on small tables written by the tests."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from data.records import Family, FamilyRows, VehicleSpec
from ingest.recordings import Recording, RecordingError, open_recording
from ingest.recordings.masks import time_since_change

EV_HEADER = (
    "tboxTime,BMSChargeStatus,vehSpeed,BMSBatteryVoltage,BMSBatteryCurrent,vehBMSPackSOC,BMSProbeTempMax,"
    "BMSWarningInformation,vehOdo,insulationResistance,V_1,V_2,V_3,T_1,T_2"
)
LEAF_HEADER = (
    "epoch_s,Date/Time,Elv,Speed,SOC,AHr,Pack Volts,Pack Amps,Pack T1 C,12v Bat Volts,SOH,Odo(km),"
    "TP-FL,TP-FR,TP-RR,TP-RL,Ambient,Charge Mode,Gear,CP1,CP2,CP3"
)


def write_ev(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([EV_HEADER, *rows]) + "\n")
    return path


def rows_of(recording: Recording, family: Family) -> FamilyRows:
    return next(batch for batch in recording.batches if batch.family is family)


@pytest.fixture
def ev_file(tmp_path: Path) -> Path:
    return write_ev(
        tmp_path / "car.csv",
        "2019-04-15 17:42:30,3,36.3,351.2,44.3,92,29,0,18837.7,5.0,3.960,3.950,66.535,65,0",
        "2019-04-15 17:43:00,1,0,352.2,-20.5,92,29,2,18837.8,5.0,3.961,0,3.955,66,67",
        "2019-04-15 17:43:00,1,0,352.2,-20.5,92,29,2,18837.8,5.0,3.961,0,3.955,66,67",
        "never,1,0,352.2,-20.5,92,29,2,18837.8,5.0,3.961,0,3.955,66,67",
        "2019-04-15 17:43:30,1,0,352.2,-20.5,92,29,2,0,1.2,3.961,3.952,3.955,66,67",
        "2019-04-15 17:44:00,1,0,352.2,-20.5,92,29,3,18837.8,5.0,3.961,3.952,3.955,66,67",
    )


def test_china_time_becomes_utc_and_duplicates_are_counted(ev_file: Path) -> None:
    recording = open_recording(ev_file)

    assert recording.format == "ev-cells-csv"
    assert recording.rows == 6
    assert recording.first.isoformat() == "2019-04-15T09:42:30+00:00"
    assert recording.last.isoformat() == "2019-04-15T09:44:00+00:00"
    assert recording.skipped["row: duplicate time"] == 1
    assert recording.skipped["row: unreadable time"] == 1


def test_current_is_positive_into_the_battery_after_reading(ev_file: Path) -> None:
    drive = rows_of(open_recording(ev_file), Family.DRIVE)

    np.testing.assert_array_equal([-44.3, 20.5, 20.5, 20.5], drive.columns["pack.current"])


def test_unavailable_cells_are_masked_and_raw_probe_bytes_converted(ev_file: Path) -> None:
    recording = open_recording(ev_file)
    cells = rows_of(recording, Family.CELL)

    np.testing.assert_array_equal([3.96, 3.95, np.nan], cells.columns["cell.voltage"][0])
    np.testing.assert_array_equal([3.961, np.nan, 3.955], cells.columns["cell.voltage"][1])
    np.testing.assert_array_equal([25, np.nan], cells.columns["cell.temperature"][0])
    assert recording.skipped["cell.voltage: sentinel"] == 2
    assert recording.skipped["cell.temperature: sentinel"] == 1
    assert recording.skipped["odometer: sentinel"] == 1


def test_each_rise_of_the_alarm_level_is_one_event(ev_file: Path) -> None:
    events = open_recording(ev_file).events

    assert [event.level for event in events] == [2, 3]
    assert all(event.kind == "alarm" for event in events)


def test_insulation_that_never_reaches_the_legal_limit_is_taken_as_megaohm(ev_file: Path) -> None:
    recording = open_recording(ev_file)

    np.testing.assert_allclose(
        [5000, 5000, 1200, 5000], rows_of(recording, Family.DRIVE).columns["insulation"]
    )
    assert any("MΩ" in note for note in recording.notes)


def test_zip_and_gzip_read_like_the_plain_file(ev_file: Path, tmp_path: Path) -> None:
    packed = tmp_path / "car.csv.gz"
    packed.write_bytes(gzip.compress(ev_file.read_bytes()))
    zipped = tmp_path / "car.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(ev_file, "inner.csv")

    assert open_recording(ev_file).decoded == open_recording(packed).decoded == open_recording(zipped).decoded


def test_vehicle_is_inferred_where_no_model_is_given(ev_file: Path) -> None:
    spec = open_recording(ev_file, placard_kpa=240).spec

    assert (
        spec.chemistry,
        spec.cell_count,
        spec.probe_count,
        spec.placard_kpa,
    ) == ("NCM", 3, 2, (240.0,) * 4)


def test_model_with_another_number_of_cells_is_refused(ev_file: Path) -> None:
    spec = VehicleSpec(
        model_id="m96",
        chemistry="NCM",
        cell_count=96,
        probe_count=2,
        capacity_ah=100,
        wheels=("a", "b", "c", "d"),
        placard_kpa=(250,) * 4,
    )

    with pytest.raises(RecordingError, match="has 3 cells, vehicle model 'm96' has 96"):
        open_recording(ev_file, spec=spec)


def leaf_row(second: int, *, elv: int = 1000, speed: float = 36.0, tires: str = "36,36.25,36.5,36.75") -> str:
    km = 1000 + second * 0.01
    return (
        f"{1535665490 + second},08/30/2018 15:44:50,{elv},{speed},493530,529020,375.5,2.75,24.9,12.96,80.89,"
        f"{km},{tires},77.0,0,4,3915,-3914,3916"
    )


def write_leaf(path: Path, rows: list[str], header: str = LEAF_HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_wheels_come_in_catalogue_order_and_units_are_metric(tmp_path: Path) -> None:
    recording = open_recording(write_leaf(tmp_path / "leaf.csv", [leaf_row(0), leaf_row(6)]))
    drive, tires = rows_of(recording, Family.DRIVE), rows_of(recording, Family.TIRE)
    cells = rows_of(recording, Family.CELL)

    assert recording.format == "leafspy-csv"
    np.testing.assert_allclose(
        np.array([36, 36.25, 36.75, 36.5]) * 6.894757, tires.columns["tire.pressure"][0]
    )
    assert tuple(
        round(float(drive.columns[a][0]), 6)
        for a in ("ambient", "altitude", "speed", "pack.current", "soc", "gear")
    ) == (25.0, 1000, 36.0, -2.75, 49.353, 127)
    np.testing.assert_array_equal([3.915, np.nan, 3.916], cells.columns["cell.voltage"][0])
    assert recording.spec.time_zone == "Etc/GMT+6"


def test_fahrenheit_columns_mean_feet_and_miles(tmp_path: Path) -> None:
    header = LEAF_HEADER.replace("Pack T1 C", "Pack T1 F")
    recording = open_recording(write_leaf(tmp_path / "leaf.csv", [leaf_row(0), leaf_row(6)], header))
    drive = rows_of(recording, Family.DRIVE)

    np.testing.assert_allclose([304.8, 304.8], drive.columns["altitude"])
    np.testing.assert_allclose([57.936384] * 2, drive.columns["speed"])


def test_odometer_decides_the_unit_of_speed_where_rows_are_dense(tmp_path: Path) -> None:
    header = LEAF_HEADER.replace("Pack T1 C", "Pack T1 F")
    rows = [leaf_row(second) for second in range(0, 6000, 10)]

    drive = rows_of(open_recording(write_leaf(tmp_path / "leaf.csv", rows, header)), Family.DRIVE)

    np.testing.assert_allclose(drive.columns["altitude"], 1000)


def test_pressures_not_yet_received_are_masked(tmp_path: Path) -> None:
    rows = [leaf_row(0, tires="0,36,63.75,36"), leaf_row(6)]

    recording = open_recording(write_leaf(tmp_path / "leaf.csv", rows))

    first = rows_of(recording, Family.TIRE).columns["tire.pressure"][0]
    np.testing.assert_array_equal([True, False, False, True], np.isnan(first))
    assert recording.skipped["tire.pressure: sentinel"] == 2


def test_age_counts_from_the_last_change_across_pauses() -> None:
    values = np.array([[250.0], [250.0], [252.0], [np.nan], [252.0], [251.0]])
    times = np.array([0, 10, 20, 30, 3620, 3630]) * 1_000_000

    np.testing.assert_array_equal(
        [np.nan, np.nan, 0, np.nan, 3600, 0], time_since_change(values, times)[:, 0]
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"a,b,c\n1,2,3\n", "none of the formats"),
        (b"\x1f\x8b\x00broken", "damaged archive"),
        (b"PK\x03\x04broken", "damaged archive"),
        (b"tboxTime,V_1\n2019-04-15 17:42:30,3.9\n", "'BMSBatteryCurrent' is missing"),
        (b"tboxTime,V_1,BMSBatteryCurrent\nsoon,3.9,1\n", "no row has a tboxTime"),
        (b"tboxTime,V_1,BMSBatteryCurrent\n", "a header and no rows"),
        (b"\x00\x01\x02\xff\xfe" * 50, "none of the formats"),
    ],
)
def test_wrong_file_gives_one_clear_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)

    with pytest.raises(RecordingError, match=words) as caught:
        open_recording(path)

    assert "\n" not in str(caught.value)


def test_absent_file_and_unknown_format_are_named(tmp_path: Path, ev_file: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        open_recording(tmp_path / "absent.csv")
    with pytest.raises(RecordingError, match="'mf4': must be one of"):
        open_recording(ev_file, format="mf4")
    with pytest.raises(RecordingError, match="placard 3: must be 50 to 1500 kPa"):
        open_recording(ev_file, placard_kpa=3)


def test_rows_with_too_many_columns_are_counted_and_trailing_commas_are_not(tmp_path: Path) -> None:
    path = tmp_path / "car.csv"
    path.write_text(
        "tboxTime,V_1,BMSBatteryCurrent\n"
        "2019-04-15 17:42:30,3.9,1,\n"
        "2019-04-15 17:43:00,3.9,1,2,3,4\n"
        "2019-04-15 17:43:30,3.9\n"
    )

    recording = open_recording(path)

    assert (recording.rows, len(rows_of(recording, Family.CELL))) == (3, 2)
    assert recording.skipped == {"row: wrong number of columns": 1}
