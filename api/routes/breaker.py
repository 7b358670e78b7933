"""JSON: what the circuit breaker holds back, and what a person decides about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from alerts.breaker import Decision
from alerts.operations import release_trip
from api import finding_schemas, store
from api.context import Ctx
from api.gates import Gate
from api.roles import FLEET, Principal, Role
from data.db import transaction

router = APIRouter(prefix="/api/v1/breaker", tags=["predictors"])


@router.get("", summary="Predictors that ordered too much, waiting ones first")
def list_trips(
    ctx: Ctx, principal: Annotated[Principal, Depends(Gate(*FLEET))]
) -> finding_schemas.BreakerTrips:
    """Return the newest 500 trips of the circuit breaker."""
    with transaction(ctx.pool) as connection:
        rows = store.fetch_breaker_trips(connection, principal)
    return finding_schemas.BreakerTrips(items=[finding_schemas.BreakerTrip(**row) for row in rows])


@router.post("/{trip_id}/release", summary="Place or dismiss all orders that a trip holds back")
def release(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(Role.OPERATIONS))],
    trip_id: Annotated[int, Path(ge=1, lt=2**63)],
    body: finding_schemas.TripRelease,
) -> finding_schemas.TripReleased:
    """Take the decision of a person; it is kept in the audit trail."""
    done = release_trip(
        ctx.pool,
        trip_id=trip_id,
        tenant_id=principal.tenant_id,
        decision=Decision(body.decision),
        actor=principal.actor,
        reason=body.reason,
        now=ctx.clock(),
    )
    return finding_schemas.TripReleased(trip_id=done.trip_id, decision=body.decision, orders=done.orders)
