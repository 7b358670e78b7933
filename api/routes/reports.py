"""Reports for operations and engineers: what became of predictions, how stations repair."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from api import reports, store_reports
from api.context import Context, Ctx
from api.gates import Gate
from api.pages import render
from api.roles import FLEET, Principal
from data.db import transaction

router = APIRouter(tags=["reports"])

Fleet = Annotated[Principal, Depends(Gate(*FLEET))]
Days = Annotated[int, Query(ge=1, le=3650, description="of labels decided within so many days")]


def _precision(ctx: Context, principal: Principal, days: int) -> list[reports.Precision]:
    since = ctx.clock() - timedelta(days=days)
    with transaction(ctx.pool) as connection:
        rows = store_reports.fetch_report(
            connection, "report_precision", tenant_id=principal.tenant_id, since=since
        )
    return [reports.build_precision(row) for row in rows]


def _service(ctx: Context, principal: Principal, days: int) -> list[reports.Service]:
    since = ctx.clock() - timedelta(days=days)
    with transaction(ctx.pool) as connection:
        rows = store_reports.fetch_report(
            connection, "report_service", tenant_id=principal.tenant_id, since=since
        )
    return [reports.build_service(row) for row in rows]


@router.get("/api/v1/reports/precision", summary="Live precision per predictor, version and station")
def get_precision(ctx: Ctx, principal: Fleet, days: Days = 365) -> reports.PrecisionReport:
    """Return what technicians found of what was predicted."""
    return reports.PrecisionReport(items=_precision(ctx, principal, days))


@router.get("/api/v1/reports/service", summary="First-time fix, promises kept, no fault found per station")
def get_service(ctx: Ctx, principal: Fleet, days: Days = 365) -> reports.ServiceReport:
    """Return how stations repair."""
    return reports.ServiceReport(items=_service(ctx, principal, days))


@router.get("/reports", include_in_schema=False)
def show_reports(request: Request, ctx: Ctx, principal: Fleet, days: Days = 365) -> HTMLResponse:
    """Show both reports."""
    return render(
        request,
        "reports.html",
        principal,
        days=days,
        precision=_precision(ctx, principal, days),
        service=_service(ctx, principal, days),
    )
