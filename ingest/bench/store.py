"""SQL of the ingest benchmark: the fleet, the naive tables, and what can be counted afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString, cast
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from psycopg import sql

from data.catalogue import load_catalogue
from data.db import connect, load_queries
from data.records import Family
from ingest.bench.load import SCALARS, TENANT, make_vin
from ingest.copy import CopyColumn, build_copy

_Q = load_queries("ingest.bench", "bench.sql")
_PIECE = 200_000


@dataclass(frozen=True, slots=True)
class Found:
    """What is in the tables of one boot."""

    received: int  #: distinct sequence numbers
    drive_rows: int
    tire_rows: int
    cell_rows: int
    duplicate_rows: int  #: rows of the drive table that share vehicle and time


def register_fleet(url: str, vehicles: int) -> None:
    """Register tenant, vehicle model and vehicles."""
    with connect(url) as connection:
        connection.execute(_Q["register_tenant"], (TENANT,))
        connection.execute(_Q["register_model"])
        connection.execute(
            _Q["register_vehicles"], {"tenant": TENANT, "vins": [make_vin(n) for n in range(vehicles)]}
        )


def last_batch(url: str) -> int:
    """Return the newest number of the commit log."""
    return _number(url, _Q["last_batch"])


def received(url: str, boot: str) -> int:
    """Return how many distinct messages of a boot are here."""
    return _number(url, _Q["count_received"], (boot,))


def rate_since(url: str, batch: int, count: int, warm_up: float) -> tuple[float, float, int]:
    """Return messages/s, the seconds they were counted over and the batches, after the warm-up.

    Args:
        url: The database.
        batch: Newest number of the commit log before the drain.
        count: Messages of the drain.
        warm_up: Part of the messages whose batches only begin the clock.
    """
    with connect(url) as connection:
        log = connection.execute(_Q["list_batches"], (batch,)).fetchall()
    messages = np.cumsum([row[1] for row in log])
    begin = min(int(np.searchsorted(messages, warm_up * count)), len(log) - 2) if len(log) > 1 else 0
    seconds = (log[-1][0] - log[begin][0]).total_seconds()
    done = int(messages[-1] - messages[begin])
    return (done / seconds if seconds else float("nan")), seconds, len(log)


def account(url: str, boot: str, start_ms: int) -> Found:
    """Count what is stored of a boot whose samples begin at ``start_ms`` and last less than an hour."""
    begin = datetime.fromtimestamp(start_ms / 1000, UTC)
    span = {"boot": boot, "begin": begin, "end": begin + timedelta(hours=1)}
    with connect(url) as connection:
        row = connection.execute(_Q["account"], span).fetchone()
    assert row is not None  # noqa: S101 -- aggregates always give a row
    return Found(*(int(n) for n in row))


def create_naive(url: str) -> None:
    """Make the tables of the naive peer, empty."""
    scalars = sql.SQL(", ").join(
        sql.SQL("{} ").format(sql.Identifier(alias))
        + sql.SQL(cast("LiteralString", load_catalogue().signals[alias].sql_type))
        for alias in SCALARS
    )
    with connect(url) as connection:
        connection.execute(_Q["drop_naive"])
        connection.execute(sql.SQL(_Q["create_naive_drive"]).format(scalars=scalars))
        connection.execute(_Q["create_naive_tires"])
        connection.execute(_Q["create_naive_cells"])


def naive_rows(url: str) -> tuple[int, int, int]:
    """Return the rows of the naive peer's drive, tire and cell tables."""
    with connect(url) as connection:
        row = connection.execute(_Q["count_naive"]).fetchone()
    assert row is not None  # noqa: S101 -- aggregates always give a row
    drive, tires, cells = (int(n) for n in row)
    return drive, tires, cells


def prefill(url: str, rows: int, vehicles: int, before_ms: int) -> int:
    """Store rows of the drive table before ``before_ms``, each vehicle once a second; return how many."""
    signals = load_catalogue().of_family(Family.DRIVE)
    columns = sql.SQL(", ").join(
        map(
            sql.Identifier,
            ("vehicle_id", "time", "sent_lag_s", "received_lag_s", *(s.column for s in signals)),
        )
    )
    statement = sql.SQL(_Q["copy_prefill"]).format(columns=columns)
    first_us = (before_ms - 3_600_000) * 1000 - rows // vehicles * 1_000_000
    rng = np.random.default_rng(1)
    done = 0
    while done < rows:
        n = min(_PIECE, rows - done)
        at = done + np.arange(n)
        filled = [
            CopyColumn("int", (at % vehicles + 1).astype(np.int32)),
            CopyColumn("timestamptz", first_us + at // vehicles * 1_000_000),
            CopyColumn("real", np.full(n, 0.1)),
            CopyColumn("real", np.full(n, 0.2)),
            *(
                CopyColumn(
                    s.sql_type, np.rint(rng.uniform(1, 4, n)) if s.alias in SCALARS else np.full(n, np.nan)
                )
                for s in signals
            ),
        ]
        with connect(url) as connection, connection.cursor().copy(statement) as copy:
            copy.write(build_copy(filled).stream())
        done += n
    with connect(url, is_autocommit=True) as connection:
        connection.execute(_Q["settle"])
    return done


@contextmanager
def temporary_database(server: str) -> Iterator[str]:
    """Make a database on a server, give its address, and drop it."""
    name = f"anxin_bench_{uuid.uuid4().hex[:12]}"
    parts = urlsplit(server)
    with connect(server, is_autocommit=True) as connection:
        connection.execute(sql.SQL(_Q["create_database"]).format(name=sql.Identifier(name)))
    try:
        yield urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, parts.fragment))
    finally:
        with connect(server, is_autocommit=True) as connection:
            connection.execute(sql.SQL(_Q["drop_database"]).format(name=sql.Identifier(name)))


def _number(url: str, statement: LiteralString, values: tuple[object, ...] = ()) -> int:
    with connect(url) as connection:
        row = connection.execute(statement, values).fetchone()
    return int(row[0]) if row else 0
