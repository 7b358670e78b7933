"""Reports: what became of predictions, how stations repair."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.reports import share
from data.db import transaction
from tests.integration.api.conftest import NOW


@pytest.fixture
def labelled(world):
    """A repair that was right and done twice, and a prediction that was wrong."""
    with transaction(world.pool) as connection:
        connection.execute("ALTER TABLE repair_orders DISABLE TRIGGER repair_orders_legal_transition")
        connection.execute("UPDATE repair_orders SET state = 'closed' WHERE order_id IN (1, 2)")
        connection.execute(
            """INSERT INTO outcomes (order_id, tenant_id, vehicle_id, station_id, component, failure_mode,
                outcome, cause, found_at, decided_at, model_version, origin)
            SELECT order_id, tenant_id, vehicle_id, station_id, component, failure_mode,
                CASE order_id WHEN 1 THEN 'confirmed' ELSE 'no_fault_found' END, 'x', %s, %s, 'v1', origin
            FROM repair_orders WHERE order_id IN (1, 2)""",
            (NOW, NOW),
        )
        connection.execute(
            "INSERT INTO order_events (order_id, at, actor, from_state, to_state, reason)"
            " SELECT 1, lower(slot), 's', 'qc', unnest(ARRAY['rework', 'ready']), 'x' FROM repair_orders"
            " WHERE order_id = 1"
        )
        connection.execute(
            "INSERT INTO order_ratings (order_id, station_stars, warning_stars, rated_at)"
            " VALUES (1, 4, 5, %s)",
            (NOW,),
        )
    return world


def test_precision_counts_what_technicians_confirmed_per_version_and_station(labelled):
    items = labelled.client("engineer").get("/api/v1/reports/precision").json()["items"]

    assert [(i["failure_mode"], i["station"], i["confirmed"], i["precision"]["value"]) for i in items] == [
        ("cell_internal_short", None, 0, 0.0),
        ("cell_internal_short", "BJ1", 0, 0.0),
        ("tire_slow_leak", None, 1, 1.0),
        ("tire_slow_leak", "SH1", 1, 1.0),
    ]
    assert (items[2]["model_version"], items[2]["warning_stars"]) == ("v1", 5.0)


def test_a_repair_that_was_done_again_is_no_first_time_fix(labelled):
    items = labelled.client("operations").get("/api/v1/reports/service").json()["items"]
    by_station = {item["station"]: item for item in items}

    assert by_station["SH1"]["first_time_fix"]["value"] == 0.0
    assert by_station["SH1"]["promise_kept"]["value"] == 1.0
    assert by_station["SH1"]["station_stars"] == 4.0
    assert by_station["BJ1"]["no_fault_found"]["value"] == 1.0
    assert by_station["BJ1"]["first_time_fix"]["value"] is None


def test_failures_are_counted_by_group_beside_the_fleet(labelled):
    client = labelled.client("engineer")

    (model,) = client.get("/api/v1/reports/failures").json()["items"]
    (batch,) = client.get("/api/v1/reports/failures?by=batch").json()["items"]

    assert (model["failure_mode"], model["group"], model["failures"]) == ("tire_slow_leak", "sedan-96-ncm", 1)
    assert (model["vehicles"]["count"], model["vehicles"]["of"], model["is_conspicuous"]) == (1, 3, False)
    assert model["vehicles"] == model["fleet"]
    assert batch["group"] == "sedan-96-ncm 0/0"


def test_failures_are_counted_by_firmware_too(labelled):
    with transaction(labelled.pool) as connection:
        connection.execute(
            "INSERT INTO vehicles (tenant_id, vin, model_id, firmware)"
            " SELECT 1, 'LANXTEST0T' || lpad(n::text, 7, '0'), 'sedan-96-ncm', '2.0'"
            " FROM generate_series(1, 40) n"
        )
        connection.execute("UPDATE vehicles SET firmware = '1.0' WHERE vehicle_id = 1")

    (item,) = labelled.client("engineer").get("/api/v1/reports/failures?by=firmware").json()["items"]

    assert (item["group"], item["vehicles"]["of"], item["fleet"]["of"]) == ("sedan-96-ncm 1.0", 1, 43)
    assert labelled.client("engineer").get("/api/v1/reports/failures?by=colour").status_code == 422


def test_failures_are_counted_by_the_supplier_of_the_part_removed(labelled):
    with transaction(labelled.pool) as connection:
        connection.execute("UPDATE parts SET supplier = 'Sealing Ltd' WHERE sku = 'TIRE-PLUG'")
        connection.execute("UPDATE outcomes SET part_removed = 'TIRE-PLUG'")
    client = labelled.client("engineer")

    (item,) = client.get("/api/v1/reports/failures?by=supplier").json()["items"]
    with transaction(labelled.pool) as connection:
        connection.execute("UPDATE outcomes SET part_removed = 'a valve'")
    (unknown,) = client.get("/api/v1/reports/failures?by=supplier").json()["items"]

    assert (item["group"], item["failures"], item["vehicles"]["of"]) == ("sedan-96-ncm Sealing Ltd", 1, 3)
    assert unknown["group"] == "sedan-96-ncm ?"
    assert client.get("/reports?by=supplier").status_code == 200
    with transaction(labelled.pool) as connection:
        connection.execute("UPDATE outcomes SET part_removed = NULL")
    assert client.get("/api/v1/reports/failures?by=supplier").json()["items"] == []


@pytest.mark.parametrize(
    ("months", "odometer_in_km", "is_listed", "is_in_term"),
    [
        (23, 49_999, True, True),
        (24, 50_000, True, True),
        (25, 100, False, None),
        (23, 50_001, False, None),
        (None, 100, True, None),
    ],
)
def test_the_buyers_guarantee_counts_what_happened_within_its_time_and_distance(
    labelled, months, odometer_in_km, is_listed, is_in_term
):
    with transaction(labelled.pool) as connection:
        connection.execute(
            "UPDATE repair_orders SET repaired_at = %s, odometer_in_km = %s", (NOW, odometer_in_km)
        )
        connection.execute(
            "UPDATE vehicles"
            " SET in_service_on = (%s AT TIME ZONE time_zone)::date - make_interval(months => %s)",
            (NOW, months),
        )
    found = labelled.client("engineer").get("/api/v1/reports/guarantee?most_repairs=1").json()["items"]

    assert [(item["repairs"], item["is_in_term"]) for item in found] == [(1, is_in_term)] * is_listed


def test_reports_begin_where_they_are_asked_to_and_end_at_the_tenant(labelled):
    with transaction(labelled.pool) as connection:
        connection.execute("UPDATE outcomes SET decided_at = %s", (NOW - timedelta(days=8),))

    assert labelled.client("engineer").get("/api/v1/reports/precision?days=7").json()["items"] == []
    assert labelled.client("stranger").get("/api/v1/reports/service").json()["items"] == []


def test_the_page_shows_all_reports(labelled):
    page = labelled.client("operations").get("/reports")

    assert page.status_code == 200
    assert "100 %" in page.text
    assert "<td>SH1</td>" in page.text
    assert "<td>sedan-96-ncm</td>" in page.text


def test_a_share_of_few_cases_has_a_wide_interval():
    few, many = share(1, 1), share(80, 100)

    assert (few.value, few.low, few.high) == (1.0, 0.2065, 1.0)
    assert (many.low, many.high) == (0.7112, 0.8666)
    assert share(0, 0).value is None


def test_days_in_the_workshop_count_once_and_up_to_now_for_the_buyers_guarantee(world):
    """Two stays of 20 and 15 days that share five, one of them not over."""
    with transaction(world.pool) as connection:
        connection.execute(
            "UPDATE repair_orders SET vehicle_id = 1, component = 'x' || order_id, cause = NULL"
        )
        for order_id, came, went in ((1, 30, 10), (2, 15, None)):
            for state, ago in (("checked_in", came), ("ready", went)):
                if ago is not None:
                    connection.execute(
                        "INSERT INTO order_events (order_id, at, actor, from_state, to_state, reason)"
                        " VALUES (%s, %s, 's', 'booked', %s, 'x')",
                        (order_id, NOW - timedelta(days=ago), state),
                    )
    client = world.client("operations")

    (item,) = client.get("/api/v1/reports/guarantee").json()["items"]
    (over,) = client.get("/api/v1/reports/guarantee?most_days=29").json()["items"]

    assert (item["vin"], item["repair_days"], item["is_over_days"]) == ("LANXTEST000000001", 30.0, False)
    assert (over["is_over_days"], over["is_over_repairs"], over["repairs"]) == (True, False, 0)
    assert client.get("/api/v1/reports/guarantee?most_days=0").status_code == 422


def test_repairs_of_one_fault_count_for_the_buyers_guarantee_where_work_was_done(labelled):
    def items():
        return labelled.client("engineer").get("/api/v1/reports/guarantee?most_repairs=1").json()["items"]

    assert items() == []
    with transaction(labelled.pool) as connection:
        connection.execute("UPDATE repair_orders SET repaired_at = %s", (NOW,))

    assert [(i["failure_mode"], i["repairs"], i["is_over_repairs"]) for i in items()] == [
        ("tire_slow_leak", 1, False)
    ]
