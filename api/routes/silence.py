"""JSON: after how long without a message a vehicle counts as silent."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends

from alerts.silence import Hours
from alerts.silence_store import SilenceStore
from api import finding_schemas
from api.context import Ctx
from api.gates import Gate
from api.roles import FLEET, Principal, Role
from data.audit import Deed
from data.db import transaction

router = APIRouter(prefix="/api/v1/silence", tags=["alerts"])


@router.get("", summary="After how many hours vehicles count as silent")
def get_hours(
    ctx: Ctx, principal: Annotated[Principal, Depends(Gate(*FLEET))]
) -> finding_schemas.SilenceHours:
    """Return the hours of the tenant."""
    with transaction(ctx.pool) as connection:
        hours = SilenceStore(connection).fetch_hours(principal.tenant_id)
    return finding_schemas.SilenceHours(**asdict(hours))


@router.put("", summary="Set after how many hours vehicles count as silent")
def set_hours(
    ctx: Ctx,
    principal: Annotated[Principal, Depends(Gate(Role.OPERATIONS))],
    body: finding_schemas.SilenceHours,
) -> finding_schemas.SilenceHours:
    """Set them from the next look on; it is kept in the audit trail."""
    deed = Deed(actor=principal.actor, now=ctx.clock())
    wanted = Hours(lost_after_h=body.lost_after_h, parked_after_h=body.parked_after_h)
    with transaction(ctx.pool) as connection:
        hours = SilenceStore(connection).set_hours(principal.tenant_id, wanted, deed)
    return finding_schemas.SilenceHours(**asdict(hours))
