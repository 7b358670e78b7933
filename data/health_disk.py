"""Will the database's disk hold what is coming? Telemetry is kept for ever unless told otherwise."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from data.db import Connection, load_queries
from data.health import Check
from data.settings import Settings
from data.telemetry import HYPERTABLES, Edition, find_edition

#: Time to order a disk or to agree on a retention.
_WARN_DAYS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What telemetry takes and by how much it grows."""

    stored_bytes: int
    bytes_per_day: float | None  #: None: less than an hour has been seen, or nothing is stored yet
    free_bytes: int | None  #: None: not known
    kept_days: int  #: the longest retention of a table of readings; 0: one of them is kept for ever

    @property
    def days_left(self) -> float | None:
        """Return the days until the disk is full; None: not known, or it never will be."""
        if not self.bytes_per_day or self.free_bytes is None:
            return None
        to_come = self.kept_days * self.bytes_per_day - self.stored_bytes
        if self.kept_days and to_come <= self.free_bytes:
            return None
        return self.free_bytes / self.bytes_per_day


def check_growth(connection: Connection, settings: Settings) -> Check:
    """Tell for how long the disk will do at the rate of the last week.

    Args:
        connection: Any connection.
        settings: ``database_disk_gb`` where the database runs elsewhere; the retention of readings.
    """
    growth = measure_growth(connection, settings)
    return Check(
        name="room for telemetry",
        is_ok=growth.days_left is None or growth.days_left >= _WARN_DAYS,
        detail=describe_growth(growth),
        figures={**asdict(growth), "days_left": growth.days_left},
    )


def describe_growth(growth: Growth) -> str:
    """Return one line for a terminal: what is stored, what comes, how long it will do, what to do."""
    parts = [f"{growth.stored_bytes / 1e9:,.3f} GB stored"]
    if growth.bytes_per_day is not None:
        parts.append(f"{growth.bytes_per_day / 1e9:,.3f} GB a day")
    parts.append(f"kept {growth.kept_days} days" if growth.kept_days else "kept for ever")
    if growth.free_bytes is None:
        parts.append("free space not known: set ANXIN_DATABASE_DISK_GB")
    else:
        parts.append(f"{growth.free_bytes / 1e9:,.1f} GB free")
    if growth.days_left is not None:
        parts.append(f"full in {growth.days_left:,.0f} days")
        if growth.days_left < _WARN_DAYS:
            parts.append("add disk, or set ANXIN_RETENTION_DAYS_DRIVE, _TIRE, _CELL, _SIGNAL")
    return ", ".join(parts)


def measure_growth(connection: Connection, settings: Settings) -> Growth:
    """Return what telemetry takes and will: the rows of the last week at the bytes of a row so far."""
    tables = [table for table in HYPERTABLES if table.rate]
    held = _ask(connection, "fetch_held", tables=[table.name for table in tables])
    arrived = _ask(connection, "fetch_arrived")
    bytes_per_day = None
    if held["rows"] > 0 and arrived["days"] and arrived["days"] > 1 / 24:
        shrinks_to = _columnstore_share(connection, [table.name for table in tables])
        bytes_per_day = arrived["rows"] / arrived["days"] * held["bytes"] / held["rows"] * shrinks_to
    days = [int(getattr(settings, table.retention)) for table in tables]
    return Growth(
        stored_bytes=held["bytes"],
        bytes_per_day=bytes_per_day,
        free_bytes=_free_bytes(connection, settings),
        kept_days=max(days) if all(days) else 0,
    )


def _columnstore_share(connection: Connection, tables: list[str]) -> float:
    """Return what rows take in the columnstore as a part of what they took before; 1: nothing is in it."""
    if find_edition(connection) is not Edition.FULL:
        return 1.0
    found = [_ask(connection, "fetch_columnstore", table=table) for table in tables]
    before = sum(row.get("before_bytes") or 0 for row in found)
    return sum(row.get("after_bytes") or 0 for row in found) / before if before else 1.0


def _free_bytes(connection: Connection, settings: Settings) -> int | None:
    """Return what the database's disk has left; None where it is on another machine and nobody told."""
    if settings.database_disk_gb:
        taken = int(_ask(connection, "fetch_cluster_size")["bytes"])
        return max(0, round(settings.database_disk_gb * 1e9) - taken)
    directory = _ask(connection, "fetch_directory")["directory"]
    try:
        if directory and (Path(directory) / "PG_VERSION").is_file():
            return int(shutil.disk_usage(directory).free)
    except OSError:
        pass
    return None


def _ask(connection: Connection, query: str, **asked: Any) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(load_queries("data", "storage.sql")[query], asked).fetchone() or {}
