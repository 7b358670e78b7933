"""A station's day: lanes of bays and technicians, what is booked in them, when they are closed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from api.schemas import Origin, Severity, Shape

#: Width of a column of the board.
STEP = timedelta(minutes=15)
#: What is shown of a day without opening hours and bookings, local hours.
_QUIET_DAY = (8, 18)

Stretch = tuple[datetime, datetime]
Row = Mapping[str, Any]


class Span(Shape):
    """A stretch of time."""

    begin: datetime
    end: datetime


class BoardBooking(Shape):
    """One appointment on the board."""

    booking_id: int
    order_id: int
    begin: datetime
    end: datetime
    booking_state: Literal["held", "booked", "done"] = Field(
        description="held: the owner has not said yes yet"
    )
    severity: Severity
    state: str = Field(description="of the order", examples=["booked"])
    mode: str = Field(examples=["drive_in"])
    component: str
    failure_mode: str
    vin: str
    plate: str | None = Field(description="masked without the owner's consent")
    bay: str | None
    technician: str | None
    origin: Origin


class Lane(Shape):
    """One bay or one technician."""

    kind: Literal["bay", "technician"]
    name: str
    abilities: list[str] = Field(description="kinds of work of a bay, skills of a technician")
    is_available: bool = Field(description="false: the bay is closed, the technician is away")
    closed: list[Span]
    bookings: list[BoardBooking]


class DayBoard(Shape):
    """A station's day from its first to its last hour."""

    station: str
    day: date = Field(description="of the station's own calendar")
    time_zone: str
    begin: datetime
    end: datetime
    lanes: list[Lane]
    without_bay: list[BoardBooking] = Field(
        description="work on the road: mobile, tow and pick-up without a bay"
    )


def day_bounds(day: date, time_zone: str) -> Stretch:
    """Return when a local day begins and ends; 23 or 25 hours where the clocks change."""
    zone = ZoneInfo(time_zone)
    return datetime.combine(day, time(), zone), datetime.combine(day + timedelta(days=1), time(), zone)


def build_board(
    station: Row, *, day: date, shifts: Sequence[Row], bookings: Sequence[Row], now: datetime
) -> DayBoard:
    """Return the board of a day.

    Args:
        station: With ``bays``, ``technicians`` and ``hours``, as the API's store fetches it.
        day: Of the station's own calendar.
        shifts: ``technician_id``, ``weekday``, ``starts``, ``ends``; local times.
        bookings: What touches the day; a hold that has expired before ``now`` is left out.
        now: Wall time.
    """
    zone = station["time_zone"]
    shown = [
        BoardBooking(**{name: row[name] for name in BoardBooking.model_fields})
        for row in bookings
        if row["booking_state"] != "held" or row["expires_at"] is None or row["expires_at"] > now
    ]
    hours = _stretches(day, zone, ((h["weekday"], h["opens"], h["closes"]) for h in station["hours"]))
    if not station["is_active"]:
        hours = []
    begin, end = _bounds(day, zone, hours, shown)
    lanes = [
        _lane("bay", b["name"], b["kinds"], (begin, end), shown, is_available=b["is_open"], at_work=hours)
        for b in station["bays"]
    ]
    for t in station["technicians"]:
        own = (
            (s["weekday"], s["starts"], s["ends"]) for s in shifts if s["technician_id"] == t["technician_id"]
        )
        at_work = _stretches(day, zone, own)
        lanes.append(
            _lane(
                "technician",
                t["name"],
                t["skills"],
                (begin, end),
                shown,
                is_available=t["is_active"],
                at_work=at_work,
            )
        )
    return DayBoard(
        station=station["code"],
        day=day,
        time_zone=zone,
        begin=begin,
        end=end,
        lanes=lanes,
        without_bay=[booking for booking in shown if booking.bay is None],
    )


def _stretches(day: date, zone: str, weekly: Iterable[tuple[int, Any, Any]]) -> list[Stretch]:
    """Return what a weekly plan of local times means on a day, in order."""
    local = ZoneInfo(zone)
    return sorted(
        (_at(day, begins, local), _at(day, ends, local))
        for weekday, begins, ends in weekly
        if weekday == day.isoweekday()
    )


