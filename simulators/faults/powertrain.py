"""Faults of cooling, motor, inverter, DC/DC converter, 12 V battery and brakes."""

from __future__ import annotations

import math
from collections.abc import Callable

from data.records import WHEELS, FailureMode, Severity
from simulators.climate import DAY_S
from simulators.faults.injection import NEVER, Injection
from simulators.faults.setting import Setting

WEEK_S = 7.0 * DAY_S
#: Wake current and resistance of a 12 V battery that will fail; its limit is 9.6 V at the wake.
WAKE_A, WAKE_OHM, WAKE_LIMIT_V, WAKE_FROM_V = 80.0, 0.006, 9.6, 12.5


def _part(s: Setting, kind: FailureMode, variant: str, component: str, **rest: object) -> Injection:
    return Injection(
        vehicle=s.vehicle,
        kind=kind,
        variant=variant,
        is_fault=True,
        component=component,
        **{"element": -1, **rest},  # type: ignore[arg-type] # fields of Injection, checked where written
    )


def draw_cooling(s: Setting, variant: str) -> Injection:
    """Return a worn pump, a leak of 1-5 % a week, or a plate that clogs; the limit is flow -30 %.

    A worn pump slows with the cube of its course, draws more current and stops; coolant lost past a tenth
    takes air into the pump; a clogging plate halves the flow and leaves three tenths of the heat transfer.
    """
    if variant == "coolant_leak":
        per_week = s.between(0.01, 0.05)
        takes = 0.25 / per_week * WEEK_S
        at_s = s.onset(takes, may_precede=True)
        fails, magnitude, unit = at_s + 2.0 * takes, 100.0 * per_week, "% of coolant/week"
        p = {"per_s": per_week / WEEK_S}
    else:
        whole = (s.between(14.0, 40.0) if variant == "pump_wear" else s.between(30.0, 90.0)) * DAY_S
        takes = whole * (0.6 ** (1 / 3) if variant == "pump_wear" else 0.6)
        at_s = s.onset(takes)
        fails, magnitude, unit = at_s + whole, whole / DAY_S, "days to failure"
        p = {"takes_s": whole}
    return _part(
        s,
        FailureMode.COOLING_LOSS,
        variant,
        "cooling",
        at_s=at_s,
        threshold_s=at_s + takes,
        failure_s=fails,
        magnitude=magnitude,
        unit=unit,
        severity=Severity.S2,
        p=p,
    )


def draw_motor(s: Setting, variant: str) -> Injection:
    """Return a cooling jacket that loses 40 % of its conductance, or a bearing that begins to rub.

    Limits: conductance -20 %; friction of 0.5 N·m, some +10 K at 80 km/h. The bearing has failed at 1.5 N·m.
    """
    takes = s.between(60.0, 180.0) * DAY_S
    to_limit = 0.5 * takes if variant == "jacket" else takes
    at_s = s.onset(to_limit, may_precede=True)
    if variant == "jacket":
        fails, p = at_s + takes, {"takes_s": takes}
        magnitude, unit = 40.0 / (takes / DAY_S), "% of conductance/day"
    else:
        grows = math.log(1.0 + 0.5 / 0.05) / takes
        fails, p = at_s + math.log(1.0 + 1.5 / 0.05) / grows, {"grows_per_s": grows}
        magnitude, unit = grows * WEEK_S * 100.0, "% of friction/week"
    return _part(
        s,
        FailureMode.MOTOR_THERMAL,
        variant,
        "motor 1",
        at_s=at_s,
        threshold_s=at_s + to_limit,
        failure_s=fails,
        magnitude=magnitude,
        unit=unit,
        severity=Severity.S3,
        p=p,
    )


def draw_inverter(s: Setting, variant: str) -> Injection:
    """Return solder fatigue: thermal resistance +20 % after 60-180 days (power 1.5), failed at +60 %."""
    takes = s.between(60.0, 180.0) * DAY_S
    at_s = s.onset(takes, may_precede=True)
    return _part(
        s,
        FailureMode.INVERTER_THERMAL,
        variant,
        "inverter 1",
        at_s=at_s,
        threshold_s=at_s + takes,
        failure_s=at_s + takes * 3.0 ** (1.0 / 1.5),
        magnitude=20.0 / (takes / DAY_S),
        unit="% of thermal resistance/day",
        severity=Severity.S3,
        p={"takes_s": takes},
    )


def draw_dcdc(s: Setting, variant: str) -> Injection:
    """Return a converter that sags: -0.3 V at 40 A and +10 K after 20-90 days, failed at three times that."""
    takes = s.between(20.0, 90.0) * DAY_S
    at_s = s.onset(takes, may_precede=True)
    return _part(
        s,
        FailureMode.DCDC_FAULT,
        variant,
        "dcdc",
        at_s=at_s,
        threshold_s=at_s + takes,
        failure_s=at_s + 3.0 * takes,
        magnitude=0.3 / (takes / DAY_S),
        unit="V/day",
        severity=Severity.S3,
        p={"takes_s": takes},
    )


def draw_lv_battery(s: Setting, variant: str) -> Injection:
    """Return an ageing 12 V battery, its resistance growing to a wake below 9.6 V, or a parasitic drain."""
    if variant == "drain":
        drain = s.log_between(0.1, 0.4)
        at_s = s.start_s + s.between(0.1, 0.4) * s.span_s
        return _part(
            s,
            FailureMode.LV_BATTERY,
            variant,
            "lv battery",
            at_s=at_s,
            threshold_s=NEVER,
            magnitude=1000.0 * drain,
            unit="mA",
            severity=Severity.S3,
            p={"amperes": drain},
        )
    takes = s.between(40.0, 120.0) * DAY_S
    at_s = s.onset(takes, may_precede=True)
    ratio = (WAKE_FROM_V - WAKE_LIMIT_V) / (WAKE_A * WAKE_OHM)
    return _part(
        s,
        FailureMode.LV_BATTERY,
        variant,
        "lv battery",
        at_s=at_s,
        threshold_s=at_s + takes,
        failure_s=at_s + 1.15 * takes,
        magnitude=100.0 * (ratio ** (WEEK_S / takes) - 1.0),
        unit="% of resistance/week",
        severity=Severity.S2,
        p={"grows_per_s": math.log(ratio) / takes, "takes_s": takes},
    )


def draw_brake(s: Setting, variant: str) -> Injection:
    """Return a caliper that drags with 15-60 N·m after 5-25 days of sticking more and more."""
    wheel = int(s.rng.integers(4))
    torque, takes = s.between(15.0, 60.0), s.between(5.0, 25.0) * DAY_S
    to_limit = takes * min(1.0, 40.0 / torque)
    at_s = s.onset(to_limit)
    return _part(
        s,
        FailureMode.BRAKE_DRAG,
        variant,
        f"brake {WHEELS[wheel]}",
        element=wheel,
        at_s=at_s,
        threshold_s=at_s + to_limit,
        magnitude=torque,
        unit="N·m",
        severity=Severity.S2 if torque > 40.0 else Severity.S3,
        p={"takes_s": takes},
    )


DRAWS: dict[str, Callable[[Setting, str], Injection]] = {
    FailureMode.COOLING_LOSS: draw_cooling,
    FailureMode.MOTOR_THERMAL: draw_motor,
    FailureMode.INVERTER_THERMAL: draw_inverter,
    FailureMode.DCDC_FAULT: draw_dcdc,
    FailureMode.LV_BATTERY: draw_lv_battery,
    FailureMode.BRAKE_DRAG: draw_brake,
}
