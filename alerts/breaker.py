"""The circuit breaker: a predictor that orders too much waits for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from alerts.breaker_store import BreakerStore
from alerts.facts import Combination, VehicleFacts
from alerts.policy import HELD_SEVERITIES
from alerts.rules import BreakerRule
from data.records import Prediction, Severity

_log = structlog.get_logger("alerts")

#: Orders are counted over so long.
WINDOW = timedelta(hours=1)
#: ``waiting_reason`` of an order that the breaker holds back, and of one that a person has let go.
HELD_BACK = "circuit breaker: waits for a person"
LET_GO = "released by a person: a station is being looked for"


class Decision(StrEnum):
    """What a person decides about the orders that a trip holds back."""

    PLACE = "place"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What a decision did."""

    trip_id: int
    decision: Decision
    orders: int


def limit_of(rule: BreakerRule, fleet_size: int) -> int:
    """Return how many orders a combination may open in an hour: the larger of the number and the share."""
    return max(rule.orders_per_hour, int(rule.fleet_share * fleet_size))


def hold_back(
    store: BreakerStore,
    severity: Severity,
    prediction: Prediction,
    vehicle: VehicleFacts,
    rule: BreakerRule,
    *,
    now: datetime,
) -> int | None:
    """Return the trip that holds the order of a prediction back; urgent ones never wait."""
    if severity in HELD_SEVERITIES:
        return None
    return admit(store, combination_of(prediction, vehicle), rule, now)


def combination_of(prediction: Prediction, vehicle: VehicleFacts) -> Combination:
    """Return what the orders of a prediction are counted by."""
    return Combination(
        tenant_id=vehicle.tenant_id,
        failure_mode=prediction.failure_mode,
        model_version=prediction.model_version,
        model_id=vehicle.model_id,
    )


def admit(store: BreakerStore, made_by: Combination, rule: BreakerRule, now: datetime) -> int | None:
    """Return the trip that holds an order back, None where it may be placed.

    The order must be written in the same transaction: until its end all others of the combination wait, so
    that any number of routers together never place more than the limit.
    """
    if not rule.is_on:
        return None
    store.enter([made_by], after=now - WINDOW)
    trip_id = store.open_trip(made_by)
    if trip_id is not None:
        return trip_id
    count = store.order_count(made_by)
    limit = rule.orders_per_hour
    if count >= limit:
        limit = limit_of(rule, store.count_fleet(made_by))
    if count < limit:
        store.add_order(made_by)
        return None
    trip_id = store.insert_trip(made_by, order_count=count, order_limit=limit, now=now)
    _log.error(
        "circuit breaker tripped",
        action="breaker",
        trip_id=trip_id,
        failure_mode=made_by.failure_mode,
        model_version=made_by.model_version,
        model_id=made_by.model_id,
        orders=count,
        limit=limit,
    )
    return trip_id
