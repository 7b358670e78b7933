"""CAN logs of three formats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data.records import Family
from ingest.recordings import CanLog, Recording, RecordingError, open_recording

DBC = """VERSION ""

NS_ :

BO_ 256 Body: 8 XXX
 SG_ Speed : 0|16@1+ (0.1,0) [0|0] "km/h" XXX
 SG_ State : 32|8@1+ (1,0) [0|0] "" XXX

BO_ 2566845491 Tires: 4 XXX
 SG_ FL : 0|8@1+ (5,0) [0|0] "kPa" XXX
"""
MAP = {"Body.Speed": {"alias": "speed"}, "Tires.FL": {"alias": "tire.pressure", "index": 0}}
GVRET = """Time Stamp,ID,Extended,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8
1953613500,00000100,false,0,8,D4,01,00,FF,07,FF,0F,3D
1953613800,18FEF433,true,0,4,32,33,34,35
1953614000,00000100,false,1,8,D5,01,00
1953614100,zz,false,1,8,D5,01,00
1953614200,0000007F,false,1,0
"""
ASC = """date Thu, 09 Nov 2023 20:36:33 GMT
base hex  timestamps absolute
begin triggerblock
   0.153600 0  100\tRx   d 8 D4 01 00 FF 07 FF 0F 3D
   0.253600 0  18FEF433x\tRx   d 4 32 33 34 35
end triggerblock
"""
CANDUMP = """(1700000000.250000) can0 100#D40100FF07FF0F3D
(1700000000.150000) can0 18FEF433#32333435
(1700000000.350000) can0 100#R
not a frame
"""


@pytest.fixture
def bus(tmp_path: Path) -> dict[str, Path]:
    dbc, signal_map = tmp_path / "bus.dbc", tmp_path / "map.json"
    dbc.write_text(DBC)
    signal_map.write_text(json.dumps(MAP))
    return {"dbc_path": dbc, "map_path": signal_map}


def frames_of(recording: Recording) -> CanLog:
    assert isinstance(recording.raw_frames, CanLog)
    return recording.raw_frames


@pytest.mark.parametrize(("name", "text"), [("gvret.csv", GVRET), ("log.asc", ASC), ("log.log", CANDUMP)])
def test_each_format_is_told_by_its_content_and_decoded(
    tmp_path: Path, bus: dict[str, Path], name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text)

    recording = open_recording(path, **bus)

    columns = {batch.family: batch.columns for batch in recording.batches}
    assert recording.format == "can"
    assert columns[Family.DRIVE]["speed"].tolist()[0] == pytest.approx(46.8 if name != "gvret.csv" else 46.9)
    np.testing.assert_array_equal([[250, np.nan, np.nan, np.nan]], columns[Family.TIRE]["tire.pressure"])
    assert recording.decoded["tire.pressure"] == 1
    assert recording.decoded["Body.State"] == 1


def test_gvret_rows_keep_their_frames_and_count_what_is_wrong(tmp_path: Path, bus: dict[str, Path]) -> None:
    path = tmp_path / "gvret.csv"
    path.write_text(GVRET)

    recording = open_recording(path, **bus)
    log = frames_of(recording)

    assert log.can_id.tolist() == [0x100, 0x18FEF433 | 0x80000000, 0x100, 0x7F]
    assert log.length.tolist() == [8, 4, 3, 0]
    assert log.data[1].tolist() == [0x32, 0x33, 0x34, 0x35, 0, 0, 0, 0]
    assert np.diff(log.time_us).tolist() == [300, 200, 200]
    assert recording.first.year == 2020
    assert recording.rows == 5
    assert recording.skipped["frame: unreadable row"] == 1
    assert recording.skipped["frame: bytes missing"] == 1
    assert recording.skipped["frame: unknown id"] == 1


def test_asc_takes_its_date_and_candump_its_own_time(tmp_path: Path) -> None:
    asc, dump = tmp_path / "log.asc", tmp_path / "dump.log"
    asc.write_text(ASC)
    dump.write_text(CANDUMP)

    assert open_recording(asc).first.isoformat() == "2023-11-09T20:36:33.153600+00:00"
    recording = open_recording(dump)
    assert recording.first.timestamp() == 1_700_000_000.15
    assert recording.skipped == {"frame: unreadable row": 1, "frame: error or remote": 1}


def test_without_a_dbc_the_frames_are_kept_undecoded(tmp_path: Path) -> None:
    path = tmp_path / "gvret.csv"
    path.write_text(GVRET)

    recording = open_recording(path)

    assert (len(frames_of(recording)), recording.batches, recording.decoded) == (4, [], {})
    assert any("no DBC" in note for note in recording.notes)


def test_map_may_be_toml(tmp_path: Path, bus: dict[str, Path]) -> None:
    path, toml = tmp_path / "gvret.csv", tmp_path / "map.toml"
    path.write_text(GVRET)
    toml.write_text('["Body.Speed"]\nalias = "speed"\n')

    assert open_recording(path, dbc_path=bus["dbc_path"], map_path=toml).decoded["speed"] == 2


def test_wrong_dbc_map_and_log_give_one_clear_line(tmp_path: Path, bus: dict[str, Path]) -> None:
    path, bad = tmp_path / "gvret.csv", tmp_path / "bad"
    path.write_text(GVRET)
    bad.write_text("] not toml")

    for words, arguments in {
        "bad: DBC: ": {"dbc_path": bad},
        "neither TOML nor JSON": {**bus, "map_path": bad},
        "absent: DBC cannot be read": {"dbc_path": tmp_path / "absent"},
    }.items():
        with pytest.raises(RecordingError, match=words) as caught:
            open_recording(path, **arguments)
        assert "\n" not in str(caught.value)
    with pytest.raises(RecordingError, match="not a CAN log"):
        open_recording(bad, format="can")


def test_damaged_lines_of_an_asc_log_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.asc"
    path.write_text(ASC.replace("end trigger", "   0.353600 0  100\tRx   d 8 D4 zz 00\nend trigger"))

    recording = open_recording(path)

    assert len(frames_of(recording)) == 2
    assert recording.skipped["frame: unreadable row"] == 1


def test_impossible_times_of_a_gvret_log_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "gvret.csv"
    path.write_text(GVRET + "99999999999999999999,00000100,false,1,1,D5\n")

    assert open_recording(path).skipped["frame: unreadable row"] == 2
