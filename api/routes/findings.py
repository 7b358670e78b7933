"""What could wait for the next visit, ordered because its owner asks for it: JSON and the page's form."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path
from fastapi.responses import RedirectResponse, Response

from api import order_schemas, store
from api.context import Context, Ctx
from api.errors import NotFound
from api.gates import FormGate, Gate
from api.roles import Principal, Role
from api.routes.orders import find_order
from api.routes.session import safe_path
from data.db import transaction

router = APIRouter()

AlertId = Annotated[int, Path(ge=1, lt=2**63)]


def request_order(ctx: Context, principal: Principal, alert_id: int) -> int:
    """Have an alert that the caller may see ordered and offered; return its order.

    Raises:
        NotFound: No such alert, or someone else's.
    """
    with transaction(ctx.pool) as connection:
        if not store.fetch_alerts(connection, principal, alert_id=alert_id, limit=1):
            raise NotFound(f"alert {alert_id}: there is no such alert here")
    return ctx.commands.request_order(alert_id=alert_id, actor=principal.actor, now=ctx.clock()).order_id


@router.post(
    "/api/v1/alerts/{alert_id}/order",
    tags=["alerts"],
    summary="An appointment for what could wait for the next visit",
)
def order_finding(
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(Role.OWNER, Role.OPERATIONS))],
    alert_id: AlertId,
) -> order_schemas.Order:
    """Open an order and offer an appointment; asked again, the answer is the order that is open."""
    return find_order(ctx, principal, request_order(ctx, principal, alert_id))


@router.post("/alerts/{alert_id}/order", include_in_schema=False)
def order_finding_from_page(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(FormGate(Role.OWNER, Role.OPERATIONS))],
    alert_id: AlertId,
    back: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Likewise from the page."""
    order_id = request_order(ctx, principal, alert_id)
    return RedirectResponse(safe_path(back) or f"/orders/{order_id}", 303)
