"""SQL of the outbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from data.db import Connection, load_queries


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that is due, with its receiver."""

    delivery_id: int
    channel: str  #: ``webpush`` or ``mqtt``
    address: str  #: push endpoint or topic
    attempts: int  #: made before this one
    warning_id: UUID
    severity: str
    title_en: str
    title_zh: str
    body_en: str
    body_zh: str
    order_id: int | None
    created_at: datetime
    vin: str
    p256dh: str | None
    auth: str | None
    gone_at: datetime | None
    locale: str


class OutboxStore:
    """Reads and writes deliveries on one connection; the caller owns the transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queries = load_queries("alerts", "outbox.sql")

    def _run(self, name: str, **values: Any) -> int:
        return self._connection.execute(self._queries[name], values).rowcount

    def claim_due(self, now: datetime, channels: list[str]) -> Delivery | None:
        """Return the most urgent due delivery, locked until the end of the transaction."""
        with self._connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(self._queries["claim_due"], {"now": now, "channels": channels}).fetchone()
        return Delivery(**row) if row else None

    def seconds_to_next(self, now: datetime, channels: list[str]) -> float | None:
        """Return the time until the next delivery of these channels is due; None where none waits."""
        wanted = {"now": now, "channels": channels}
        row = self._connection.execute(self._queries["seconds_to_next"], wanted).fetchone()
        return None if row is None or row[0] is None else max(0.0, float(row[0]))

    def mark_sent(self, delivery: Delivery, detail: str, now: datetime) -> None:
        """Note that the push service or broker has taken the message."""
        self._run("mark_sent", delivery_id=delivery.delivery_id, now=now)
        self._receipt(delivery, "accepted", detail, now)

    def mark_failed(self, delivery: Delivery, outcome: str, detail: str, now: datetime) -> None:
        """Give up a delivery."""
        self._run("mark_failed", delivery_id=delivery.delivery_id, detail=detail)
        if outcome == "gone":
            self._run("mark_gone", endpoint=delivery.address, now=now)
        self._receipt(delivery, outcome, detail, now)

    def postpone(
        self, delivery: Delivery, outcome: str, detail: str, *, next_attempt_at: datetime, now: datetime
    ) -> None:
        """Try a delivery again later."""
        self._run(
            "postpone", delivery_id=delivery.delivery_id, detail=detail, next_attempt_at=next_attempt_at
        )
        self._receipt(delivery, outcome, detail, now)

    def receive(self, warning_id: UUID, *, channel: str, address: str | None, now: datetime) -> int:
        """Note that the receiver showed a warning; return how many deliveries that settles."""
        return self._run("receive", warning_id=warning_id, channel=channel, address=address, now=now)

    def receive_from_vehicles(self, vehicle_id: int, after: datetime, until: datetime) -> int:
        """Note the receipts that a vehicle sent within a span of event time."""
        return self._run("receive_from_vehicles", vehicle_id=vehicle_id, after=after, until=until)

    def _receipt(self, delivery: Delivery, outcome: str, detail: str, now: datetime) -> None:
        self._run(
            "insert_receipt",
            delivery_id=delivery.delivery_id,
            attempt=delivery.attempts + 1,
            outcome=outcome,
            detail=detail,
            now=now,
        )
