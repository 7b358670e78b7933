"""The telemetry tables at rest: what TimescaleDB is told about each, and how long its chunks are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from data.db import Connection
from data.settings import Settings


class Edition(StrEnum):
    """What the database can do; the tables have the same names and columns in all."""

    PLAIN = "postgresql"  #: no extension: plain tables, our own jobs
    APACHE = "apache"  #: hypertables and drop_chunks, our own jobs
    FULL = "timescale"  #: columnstore, policies and continuous aggregates too


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypertable:
    """A telemetry table that grows with time.

    ``row_bytes`` is what a row takes in a recent chunk, its share of indexes included, as measured on a
    production-like fleet. ``segment_by`` and ``order_by`` are the columnstore's: every column of the primary
    key must be in one of them. Empty: too few rows a vehicle and chunk to gain anything.
    """

    name: str
    longest_chunk: timedelta
    row_bytes: int
    rate: str  #: setting with the rows a day of the whole fleet; empty: rare
    retention: str  #: setting with the days that rows are kept
    time_column: str = "time"
    segment_by: str = ""
    order_by: str = ""


_DAY, _WEEK = timedelta(days=1), timedelta(days=7)

HYPERTABLES: tuple[Hypertable, ...] = (
    Hypertable(
        name="drive_readings",
        longest_chunk=_DAY,
        row_bytes=200,
        rate="rows_per_day_drive",
        retention="retention_days_drive",
        segment_by="vehicle_id",
        order_by="time DESC",
    ),
    Hypertable(
        name="tire_readings",
        longest_chunk=_DAY,
        row_bytes=210,
        rate="rows_per_day_tire",
        retention="retention_days_tire",
        segment_by="vehicle_id",
        order_by="time DESC",
    ),
    Hypertable(
        name="cell_readings",
        longest_chunk=_DAY,
        row_bytes=400,
        rate="rows_per_day_cell",
        retention="retention_days_cell",
        segment_by="vehicle_id",
        order_by="time DESC, sub_pack, first_cell",
    ),
    Hypertable(
        name="signal_readings",
        longest_chunk=_DAY,
        row_bytes=150,
        rate="rows_per_day_signal",
        retention="retention_days_signal",
        segment_by="vehicle_id, signal",
        order_by="time DESC",
    ),
    Hypertable(
        name="trouble_codes", longest_chunk=_WEEK, row_bytes=0, rate="", retention="retention_days_event"
    ),
    Hypertable(
        name="vehicle_events", longest_chunk=_WEEK, row_bytes=0, rate="", retention="retention_days_event"
    ),
)

#: Chunks of whole days are the rule; where a day does not fit, a part of it does.
_SPANS = tuple(timedelta(hours=hours) for hours in (24, 12, 8, 6, 4, 3, 2, 1))
#: Recent chunks of all hypertables, indexes included, shall fit into this part of the memory.
_SHARE_OF_MEMORY = 0.25


def find_edition(connection: Connection) -> Edition:
    """Return what this database can do; the extension must have been created."""
    row = connection.execute(
        "SELECT current_setting('timescaledb.license', true) FROM pg_extension WHERE extname = 'timescaledb'"
    ).fetchone()
    if row is None:
        return Edition.PLAIN
    return Edition.FULL if row[0] == "timescale" else Edition.APACHE


def fetch_memory_bytes(connection: Connection, settings: Settings) -> float:
    """Return the memory of the database's machine: the setting, else what the server was tuned for.

    ``effective_cache_size`` is three quarters of the memory on a tuned server.
    """
    if settings.database_memory_gb:
        return settings.database_memory_gb * 2**30
    row = connection.execute("SELECT pg_size_bytes(current_setting('effective_cache_size'))").fetchone()
    return float(row[0]) / 0.75 if row else 4.0 * 2**30


def chunk_interval(settings: Settings, memory_bytes: float) -> timedelta:
    """Return the span of a chunk of the four tables that are written all day.

    The newest chunks of all tables and their indexes must stay in memory, or every insert reads a page
    first: ``interval x sum(rows_per_day x row_bytes) <= memory / 4``, the longest of 24, 12, 8, 6, 4, 3, 2
    and 1 h that keeps it (one hour where none does).
    """
    bytes_per_day = sum(getattr(settings, t.rate) * t.row_bytes for t in HYPERTABLES if t.rate)
    for span in _SPANS:
        if bytes_per_day * (span / _DAY) <= _SHARE_OF_MEMORY * memory_bytes:
            return span
    return _SPANS[-1]
