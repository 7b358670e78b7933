"""Is this installation healthy? One question after the other, each with its answer in words."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from psycopg.rows import dict_row

from data.db import Connection, load_queries
from data.errors import SchemaError
from data.migrate import check_schema

#: A follower of the commit log that has waited longer than this is stuck.
_STUCK_AFTER_S = 120.0
_SHOWN_REASONS = 8
_LOW_DISK_BYTES = 2 * 2**30
#: A service beats every few seconds; after this long it is dead or stuck.
_SILENT_AFTER_S = 30.0
_SERVICES = ("ingest", "watch", "score", "route", "notify", "api", "maintain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One answer; ``is_ok`` false means that an operator should act."""

    name: str
    is_ok: bool
    detail: str
    figures: Mapping[str, Any]


def check_database(connection: Connection, *, score_every_s: float) -> list[Check]:
    """Return what the database tells about itself and the services around it.

    Args:
        connection: Any connection.
        score_every_s: The setting: a batch may wait that long before ``score`` is due.
    """
    queries = load_queries("data")

    def ask(name: str) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(queries[name]).fetchall()

    (server,) = ask("server")
    edition = (
        f"TimescaleDB {server['timescaledb']} ({server['licence']})"
        if server["timescaledb"]
        else "no TimescaleDB"
    )
    checks = [_ok("database", f"PostgreSQL {server['version']}, {edition}", server)]
    try:
        check_schema(connection)
        checks.append(_ok("schema", "up to date"))
    except SchemaError as error:
        return [*checks, Check(name="schema", is_ok=False, detail=str(error), figures={})]
    checks.append(_services(ask("service_beats")))
    (ingest,) = ask("ingest_state")
    checks.append(
        _ok(
            "ingest",
            f"{ingest['messages']:,} messages, {ingest['rows']:,} rows; last {ingest['last_batch_at']}",
            ingest,
        )
    )
    checks += [_masked(ask("masked_values")), _rejects(ask("rejects_by_reason")), _gaps(ask("gaps")[0])]
    checks += [
        _lag(ask("lag"), _STUCK_AFTER_S + 2 * score_every_s),
        _scoring(ask("scoring_failures")),
        _unrouted(ask("unrouted")[0]),
        _outbox(ask("outbox")[0]),
        _drift(ask("feature_drift")[0]),
    ]
    (waiting,) = ask("waiting_orders")
    checks.append(
        Check(
            name="orders without a station",
            is_ok=waiting["orders"] == 0,
            detail=f"{waiting['orders']} waiting"
            + (f", e.g. {waiting['example']}" if waiting["orders"] else ""),
            figures=waiting,
        )
    )
    (buy,) = ask("parts_to_order")
    checks.append(_ok("parts", f"{buy['parts']} to order at {buy['stations']} stations", buy))
    checks.append(_concerns(ask("concerns")))
    return checks


def check_broker(url: str, *, timeout_s: float = 3.0) -> Check:
    """Tell whether the broker's port answers."""
    parts = urlsplit(url)
    port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    try:
        with socket.create_connection((parts.hostname or "localhost", port), timeout=timeout_s):
            return _ok("broker", f"port {port} answers")
    except OSError as error:
        return Check(name="broker", is_ok=False, detail=f"port {port}: {error}", figures={})


