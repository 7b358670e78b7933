"""The integrator's page works when pasted: its blocks run, in order, against a real installation."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.installed import Installation, eventually, free_port, installation

PAGE = Path(__file__).resolve().parents[2] / "CONNECT.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
#: VIN, table, columns and what must be in them.
EXPECTED: list[tuple[int, str, str, list[tuple[Any, ...]]]] = [
    (1, "drive_readings", "speed", [(46.8,), (47.1,)]),
    (1, "tire_readings", "pressure", [([249.0, 250.0, 252.5, None],)]),
    (1, "vehicle_events", "kind, level, code", [("alarm", 2, "11")]),
    (1, "trouble_codes", "ecu, code", [("BMS", "P0A80")]),
    (2, "drive_readings", "pack_current", [(-48.3,)]),
    (2, "cell_readings", "voltage_mv[96], temperature_ddegc[24]", [(3690, 310)]),
    (3, "drive_readings", "max(pack_voltage), max(pack_current), max(soc)", [(377.3, 12.5, 75.0)]),
    (3, "signal_readings", "max(value) FILTER (WHERE signal = 'OBD2.VehicleSpeed')", [(47.0,)]),
    (3, "trouble_codes", "code, status", [("P0A80-1A", 8), ("U011A-87", 44)]),
    (4, "drive_readings", "pack_voltage, pack_current, soc", [(377.3, 12.5, 75.0)]),
    (5, "drive_readings", "speed, pack_current, soc", [(46.8, -48.3, 75.0)]),
    (6, "drive_readings", "speed, pack_current, soc", [(46.8, -48.3, 75.0)]),
    (7, "drive_readings", "max(soc), max(pack_current)", [(50.5, 23.5)]),
    (8, "tire_readings", "max(pressure[1]), max(pressure[4])", [(290.0, 310.0)]),
    (9, "drive_readings", "speed, charging, longitude, latitude", [(49.889664, 3, 121.46914, 31.23236)]),
    (9, "tire_readings", "pressure[3]", [(241.3165,)]),
    (10, "drive_readings", "motor_speed", [(600.0,)]),
    (10, "tire_readings", "pressure[5], temperature[5]", [(900.0, 15.0)]),
    (10, "trouble_codes", "ecu, code, occurrence_count", [("J1939-00", "SPN1569-FMI31", 4)]),
]


def blocks(language: str) -> list[str]:
    return [text for of, text in BLOCKS if of == language]


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Installation, int]]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="anxin-connect-") as name:
        adapters = Path(name, "adapters.toml")
        adapters.write_text(blocks("toml")[0], "utf-8")
        vehicles = Path(name, "vehicles.csv")
        vehicles.write_text(blocks("csv")[0], "utf-8")
        truck = Path(name, "truck.toml")
        truck.write_text(blocks("toml")[1], "utf-8")
        truck.with_suffix(".dbc").write_text(blocks("dbc")[0], "utf-8")
        with installation(ANXIN_ADAPTERS=str(adapters), ANXIN_GATEWAY_PORT=str(port)) as started:
            for noun, file in (("models", truck), ("vehicles", vehicles)):
                outcome = started.anxin(noun, "import", file, "--json")
                assert outcome.code == 0, outcome.err
            yield started, port


@pytest.mark.installation
def test_every_example_of_the_page_ends_in_rows(
    running: tuple[Installation, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    started, port = running
    monkeypatch.chdir(PAGE.parent)
    monkeypatch.setitem(os.environ, "ANXIN_HOME", str(started.home))
    monkeypatch.setitem(os.environ, "ANXIN_GATEWAY_PORT", str(port))
    session: dict[str, Any] = {}
    for number, block in enumerate(blocks("python")):
        exec(compile(block, f"CONNECT.md, block {number + 1}", "exec"), session)  # noqa: S102 - our own page
    with psycopg.connect(started.database_url, autocommit=True) as connection:
        for number, table, columns, rows in EXPECTED:
            query = (
                f"SELECT {columns} FROM {table} JOIN vehicles USING (vehicle_id)"  # noqa: S608 - constants
                f" WHERE vin = 'LSVCNCT00000000{number:02}' AND {_real(table)}"
                + (" ORDER BY time, 1" if "max(" not in columns else "")
            )
            _wait_for(connection, query, rows, started)
        assert connection.execute("SELECT count(*) FROM rejects").fetchone() == (0,), started.logs()
    for name in ("vehicle", "foreign"):
        session[name].disconnect()
        session[name].loop_stop()


def _wait_for(
    connection: psycopg.Connection[tuple[Any, ...]],
    query: str,
    rows: list[tuple[Any, ...]],
    started: Installation,
) -> None:
    found: list[tuple[Any, ...]] = []

    def is_there() -> bool:
        found[:] = connection.execute(query).fetchall()
        return _is_close(found, rows)

    eventually(is_there, within_s=20, what=f"{query}: {rows}", logs=started.logs)


def _real(table: str) -> str:
    return "kind = 'alarm'" if table == "vehicle_events" else "true"


def _is_close(found: list[tuple[Any, ...]], rows: list[tuple[Any, ...]]) -> bool:
    return len(found) == len(rows) and all(
        a == b if not isinstance(b, float) else a is not None and a == pytest.approx(b, abs=1e-4)
        for left, right in zip(found, rows, strict=True)
        for a, b in zip(left, right, strict=True)
    )


def test_every_protocol_has_an_example() -> None:
    text = "\n".join(blocks("python") + blocks("toml"))

    for word in (
        "json.dumps",
        "cbor2",
        '"f"',
        '"fd"',
        "0x7E8",
        "0x18FEF433",
        "gbt32960",
        "socket",
        "event",
        "ovms",
        "teslamate",
        "fleet/",
    ):
        assert word in text, word
