"""SQL of findings that wait for a visit to the workshop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alerts.errors import UnknownAlert
from alerts.orders.states import AT_WORK
from alerts.policy import HELD_SEVERITIES, Alert
from alerts.rows import alert_from, prediction_from
from alerts.sql_store import SqlStore
from data.records import FailureMode, Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """An order for which the vehicle comes to a station."""

    order_id: int
    station_id: int
    distance_km: float
    is_distance_estimated: bool
    ends: datetime  #: from then on the vehicle is free for other work


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An alert with what it was raised on."""

    vehicle_id: int
    alert: Alert
    prediction: Prediction | None  #: None: the vehicle's own alarms, or one this version cannot read


class VisitStore(SqlStore):
    """Reads and writes findings and visits on one connection; the caller owns the transaction."""

    FILE = "orders/visits.sql"

    def fetch_findings(
        self, now: datetime, *, visit_id: int | None = None, limit: int = 1000
    ) -> list[tuple[int, int, int]]:
        """Return visit, vehicle and alert of what has not been looked at for that visit; of one, or all."""
        rows = self._rows(
            "fetch_findings",
            now=now,
            at_work=list(AT_WORK),
            urgent=list(HELD_SEVERITIES),
            modes=list(FailureMode),
            visit_id=visit_id,
            limit=limit,
        )
        return [(row["visit_id"], row["vehicle_id"], row["alert_id"]) for row in rows]

    def fetch_visit(self, order_id: int) -> Visit:
        """Return the visit that an order with an appointment is."""
        return Visit(**self._rows("fetch_visit", order_id=order_id)[0])

    def fetch_vehicle_of(self, alert_id: int) -> int:
        """Return the vehicle of an alert, to be locked before the alert.

        Raises:
            UnknownAlert: There is none.
        """
        rows = self._rows("fetch_alert_vehicle", alert_id=alert_id)
        if not rows:
            raise UnknownAlert(f"alert {alert_id}: there is no such alert")
        return int(rows[0]["vehicle_id"])

    def fetch_finding(self, alert_id: int) -> Finding:
        """Return an alert with its newest evidence, locked.

        Raises:
            UnknownAlert: There is none of a fault that is repaired; silence is none.
        """
        rows = self._rows("fetch_alert", alert_id=alert_id)
        if not rows or rows[0]["failure_mode"] not in list(FailureMode):
            raise UnknownAlert(f"alert {alert_id}: there is no such alert of a fault")
        own = {name: value for name, value in rows[0].items() if name not in ("vehicle_id", "prediction_id")}
        found = self._rows("fetch_prediction", prediction_id=rows[0]["prediction_id"])
        return Finding(
            vehicle_id=rows[0]["vehicle_id"],
            alert=alert_from(own),
            prediction=prediction_from(found[0]) if found else None,
        )

    def insert_finding(
        self, visit_id: int, alert_id: int, *, order_id: int | None, reason: str | None, now: datetime
    ) -> None:
        """Note what became of a finding with a visit: the order it is part of, or why it has none."""
        self._run(
            "insert_finding", visit_id=visit_id, alert_id=alert_id, order_id=order_id, reason=reason, now=now
        )
