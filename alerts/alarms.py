"""The vehicle's own alarms as evidence: what they point at, which of them count, how often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from alerts.rules import AlarmRule
from data.records import FailureMode, Origin, Prediction, Reason, Severity

MODEL_VERSION = "onboard"
_STOP_NOW = FailureMode.BATTERY_THERMAL_EVENT


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmEvent:
    """An alarm row of ``vehicle_events``."""

    time: datetime
    level: int  #: GB/T 32960 alarm level 0-3
    code: str
    data: Mapping[str, object]
    is_hist: bool
    received: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an alarm points at."""

    component: str
    failure_mode: FailureMode


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmHistory:
    """The alarms of one subject; those close together are one occurrence."""

    subject: Subject
    first_seen: datetime
    last_seen: datetime
    occurrence_count: int
    highest_level: int


def subjects_of(event: AlarmEvent, rule: AlarmRule) -> tuple[Subject, ...]:
    """Return what an alarm points at; a flag or mode it does not name makes it a plain onboard alarm.

    ``data`` may hold ``bits`` (GB/T 32960.3 alarm flag numbers), ``flags`` (the same as one integer), or
    ``failure_mode`` and ``component`` as Anxin names them.
    """
    named = event.data.get("failure_mode")
    if isinstance(named, str) and named in set(FailureMode):
        mode = FailureMode(named)
        component = event.data.get("component")
        return (
            Subject(
                component=component if isinstance(component, str) and component else _component(mode, rule),
                failure_mode=mode,
            ),
        )
    modes = {rule.flags[bit] for bit in _bits(event.data) if bit in rule.flags} or {FailureMode.ONBOARD_ALARM}
    return tuple(Subject(component=_component(mode, rule), failure_mode=mode) for mode in sorted(modes))


def _component(mode: FailureMode, rule: AlarmRule) -> str:
    return rule.components.get(mode, "vehicle")


def _bits(data: Mapping[str, object]) -> list[int]:
    bits, flags = data.get("bits"), data.get("flags")
    if isinstance(bits, list):
        return [bit for bit in bits if isinstance(bit, int)]
    if isinstance(flags, int):
        return [bit for bit in range(32) if flags >> bit & 1]
    return []


def evidence_of(
    event: AlarmEvent, rule: AlarmRule, *, vehicle_id: int, origin: Origin, now: datetime, fresh_s: float
) -> list[Prediction]:
    """Return what a live alarm says, in the form of certain predictions; none for an alarm that only joins.

    The vehicle has waited before it alarmed: the horizon is 0, and no further dwell applies.
    """
    found = []
    for subject in subjects_of(event, rule):
        if not is_evidence(event, subject, rule, now=now, fresh_s=fresh_s):
            continue
        is_stop_now = subject.failure_mode is _STOP_NOW
        found.append(
            Prediction(
                vehicle_id=vehicle_id,
                component=subject.component,
                failure_mode=subject.failure_mode,
                severity=_severity(event, rule, now=now, is_stop_now=is_stop_now),
                probability=1.0,
                horizon_h=0.0,
                time_to_threshold_h=None,
                predicted_at=now,
                data_time=event.time,
                since=event.time,
                window_from=event.time,
                window_to=event.time,
                reasons=(
                    Reason(
                        feature="onboard_alarm_level",
                        value=float(event.level),
                        unit="",
                        healthy_low=0.0,
                        healthy_high=0.0,
                        text_en=f"the vehicle itself reports an alarm of level {event.level} of 3",
                        text_zh=f"车辆自身报告 {event.level} 级报警（最高 3 级）",
                    ),
                ),
                model_version=MODEL_VERSION,
                origin=origin,
                is_fresh=True,
            )
        )
    return found


def _severity(event: AlarmEvent, rule: AlarmRule, *, now: datetime, is_stop_now: bool) -> Severity:
    if now - event.time > timedelta(hours=rule.late_h):
        return rule.late_severity
    return Severity.S0 if is_stop_now else rule.severity


def is_evidence(
    event: AlarmEvent, subject: Subject, rule: AlarmRule, *, now: datetime, fresh_s: float
) -> bool:
    """Tell whether an alarm raises by itself what it points at.

    Alarms below the order level, from the vehicle's store or older than ``fresh_s`` when they were received
    never do. One that was received live counts for days, should nobody have been there to act on it.
    """
    if event.is_hist or event.received - event.time > timedelta(seconds=fresh_s):
        return False
    if now - event.time > timedelta(hours=rule.lost_after_h):
        return False
    return event.level >= (1 if subject.failure_mode is _STOP_NOW else rule.order_level)


def histories_of(
    events: Iterable[AlarmEvent],
    rule: AlarmRule,
    *,
    is_counted: Callable[[AlarmEvent, Subject], bool] = lambda _event, _subject: True,
) -> list[AlarmHistory]:
    """Return the history of each subject, in time order of the subjects' first alarms.

    Args:
        events: In time order; those without a level are left out.
        rule: Alarms closer together than ``gap_h`` are one occurrence.
        is_counted: Which alarms count for a subject.
    """
    times: dict[Subject, list[AlarmEvent]] = {}
    for event in events:
        if event.level > 0:
            for subject in subjects_of(event, rule):
                if is_counted(event, subject):
                    times.setdefault(subject, []).append(event)
    return [_history(subject, mine, timedelta(hours=rule.gap_h)) for subject, mine in times.items()]


def _history(subject: Subject, events: Sequence[AlarmEvent], gap: timedelta) -> AlarmHistory:
    pairs = pairwise(events)
    return AlarmHistory(
        subject=subject,
        first_seen=events[0].time,
        last_seen=events[-1].time,
        occurrence_count=1 + sum(after.time - before.time > gap for before, after in pairs),
        highest_level=max(event.level for event in events),
    )
