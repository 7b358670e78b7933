"""JSON: which predictors are live, which are tried out in the shadow, which are off."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from alerts.shadow import PredictorMode, set_mode
from api import finding_schemas, store
from api.context import Context, Ctx
from api.gates import Gate
from api.roles import FLEET, Principal
from data.db import transaction
from data.records import FailureMode

router = APIRouter(prefix="/api/v1/predictors", tags=["predictors"])


def _list(ctx: Context, principal: Principal) -> finding_schemas.Predictors:
    with transaction(ctx.pool) as connection:
        rows = store.fetch_predictors(connection, principal)
    return finding_schemas.Predictors(items=[finding_schemas.Predictor(**row) for row in rows])


@router.get("", summary="Predictors whose mode was ever set, and what their shadows would have raised")
def list_predictors(
    ctx: Ctx, principal: Annotated[Principal, Depends(Gate(*FLEET))]
) -> finding_schemas.Predictors:
    """Return all of them; a predictor that is not listed is live."""
    return _list(ctx, principal)


@router.post("/mode", summary="Make a predictor live, a shadow or silent")
def change_mode(
    ctx: Ctx, principal: Annotated[Principal, Depends(Gate(*FLEET))], body: finding_schemas.ModeChange
) -> finding_schemas.Predictors:
    """Set the mode from the next decision on; it is kept in the audit trail."""
    set_mode(
        ctx.pool,
        tenant_id=principal.tenant_id,
        failure_mode=FailureMode(body.failure_mode),
        model_version=body.model_version,
        mode=PredictorMode(body.mode),
        actor=principal.actor,
        reason=body.reason,
        now=ctx.clock(),
    )
    return _list(ctx, principal)
