"""The SQL of artefacts: registering, promoting, rolling back, and what score applies."""

from __future__ import annotations

from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from data.audit import Deed
from data.db import Connection, load_queries
from models.artefacts import Trained
from models.errors import ArtefactError
from models.features.days import to_date
from models.learning.learned import learned_version

_SQL = load_queries("models", "artefacts.sql")


def register(connection: Connection, trained: Trained, *, deed: Deed) -> int:
    """Write an artefact as a challenger; return its number. A learner begins in shadow for every tenant."""
    connection.execute(_SQL["lock_artefacts"])
    key = {"model_version": trained.model_version, "kind": trained.kind}
    row = connection.execute(_SQL["next_number"], key).fetchone()
    number = int(row[0]) if row else 1
    connection.execute(
        _SQL["insert_artefact"],
        {
            **key,
            "failure_mode": trained.failure_mode,
            "number": number,
            "features": list(trained.features),
            "span_from": to_date(trained.span[0]),
            "span_to": to_date(trained.span[1]),
            "origin": trained.origin,
            "source": Jsonb(dict(trained.source)),
            "code_version": trained.code_version,
            "metrics": Jsonb(dict(trained.metrics)),
            "sha256": trained.sha256,
            "content": trained.content,
            "now": deed.now,
        },
    )
    if trained.kind == "learner":
        version = learned_version(trained.model_version, number)
        _set_mode(connection, trained.failure_mode, version, "shadow", deed=deed, reason="tried out")
    _record(connection, deed, "artefact.register", {**key, "number": number, "sha256": trained.sha256})
    return number


def promote(connection: Connection, model_version: str, kind: str, number: int, *, deed: Deed) -> int | None:
    """Make an artefact the champion; return the number of the one that it takes the place of.

    A learner that becomes champion is live and the predictor below it a shadow, in the same transaction.

    Raises:
        ArtefactError: There is no such artefact, or it is the champion already.
    """
    connection.execute(_SQL["lock_artefacts"])
    key: dict[str, Any] = {"model_version": model_version, "kind": kind, "now": deed.now}
    retired = connection.execute(_SQL["retire"], key).fetchone()
    row = connection.execute(_SQL["promote"], {**key, "number": number}).fetchone()
    old = int(retired[0]) if retired else None
    if row is None or old == number:
        raise ArtefactError(
            f"artefact {model_version} {kind} {number}: must be known and not the champion already"
        )
    _change_modes(connection, (model_version, kind, str(row[0])), old=old, new=number, deed=deed)
    told = {"model_version": model_version, "kind": kind, "number": number, "before": old}
    _record(connection, deed, "artefact.promote", told)
    return old


def roll_back(connection: Connection, model_version: str, kind: str, *, deed: Deed) -> int | None:
    """Retire the champion and put the one before it in its place; return that one's number, None: none.

    Raises:
        ArtefactError: There is no champion.
    """
    connection.execute(_SQL["lock_artefacts"])
    key: dict[str, Any] = {"model_version": model_version, "kind": kind, "now": deed.now}
    before = connection.execute(_SQL["fetch_before"], key).fetchone()
    retired = connection.execute(_SQL["retire"], key).fetchone()
    if retired is None:
        raise ArtefactError(f"artefact {model_version} {kind}: there is no champion to roll back")
    old, new = int(retired[0]), None if before is None else int(before[0])
    if new is not None:
        connection.execute(_SQL["promote"], {**key, "number": new})
    mode = next(
        r["failure_mode"]
        for r in fetch_all(connection)
        if (r["model_version"], r["kind"]) == (model_version, kind)
    )
    _change_modes(connection, (model_version, kind, mode), old=old, new=new, deed=deed)
    told = {"model_version": model_version, "kind": kind, "number": new, "before": old}
    _record(connection, deed, "artefact.rollback", told)
    return new


def fetch_all(connection: Connection) -> list[dict[str, Any]]:
    """Return the registry without contents."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL["fetch_artefacts"]).fetchall()


def fetch_running(connection: Connection) -> tuple[tuple[int, str], ...]:
    """Return id and state of what score applies."""
    return tuple((row[0], row[1]) for row in connection.execute(_SQL["fetch_running"]))


def fetch_content(connection: Connection, artefact_id: int) -> dict[str, Any]:
    """Return model version, kind, number, state, sha256 and content of an artefact.

    Raises:
        ArtefactError: It is not there.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SQL["fetch_content"], {"artefact_id": artefact_id}).fetchone()
    if row is None:
        raise ArtefactError(f"artefact {artefact_id}: unknown")
    return row


def shadow_unnamed(connection: Connection, failure_mode: str, version: str, *, deed: Deed) -> None:
    """Let a version be a shadow of all tenants for whom nobody has said otherwise."""
    connection.execute(
        _SQL["shadow_unnamed"], {"failure_mode": failure_mode, "version": version, "now": deed.now}
    )


def _change_modes(
    connection: Connection, what: tuple[str, str, str], *, old: int | None, new: int | None, deed: Deed
) -> None:
    """Let exactly one of a predictor and its learners be live."""
    model_version, kind, failure_mode = what
    if kind != "learner":
        return
    reason = f"learner {new} is the champion" if new else "no learner is the champion"
    if old is not None:
        gone = learned_version(model_version, old)
        _set_mode(connection, failure_mode, gone, "off", deed=deed, reason=reason)
    if new is not None:
        version = learned_version(model_version, new)
        _set_mode(connection, failure_mode, version, "live", deed=deed, reason=reason)
    base = "shadow" if new is not None else "live"
    _set_mode(connection, failure_mode, model_version, base, deed=deed, reason=reason)


def _set_mode(
    connection: Connection, failure_mode: str, version: str, mode: str, *, deed: Deed, reason: str
) -> None:
    connection.execute(
        _SQL["set_mode"],
        {
            "failure_mode": failure_mode,
            "version": version,
            "mode": mode,
            "now": deed.now,
            "actor": deed.actor,
            "reason": reason,
        },
    )


def _record(connection: Connection, deed: Deed, action: str, told: dict[str, Any]) -> None:
    for row in connection.execute(_SQL["fetch_tenants"]).fetchall():
        subject = f"{told['model_version']} {told['kind']}"
        deed.record(connection, int(row[0]), action, subject, told)
