"""SQL of appointments that may have to be moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alerts.dispatch.arrivals import Arrival, Awaited
from alerts.orders.standing import Occupied, Standing
from alerts.orders.states import AT_WORK, OrderState
from alerts.sql_store import SqlStore
from data.records import FailureMode, Severity


class ReplanStore(SqlStore):
    """Reads and changes appointments on one connection; the caller owns the transaction."""

    FILE = "orders/replan.sql"

    def fetch_standing(self, now: datetime, *, order_id: int | None = None) -> list[Standing]:
        """Return the appointments whose vehicle has not come, the most urgent first; of one order, or all."""
        return [_standing(row) for row in self._rows("fetch_standing", now=now, order_id=order_id)]

    def fetch_occupied(self, now: datetime) -> list[Occupied]:
        """Return the work that goes on although its time is over."""
        rows = self._rows("fetch_occupied", now=now, states=list(AT_WORK))
        return [Occupied(**_with_times(row)) for row in rows]

    def fetch_in_the_way(self, occupied: Occupied, until: datetime) -> list[tuple[int, int]]:
        """Return order and vehicle of who has bay or technician before then, in the order of their times."""
        rows = self._rows("fetch_in_the_way", booking_id=occupied.booking_id, until=until)
        return [(row["order_id"], row["vehicle_id"]) for row in rows]

    def stretch(self, occupied: Occupied, until: datetime) -> None:
        """Let work keep bay and technician until then, or until the next one begins there.

        Raises:
            psycopg.errors.IntegrityError: Somebody has just booked what it needs.
        """
        self._connection.execute(
            self._queries["stretch_booking"], {"booking_id": occupied.booking_id, "until": until}
        )

    def fetch_left_behind(self, *, order_id: int | None = None) -> list[tuple[int, int]]:
        """Return order and vehicle of what a former owner left open; of one order, or all."""
        return [
            (row["order_id"], row["vehicle_id"]) for row in self._rows("fetch_left_behind", order_id=order_id)
        ]

    def fetch_root_order(self, vehicle_id: int, modes: Sequence[FailureMode]) -> int | None:
        """Return the open order of a vehicle to which an open alert of one of these modes belongs."""
        rows = self._rows("fetch_root_order", vehicle_id=vehicle_id, modes=list(modes))
        return int(rows[0]["order_id"]) if rows else None

    def insert_successor(self, order_id: int, *, held: str, now: datetime) -> int | None:
        """Open an order in the place of a cancelled one; None where its fault is gone or there is one."""
        rows = self._rows("insert_successor", order_id=order_id, held=held, now=now)
        return int(rows[0]["order_id"]) if rows else None

    def hand_over_alerts(
        self, order_id: int, successor_id: int, *, is_unknown: bool, actor: str, reason: str, now: datetime
    ) -> None:
        """Let the open alerts of an order be those of another; ``is_unknown``: as if nobody knew of them."""
        self._connection.execute(
            self._queries["hand_over_alerts"],
            {
                "order_id": order_id,
                "successor_id": successor_id,
                "is_unknown": is_unknown,
                "actor": actor,
                "reason": reason,
                "now": now,
            },
        )

    def change_hands(self, standing: Standing, *, bay_id: int, technician_id: int, now: datetime) -> None:
        """Put an appointment into another bay and another technician's hands at the same time.

        Raises:
            psycopg.errors.IntegrityError: Somebody else has them then.
        """
        self._connection.execute(
            self._queries["change_hands"],
            {
                "booking_id": standing.booking_id,
                "bay_id": bay_id,
                "technician_id": technician_id,
                "now": now,
            },
        )


def _with_times(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: value for name, value in row.items() if name not in ("starts", "ends")},
        "start": row["starts"],
        "end": row["ends"],
    }


def _standing(row: Mapping[str, Any]) -> Standing:
    arrival = ("arrival_id", "sku", "expected_at", "spread_h")
    awaited = None
    if row["arrival_id"] is not None:
        awaited = Awaited(
            arrival=Arrival(**{name: row[name] for name in arrival}, free=0),
            promised_at=row["promised_at"],
            is_cancelled=row["is_cancelled"],
        )
    appointment = {n: v for n, v in row.items() if n not in (*arrival, "promised_at", "is_cancelled")}
    return Standing(
        **{
            **_with_times(appointment),
            "awaited": awaited,
            "failure_mode": FailureMode(row["failure_mode"]),
            "severity": Severity(row["severity"]),
            "state": OrderState(row["state"]),
        }
    )
