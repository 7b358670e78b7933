"""An order becomes more urgent when its fault may come before its appointment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.router import route_waiting
from data.db import Pool
from tests.integration import alerts_seed as seed
from tests.integration.work_steps import TERMS, Steps, book

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
SOON = NOW + timedelta(minutes=10)
SHOWN = "SELECT state, severity, mode, slot FROM repair_orders"


def postpone(pool: Pool) -> None:
    """Put the agreed appointment three days later."""
    for table, key in (("bookings", "order_id"), ("repair_orders", "order_id")):
        seed.rows(
            pool,
            f"UPDATE {table} SET slot = tstzrange(lower(slot) + interval '3 days',"  # noqa: S608 - own names
            f" upper(slot) + interval '3 days') WHERE {key} = 1 RETURNING 1",
        )


def evidence(pool: Pool, at: datetime, p10_h: float, **more: Any) -> None:
    seed.add_prediction(
        pool, 1, at, **{"ttt_p10_h": p10_h, "ttt_p50_h": p10_h + 20, "ttt_p90_h": p10_h + 60, **more}
    )
    route_waiting(pool, TERMS, now=at)


def test_an_appointment_that_may_be_too_late_is_brought_forward_once(pool: Pool) -> None:
    book(pool, NOW)
    postpone(pool)
    ((_, _, _, before),) = seed.rows(pool, SHOWN)
    evidence(pool, SOON, 30.0)
    ((state, severity, _, after),) = seed.rows(pool, SHOWN)
    told = seed.rows(pool, "SELECT count(*) FROM warnings")
    evidence(pool, SOON + timedelta(minutes=1), 29.0)

    assert (state, severity) == ("offered", "S2")
    assert after.lower < SOON + timedelta(hours=30) < before.lower
    assert seed.rows(pool, "SELECT severity FROM alerts") == [("S3",)]
    assert seed.rows(
        pool, "SELECT count(*) FROM order_events WHERE reason LIKE 'urgency S3 -> S2: the threshold%%'"
    ) == [(1,)]
    assert seed.rows(
        pool, "SELECT count(*) FROM warnings WHERE body_en LIKE 'The fault is getting worse%%'"
    ) == [(1,)]
    assert seed.rows(pool, "SELECT count(*) FROM warnings") == told
    assert seed.rows(pool, "SELECT count(*) FROM bookings WHERE state IN ('held', 'booked')") == [(1,)]


def test_an_appointment_before_the_threshold_stays(pool: Pool) -> None:
    book(pool, NOW)
    postpone(pool)
    before = seed.rows(pool, SHOWN)
    evidence(pool, SOON, 90.0)

    assert seed.rows(pool, SHOWN) == before


def test_stale_or_weak_evidence_hurries_nobody(pool: Pool) -> None:
    book(pool, NOW)
    postpone(pool)
    before = seed.rows(pool, SHOWN)
    evidence(pool, SOON, 1.0, is_fresh=False)
    evidence(pool, SOON + timedelta(minutes=1), 1.0, probability=0.5)

    assert seed.rows(pool, SHOWN) == before


def test_an_agreed_drive_is_given_up_when_the_vehicle_should_stop(pool: Pool) -> None:
    steps: Steps = book(pool, NOW)
    assert seed.rows(pool, "SELECT mode FROM repair_orders") == [("drive_in",)]
    evidence(pool, SOON, 1.0, severity="S1")

    ((state, severity, mode, _),) = seed.rows(pool, SHOWN)
    assert (state, severity) == ("offered", "S1")
    assert mode != "drive_in"
    assert seed.rows(
        pool,
        "SELECT count(*) FROM order_events WHERE order_id = %s AND reason LIKE 'appointment given up%%'",
        steps.order_id,
    ) == [(1,)]
