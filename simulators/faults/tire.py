"""Faults of tires: leaks of every kind, punctures, blow-outs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from data.records import WHEELS, FailureMode, Severity
from simulators.climate import DAY_S
from simulators.faults.injection import NEVER, Injection
from simulators.faults.setting import Setting

ATMOSPHERE_KPA = 101.325
#: Pressure ratio below which the flow through an orifice is choked (dry air, isentropic exponent 1.4).
CHOKED_RATIO = 0.528
#: The legal warning limit over placard (FMVSS 138, GB 26149).
LEGAL_SHARE = 0.75


def capillary_constant(rate_kpa_per_day: float, placard_kpa: float) -> float:
    """Return k of dP/dt = -k (P² - P_air²) in 1/(kPa·s) for a loss at placard."""
    absolute = placard_kpa + ATMOSPHERE_KPA
    return rate_kpa_per_day / DAY_S / (absolute**2 - ATMOSPHERE_KPA**2)


def orifice_constant(rate_kpa_per_day: float, placard_kpa: float) -> float:
    """Return c of dP/dt = -c P (choked) in 1/s for a loss at placard."""
    return rate_kpa_per_day / DAY_S / (placard_kpa + ATMOSPHERE_KPA)


def capillary_takes_s(k: float, from_kpa: float, to_kpa: float) -> float:
    """Return how long the capillary law takes from one gauge pressure to another, at constant temperature."""

    def level(gauge: float) -> float:
        return float(np.log(gauge / (gauge + 2.0 * ATMOSPHERE_KPA)))

    return (level(from_kpa) - level(to_kpa)) / (2.0 * k * ATMOSPHERE_KPA)


def orifice_takes_s(c: float, from_kpa: float, to_kpa: float) -> float:
    """Return how long a choked orifice takes; above 90 kPa gauge the flow is choked."""
    return float(np.log((from_kpa + ATMOSPHERE_KPA) / (to_kpa + ATMOSPHERE_KPA))) / c


def _tire(
    s: Setting, wheel: int, mode: FailureMode, variant: str, *, at_s: float, magnitude: float, **rest: object
) -> Injection:
    return Injection(
        vehicle=s.vehicle,
        kind=mode,
        variant=variant,
        is_fault=True,
        component=f"tire {WHEELS[wheel]}",
        element=wheel,
        at_s=at_s,
        magnitude=magnitude,
        **rest,  # type: ignore[arg-type] # fields of Injection, checked where they are written
    )


def draw_leak(s: Setting, variant: str) -> Injection:
    """Return a slow leak: log-uniform 0.5-30 kPa/day (capillary), 5-60 (orifice); valves leak at times."""
    wheel = int(s.rng.integers(4))
    placard = s.model.placard_kpa[wheel]
    limit = LEGAL_SHARE * placard
    if s.timing == "ahead":
        rate = s.between(2.1, 7.9)
    elif variant == "capillary":
        rate = s.log_between(0.5, 30.0)
    else:
        rate = s.log_between(5.0, 60.0)
    if variant == "orifice":
        c = orifice_constant(rate, placard)
        takes, p = orifice_takes_s(c, placard, limit), {"c": c}
        down = orifice_takes_s(c, placard, 0.6 * placard)
    else:
        k = capillary_constant(rate, placard)
        takes, p = capillary_takes_s(k, placard, limit), {"k": k}
        down = capillary_takes_s(k, placard, 0.6 * placard)
    at_s = s.onset(takes)
    is_steady = variant in ("capillary", "orifice")
    return _tire(
        s,
        wheel,
        FailureMode.TIRE_SLOW_LEAK,
        variant,
        at_s=at_s,
        magnitude=rate,
        unit="kPa/day",
        threshold_s=at_s + takes if is_steady else NEVER,
        failure_s=at_s + down if is_steady else NEVER,
        severity=Severity.S2,
        p=p,
    )


def draw_topped_up(s: Setting, variant: str) -> Injection:
    """Return a leaker whose owner fills it up whenever it looks low."""
    wheel = int(s.rng.integers(4))
    placard = s.model.placard_kpa[wheel]
    rate = s.between(1.5, 5.0)
    k = capillary_constant(rate, placard)
    takes = capillary_takes_s(k, placard, LEGAL_SHARE * placard)
    at_s = s.onset(min(takes, 0.5 * s.span_s))
    return _tire(
        s,
        wheel,
        FailureMode.TIRE_TOPPED_UP_LEAK,
        variant,
        at_s=at_s,
        magnitude=rate,
        unit="kPa/day",
        threshold_s=at_s + takes,
        severity=Severity.S3,
        p={"k": k, "fills_below_kpa": placard - s.between(18.0, 32.0), "fills_to_kpa": placard + 5.0},
    )


def draw_puncture(s: Setting, variant: str) -> Injection:
    """Return a puncture under way: 1-60 kPa/min, an orifice of 0.1-1 mm."""
    wheel = int(s.rng.integers(4))
    rate = s.log_between(1.0, 60.0)
    c = orifice_constant(rate * 1440.0, s.model.placard_kpa[wheel])
    return _tire(
        s,
        wheel,
        FailureMode.TIRE_PUNCTURE,
        variant,
        at_s=s.hazard_s(),
        magnitude=rate,
        unit="kPa/min",
        severity=Severity.S1,
        p={"hazard": 1.0, "c": c},
    )


def draw_blowout(s: Setting, variant: str) -> Injection:
    """Return a tire that is driven hot: far too little air, too much load, a fast road.

    The belt comes apart within minutes: its heat grows exponentially until the tire bursts at some
    105-120 °C inside.
    """
    wheel = int(s.rng.integers(4))
    short, before = s.between(0.28, 0.45), s.between(3.0, 8.0) * DAY_S
    placard = s.model.placard_kpa[wheel]
    k = capillary_constant(1.0, placard)
    k *= capillary_takes_s(k, placard, (1.0 - short) * placard) / before
    return _tire(
        s,
        wheel,
        FailureMode.TIRE_BLOWOUT_RISK,
        variant,
        at_s=s.hazard_s(),
        magnitude=100.0 * short,
        unit="% of placard missing",
        severity=Severity.S1,
        p={
            "hazard": 1.0,
            "k": k,
            "before_s": before,
            "overload": s.between(1.15, 1.35),
            "grows_s": s.between(240.0, 480.0),
            "bursts_degc": s.between(105.0, 120.0),
        },
    )


DRAWS: dict[str, Callable[[Setting, str], Injection]] = {
    FailureMode.TIRE_SLOW_LEAK: draw_leak,
    FailureMode.TIRE_TOPPED_UP_LEAK: draw_topped_up,
    FailureMode.TIRE_PUNCTURE: draw_puncture,
    FailureMode.TIRE_BLOWOUT_RISK: draw_blowout,
}
