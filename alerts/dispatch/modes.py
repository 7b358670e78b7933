"""How vehicle and work may come together: drive in, a van, fetched and brought back, a tow. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alerts.dispatch.jobs import Job
from alerts.rules import Mode, OrderRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far a vehicle can be driven; None: not known, or nothing limits it."""

    energy_km: float | None = None
    tire_km: float | None = None

    def limit(self, longest_km: float) -> tuple[float, str, str]:
        """Return the shortest of the ways, and what it is in English and Chinese."""
        limits = [(longest_km, "longest way", "最远距离")]
        if self.energy_km is not None:
            limits.append((self.energy_km, "remaining range", "剩余续航"))
        if self.tire_km is not None:
            limits.append((self.tire_km, "tyre", "轮胎"))
        return min(limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of bringing vehicle and work together."""

    mode: Mode
    limit_km: float
    limit_en: str
    limit_zh: str

    def lead_h(self, way_km: float, speed_km_per_h: float) -> float:
        """Return how long it takes until the work can begin."""
        trips = 2 if self.mode in (Mode.PICKUP, Mode.TOW) else 1
        return trips * way_km / speed_km_per_h


def ways_for(
    job: Job, modes: Sequence[Mode], rule: OrderRule, reach: Reach, *, wish: Mode | None = None
) -> Iterator[Way]:
    """Yield the ways that come into question, the one to be tried first first.

    Args:
        job: The work; a van does only what succeeds on the road often enough.
        modes: Of the urgency, in order.
        rule: Limits of each mode.
        reach: How far the vehicle can be driven.
        wish: Of the owner; counts where the vehicle may be driven at all.
    """
    tried = list(modes)
    if wish is not None and Mode.DRIVE_IN in modes:
        tried = [wish, *(mode for mode in modes if mode is not wish)]
        if wish is not Mode.MOBILE:
            tried = [mode for mode in tried if mode is not Mode.MOBILE]
    for mode in tried:
        match mode:
            case Mode.MOBILE:
                if job.mobile_fix is not None and job.mobile_fix >= rule.mobile_fix:
                    yield _way(mode, Reach().limit(rule.mobile_way_km))
            case Mode.TOW:
                yield _way(mode, Reach().limit(rule.longest_way_km))
            case Mode.PICKUP:
                yield _way(mode, reach.limit(rule.pickup_way_km))
            case Mode.DRIVE_IN:
                yield _way(mode, reach.limit(rule.longest_way_km))


def _way(mode: Mode, limit: tuple[float, str, str]) -> Way:
    return Way(mode=mode, limit_km=limit[0], limit_en=limit[1], limit_zh=limit[2])


def energy_reach_km(
    rule: OrderRule,
    *,
    soc_percent: float,
    energy_kwh: float,
    soh_percent: float = 100.0,
    ambient_c: float | None = None,
) -> float:
    """Return how far the vehicle may be sent on what its battery holds above the reserve.

    d_max = margin (SOC - SOC_reserve) E SOH / w(T, v). The consumption w is taken at the speed of the rule
    and rises with each kelvin below ``mild_c``.
    """
    usable = max(0.0, soc_percent - rule.reserve_soc_percent) / 100 * energy_kwh * soh_percent / 100
    speeds, consumptions = zip(*rule.consumption_kwh_per_km, strict=True)
    consumption = float(np.interp(rule.range_speed_km_per_h, speeds, consumptions))
    if ambient_c is not None:
        consumption *= 1 + rule.cold_rise_per_k * max(0.0, rule.mild_c - ambient_c)
    return rule.range_margin * usable / consumption


def tire_reach_km(rule: OrderRule, *, hours_left: float) -> float:
    """Return how far a leaking tyre lasts at its present rate until it is below what the law allows."""
    return max(0.0, hours_left) * rule.road_speed_km_per_h
