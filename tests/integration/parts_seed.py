"""Parts on their way, for the tests of alerts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from alerts.dispatch.part_book import NewArrival, PartBook
from data.audit import Deed
from data.db import Pool, transaction
from tests.integration import alerts_seed as seed

KIT = "TIRE-REPAIR-KIT"
STATION = "SH-ZHANGJIANG"


def empty_shelves(pool: Pool, sku: str = KIT) -> None:
    seed.rows(pool, "UPDATE part_stock SET on_hand = 0, reserved = 0 WHERE sku = %s RETURNING 1", sku)


def with_book(pool: Pool, now: datetime, do: Callable[[PartBook, Deed], Any]) -> Any:
    (tenant,) = seed.rows(pool, "SELECT tenant_id FROM tenants WHERE name = 'demo'")
    with transaction(pool) as connection:
        book = PartBook(connection, tenant_id=tenant[0], station_id=None)
        return do(book, Deed(actor="operations:test", now=now))


def announce(pool: Pool, now: datetime, *, hours: float = 24.0, spread_h: float = 3.0, **says: Any) -> int:
    new = {"station": STATION, "sku": KIT, "qty": 1, **says}
    arrival = NewArrival(expected_at=now + timedelta(hours=hours), spread_h=spread_h, **new)
    return int(with_book(pool, now, lambda book, deed: book.announce(arrival, deed=deed)))


def stock(pool: Pool, station: str = STATION, sku: str = KIT) -> tuple[int, int]:
    """On hand and reserved."""
    (row,) = seed.rows(
        pool,
        "SELECT on_hand, reserved FROM part_stock JOIN stations USING (station_id)"
        " WHERE code = %s AND sku = %s",
        station,
        sku,
    )
    return row


def arrivals(pool: Pool) -> list[tuple[str, int, int]]:
    """State, pieces and those that orders wait for, the oldest first."""
    return seed.rows(pool, "SELECT state, qty, reserved FROM part_arrivals ORDER BY arrival_id")
