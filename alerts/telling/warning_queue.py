"""The first telling of warnings to owners, one or many at once: each is written once per transition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from alerts.entries import Entries, news_of
from alerts.entry_store import EntryStore
from alerts.facts import VehicleFacts
from alerts.rules import load_policy
from alerts.sql_store import SqlStore, columns
from alerts.telling.receivers import Target, Told, Way, columns_of, failed_places
from alerts.telling.rules import QuietHours, Standing, Step, TellingRules, release_of, step_of, zone_of
from alerts.telling.texts import WarningText
from data.db import CHANNEL_OUTBOX, notify
from data.records import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A warning that is to be written."""

    vehicle: VehicleFacts
    transition: str  #: what it is about; written once for each
    severity: Severity
    text: WarningText
    alert_id: int | None
    order_id: int | None

    def is_about(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a warning is about the same order, or without one about the same alert."""
        if self.order_id is not None:
            return bool(row["order_id"] == self.order_id)
        return row["order_id"] is None and bool(row["alert_id"] == self.alert_id)

    def about(self) -> dict[str, Any]:
        """Return what it is about, as columns."""
        return {
            "tenant_id": self.vehicle.tenant_id,
            "vehicle_id": self.vehicle.vehicle_id,
            "order_id": self.order_id,
            "alert_id": self.alert_id,
        }

    def told(self) -> Told:
        """Return who it is about."""
        vehicle = self.vehicle
        return Told(
            tenant_id=vehicle.tenant_id, tenant=vehicle.tenant, vin=vehicle.vin, owner_id=vehicle.owner_id
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    """How a warning begins."""

    draft: Draft
    step: Step
    clock_from: datetime
    replaced: Sequence[UUID]
    targets: Sequence[Target] = ()
    is_desk_told: bool = False
    is_held: bool = False

    def row(self, now: datetime) -> dict[str, Any]:
        """Return the warning as it is written."""
        draft, step = self.draft, self.step
        return {
            **draft.about(),
            "transition": draft.transition,
            "severity": str(draft.severity),
            "title_en": draft.text.title_en,
            "title_zh": draft.text.title_zh,
            "body_en": draft.text.body_en,
            "body_zh": draft.text.body_zh,
            "step": 0 if self.is_held else max(step.ways, 1),
            "clock_from": self.clock_from,
            "next_step_at": step.next_at,
            "desk_at": now if step.tells_desk or self.is_desk_told else None,
        }


class WarningQueue(SqlStore):
    """Writes warnings on one connection; the caller owns the transaction."""

    FILE = "telling/warnings.sql"

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
        """Write one warning, as ``queue_all`` does; None: it was there."""
        draft = Draft(
            vehicle=vehicle,
            transition=transition,
            severity=severity,
            text=text,
            alert_id=alert_id,
            order_id=order_id,
        )
        return self.queue_all([draft], now=now).get(transition)

    def queue_all(self, drafts: Sequence[Draft], *, now: datetime) -> dict[str, UUID]:
        """Write warnings, each once for its transition, and tell the first who have to know.

        A warning takes the place of what nobody has acknowledged yet about the same, unless that is more
        urgent, and goes on from where that was: who was told of the old words hears the new ones.

        Args:
            drafts: At most one about each order, or each alert without one.
            now: Wall time.

        Returns:
            The new warnings by transition; those that were there are left out.
        """
        if not drafts:
            return {}
        rules = load_policy().telling
        earlier = self._rows(
            "fetch_unacknowledged",
            vehicle_ids=[d.vehicle.vehicle_id for d in drafts],
            order_ids=[d.order_id for d in drafts],
            alert_ids=[d.alert_id for d in drafts if d.order_id is None],
        )
        held = self._held_until(drafts, rules, now)
        owners = {d.vehicle.owner_id for d in drafts if d.vehicle.owner_id is not None}
        ways = self.ways_of(sorted(owners)) if owners else {}
        tellings = [
            self._telling(
                draft,
                until,
                [e for e in earlier if draft.is_about(e)],
                ways.get(draft.vehicle.owner_id or 0, []),
                rules=rules,
                now=now,
            )
            for draft, until in zip(drafts, held, strict=True)
        ]
        replaced = [(warning_id, t.draft.transition) for t in tellings for warning_id in t.replaced]
        told = [(t.draft.transition, target) for t in tellings for target in t.targets]
        found = self._rows(
            "insert_warnings",
            now=now,
            replaced=[warning_id for warning_id, _ in replaced],
            replaced_by=[transition for _, transition in replaced],
            told=[transition for transition, _ in told],
            **columns_of([target for _, target in told]),
            **columns([t.row(now) for t in tellings]),
        )
        made = {row["transition"]: row["warning_id"] for row in found}
        unanswered = [
            (t.draft.about(), t.draft.severity)
            for t in tellings
            if t.step.tells_desk and t.draft.transition in made
        ]
        self.note_unanswered(unanswered, now)
        self.announce(list(made.values()))
        return made

    def _telling(
        self,
        draft: Draft,
        until: datetime | None,
        earlier: Sequence[Mapping[str, Any]],
        ways: Sequence[Way],
        *,
        rules: TellingRules,
        now: datetime,
    ) -> _Telling:
        """Return how a warning begins: held until then, or where earlier ones about the same have come."""
        outdated = [e for e in earlier if e["severity"] >= draft.severity or not e["step"]]
        replaced = [e["warning_id"] for e in outdated]
        if until is not None:
            waits = Step(ways=0, tells_desk=False, next_at=until)
            return _Telling(draft=draft, step=waits, clock_from=until, replaced=replaced, is_held=True)
        same = [e for e in outdated if e["severity"] == draft.severity and e["step"]]
        is_desk_told = any(e["desk_at"] for e in same)
        clock_from = min([now, *(e["clock_from"] for e in same)])
        step, targets = self.next_step(
            draft.told(), draft.severity, clock_from, rules, ways, is_desk_told=is_desk_told, now=now
        )
        if is_desk_told:
            targets += self.desk_of(draft.told())
        return _Telling(
            draft=draft,
            step=step,
            clock_from=clock_from,
            replaced=replaced,
            targets=targets,
            is_desk_told=is_desk_told,
        )

    def _held_until(
        self, drafts: Sequence[Draft], rules: TellingRules, now: datetime
    ) -> list[datetime | None]:
        """Return until when each waits for the end of quiet hours, or because its owner heard enough."""
        least = min(rules.quiet_severity, rules.cap_severity)
        asked = {d.vehicle.owner_id for d in drafts if d.vehicle.owner_id is not None and d.severity >= least}
        if not asked:
            return [None] * len(drafts)
        wishes = {row["owner_id"]: row for row in self._rows("fetch_wishes", owner_ids=sorted(asked))}
        recent: dict[int, list[datetime]] = defaultdict(list)  # the newest first
        for row in self._rows(
            "fetch_recent", owner_ids=sorted(asked), after=now - rules.cap_within, limit=rules.cap_messages
        ):
            recent[row["owner_id"]].append(row["created_at"])
        held: list[datetime | None] = []
        for draft in drafts:
            owner_id = draft.vehicle.owner_id
            if owner_id is None or draft.severity < least:
                held.append(None)
            else:
                wish, heard = wishes[owner_id], recent[owner_id]
                quiet = QuietHours(
                    start=wish["quiet_from"] or rules.quiet_from,
                    end=wish["quiet_to"] or rules.quiet_to,
                    zone=zone_of(wish["time_zone"] or draft.vehicle.time_zone),
                )
                held.append(release_of(draft.severity, quiet, heard, rules, now=now))
            if owner_id is not None:
                recent[owner_id].insert(0, now)
        return held

    # ------------------------------------------------------------ whom to tell

    def ways_of(self, owner_ids: Sequence[int], warning_id: UUID | None = None) -> dict[int, list[Way]]:
        """Return owners' ways in order of fallback, with what was sent there of a warning."""
        found: dict[int, list[Way]] = defaultdict(list)
        for row in self._rows("fetch_ways", owner_ids=list(owner_ids), warning_id=warning_id):
            found[row.pop("owner_id")].append(Way(**row))
        return found

    def next_step(
        self,
        told: Told,
        severity: Severity,
        clock_from: datetime,
        rules: TellingRules,
        ways: Sequence[Way],
        *,
        is_desk_told: bool,
        now: datetime,
    ) -> tuple[Step, list[Target]]:
        """Return the step that is due, and who hears of the warning by it."""
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
        return step, targets + (self.desk_of(told) if step.tells_desk else [])

    def desk_of(self, told: Told) -> list[Target]:
        """Return the owner's emergency contacts and the operations desk."""
        rows = self._rows("fetch_desk", owner_id=told.owner_id, tenant_id=told.tenant_id)
        return [Target(**row) for row in rows]

    def note_unanswered(self, warnings: Sequence[tuple[Mapping[str, Any], Severity]], now: datetime) -> None:
        """Put warnings on the list of what operations have to see to; once, however often it is told."""
        rows = [
            {
                "tenant_id": about["tenant_id"],
                "vehicle_id": about["vehicle_id"],
                "order_id": about["order_id"],
                "alert_id": about["alert_id"] if about["order_id"] is None else None,
                "detail": f"nobody has acknowledged the warning of urgency {severity}",
            }
            for about, severity in warnings
        ]
        if rows:
            self._run("raise_unacknowledged", now=now, **columns(rows))

    def announce(self, warning_ids: Sequence[UUID]) -> None:
        """Wake those who deliver, and tell browsers."""
        if warning_ids:
            notify(self._connection, CHANNEL_OUTBOX)
            news = [news_of("warning", str(warning_id)) for warning_id in warning_ids]
            EntryStore(self._connection).write(Entries(news=news))
