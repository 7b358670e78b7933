"""SQL that holds and offers appointments."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from alerts.dispatch.stations import Plan
from alerts.errors import BookingConflict
from alerts.prices.pricing import Quote
from alerts.sql_store import SqlStore, columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """An appointment with its price, as it is written."""

    order_id: int
    plan: Plan
    quote: Quote
    is_distance_estimated: bool

    @property
    def shown(self) -> tuple[int, datetime, Decimal, str]:
        """Return what the owner is shown of it, as ``Order.shown`` does."""
        return self.plan.station.station_id, self.plan.start, self.quote.customer_total, self.plan.mode


class OfferStore(SqlStore):
    """Writes offers on one connection; the caller owns the transaction."""

    FILE = "orders/offers.sql"

    def hold(self, offers: Sequence[Offered], *, hold_for: timedelta, now: datetime) -> None:
        """Hold bay, technician and parts of all offers together.

        Raises:
            BookingConflict: A part was taken meanwhile.
            psycopg.errors.IntegrityError: Bay or technician was taken meanwhile.
        """
        holds = [
            {
                "order_id": one.order_id,
                "bay_id": None if one.plan.bay is None else one.plan.bay.bay_id,
                "technician_id": one.plan.technician.technician_id,
                "busy_from": one.plan.busy[0],
                "busy_to": one.plan.busy[1],
            }
            for one in offers
        ]
        self._run("insert_holds", expires_at=now + hold_for, **columns(holds))
        reserved = {(row["order_id"], row["sku"]): row for one in offers for row in self._parts(one, now)}
        shelf = [row for row in reserved.values() if row["arrival_id"] is None]
        if shelf:
            wanted = {name: [row[name] for row in shelf] for name in ("station_id", "sku", "qty")}
            taken = {(row["station_id"], row["sku"]) for row in self._rows("reserve_parts", **wanted)}
            for one in offers:
                for sku in (row["sku"] for row in shelf if row["order_id"] == one.order_id):
                    if (one.plan.station.station_id, sku) not in taken:
                        raise _taken(sku, one.plan)
        if reserved:
            self._run("insert_reservations", **columns(list(reserved.values())))

    def _parts(self, one: Offered, now: datetime) -> list[dict[str, Any]]:
        """Return the reservations of an offer; what is on its way or comes from elsewhere is taken."""
        rows, plan = [], one.plan
        for part in sorted(plan.supply.job.parts, key=lambda p: p.sku):
            wanted = {"station_id": plan.station.station_id, "sku": part.sku, "qty": part.qty}
            arrival, arrival_id = plan.supply.arrival(part.sku), None
            if arrival is not None:
                if arrival.arrival_id is None:
                    told = {
                        name: getattr(arrival, name)
                        for name in ("from_station_id", "expected_at", "spread_h")
                    }
                    found = self._rows("insert_transfer", order_id=one.order_id, now=now, **wanted, **told)
                else:
                    found = self._rows("reserve_arrival", arrival_id=arrival.arrival_id, qty=part.qty)
                if not found:
                    raise _taken(part.sku, plan)
                arrival_id = found[0]["arrival_id"]
            due = None if arrival is None else arrival.due(now)
            rows.append({"order_id": one.order_id, **wanted, "arrival_id": arrival_id, "promised_at": due})
        return rows

    def write(self, offers: Sequence[Offered], *, now: datetime) -> dict[int, int]:
        """Write appointments and prices; return the orders' new versions."""
        changed = [
            {
                "order_id": one.order_id,
                "mode": str(one.plan.mode),
                "station_id": one.plan.station.station_id,
                "distance_km": one.plan.distance_km,
                "is_distance_estimated": one.is_distance_estimated,
                "bay_id": None if one.plan.bay is None else one.plan.bay.bay_id,
                "technician_id": one.plan.technician.technician_id,
                "starts": one.plan.start,
                "ends": one.plan.end,
                "currency": one.quote.currency,
                "total": one.quote.total,
                "customer_total": one.quote.customer_total,
                "passed_over": json.dumps([p.told() for p in one.plan.passed_over]),
            }
            for one in offers
        ]
        self._run("delete_order_lines", order_ids=[one.order_id for one in offers])
        lines = [
            {"order_id": one.order_id, "line": number, **asdict(line), "payer": str(line.payer)}
            for one in offers
            for number, line in enumerate(one.quote.lines, start=1)
        ]
        if lines:
            self._run("insert_order_lines", **columns(lines))
        return {
            row["order_id"]: row["version"] for row in self._rows("offer_orders", now=now, **columns(changed))
        }


def _taken(sku: str, plan: Plan) -> BookingConflict:
    return BookingConflict(f"part {sku} at {plan.station.code}: taken meanwhile")
