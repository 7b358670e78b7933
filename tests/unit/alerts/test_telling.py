from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts.errors import PolicyError
from alerts.telling.rules import (
    EscalationRule,
    QuietHours,
    Standing,
    Step,
    TellingRules,
    parse_telling,
    release_of,
    step_of,
)
from data.records import Severity

START = datetime(2026, 3, 10, 2, tzinfo=UTC)  # 10:00 in Shanghai
NIGHT = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)  # 23:30 in Shanghai
MORNING = datetime(2026, 3, 10, 23, tzinfo=UTC)  # 07:00 in Shanghai
QUIET = QuietHours(start=time(22), end=time(7), zone=ZoneInfo("Asia/Shanghai"))
ENTRY: dict[str, object] = {
    "quiet_from": "22:00",
    "quiet_to": "07:00",
    "quiet_severity": "S3",
    "cap_messages": 2,
    "cap_within_h": 12.0,
    "cap_severity": "S2",
    **{s: {"after_minutes": [0, 2, 5], "desk_after_minutes": 10, "needs_person": True} for s in Severity},
}


def minutes(*numbers: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(minutes=n) for n in numbers)


URGENT = EscalationRule(after=minutes(0, 2, 5), desk_after=timedelta(minutes=10), needs_person=True)
CALM = EscalationRule(after=minutes(0, 60), desk_after=None, needs_person=False)


@pytest.fixture
def rules() -> TellingRules:
    return parse_telling(ENTRY)


def after(count: float, rule: EscalationRule = URGENT, **standing: object) -> Step:
    facts = {"clock_from": START, "ways": 3, **standing}
    return step_of(rule, Standing(**facts), now=START + timedelta(minutes=count))  # type: ignore[arg-type]


def test_each_step_uses_one_more_way_until_the_desk_is_told() -> None:
    times = [0, 1, 2, 5, 10]

    steps = [after(m) for m in times]

    assert [s.ways for s in steps] == [1, 1, 2, 3, 3]
    assert [s.tells_desk for s in steps] == [False, False, False, False, True]
    assert [s.next_at and (s.next_at - START) / timedelta(minutes=1) for s in steps] == [2, 2, 5, 10, None]


def test_what_was_missed_while_nobody_looked_is_made_up_for_at_once() -> None:
    assert after(600) == Step(ways=3, tells_desk=True, next_at=None)


def test_a_step_without_a_way_goes_to_the_desk_without_waiting() -> None:
    assert after(2, ways=1) == Step(ways=1, tells_desk=True, next_at=None)
    assert after(0, ways=0) == Step(ways=0, tells_desk=True, next_at=None)


def test_the_last_step_uses_all_ways_that_are_left() -> None:
    assert after(5, ways=7).ways == 7


def test_a_way_that_took_it_nowhere_brings_the_next_one_forward() -> None:
    assert after(0, failed_ways=1) == Step(ways=2, tells_desk=False, next_at=START + timedelta(minutes=2))
    assert after(0, CALM, ways=2, failed_ways=1) == Step(ways=2, tells_desk=False, next_at=None)


def test_the_desk_is_told_once() -> None:
    assert after(30, is_desk_told=True) == Step(ways=3, tells_desk=False, next_at=None)


def test_a_calm_warning_goes_on_only_until_some_way_has_taken_it() -> None:
    assert after(0, CALM).next_at == START + timedelta(minutes=60)
    assert after(60, CALM, ways=4).ways == 4
    assert after(0, CALM, is_taken=True).next_at is None
    assert not after(6000, CALM, ways=0).tells_desk


@pytest.mark.parametrize(
    ("severity", "until"),
    [(Severity.S0, None), (Severity.S2, None), (Severity.S3, MORNING), (Severity.S4, MORNING)],
)
def test_quiet_hours_hold_back_what_can_wait(
    severity: Severity, until: datetime | None, rules: TellingRules
) -> None:
    assert release_of(severity, QUIET, [], rules, now=NIGHT) == until
    assert release_of(severity, QUIET, [], rules, now=START) is None


def test_quiet_hours_end_on_the_morning_of_the_owners_own_day() -> None:
    assert QUIET.end_of(NIGHT + timedelta(hours=4)) == MORNING
    assert QUIET.end_of(MORNING) is None


def test_quiet_hours_within_a_day_and_without_length() -> None:
    noon = replace(QUIET, start=time(9), end=time(11))

    assert noon.end_of(START) == START + timedelta(hours=1)
    assert replace(QUIET, start=time(10), end=time(10)).end_of(START) is None


def test_quiet_hours_end_at_the_local_time_over_a_change_of_the_clock() -> None:
    berlin = replace(QUIET, zone=ZoneInfo("Europe/Berlin"))

    assert berlin.end_of(datetime(2026, 3, 28, 23, tzinfo=UTC)) == datetime(2026, 3, 29, 5, tzinfo=UTC)


def test_the_cap_holds_back_until_the_oldest_message_is_out_of_the_span(rules: TellingRules) -> None:
    recent = [START - timedelta(hours=1), START - timedelta(hours=5)]

    assert release_of(Severity.S2, QUIET, recent, rules, now=START) == START + timedelta(hours=7)
    assert release_of(Severity.S2, QUIET, recent[:1], rules, now=START) is None
    assert release_of(Severity.S1, QUIET, recent * 5, rules, now=START) is None


def test_what_the_cap_releases_into_quiet_hours_waits_for_their_end(rules: TellingRules) -> None:
    recent = [START + timedelta(hours=1), START + timedelta(minutes=30)]

    assert release_of(Severity.S3, QUIET, recent, rules, now=START + timedelta(hours=2)) == MORNING
    assert release_of(Severity.S2, QUIET, recent, rules, now=START + timedelta(hours=2)) == START + timedelta(
        hours=12.5
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"S1": {"after_minutes": [0, 5, 2], "needs_person": True}}, "S1.after_minutes"),
        ({"S1": {"after_minutes": [1], "needs_person": True}}, "S1.after_minutes"),
        ({"quiet_from": "25:00"}, "telling"),
        ({"cap_messages": 0}, "cap_messages"),
    ],
)
def test_rules_that_contradict_themselves_are_refused_by_name(change: dict[str, object], named: str) -> None:
    with pytest.raises(PolicyError, match=named):
        parse_telling({**ENTRY, **change})
