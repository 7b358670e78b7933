"""JSON: repair orders, and the owner's answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Path, Query

from alerts.orders.states import OrderState
from alerts.work.actions import OWNER_ACTIONS, next_actions
from api import order_schemas, paging, store, store_work, views
from api.context import Context, Ctx
from api.errors import NotFound
from api.gates import Gate
from api.paging import Cursor, Limit
from api.roles import PEOPLE, Principal, Role
from api.routes.predictions import Vin, vehicle_id_of
from api.work_schemas import OrderWork
from data.db import Row, transaction

router = APIRouter(prefix="/api/v1/orders", tags=["orders"])

OrderId = Annotated[int, Path(ge=1, lt=2**63)]


def find_order(ctx: Context, principal: Principal, order_id: int) -> order_schemas.Order:
    """Return an order with lines, events and bookings.

    Raises:
        NotFound: No such order, or someone else's.
    """
    with transaction(ctx.pool) as connection:
        rows = store.fetch_orders(connection, principal, order_id=order_id, limit=1)
        if not rows:
            raise NotFound(f"order {order_id}: there is no such order here")
        lines, events, bookings = store.fetch_order_details(connection, order_id)
        work = store_work.fetch_work(connection, order_id)
    if principal.role is Role.OWNER:  # who works there, and under which login, is not an owner's business
        events = [{**event, "actor": event["actor"].partition(":")[0]} for event in events]
    order = views.build_order(rows[0], now=ctx.clock(), details=(lines, events, bookings))
    return order.model_copy(update={"work": build_work(work, principal, order.state)})


def build_work(row: Row, principal: Principal, state: str) -> OrderWork:
    """Return the work with what this caller may do next; an owner is not told who signed or found what."""
    possible = next_actions(OrderState(state), has_begun=row.pop("has_begun"))
    if principal.role is Role.OWNER:
        possible = tuple(a for a in possible if a in OWNER_ACTIONS)
        found = [{**finding, "by": finding["by"].partition(":")[0]} for finding in row["findings"]]
        row = {**row, "signoffs": [], "findings": found}
    elif principal.role is Role.STATION:
        possible = tuple(a for a in possible if a not in OWNER_ACTIONS)
    elif principal.role is not Role.OPERATIONS:
        possible = ()
    return OrderWork(**row, next_actions=[str(a) for a in possible])


@router.get("", summary="Repair orders, the most urgent first")
def list_orders(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(*PEOPLE))],
    vin: Vin = None,
    only_open: Annotated[bool, Query(description="leave finished orders out")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> order_schemas.OrderPage:
    """Return a page of the orders the caller may see."""
    after = paging.parse_cursor(cursor, "str", "datetime", "int")
    with transaction(ctx.pool) as connection:
        rows = store.fetch_orders(
            connection,
            principal,
            vehicle_id=vehicle_id_of(connection, principal, vin),
            only_open=only_open,
            after=cast("tuple[str, datetime, int] | None", after),
            limit=limit + 1,
        )
    page, last = paging.cut(rows, limit)
    now = ctx.clock()
    return order_schemas.OrderPage(
        items=[views.build_order(row, now=now) for row in page],
        next_cursor=paging.make_cursor(last["severity"], last["deadline"].isoformat(), last["order_id"])
        if last
        else None,
    )


@router.get("/{order_id}", summary="One order with price lines, events and bookings")
def get_order(
    ctx: Ctx, principal: Annotated[Principal, Depends(Gate(*PEOPLE))], order_id: OrderId
) -> order_schemas.Order:
    """Return a whole order."""
    return find_order(ctx, principal, order_id)


@router.post("/{order_id}/answer", summary="The owner's yes, no or later")
def answer_order(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(Role.OWNER, Role.OPERATIONS))],
    order_id: OrderId,
    body: order_schemas.OwnerAnswer,
) -> order_schemas.Order:
    """Take the answer, unless the order has changed since the caller saw ``version``; return the order."""
    find_order(ctx, principal, order_id)
    ctx.commands.answer(
        order_id=order_id,
        answer=body.answer,
        actor=principal.actor,
        version=body.version,
        now=ctx.clock(),
        shares_data=body.shares_data,
    )
    return find_order(ctx, principal, order_id)
