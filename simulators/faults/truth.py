"""The truth table: what was planned, corrected by what the simulation has seen happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from data.records import Severity, Truth, Vin
from simulators.climate import DAY_S
from simulators.faults.injection import Injection, Plan

#: A fault that crosses its threshold later than this after the span is a class less urgent.
_SOON_S = 2.0 * DAY_S
_CALMER = {Severity.S2: Severity.S3}


@dataclass(frozen=True, slots=True)
class Witness:
    """What really happened to one injection; None: not within what was simulated."""

    onset_s: float | None = None
    threshold_s: float | None = None
    failure_s: float | None = None


def truth_rows(
    plan: Plan,
    vins: Sequence[Vin],
    *,
    end_s: float,
    first: int = 0,
    seen: Mapping[int, Witness] | None = None,
) -> list[Truth]:
    """Return the truth table of a plan.

    Args:
        plan: Of the vehicles in ``vins``.
        vins: One a vehicle.
        end_s: End of the simulated span, for the urgency.
        first: Number of the first of them in the whole fleet.
        seen: By place in ``plan.injections``; goes before what was planned. A hazard that nobody has seen did
            not happen and is left out.
    """
    rows: list[Truth] = []
    for place, one in enumerate(plan.injections):
        told = (seen or {}).get(place)
        if seen is not None and one.is_hazard and (told is None or told.onset_s is None):
            continue
        onset_s, threshold_s, failure_s = _times(one, told)
        rows.append(
            Truth(
                vehicle=first + one.vehicle,
                vin=vins[one.vehicle],
                component=one.component,
                kind=one.kind,
                is_fault=one.is_fault,
                onset=datetime.fromtimestamp(onset_s, UTC),
                threshold_at=_moment(threshold_s),
                failure_at=_moment(failure_s),
                severity=_severity(one, threshold_s, end_s),
                magnitude=one.magnitude,
                unit=one.unit,
            )
        )
    return rows


def _times(one: Injection, told: Witness | None) -> tuple[float, float, float]:
    if told is None:
        return one.at_s, one.threshold_s, one.failure_s
    return (
        one.at_s if told.onset_s is None else told.onset_s,
        one.threshold_s if told.threshold_s is None else told.threshold_s,
        one.failure_s if told.failure_s is None else told.failure_s,
    )


def _severity(one: Injection, threshold_s: float, end_s: float) -> Severity | None:
    if one.severity is None or threshold_s - end_s < _SOON_S or one.is_hazard:
        return one.severity
    return _CALMER.get(one.severity, one.severity)


def _moment(time_s: float) -> datetime | None:
    return datetime.fromtimestamp(time_s, UTC) if np.isfinite(time_s) else None
