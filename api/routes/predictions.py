"""JSON: predictions, alerts and warnings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from api import finding_schemas, notice_schemas, paging, store, views
from api.context import Ctx
from api.gates import Gate
from api.paging import Cursor, Limit
from api.roles import FLEET, PEOPLE, Principal, Role
from api.routes.vehicles import find_vehicle
from data.db import Connection, transaction

router = APIRouter(prefix="/api/v1")

Vin = Annotated[str | None, Query(min_length=17, max_length=17, description="only this vehicle")]


def vehicle_id_of(connection: Connection, principal: Principal, vin: str | None) -> int | None:
    """Return the id of a vehicle the caller may see, or None for all of them."""
    return find_vehicle(connection, principal, vin)["vehicle_id"] if vin else None


@router.get("/predictions", tags=["predictions"], summary="Predictions, newest first")
def list_predictions(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(Role.STATION, *FLEET))],
    vin: Vin = None,
    only_newest: Annotated[bool, Query(description="the newest of each component and failure mode")] = True,
    at_least: Annotated[float, Query(ge=0, le=1, description="lowest probability")] = 0.0,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> finding_schemas.PredictionPage:
    """Return a page of predictions with reasons and evidence."""
    after = paging.parse_cursor(cursor, "int")
    with transaction(ctx.pool) as connection:
        rows = store.fetch_predictions(
            connection,
            principal,
            vehicle_id=vehicle_id_of(connection, principal, vin),
            only_newest=only_newest,
            at_least=at_least,
            after=cast("int", after[0]) if after else None,
            limit=limit + 1,
        )
    page, last = paging.cut(rows, limit)
    now = ctx.clock()
    return finding_schemas.PredictionPage(
        items=[views.build_prediction(row, now=now) for row in page],
        next_cursor=paging.make_cursor(last["prediction_id"]) if last else None,
    )


@router.get("/alerts", tags=["alerts"], summary="Alerts, newest first")
def list_alerts(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(*PEOPLE))],
    vin: Vin = None,
    only_open: Annotated[bool, Query(description="open and acknowledged ones")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> finding_schemas.AlertPage:
    """Return a page of alerts."""
    after = paging.parse_cursor(cursor, "int")
    with transaction(ctx.pool) as connection:
        rows = store.fetch_alerts(
            connection,
            principal,
            vehicle_id=vehicle_id_of(connection, principal, vin),
            only_open=only_open,
            after=cast("int", after[0]) if after else None,
            limit=limit + 1,
        )
    page, last = paging.cut(rows, limit)
    now = ctx.clock()
    return finding_schemas.AlertPage(
        items=[views.build_alert(row, now=now) for row in page],
        next_cursor=paging.make_cursor(last["alert_id"]) if last else None,
    )


@router.get("/warnings", tags=["warnings"], summary="Warnings and how far they got, newest first")
def list_warnings(
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(Role.OWNER, *FLEET))],
    vin: Vin = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> notice_schemas.WarningPage:
    """Return a page of warnings with their deliveries."""
    before = paging.parse_cursor(cursor, "datetime", "uuid")
    with transaction(ctx.pool) as connection:
        rows = store.fetch_warnings(
            connection,
            principal,
            vehicle_id=vehicle_id_of(connection, principal, vin),
            before=cast("tuple[datetime, UUID] | None", before),
            limit=limit + 1,
        )
    page, last = paging.cut(rows, limit)
    return notice_schemas.WarningPage(
        items=[views.build_warning(row) for row in page],
        next_cursor=paging.make_cursor(last["created_at"].isoformat(), last["warning_id"]) if last else None,
    )
