"""Every CAN log and every format of one, through ``anxin inspect`` and ``anxin replay``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import can
import numpy as np
import psycopg
import pytest

from ingest.can import EXTENDED
from ingest.recordings import CanLog, open_recording
from tests.installed import Installation, anxin, eventually, installation

pytestmark = [pytest.mark.recorded, pytest.mark.timeout(600)]

KONA = "can_kona/230112-7-2019-pcan-ccan-power-off-on-ready-off.csv"
BENCH_PACK = "can_kona/Idle_log__no_diagnostic_function_selected_-30sec.asc"
UDS = "can_uds/2F6913DB_gnss_00000001.MF4"
OBD = "can_uds/3BA199E2_00000164_00000001.MF4"
TRUCK = "can_uds/asammdf_basics_00000001.MF4"
UDS_DBC = "can_uds/can1-hyundai-kia-uds-v2.4.dbc"
#: Log, DBC, frames, and what is decoded how often.
LOGS = [
    (KONA, "can_kona/pcan.dbc", 39_546, {"BMS_542.unkCurrentRelated": 70}),
    (KONA, "can_kona/ccan.dbc", 39_546, {"IEB_MAYBE_C371.BrakeUnknown": 1086}),
    (BENCH_PACK, "can_kona/pcan.dbc", 5_934, {"BMS_542.unkCurrentRelated": 306}),
    (UDS, UDS_DBC, 4_024, {"Tire.TirePressureFrontLeft": 25}),
    (UDS, "can_uds/gnss.dbc", 4_024, {"gnss_pos.PositionValid": 168}),
    (OBD, None, 65_296, {"speed": 1090, "coolant": 545, "lv.voltage": 182, "barometer": 182}),
    (TRUCK, None, 150_411, {"speed": 3993, "odometer": 417, "ambient": 396, "DM1.AmberWarningLamp": 10}),
    (TRUCK, "can_uds/CSS-Electronics-SAE-J1939-DEMO.dbc", 150_411, {"EEC1.EngineSpeed": 3993}),
]
#: Read by the tests of decoders and of transport beside this one, or not data.
ELSEWHERE = {
    "can_kona/LICENSE.dbc-MIT",
    "can_kona/bcan.dbc",
    "can_uds/LICENSE.CSS-MIT",
    "can_uds/can1-nissan-leaf-uds-v2.4.dbc",
    "can_uds/golden_2F6913DB_gnss_00000001.json.gz",
    "can_uds/j1939_pgn65268.jsonl",
    "can_uds/tp_j1939.dbc",
    "can_uds/tp_uds.dbc",
}
MAP = """
[signals]
"Battery.StateOfChargeBMS" = { alias = "soc" }
"Tire.TirePressureFrontLeft" = { alias = "tire.pressure", index = 0, scale = 6.894757 }
"""


def test_no_can_recording_is_without_a_test(recordings: Path) -> None:
    named = {log for log, *_ in LOGS} | {dbc for _, dbc, *_ in LOGS if dbc} | ELSEWHERE

    found = {f"{path.parent.name}/{path.name}" for path in recordings.glob("can_*/*")}

    assert found == named


@pytest.mark.parametrize(("log", "dbc", "frames", "decoded"), LOGS)
def test_every_log_is_inspected(
    recordings: Path, log: str, dbc: str | None, frames: int, decoded: dict[str, int]
) -> None:
    outcome = anxin("inspect", recordings / log, *(["--dbc", recordings / dbc] if dbc else []), "--json")

    assert outcome.code == 0, outcome.err
    found = outcome.json
    signals = found["decoded"]["signals"]
    assert (found["recording"]["format"], found["recording"]["rows"]) == ("can", frames)
    assert {name: signals.get(name, 0) for name in decoded} == decoded
    assert signals
    assert found["findings"] == []


FORMATS: dict[str, Callable[..., Any]] = {
    "log": can.CanutilsLogWriter,
    "asc": can.ASCWriter,
    "blf": can.BLFWriter,
    "trc": can.TRCWriter,
}


def messages(log: CanLog) -> Iterator[can.Message]:
    for time_us, can_id, length, data in zip(
        log.time_us.tolist(), log.can_id.tolist(), log.length.tolist(), log.data, strict=True
    ):
        yield can.Message(
            timestamp=time_us / 1e6,
            arbitration_id=can_id & ~EXTENDED,
            is_extended_id=bool(can_id & EXTENDED),
            data=data[:length].tobytes(),
            channel=0,
        )


def gvret(log: CanLog, path: Path) -> None:
    lines = ["Time Stamp,ID,Extended,Dir,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8"]
    for m in messages(log):
        data = ",".join([f"{byte:02X}" for byte in m.data] + [""] * (8 - len(m.data)))
        extended = str(m.is_extended_id).lower()
        lines.append(
            f"{round(m.timestamp * 1e6)},{m.arbitration_id:08X},{extended},Rx,0,{len(m.data)},{data}"
        )
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("suffix", [*FORMATS, "csv"])
def test_a_real_log_says_the_same_in_every_format(recordings: Path, tmp_path: Path, suffix: str) -> None:
    original = open_recording(recordings / TRUCK)
    log = original.raw_frames
    assert isinstance(log, CanLog)
    log = log.take(np.arange(20_000))
    path = tmp_path / f"truck.{suffix}"
    if suffix == "csv":
        gvret(log, path)
    else:
        with FORMATS[suffix](str(path)) as writer:
            for message in messages(log):
                writer.on_message_received(message)

    outcome = anxin("inspect", path, "--json")

    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert found["recording"]["rows"] == 20_000
    group = log.can_id >> 8 & 0x3FFFF
    frames = {"speed": 65265, "odometer": 65217, "ambient": 65269}
    expected = {name: int((group == pgn).sum()) for name, pgn in frames.items()}
    assert {name: found["decoded"]["signals"][name] for name in frames} == expected


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with installation(ANXIN_SCORE_EVERY_S="5") as started:
        yield started


def ask(running: Installation, query: str, vin: str) -> Any:
    with psycopg.connect(running.database_url) as connection:
        row = connection.execute(query, {"vin": vin}).fetchone()
        return row[0] if row else None


RECEIVED = (
    "SELECT sum(received_count) FROM message_streams JOIN vehicles USING (vehicle_id) WHERE vin = %(vin)s"
)


def replay(running: Installation, file: Path, vin: str, *options: object) -> dict[str, Any]:
    """Replay a recording and wait until it is stored."""
    outcome = running.anxin("replay", file, "--vin", vin, "--linger-s", 0, "--json", *options)
    assert outcome.code == 0, outcome.err
    counts = outcome.json
    eventually(
        lambda: (ask(running, RECEIVED, vin) or 0) >= counts["published"],
        within_s=90,
        what=f"{file.name} stored",
        logs=running.logs,
    )
    return counts


DRIVE = "SELECT count({}) FROM drive_readings JOIN vehicles USING (vehicle_id) WHERE vin = %(vin)s"


def test_what_standards_tell_is_replayed_for_a_vehicle_of_no_known_model(
    running: Installation, recordings: Path
) -> None:
    for log, vin, column in ((OBD, "LANXREC0000000011", "speed"), (TRUCK, "LANXREC0000000012", "odometer")):
        replay(running, recordings / log, vin)

        assert ask(running, DRIVE.format(column), vin) > 300


def test_a_uds_log_is_replayed_with_its_dbc_and_map(
    running: Installation, recordings: Path, tmp_path: Path
) -> None:
    signal_map, vin = tmp_path / "map.toml", "LANXREC0000000013"
    signal_map.write_text(MAP)

    replay(running, recordings / UDS, vin, "--dbc", recordings / UDS_DBC, "--map", signal_map)

    assert ask(running, DRIVE.format("soc"), vin) > 20
    tires = "SELECT count(*) FROM tire_readings JOIN vehicles USING (vehicle_id) WHERE vin = %(vin)s"
    assert ask(running, tires, vin) > 20


@pytest.mark.parametrize(("log", "vin"), [(BENCH_PACK, "LANXREC0000000014"), (OBD, "LANXREC0000000015")])
def test_raw_frames_are_replayed_for_a_named_model(
    running: Installation, recordings: Path, log: str, vin: str
) -> None:
    counts = replay(running, recordings / log, vin, "--model", "anxin-sedan-96-ncm")

    assert counts["rows"] == {BENCH_PACK: 5_934, OBD: 65_296}[log]
    if log == OBD:  # its answers are read beside any DBC; what the model maps itself they do not feed
        told = (
            "SELECT count(*) FROM signal_readings JOIN vehicles USING (vehicle_id)"
            " WHERE vin = %(vin)s AND signal = 'OBD2.VehicleSpeed'"
        )
        assert ask(running, told, vin) > 300
        assert ask(running, DRIVE.format("speed"), vin) == 0


def test_a_single_published_frame_is_replayed(
    running: Installation, recordings: Path, tmp_path: Path
) -> None:
    item = json.loads((recordings / "can_uds" / "j1939_pgn65268.jsonl").read_text())
    path, vin = tmp_path / "tire.log", "LANXREC0000000016"
    path.write_text(f"(1700000000.000000) can0 {item['can_id']}#{item['data']}\n")

    replay(running, path, vin)

    tire = "SELECT pressure[1] FROM tire_readings JOIN vehicles USING (vehicle_id) WHERE vin = %(vin)s"
    assert ask(running, tire, vin) == item["decoded"]["pressure_kpa"]
