"""From prediction to alert: raise and clear levels, dwell in event time, escalation, causes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.rules import ModeRule, Policy, load_policy
from data.records import FailureMode, Prediction, Quantiles, Reason, Severity

#: Alerts of these classes end by a person only: recovery is no proof that the hazard is gone.
HELD_SEVERITIES = frozenset({Severity.S0, Severity.S1})


class AlertState(StrEnum):
    """States of an alert, as in the table ``alerts``."""

    PENDING = "pending"  #: above the raise level, dwell not over
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"  #: a person knows
    CLEARED = "cleared"


class Move(StrEnum):
    """What a prediction does to an alert."""

    NOTHING = "nothing"
    PEND = "pend"  #: a new alert that waits for its dwell
    DROP = "drop"  #: it went away before its dwell was over
    RAISE = "raise"
    UPDATE = "update"  #: newer evidence, nothing to tell
    ESCALATE = "escalate"  #: more urgent than before
    CLEAR = "clear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """The newest alert of one (vehicle, component, failure mode)."""

    component: str
    failure_mode: FailureMode
    severity: Severity
    state: AlertState
    first_seen: datetime  #: event time
    last_seen: datetime  #: event time of the newest evidence
    raised_at: datetime | None = None
    cleared_at: datetime | None = None
    quiet_since: datetime | None = None  #: event time from which the probability has been at or below clear
    occurrence_count: int = 1
    alert_id: int = 0  #: given by the database
    order_id: int | None = None
    repaired_at: datetime | None = None  #: when its order was ready, or found no fault

    @property
    def is_active(self) -> bool:
        """Tell whether it is raised and not cleared."""
        return self.state in (AlertState.OPEN, AlertState.ACKNOWLEDGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What became of the alert; ``alert`` is None where there is none and none is made."""

    move: Move
    alert: Alert | None
    from_state: AlertState | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One stretch from raise to clear."""

    component: str
    failure_mode: FailureMode
    severity: Severity  #: the most urgent of the episode
    first_raised: datetime
    cleared: datetime | None
    probability: float  #: the highest of the episode
    reasons: tuple[Reason, ...]  #: of the newest prediction at or above the raise level
    time_to_threshold_h: Quantiles | None = None  #: likewise
    model_version: str = ""
    raised_by: Prediction | None = field(default=None, repr=False)


def decide(prediction: Prediction, latest: Alert | None, policy: Policy, now: datetime) -> Transition:
    """Return what a prediction does to the newest alert of its (vehicle, component, failure mode).

    Evidence not newer than what the alert has seen changes nothing: the same prediction may come twice.
    Stale predictions (no live sample behind them) never raise, escalate or clear; they only add evidence.
    After a repair only what speaks of the time after it raises again.

    Args:
        prediction: The newest word on this component.
        latest: The newest alert of the same key, cleared ones included; None when there never was one.
        policy: Levels and dwells.
        now: Wall time that stamps raise and clear.
    """
    if latest is not None and prediction.data_time <= latest.last_seen:
        return Transition(move=Move.NOTHING, alert=latest)
    rule = policy.modes[prediction.failure_mode]
    if (
        latest is not None
        and latest.repaired_at is not None
        and not _is_after(prediction, latest.repaired_at)
    ):
        return Transition(move=Move.NOTHING, alert=latest)
    if latest is None or latest.state is AlertState.CLEARED:
        return _decide_new(prediction, rule, now)
    if latest.state is AlertState.PENDING:
        return _decide_pending(prediction, latest, rule, now)
    return _decide_active(prediction, latest, rule, now)


def _is_past_dwell(prediction: Prediction, rule: ModeRule) -> bool:
    """Tell whether it has lasted long enough; what the vehicle itself alarms (no horizon) need not last."""
    is_urgent = prediction.severity <= Severity.S2
    dwell_h = rule.urgent_dwell_h if is_urgent else rule.raise_dwell_h
    return prediction.horizon_h == 0 or prediction.data_time - prediction.since >= timedelta(hours=dwell_h)


def _is_after(prediction: Prediction, repaired_at: datetime) -> bool:
    """Tell whether it speaks of the time after a repair.

    A window that reaches back before the repair still sees the fault that was repaired; what calls for
    stopping the vehicle does not wait until the window has passed.
    """
    if prediction.data_time <= repaired_at:
        return False
    is_urgent = prediction.severity in HELD_SEVERITIES
    return is_urgent or prediction.since > repaired_at or prediction.window_from >= repaired_at


def _decide_new(prediction: Prediction, rule: ModeRule, now: datetime) -> Transition:
    if prediction.probability < rule.raise_level or not prediction.is_fresh:
        return Transition(move=Move.NOTHING, alert=None)
    is_raised = _is_past_dwell(prediction, rule)
    alert = Alert(
        component=prediction.component,
        failure_mode=prediction.failure_mode,
        severity=prediction.severity,
        state=AlertState.OPEN if is_raised else AlertState.PENDING,
        first_seen=prediction.since,
        last_seen=prediction.data_time,
        raised_at=now if is_raised else None,
    )
    move = Move.RAISE if is_raised else Move.PEND
    return Transition(move=move, alert=alert, reason=_probability_text(prediction))


def _decide_pending(prediction: Prediction, latest: Alert, rule: ModeRule, now: datetime) -> Transition:
    seen = replace(latest, last_seen=prediction.data_time)
    if prediction.probability < rule.raise_level:
        gone = replace(seen, state=AlertState.CLEARED, cleared_at=now)
        return Transition(
            move=Move.DROP, alert=gone, from_state=latest.state, reason=_probability_text(prediction)
        )
    if prediction.is_fresh and _is_past_dwell(prediction, rule):
        raised = replace(seen, state=AlertState.OPEN, raised_at=now, severity=prediction.severity)
        return Transition(
            move=Move.RAISE, alert=raised, from_state=latest.state, reason=_probability_text(prediction)
        )
    return Transition(move=Move.UPDATE, alert=seen, from_state=latest.state)


def _decide_active(prediction: Prediction, latest: Alert, rule: ModeRule, now: datetime) -> Transition:
    seen = replace(latest, last_seen=prediction.data_time)
    if prediction.probability <= rule.clear_level:
        quiet_since = latest.quiet_since or prediction.data_time
        quiet = replace(seen, quiet_since=quiet_since)
        is_over = prediction.data_time - quiet_since >= timedelta(hours=rule.clear_dwell_h)
        if prediction.is_fresh and is_over and latest.severity not in HELD_SEVERITIES:
            cleared = replace(quiet, state=AlertState.CLEARED, cleared_at=now)
            return Transition(
                move=Move.CLEAR, alert=cleared, from_state=latest.state, reason=_probability_text(prediction)
            )
        return Transition(move=Move.UPDATE, alert=quiet, from_state=latest.state)
    seen = replace(seen, quiet_since=None)
    if prediction.probability < rule.raise_level:
        return Transition(move=Move.UPDATE, alert=seen, from_state=latest.state)
    again = latest.quiet_since is not None
    seen = replace(seen, occurrence_count=latest.occurrence_count + again)
    if prediction.is_fresh and prediction.severity < latest.severity:
        return Transition(
            move=Move.ESCALATE,
            alert=replace(seen, severity=prediction.severity),
            from_state=latest.state,
            reason=f"{latest.severity} -> {prediction.severity}, {_probability_text(prediction)}",
        )
    return Transition(move=Move.UPDATE, alert=seen, from_state=latest.state)


def _probability_text(prediction: Prediction) -> str:
    return f"probability {prediction.probability:.2f} within {prediction.horizon_h:.0f} h"


def fold(predictions: Iterable[Prediction], policy: Policy | None = None) -> list[Episode]:
    """Return the episodes that the running system would have raised from these predictions.

    Args:
        predictions: In the order in which they were made; the data time serves as the clock.
        policy: The shipped one by default.
    """
    rules = policy or load_policy()
    alerts: dict[tuple[int, str, FailureMode], Alert] = {}
    episodes: dict[tuple[int, str, FailureMode], list[Episode]] = {}
    for prediction in predictions:
        key = (prediction.vehicle_id, prediction.component, prediction.failure_mode)
        transition = decide(prediction, alerts.get(key), rules, prediction.data_time)
        if transition.alert is None or transition.move is Move.NOTHING:
            continue
        alerts[key] = transition.alert
        mine = episodes.setdefault(key, [])
        if transition.move is Move.RAISE:
            mine.append(_episode_of(prediction, transition.alert))
        elif transition.move is Move.CLEAR:
            mine[-1] = replace(mine[-1], cleared=prediction.data_time)
        elif transition.alert.is_active:
            mine[-1] = _extend(mine[-1], prediction, transition.alert, rules.modes[prediction.failure_mode])
    found = [episode for mine in episodes.values() for episode in mine]
    return sorted(found, key=lambda e: (e.first_raised, e.component, e.failure_mode))


def _episode_of(prediction: Prediction, alert: Alert) -> Episode:
    return Episode(
        component=prediction.component,
        failure_mode=prediction.failure_mode,
        severity=alert.severity,
        first_raised=prediction.data_time,
        cleared=None,
        probability=prediction.probability,
        reasons=prediction.reasons,
        time_to_threshold_h=prediction.time_to_threshold_h,
        model_version=prediction.model_version,
        raised_by=prediction,
    )


def _extend(episode: Episode, prediction: Prediction, alert: Alert, rule: ModeRule) -> Episode:
    if prediction.probability < rule.raise_level:
        return episode
    return replace(
        episode,
        severity=alert.severity,
        probability=max(episode.probability, prediction.probability),
        reasons=prediction.reasons,
        time_to_threshold_h=prediction.time_to_threshold_h,
    )
