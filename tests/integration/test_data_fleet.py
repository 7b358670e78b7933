"""The registry of vehicles: imports that may run again, end of life, change of owner."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from data.audit import Deed
from data.db import Connection, connect
from data.errors import FleetError
from data.fleet import NewOwner, retire, transfer
from data.fleet_file import FleetFile, read_fleet, write_fleet
from data.fleet_import import ImportReport, export_fleet, fetch_models, import_fleet
from data.reference import load_reference

VIN, OTHER, THIRD = "LSVAA4187E2000001", "LSVAA4187E2000002", "LSVAA4187E2000003"
MODEL = "anxin-sedan-96-ncm"
NOW = datetime(2026, 5, 1, 8, tzinfo=UTC)
DEED = Deed(actor="command:test", now=NOW)
HEADER = "vin,model,plate,iccid,owner_ref,owner_name,locale,home_lat,home_lon\n"
FLEET = (
    HEADER
    + f"{VIN},{MODEL},A1,89860000000000000001,,Li Lei,zh,31.2,121.5\n"
    + f"{OTHER},{MODEL},A2,,c-7,Rental Ltd,en,,\n{THIRD},{MODEL},A3,,c-7,Rental Ltd,en,,\n"
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as opened:
        load_reference(opened, tenant="demo")
        yield opened


def parsed(connection: Connection, text: str) -> FleetFile:
    return read_fleet(io.StringIO(text), is_json=False, models=fetch_models(connection))


def load(connection: Connection, text: str, **options: bool) -> ImportReport:
    return import_fleet(connection, parsed(connection, text), tenant="demo", deed=DEED, **options)


def ask(connection: Connection, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    return connection.execute(query, values).fetchall()


def test_a_fleet_is_registered_with_its_owners_and_again_without_effect(connection: Connection) -> None:
    first, second = load(connection, FLEET), load(connection, FLEET)

    assert (first.added, first.problems, first.owners_added) == ([VIN, OTHER, THIRD], [], 2)
    assert (second.added, second.changed, second.unchanged, second.owners_added) == ([], [], 3, 0)
    assert ask(
        connection,
        "SELECT o.name, count(*) FROM owners o JOIN vehicles USING (owner_id) GROUP BY 1 ORDER BY 2",
    ) == [("Li Lei", 1), ("Rental Ltd", 2)]


def test_what_the_file_does_not_say_stays(connection: Connection) -> None:
    load(connection, FLEET)

    report = load(connection, f"vin,plate\n{VIN},B9\n{OTHER},\n")

    assert (report.changed, report.unchanged) == ([VIN], 1)
    row = next(row for row in export_fleet(connection, tenant="demo") if row.vin == VIN)
    assert (
        row.plate,
        row.iccid,
        row.owner_name,
        row.home_lat,
    ) == ("B9", "89860000000000000001", "Li Lei", 31.2)


def test_the_first_day_in_service_is_kept_exported_and_never_in_the_future(connection: Connection) -> None:
    tomorrow = DEED.now.date() + timedelta(days=2)
    load(connection, f"vin,model,in_service_on\n{VIN},{MODEL},2024-02-29\n{OTHER},{MODEL},\n")
    again = load(connection, f"vin,in_service_on\n{VIN},{tomorrow}\n{OTHER},2025-01-31\n")

    assert [str(p) for p in again.problems] == [
        f"line 2: in_service_on '{tomorrow}': must not be in the future"
    ]
    rows = export_fleet(connection, tenant="demo")
    assert {row.vin: row.in_service_on for row in rows} == {VIN: date(2024, 2, 29), OTHER: date(2025, 1, 31)}
    written = io.StringIO()
    write_fleet(rows, written, is_json=False)
    assert load(connection, written.getvalue()).unchanged == 2


def test_wrong_lines_are_named_and_the_others_imported_unless_strict(connection: Connection) -> None:
    text = f"vin,model\n{VIN},{MODEL}\nWRONG,{MODEL}\n{OTHER},\n"

    strict = load(connection, text, is_strict=True)
    lax = load(connection, text)

    assert (strict.added, [p.line for p in strict.problems]) == ([], [3, 4])
    assert (lax.added, [p.line for p in lax.problems]) == ([VIN], [3, 4])
    assert str(lax.problems[1]) == "line 4: model '': must be given for a new vehicle"


def test_an_import_gives_nobody_the_history_of_another(connection: Connection) -> None:
    load(connection, FLEET)

    report = load(connection, f"vin,owner_name,owner_ref\n{VIN},Han Meimei,\n{OTHER},Rental Ltd,c-8\n")

    assert [p.field for p in report.problems] == ["owner_name", "owner_ref"]
    assert "transfer" in report.problems[0].rule
    corrected = load(connection, f"vin,owner_name\n{VIN},Li Lei Jr\n", corrects_owners=True)
    assert corrected.changed == [VIN]
    assert ask(connection, "SELECT name FROM owners WHERE reference IS NULL") == [("Li Lei Jr",)]


def test_a_sim_card_of_another_vehicle_is_refused_by_line(connection: Connection) -> None:
    load(connection, FLEET)

    report = load(connection, f"vin,iccid\n{OTHER},89860000000000000001\n")

    assert [f"line 2: iccid '89860000000000000001': is of vehicle {VIN}"] == [str(p) for p in report.problems]


def test_a_retired_vehicle_is_out_of_the_export_and_may_come_back(connection: Connection) -> None:
    load(connection, FLEET)

    retire(connection, tenant="demo", vin=VIN, deed=DEED, reason="scrapped", is_undone=False)

    assert [row.vin for row in export_fleet(connection, tenant="demo")] == [OTHER, THIRD]
    assert "is retired since 2026-05-01" in load(connection, FLEET).problems[0].rule
    with pytest.raises(FleetError, match="is retired since 2026-05-01"):
        retire(connection, tenant="demo", vin=VIN, deed=DEED, reason="again", is_undone=False)
    retire(connection, tenant="demo", vin=VIN, deed=DEED, reason="a mistake", is_undone=True)
    assert len(export_fleet(connection, tenant="demo")) == 3
    assert [
        row[0]
        for row in ask(connection, "SELECT action FROM audit_events WHERE subject = %s ORDER BY 1 DESC", VIN)
    ] == ["vehicle.retire", "vehicle.reinstate"]


def test_a_sold_vehicle_belongs_to_its_new_owner_only(connection: Connection) -> None:
    load(connection, FLEET)
    connection.execute(
        "INSERT INTO vehicle_latest (vehicle_id, family, time, received, is_hist, origin, readings) SELECT"
        " vehicle_id, 'drive', now(), now(), false, 'real',"
        ' \'{"latitude": 31, "longitude": 121, "soc": 50}\' FROM vehicles WHERE vin = %s',
        (VIN,),
    )

    done = transfer(connection, tenant="demo", vin=VIN, owner=NewOwner(name="Han Meimei"), deed=DEED)

    assert done.former_owner_id is not None
    assert [(done.owner_id, NOW)] == ask(
        connection, "SELECT owner_id, owner_since FROM vehicles WHERE vin = %s", VIN
    )
    assert [(done.former_owner_id, None, NOW)] == ask(
        connection, "SELECT owner_id, since, until FROM former_owners"
    )
    assert ask(connection, "SELECT readings FROM vehicle_latest") == [({"soc": 50},)]
    assert [("vehicle.transfer", {"from": done.former_owner_id, "to": done.owner_id})] == ask(
        connection, "SELECT action, data FROM audit_events WHERE subject = %s", VIN
    )


def test_a_sale_within_a_company_joins_the_owner_known_by_its_reference(connection: Connection) -> None:
    load(connection, FLEET)

    done = transfer(
        connection, tenant="demo", vin=VIN, owner=NewOwner(name="Rental Ltd", reference="c-7"), deed=DEED
    )

    assert ask(connection, "SELECT count(*) FROM vehicles WHERE owner_id = %s", done.owner_id) == [(3,)]
    with pytest.raises(FleetError, match="belongs to this owner already"):
        transfer(
            connection, tenant="demo", vin=VIN, owner=NewOwner(name="Rental Ltd", reference="c-7"), deed=DEED
        )


def test_pushes_to_the_former_owner_are_withheld_and_others_not(connection: Connection) -> None:
    load(connection, FLEET)
    connection.execute(
        "INSERT INTO push_subscriptions (owner_id, endpoint, p256dh, auth, created_at)"
        " SELECT owner_id, 'https://push/' || vin, 'k', 'a', now() FROM vehicles"
    )
    connection.execute(
        "INSERT INTO warnings SELECT gen_random_uuid(), tenant_id, vehicle_id, NULL, NULL, vin, 'S2',"
        " 't', 't', 'b', 'b', now() FROM vehicles"
    )
    connection.execute(
        "INSERT INTO deliveries (warning_id, channel, address, state, next_attempt_at)"
        " SELECT warning_id, 'webpush', 'https://push/' || transition, 'pending', now() FROM warnings"
    )

    done = transfer(connection, tenant="demo", vin=VIN, owner=NewOwner(name="Han Meimei"), deed=DEED)

    assert done.withheld_pushes == 1
    assert ask(connection, "SELECT state, count(*) FROM deliveries GROUP BY 1 ORDER BY 1") == [
        ("failed", 1),
        ("pending", 2),
    ]


@pytest.mark.parametrize(
    ("vin", "owner", "says"),
    [
        ("LSVAA4187E2009999", NewOwner(name="x"), "is not registered"),
        (VIN, NewOwner(name=" "), "must be a name"),
        (VIN, NewOwner(name="x", locale="fr"), "must be zh or en"),
        (VIN, NewOwner(name="x", reference="c-7"), "is of an owner with another name"),
    ],
)
def test_a_change_of_owner_that_breaks_a_rule_is_refused(
    connection: Connection, vin: str, owner: NewOwner, says: str
) -> None:
    load(connection, FLEET)

    with pytest.raises(FleetError, match=says):
        transfer(connection, tenant="demo", vin=vin, owner=owner, deed=DEED)


def test_a_large_fleet_is_imported_in_seconds(connection: Connection) -> None:
    lines = [f"LSV{n:014d},{MODEL},P{n},,,Owner {n},zh,31,121\n" for n in range(5000)]
    started = datetime.now(UTC)

    report = load(connection, HEADER + "".join(lines))

    assert (len(report.added), report.owners_added) == (5000, 5000)
    assert datetime.now(UTC) - started < timedelta(seconds=15)


def test_the_database_itself_keeps_one_sim_card_in_one_vehicle(connection: Connection) -> None:
    load(connection, FLEET)

    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("UPDATE vehicles SET iccid = '89860000000000000001' WHERE vin = %s", (OTHER,))
