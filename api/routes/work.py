"""JSON: the work on an agreed order, the owner's approval and opinion."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from alerts.work.actions import Action, Details, EstimateLine
from api import order_schemas, work_schemas
from api.context import Ctx
from api.gates import Gate
from api.roles import Principal, Role
from api.routes.orders import OrderId, find_order

router = APIRouter(prefix="/api/v1/orders", tags=["orders"])


def details_of(body: work_schemas.WorkAction) -> Details:
    """Return what is said with an action."""
    said = body.model_dump(
        exclude={"action", "version", "key", "lines", "codes", "trouble_codes", "checked_by"}
    )
    return Details(
        **said,
        lines=None
        if body.lines is None
        else tuple(EstimateLine(kind=line.kind, code=line.code, qty=line.qty) for line in body.lines),
        codes=None if body.codes is None else tuple(body.codes),
        trouble_codes=None if body.trouble_codes is None else tuple(body.trouble_codes),
        checked_by=None if body.checked_by is None else tuple(body.checked_by),
    )


@router.post("/{order_id}/work", summary="One action of the station, from check-in to hand-over")
def work_on_order(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(Role.STATION, Role.OPERATIONS))],
    order_id: OrderId,
    body: work_schemas.WorkAction,
) -> order_schemas.Order:
    """Do the action, once for its key; return the order with what may be done next."""
    find_order(ctx, principal, order_id)
    ctx.commands.act(
        order_id=order_id,
        action=Action(body.action),
        details=details_of(body),
        actor=principal.actor,
        version=body.version,
        key=body.key,
        now=ctx.clock(),
    )
    return find_order(ctx, principal, order_id)


@router.post("/{order_id}/approval", summary="The owner's decision on a changed price or scope")
def decide_estimate(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(Role.OWNER, Role.OPERATIONS))],
    order_id: OrderId,
    body: work_schemas.Approval,
) -> order_schemas.Order:
    """Approve or decline the estimate that waits; return the order."""
    find_order(ctx, principal, order_id)
    ctx.commands.act(
        order_id=order_id,
        action=Action(body.decision),
        details=Details(reason=body.reason),
        actor=principal.actor,
        version=body.version,
        key=body.key,
        now=ctx.clock(),
    )
    return find_order(ctx, principal, order_id)


@router.post("/{order_id}/rating", summary="The owner's opinion of station and warning")
def rate_order(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(Role.OWNER))],
    order_id: OrderId,
    body: work_schemas.Rating,
) -> order_schemas.Order:
    """Keep the opinion; a later one replaces it."""
    find_order(ctx, principal, order_id)
    ctx.commands.rate(
        order_id=order_id,
        station_stars=body.station_stars,
        warning_stars=body.warning_stars,
        comment=body.comment,
        actor=principal.actor,
        now=ctx.clock(),
    )
    return find_order(ctx, principal, order_id)
