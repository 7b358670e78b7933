"""The rules of policy.toml: levels, dwell, causes, deadlines."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from alerts.dispatch.part_rules import PartRule, parse_parts
from alerts.errors import PolicyError
from alerts.orders.standing_rules import StandingRule, parse_standing
from alerts.prices.payer_rules import PayerRule, parse_payers
from alerts.telling.rules import TellingRules, parse_telling
from data.records import FailureMode, Severity
from data.warranty import Warranty


class Mode(StrEnum):
    """How vehicle and work come together; in the database, too."""

    DRIVE_IN = "drive_in"
    MOBILE = "mobile"  #: a van comes to the vehicle; no bay
    PICKUP = "pickup"  #: a driver fetches the vehicle and brings it back
    TOW = "tow"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeRule:
    """Levels, dwell and cause of one failure mode."""

    raise_level: float
    clear_level: float
    raise_dwell_h: float
    urgent_dwell_h: float  #: the same of S0 to S2, which cannot wait as long
    clear_dwell_h: float
    opens_order: bool
    cause: str  #: ``component``: each component is its own cause
    is_towed: bool  #: whatever the urgency
    warranty: Warranty  #: what the fault falls under
    explains: Sequence[FailureMode] = ()  #: while it is open, their alerts on the vehicle join its order


@dataclass(frozen=True, slots=True, kw_only=True)
class SeverityRule:
    """What an urgency class asks of the order."""

    deadline_h: float
    notice_h: float
    modes: tuple[Mode, ...]  #: how vehicle and work may come together, tried one after the other
    bay_kind: str | None = None  #: what a bay for high voltage must be fit for besides


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRule:
    """Limits of the search for a station."""

    least_severity: Severity
    overdue_days: float
    road_speed_km_per_h: float
    longest_way_km: float
    mobile_way_km: float
    pickup_way_km: float
    mobile_fix: float  #: least probability that the work succeeds on the road
    least_stars: float  #: a station with a lower mean comes after the others
    least_ratings: int
    reserve_soc_percent: float
    range_margin: float
    consumption_kwh_per_km: Sequence[tuple[float, float]]  #: (km/h, kWh/km), rising speed
    range_speed_km_per_h: float
    cold_rise_per_k: float
    mild_c: float
    replan_after_minutes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRule:
    """What makes an appointment dear; see ``alerts.dispatch.costs``."""

    delay: float
    way: float
    way_km: float
    late: float
    price: float
    queue: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRule:
    """When orders wait for each other, so that they are placed together."""

    every_s: float
    from_vehicles: int  #: waiting at once; fewer are placed one by one
    most_orders: int  #: in a batch; so many do not wait for the time
    improve_rounds: float  #: of making the appointments of a batch cheaper, for each order


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule:
    """How the vehicle's own alarms are taken."""

    join_within_days: float
    order_level: int
    severity: Severity
    late_h: float  #: one that nobody acted on for so long is of ``late_severity``
    late_severity: Severity
    lost_after_h: float  #: and for so long raises nothing by itself
    gap_h: float
    flags: Mapping[int, FailureMode]  #: GB/T 32960.3 alarm flag bit -> failure mode
    components: Mapping[FailureMode, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRule:
    """How many orders a predictor may open in an hour on the vehicles of one model."""

    orders_per_hour: int
    fleet_share: float  #: or this share of the model's vehicles, whichever is more; 1: no limit

    @property
    def is_on(self) -> bool:
        """Tell whether there is a limit."""
        return self.fleet_share < 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All rules between a prediction and an order."""

    standing: StandingRule
    parts: PartRule
    payers: PayerRule
    modes: Mapping[FailureMode, ModeRule]
    severities: Mapping[Severity, SeverityRule]
    order: OrderRule
    cost: CostRule
    batch: BatchRule
    alarm: AlarmRule
    breaker: BreakerRule
    telling: TellingRules

    def cause_of(self, component: str, failure_mode: FailureMode) -> str:
        """Return the cause: alerts of one vehicle and cause share one order."""
        cause = self.modes[failure_mode].cause
        return component if cause == "component" else cause

    def opens_order(self, failure_mode: FailureMode, severity: Severity) -> bool:
        """Tell whether an alert of this mode and urgency needs an order."""
        return self.modes[failure_mode].opens_order and severity <= self.order.least_severity

    def deadline(self, severity: Severity, now: datetime, threshold_at: datetime | None = None) -> datetime:
        """Return when the service of this urgency class is due.

        Args:
            severity: The class.
            now: Wall time.
            threshold_at: When the fault may cross its threshold (lower bound): not later than then, but not
                sooner than the most urgent class asks for.
        """
        due = now + timedelta(hours=self.severities[severity].deadline_h)
        if threshold_at is None:
            return due
        soonest = now + timedelta(hours=min(rule.deadline_h for rule in self.severities.values()))
        return min(due, max(threshold_at, soonest))

    @property
    def lowest_raise_level(self) -> float:
        """Return the probability below which no prediction raises anything."""
        return min(rule.raise_level for rule in self.modes.values())


@cache
def load_policy() -> Policy:
    """Return the policy shipped with Anxin.

    Raises:
        PolicyError: It contradicts itself.
    """
    return parse_policy(resources.files("alerts").joinpath("policy.toml").read_text("utf-8"))


def parse_policy(text: str) -> Policy:
    """Return the policy that a TOML text defines.

    Raises:
        PolicyError: A mode is missing or unknown, or its levels are not 0 <= clear < raise <= 1; names it.
    """
    document = tomllib.loads(text)
    defaults, given = document["defaults"], document["modes"]
    if unknown := sorted(set(given) - set(FailureMode)):
        raise PolicyError(f"policy modes.{unknown[0]}: no such failure mode")
    modes = {}
    for mode in FailureMode:
        if mode not in given:
            raise PolicyError(f"policy modes.{mode}: missing")
        modes[mode] = _mode_rule(f"policy modes.{mode}", {**defaults, **given[mode]})
    try:
        alarm: dict[str, Any] = document["alarm"]
        breaker = BreakerRule(**document["breaker"])
        if breaker.orders_per_hour < 1 or not 0 <= breaker.fleet_share <= 1:
            raise PolicyError(f"policy breaker: {breaker}: at least one order an hour, a share of 0-1")
        return Policy(
            standing=parse_standing(document["standing"]),
            parts=parse_parts(document["parts"]),
            payers=parse_payers(document["warranty"]),
            modes=MappingProxyType(modes),
            severities=MappingProxyType({s: _severity_rule(document["severity"][s]) for s in Severity}),
            order=OrderRule(
                **{**document["order"], "least_severity": Severity(document["order"]["least_severity"])}
            ),
            cost=_cost_rule(document["cost"]),
            batch=_batch_rule(document["batch"]),
            alarm=AlarmRule(
                join_within_days=float(alarm["join_within_days"]),
                order_level=int(alarm["order_level"]),
                severity=Severity(alarm["severity"]),
                late_h=float(alarm["late_h"]),
                late_severity=Severity(alarm["late_severity"]),
                lost_after_h=float(alarm["lost_after_h"]),
                gap_h=float(alarm["gap_h"]),
                flags=MappingProxyType({int(b): FailureMode(m) for b, m in alarm["flags"].items()}),
                components=MappingProxyType({FailureMode(m): c for m, c in alarm["components"].items()}),
            ),
            breaker=breaker,
            telling=parse_telling(document["telling"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PolicyError(f"policy: {error}") from error


def _severity_rule(entry: Mapping[str, Any]) -> SeverityRule:
    return SeverityRule(**{**entry, "modes": tuple(Mode(name) for name in entry["modes"])})


def _batch_rule(entry: Mapping[str, Any]) -> BatchRule:
    rule = BatchRule(**entry)
    if rule.every_s < 0 or not 1 <= rule.from_vehicles <= rule.most_orders:
        raise PolicyError(f"policy batch: {rule}: every_s >= 0, 1 <= from_vehicles <= most_orders")
    if rule.improve_rounds < 0:
        raise PolicyError(f"policy batch.improve_rounds: {rule.improve_rounds}: must not be negative")
    return rule


def _cost_rule(entry: Mapping[str, Any]) -> CostRule:
    rule = CostRule(**entry)
    if min(rule.delay, rule.way, rule.late, rule.price, rule.queue) < 0 or rule.way_km <= 0:
        raise PolicyError(f"policy cost: {rule}: weights must not be negative, way_km must be above 0")
    return rule


def _mode_rule(name: str, entry: Mapping[str, Any]) -> ModeRule:
    try:
        explains = tuple(FailureMode(mode) for mode in entry.get("explains", ()))
        converted = {"explains": explains, "warranty": Warranty(entry["warranty"])}
        rule = ModeRule(**{"urgent_dwell_h": entry["raise_dwell_h"], **entry, **converted})
    except (TypeError, ValueError) as error:
        raise PolicyError(f"{name}: {error}") from error
    if not 0 <= rule.clear_level < rule.raise_level <= 1:
        raise PolicyError(
            f"{name}: clear_level {rule.clear_level} and raise_level {rule.raise_level}:"
            " must be 0 <= clear < raise <= 1"
        )
    if min(rule.raise_dwell_h, rule.urgent_dwell_h, rule.clear_dwell_h) < 0:
        raise PolicyError(f"{name}: dwell must not be negative")
    return rule
