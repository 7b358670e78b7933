"""The live stream as a route; waiting happens in ``api.live``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from api.context import Ctx
from api.gates import Gate
from api.roles import PEOPLE, Principal

router = APIRouter(tags=["live"])


@router.get("/events", summary="Server-sent events: what changed", response_class=StreamingResponse)
def get_events(ctx: Ctx, principal: Annotated[Principal, Depends(Gate(*PEOPLE))]) -> StreamingResponse:
    """Stream ``order``, ``alert``, ``warning``, ``prediction`` and ``telemetry`` events the caller may see.

    The data is ``{"ids": […], "count": n}``: what changed, not its content. Telemetry
    names VINs, at most every 2 s.
    """
    return StreamingResponse(
        ctx.hub.stream(principal),
        media_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )
