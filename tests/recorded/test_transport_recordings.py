"""Real logs of transport protocols: every golden payload, every value in it, and what standards define."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import cantools.database
import numpy as np
import pytest

from data.records import Family
from ingest.can.database import parse_dbc
from ingest.messages import CanFrames
from ingest.recordings import CanLog, Recording, open_recording
from ingest.transport import BusDecoder, Received, TransportReceiver, build_plan

pytestmark = pytest.mark.recorded
UDS_LOG = "2F6913DB_gnss_00000001.MF4"
UDS_DBC = "can1-hyundai-kia-uds-v2.4.dbc"
MAP = """
[signals]
"Battery.StateOfChargeBMS" = { alias = "soc" }
"Battery.BatteryDCVoltage" = { alias = "pack.voltage" }
"Battery.BatteryCurrent" = { alias = "pack.current", scale = -1 }
"Battery.BatteryVoltageAuxillary" = { alias = "lv.voltage" }
"Tire.TirePressureFrontLeft" = { alias = "tire.pressure", index = 0, scale = 6.894757 }
"Tire.TirePressureFrontRight" = { alias = "tire.pressure", index = 1, scale = 6.894757 }
"Tire.TirePressureBackLeft" = { alias = "tire.pressure", index = 2, scale = 6.894757 }
"Tire.TirePressureBackRight" = { alias = "tire.pressure", index = 3, scale = 6.894757 }
"Tire.TireTemperatureFrontLeft" = { alias = "tire.temperature", index = 0 }
"""


def frames_of(recording: Recording) -> CanLog:
    assert isinstance(recording.raw_frames, CanLog)
    return recording.raw_frames


@pytest.fixture
def folder(recordings: Path) -> Path:
    return recordings / "can_uds"


def receive(folder: Path) -> tuple[Received, int]:
    log = frames_of(open_recording(folder / UDS_LOG))
    plan = build_plan(parse_dbc((folder / UDS_DBC).read_text()))
    frames = CanFrames(log.time_us, log.can_id, log.length, log.data)
    return TransportReceiver(plan).receive(log.bus.astype(np.int64), frames), int(log.time_us[0])


def golden(folder: Path) -> list[dict[str, Any]]:
    with gzip.open(folder / "golden_2F6913DB_gnss_00000001.json.gz") as file:
        found: list[dict[str, Any]] = json.load(file)
    return found


def test_every_golden_payload_is_put_together_and_no_other(folder: Path) -> None:
    received, _ = receive(folder)

    whole = received.whole.frames
    ours = [
        (f"0x{can_id:X}", data[:length].tobytes().hex().upper())
        for can_id, length, data in zip(whole.can_id.tolist(), whole.length.tolist(), whole.data, strict=True)
    ]
    assert sorted(ours) == sorted((g["id"], g["payload"]) for g in golden(folder))
    assert received.counts == {"isotp:sequence": 14}
    assert received.open_rows.size == 0


def test_every_golden_value_is_decoded(folder: Path) -> None:
    decoder = BusDecoder(
        (folder / UDS_DBC).read_text(), {}, grid_s=0.001, cell_count=0, probe_count=0, wheel_count=4
    )
    checked = 0
    for item in golden(folder):
        found = values_of(decoder, item)
        for slot, name in enumerate(("FrontLeft", "FrontRight", "BackLeft", "BackRight")):
            if "tpms" in item:
                tire = item["tpms"][slot]
                assert found[f"Tire.TirePressure{name}"] == pytest.approx(tire["psi"], abs=0.05)
                assert found[f"Tire.TireTemperature{name}"] == tire["temp_c"]
                checked += 2
        for number, volt in enumerate(item.get("cells", [])[:20], start=1):
            assert found[f"Battery.CellVoltage{number:02d}"] == pytest.approx(volt)
            checked += 1
        for key, name in BMS.items():
            if "bms" in item:
                offset = 3 if key == "soc_pct" else 0  # the DBC has 0.5 x + 3, the golden file 0.5 x
                assert found[name] == pytest.approx(item["bms"][key] + offset, abs=0.05), key
                checked += 1
    assert checked == 25 * 8 + 26 * 20 + 24 * len(BMS)


BMS = {
    "soc_pct": "Battery.StateOfChargeBMS",
    "current_a": "Battery.BatteryCurrent",
    "pack_v": "Battery.BatteryDCVoltage",
    "tmax_c": "Battery.BatteryMaxTemperature",
    "tmin_c": "Battery.BatteryMinTemperature",
    "vcell_max": "Battery.MaxCellVoltage",
    "cell_max_no": "Battery.MaxCellVoltageCellNo",
    "vcell_min": "Battery.MinCellVoltage",
    "cell_min_no": "Battery.MinCellVoltageCellNo",
    "aux12_v": "Battery.BatteryVoltageAuxillary",
}


def values_of(decoder: BusDecoder, item: dict[str, Any]) -> dict[str, float]:
    """Return the signals of one golden payload, read straight by the model's decoder."""
    payload = bytes.fromhex(item["payload"])
    data = np.frombuffer(payload.ljust(64, b"\0"), np.uint8).reshape(1, 64)
    assert decoder.own is not None
    part = decoder.own.decode(
        np.zeros(1, np.int32),
        np.zeros(1, np.int64),
        np.array([int(item["id"], 16)], np.uint32),
        np.array([len(payload)]),
        data,
    )
    names = [part.extra.names[k] for k in part.extra.signal.tolist()]
    return dict(zip(names, part.extra.value.tolist(), strict=True))


