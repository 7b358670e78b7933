"""SQL of the price of an order: what is agreed, and what the station proposes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg.types.json import Jsonb

from alerts.prices.pricing import PriceLine, Quote, lines_from
from alerts.rules import Mode
from alerts.sql_store import SqlStore


class PriceStore(SqlStore):
    """Reads and writes prices on one connection; the caller owns the transaction."""

    FILE = "prices/prices.sql"

    def fetch_lines(self, order_id: int) -> tuple[PriceLine, ...]:
        """Return the agreed lines."""
        return lines_from(self._rows("fetch_order_lines", order_id=order_id))

    def fetch_fee(self, order_id: int) -> tuple[Mode, Decimal] | None:
        """Return what was agreed for the way vehicle and work come together by."""
        rows = self._rows("fetch_order_fee", order_id=order_id)
        return (Mode(rows[0]["code"]), rows[0]["unit_price"]) if rows else None

    def replace_lines(self, order_id: int, quote: Quote, *, agreed_total: Decimal) -> None:
        """Make these the agreed lines."""
        numbered = [{"line": n, **line} for n, line in enumerate(_told(quote), start=1)]
        self._run(
            "replace_lines",
            order_id=order_id,
            lines=Jsonb(numbered),
            total=quote.total,
            customer_total=quote.customer_total,
            agreed_total=agreed_total,
        )

    def insert_estimate(self, order_id: int, quote: Quote, *, reason: str, actor: str, now: datetime) -> None:
        """Propose a price."""
        self._run("insert_estimate", **_proposal(order_id, quote), reason=reason, actor=actor, now=now)

    def fetch_estimate(self, order_id: int) -> tuple[PriceLine, ...]:
        """Return the lines of the price that waits for the owner's decision."""
        return lines_from(self._rows("fetch_pending_estimate", order_id=order_id)[0]["lines"])

    def change_estimate(self, order_id: int, quote: Quote) -> None:
        """Let the price that waits for the owner's decision be another one."""
        self._run("change_estimate", **_proposal(order_id, quote))

    def decide_estimate(
        self, order_id: int, decision: str, *, actor: str, now: datetime
    ) -> tuple[PriceLine, ...]:
        """Settle the proposed price; return its lines."""
        row = self._rows("decide_estimate", order_id=order_id, decision=decision, actor=actor, now=now)[0]
        return lines_from(row["lines"])


def _proposal(order_id: int, quote: Quote) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "lines": Jsonb(_told(quote)),
        "total": quote.total,
        "customer_total": quote.customer_total,
    }


def _told(quote: Quote) -> list[dict[str, Any]]:
    return [
        {name: str(v) if isinstance(v, Decimal) else v for name, v in asdict(line).items()}
        for line in quote.lines
    ]
