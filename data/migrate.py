"""Bring the schema up to date: numbered migrations in order, then rollups and what TimescaleDB offers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import LiteralString

from data.db import Connection, connect, wrap_errors
from data.errors import SchemaError
from data.locks import LOCK_MIGRATE
from data.policies import ensure_policies
from data.settings import Settings
from data.telemetry import find_edition

_FILE = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


@dataclass(frozen=True, slots=True, order=True)
class Migration:
    """One numbered file of ``data/migrations``."""

    number: int
    name: str
    statements: LiteralString


def list_migrations() -> tuple[Migration, ...]:
    """Return the shipped migrations in order.

    Raises:
        SchemaError: The numbers are not 1, 2, 3, …
    """
    found = sorted(
        Migration(int(match[1]), entry.name, entry.read_text("utf-8"))
        for entry in resources.files("data").joinpath("migrations").iterdir()
        if (match := _FILE.match(entry.name))
    )
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise SchemaError(f"migrations are not numbered 1..n: {[m.name for m in found]}")
    return tuple(found)


def migrate(url: str, settings: Settings | None = None) -> list[str]:
    """Apply what is missing and return the names of the applied migrations.

    Safe to run from many processes at once: one applies, the others wait and find nothing to do. Chunk
    spans and policies then follow ``settings``, those of an empty environment by default.

    Raises:
        SchemaError: The database has been migrated by a newer Anxin.
        DatabaseAway: The server does not answer.
        DatabaseError: A statement failed; nothing of this run is kept.
    """
    with connect(url, name="anxin-migrate") as connection, wrap_errors():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_MIGRATE,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (number int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = _applied(connection)
        applied = []
        for migration in list_migrations():
            if migration.number <= done:
                continue
            connection.execute(migration.statements)
            connection.execute(
                "INSERT INTO schema_migrations (number, name) VALUES (%s, %s)",
                (migration.number, migration.name),
            )
            applied.append(migration.name)
        has_timescaledb(connection)
        ensure_policies(connection, settings or Settings(), find_edition(connection))
    return applied


def check_schema(connection: Connection) -> None:
    """Make sure the database is at this version.

    Raises:
        SchemaError: It is older or newer; says which and what to do.
    """
    done, wanted = _applied(connection), len(list_migrations())
    if done < wanted:
        raise SchemaError(f"schema is at {done}, this Anxin needs {wanted}: run 'anxin migrate'")


def has_timescaledb(connection: Connection) -> bool:
    """Tell whether the timescaledb extension is there; create it where the server offers it."""
    offered = connection.execute(
        "SELECT installed_version FROM pg_available_extensions WHERE name = 'timescaledb'"
    ).fetchone()
    if offered is None:
        return False
    if offered[0] is None:
        loaded = connection.execute("SELECT current_setting('shared_preload_libraries')").fetchone()
        if loaded is None or "timescaledb" not in loaded[0]:
            return False
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    return True


def _applied(connection: Connection) -> int:
    """Return the number of the last migration; only reads, so that a standby can be asked."""
    known = connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL").fetchone()
    if known is None or not known[0]:
        return 0
    row = connection.execute("SELECT coalesce(max(number), 0) FROM schema_migrations").fetchone()
    done = int(row[0]) if row else 0
    if done > len(list_migrations()):
        raise SchemaError(
            f"schema is at {done}, newer than this Anxin ({len(list_migrations())}): update Anxin"
        )
    return done
