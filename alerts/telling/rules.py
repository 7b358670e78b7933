"""When whom is told: escalation until a person acknowledges, quiet hours, a cap on messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alerts.errors import PolicyError
from data.records import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationRule:
    """How the warnings of one urgency class go on."""

    after: tuple[timedelta, ...]  #: since the first telling: one more of the owner's ways at each
    desk_after: (
        timedelta | None
    )  #: emergency contact and operations; sooner where no way is left; None: never
    needs_person: bool  #: goes on until a person acknowledges; else until some way has taken it


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingRules:
    """What holds for all warnings to owners."""

    quiet_from: time
    quiet_to: time
    quiet_severity: Severity  #: the most urgent class that quiet hours hold back
    cap_messages: int  #: more than these within ``cap_within`` wait
    cap_within: timedelta
    cap_severity: Severity  #: the most urgent class that the cap holds back
    escalation: Mapping[Severity, EscalationRule]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """A span of the local day; it may go over midnight, and has no length where both ends are the same."""

    start: time
    end: time
    zone: ZoneInfo

    def end_of(self, now: datetime) -> datetime | None:
        """Return when the quiet hours that ``now`` lies in are over, None outside of them.

        Local times that a change of the clock skips or repeats count as the standard library reads them: an
        end that does not exist comes an hour of the clock later.
        """
        local = now.astimezone(self.zone)
        at = local.time().replace(tzinfo=None)
        is_over_midnight = self.start > self.end
        is_in = (at >= self.start or at < self.end) if is_over_midnight else self.start <= at < self.end
        if not is_in:
            return None
        day = local.date() + timedelta(days=int(is_over_midnight and at >= self.start))
        return datetime.combine(day, self.end, self.zone).astimezone(now.tzinfo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a warning has come."""

    clock_from: datetime  #: the first telling about the same
    ways: int  #: how many the owner has, in order of fallback
    failed_ways: int = 0  #: told ones that took it nowhere: each brings the next one forward
    is_taken: bool = False  #: some way of the owner has taken it
    is_desk_told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Who is to have been told by now, and when to look again."""

    ways: int  #: the first so many of the owner's
    tells_desk: bool  #: emergency contacts and operations are told now
    next_at: datetime | None  #: None: nobody is left to tell


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by name, UTC where there is none: a wrong name must not stop a warning."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def release_of(
    severity: Severity,
    quiet: QuietHours,
    recent: Sequence[datetime],
    rules: TellingRules,
    *,
    now: datetime,
) -> datetime | None:
    """Return until when a warning waits, None where it may be told at once.

    Args:
        severity: Classes above the rules' limits never wait.
        quiet: The owner's.
        recent: When the owner was told something within ``rules.cap_within``, the newest first.
        rules: The limits.
        now: Wall time.
    """
    until = quiet.end_of(now) if severity >= rules.quiet_severity else None
    if severity >= rules.cap_severity and len(recent) >= rules.cap_messages:
        free = recent[rules.cap_messages - 1] + rules.cap_within
        until = max(filter(None, (until, quiet_end_after(severity, quiet, free, rules))))
    return until if until is not None and until > now else None


def quiet_end_after(severity: Severity, quiet: QuietHours, at: datetime, rules: TellingRules) -> datetime:
    """Return that time, or the end of the quiet hours it lies in."""
    if severity < rules.quiet_severity:
        return at
    return quiet.end_of(at) or at


def step_of(rule: EscalationRule, standing: Standing, *, now: datetime) -> Step:
    """Return what a warning has come to by the clock alone: what was missed meanwhile is made up for.

    A step for which the owner has no way goes to the desk instead, without further waiting; the last one uses
    all ways that are left.
    """
    start, times = standing.clock_from, rule.after
    reached = sum(start + after <= now for after in times) + standing.failed_ways
    wanted = standing.ways if reached >= len(times) else min(reached, standing.ways)
    has_desk = rule.desk_after is not None and not standing.is_desk_told
    tells_desk = has_desk and (
        reached > standing.ways or (rule.desk_after is not None and start + rule.desk_after <= now)
    )
    if not rule.needs_person and standing.is_taken:
        return Step(ways=0, tells_desk=False, next_at=None)
    is_desk_left = has_desk and not tells_desk
    ahead = [
        start + after
        for number, after in enumerate(times, start=1 + standing.failed_ways)
        if start + after > now and (number <= standing.ways or is_desk_left)
    ]
    if is_desk_left and rule.desk_after is not None:
        ahead.append(start + rule.desk_after)
    return Step(ways=wanted, tells_desk=tells_desk, next_at=min(ahead, default=None))


def parse_telling(entry: Mapping[str, Any]) -> TellingRules:
    """Return the rules of the table ``telling`` of policy.toml.

    Raises:
        PolicyError: A class is missing, or times do not grow; names it.
    """
    try:
        rules = TellingRules(
            quiet_from=time.fromisoformat(entry["quiet_from"]),
            quiet_to=time.fromisoformat(entry["quiet_to"]),
            quiet_severity=Severity(entry["quiet_severity"]),
            cap_messages=int(entry["cap_messages"]),
            cap_within=timedelta(hours=entry["cap_within_h"]),
            cap_severity=Severity(entry["cap_severity"]),
            escalation=MappingProxyType({s: _escalation_rule(s, entry[s]) for s in Severity}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"policy telling: {error}") from error
    if rules.cap_messages < 1:
        raise PolicyError(f"policy telling.cap_messages {rules.cap_messages}: must be at least 1")
    return rules


def _escalation_rule(severity: Severity, entry: Mapping[str, Any]) -> EscalationRule:
    minutes = [float(m) for m in entry["after_minutes"]]
    if not minutes or minutes[0] != 0 or minutes != sorted(set(minutes)):
        raise PolicyError(f"policy telling.{severity}.after_minutes {minutes}: must begin with 0 and grow")
    desk = entry.get("desk_after_minutes")
    return EscalationRule(
        after=tuple(timedelta(minutes=m) for m in minutes),
        desk_after=None if desk is None else timedelta(minutes=float(desk)),
        needs_person=bool(entry["needs_person"]),
    )