def _at(day: date, clock: time | str, zone: ZoneInfo) -> datetime:
    local = time.fromisoformat(clock) if isinstance(clock, str) else clock
    return datetime.combine(day, local, zone).astimezone(UTC)


def _bounds(day: date, zone: str, hours: Sequence[Stretch], bookings: Sequence[BoardBooking]) -> Stretch:
    first, last = day_bounds(day, zone)
    stretches = [*hours, *((b.begin, b.end) for b in bookings)]
    if not stretches:
        return (_at(day, time(_QUIET_DAY[0]), ZoneInfo(zone)), _at(day, time(_QUIET_DAY[1]), ZoneInfo(zone)))
    hour = timedelta(hours=1)
    begin, end = min(s[0] for s in stretches), max(s[1] for s in stretches)
    begin -= (begin - first) % hour
    end += -(end - first) % hour
    return max(begin, first.astimezone(UTC)), min(end, last.astimezone(UTC))


def _lane(
    kind: Literal["bay", "technician"],
    name: str,
    abilities: list[str],
    bounds: Stretch,
    bookings: Sequence[BoardBooking],
    *,
    is_available: bool,
    at_work: Sequence[Stretch],
) -> Lane:
    closed, at = [], bounds[0]
    for begin, end in at_work if is_available else ():
        if begin > at:
            closed.append(Span(begin=at, end=begin))
        at = max(at, end)
    if at < bounds[1]:
        closed.append(Span(begin=at, end=bounds[1]))
    return Lane(
        kind=kind,
        name=name,
        abilities=abilities,
        is_available=is_available,
        closed=closed,
        bookings=[booking for booking in bookings if getattr(booking, kind) == name],
    )


# ------------------------------------------------------------ as cells of a table


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a row of the board; its width is a number of steps."""

    kind: Literal["free", "closed", "booking"]
    width: int
    booking: BoardBooking | None = None


def hour_marks(board: DayBoard) -> list[tuple[datetime, int]]:
    """Return where the board's hours begin, local time, with their widths in steps."""
    zone, marks, at = ZoneInfo(board.time_zone), [], board.begin
    while at < board.end:
        until = min(at + timedelta(hours=1), board.end)
        marks.append((at.astimezone(zone), -((at - until) // STEP)))
        at = until
    return marks


def now_step(board: DayBoard, now: datetime) -> int | None:
    """Return the step in which ``now`` lies, None where it is not on the board."""
    return int((now - board.begin) // STEP) if board.begin <= now < board.end else None


def lane_rows(lane: Lane, board: DayBoard) -> list[list[Cell]]:
    """Return a lane as rows of cells; more than one where appointments overlap, as a finished one may."""
    rows: list[list[BoardBooking]] = []
    for booking in sorted(lane.bookings, key=lambda b: (b.begin, b.booking_id)):
        for row in rows:
            if _steps(row[-1], board)[1] <= _steps(booking, board)[0]:
                row.append(booking)
                break
        else:
            rows.append([booking])
    count = -((board.begin - board.end) // STEP)
    is_closed = [any(_covers(span, board.begin + i * STEP) for span in lane.closed) for i in range(count)]
    return [_cells(row, is_closed, board) for row in rows or [[]]]


def _covers(span: Span, step: datetime) -> bool:
    return span.begin < step + STEP and step < span.end


def _steps(booking: BoardBooking, board: DayBoard) -> tuple[int, int]:
    first = (max(booking.begin, board.begin) - board.begin) // STEP
    last = -((board.begin - min(booking.end, board.end)) // STEP)
    return first, max(last, first + 1)


def _cells(bookings: Sequence[BoardBooking], is_closed: Sequence[bool], board: DayBoard) -> list[Cell]:
    cells, at = [], 0
    for booking in bookings:
        first, last = _steps(booking, board)
        cells += _empty(is_closed[at:first])
        cells.append(Cell("booking", last - first, booking))
        at = last
    return cells + _empty(is_closed[at:])


def _empty(is_closed: Sequence[bool]) -> list[Cell]:
    """Return free and closed cells; whole runs are one cell."""
    cells: list[Cell] = []
    for flag in is_closed:
        kind: Literal["free", "closed"] = "closed" if flag else "free"
        if cells and cells[-1].kind == kind:
            cells[-1] = Cell(kind, cells[-1].width + 1)
        else:
            cells.append(Cell(kind, 1))
    return cells
