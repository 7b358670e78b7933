from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from alerts.dispatch.slots import Period, TimeGrid
from alerts.dispatch.worktimes import WorkTimes

BERLIN = "Europe/Berlin"
DAILY = tuple(Period(weekday=d, start_minute=8 * 60, end_minute=18 * 60) for d in range(1, 8))


@pytest.mark.parametrize(
    "day", [datetime(2026, 3, 27, 7, 15, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC)]
)
def test_work_begins_at_eight_on_the_clock_on_the_wall_before_and_after_it_is_changed(day: datetime) -> None:
    grid = TimeGrid.between(day, day + timedelta(days=5))

    mask = WorkTimes().mask(BERLIN, DAILY, grid)

    starts = np.flatnonzero(mask[1:] & ~mask[:-1]) + 1
    local = [grid.time_of(int(step)).astimezone(ZoneInfo(BERLIN)) for step in starts]
    assert {(t.hour, t.minute) for t in local[1:]} == {(8, 0)}
    assert len({t.utcoffset() for t in local}) == 2


def test_what_is_kept_says_what_is_laid_out_anew_however_the_grid_moves() -> None:
    kept = WorkTimes()
    start = datetime(2026, 3, 1, 0, 7, tzinfo=UTC)
    for hours in (0, 1, 30, 24 * 40, 24 * 58, 24 * 90, 5):
        after = start + timedelta(hours=hours)
        grid = TimeGrid.between(after, after + timedelta(days=14))

        assert np.array_equal(kept.mask(BERLIN, DAILY, grid), grid.work_mask(BERLIN, DAILY))
