from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.silence import LastWords, judge
from data.records import Severity

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
PARKED = {"speed": 0.0, "charging": 3.0, "vehicle.state": 2.0, "lv.voltage": 12.6}
LAST = LastWords(
    vehicle_id=1,
    tenant_id=1,
    heard_at=NOW,
    readings=PARKED,
    missing_count=0,
    worst=None,
    origin="real",
    lost_after_h=6.0,
    parked_after_h=336.0,
)


def after(hours: float, said: dict[str, float] | None = None, **facts: Any) -> Any:
    last = replace(LAST, readings={**PARKED, **(said or {})}, **facts)
    return judge(last, NOW + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("said", "facts", "told"),
    [
        ({"speed": 64.0}, {}, "it was driving at 64 km/h"),
        ({"charging": 1.0}, {}, "it was charging"),
        ({"vehicle.state": 1.0}, {}, "it was switched on"),
        ({"lv.voltage": 11.2}, {}, "its 12 V battery was at 11.2 V"),
        ({}, {"missing_count": 3}, "3 of its last messages never came"),
    ],
)
def test_a_vehicle_that_should_have_gone_on_sending_is_lost(
    said: dict[str, float], facts: dict[str, Any], told: str
) -> None:
    assert after(5.9, said, **facts) is None
    silence = after(6.0, said, **facts)

    assert (silence.severity, silence.is_lost) == (Severity.S3, True)
    assert silence.reason == f"silent since 2026-03-10T02:00Z: {told}"


def test_a_parked_vehicle_is_silent_only_after_days() -> None:
    assert after(335.0) is None
    silence = after(336.0)

    assert (silence.severity, silence.is_lost) == (Severity.S4, False)


@pytest.mark.parametrize("worst", [Severity.S0, Severity.S1])
def test_silence_with_a_hazard_open_is_s1_whether_parked_or_not(worst: Severity) -> None:
    assert after(5.9, worst=worst) is None
    assert after(6.0, worst=worst).severity is Severity.S1
    assert after(6.0, {"charging": 1.0}, worst=worst).severity is Severity.S1


def test_other_open_alerts_make_no_difference() -> None:
    assert after(6.0, worst=Severity.S2) is None
