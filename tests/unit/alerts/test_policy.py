from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources

import pytest

from alerts.errors import PolicyError
from alerts.policy import AlertState, Move, decide, fold
from alerts.rules import load_policy, parse_policy
from data.records import FailureMode, Origin, Prediction, Severity

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
POLICY = load_policy()


def make_prediction(hours: float = 0.0, probability: float = 0.9, **overrides: object) -> Prediction:
    time = NOON + timedelta(hours=hours)
    base = Prediction(
        vehicle_id=1,
        component="tire rear-left",
        failure_mode=FailureMode.TIRE_SLOW_LEAK,
        severity=Severity.S3,
        probability=probability,
        horizon_h=168.0,
        time_to_threshold_h=None,
        predicted_at=time,
        data_time=time,
        since=time - timedelta(days=2),
        window_from=time - timedelta(days=14),
        window_to=time,
        reasons=(),
        model_version="t-1",
        origin=Origin.SIMULATED,
        is_fresh=True,
    )
    return replace(base, **overrides)  # type: ignore[arg-type]


def test_a_fresh_prediction_above_the_level_and_past_its_dwell_raises() -> None:
    transition = decide(make_prediction(), None, POLICY, NOON)

    assert transition.alert is not None
    assert (
        transition.move,
        transition.alert.state,
        transition.alert.raised_at,
    ) == (Move.RAISE, AlertState.OPEN, NOON)


def test_a_stale_prediction_never_raises() -> None:
    assert decide(make_prediction(is_fresh=False), None, POLICY, NOON).move is Move.NOTHING


def test_dwell_is_judged_in_event_time() -> None:
    early = make_prediction(since=NOON - timedelta(hours=1))
    pending = decide(early, None, POLICY, NOON)
    late = make_prediction(hours=12, since=NOON - timedelta(hours=1))

    assert pending.move is Move.PEND
    assert decide(late, pending.alert, POLICY, NOON).move is Move.RAISE


def test_a_pending_alert_that_falls_below_the_level_is_dropped() -> None:
    pending = decide(make_prediction(since=NOON), None, POLICY, NOON)

    assert decide(make_prediction(1, 0.6), pending.alert, POLICY, NOON).move is Move.DROP


def test_values_between_the_levels_neither_raise_nor_clear() -> None:
    alert = decide(make_prediction(), None, POLICY, NOON).alert
    moves = []
    for hour, probability in enumerate([0.5, 0.69, 0.31, 0.5], start=1):
        transition = decide(make_prediction(hour, probability), alert, POLICY, NOON)
        alert = transition.alert
        moves.append(transition.move)

    assert moves == [Move.UPDATE] * 4
    assert alert is not None
    assert alert.state is AlertState.OPEN


def test_an_alert_clears_only_after_its_quiet_dwell() -> None:
    alert = decide(make_prediction(), None, POLICY, NOON).alert
    first = decide(make_prediction(1, 0.1), alert, POLICY, NOON)
    broken = decide(make_prediction(20, 0.8), first.alert, POLICY, NOON)
    again = decide(make_prediction(30, 0.1), broken.alert, POLICY, NOON)
    early = decide(make_prediction(53, 0.1), again.alert, POLICY, NOON)
    late = decide(make_prediction(54, 0.1), early.alert, POLICY, NOON)

    assert [first.move, broken.move, again.move, early.move] == [Move.UPDATE] * 4
    assert broken.alert is not None
    assert broken.alert.occurrence_count == 2
    assert late.move is Move.CLEAR


def test_time_between_the_levels_is_no_quiet_time() -> None:
    alert = decide(make_prediction(), None, POLICY, NOON).alert
    moves = []
    for hour, probability in [(1, 0.1), (2, 0.6), (72, 0.6), (73, 0.1), (96, 0.1), (97, 0.1)]:
        transition = decide(make_prediction(hour, probability), alert, POLICY, NOON)
        alert = transition.alert
        moves.append(transition.move)

    assert moves == [Move.UPDATE] * 5 + [Move.CLEAR]


def test_stop_now_alerts_never_clear_by_themselves() -> None:
    alert = decide(make_prediction(severity=Severity.S1), None, POLICY, NOON).alert
    for hour in (1, 100, 1000):
        transition = decide(make_prediction(hour, 0.0), alert, POLICY, NOON)
        alert = transition.alert
        assert transition.move is Move.UPDATE


