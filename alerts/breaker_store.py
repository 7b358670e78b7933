"""SQL of the circuit breaker."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from alerts.facts import Combination
from alerts.sql_store import SqlStore
from data.audit import Deed
from data.db import Connection
from data.locks import LOCK_BREAKER
from data.records import FailureMode

_ACTOR = "anxin"


class BreakerStore(SqlStore):
    """Reads and writes trips of the breaker on one connection; the caller owns the transaction."""

    FILE = "breaker.sql"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._trips: dict[Combination, int | None] = {}  # of those entered
        self._counts: dict[Combination, int] = {}
        self._fleets: dict[tuple[int, str], int] = {}

    def _number(self, name: str, **values: Any) -> int:
        row = self._connection.execute(self._queries[name], values).fetchone()
        return int(row[0]) if row else 0

    def enter(self, made_by: Collection[Combination], *, after: datetime) -> None:
        """Lock those combinations that no trip holds back, and count their orders since then, at once.

        Until the end of the transaction nobody else opens orders of them; they are locked in the same order
        by everybody.
        """
        unknown = [one for one in made_by if one not in self._trips]
        if not unknown:
            return
        self._trips |= self._fetch_open_trips(unknown)
        if free := [one for one in unknown if self._trips[one] is None]:
            keys = ["|".join(one.names()) for one in free]
            self._rows("lock_combinations", lock=LOCK_BREAKER, keys=keys)
            self._trips |= self._fetch_open_trips(free)
            counted = self._rows("count_orders", after=after, **_columns(free))
            self._counts |= {_combination(row): row["count"] for row in counted}

    def _fetch_open_trips(self, made_by: Sequence[Combination]) -> dict[Combination, int | None]:
        rows = self._rows("fetch_open_trips", **_columns(made_by))
        return dict.fromkeys(made_by) | {_combination(row): row["trip_id"] for row in rows}

    def open_trip(self, made_by: Combination) -> int | None:
        """Return the open trip of a combination that was entered; it stays open until the end."""
        return self._trips[made_by]

    def order_count(self, made_by: Combination) -> int:
        """Return how many orders an entered combination has opened in that time, and since a release."""
        return self._counts[made_by]

    def add_order(self, made_by: Combination) -> None:
        """Count an order that this transaction opens."""
        self._counts[made_by] += 1

    @contextmanager
    def decision(self) -> Iterator[None]:
        """Decide about one vehicle; where that fails, its orders do not count."""
        before = dict(self._counts)
        try:
            yield
        except Exception:
            self._counts |= before
            raise

    def count_fleet(self, made_by: Combination) -> int:
        """Return how many vehicles of the model the tenant has."""
        key = (made_by.tenant_id, made_by.model_id)
        if key not in self._fleets:
            self._fleets[key] = self._number("count_fleet", **made_by.values())
        return self._fleets[key]

    def insert_trip(self, made_by: Combination, *, order_count: int, order_limit: int, now: datetime) -> int:
        """Note that the breaker has tripped; return the trip."""
        values = {"order_count": order_count, "order_limit": order_limit}
        trip_id = self._number("insert_trip", now=now, **values, **made_by.values())
        self._trips[made_by] = trip_id
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


def _columns(made_by: Sequence[Combination]) -> dict[str, list[Any]]:
    return {
        "tenant_ids": [one.tenant_id for one in made_by],
        "failure_modes": [str(one.failure_mode) for one in made_by],
        "model_versions": [one.model_version for one in made_by],
        "model_ids": [one.model_id for one in made_by],
    }


def _combination(row: Mapping[str, Any]) -> Combination:
    return Combination(
        tenant_id=row["tenant_id"],
        failure_mode=FailureMode(row["failure_mode"]),
        model_version=row["model_version"],
        model_id=row["model_id"],
    )
