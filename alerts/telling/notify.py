"""Deliver what is due in the outbox: at least once, with a stable warning_id that receivers collapse on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from alerts.errors import AddressRefused, DeliveryError, SubscriptionGone
from alerts.store import AlertStore
from alerts.telling.outbox_store import Delivery, OutboxStore
from alerts.telling.warning_store import WarningStore
from data.db import CHANNEL_LIVE, Pool, notify, transaction

_log = structlog.get_logger("alerts")

#: Pause before the second attempt; doubles with each further one, up to the longest.
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(hours=1)
#: A warning that could not be delivered for so long is of no use any more.
GIVE_UP_AFTER = timedelta(days=7)


class Sender(Protocol):
    """Hands one message to a channel."""

    def send(self, delivery: Delivery) -> str:
        """Return what the channel answered; raise ``DeliveryError`` where it did not take the message."""


def pause_after(attempts: int) -> timedelta:
    """Return the pause after so many attempts have failed."""
    doublings: int = min(max(attempts - 1, 0), 16)
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << doublings))


def deliver_next(
    pool: Pool, senders: Mapping[str, Sender], *, now: datetime, by_address: bool = False
) -> str | None:
    """Deliver the most urgent due message of these channels; return its outcome, None where none is due.

    The row stays locked while the message is under way. A process that dies in between leaves it pending:
    it is sent again under the same warning_id.

    Args:
        pool: Of the database.
        senders: By channel.
        now: Wall time.
        by_address: Each address is a server of its own: one sender at a time, and a rest after a failure.
    """
    with transaction(pool) as connection:
        store = OutboxStore(connection)
        claim = store.claim_due_of_free_address if by_address else store.claim_due
        delivery = claim(now, list(senders))
        if delivery is None:
            return None
        outcome = _attempt(store, delivery, senders[delivery.channel], now, by_address=by_address)
        if delivery.warning_id is not None:
            notify(connection, CHANNEL_LIVE, f'{{"kind": "warning", "id": "{delivery.warning_id}"}}')
    return outcome


def take_step(pool: Pool, *, now: datetime) -> bool:
    """Let the most urgent warning that has to go on take its next step; False where none has."""
    with transaction(pool) as connection:
        return WarningStore(connection).take_next(now) is not None


def _attempt(
    store: OutboxStore, delivery: Delivery, sender: Sender, now: datetime, *, by_address: bool
) -> str:
    if not delivery.is_known:
        store.mark_failed(delivery, "gone", "the receiver does not want to hear from us there", now)
        return "gone"
    try:
        answer = sender.send(delivery)
    except SubscriptionGone as error:
        store.mark_failed(delivery, "gone", str(error), now)
        return "gone"
    except AddressRefused as error:
        store.mark_failed(delivery, "refused", str(error), now)
        return "refused"
    except DeliveryError as error:
        return _try_later(store, delivery, error, now, by_address=by_address, is_final=error.is_final)
    except Exception as error:
        # one message that breaks its sender must not stop all others behind it
        _log.exception("sender failed", action="deliver", delivery_id=delivery.delivery_id)
        return _try_later(store, delivery, error, now, by_address=by_address)
    store.mark_sent(delivery, answer, now)
    return "sent"


def _try_later(
    store: OutboxStore,
    delivery: Delivery,
    error: Exception,
    now: datetime,
    *,
    by_address: bool,
    is_final: bool = False,
) -> str:
    detail = str(error) or type(error).__name__
    if is_final or now - delivery.created_at > GIVE_UP_AFTER:
        store.mark_failed(delivery, "refused", detail, now)
        return "refused"
    again = now + pause_after(delivery.attempts + 1)
    if by_address:
        again = store.pause_address(delivery, first=FIRST_PAUSE, longest=LONGEST_PAUSE, now=now)
    store.postpone(delivery, "failed", detail, next_attempt_at=again, now=now)
    return "postponed"


def acknowledge(
    alerts: AlertStore, warnings: WarningStore, warning_id: UUID, *, actor: str, now: datetime
) -> bool:
    """Note that a person knows of what a warning is about; False where there is no such warning."""
    subject = warnings.fetch_subject(warning_id)
    if subject is None:
        return False
    order_id, alert_id = subject
    if order_id is None:
        warnings.acknowledge(order_id=None, alert_id=alert_id, actor=actor, now=now)
    else:
        alerts.acknowledge_alerts(order_id, actor=actor, reason="warning acknowledged", now=now)
    return True


def take_receipts(pool: Pool, *, limit: int = 1000, now: datetime) -> int:
    """Note the receipts that vehicles sent since the last time; return how many deliveries they settle.

    A receipt that somebody in the vehicle gave acknowledges the warning, too.
    """
    with transaction(pool) as connection:
        alerts, outbox = AlertStore(connection), OutboxStore(connection)
        cursor = alerts.fetch_event_cursor("notify")
        newest, spans = alerts.fetch_event_spans(cursor, limit)
        settled = sum(outbox.receive_from_vehicles(*span) for span in spans)
        warnings = WarningStore(connection)
        for warning_id in (w for span in spans for w in warnings.fetch_person_receipts(*span)):
            acknowledge(alerts, warnings, warning_id, actor="vehicle", now=now)
        if newest > cursor:
            alerts.advance_event_cursor("notify", newest, now)
    return settled
