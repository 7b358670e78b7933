"""Vehicles whose decision failed rest for a while, so that they hold up no others."""

from __future__ import annotations

from datetime import datetime, timedelta

FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(hours=1)
#: With something of S0 or S1 a vehicle rests no longer than this.
URGENT_REST = timedelta(seconds=5)


class Setbacks:
    """Remembers failures of one process; what waits is in the database, so a new process tries it at once."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, datetime, datetime]] = {}  # failures, rests from, until

    def note(self, vehicle_id: int, now: datetime) -> None:
        """Let a vehicle rest, longer each time."""
        count = self._seen.get(vehicle_id, (0, now, now))[0]
        rest = min(LONGEST_REST, FIRST_REST * (1 << min(count, 10)))
        self._seen[vehicle_id] = (count + 1, now, now + rest)

    def forget(self, vehicle_id: int) -> None:
        """Start afresh after a success."""
        self._seen.pop(vehicle_id, None)

    def resting(self, now: datetime) -> list[int]:
        """Return the vehicles that are not tried yet."""
        return [vehicle_id for vehicle_id, (_, _, until) in self._seen.items() if until > now]

    def just_failed(self, now: datetime) -> list[int]:
        """Return the vehicles that are not tried yet even where it is urgent."""
        return [vehicle_id for vehicle_id, (_, since, _) in self._seen.items() if since + URGENT_REST > now]
