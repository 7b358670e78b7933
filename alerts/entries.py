"""What has been decided and is to be written down: alerts, orders, histories, news. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from alerts.facts import NewOrder
from alerts.policy import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEntry:
    """An alert as it is from now on."""

    alert: Alert  #: with the number it has or gets
    tenant_id: int
    vehicle_id: int
    prediction_id: int | None  #: newest evidence; None: what is known stays
    origin: str
    is_new: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEntry:
    """An order that is opened."""

    order_id: int
    order: NewOrder
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An entry of the history of an alert or an order."""

    subject_id: int
    at: datetime
    actor: str
    from_state: str | None
    to_state: str
    reason: str


@dataclass(slots=True)
class Entries:
    """What one or many decisions write, in the order in which they were made."""

    orders: dict[int, OrderEntry] = field(default_factory=dict)
    alerts: dict[int, AlertEntry] = field(default_factory=dict)
    alert_events: list[Event] = field(default_factory=list)
    order_events: list[Event] = field(default_factory=list)
    news: list[str] = field(default_factory=list)  #: JSON for the live channel

    def put_alert(self, entry: AlertEntry) -> None:
        """Add an alert; of one that is here already the newer word counts."""
        number = entry.alert.alert_id
        earlier = self.alerts.get(number)
        if earlier is not None:
            entry = replace(
                entry, is_new=earlier.is_new, prediction_id=entry.prediction_id or earlier.prediction_id
            )
        self.alerts[number] = entry

    def add(self, others: Iterable[Entries]) -> None:
        """Add what other decisions write."""
        for other in others:
            self.orders |= other.orders
            for entry in other.alerts.values():
                self.put_alert(entry)
            self.alert_events += other.alert_events
            self.order_events += other.order_events
            self.news += other.news


def news_of(kind: str, key: int | str) -> str:
    """Return what the live channel tells of a change."""
    return json.dumps({"kind": kind, "id": key})
