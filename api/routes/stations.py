"""JSON: stations; and what could not be read."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query

from api import order_schemas, paging, schemas, store, views
from api.context import Ctx
from api.errors import NotFound
from api.gates import Gate
from api.paging import Cursor, Limit
from api.roles import FLEET, PEOPLE, Principal
from data.db import transaction

router = APIRouter(prefix="/api/v1")


@router.get("/stations", tags=["stations"], summary="Stations with bays, technicians and stock")
def list_stations(
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(*PEOPLE))],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> order_schemas.StationPage:
    """Return a page of stations; a station sees itself, an owner sees no staff and stock."""
    after = paging.parse_cursor(cursor, "str")
    with transaction(ctx.pool) as connection:
        rows = store.fetch_stations(
            connection, principal, after=cast("str", after[0]) if after else None, limit=limit + 1
        )
    page, last = paging.cut(rows, limit)
    return order_schemas.StationPage(
        items=[views.build_station(row, principal) for row in page],
        next_cursor=paging.make_cursor(last["code"]) if last else None,
    )


@router.get("/stations/{code}", tags=["stations"], summary="One station")
def get_station(
    ctx: Ctx, principal: Annotated[Principal, Depends(Gate(*PEOPLE))], code: str
) -> order_schemas.Station:
    """Return a station."""
    if "\0" in code:
        raise NotFound
    with transaction(ctx.pool) as connection:
        rows = store.fetch_stations(connection, principal, code=code, limit=1)
    if not rows:
        raise NotFound(f"station {code[:40]!r}: there is no such station here")
    return views.build_station(rows[0], principal)


@router.get("/rejects", tags=["rejects"], summary="Messages that could not be read, and why")
def list_rejects(
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(*FLEET))],
    reason: Annotated[str | None, Query(pattern="^[a-z0-9_]{1,64}$", examples=["unknown_vehicle"])] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> schemas.RejectPage:
    """Return a page of rejects and the counts by reason."""
    after = paging.parse_cursor(cursor, "int")
    with transaction(ctx.pool) as connection:
        rows = store.fetch_rejects(
            connection,
            principal,
            reason=reason,
            after=cast("int", after[0]) if after else None,
            limit=limit + 1,
        )
        counts = store.fetch_reject_counts(connection, principal)
    page, last = paging.cut(rows, limit)
    return schemas.RejectPage(
        items=[schemas.Reject(**row) for row in page],
        counts=counts,
        next_cursor=paging.make_cursor(last["reject_id"]) if last else None,
    )
