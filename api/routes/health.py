"""Is it alive, is it ready, what does it count; and what the API can do."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from api import schemas, store
from api.context import Ctx
from api.gates import Gate, LoopbackGate, Open
from api.roles import EVERYONE, Principal, Role
from data.db import transaction
from data.errors import DatabaseError
from data.migrate import list_migrations

router = APIRouter(tags=["health"])


@router.get("/health/live", dependencies=[Depends(Open())], summary="Is the process alive")
def get_live() -> schemas.Health:
    """Return ok."""
    return schemas.Health(status="ok")


@router.get(
    "/health/ready",
    dependencies=[Depends(Open())],
    summary="Can requests be answered",
    responses={503: {"model": schemas.Health}},
)
def get_ready(ctx: Ctx, response: Response) -> schemas.Health:
    """Return ok when the database answers and its schema is this version's."""
    checks = {"database": "ok", "schema": "ok"}
    try:
        with transaction(ctx.pool) as connection:
            number, wanted = store.fetch_schema_number(connection), len(list_migrations())
        if number != wanted:
            checks["schema"] = f"migration {number} of {wanted}"
    except DatabaseError:
        checks = {"database": "away", "schema": "unknown"}
    is_ready = set(checks.values()) == {"ok"}
    response.status_code = 200 if is_ready else 503
    return schemas.Health(status="ok" if is_ready else "unready", checks=checks)


@router.get("/metrics", summary="Numbers for Prometheus", response_class=Response)
def get_metrics(ctx: Ctx, _: Annotated[Principal, Depends(LoopbackGate(Role.ENGINEER))]) -> Response:
    """Return the exposition text: requests of this process and the state of the chain."""
    with transaction(ctx.pool) as connection:
        totals = store.fetch_totals(connection)
    return Response(ctx.meters.render(totals), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/v1/openapi.json", summary="This description", response_class=JSONResponse)
def get_openapi(request: Request, _: Annotated[Principal, Depends(Gate(*EVERYONE))]) -> Any:
    """Return the OpenAPI description; ``x-roles`` of each operation says who may call it."""
    return JSONResponse(request.app.openapi())
