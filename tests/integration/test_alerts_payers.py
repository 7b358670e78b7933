"""Who pays, through the life of an order: warranty by the vehicle's age, goodwill, changes of scope."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from alerts.errors import InvalidDetails
from alerts.orders.states import OrderState
from alerts.work.actions import Action
from data.db import Pool, transaction
from tests.integration import alerts_seed as seed
from tests.integration.work_steps import book, line

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
_A, _S = Action, OrderState
TO_FINDING = (_A.CHECK_IN, _A.DIAGNOSE, _A.FIND)
FAULT = {"component": "cell 82", "failure_mode": "cell_internal_short", "severity": "S2"}
PLANNED = (line("labour", "pack-diagnosis", "3"), line("part", "PACK-SEAL-KIT", "1"))
PADS = line("part", "BRAKE-PADS", "1")
KIT = "TIRE-REPAIR-KIT"


def vehicle_since(pool: Pool, in_service_on: str | None, odometer_km: float | None = 51_000.0) -> int:
    """Register a vehicle with what its warranties count from."""
    (vehicle,) = seed.seed_vehicles(pool)
    with transaction(pool) as connection:
        connection.execute(
            "UPDATE vehicles SET in_service_on = %s WHERE vehicle_id = %s", (in_service_on, vehicle)
        )
        connection.execute(
            "INSERT INTO vehicle_latest (vehicle_id, family, time, sent, received, is_hist, origin, readings)"
            " VALUES (%s, 'drive', %s, %s, %s, false, 'real', jsonb_build_object('odometer', %s::float8))",
            (vehicle, NOW, NOW, NOW, odometer_km),
        )
    return vehicle


def payers(pool: Pool) -> dict[str, str]:
    return dict(seed.rows(pool, "SELECT code, payer FROM order_lines WHERE kind <> 'tax'"))


def totals(pool: Pool) -> tuple[Any, ...]:
    """Total, the customer's part, what the owner agreed to, and what the lines say of the first two."""
    (row,) = seed.rows(pool, "SELECT total, customer_total, agreed_total FROM repair_orders")
    (sums,) = seed.rows(
        pool,
        "SELECT coalesce(sum(amount), 0), coalesce(sum(amount) FILTER (WHERE payer = 'customer'), 0)"
        " FROM order_lines",
    )
    assert row[:2] == sums
    return row


def stock_pads(pool: Pool) -> None:
    seed.rows(
        pool,
        "INSERT INTO part_stock (station_id, sku, on_hand) SELECT station_id, 'BRAKE-PADS', 9 FROM stations"
        " ON CONFLICT (station_id, sku) DO UPDATE SET on_hand = 9 RETURNING 1",
    )


def test_an_owner_under_warranty_pays_nothing_and_is_told_so(pool: Pool) -> None:
    steps = book(pool, NOW, vehicle=vehicle_since(pool, "2023-01-01"), **FAULT)

    assert set(payers(pool).values()) == {"warranty"}
    total, customer_total, _ = totals(pool)
    assert (customer_total, total > 0) == (0, True)
    assert seed.rows(pool, "SELECT DISTINCT payer_en FROM order_lines WHERE payer_en <> ''") == [
        ("battery: 8 years or 160,000 km; 3.2 years and 51,000 km in service",)
    ]
    ((told,),) = seed.rows(pool, "SELECT body_en FROM warnings")
    assert "nothing to pay for you" in told
    steps.do_all(*TO_FINDING)
    assert steps.do(_A.ESTIMATE, lines=PLANNED).state is _S.PARTS_RESERVED  # as planned: nobody is asked


@pytest.mark.parametrize(
    ("since", "odometer_km", "reason"),
    [
        (None, 51_000.0, "no in-service date"),
        ("2023-01-01", None, "no odometer reading"),
        ("2017-01-01", 51_000.0, "over: 9.2 years and 51,000 km in service"),
        ("2023-01-01", 160_001.0, "over: 3.2 years and 160,001 km in service"),
    ],
)
def test_what_is_unknown_or_over_is_the_customers_with_the_reason(
    pool: Pool, since: str | None, odometer_km: float | None, reason: str
) -> None:
    book(pool, NOW, vehicle=vehicle_since(pool, since, odometer_km), **FAULT)

    assert set(payers(pool).values()) == {"customer"}
    ((told,),) = seed.rows(pool, "SELECT DISTINCT payer_en FROM order_lines WHERE payer_en <> ''")
    assert told.endswith(reason)
    total, customer_total, _ = totals(pool)
    assert total == customer_total > 0


def test_an_odometer_beyond_the_warranty_at_check_in_asks_the_owner(pool: Pool) -> None:
    steps = book(pool, NOW, vehicle=vehicle_since(pool, "2023-01-01", 159_990.0), **FAULT)
    assert totals(pool)[1] == 0

    steps.do(_A.CHECK_IN, odometer_km=160_012.0)
    steps.do_all(_A.DIAGNOSE, _A.FIND)
    assert steps.do(_A.ESTIMATE, lines=PLANNED).state is _S.ESTIMATED
    assert totals(pool)[1] == 0  # as agreed until they say yes
    assert steps.do(_A.APPROVE).state is _S.PARTS_RESERVED
    total, customer_total, agreed = totals(pool)
    assert total == customer_total == agreed > 0
    assert set(payers(pool).values()) == {"customer"}


