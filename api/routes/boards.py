"""The day board of a station: JSON, the page, and the part of it that changes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from api import store, store_board
from api.context import Context, Ctx
from api.day_board import DayBoard, build_board, day_bounds, hour_marks, lane_rows, now_step
from api.errors import BadRequest, NotFound
from api.gates import Gate
from api.pages import render
from api.roles import FLEET, Principal, Role
from data.db import transaction

router = APIRouter()

Worker = Annotated[Principal, Depends(Gate(Role.STATION, *FLEET))]
Code = Annotated[str | None, Query(max_length=64, description="of the station")]
Day = Annotated[date | None, Query(description="of the station's calendar; today by default")]
#: Days outside are no plan of anybody's, and near the ends of the calendar there is no day before or after.
_YEARS = (2000, 2200)


def find_board(ctx: Context, principal: Principal, code: str | None, day: date | None) -> DayBoard:
    """Return the board of a station, of the first one that the caller sees where none is named.

    Raises:
        NotFound: No such station, or not the caller's to see.
        BadRequest: The day is in no year that is planned for.
    """
    now = ctx.clock()
    with transaction(ctx.pool) as connection:
        is_name = "\0" not in (code or "")
        stations = store.fetch_stations(connection, principal, code=code or None, limit=1) if is_name else []
        if not stations:
            raise NotFound(f"station {(code or '')[:40]!r}: there is no such station here")
        station = stations[0]
        chosen = day or now.astimezone(ZoneInfo(station["time_zone"])).date()
        if not _YEARS[0] <= chosen.year <= _YEARS[1]:
            raise BadRequest(f"day {chosen}: must be in the years {_YEARS[0]} to {_YEARS[1]}")
        begin, end = day_bounds(chosen, station["time_zone"])
        shifts = store_board.fetch_shifts(connection, station["station_id"])
        bookings = store_board.fetch_day_bookings(
            connection, principal, station["station_id"], begin=begin, end=end
        )
    return build_board(station, day=chosen, shifts=shifts, bookings=bookings, now=now)


@router.get("/api/v1/stations/{code}/day", tags=["stations"], summary="The day of bays and technicians")
def get_day(ctx: Ctx, principal: Worker, code: str, day: Day = None) -> DayBoard:
    """Return what is booked, done and closed on a day."""
    return find_board(ctx, principal, code, day)


@router.get("/station/board", include_in_schema=False)
def show_board(
    request: Request, ctx: Ctx, principal: Worker, station: Code = None, day: Day = None
) -> HTMLResponse:
    """Show the day board; operations choose the station."""
    with transaction(ctx.pool) as connection:
        stations = store.fetch_stations(connection, principal, limit=500)
    values = _board(ctx, principal, station, day)
    return render(request, "board.html", principal, stations=stations, **values)


@router.get("/station/board/lanes", include_in_schema=False)
def show_lanes(
    request: Request, ctx: Ctx, principal: Worker, station: Code = None, day: Day = None
) -> HTMLResponse:
    """Show the lanes alone."""
    return render(request, "_board.html", principal, **_board(ctx, principal, station, day))


def _board(ctx: Context, principal: Principal, code: str | None, day: date | None) -> dict[str, Any]:
    board, one = find_board(ctx, principal, code, day), timedelta(days=1)
    return {
        "board": board,
        "hours": hour_marks(board),
        "lanes": [(lane, lane_rows(lane, board)) for lane in board.lanes],
        "now_step": now_step(board, ctx.clock()),
        "today": ctx.clock().astimezone(ZoneInfo(board.time_zone)).date(),
        "day_before": board.day - one,
        "day_after": board.day + one,
    }
