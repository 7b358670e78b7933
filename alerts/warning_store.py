"""Warnings to owners: written once per transition, told step by step until somebody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from alerts.facts import VehicleFacts
from alerts.receivers import Target, Told, Way, columns_of, failed_places
from alerts.rules import load_policy
from alerts.sql_store import SqlStore
from alerts.telling import QuietHours, Standing, Step, TellingRules, release_of, step_of, zone_of
from alerts.texts import WarningText
from data.db import CHANNEL_LIVE, CHANNEL_OUTBOX, notify
from data.records import Severity


class WarningStore(SqlStore):
    """Reads and writes warnings on one connection; the caller owns the transaction."""

    FILE = "warnings.sql"

    # ------------------------------------------------------------ the first telling

    def queue(
        self,
        vehicle: VehicleFacts,
        *,
        transition: str,
        severity: Severity,
        text: WarningText,
        alert_id: int | None,
        order_id: int | None,
        now: datetime,
    ) -> UUID | None:
        """Write a warning, once for each transition, and tell the first who have to know; None: it was there.

        It takes the place of what nobody has acknowledged yet about the same, unless that is more urgent, and
        goes on from where that was: who was told of the old words hears the new ones.
        """
        rules = load_policy().telling
        told = Told(
            tenant_id=vehicle.tenant_id, tenant=vehicle.tenant, vin=vehicle.vin, owner_id=vehicle.owner_id
        )
        earlier = self._rows("fetch_unacknowledged", order_id=order_id, alert_id=alert_id)
        replaced = [e for e in earlier if e["severity"] >= severity or not e["step"]]
        until = self._held_until(vehicle, severity, rules, now)
        targets: list[Target] = []
        step, clock_from, is_desk_told = Step(ways=0, tells_desk=False, next_at=until), until or now, False
        if until is None:
            same = [e for e in replaced if e["severity"] == severity and e["step"]]
            is_desk_told = any(e["desk_at"] for e in same)
            clock_from = min([now, *(e["clock_from"] for e in same)])
            step, targets = self._take(told, severity, clock_from, rules, is_desk_told=is_desk_told, now=now)
            if is_desk_told:
                targets += self._desk(told)
        about = {
            "tenant_id": vehicle.tenant_id,
            "vehicle_id": vehicle.vehicle_id,
            "order_id": order_id,
            "alert_id": alert_id,
        }
        made = self._rows(
            "insert_warning",
            **about,
            transition=transition,
            severity=severity,
            title_en=text.title_en,
            title_zh=text.title_zh,
            body_en=text.body_en,
            body_zh=text.body_zh,
            now=now,
            step=0 if until else max(step.ways, 1),
            clock_from=clock_from,
            next_step_at=step.next_at,
            desk_at=now if step.tells_desk or is_desk_told else None,
            superseded=[e["warning_id"] for e in replaced],
            **columns_of(targets),
        )
        if not made:
            return None
        warning_id: UUID = made[0]["warning_id"]
        if step.tells_desk:
            self._note_unanswered(about, severity, now)
        self._announce(warning_id)
        return warning_id

    def _held_until(
        self, vehicle: VehicleFacts, severity: Severity, rules: TellingRules, now: datetime
    ) -> datetime | None:
        if vehicle.owner_id is None or severity < min(rules.quiet_severity, rules.cap_severity):
            return None
        ((wishes),) = self._rows("fetch_wishes", owner_id=vehicle.owner_id)
        recent = self._rows(
            "fetch_recent",
            owner_id=vehicle.owner_id,
            after=now - rules.cap_within,
            limit=rules.cap_messages,
        )
        quiet = QuietHours(
            start=wishes["quiet_from"] or rules.quiet_from,
            end=wishes["quiet_to"] or rules.quiet_to,
            zone=zone_of(wishes["time_zone"] or vehicle.time_zone),
        )
        return release_of(severity, quiet, [r["created_at"] for r in recent], rules, now=now)

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
        step, targets = self._take(
            told,
            severity,
            clock_from,
            rules,
            is_desk_told=row["desk_at"] is not None,
            warning_id=warning_id,
            now=now,
        )
        taken = replace(step, ways=max(step.ways, row["step"], 1))
        self._advance(warning_id, taken, targets, clock_from=clock_from, now=now)
        if step.tells_desk:
            self._note_unanswered(row, severity, now)
        self._announce(warning_id)
        return warning_id

    def seconds_to_next(self, now: datetime) -> float | None:
        """Return the time until a warning has to go on; None where none has."""
        seconds = self._rows("seconds_to_next_step", now=now)[0]["seconds"]
        return None if seconds is None else max(0.0, float(seconds))

    def _take(
        self,
        told: Told,
        severity: Severity,
        clock_from: datetime,
        rules: TellingRules,
        *,
        is_desk_told: bool,
        now: datetime,
        warning_id: UUID | None = None,
    ) -> tuple[Step, list[Target]]:
        """Return the step that is due, and who hears of the warning by it."""
        rows = (
            []
            if told.owner_id is None
            else self._rows("fetch_ways", owner_id=told.owner_id, warning_id=warning_id)
        )
        ways = [Way(**row) for row in rows]
        standing = Standing(
            clock_from=clock_from,
            ways=max((w.place for w in ways), default=0),
            failed_ways=len(failed_places(ways)),
            is_taken=any(w.state in ("sent", "received") for w in ways),
            is_desk_told=is_desk_told,
        )
        step = step_of(rules.escalation[severity], standing, now=now)
        targets = [told.vehicle()] + [
            Target(channel=w.channel, address=w.address, audience="owner")
            for w in ways
            if w.place <= step.ways
        ]
        return step, targets + (self._desk(told) if step.tells_desk else [])

    def _desk(self, told: Told) -> list[Target]:
        return [
            Target(**row)
            for row in self._rows("fetch_desk", owner_id=told.owner_id, tenant_id=told.tenant_id)
        ]

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

    # ------------------------------------------------------------ whom else to tell

    def _note_unanswered(
        self,
        row: Mapping[str, Any],
        severity: Severity,
        now: datetime,
    ) -> None:
        """Put it on the list of what operations have to see to; once, however often it is told."""
        about = {name: row[name] for name in ("tenant_id", "vehicle_id", "order_id", "alert_id")}
        if about["order_id"] is not None:
            about["alert_id"] = None
        detail = f"nobody has acknowledged the warning of urgency {severity}"
        self._connection.execute(
            self._queries["raise_unacknowledged"], {**about, "detail": detail, "now": now}
        )

    def _announce(self, warning_id: UUID) -> None:
        notify(self._connection, CHANNEL_OUTBOX)
        notify(self._connection, CHANNEL_LIVE, f'{{"kind": "warning", "id": "{warning_id}"}}')
