"""The service of data: ``maintain`` keeps rollups up to date and clears away what is past its time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import psycopg
import structlog

from data.db import Connection, connect, wrap_errors
from data.errors import DatabaseError
from data.exposition import Exposition, Vitals
from data.heartbeat import Heartbeat
from data.locks import LOCK_MAINTAIN
from data.maintenance import clear_away, note_debts, pay_debts
from data.migrate import check_schema
from data.settings import Settings
from data.telemetry import find_edition

_LOG = structlog.get_logger("maintain")
_EVERY_S = 10.0
_CLEAR_EVERY_S = 3600.0
_BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)


def run_maintain(settings: Settings, *, stop: threading.Event, every_s: float = _EVERY_S) -> None:
    """Maintain the database until ``stop`` is set; any number of processes agree on one that works."""
    failures = 0
    vitals = Vitals()  # a long deletion is no standstill: nothing here says how long it may take
    vitals.become(is_well=False)
    beat = Heartbeat(settings.database_url, "maintain", is_ready=lambda: vitals.is_ready)
    with Exposition(settings, "maintain", vitals), beat:
        while not stop.is_set():
            started = time.monotonic()
            try:
                opened = connect(settings.database_url, name="anxin-maintain", is_autocommit=True)
                with wrap_errors(), opened as connection:
                    check_schema(connection)
                    vitals.become(is_well=True)
                    _maintain(connection, settings, stop, every_s)
            except (DatabaseError, psycopg.Error) as error:
                vitals.become(is_well=False)
                failures = 0 if time.monotonic() - started > 60 else failures + 1
                if failures <= 1:
                    _LOG.warning("interrupted", action="maintain", error=str(error)[:300])
                stop.wait(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])


def _maintain(connection: Connection, settings: Settings, stop: threading.Event, every_s: float) -> None:
    edition = find_edition(connection)
    is_ours = False
    cleared_at: float | None = None
    while not stop.is_set():
        if not is_ours:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_MAINTAIN,)).fetchone()
            is_ours = bool(row and row[0])
        if is_ours:
            now = datetime.now(UTC)
            began = time.monotonic()
            batches = note_debts(connection, settings, edition, now=now)
            spans = pay_debts(connection, settings, edition, now=now, stop=stop)
            if spans:
                took_s = round(time.monotonic() - began, 3)
                _LOG.info("rolled up", action="rollup", batches=batches, spans=spans, took_s=took_s)
            if cleared_at is None or began - cleared_at > _CLEAR_EVERY_S:
                cleared_at = began
                gone = clear_away(connection, settings, edition, now=now, stop=stop)
                if gone:
                    _LOG.info("cleared away", action="retention", **gone)
        stop.wait(every_s)
