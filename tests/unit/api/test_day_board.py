"""The day board: what is closed, what is booked, and how wide both are."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from api.day_board import build_board, day_bounds, hour_marks, lane_rows, now_step

TUESDAY = date(2026, 1, 20)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(hour: int, minute: int = 0) -> datetime:
    return datetime.combine(TUESDAY, time(hour, minute), SHANGHAI).astimezone(UTC)


NOW = at(10, 20)


def make_booking(begin: datetime, end: datetime, **given: Any) -> dict[str, Any]:
    return {
        "booking_id": 1,
        "order_id": 7,
        "begin": begin,
        "end": end,
        "booking_state": "booked",
        "expires_at": None,
        "severity": "S3",
        "state": "booked",
        "mode": "drive_in",
        "component": "tire front-left",
        "failure_mode": "tire_slow_leak",
        "vin": "LANXTEST000000001",
        "plate": "沪A•••",
        "bay": "T1",
        "technician": "Li",
        "origin": "simulated",
        **given,
    }


def make_station(**given: Any) -> dict[str, Any]:
    return {
        "code": "SH1",
        "time_zone": "Asia/Shanghai",
        "is_active": True,
        "bays": [{"name": "T1", "kinds": ["tire"], "is_open": True}],
        "technicians": [{"technician_id": 3, "name": "Li", "skills": ["T1"], "is_active": True}],
        "hours": [
            {"weekday": 2, "opens": "08:00:00", "closes": "12:00:00"},
            {"weekday": 2, "opens": "13:00:00", "closes": "18:00:00"},
            {"weekday": 3, "opens": "06:00:00", "closes": "23:00:00"},
        ],
        **given,
    }


def board_of(*bookings: dict[str, Any], day: date = TUESDAY, **station: Any) -> Any:
    shifts = [{"technician_id": 3, "weekday": 2, "starts": time(9), "ends": time(17)}]
    return build_board(make_station(**station), day=day, shifts=shifts, bookings=bookings, now=NOW)


def shape(lane: Any, board: Any) -> list[list[tuple[str, int]]]:
    return [[(cell.kind, cell.width) for cell in row] for row in lane_rows(lane, board)]


def test_a_day_reaches_from_opening_to_closing_with_the_noon_break_closed() -> None:
    board = board_of()
    bay, technician = board.lanes

    assert (board.begin, board.end) == (at(8), at(18))
    assert shape(bay, board) == [[("free", 16), ("closed", 4), ("free", 20)]]
    assert shape(technician, board) == [[("closed", 4), ("free", 32), ("closed", 4)]]


def test_an_appointment_lies_in_the_lane_of_its_bay_and_of_its_technician() -> None:
    board = board_of(make_booking(at(9), at(10, 30)))

    assert [shape(lane, board) for lane in board.lanes] == [
        [[("free", 4), ("booking", 6), ("free", 6), ("closed", 4), ("free", 20)]],
        [[("closed", 4), ("booking", 6), ("free", 26), ("closed", 4)]],
    ]


def test_work_on_the_road_is_in_its_technicians_lane_and_listed_apart() -> None:
    board = board_of(make_booking(at(9), at(10), bay=None, mode="mobile"))
    bay, technician = board.lanes

    assert (bay.bookings, [b.order_id for b in technician.bookings]) == ([], [7])
    assert [b.mode for b in board.without_bay] == ["mobile"]


def test_the_board_grows_with_what_is_booked_outside_opening_hours() -> None:
    board = board_of(make_booking(at(6, 40), at(7, 10)), make_booking(at(17), at(19, 5), booking_id=2))

    assert (board.begin, board.end) == (at(6), at(20))


def test_appointments_that_overlap_have_a_row_each() -> None:
    done = make_booking(at(9), at(10, 30), booking_state="done")
    next_one = make_booking(at(10), at(11), booking_id=2)
    later = make_booking(at(10, 30), at(11), booking_id=3)
    board = board_of(next_one, done, later)

    rows = lane_rows(board.lanes[0], board)

    assert [[c.booking.booking_id for c in row if c.booking] for row in rows] == [[1, 3], [2]]
    assert {sum(cell.width for cell in row) for row in rows} == {40}


def test_a_hold_that_has_expired_is_not_shown() -> None:
    def held(expires_at: datetime) -> dict[str, Any]:
        return make_booking(at(9), at(10), booking_state="held", expires_at=expires_at)

    assert board_of(held(NOW)).lanes[0].bookings == []
    assert len(board_of(held(NOW + timedelta(seconds=1))).lanes[0].bookings) == 1


def test_a_closed_bay_or_station_is_closed_all_day() -> None:
    closed_bay = board_of(bays=[{"name": "T1", "kinds": ["tire"], "is_open": False}])
    retired = board_of(is_active=False)

    assert shape(closed_bay.lanes[0], closed_bay) == [[("closed", 40)]]
    assert shape(retired.lanes[0], retired) == [[("closed", 40)]]


def test_a_day_without_hours_shows_ten_closed_ones() -> None:
    board = board_of(day=date(2026, 1, 22))

    assert shape(board.lanes[0], board) == [[("closed", 40)]]


def test_hours_and_the_present_are_where_the_clock_says() -> None:
    board = board_of(make_booking(at(17), at(18, 30)))

    assert [(mark.strftime("%H:%M"), width) for mark, width in hour_marks(board)][-1] == ("18:00", 4)
    assert now_step(board, NOW) == 9
    assert now_step(board, at(7)) is None


def test_a_day_has_23_or_25_hours_where_the_clocks_change() -> None:
    def length(day: date) -> timedelta:
        begin, end = day_bounds(day, "Europe/Berlin")
        return end.astimezone(UTC) - begin.astimezone(UTC)

    assert length(date(2026, 3, 29)) == timedelta(hours=23)
    assert length(date(2026, 10, 25)) == timedelta(hours=25)


def test_opening_hours_keep_to_the_wall_clock_on_the_day_of_the_change() -> None:
    hours = [{"weekday": 7, "opens": "01:00:00", "closes": "06:00:00"}]
    board = board_of(day=date(2026, 3, 29), time_zone="Europe/Berlin", hours=hours)

    assert [mark.strftime("%H:%M") for mark, _ in hour_marks(board)] == ["01:00", "03:00", "04:00", "05:00"]
    assert shape(board.lanes[0], board) == [[("free", 16)]]
