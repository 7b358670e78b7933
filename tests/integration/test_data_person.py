"""What is kept about one person is told and erased; what is about the vehicle stays."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from api.access import create_user
from data.audit import Deed
from data.db import Connection, connect
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
        connection.execute(
            "INSERT INTO contact_ways (owner_id, channel, address, rank, created_at)"
            " VALUES (%s, 'email', 'lilei@example.com', 1, %s)",
            (owner_id, NOW),
        )
        _leave_an_order(connection, vehicle_id)
        with pytest.raises(FleetError, match=f"owns {VIN}: transfer or retire first"):
            erase_owner(connection, tenant="demo", owner_id=owner_id, deed=deed)
        transfer(connection, tenant="demo", vin=VIN, owner=NewOwner(name="Han Meimei"), deed=deed)

        told = export_owner(connection, tenant="demo", owner_id=owner_id)
        erased = erase_owner(connection, tenant="demo", owner_id=owner_id, deed=deed)

        assert (told["owner"]["name"], told["vehicles"][0]["until"]) == ("Li Lei", NOW)
        assert [login["login"] for login in told["logins"]] == ["lilei"]
        assert [way["address"] for way in told["contact_ways"]] == ["lilei@example.com"]
        assert [rating["comment"] for rating in told["ratings"]] == ["call me: Li Lei"]
        assert [finding["cause"] for finding in told["findings"]] == ["nail"]
        assert erased == 1
        assert connection.execute("SELECT channel FROM contact_ways").fetchall() == []
        assert connection.execute("SELECT comment FROM order_ratings").fetchall() == [("",)]
        kept = connection.execute("SELECT channel, address LIKE 'erased %%' FROM deliveries ORDER BY 1", ())
        assert kept.fetchall() == [("email", True), ("mqtt", False)]
        rows = connection.execute("SELECT speed, latitude FROM drive_readings ORDER BY time").fetchall()
        assert rows == [(50.0, None), (50.0, 31.0)]
        after = export_owner(connection, tenant="demo", owner_id=owner_id)
        assert (after["owner"]["name"], after["owner"]["home_lat"], after["logins"]) == ("erased", None, [])
        with pytest.raises(FleetError, match="there is none"):
            export_owner(connection, tenant="demo", owner_id=999)
        retire(connection, tenant="demo", vin=VIN, deed=deed, reason="sold abroad", is_undone=False)


def _leave_an_order(connection: Connection, vehicle_id: int) -> None:
    """Leave an order with a finding, a rating and a warning that was mailed."""
    connection.execute(
        """
        WITH made AS (
            INSERT INTO repair_orders (tenant_id, vehicle_id, component, failure_mode, severity, state,
                deadline, complaint, reasons, origin, idempotency_key, opened_at, updated_at)
            SELECT tenant_id, vehicle_id, 'tire rear-left', 'tire_slow_leak', 'S3', 'closed', %(now)s,
                'leaks', '[]', 'real', 'k', %(at)s, %(at)s FROM vehicles WHERE vehicle_id = %(vehicle)s
            RETURNING order_id, tenant_id, vehicle_id
        ), rated AS (
            INSERT INTO order_ratings (order_id, station_stars, warning_stars, comment, rated_at)
            SELECT order_id, 5, 5, 'call me: Li Lei', %(at)s FROM made
        ), found AS (
            INSERT INTO order_findings (order_id, outcome, cause, found_at, found_by)
            SELECT order_id, 'confirmed', 'nail', %(at)s, 'station:x' FROM made
        ), warned AS (
            INSERT INTO warnings (warning_id, tenant_id, vehicle_id, order_id, transition, severity, title_en,
                title_zh, body_en, body_zh, created_at)
            SELECT gen_random_uuid(), tenant_id, vehicle_id, order_id, 't', 'S3', '', '', '', '', %(at)s
            FROM made
            RETURNING warning_id
        )
        INSERT INTO deliveries (warning_id, channel, address, state, next_attempt_at, audience)
        SELECT warning_id, 'email', 'lilei@example.com', 'sent', %(at)s, 'owner' FROM warned
        UNION ALL SELECT warning_id, 'mqtt', 'topic', 'sent', %(at)s, 'vehicle' FROM warned
        """,
        {"vehicle": vehicle_id, "now": NOW, "at": NOW - timedelta(days=1)},
    )


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
