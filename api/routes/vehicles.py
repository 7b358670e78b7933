"""JSON: vehicles, their readings, events and gaps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query

from api import paging, readings, store, vehicle_schemas, views
from api.context import Ctx
from api.errors import BadRequest, NotFound
from api.gates import Gate
from api.paging import Cursor, Limit
from api.roles import EVERYONE, FLEET, PEOPLE, Principal
from data.db import Connection, Row, transaction
from data.records import Family, parse_vin

router = APIRouter(prefix="/api/v1/vehicles", tags=["vehicles"])


def find_vehicle(connection: Connection, principal: Principal, vin: str) -> Row:
    """Return the row of a vehicle the caller may see.

    Raises:
        VinError: Not a VIN.
        NotFound: No such vehicle, or someone else's.
    """
    rows = store.fetch_vehicles(connection, principal, vin=parse_vin(vin), limit=1)
    if not rows:
        raise NotFound(f"vehicle {vin}: there is no such vehicle here")
    return rows[0]


@router.get("", summary="Vehicles in VIN order, with their newest readings")
def list_vehicles(
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(*PEOPLE))],
    limit: Limit = 100,
    cursor: Cursor = None,
    has_alerts: Annotated[bool, Query(description="only vehicles with an open alert")] = False,
) -> vehicle_schemas.VehiclePage:
    """Return a page of the vehicles the caller may see."""
    after = paging.parse_cursor(cursor, "str")
    with transaction(ctx.pool) as connection:
        rows = store.fetch_vehicles(
            connection,
            principal,
            limit=limit + 1,
            after=cast("str", after[0]) if after else None,
            only_alerts=has_alerts,
        )
    page, last = paging.cut(rows, limit)
    now = ctx.clock()
    return vehicle_schemas.VehiclePage(
        items=[views.build_vehicle(row, now=now) for row in page],
        next_cursor=paging.make_cursor(last["vin"]) if last else None,
    )


@router.get("/{vin}", summary="One vehicle")
def get_vehicle(
    ctx: Ctx, principal: Annotated[Principal, Depends(Gate(*EVERYONE))], vin: str
) -> vehicle_schemas.Vehicle:
    """Return a vehicle; gateways ask here whether a VIN is registered."""
    with transaction(ctx.pool) as connection:
        row = find_vehicle(connection, principal, vin)
    return views.build_vehicle(row, now=ctx.clock())


@router.get("/{vin}/readings", summary="Readings as columns, thinned out to max_points")
def get_readings(
    *,
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(*PEOPLE))],
    vin: str,
    family: Annotated[Family, Query(description="drive, tire, cell or signal")] = Family.DRIVE,
    since: Annotated[datetime | None, Query(alias="from", examples=["2026-01-15T00:00:00Z"])] = None,
    until: Annotated[datetime | None, Query(alias="to", examples=["2026-01-16T00:00:00Z"])] = None,
    max_points: Annotated[int, Query(ge=10, le=5000)] = 1000,
    signals: Annotated[
        str | None,
        Query(max_length=2000, description="aliases, comma between; all by default", examples=["speed,soc"]),
    ] = None,
) -> vehicle_schemas.Readings | vehicle_schemas.CellReadings:
    """Return the readings of one family; by default the day before its newest sample."""
    if family not in readings.PLOTTED:
        raise BadRequest(
            f"family {family!s}: must be one of {', '.join(readings.PLOTTED)}; events have their own list"
        )
    now = ctx.clock()
    names = [name.strip() for name in signals.split(",")] if signals else None
    with transaction(ctx.pool) as connection:
        vehicle = find_vehicle(connection, principal, vin)
        span = readings.build_span(vehicle, family, since, until, now)
        return readings.fetch_readings(
            connection, vehicle, family, span, signals=names, max_points=max_points, now=now
        )


@router.get("/{vin}/events", summary="On-board alarms, receipts and life-cycle events, newest first")
def list_events(
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(*PEOPLE))],
    vin: str,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> vehicle_schemas.EventPage:
    """Return a page of events."""
    until = paging.parse_cursor(cursor, "datetime")
    with transaction(ctx.pool) as connection:
        vehicle = find_vehicle(connection, principal, vin)
        rows = store.fetch_event_rows(
            connection,
            vehicle,
            until=cast("datetime", until[0]) if until else None,
            limit=limit + 1,
        )
    page, last = paging.cut(rows, limit)
    return vehicle_schemas.EventPage(
        items=[vehicle_schemas.VehicleEventRow(**row) for row in page],
        next_cursor=paging.make_cursor(last["time"].isoformat()) if last else None,
    )


@router.get("/{vin}/gaps", summary="Which messages are not here yet, boot by boot")
def get_gaps(
    ctx: Ctx, principal: Annotated[Principal, Depends(Gate(*FLEET))], vin: str, limit: Limit = 50
) -> vehicle_schemas.Gaps:
    """Return the gap account of a vehicle."""
    with transaction(ctx.pool) as connection:
        vehicle = find_vehicle(connection, principal, vin)
        rows = store.fetch_streams(connection, vehicle["vehicle_id"], limit=limit)
    return vehicle_schemas.Gaps(
        vin=vehicle["vin"],
        missing_count=vehicle["missing_messages"],
        streams=[vehicle_schemas.Stream(**row) for row in rows],
    )


@router.get(
    "/{vin}/quality", summary="Values that were not believed, sensor by sensor, and the vehicle's clock"
)
def get_quality(
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(*FLEET))],
    vin: str,
    days: Annotated[int, Query(ge=1, le=366, description="of receipt, UTC, today included")] = 30,
) -> vehicle_schemas.Quality:
    """Return what the quality checks of ingest found at a vehicle."""
    since = (ctx.clock() - timedelta(days=days - 1)).date()
    with transaction(ctx.pool) as connection:
        vehicle = find_vehicle(connection, principal, vin)
        findings = store.fetch_quality(connection, vehicle["vehicle_id"], since=since, limit=500)
        clock = store.fetch_clock(connection, vehicle["vehicle_id"])
    return vehicle_schemas.Quality(
        vin=vehicle["vin"],
        clock=vehicle_schemas.ClockOffset(**clock) if clock else None,
        findings=[vehicle_schemas.QualityFinding(**row) for row in findings],
    )
