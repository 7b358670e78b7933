from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.alarms import AlarmEvent, evidence_of, histories_of, subjects_of
from alerts.rules import load_policy
from data.records import FailureMode, Origin, Prediction, Severity

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
RULE = load_policy().alarm


def make_alarm(**overrides: Any) -> AlarmEvent:
    facts: dict[str, Any] = {"time": NOW, "received": NOW, "level": 3, "code": "", "data": {}}
    facts["is_hist"] = False
    return AlarmEvent(**{**facts, **overrides})


def evidence(alarm: AlarmEvent) -> list[Prediction]:
    return evidence_of(alarm, RULE, vehicle_id=1, origin=Origin.REAL, now=NOW, fresh_s=900)


def test_a_plain_live_alarm_of_level_3_is_a_certain_battery_finding() -> None:
    (found,) = evidence(make_alarm())

    assert (found.component, found.failure_mode, found.severity, found.probability) == (
        "battery",
        FailureMode.ONBOARD_ALARM,
        Severity.S1,
        1.0,
    )


@pytest.mark.parametrize(
    "alarm",
    [
        make_alarm(is_hist=True),
        make_alarm(level=2),
        make_alarm(time=NOW - timedelta(seconds=901)),
        make_alarm(is_hist=True, data={"flags": 1 << 23}),
    ],
)
def test_stored_old_or_mild_alarms_raise_nothing(alarm: AlarmEvent) -> None:
    assert evidence(alarm) == []


@pytest.mark.parametrize(
    ("data", "component", "mode"),
    [
        ({"flags": 1 << 23}, "battery", FailureMode.BATTERY_THERMAL_EVENT),
        ({"bits": [11]}, "battery", FailureMode.INSULATION_LOSS),
        ({"flags": 1 << 17, "bits": [17]}, "motor 1", FailureMode.MOTOR_THERMAL),
        ({"failure_mode": "cooling_loss", "component": "pump"}, "pump", FailureMode.COOLING_LOSS),
        ({"failure_mode": "nonsense"}, "battery", FailureMode.ONBOARD_ALARM),
        ({"flags": 1 << 5}, "battery", FailureMode.ONBOARD_ALARM),
        ({"flags": "x", "bits": "y"}, "battery", FailureMode.ONBOARD_ALARM),
    ],
)
def test_flags_tell_what_an_alarm_points_at(data: dict[str, Any], component: str, mode: FailureMode) -> None:
    (subject,) = subjects_of(make_alarm(data=data), RULE)

    assert (subject.component, subject.failure_mode) == (component, mode)


def test_several_flags_point_at_several_things() -> None:
    assert len(subjects_of(make_alarm(data={"flags": 1 << 11 | 1 << 17}), RULE)) == 2


def test_alarms_close_together_are_one_occurrence() -> None:
    times = [NOW, NOW + timedelta(minutes=1), NOW + timedelta(minutes=50), NOW + timedelta(hours=3)]
    (history,) = histories_of([make_alarm(time=time) for time in times], RULE)

    assert (history.occurrence_count, history.first_seen, history.last_seen) == (2, NOW, times[-1])


def test_level_0_is_no_alarm() -> None:
    assert histories_of([make_alarm(level=0)], RULE) == []
