"""SQL of the life of an order after the owner's yes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from alerts.dispatch.jobs import JobPart, Operation
from alerts.errors import UnknownOrder
from alerts.orders.states import OrderState
from alerts.sql_store import SqlStore
from alerts.work.actions import Details
from data.audit import Deed
from data.records import FailureMode, Severity

_EMPTY: Mapping[str, None] = dict.fromkeys(
    ("odometer_in_km", "odometer_out_km", "begun_at", "correction", "part_removed", "bay_id", "technician_id")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """A repair order as far as its work needs it."""

    order_id: int
    vehicle_id: int
    tenant_id: int
    component: str
    failure_mode: FailureMode
    severity: Severity
    state: OrderState
    version: int
    mode: str
    station_id: int | None
    bay_id: int | None
    technician_id: int | None
    total: Decimal
    customer_total: Decimal  #: of the total
    agreed_total: Decimal | None  #: what the owner said yes to; None: the customer_total of the offer
    begun_at: datetime | None  #: when work first began
    opened_at: datetime
    odometer_in_km: float | None
    slot_start: datetime | None
    slot_end: datetime | None
    labour_rate: Decimal | None
    currency: str
    tax_rate: Decimal | None
    is_station_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the agreed work needs."""

    skills: frozenset[str]
    bay_kinds: frozenset[str]
    is_hv: bool  #: it touches high voltage