def test_a_uds_log_becomes_drive_and_tire_readings(folder: Path, tmp_path: Path) -> None:
    signal_map = tmp_path / "map.toml"
    signal_map.write_text(MAP)

    recording = open_recording(folder / UDS_LOG, dbc_path=folder / UDS_DBC, map_path=signal_map)

    columns = {batch.family: batch.columns for batch in recording.batches}
    assert (recording.rows, recording.first.date().isoformat()) == (4024, "2023-01-11")
    assert set(np.unique(columns[Family.DRIVE]["soc"]).tolist()) == {86.5}
    assert columns[Family.TIRE]["tire.pressure"][0] == pytest.approx(
        [35.8 * 6.894757, 34.8 * 6.894757, 35.2 * 6.894757, 35.0 * 6.894757]
    )
    assert recording.decoded["tire.pressure"] == 4 * 25


def test_obd_answers_are_read_without_a_dbc_as_the_formulae_say(folder: Path) -> None:
    recording = open_recording(folder / "3BA199E2_00000164_00000001.MF4")

    log = frames_of(recording)
    rows = log.data[(log.can_id == 0x7E8) & (log.data[:, 2] == 0x0D)]
    (drive,) = recording.batches
    assert recording.notes == ("no DBC is given: only what standards define is decoded",)
    assert recording.decoded["speed"] == len(rows) == 1090
    assert 0 <= rows[:, 3].max() - np.nanmax(drive.columns["speed"]) <= 1  # the last value of each second
    assert 11 < np.nanmedian(drive.columns["lv.voltage"]) < 15
    assert set(drive.columns) == {"barometer", "coolant", "lv.voltage", "speed"}


def test_a_j1939_truck_is_read_without_a_dbc(folder: Path) -> None:
    recording = open_recording(folder / "asammdf_basics_00000001.MF4")

    (drive,) = recording.batches
    assert recording.rows == 150_411
    assert recording.decoded["speed"] == 3993
    assert drive.columns["odometer"][np.isfinite(drive.columns["odometer"])][0] == pytest.approx(37.5)
    assert recording.decoded["DM1.AmberWarningLamp"] == 10
    assert recording.skipped["DM1.RedStopLamp: not available"] == 10
    assert not recording.events  # its DM1 says: no trouble


def test_j1939_signals_of_a_dbc_are_those_of_cantools_but_for_absent_ones(folder: Path) -> None:
    dbc = folder / "CSS-Electronics-SAE-J1939-DEMO.dbc"
    reference = cantools.database.load_file(dbc)
    assert isinstance(reference, cantools.database.Database)
    recording = open_recording(folder / "asammdf_basics_00000001.MF4", dbc_path=dbc)
    log = frames_of(recording)

    for name in ("EEC1", "CCVS1"):
        message = reference.get_message_by_name(name)
        rows = np.flatnonzero((log.can_id >> 8) & 0x3FFFF == (message.frame_id >> 8) & 0x3FFFF)
        (signal,) = message.signals
        values = [message.decode(log.data[row].tobytes(), decode_choices=False) for row in rows.tolist()]
        limit = float(signal.maximum or np.inf)
        there = sum(isinstance(v, dict) and float(v[signal.name]) <= limit for v in values)
        assert recording.decoded[f"{name}.{signal.name}"] == there


def test_a_tire_condition_frame_seen_on_a_bus_reads_as_published(folder: Path, tmp_path: Path) -> None:
    item = json.loads((folder / "j1939_pgn65268.jsonl").read_text())
    path = tmp_path / "tire.log"
    path.write_text(f"(1700000000.000000) can0 {item['can_id']}#{item['data']}\n")

    recording = open_recording(path)

    (tire,) = recording.batches
    location = item["decoded"]["location"]
    assert tire.columns["tire.pressure"][0, location] == item["decoded"]["pressure_kpa"]
    assert tire.columns["tire.temperature"][0, location] == item["decoded"]["temperature_c"]


def test_every_dbc_yields_a_plan(folder: Path) -> None:
    plans = {
        path.name: build_plan(parse_dbc(path.read_text(encoding="utf-8", errors="replace")))
        for name in ("can_uds", "can_kona")
        for path in (folder.parent / name).glob("*.dbc")
    }

    assert len(plans) == 9
    assert {name for name, plan in plans.items() if plan.isotp} == {
        "can1-hyundai-kia-uds-v2.4.dbc",
        "can1-nissan-leaf-uds-v2.4.dbc",
        "tp_uds.dbc",
    }
    assert {name for name, plan in plans.items() if plan.is_j1939} == {
        "CSS-Electronics-SAE-J1939-DEMO.dbc",
        "tp_j1939.dbc",
    }
