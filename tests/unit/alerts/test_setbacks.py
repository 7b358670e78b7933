from datetime import UTC, datetime, timedelta

from alerts.setbacks import LONGEST_REST, Setbacks

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_a_vehicle_rests_longer_with_each_failure_but_not_for_ever() -> None:
    setbacks, rests = Setbacks(), []
    for _ in range(12):
        setbacks.note(7, NOON)
        rests.append(next(s for s in range(5000) if not setbacks.resting(NOON + timedelta(seconds=s))))

    assert rests[:3] == [30, 60, 120]
    assert rests[-1] == LONGEST_REST.total_seconds()


def test_a_success_is_a_fresh_start() -> None:
    setbacks = Setbacks()
    setbacks.note(7, NOON)
    setbacks.forget(7)

    assert setbacks.resting(NOON) == []
