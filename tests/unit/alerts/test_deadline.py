from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.rules import load_policy
from data.records import Severity

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
POLICY = load_policy()


@settings(deadline=None)
@given(severity=st.sampled_from(list(Severity)), hours=st.floats(-1000, 10_000))
def test_a_lower_bound_never_puts_the_service_off_nor_asks_for_the_impossible(
    severity: Severity, hours: float
) -> None:
    due = POLICY.deadline(severity, NOON, NOON + timedelta(hours=hours))

    assert NOON + timedelta(hours=POLICY.severities[Severity.S0].deadline_h) <= due
    assert due <= POLICY.deadline(severity, NOON)
    if due < POLICY.deadline(severity, NOON) and hours > 2:
        assert due == NOON + timedelta(hours=hours)
