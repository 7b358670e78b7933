"""Repair guidance: with an order, by failure mode, by trouble code; and its part of the order's page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import HTMLResponse

from alerts.guidance.book import load_book
from api import store_guidance
from api.context import Context, Ctx
from api.errors import NotFound
from api.gates import Gate
from api.guidance import KnownCode, OrderGuidance, RepairGuide, build_code, build_guidance, build_guide
from api.pages import render
from api.roles import FLEET, Principal, Role
from api.routes.orders import OrderId, find_order
from data.db import transaction
from data.records import FailureMode

router = APIRouter(tags=["guidance"])

Worker = Annotated[Principal, Depends(Gate(Role.STATION, *FLEET))]


def find_guidance(ctx: Context, principal: Principal, order_id: int) -> OrderGuidance:
    """Return the guidance of an order.

    Raises:
        NotFound: No such order, or someone else's.
    """
    order = find_order(ctx, principal, order_id)
    with transaction(ctx.pool) as connection:
        codes = store_guidance.fetch_codes(connection, order_id, now=ctx.clock())
    return build_guidance(load_book(), order.failure_mode, codes)


@router.get("/api/v1/orders/{order_id}/guidance", summary="What to check, in which order, how to be safe")
def get_order_guidance(ctx: Ctx, principal: Worker, order_id: OrderId) -> OrderGuidance:
    """Return the guide of the order's failure mode and the meaning of its vehicle's trouble codes."""
    return find_guidance(ctx, principal, order_id)


@router.get("/api/v1/guidance/{failure_mode}", summary="The guide of a failure mode")
def get_guide(principal: Worker, failure_mode: FailureMode) -> RepairGuide:
    """Return a guide."""
    return build_guide(load_book().guides[failure_mode])


@router.get("/api/v1/guidance/codes/{code}", summary="What a trouble code means, and where to begin")
def get_code(principal: Worker, code: Annotated[str, Path(max_length=20, examples=["P0AA6"])]) -> KnownCode:
    """Return what is known of a trouble code; a suffix (``P0AA6-1A``) is left out."""
    known = load_book().code(code)
    if known is None:
        raise NotFound(f"code {code[:20]!r}: there is no guidance for it")
    return build_code(known.code, known, ecu=None, last_seen=None)


@router.get("/orders/{order_id}/guidance", include_in_schema=False)
def show_guidance(request: Request, ctx: Ctx, principal: Worker, order_id: OrderId) -> HTMLResponse:
    """Show the guidance as a part of the order's page."""
    guidance = find_guidance(ctx, principal, order_id)
    return render(request, "_guidance.html", principal, guidance=guidance)