def test_a_wider_scope_keeps_the_warranty_and_asks_for_the_customers_part_alone(pool: Pool) -> None:
    stock_pads(pool)
    steps = book(pool, NOW, vehicle=vehicle_since(pool, "2023-01-01"), **FAULT)
    steps.do_all(*TO_FINDING)

    assert steps.do(_A.ESTIMATE, lines=(*PLANNED, PADS)).state is _S.ESTIMATED
    ((price,),) = seed.rows(pool, "SELECT unit_price FROM parts WHERE sku = 'BRAKE-PADS'")
    gross = price + (price * Decimal("0.13")).quantize(Decimal("0.01"))
    assert seed.rows(pool, "SELECT customer_total FROM order_estimates") == [(gross,)]
    ((asked,),) = seed.rows(pool, "SELECT body_en FROM warnings WHERE title_en LIKE '%%new price%%'")
    assert f"CNY {gross:,.2f} with tax" in asked
    steps.do(_A.APPROVE)
    assert payers(pool)["BRAKE-PADS"] == "customer"
    assert totals(pool)[1:] == (gross, gross)


def test_goodwill_before_the_yes_lowers_what_the_owner_is_asked_for(pool: Pool) -> None:
    stock_pads(pool)
    steps = book(pool, NOW, vehicle=vehicle_since(pool, "2023-01-01"), **FAULT)
    steps.do_all(*TO_FINDING)
    steps.do(_A.ESTIMATE, lines=(*PLANNED, PADS))
    granted = steps.do(_A.GOODWILL, codes=("BRAKE-PADS",), reason="they waited long")

    assert granted.state is _S.ESTIMATED
    assert seed.rows(pool, "SELECT customer_total FROM order_estimates") == [(0,)]
    steps.do(_A.APPROVE)
    assert payers(pool)["BRAKE-PADS"] == "goodwill"
    assert totals(pool)[1:] == (0, 0)


def test_goodwill_on_the_bill_is_audited_told_and_kept_to_the_end(pool: Pool) -> None:
    steps = book(pool, NOW)
    before = totals(pool)
    steps.do_all(*TO_FINDING, _A.ESTIMATE, _A.PICK, _A.ASSIGN, _A.START, _A.FINISH)
    steps.do(_A.PASS, checked_by=(steps.technicians("T1")[0],))
    steps.do(_A.GOODWILL, codes=(KIT,), reason="second visit")

    assert {code for code, payer in payers(pool).items() if payer == "goodwill"} == {KIT}
    total, customer_total, agreed = totals(pool)
    assert (total, customer_total) == (before[0], agreed)
    assert customer_total < before[1]
    assert seed.rows(
        pool,
        "SELECT data ->> 'reason', data -> 'codes' ->> 0, data ->> 'after' FROM audit_events"
        " WHERE action = 'order.goodwill'",
    ) == [("second visit", KIT, str(customer_total))]
    assert seed.rows(pool, "SELECT payer_en FROM order_lines WHERE code = %s", KIT) == [
        ("goodwill: second visit",)
    ]
    assert seed.rows(pool, "SELECT count(*) FROM warnings WHERE title_en LIKE 'Part of your repair%%'") == [
        (1,)
    ]
    steps.do_all(_A.INVOICE, _A.PAY, _A.CLOSE)
    assert totals(pool) == (total, customer_total, agreed)
    assert payers(pool)[KIT] == "goodwill"


def test_goodwill_survives_a_new_price_until_the_line_costs_more(pool: Pool) -> None:
    steps = book(pool, NOW)
    steps.do(_A.CHECK_IN)
    steps.do(_A.GOODWILL, codes=("tire-repair",), reason="second visit")
    steps.do_all(_A.DIAGNOSE, _A.FIND)

    assert steps.do(_A.ESTIMATE).state is _S.PARTS_RESERVED  # as agreed
    assert payers(pool)["tire-repair"] == "goodwill"
    steps.do_all(_A.PICK, _A.ASSIGN, _A.START)
    longer = (line("labour", "tire-repair", "0.6"), line("part", KIT, "1"))
    assert steps.do(_A.ESTIMATE, lines=longer).state is _S.ESTIMATED  # it falls to the owner again
    steps.do(_A.APPROVE)
    assert payers(pool)["tire-repair"] == "customer"


def test_more_goodwill_than_the_cap_changes_nothing(pool: Pool) -> None:
    steps = book(pool, NOW)
    seed.rows(pool, "UPDATE order_lines SET amount = 5000.01 WHERE code = %s RETURNING 1", KIT)
    before = payers(pool)

    with pytest.raises(
        InvalidDetails, match=r"CNY 5000\.01 without tax would be granted, at most CNY 5000\.00"
    ):
        steps.do(_A.GOODWILL, codes=(KIT,), reason="why not")
    assert payers(pool) == before
