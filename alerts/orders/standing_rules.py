"""The rules of appointments that are agreed: when they are moved, and whom promises worry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alerts.errors import PolicyError


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRule:
    """Section ``[standing]`` of policy.toml."""

    no_show_after_minutes: float  #: nobody came so long after the appointment began
    moved_hold_h: float  #: how long an owner who had agreed may think about another time
    overrun_share: float  #: of the planned time, beyond which work takes too long
    promise_warning_h: float  #: before the promised time
    visit_gap_h: float  #: after a visit's work, within which other work of the same visit has to begin


def parse_standing(entry: Mapping[str, Any]) -> StandingRule:
    """Return the rules of a section.

    Raises:
        PolicyError: A value is not above 0; names it.
    """
    for name, value in entry.items():
        if not value > 0:
            raise PolicyError(f"policy standing.{name}: {value}: must be above 0")
    return StandingRule(**{name: float(value) for name, value in entry.items()})
