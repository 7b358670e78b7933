"""Remote diagnosis: ask the vehicle of an order for readings, see what it answers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse

from alerts.guidance.book import load_book
from alerts.orders.states import OrderState
from alerts.work.diagnosis import ASKED_IN
from api import store_guidance
from api.context import Context, Ctx
from api.diagnosis import ReadingRequests, ReadingsAsked, build_request
from api.gates import FormGate, Gate
from api.pages import render
from api.roles import FLEET, Principal, Role
from api.routes.orders import OrderId, find_order
from data.db import transaction
from data.records import FailureMode

router = APIRouter(tags=["guidance"])

Reader = Annotated[Principal, Depends(Gate(Role.STATION, *FLEET))]


def _requests(ctx: Context, order_id: int) -> ReadingRequests:
    now = ctx.clock()
    with transaction(ctx.pool) as connection:
        rows = store_guidance.fetch_requests(connection, order_id)
    return ReadingRequests(items=[build_request(row, now=now) for row in rows])


def _ask(ctx: Context, principal: Principal, order_id: int, signals: list[str]) -> None:
    find_order(ctx, principal, order_id)
    ctx.commands.ask_vehicle(order_id=order_id, signals=signals, actor=principal.actor, now=ctx.clock())


@router.get("/api/v1/orders/{order_id}/readings", summary="What was asked of the vehicle, and its answers")
def list_readings(ctx: Ctx, principal: Reader, order_id: OrderId) -> ReadingRequests:
    """Return the newest ten questions to the vehicle."""
    find_order(ctx, principal, order_id)
    return _requests(ctx, order_id)


@router.post("/api/v1/orders/{order_id}/readings", status_code=201, summary="Ask the vehicle for readings")
def ask_for_readings(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(Role.STATION, Role.OPERATIONS))],
    order_id: OrderId,
    body: ReadingsAsked,
) -> ReadingRequests:
    """Ask; the vehicle answers within a minute or not at all. Return the questions with the new one."""
    _ask(ctx, principal, order_id, body.signals)
    return _requests(ctx, order_id)


@router.get("/orders/{order_id}/readings", include_in_schema=False)
def show_readings(request: Request, ctx: Ctx, principal: Reader, order_id: OrderId) -> HTMLResponse:
    """Show questions and answers as a part of the order's page."""
    return _part(request, ctx, principal, order_id)


@router.post("/orders/{order_id}/readings", include_in_schema=False)
def ask_from_page(
    *,
    request: Request,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(FormGate(Role.STATION, Role.OPERATIONS))],
    order_id: OrderId,
    signals: Annotated[list[str], Form(max_length=100)] = [],  # noqa: B006 - FastAPI copies it
) -> HTMLResponse:
    """Ask from the page; show questions and answers."""
    _ask(ctx, principal, order_id, signals)
    return _part(request, ctx, principal, order_id)


def _part(request: Request, ctx: Context, principal: Principal, order_id: int) -> HTMLResponse:
    order = find_order(ctx, principal, order_id)
    asked = _requests(ctx, order_id).items
    is_waiting = any(item.state == "waiting" for item in asked)
    return render(
        request,
        "_readings.html",
        principal,
        order_id=order_id,
        asked=asked,
        is_waiting=is_waiting,
        can_ask=OrderState(order.state) in ASKED_IN and principal.role in (Role.STATION, Role.OPERATIONS),
        signals=load_book().guides[FailureMode(order.failure_mode)].signals,
    )
