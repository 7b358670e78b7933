"""Is a silent vehicle parked or lost? Judged by what it said last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts.policy import HELD_SEVERITIES
from data.records import Severity

COMPONENT: Final = "vehicle"
#: Among the alerts, though no predictor's: nothing is ordered for it.
FAILURE_MODE: Final = "vehicle_silent"
#: Below this at rest a 12 V lead battery is nearly empty, and its vehicle falls silent.
LOW_LV_V: Final = 11.8
_CHARGING = (1, 2)  # GB/T 32960: parked and charging, charging while driving
_ON = 1  # GB/T 32960: vehicle state on
_MOVING_KM_H = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWords:
    """What is known of a vehicle that has sent nothing for some time."""

    vehicle_id: int
    tenant_id: int
    heard_at: datetime  #: when its newest message was received
    readings: Mapping[str, float]  #: catalogue alias -> last value
    missing_count: int  #: messages that it sent last and that never came
    worst: Severity | None  #: of its open alerts
    origin: str
    lost_after_h: float  #: of its tenant
    parked_after_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """After how long without a message a tenant's vehicles count as silent."""

    lost_after_h: float  #: that should have gone on sending
    parked_after_h: float  #: that were left switched off


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Silence that somebody should know of."""

    severity: Severity
    is_lost: bool
    reason: str


def judge(last: LastWords, now: datetime) -> Silence | None:
    """Return what the silence of a vehicle means; None while it is nothing unusual.

    A vehicle that was driving, charging or switched on, whose 12 V battery was low or whose messages did not
    all arrive, should have gone on sending: it is lost after the tenant's ``lost_after_h``. One that was left
    switched off is parked, and silent only after ``parked_after_h``. With an alert of S0 or S1 open nobody
    waits for that, and the silence itself is S1: what became of the hazard is not known.
    """
    silent_h = (now - last.heard_at) / timedelta(hours=1)
    signs = _signs(last)
    is_hazardous = last.worst in HELD_SEVERITIES
    is_lost = bool(signs)
    if silent_h < (last.lost_after_h if is_lost or is_hazardous else last.parked_after_h):
        return None
    severity = Severity.S1 if is_hazardous else Severity.S3 if is_lost else Severity.S4
    known = ", ".join(signs) if signs else "it was parked and switched off"
    reason = f"silent since {last.heard_at:%Y-%m-%dT%H:%MZ}: {known}"
    if is_hazardous:
        reason += f"; an alert of {last.worst} is open"
    return Silence(severity=severity, is_lost=is_lost, reason=reason)


def _signs(last: LastWords) -> list[str]:
    """Return what speaks for a vehicle that should have gone on sending."""
    said, signs = last.readings, []
    if said.get("speed", 0.0) >= _MOVING_KM_H:
        signs.append(f"it was driving at {said['speed']:.0f} km/h")
    if said.get("charging") in _CHARGING:
        signs.append("it was charging")
    elif said.get("vehicle.state") == _ON:
        signs.append("it was switched on")
    if "lv.voltage" in said and said["lv.voltage"] < LOW_LV_V:
        signs.append(f"its 12 V battery was at {said['lv.voltage']:.1f} V")
    if last.missing_count:
        signs.append(f"{last.missing_count} of its last messages never came")
    return signs
