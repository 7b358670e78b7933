"""An operator is warned a month before the disk is full, and not where retention bounds what is stored."""

from __future__ import annotations

import pytest

from data.health_disk import Growth, describe_growth

GB = 10**9


def growth(**told: int | float | None) -> Growth:
    values = {"stored_bytes": 100 * GB, "bytes_per_day": 2.0 * GB, "free_bytes": 50 * GB, "kept_days": 0}
    return Growth(**{**values, **told})  # type: ignore[arg-type]


def test_what_is_kept_for_ever_fills_the_disk() -> None:
    assert growth().days_left == 25.0
    assert describe_growth(growth()) == (
        "100.000 GB stored, 2.000 GB a day, kept for ever, 50.0 GB free, full in 25 days,"
        " add disk, or set ANXIN_RETENTION_DAYS_DRIVE, _TIRE, _CELL, _SIGNAL"
    )


@pytest.mark.parametrize(("kept_days", "days_left"), [(50, None), (75, None), (76, 25.0), (400, 25.0)])
def test_retention_ends_the_growth_when_what_is_still_to_come_fits(
    kept_days: int, days_left: float | None
) -> None:
    assert growth(kept_days=kept_days).days_left == days_left


def test_an_unknown_disk_or_rate_tells_no_day() -> None:
    unknown = growth(free_bytes=None)
    assert (unknown.days_left, growth(bytes_per_day=None).days_left) == (None, None)
    assert "set ANXIN_DATABASE_DISK_GB" in describe_growth(unknown)
    assert growth(bytes_per_day=0.0).days_left is None


def test_a_disk_that_is_full_has_no_day_left() -> None:
    assert growth(free_bytes=0).days_left == 0.0