def check_disk(path: Path) -> Check:
    """Tell whether the disk that holds the embedded servers has room."""
    existing = next(p for p in (path, *path.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    return Check(
        name="disk",
        is_ok=free > _LOW_DISK_BYTES,
        detail=f"{free / 2**30:.1f} GiB free",
        figures={"free_bytes": free},
    )


def _ok(name: str, detail: str, figures: Mapping[str, Any] | None = None) -> Check:
    return Check(name=name, is_ok=True, detail=detail, figures=figures or {})


def _services(rows: list[dict[str, Any]]) -> Check:
    alive = {r["service"] for r in rows if r["silent_s"] < _SILENT_AFTER_S}
    faults = [f"{name} does not run" for name in _SERVICES if name not in alive]
    for row in rows:
        if row["silent_s"] >= _SILENT_AFTER_S:
            faults.append(f"{row['service']} {row['slot']} silent for {row['silent_s']:.0f} s")
        elif not row["is_ready"]:
            faults.append(f"{row['service']} {row['slot']} not ready")
    detail = "; ".join(faults) or f"{len(rows)} alive and ready"
    return Check(name="services", is_ok=not faults, detail=detail, figures={"services": rows})


def _masked(rows: list[dict[str, Any]]) -> Check:
    figures = {row["reason"]: row["values"] for row in rows}
    shown = [f"{reason} {count:,}" for reason, count in list(figures.items())[:_SHOWN_REASONS]]
    if len(figures) > len(shown):
        shown.append(f"and {len(figures) - len(shown)} more reasons")
    return _ok("masked values", ", ".join(shown) or "none in 24 h", figures)


def _rejects(rows: list[dict[str, Any]]) -> Check:
    figures = {row["reason"]: {"count": row["rejects"], "example": row["example"]} for row in rows}
    detail = "; ".join(f"{row['reason']} {row['rejects']:,} (e.g. {row['example']})" for row in rows)
    return Check(name="rejects", is_ok=not rows, detail=detail or "none in 24 h", figures=figures)


def _gaps(row: dict[str, Any]) -> Check:
    missing, given_up = f"{row['missing']:,} messages missing", f"{row['given_up']:,} given up in 7 days"
    detail = f"{missing} in {row['streams']} streams, {given_up}"
    return Check(name="gaps", is_ok=row["given_up"] == 0, detail=detail, figures=row)


def _lag(rows: list[dict[str, Any]], patience_s: float) -> Check:
    stuck = [r for r in rows if (r["waiting_s"] or 0.0) > patience_s]
    worst = max((r["waiting_s"] or 0.0 for r in rows), default=0.0)
    return Check(
        name="followers",
        is_ok=not stuck,
        detail=", ".join(f"{r['service']} {r['partition']} waits {r['waiting_s']:.0f} s" for r in stuck)
        or f"oldest unread batch {worst:.1f} s",
        figures={"waiting_s": worst},
    )


def _scoring(rows: list[dict[str, Any]]) -> Check:
    figures = {row["part"]: row for row in rows}
    shown = [
        f"{row['part']} fails on {row['vehicles']:,} vehicles (e.g. {row['example']})"
        for row in rows[:_SHOWN_REASONS]
    ]
    return Check(
        name="scoring", is_ok=not rows, detail="; ".join(shown) or "no vehicle fails", figures=figures
    )


def _concerns(rows: list[dict[str, Any]]) -> Check:
    counted = ", ".join(f"{row['concerns']} {row['kind'].replace('_', ' ')}" for row in rows)
    figures = {row["kind"]: {"count": row["concerns"], "since": row["since"]} for row in rows}
    return Check(name="operations list", is_ok=not rows, detail=counted or "empty", figures=figures)


def _drift(row: dict[str, Any]) -> Check:
    if not row["features"]:
        return _ok("drift", "not measured (anxin drift)", row)
    worst = f" ({', '.join(row['worst'])})" if row["worst"] else ""
    when = f"{row['measured_at']:%Y-%m-%d}"
    detail = f"{row['drifted']} of {row['features']} features have shifted{worst}; measured {when}"
    return _ok("drift", detail, row)


def _unrouted(row: dict[str, Any]) -> Check:
    waiting_s = row["waiting_s"] or 0.0
    return Check(
        name="predictions to route",
        is_ok=waiting_s < _STUCK_AFTER_S,
        detail=f"{row['predictions']}, oldest {waiting_s:.1f} s",
        figures=row,
    )


def _outbox(row: dict[str, Any]) -> Check:
    detail = f"{row['pending']} pending, {row['overdue']} overdue, {row['failed']} failed"
    if row["last_error"] and (row["overdue"] or row["failed"]):
        detail += f"; last error: {row['last_error']}"
    return Check(name="outbox", is_ok=not row["overdue"] and not row["failed"], detail=detail, figures=row)
