"""SQL of what needs a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from alerts.breaker import HELD_BACK, LET_GO
from alerts.orders.placing import PLANNING_FAILED
from alerts.orders.standing_rules import StandingRule
from alerts.orders.states import AT_WORK, BATCHED, OrderState
from alerts.sql_store import SqlStore


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderConcern:
    """Something about an order that needs a person."""

    tenant_id: int
    vehicle_id: int
    order_id: int
    state: OrderState
    kind: str
    audience: str  #: ``station`` or ``operations``, who see both
    detail: str


class ConcernStore(SqlStore):
    """Reads and writes concerns on one connection; the caller owns the transaction."""

    FILE = "orders/concerns.sql"

    def fetch_current(self, rule: StandingRule, now: datetime) -> list[OrderConcern]:
        """Return what needs a person now."""
        rows = self._rows(
            "fetch_current",
            **asdict(rule),
            now=now,
            at_work=list(AT_WORK),
            planning_failed=PLANNING_FAILED,
            held=[HELD_BACK, LET_GO, BATCHED],
        )
        return [OrderConcern(**{**row, "state": OrderState(row["state"])}) for row in rows]

    def raise_for_order(self, concern: OrderConcern, now: datetime) -> bool:
        """Write a concern down; False where it is open already."""
        return bool(self._rows("raise_for_order", **asdict(concern), now=now))

    def settle_others(
        self, current: Sequence[tuple[int, str]], kinds: Sequence[str], now: datetime
    ) -> list[int]:
        """Settle the open concerns of these kinds that are not current; return their orders."""
        rows = self._rows(
            "settle_others",
            kinds=list(kinds),
            order_ids=[order_id for order_id, _ in current],
            current_kinds=[kind for _, kind in current],
            now=now,
        )
        return [row["order_id"] for row in rows]
