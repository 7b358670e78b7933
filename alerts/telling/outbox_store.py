"""SQL of the outbox."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from data.db import Connection, load_queries
from data.locks import LOCK_ADDRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that is due, with its receiver and all that any channel needs.

    It is about a warning, or carries a code that verifies a contact way (``code``), or tells a station's
    system of an order (``told_order_id``).
    """

    delivery_id: int
    channel: str  #: as in the table ``deliveries``
    address: str  #: push endpoint, topic, mail address, URL, …
    audience: str  #: ``owner``, ``vehicle``, ``emergency``, ``desk``, ``station``
    attempts: int  #: made before this one
    created_at: datetime
    is_known: bool  #: False: the receiver does not want to hear from us there any more
    severity: str
    locale: str
    warning_id: UUID | None = None
    warned_at: datetime | None = None
    title_en: str = ""
    title_zh: str = ""
    body_en: str = ""
    body_zh: str = ""
    order_id: int | None = None  #: of the warning
    vin: str | None = None
    plate: str | None = None
    p256dh: str | None = None
    auth: str | None = None
    secret: str | None = None  #: signs what goes to a webhook
    code: str | None = None
    told_order_id: int | None = None
    event_id: int | None = None
    order: dict[str, Any] | None = None  #: what a station is told, see ``station_message``


class OutboxStore:
    """Reads and writes deliveries on one connection; the caller owns the transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queries = load_queries("alerts", "telling/outbox.sql")

    def _run(self, name: str, **values: Any) -> int:
        return self._connection.execute(self._queries[name], values).rowcount

    def claim_due(self, now: datetime, channels: list[str]) -> Delivery | None:
        """Return the most urgent due delivery, locked until the end of the transaction."""
        return self._fetch(self._row("claim_due", now=now, channels=channels))

    def claim_due_of_free_address(self, now: datetime, channels: list[str]) -> Delivery | None:
        """The same, of an address that nobody else is sending to and that has answered of late.

        An address that is slow or away holds one sender, once in a while; all others are free for the rest.
        """
        with self._connection.cursor(row_factory=dict_row) as cursor:
            wanted = {"now": now, "channels": channels}
            due = cursor.execute(self._queries["fetch_due_addresses"], wanted).fetchall()
        for address in due:
            locked = self._row("try_lock_address", lock=LOCK_ADDRESS, **address)
            if locked and locked["is_mine"]:
                found = self._fetch(self._row("claim_due_at", now=now, **address))
                if found is not None:
                    return found
        return None

    def _fetch(self, claimed: dict[str, Any] | None) -> Delivery | None:
        row = self._row("fetch_delivery", **claimed) if claimed else None
        if row is None:
            return None
        found = Delivery(**row)
        if found.told_order_id is None:
            return found
        about = self._row("fetch_order_message", order_id=found.told_order_id, event_id=found.event_id)
        return replace(found, order=about)

    def _row(self, name: str, **values: Any) -> dict[str, Any] | None:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(self._queries[name], values).fetchone()

    def seconds_to_next(self, now: datetime, channels: list[str]) -> float | None:
        """Return the time until the next delivery of these channels is due; None where none waits."""
        wanted = {"now": now, "channels": channels}
        row = self._connection.execute(self._queries["seconds_to_next"], wanted).fetchone()
        return None if row is None or row[0] is None else max(0.0, float(row[0]))

    def mark_sent(self, delivery: Delivery, detail: str, now: datetime) -> None:
        """Note that the push service or broker has taken the message."""
        self._run("mark_sent", delivery_id=delivery.delivery_id, now=now)
        self._run("resume_address", channel=delivery.channel, address=delivery.address)
        self._receipt(delivery, "accepted", detail, now)

    def mark_failed(self, delivery: Delivery, outcome: str, detail: str, now: datetime) -> None:
        """Give up a delivery."""
        self._run("mark_failed", delivery_id=delivery.delivery_id, detail=detail)
        if outcome == "gone" and delivery.channel == "webpush":
            self._run("mark_gone", endpoint=delivery.address, now=now)
        if delivery.audience == "owner" and delivery.warning_id is not None:
            self._run("hasten_next_step", warning_id=delivery.warning_id, now=now)
        self._receipt(delivery, outcome, detail, now)

    def postpone(
        self, delivery: Delivery, outcome: str, detail: str, *, next_attempt_at: datetime, now: datetime
    ) -> None:
        """Try a delivery again later."""
        self._run(
            "postpone", delivery_id=delivery.delivery_id, detail=detail, next_attempt_at=next_attempt_at
        )
        self._receipt(delivery, outcome, detail, now)

    def pause_address(
        self, delivery: Delivery, *, first: timedelta, longest: timedelta, now: datetime
    ) -> datetime:
        """Let an address that failed rest, longer each time; return until when."""
        given = {"channel": delivery.channel, "address": delivery.address}
        row = self._row("pause_address", **given, first=first, longest=longest, now=now)
        until: datetime = row["until"] if row else now + first
        return until

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
