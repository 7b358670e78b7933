"""Real recordings through the installed command: findings offline, one repair order on a running system."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.installed import Installation, anxin, eventually, installation

pytestmark = [pytest.mark.recorded, pytest.mark.timeout(600)]

CAR2, CAR1, KEPT, HATCH, KONA, FRAMES = (f"LANXREC000000000{n}" for n in range(1, 7))
SHANGHAI = "31.23,121.47"


def assert_utc(text: str) -> None:
    assert text.endswith("Z")
    assert datetime.fromisoformat(text).utcoffset() == timedelta(0)


def inspect(*arguments: object) -> dict[str, Any]:
    outcome = anxin("inspect", *arguments, "--json")
    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert {"recording", "findings", "decoded"} == found.keys()
    recording = found["recording"]
    assert {"format", "rows", "vehicle_days", "first", "last", "skipped"} == recording.keys()
    assert_utc(recording["first"])
    assert_utc(recording["last"])
    assert recording["first"] <= recording["last"]
    assert all(isinstance(count, int) for count in recording["skipped"].values())
    assert all(count > 0 for count in found["decoded"]["signals"].values())
    return found


def names(recordings: Path) -> list[Path]:
    healthy = [recordings / "ev_cells" / "car1.zip"]
    healthy += sorted((recordings / "leaf_tires").glob("*.csv.gz"))
    return healthy + sorted((recordings / "leaf_trips").glob("*.csv"))


def test_healthy_vehicles_have_no_finding(recordings: Path) -> None:
    paths = names(recordings)

    assert len(paths) == 8
    for path in paths:
        found = inspect(path)
        assert found["findings"] == [], path.name
        assert found["recording"]["format"] == ("ev-cells-csv" if path.suffix == ".zip" else "leafspy-csv")


def test_cell_82_is_found_and_no_other(recordings: Path) -> None:
    findings = inspect(recordings / "ev_cells" / "car2.zip")["findings"]
    notes = [f for f in findings if f["severity"] == "S4"]
    (finding,) = [f for f in findings if f not in notes]

    # before it drifts it is merely lower than the others: that may be noted for the next visit
    assert {(f["component"], f["failure_mode"]) for f in notes} <= {("cell 82", "cell_imbalance")}
    assert all(f["first_raised"] < finding["first_raised"] for f in notes)
    assert {"component", "failure_mode", "severity", "first_raised", "cleared", "probability", "reasons"} == (
        finding.keys()
    )
    assert (finding["component"], finding["failure_mode"]) == ("cell 82", "cell_internal_short")
    assert finding["severity"] in {"S1", "S2", "S3"}
    assert 0.7 < finding["probability"] <= 1
    assert_utc(finding["first_raised"])
    assert finding["first_raised"] < "2019-07-15"
    assert finding["cleared"] is None
    assert all(reason["unit"] and reason["text_en"] and reason["text_zh"] for reason in finding["reasons"])


def test_frames_are_read_from_lines_of_hex_and_a_wrong_checksum_is_skipped(
    recordings: Path, tmp_path: Path
) -> None:
    vectors = json.loads((recordings / "gb32960" / "vectors.json").read_text())
    lines = tmp_path / "frames.hex"
    lines.write_text("\n".join(vectors.values()) + "\n")

    found = inspect(lines)

    assert ("gbt32960", len(vectors)) == (found["recording"]["format"], found["recording"]["rows"])
    assert found["recording"]["skipped"]["frame: bad_checksum"] == 1
    assert found["recording"]["first"] == "2026-01-15T00:30:00Z"
    assert {"soc", "pack.current", "cell.voltage", "motor.speed"} <= found["decoded"]["signals"].keys()


def test_frames_are_read_from_lines_of_json(recordings: Path) -> None:
    found = inspect(recordings / "gb32960" / "frames.jsonl")

    assert (found["recording"]["format"], found["recording"]["rows"]) == ("gbt32960", 32)
    assert found["decoded"]["signals"]["cell.voltage"] > 500


def test_the_kona_log_gives_signals_with_its_dbc_as_it_is(recordings: Path) -> None:
    folder = recordings / "can_kona"
    (log,) = folder.glob("*.csv")

    found = inspect(log, "--dbc", folder / "pcan.dbc")

    assert (found["recording"]["format"], found["recording"]["rows"]) == ("can", 39_546)
    assert len(found["decoded"]["signals"]) > 400


@pytest.fixture(scope="module")
def running() -> Iterator[Installation]:
    with installation(ANXIN_SCORE_EVERY_S="1") as started:
        yield started


def ask(running: Installation, query: str, **params: object) -> list[dict[str, Any]]:
    with psycopg.connect(running.database_url, row_factory=dict_row) as connection:
        return connection.execute(query, params).fetchall()  # type: ignore[arg-type]


def replay(running: Installation, file: Path, vin: str, *options: object) -> dict[str, Any]:
    """Replay a recording and wait until it is stored, scored and routed."""
    (began,) = ask(running, "SELECT now() AS at")
    outcome = running.anxin("replay", file, "--vin", vin, "--linger-s", 0, "--json", *options)
    assert outcome.code == 0, outcome.err
    counts = outcome.json

    def is_done() -> bool:
        (state,) = ask(
            running,
            "SELECT (SELECT sum(received_count) FROM message_streams JOIN vehicles USING (vehicle_id)"
            "         WHERE vin = %(vin)s) AS received,"
            " (SELECT coalesce(max(batch_id), 0) FROM ingest_batches) AS batch,"
            " (SELECT min(batch_id) FROM service_cursors WHERE service = 'score') AS scored,"
            " (SELECT count(*) FROM vehicle_scores JOIN vehicles USING (vehicle_id)"
            "   WHERE vin = %(vin)s AND scored_at > %(began)s) AS scores,"
            " (SELECT count(*) FROM predictions WHERE routed_at IS NULL) AS unrouted",
            vin=vin,
            began=began["at"],
        )
        return bool(
            (state["received"] or 0) >= counts["published"]
            and state["scored"] == state["batch"]
            and state["scores"]
            and not state["unrouted"]
        )

    eventually(is_done, within_s=90, what=f"{file.name} stored, scored and routed", logs=running.logs)
    return counts


ORDERS = (
    "SELECT o.*, s.has_hv_certificate FROM repair_orders o JOIN vehicles USING (vehicle_id)"
    " LEFT JOIN stations s USING (station_id) WHERE vin = %(vin)s"
)
ALERTS = "SELECT a.* FROM alerts a JOIN vehicles USING (vehicle_id) WHERE vin = %(vin)s ORDER BY component"


def test_a_replay_becomes_one_order_that_a_second_replay_does_not_double(
    running: Installation, recordings: Path
) -> None:
    car2 = recordings / "ev_cells" / "car2.zip"
    replay(running, car2, CAR2, "--at", SHANGHAI)

    (order,) = ask(running, ORDERS, vin=CAR2)
    assert (order["component"], order["failure_mode"]) == ("cell 82", "cell_internal_short")
    assert (order["has_hv_certificate"], order["is_distance_estimated"]) == (True, True)
    assert (order["origin"], order["waiting_reason"]) == ("replayed", None)
    battery, cell = ask(running, ALERTS, vin=CAR2)
    assert (battery["component"], cell["component"]) == ("battery", "cell 82")
    assert {order["order_id"]} == {battery["order_id"], cell["order_id"]}
    assert {battery["origin"], cell["origin"]} == {"replayed"}
    assert battery["occurrence_count"] > 1
    told = "SELECT count(*) AS n FROM warnings JOIN vehicles USING (vehicle_id) WHERE vin = %(vin)s"
    assert ask(running, told, vin=CAR2) == [{"n": 1}]

    replay(running, car2, CAR2)

    (again,) = ask(running, ORDERS, vin=CAR2)
    assert order["order_id"] == again["order_id"]
    assert len(ask(running, ALERTS, vin=CAR2)) == 2


def test_healthy_recordings_become_no_order(running: Installation, recordings: Path) -> None:
    (tires,) = (recordings / "leaf_tires").glob("*.csv.gz")
    replay(running, recordings / "ev_cells" / "car1.zip", CAR1, "--at", SHANGHAI)
    replay(running, tires, HATCH, "--at", SHANGHAI)

    for vin in (CAR1, HATCH):
        assert ask(running, ORDERS, vin=vin) == []
        assert ask(running, ALERTS, vin=vin) == []
    rows = "SELECT count(*) AS n FROM tire_readings JOIN vehicles USING (vehicle_id) WHERE vin = %(vin)s"
    assert ask(running, rows, vin=HATCH)[0]["n"] > 17_000


def test_an_archive_replayed_at_its_own_time_raises_nothing(running: Installation, recordings: Path) -> None:
    counts = replay(running, recordings / "ev_cells" / "car2.zip", KEPT, "--at", SHANGHAI, "--keep-time")

    assert counts["shift_s"] == 0
    assert ask(running, ALERTS, vin=KEPT) == []
    assert ask(running, ORDERS, vin=KEPT) == []
    rows = "SELECT max(time) AS last FROM cell_readings JOIN vehicles USING (vehicle_id) WHERE vin = %(vin)s"
    assert ask(running, rows, vin=KEPT)[0]["last"].year == 2019


def test_frames_of_one_vehicle_are_replayed(running: Installation, recordings: Path, tmp_path: Path) -> None:
    vectors = json.loads((recordings / "gb32960" / "vectors.json").read_text())
    lines = tmp_path / "frames.hex"
    lines.write_text(f"{vectors['B_rt_short']}\n{vectors['D_alarm_l3']}\n")

    replay(running, lines, FRAMES)

    (row,) = ask(
        running,
        "SELECT d.soc, d.pack_voltage, d.pack_current FROM drive_readings d JOIN vehicles USING (vehicle_id)"
        " WHERE vin = %(vin)s AND d.soc IS NOT NULL",
        vin=FRAMES,
    )
    assert row == pytest.approx({"soc": 51, "pack_voltage": 321.8, "pack_current": -1.0}, rel=1e-6)


def test_raw_frames_are_replayed_natively(running: Installation, recordings: Path) -> None:
    (log,) = (recordings / "can_kona").glob("*.csv")

    counts = replay(running, log, KONA, "--model", "anxin-sedan-96-ncm")

    assert counts["rows"] == 39_546
    unknown = [c for c in running.anxin("check", "--json").json["checks"] if c["name"] == "masked values"]
    assert any("unknown" in reason for reason in unknown[0]["figures"])


LAB_CELL = """[[vehicle_models]]
model_id = "lab-cell"
name = "One cell"
chemistry = "NCM"
cell_count = 1
probe_count = 1
capacity_ah = 2.0
energy_kwh = 0.0072
wheels = ["front-left", "front-right", "rear-left", "rear-right"]
placard_kpa = [250.0, 250.0, 250.0, 250.0]
"""
#: File, unit of it, the table that its rows land in, and how many there are at least.
TABLES = [
    ("leaf_trips/2022_Denver_to_Portland_day1.csv", None, "tire_readings", 100),
    ("tires_aws/tire_telemetry_2025-01.parquet", "VEH-0007", "tire_readings", 600),
    ("cell_abuse/timeseries_5hz.csv.gz", "LCO4000mAh-0SOC-cell1", "cell_readings", 500),
    ("nasa_cells/B0005_discharge.csv.gz", None, "cell_readings", 10_000),
    ("trucks/truck1_can.csv.gz", None, "drive_readings", 100),
    ("trucks/truck1_gps.csv.gz", None, "drive_readings", 3_000),
]


@pytest.mark.parametrize("number", range(len(TABLES)), ids=[file for file, *_ in TABLES])
def test_every_kind_of_table_is_replayed(
    running: Installation, recordings: Path, tmp_path: Path, number: int
) -> None:
    file, unit, table, least = TABLES[number]
    vin = f"LANXREC00000001{number:02d}"
    options = ["--unit", unit] if unit else []
    if table == "cell_readings":  # a cell in a laboratory is a pack of one, of a model of its own
        lab = tmp_path / "lab.toml"
        lab.write_text(LAB_CELL)
        assert running.anxin("models", "import", lab).code == 0
        options += ["--model", "lab-cell"]
    outcome = running.anxin("replay", recordings / file, "--vin", vin, "--linger-s", 0, "--json", *options)

    assert outcome.code == 0, outcome.err
    rows = f"SELECT count(*) AS n FROM {table} JOIN vehicles USING (vehicle_id) WHERE vin = %(vin)s"  # noqa: S608
    eventually(
        lambda: ask(running, rows, vin=vin)[0]["n"] >= least, within_s=60, what=rows, logs=running.logs
    )


def test_what_cannot_be_replayed_ends_with_one_line(
    running: Installation, recordings: Path, tmp_path: Path
) -> None:
    car1, nonsense = recordings / "ev_cells" / "car1.zip", tmp_path / "nonsense.csv"
    nonsense.write_text("what, is, this\n1, 2, 3\n")
    fleet, known, free = tmp_path / "fleet.csv", "LANXREC0000000098", "LANXREC0000000099"
    fleet.write_text(f"vin,model\n{known},anxin-sedan-88-ncm\n")
    assert running.anxin("vehicles", "import", fleet).code == 0
    cases = [
        ([nonsense, "--vin", free], "nonsense.csv: none of the formats"),
        ([tmp_path / "gone.zip", "--vin", free], "No such file"),
        ([car1, "--vin", "LANX"], "vin 'LANX': must be 17 characters"),
        ([car1, "--vin", free, "--model", "boat"], "vehicle model 'boat': must be one of"),
        ([car1, "--vin", free, "--model", "anxin-sedan-88-ncm"], "has 96 cells, vehicle model"),
        ([car1, "--vin", known], "has 96 cells, vehicle model 'anxin-sedan-88-ncm' has 88"),
        ([recordings / "gb32960" / "frames.jsonl", "--vin", free], "has 192 cells and"),
        ([car1, "--vin", free, "--at", "here"], "--at 'here': must be LAT,LON"),
        ([car1, "--vin", free, "--at", "91,0"], "--at '91,0': latitude"),
        ([car1, "--vin", free, "--speed", "0"], "--speed '0': must be a number above 0"),
        ([car1, "--vin", free, "--format", "doc"], "format 'doc': must be one of"),
    ]
    for arguments, says in cases:
        outcome = running.anxin("replay", *arguments)
        assert outcome.code == 2, arguments
        lines = [line for line in outcome.err.splitlines() if line.strip()]
        assert len(lines) == 1, outcome.err
        assert says in lines[0]
        assert outcome.out == ""
    assert ask(running, "SELECT vin FROM vehicles WHERE vin = %(vin)s", vin=free) == []
