"""Local calendar days of event times."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from data.records import IntArray

_EPOCH = date(1970, 1, 1)
_HOUR_US = 3_600_000_000
DAY_US = 86_400_000_000


def local_day(time_us: IntArray, time_zone: str) -> IntArray:
    """Return the local calendar day of each time as days since 1970-01-01.

    Args:
        time_us: Shape (n,), microseconds since 1970 UTC.
        time_zone: IANA name; offsets are taken once an hour (zones change on the hour).

    Returns:
        Shape (n,), days.
    """
    zone = ZoneInfo(time_zone)
    hours, inverse = np.unique(time_us // _HOUR_US, return_inverse=True)
    offsets = np.array(
        [_offset_us(datetime.fromtimestamp(int(h) * 3600, UTC).astimezone(zone)) for h in hours],
        dtype=np.int64,
    )
    shifted = time_us + (offsets[inverse] if len(hours) else 0)
    return np.asarray(shifted // DAY_US, dtype=np.int64)


def day_bounds_us(day: int, time_zone: str) -> tuple[int, int]:
    """Return the first microsecond of a local day and of the next one, in UTC."""
    zone = ZoneInfo(time_zone)
    first = datetime.combine(to_date(day), time(), zone)
    following = datetime.combine(to_date(day + 1), time(), zone)
    return round(first.timestamp() * 1e6), round(following.timestamp() * 1e6)


def to_date(day: int) -> date:
    """Return the calendar date of a day number."""
    return _EPOCH + timedelta(days=day)


def from_date(day: date) -> int:
    """Return the day number of a calendar date."""
    return (day - _EPOCH).days


def to_datetime(time_us: int) -> datetime:
    """Return an aware UTC time."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(time_us))


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970 UTC of an aware time."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _offset_us(moment: datetime) -> int:
    offset = moment.utcoffset()
    return int(offset.total_seconds() * 1e6) if offset else 0
