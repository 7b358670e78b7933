"""An alert against a simple model of it: any order of evidence, silence and repair."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alerts.policy import HELD_SEVERITIES, Alert, AlertState, Move, decide
from alerts.rules import load_policy
from data.records import FailureMode, Origin, Prediction, Severity
from tests.effort import examples

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
POLICY = load_policy()
MODE = FailureMode.TIRE_SLOW_LEAK
RULE = POLICY.modes[MODE]


class AlertMachine(RuleBasedStateMachine):
    """One component; the model knows only whether it is raised, how urgent, and since when it is quiet."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.since = NOON
        self.last_probability = 0.0
        self.alert: Alert | None = None
        self.is_raised = False
        self.severity: Severity | None = None
        self.quiet_since: datetime | None = None
        self.repaired_at: datetime | None = None

    @rule(
        hours=st.floats(0.1, 30),
        probability=st.sampled_from([0.0, 0.2, 0.3, 0.5, 0.69, 0.7, 0.9, 1.0]),
        severity=st.sampled_from(list(Severity)),
        is_fresh=st.sampled_from([True, True, True, False]),
    )
    def predict(self, hours: float, probability: float, severity: Severity, is_fresh: bool) -> None:
        self.now += timedelta(hours=hours)
        if (probability >= RULE.raise_level) != (self.last_probability >= RULE.raise_level):
            self.since = self.now
        self.last_probability = probability
        prediction = Prediction(
            vehicle_id=1,
            component="tire rear-left",
            failure_mode=MODE,
            severity=severity,
            probability=probability,
            horizon_h=168.0,
            time_to_threshold_h=None,
            predicted_at=self.now,
            data_time=self.now,
            since=self.since,
            window_from=self.now - timedelta(days=14),
            window_to=self.now,
            reasons=(),
            model_version="m",
            origin=Origin.SIMULATED,
            is_fresh=is_fresh,
        )
        change = decide(prediction, self.alert, POLICY, self.now)
        again = decide(prediction, change.alert, POLICY, self.now)
        if change.alert is not None:
            self.alert = (
                replace(change.alert, repaired_at=None) if change.move is not Move.NOTHING else change.alert
            )
            assert again.move is Move.NOTHING, "the same evidence twice changes nothing"
        self._follow(prediction)

    def _follow(self, p: Prediction) -> None:
        """Take the step in the model."""
        is_high, is_low = p.probability >= RULE.raise_level, p.probability <= RULE.clear_level
        if self.is_raised:
            assert self.severity is not None
            self.quiet_since = (self.quiet_since or p.data_time) if is_low else None
            if is_high and p.is_fresh:
                self.severity = min(self.severity, p.severity)
            is_over = self.quiet_since is not None and (
                p.data_time - self.quiet_since >= timedelta(hours=RULE.clear_dwell_h)
            )
            if is_over and p.is_fresh and self.severity not in HELD_SEVERITIES:
                self.is_raised, self.quiet_since = False, None
            return
        dwell_h = RULE.urgent_dwell_h if p.severity in {"S0", "S1", "S2"} else RULE.raise_dwell_h
        has_lasted = p.data_time - p.since >= timedelta(hours=dwell_h)
        is_old_fault = self.repaired_at is not None and (
            p.severity not in HELD_SEVERITIES
            and p.since <= self.repaired_at
            and p.window_from < self.repaired_at
        )
        if is_high and p.is_fresh and not is_old_fault:
            self.repaired_at = None  # a new alert is about the time after the repair
            if has_lasted:
                self.is_raised, self.severity, self.quiet_since = True, p.severity, None

    @precondition(lambda self: self.is_raised)
    @rule()
    def repair(self) -> None:
        assert self.alert is not None
        self.now += timedelta(minutes=1)
        self.repaired_at = self.now
        self.alert = replace(self.alert, state=AlertState.CLEARED, cleared_at=self.now, repaired_at=self.now)
        self.is_raised, self.quiet_since = False, None

    @invariant()
    def the_alert_is_as_the_model_says(self) -> None:
        is_active = self.alert is not None and self.alert.is_active
        assert is_active == self.is_raised
        if is_active and self.alert is not None:
            assert self.alert.severity == self.severity
            assert self.alert.quiet_since == self.quiet_since
            assert self.alert.occurrence_count >= 1


TestAlertMachine = AlertMachine.TestCase
TestAlertMachine.settings = settings(max_examples=examples(200), stateful_step_count=30, deadline=None)
