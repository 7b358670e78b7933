"""What needs a person: JSON, the page of operations and stations, and the part of it that changes."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from api import order_schemas, store_work
from api.context import Context, Ctx
from api.gates import Gate
from api.pages import render
from api.roles import FLEET, Principal, Role
from data.db import transaction

router = APIRouter()

Worker = Annotated[Principal, Depends(Gate(Role.STATION, *FLEET))]
Kind = Annotated[str, Query(max_length=40, description="only concerns of this kind")]


@router.get("/api/v1/concerns", tags=["orders"], summary="What needs a person, the most urgent first")
def list_concerns(ctx: Ctx, principal: Worker) -> order_schemas.Concerns:
    """Return at most 500 open concerns: all of the tenant, or those about a station's own orders."""
    with transaction(ctx.pool) as connection:
        rows = store_work.fetch_concerns(connection, principal)
    return order_schemas.Concerns(items=[order_schemas.Concern(**row) for row in rows])


@router.get("/concerns", include_in_schema=False)
def show_concerns(request: Request, ctx: Ctx, principal: Worker, kind: Kind = "") -> HTMLResponse:
    """Show what needs a person."""
    return render(request, "concerns.html", principal, **_concerns(ctx, principal, kind))


@router.get("/concerns/list", include_in_schema=False)
def show_list(request: Request, ctx: Ctx, principal: Worker, kind: Kind = "") -> HTMLResponse:
    """Show the list alone."""
    return render(request, "_concerns.html", principal, **_concerns(ctx, principal, kind))


def _concerns(ctx: Context, principal: Principal, kind: str) -> dict[str, Any]:
    concerns, now = list_concerns(ctx, principal).items, ctx.clock()
    kinds = Counter(concern.kind for concern in concerns)
    shown = [c for c in concerns if c.kind == kind] if kind in kinds else concerns
    return {
        "kind": kind if kind in kinds else "",
        "kinds": kinds.most_common(),
        "concerns": [(c, (now - c.raised_at).total_seconds()) for c in shown],
        "total": len(concerns),
    }
