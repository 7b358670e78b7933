"""What is known of a vehicle's warranties, for the tests of prices."""

from __future__ import annotations

from datetime import date
from typing import Any

from alerts.prices.payers import Cover
from alerts.rules import load_policy
from data.warranty import Warranty


def make_cover(**changes: Any) -> Cover:
    """Return a vehicle three years in service with a fault of its battery, unless other facts are given."""
    facts: dict[str, Any] = {
        "rule": load_policy().payers,
        "fault": Warranty.BATTERY,
        "on": date(2026, 3, 10),
        "in_service_on": date(2023, 3, 10),
        "odometer_km": 51_000.0,
    }
    return Cover(**{**facts, **changes})
