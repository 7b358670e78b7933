"""Reports for operations and engineers: what became of predictions, how stations repair."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from api import reports, store_reports
from api.context import Context, Ctx
from api.gates import Gate
from api.pages import render
from api.roles import FLEET, Principal
from data.db import Row, transaction

router = APIRouter(tags=["reports"])

Fleet = Annotated[Principal, Depends(Gate(*FLEET))]
Days = Annotated[int, Query(ge=1, le=3650, description="of labels decided within so many days")]


By = Annotated[
    Literal["model", "batch", "firmware", "supplier"],
    Query(
        description="a batch is a model with model year and plant, by the VIN; a supplier is that of the part"
        " removed, among all vehicles of a model, ? where the catalogue does not know it"
    ),
]


def _rows(ctx: Context, principal: Principal, name: str, days: int, **asked: object) -> list[Row]:
    since = ctx.clock() - timedelta(days=days)
    with transaction(ctx.pool) as connection:
        return store_reports.fetch_report(
            connection, name, tenant_id=principal.tenant_id, since=since, **asked
        )


def _precision(ctx: Context, principal: Principal, days: int) -> list[reports.Precision]:
    return [reports.build_precision(row) for row in _rows(ctx, principal, "report_precision", days)]


def _service(ctx: Context, principal: Principal, days: int) -> list[reports.Service]:
    return [reports.build_service(row) for row in _rows(ctx, principal, "report_service", days)]


def _failures(ctx: Context, principal: Principal, days: int, by: str) -> list[reports.Failures]:
    return [reports.build_failures(row) for row in _rows(ctx, principal, "report_failures", days, by=by)]


@router.get("/api/v1/reports/precision", summary="Live precision per predictor, version and station")
def get_precision(ctx: Ctx, principal: Fleet, days: Days = 365) -> reports.PrecisionReport:
    """Return what technicians found of what was predicted."""
    return reports.PrecisionReport(items=_precision(ctx, principal, days))


@router.get("/api/v1/reports/service", summary="First-time fix, promises kept, no fault found per station")
def get_service(ctx: Ctx, principal: Fleet, days: Days = 365) -> reports.ServiceReport:
    """Return how stations repair."""
    return reports.ServiceReport(items=_service(ctx, principal, days))


@router.get("/api/v1/reports/failures", summary="Confirmed failures by model, batch, firmware or supplier")
def get_failures(ctx: Ctx, principal: Fleet, by: By = "model", days: Days = 365) -> reports.FailureReport:
    """Return how many vehicles of each group had a confirmed failure, the most affected group first."""
    return reports.FailureReport(items=_failures(ctx, principal, days, by))


@router.get("/api/v1/reports/guarantee", summary="Vehicles near the limits of the buyer's guarantee")
def get_guarantee(
    *,
    ctx: Ctx,
    principal: Fleet,
    days: Days = 730,
    most_days: Annotated[int, Query(ge=1, le=1000, description="in the workshop, all together")] = 30,
    most_repairs: Annotated[int, Query(ge=1, le=100, description="of the same fault")] = 4,
    term_months: Annotated[int, Query(ge=1, le=240, description="since the first day in service")] = 24,
    term_km: Annotated[int, Query(ge=1, le=1_000_000, description="whichever comes first")] = 50_000,
) -> reports.GuaranteeReport:
    """Return vehicles with 80 % of the days or all of the repairs; defaults: China's three guarantees."""
    limits = {"most_days": most_days, "most_repairs": most_repairs}
    term = {"term_months": term_months, "term_km": term_km}
    rows = _rows(ctx, principal, "report_guarantee", days, now=ctx.clock(), **limits, **term)
    return reports.GuaranteeReport(items=[reports.build_guarantee(row, **limits) for row in rows])


@router.get("/reports", include_in_schema=False)
def show_reports(
    request: Request, ctx: Ctx, principal: Fleet, days: Days = 365, by: By = "model"
) -> HTMLResponse:
    """Show all reports."""
    return render(
        request,
        "reports.html",
        principal,
        days=days,
        precision=_precision(ctx, principal, days),
        service=_service(ctx, principal, days),
        by=by,
        failures=_failures(ctx, principal, days, by),
    )
