"""JSON: parts on their way."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from alerts.dispatch.part_book import NewArrival, PartBook
from api import part_schemas as shapes
from api.context import Ctx
from api.errors import BadRequest
from api.gates import Gate
from api.roles import Principal, Role
from api.routes.contact import deed_of
from data.db import Connection, transaction

router = APIRouter(prefix="/api/v1/parts", tags=["parts"])

Keeper = Annotated[Principal, Depends(Gate(Role.STATION, Role.OPERATIONS))]


def book_of(connection: Connection, principal: Principal) -> PartBook:
    """Return the arrivals that a caller may see to."""
    return PartBook(connection, tenant_id=principal.tenant_id, station_id=principal.station_id)


@router.get("/arrivals", summary="Parts on their way, the next first")
def list_arrivals(ctx: Ctx, principal: Keeper) -> shapes.Arrivals:
    """Return at most 500; a station sees what comes to it and what it gives away."""
    with transaction(ctx.pool) as connection:
        return shapes.Arrivals(
            items=[shapes.Arrival(**row) for row in book_of(connection, principal).coming()]
        )


@router.get("/to-order", summary="Parts to buy")
def list_parts_to_order(ctx: Ctx, principal: Keeper) -> shapes.PartsToOrder:
    """Return the parts of which no more than the reorder point is left or on its way."""
    with transaction(ctx.pool) as connection:
        rows = book_of(connection, principal).to_order()
    return shapes.PartsToOrder(items=[shapes.PartToOrder(**row) for row in rows])


@router.post("/arrivals", status_code=201, summary="Announce parts that were bought, or a transfer")
def announce_arrival(ctx: Ctx, principal: Keeper, body: shapes.NewArrival) -> shapes.Arrival:
    """Expect parts; orders may wait for them. Those of a transfer are set aside where they are now."""
    with transaction(ctx.pool) as connection:
        book = book_of(connection, principal)
        arrival_id = book.announce(NewArrival(**body.model_dump()), deed=deed_of(ctx, principal))
        return shapes.Arrival(**book.get(arrival_id))


@router.post("/arrivals/{arrival_id}", summary="It is late, was sent off, is here, or does not come")
def change_arrival(
    ctx: Ctx,
    principal: Keeper,
    arrival_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    body: shapes.ArrivalChange,
) -> shapes.Arrival:
    """Do it; what orders waited for is theirs when it is here, and they are moved when it comes too late."""
    if (body.expected_at is not None) != (body.action == "slip"):
        raise BadRequest("expected_at: must be given with slip, and only then")
    if body.qty is not None and body.action != "receive":
        raise BadRequest(f"qty {body.qty}: may be given with receive only")
    deed = deed_of(ctx, principal)
    with transaction(ctx.pool) as connection:
        book = book_of(connection, principal)
        if body.expected_at is not None:
            book.slip(arrival_id, body.expected_at, body.spread_h, deed=deed)
        elif body.action == "receive":
            book.receive(arrival_id, deed=deed, qty=body.qty)
        else:
            {"ship": book.ship, "cancel": book.cancel}[body.action](arrival_id, deed=deed)
        return shapes.Arrival(**book.get(arrival_id))
