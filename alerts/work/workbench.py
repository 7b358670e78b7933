"""One order under one action: its stores, who acts, and the steps that several actions share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from alerts.desk import Desk, Terms
from alerts.errors import InvalidDetails
from alerts.orders.states import OrderState, check_transition
from alerts.prices.price_store import PriceStore
from alerts.telling.texts import WarningText
from alerts.work.actions import Action, Details
from alerts.work.work_store import WorkOrder, WorkStore
from data.audit import Deed
from data.records import Severity


@dataclass(slots=True, kw_only=True)
class Workbench:
    """What one action works with, inside its transaction; ``order`` follows what has been done."""

    desk: Desk
    work: WorkStore
    prices: PriceStore
    terms: Terms
    order: WorkOrder
    action: Action
    details: Details
    actor: str
    now: datetime

    def move(self, to_state: OrderState, told: str, **values: Any) -> None:
        """Move the order and append to its history; staying in a state is allowed too."""
        if to_state is not self.order.state:
            check_transition(self.order.state, to_state)
        reason = f"{told}: {self.details.reason}" if self.details.reason else told
        version = self.work.move(self.order.order_id, to_state, now=self.now, **values)
        self.desk.store.insert_order_event(
            self.order.order_id, self.order.state, to_state, reason, now=self.now, actor=self.actor
        )
        self.order = replace(self.order, state=to_state, version=version)

    def note(self, told: str, **values: Any) -> None:
        """Append to the history without moving."""
        self.move(self.order.state, told, **values)

    def audit(self, what: str, **data: Any) -> None:
        """Write a decision or a price change into the audit trail."""
        self.work.audit(Deed(actor=self.actor, now=self.now), self.order, what, data)

    def technician(self, name: str, field: str) -> dict[str, Any]:
        """Return a technician of the order's station.

        Raises:
            InvalidDetails: Nobody of that name works there.
        """
        found = self.work.find_technician(self.order.station_id, name=name)
        if found is None:
            raise InvalidDetails(f"{field} {name[:40]!r}: no active technician of this station")
        return found

    def isolate(self) -> str:
        """Take the signature that high voltage is off, where the work touches it; return what to tell of it.

        Raises:
            InvalidDetails: It is missing, not needed, or by somebody without a high-voltage skill.
        """
        name, volts = self.details.isolated_by, self.details.isolated_v
        is_hv = self.work.fetch_needs(self.order.order_id).is_hv
        if not is_hv and name is not None:
            raise InvalidDetails("isolated_by: this work does not touch high voltage")
        if not is_hv:
            return ""
        if name is None:
            raise InvalidDetails("isolated_by: work on high voltage starts with a signed isolation")
        signer = self.technician(name, "isolated_by")
        if not any(skill.startswith("HV") for skill in signer["skills"]):
            raise InvalidDetails(f"isolated_by {name[:40]!r}: has no high-voltage skill")
        self.work.insert_signoff(
            self.order.order_id,
            "hv_isolation",
            signer["technician_id"],
            measured_v=volts,
            now=self.now,
        )
        return f"high voltage off, {volts:g} V, signed by {signer['name']}; "

    def free_everything(self) -> None:
        """Give bay, technician and all parts back."""
        for sku in self.work.fetch_reservations(self.order.order_id):
            self.work.release_part(self.order.order_id, sku)
        self.desk.store.release_order(self.order.order_id)

    def end_alerts(self, reason: str) -> None:
        """Clear what the order was about."""
        for alert_id in self.work.clear_alerts(
            self.order.order_id, actor=self.actor, reason=reason, now=self.now
        ):
            self.desk.store.tell_browsers("alert", alert_id)

    def tell_owner(self, text: WarningText) -> None:
        """Queue a message to the owner about this transition; it is never urgent."""
        vehicle = self.desk.store.fetch_vehicle(self.order.vehicle_id)
        if vehicle is not None:
            self.desk.store.warnings().queue(
                vehicle,
                transition=f"order:{self.order.order_id}:{self.order.state}:{self.order.version}",
                severity=Severity.S4,
                text=text,
                alert_id=None,
                order_id=self.order.order_id,
                now=self.now,
            )
