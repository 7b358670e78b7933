"""What is kept about one person is told and erased; what is about the vehicle stays."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from api.access import create_user
from data.audit import Deed
from data.db import connect
from data.errors import FleetError
from data.fleet import NewOwner, retire, transfer
from data.fleet_file import read_fleet
from data.fleet_import import fetch_models, import_fleet
from data.maintenance import pay_debts
from data.person import erase_owner, export_owner
from data.reference import load_reference
from data.settings import Settings
from data.telemetry import find_edition

VIN = "LSVAA4187E2000001"
NOW = datetime(2026, 5, 1, 8, tzinfo=UTC)


def test_a_person_is_told_what_is_kept_and_forgotten_on_request(database_url: str) -> None:
    deed = Deed(actor="command:test", now=NOW)
    with connect(database_url) as connection:
        load_reference(connection, tenant="demo")
        text = f"vin,model,owner_name,home_lat,home_lon\n{VIN},anxin-sedan-96-ncm,Li Lei,31.2,121.5\n"
        file = read_fleet(io.StringIO(text), is_json=False, models=fetch_models(connection))
        import_fleet(connection, file, tenant="demo", deed=deed)
        owner_id, vehicle_id = connection.execute("SELECT owner_id, vehicle_id FROM vehicles").fetchone() or (
            0,
            0,
        )
        create_user(
            connection, tenant="demo", login="lilei", password="long enough", role="owner", owner_id=owner_id
        )
        for day in (-1, 1):
            connection.execute(
                "INSERT INTO drive_readings (vehicle_id, time, speed, latitude, longitude)"
                " VALUES (%s, %s, 50, 31, 121)",
                (vehicle_id, NOW + timedelta(days=day)),
            )
        with pytest.raises(FleetError, match=f"owns {VIN}: transfer or retire first"):
            erase_owner(connection, tenant="demo", owner_id=owner_id, deed=deed)
        transfer(connection, tenant="demo", vin=VIN, owner=NewOwner(name="Han Meimei"), deed=deed)

        told = export_owner(connection, tenant="demo", owner_id=owner_id)
        erased = erase_owner(connection, tenant="demo", owner_id=owner_id, deed=deed)

        assert (told["owner"]["name"], told["vehicles"][0]["until"]) == ("Li Lei", NOW)
        assert [login["login"] for login in told["logins"]] == ["lilei"]
        assert erased == 1
        rows = connection.execute("SELECT speed, latitude FROM drive_readings ORDER BY time").fetchall()
        assert rows == [(50.0, None), (50.0, 31.0)]
        after = export_owner(connection, tenant="demo", owner_id=owner_id)
        assert (after["owner"]["name"], after["owner"]["home_lat"], after["logins"]) == ("erased", None, [])
        with pytest.raises(FleetError, match="there is none"):
            export_owner(connection, tenant="demo", owner_id=999)
        retire(connection, tenant="demo", vin=VIN, deed=deed, reason="sold abroad", is_undone=False)


def test_positions_are_erased_from_what_was_rolled_up_too(database_url: str) -> None:
    deed, stop = Deed(actor="command:test", now=NOW), threading.Event()
    with connect(database_url, is_autocommit=True) as connection:
        load_reference(connection, tenant="demo")
        text = f"vin,model,owner_name\n{VIN},anxin-sedan-96-ncm,Li Lei\n"
        file = read_fleet(io.StringIO(text), is_json=False, models=fetch_models(connection))
        import_fleet(connection, file, tenant="demo", deed=deed)
        row = connection.execute("SELECT owner_id, vehicle_id FROM vehicles").fetchone()
        assert row
        sold = NOW + timedelta(minutes=2)
        for minutes in (-90, 0, 4):  # the last one is the new owner's, in the same five minutes as the sale
            connection.execute(
                "INSERT INTO drive_readings (vehicle_id, time, speed, latitude, longitude)"
                " VALUES (%s, %s, 50, 31, 121)",
                (row[1], NOW + timedelta(minutes=minutes)),
            )
        note = "INSERT INTO rollup_debts SELECT vehicle_id, 'drive', min(time), max(time), min(time)"
        connection.execute(f"{note} FROM drive_readings GROUP BY 1".encode())
        edition = find_edition(connection)
        pay_debts(connection, Settings(), edition, now=NOW + timedelta(days=1), stop=stop)
        rolled = "SELECT speed_n, latitude_n, longitude_high FROM {} ORDER BY bucket"
        before = connection.execute(rolled.format("drive_five_minutes").encode()).fetchall()
        transfer(connection, tenant="demo", vin=VIN, owner=NewOwner(name="Han"), deed=replace(deed, now=sold))

        erase_owner(connection, tenant="demo", owner_id=row[0], deed=deed)
        at_once = connection.execute(rolled.format("drive_hours").encode()).fetchall()
        pay_debts(connection, Settings(), edition, now=NOW + timedelta(days=1), stop=stop)
        after = connection.execute(rolled.format("drive_five_minutes").encode()).fetchall()

    assert before == [(1, 1, 121.0), (2, 2, 121.0)]
    assert at_once == [(1, None, None), (2, None, None)]
    assert after == [(1, None, None), (2, 1, 121.0)]
