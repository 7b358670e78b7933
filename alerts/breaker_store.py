"""SQL of the circuit breaker."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from alerts.facts import Combination
from alerts.sql_store import SqlStore
from data.audit import Deed
from data.locks import LOCK_BREAKER

_ACTOR = "anxin"


class BreakerStore(SqlStore):
    """Reads and writes trips of the breaker on one connection; the caller owns the transaction."""

    FILE = "breaker.sql"

    def _number(self, name: str, **values: Any) -> int:
        row = self._connection.execute(self._queries[name], values).fetchone()
        return int(row[0]) if row else 0

    def fetch_open_trip(self, made_by: Combination) -> int | None:
        """Return the open trip of a combination; it stays open until the end of the transaction."""
        rows = self._rows("fetch_open_trip", **made_by.values())
        return rows[0]["trip_id"] if rows else None

    def lock_combination(self, made_by: Combination) -> None:
        """Wait for the others that open orders of this combination."""
        self._connection.execute(
            self._queries["lock_combination"], {"lock": LOCK_BREAKER, "key": "|".join(made_by.names())}
        )

    def count_orders(self, made_by: Combination, *, after: datetime) -> int:
        """Return how many orders it has opened since then and since the last release."""
        return self._number("count_orders", after=after, **made_by.values())

    def count_fleet(self, made_by: Combination) -> int:
        """Return how many vehicles of the model the tenant has."""
        return self._number("count_fleet", **made_by.values())

    def insert_trip(self, made_by: Combination, *, order_count: int, order_limit: int, now: datetime) -> int:
        """Note that the breaker has tripped; return the trip."""
        values = {"order_count": order_count, "order_limit": order_limit}
        trip_id = self._number("insert_trip", now=now, **values, **made_by.values())
        Deed(actor=_ACTOR, now=now).record(
            self._connection,
            made_by.tenant_id,
            "breaker.trip",
            f"trip {trip_id}",
            {**made_by.values(), **values},
        )
        return trip_id

    def lock_trip(self, trip_id: int, *, tenant_id: int) -> dict[str, Any] | None:
        """Return a trip, locked against routers that would add to it."""
        rows = self._rows("lock_trip", trip_id=trip_id, tenant_id=tenant_id)
        return rows[0] if rows else None

    def close_trip(self, trip_id: int, *, decision: str, actor: str, reason: str, now: datetime) -> None:
        """Note the decision of a person."""
        values = {"decision": decision, "actor": actor, "reason": reason, "now": now}
        self._connection.execute(self._queries["close_trip"], {"trip_id": trip_id, **values})

    def let_orders_go(self, trip_id: int, *, held: str, let_go: str, actor: str, now: datetime) -> list[int]:
        """Hand the held orders to planning; return them."""
        values = {"held": held, "let_go": let_go, "actor": actor, "now": now}
        return [row["order_id"] for row in self._rows("let_orders_go", trip_id=trip_id, **values)]

    def cancel_orders(self, trip_id: int, *, held: str, actor: str, reason: str, now: datetime) -> list[int]:
        """Cancel the held orders; return them."""
        values = {"held": held, "actor": actor, "reason": reason, "now": now}
        return [row["order_id"] for row in self._rows("cancel_orders", trip_id=trip_id, **values)]

    def record(self, deed: Deed, tenant_id: int, action: str, subject: str, data: dict[str, Any]) -> None:
        """Write a deed of a person to the audit trail."""
        deed.record(self._connection, tenant_id, action, subject, data)