def test_severity_only_rises_while_an_alert_is_open() -> None:
    alert = decide(make_prediction(), None, POLICY, NOON).alert
    up = decide(make_prediction(1, severity=Severity.S2), alert, POLICY, NOON)
    down = decide(make_prediction(2, severity=Severity.S4), up.alert, POLICY, NOON)

    assert (up.move, down.move) == (Move.ESCALATE, Move.UPDATE)
    assert down.alert is not None
    assert down.alert.severity is Severity.S2


def test_a_stale_prediction_updates_evidence_without_escalating_or_clearing() -> None:
    alert = decide(make_prediction(), None, POLICY, NOON).alert
    worse = decide(make_prediction(1, severity=Severity.S1, is_fresh=False), alert, POLICY, NOON)
    quiet = decide(make_prediction(2, 0.0, is_fresh=False), worse.alert, POLICY, NOON)
    later = decide(make_prediction(200, 0.0, is_fresh=False), quiet.alert, POLICY, NOON)

    assert [worse.move, quiet.move, later.move] == [Move.UPDATE] * 3
    assert later.alert is not None
    assert later.alert.severity is Severity.S3


def test_the_same_prediction_twice_changes_nothing() -> None:
    first = decide(make_prediction(), None, POLICY, NOON)
    second = decide(make_prediction(), first.alert, POLICY, NOON)

    assert second.move is Move.NOTHING
    assert second.alert == first.alert


def test_old_evidence_does_not_reopen_a_cleared_alert() -> None:
    alert = decide(make_prediction(), None, POLICY, NOON).alert
    quiet = decide(make_prediction(1, 0.0), alert, POLICY, NOON).alert
    cleared = decide(make_prediction(26, 0.0), quiet, POLICY, NOON)

    assert cleared.move is Move.CLEAR
    assert decide(make_prediction(25), cleared.alert, POLICY, NOON).move is Move.NOTHING
    assert decide(make_prediction(27), cleared.alert, POLICY, NOON).move is Move.RAISE


def test_fold_gives_one_episode_from_raise_to_clear() -> None:
    probabilities = [0.1, 0.75, 0.95, 0.5, 0.2, 0.1, 0.1]
    predictions = [make_prediction(24 * day, p) for day, p in enumerate(probabilities)]

    (episode,) = fold(predictions)

    assert episode.first_raised == NOON + timedelta(days=1)
    assert episode.cleared == NOON + timedelta(days=5)
    assert episode.probability == 0.95


def test_fold_keeps_components_apart() -> None:
    predictions = [
        make_prediction(),
        make_prediction(1, component="tire front-left"),
        make_prediction(2, 0.2, component="tire front-right"),
    ]

    assert [e.component for e in fold(predictions)] == ["tire rear-left", "tire front-left"]


def test_battery_faults_share_a_cause_and_tires_do_not() -> None:
    assert POLICY.cause_of("cell 82", FailureMode.CELL_INTERNAL_SHORT) == POLICY.cause_of(
        "battery", FailureMode.ONBOARD_ALARM
    )
    assert POLICY.cause_of("tire rear-left", FailureMode.TIRE_SLOW_LEAK) == "tire rear-left"


def test_what_waits_for_the_next_visit_opens_no_order() -> None:
    assert POLICY.opens_order(FailureMode.TIRE_SLOW_LEAK, Severity.S3)
    assert not POLICY.opens_order(FailureMode.TIRE_SLOW_LEAK, Severity.S4)
    assert not POLICY.opens_order(FailureMode.BATTERY_CAPACITY_FADE, Severity.S2)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("raise_level = 0.7", "raise_level = 0.2", "clear_level 0.3 and raise_level 0.2"),
        ("[modes.brake_drag]", "[modes.brake_dragon]", "modes.brake_dragon"),
        ("[modes.brake_drag]\nraise_dwell_h = 24.0\nclear_dwell_h = 72.0\n", "", "modes.brake_drag: missing"),
        ("[modes.brake_drag]", "[modes.brake_drag]\nlevel = 3", "level"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused_by_name(old: str, new: str, named: str) -> None:
    from importlib import resources

    text = resources.files("alerts").joinpath("policy.toml").read_text("utf-8")

    with pytest.raises(PolicyError, match=named):
        parse_policy(text.replace(old, new, 1))


def test_a_policy_that_explains_an_unknown_mode_is_refused_by_name() -> None:
    text = resources.files("alerts").joinpath("policy.toml").read_text("utf-8")
    wrong = text.replace('explains = ["motor_thermal"', 'explains = ["motor_heat"')

    assert wrong != text
    with pytest.raises(PolicyError, match=r"modes\.cooling_loss: 'motor_heat'"):
        parse_policy(wrong)