class WorkStore(SqlStore):
    """Reads and writes the work on orders on one connection; the caller owns the transaction."""

    FILE = "work/work.sql"

    def fetch_order(self, order_id: int) -> WorkOrder:
        """Return one order, locked.

        Raises:
            UnknownOrder: There is none.
        """
        rows = self._rows("fetch_work_order", order_id=order_id)
        if not rows:
            raise UnknownOrder(f"order {order_id}: there is no such order")
        row = rows[0]
        return WorkOrder(
            **{
                **row,
                "failure_mode": FailureMode(row["failure_mode"]),
                "severity": Severity(row["severity"]),
                "state": OrderState(row["state"]),
            }
        )

    # ------------------------------------------------------------ commands

    def fetch_command(self, order_id: int, key: str) -> tuple[bytes, OrderState, int] | None:
        """Return digest, state and version of what was done under a key."""
        rows = self._rows("fetch_command", order_id=order_id, key=key)
        return (bytes(rows[0]["digest"]), OrderState(rows[0]["state"]), rows[0]["version"]) if rows else None

    def insert_command(
        self, order_id: int, key: str, digest: bytes, *, state: OrderState, version: int, now: datetime
    ) -> None:
        """Keep what was done under a key."""
        self._run(
            "insert_command", order_id=order_id, key=key, digest=digest, state=state, version=version, now=now
        )

    def audit(self, deed: Deed, order: WorkOrder, action: str, data: Mapping[str, Any]) -> None:
        """Write a decision into the audit trail."""
        deed.record(self._connection, order.tenant_id, action, f"order {order.order_id}", data)

    # ------------------------------------------------------------ order

    def move(self, order_id: int, state: OrderState, *, now: datetime, **values: Any) -> int:
        """Set the state and what came with it; return the new version."""
        row = self._rows("move_work", order_id=order_id, state=state, now=now, **{**_EMPTY, **values})[0]
        return int(row["version"])

    def share_data(self, order_id: int, *, is_shared: bool) -> None:
        """Note whether the owner lets the station see personal data for this order."""
        self._run("share_data", order_id=order_id, shares_data=is_shared)

    # ------------------------------------------------------------ findings and label

    def insert_finding(self, order_id: int, details: Details, *, actor: str, now: datetime) -> None:
        """Keep what a technician found."""
        self._run(
            "insert_finding",
            order_id=order_id,
            outcome=details.outcome,
            cause=details.cause or "",
            measured_value=details.measured_value,
            measured_unit=details.measured_unit,
            trouble_codes=list(details.trouble_codes or ()),
            onset=details.onset,
            actor=actor,
            now=now,
        )

    def fetch_outcome(self, order_id: int) -> str | None:
        """Return what was found last."""
        rows = self._rows("fetch_outcome", order_id=order_id)
        return str(rows[0]["outcome"]) if rows else None

    def insert_label(self, order_id: int, *, now: datetime) -> None:
        """Make the newest finding, if there is one, the label of the order; once."""
        self._run("insert_label", order_id=order_id, now=now)

    def clear_alerts(self, order_id: int, *, actor: str, reason: str, now: datetime) -> list[int]:
        """Clear what the order was about; return the alerts."""
        rows = self._rows("clear_alerts", order_id=order_id, actor=actor, reason=reason, now=now)
        return [row["alert_id"] for row in rows]

    # ------------------------------------------------------------ parts, bay, people

    def fetch_reservations(self, order_id: int) -> dict[str, tuple[int, str]]:
        """Return sku -> (quantity, ``reserved`` or ``used``)."""
        rows = self._rows("fetch_reservations", order_id=order_id)
        return {row["sku"]: (row["qty"], row["state"]) for row in rows}

    def fetch_supplied(self, limit: int) -> list[tuple[int, int]]:
        """Return order and version of those whose missing parts are all here now, the most urgent first."""
        return [(row["order_id"], row["version"]) for row in self._rows("fetch_supplied", limit=limit)]

    def reserve_part(self, order_id: int, station_id: int | None, sku: str, qty: int) -> bool:
        """Reserve a part at the station; False where there are not so many."""
        return self._run("reserve_part", order_id=order_id, station_id=station_id, sku=sku, qty=qty) > 0

    def fetch_operations(self, tenant_id: int, hours: Mapping[str, Decimal]) -> tuple[Operation, ...]:
        """Return labour operations of the tenant with these hours instead of the labour guide's."""
        rows = self._rows("fetch_operations", tenant_id=tenant_id, operations=list(hours))
        return tuple(Operation(**row, hours=hours[row["operation"]]) for row in rows)

    def fetch_parts(self, tenant_id: int, wanted: Mapping[str, Decimal]) -> tuple[JobPart, ...]:
        """Return parts of the tenant in these quantities."""
        rows = self._rows("fetch_parts", tenant_id=tenant_id, skus=list(wanted))
        return tuple(JobPart(**row, qty=int(wanted[row["sku"]])) for row in rows)

    def release_part(self, order_id: int, sku: str) -> None:
        """Put a part back on the shelf, picked or not."""
        self._run("release_part", order_id=order_id, sku=sku)

    def pick_parts(self, order_id: int) -> int:
        """Take all reserved parts from the shelf; return how many lines that were."""
        return self._run("pick_parts", order_id=order_id)

    def finish_bookings(self, order_id: int) -> None:
        """Give bay and technician free again: the work is done."""
        self._run("finish_bookings", order_id=order_id)

    def move_booking(self, order_id: int, *, bay_id: int, technician_id: int, now: datetime) -> None:
        """Put the appointment into a bay and a technician's hands; one whose time is over begins now.

        Raises:
            psycopg.errors.IntegrityError: Somebody else has them then.
        """
        self._run("move_booking", order_id=order_id, bay_id=bay_id, technician_id=technician_id, now=now)

    def fetch_needs(self, order_id: int) -> Needs:
        """Return what the agreed work needs."""
        row = self._rows("fetch_needs", order_id=order_id)[0]
        return Needs(
            skills=frozenset(row["skills"]), bay_kinds=frozenset(row["bay_kinds"]), is_hv=row["is_hv"]
        )

    def find_bay(
        self, station_id: int | None, *, name: str | None = None, bay_id: int | None = None
    ) -> dict[str, Any] | None:
        """Return an open bay of the station by name or id."""
        rows = self._rows("find_bay", station_id=station_id, name=name, bay_id=bay_id)
        return rows[0] if rows else None

    def find_technician(
        self, station_id: int | None, *, name: str | None = None, technician_id: int | None = None
    ) -> dict[str, Any] | None:
        """Return an active technician of the station by name or id."""
        rows = self._rows("find_technician", station_id=station_id, name=name, technician_id=technician_id)
        return rows[0] if rows else None

    def insert_signoff(
        self, order_id: int, kind: str, technician_id: int, *, now: datetime, measured_v: float | None = None
    ) -> None:
        """Note who stands for it."""
        said = {"kind": kind, "technician_id": technician_id, "measured_v": measured_v}
        self._run("insert_signoff", order_id=order_id, now=now, **said)

    def upsert_rating(
        self, order_id: int, *, station_stars: int, warning_stars: int, comment: str, now: datetime
    ) -> None:
        """Keep the owner's opinion; a later one replaces it."""
        self._run(
            "upsert_rating",
            order_id=order_id,
            station_stars=station_stars,
            warning_stars=warning_stars,
            comment=comment,
            now=now,
        )
