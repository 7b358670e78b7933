"""Warnings to owners: written once per transition, told step by step until somebody knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from alerts.rules import load_policy
from alerts.telling.receivers import Target, Told, columns_of
from alerts.telling.rules import Step
from alerts.telling.warning_queue import WarningQueue
from data.records import Severity


class WarningStore(WarningQueue):
    """Reads and writes warnings on one connection; the caller owns the transaction."""

    # ------------------------------------------------------------ going on

    def take_next(self, now: datetime) -> UUID | None:
        """Take one step of the most urgent warning that has to go on; None where none has."""
        rules = load_policy().telling
        claimed = self._rows("claim_step", now=now)
        if not claimed:
            return None
        row = claimed[0]
        warning_id: UUID = row["warning_id"]
        severity = Severity(row["severity"])
        told = Told(
            tenant_id=row["tenant_id"], tenant=row["tenant"], vin=row["vin"], owner_id=row["owner_id"]
        )
        if row["is_settled"] and severity < Severity.S4:
            self._advance(
                warning_id,
                Step(ways=row["step"], tells_desk=False, next_at=None),
                [],
                clock_from=row["clock_from"],
                now=now,
            )
            return warning_id
        # what was held back begins when it is told, however late that is
        clock_from = row["clock_from"] if row["step"] else now
        ways = {} if told.owner_id is None else self.ways_of([told.owner_id], warning_id)
        step, targets = self.next_step(
            told,
            severity,
            clock_from,
            rules,
            ways.get(told.owner_id or 0, []),
            is_desk_told=row["desk_at"] is not None,
            now=now,
        )
        taken = replace(step, ways=max(step.ways, row["step"], 1))
        self._advance(warning_id, taken, targets, clock_from=clock_from, now=now)
        if step.tells_desk:
            self.note_unanswered([(row, severity)], now)
        self.announce([warning_id])
        return warning_id

    def seconds_to_next(self, now: datetime) -> float | None:
        """Return the time until a warning has to go on; None where none has."""
        seconds = self._rows("seconds_to_next_step", now=now)[0]["seconds"]
        return None if seconds is None else max(0.0, float(seconds))

    def _advance(
        self, warning_id: UUID, step: Step, targets: Sequence[Target], *, clock_from: datetime, now: datetime
    ) -> None:
        values = {
            "step": step.ways,
            "next_step_at": step.next_at,
            "desk_at": now if step.tells_desk else None,
            "clock_from": clock_from,
            "now": now,
        }
        self._connection.execute(
            self._queries["advance_warning"], {"warning_id": warning_id, **values, **columns_of(targets)}
        )

    # ------------------------------------------------------------ a person knows

    def acknowledge(self, *, order_id: int | None, alert_id: int | None, actor: str, now: datetime) -> int:
        """Note that a person knows of the warnings of an order, or of an alert without one.

        Nobody else is told, and operations need not call any more.

        Returns:
            How many warnings nobody had acknowledged before.
        """
        about = {"order_id": order_id, "alert_id": None if order_id is not None else alert_id}
        self._connection.execute(self._queries["settle_unacknowledged"], {**about, "now": now})
        return len(self._rows("acknowledge", **about, actor=actor, now=now))

    def fetch_subject(self, warning_id: UUID) -> tuple[int | None, int | None] | None:
        """Return order and alert that a warning is about; None where there is no such warning."""
        rows = self._rows("fetch_subject", warning_id=warning_id)
        return (rows[0]["order_id"], rows[0]["alert_id"]) if rows else None

    def fetch_person_receipts(self, vehicle_id: int, after: datetime, until: datetime) -> list[UUID]:
        """Return the warnings that somebody in the vehicle acknowledged within a span of event time."""
        rows = self._rows("fetch_person_receipts", vehicle_id=vehicle_id, after=after, until=until)
        return [row["warning_id"] for row in rows]
