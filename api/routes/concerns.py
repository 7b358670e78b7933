"""JSON: what needs a person."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from api import order_schemas, store_work
from api.context import Ctx
from api.gates import Gate
from api.roles import FLEET, Principal, Role
from data.db import transaction

router = APIRouter(prefix="/api/v1/concerns", tags=["orders"])


@router.get("", summary="What needs a person, the most urgent first")
def list_concerns(
    ctx: Ctx, principal: Annotated[Principal, Depends(Gate(Role.STATION, *FLEET))]
) -> order_schemas.Concerns:
    """Return at most 500 open concerns: all of the tenant, or those about a station's own orders."""
    with transaction(ctx.pool) as connection:
        rows = store_work.fetch_concerns(connection, principal)
    return order_schemas.Concerns(items=[order_schemas.Concern(**row) for row in rows])
