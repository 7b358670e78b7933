from datetime import UTC, datetime, timedelta

import numpy as np

from alerts.dispatch.slots import Period, TimeGrid, earliest_slot, stack

TUESDAY = datetime(2026, 3, 10, 2, 7, 30, tzinfo=UTC)  # 10:07:30 in Shanghai
ALL_WEEK = [Period(weekday=d, start_minute=8 * 60, end_minute=18 * 60) for d in range(1, 8)]


def make_grid(days: float = 3.0) -> TimeGrid:
    return TimeGrid.between(TUESDAY, TUESDAY + timedelta(days=days))


def test_the_grid_begins_at_the_next_quarter_of_an_hour() -> None:
    grid = make_grid()

    assert grid.start == datetime(2026, 3, 10, 2, 15, tzinfo=UTC)
    assert TimeGrid.between(grid.start, TUESDAY).start == grid.start
    assert grid.index_at_or_after(grid.start) == 0
    assert grid.index_at_or_after(grid.start + timedelta(minutes=1)) == 1
    assert grid.index_at_or_after(TUESDAY - timedelta(days=1)) == 0


def test_work_hours_are_the_stations_own_not_utc() -> None:
    grid = make_grid()
    shanghai = grid.work_mask("Asia/Shanghai", ALL_WEEK)
    berlin = grid.work_mask("Europe/Berlin", ALL_WEEK)

    assert bool(shanghai[0])
    assert not berlin[0]
    assert grid.time_of(int(berlin.argmax())) == datetime(2026, 3, 10, 7, tzinfo=UTC)


def test_hours_follow_the_change_to_summer_time() -> None:
    saturday = datetime(2026, 3, 28, 18, tzinfo=UTC)
    grid = TimeGrid.between(saturday, saturday + timedelta(days=1))
    first = int(grid.work_mask("Europe/Berlin", ALL_WEEK).argmax())

    assert grid.time_of(first) == datetime(2026, 3, 29, 6, tzinfo=UTC)


def test_a_slot_does_not_run_over_closing_time() -> None:
    grid = make_grid()
    bays = grid.work_mask("Asia/Shanghai", ALL_WEEK)[np.newaxis]
    at_17 = grid.index_at_or_after(datetime(2026, 3, 10, 9, tzinfo=UTC))
    found = earliest_slot(bays, np.ones_like(bays), step_count=8, first=at_17)

    assert found is not None
    assert grid.time_of(found.start_index) == datetime(2026, 3, 11, 0, tzinfo=UTC)


def test_bay_and_technician_must_be_free_at_the_same_time() -> None:
    grid = make_grid()
    hour = timedelta(hours=1)
    bay = grid.free_mask([(grid.start, grid.start + hour)])
    technician = grid.free_mask([(grid.start + hour, grid.start + 2 * hour)])
    found = earliest_slot(stack([bay], grid.count), stack([technician], grid.count), step_count=4, first=0)

    assert found is not None
    assert grid.time_of(found.start_index) == grid.start + 2 * hour


def test_a_stretch_that_begins_before_the_grid_still_takes_time() -> None:
    grid = make_grid()
    mask = grid.free_mask([(grid.start - timedelta(hours=5), grid.start + timedelta(minutes=20))])

    assert mask.tolist()[:3] == [False, False, True]


def test_the_preferred_bay_is_taken_when_several_are_free() -> None:
    free = np.ones((2, 10), dtype=np.bool_)
    first_busy = free.copy()
    first_busy[0, :4] = False

    assert earliest_slot(free, free, step_count=3, first=0).bay == 0  # type: ignore[union-attr]
    assert earliest_slot(first_busy, free, step_count=3, first=0).bay == 1  # type: ignore[union-attr]


def test_nobody_there_or_never_long_enough_gives_none() -> None:
    free = np.ones((1, 10), dtype=np.bool_)

    assert earliest_slot(stack([], 10), free, step_count=1, first=0) is None
    assert earliest_slot(free, free, step_count=11, first=0) is None
    assert earliest_slot(free, free, step_count=2, first=9) is None
