"""One transaction of deciding: its stores, its terms, and trying again after a conflict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import psycopg
import structlog

from alerts.breaker_store import BreakerStore
from alerts.case_store import CaseStore
from alerts.dispatch.network import NetworkCache
from alerts.dispatch.network_store import NetworkStore
from alerts.dispatch.roads import Roads
from alerts.errors import BookingConflict
from alerts.predictor_store import PredictorStore
from alerts.rules import Policy, load_policy
from data.db import Connection, Pool, transaction
from data.errors import DatabaseAway, DatabaseError
from data.settings import Settings

_log = structlog.get_logger("alerts")

#: Tries of one decision: the first with everybody else, the others alone.
ATTEMPTS = 5
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for every decision: policy and the operator's settings."""

    policy: Policy
    roads: Roads
    hold_for: timedelta
    fresh_s: float
    is_batching: bool = False  #: so many wait that those who can are placed together
    networks: NetworkCache = field(default_factory=NetworkCache, compare=False)  #: between decisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The stores of one transaction."""

    store: CaseStore
    network: NetworkStore
    breaker: BreakerStore
    predictors: PredictorStore
    is_exclusive: bool = False  #: planning alone, after a conflict
    may_plan: bool = True  #: False: planning has failed, orders wait and their warnings go out


def terms_of(settings: Settings) -> Terms:
    """Return the shipped policy with the operator's settings."""
    policy = load_policy()
    return Terms(
        policy=policy,
        roads=Roads(settings.road_factor, settings.routing_url),
        hold_for=timedelta(minutes=settings.hold_minutes),
        fresh_s=settings.fresh_s,
        networks=NetworkCache(policy.order.least_ratings),
    )


def decide_again(pool: Pool, work: Callable[[Desk], _T], *, may_plan: bool = True) -> _T:
    """Run a decision in one transaction; on a conflict over bay, technician or part make it again, alone.

    Raises:
        BookingConflict: It lost every time; nothing was written, and it may be tried later.
    """
    for attempt in range(ATTEMPTS):
        try:
            with transaction(pool) as connection:
                return work(open_desk(connection, is_exclusive=attempt > 0, may_plan=may_plan))
        except (BookingConflict, psycopg.errors.IntegrityError) as error:
            last: Exception = error
        except DatabaseAway as error:
            if not is_deadlock(error):
                raise
            last = error
    raise BookingConflict(f"the decision lost {ATTEMPTS} times: {str(last).strip()[:200]}") from last


def is_deadlock(error: DatabaseAway) -> bool:
    """Tell whether two transactions waited for each other and this one had to give way."""
    return isinstance(error.__cause__, psycopg.errors.DeadlockDetected)


def decide_for_vehicle(pool: Pool, vehicle_id: int, work: Callable[[Desk], _T], *, otherwise: _T) -> _T:
    """Run a vehicle's decision; where its own data break it, say so and return ``otherwise``: others go on.

    A decision that fails, or loses every time, is made once more without planning: a warning must not wait
    for an appointment.

    Raises:
        BookingConflict: It lost every time, without planning too; nothing was written, it may be tried later.
        DatabaseError: The database, not a value of the vehicle, is at fault.
    """
    for may_plan in (True, False):
        try:
            return decide_again(pool, work, may_plan=may_plan)
        except BookingConflict as error:
            if not may_plan:
                raise
            _log.warning("no appointment yet", action="decide", vehicle_id=vehicle_id, error=str(error)[:300])
        except Exception as error:
            if isinstance(error, DatabaseError) and not isinstance(error.__cause__, psycopg.DataError):
                raise
            _log.exception("no decision", action="decide", vehicle_id=vehicle_id, is_planned=may_plan)
    return otherwise


def open_desk(connection: Connection, *, is_exclusive: bool = False, may_plan: bool = True) -> Desk:
    """Return the stores of a transaction."""
    return Desk(
        store=CaseStore(connection),
        network=NetworkStore(connection),
        breaker=BreakerStore(connection),
        predictors=PredictorStore(connection),
        is_exclusive=is_exclusive,
        may_plan=may_plan,
    )
