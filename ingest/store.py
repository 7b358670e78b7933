"""The only SQL of ingest: one transaction per batch, from rows to commit log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from data.db import CHANNEL_BATCHES, Connection, Pool, load_queries, notify, transaction
from data.errors import DatabaseError
from data.locks import LOCK_BATCH_LOG
from data.records import Vin
from ingest.assembled import Assembled
from ingest.families import FamilyBatch
from ingest.literals import flag_array, number_array, time_array, word_array
from ingest.messages import Message, Model, Reject, Vehicle
from ingest.plain_json import plain_json, plain_text
from ingest.store_cuts import write_cuts
from ingest.store_events import EventRow, insert_events, touched_by_events, write_events
from ingest.store_quality import write_quality
from ingest.store_rows import touched_vehicles, write_rows
from ingest.streams import LARGEST_LEAP, MISSING_RANGES, StreamPart, collect_streams

_Q = load_queries("ingest")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Everything that one transaction stores."""

    messages: Sequence[Message]
    assembled: Assembled
    rejects: Sequence[Reject]
    delivery_count: int


@dataclass(slots=True, kw_only=True)
class BatchResult:
    """What came of a batch."""

    batch_id: int = 0
    message_count: int = 0
    duplicate_count: int = 0
    repaired_count: int = 0
    reject_count: int = 0
    row_count: int = 0
    conflict_count: int = 0
    late_row_count: int = 0  #: went through the staging table
    masked: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)  #: by family, inserted or changed
    rejects: Counter[str] = field(default_factory=Counter)  #: by reason
    newest_us: int = 0  #: newest live sample; 0: none


def fetch_registry(pool: Pool) -> dict[tuple[str, Vin], Vehicle]:
    """Return every registered vehicle by tenant and VIN."""
    with transaction(pool) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        models = {row["model_id"]: Model(**row) for row in cursor.execute(_Q["fetch_models"])}
        return {
            (row["tenant"], Vin(row["vin"])): Vehicle(
                row["vehicle_id"], models[row["model_id"]], row["is_retired"]
            )
            for row in cursor.execute(_Q["fetch_vehicles"])
            if row["model_id"] in models  # else both have come since the models were read
        }


def store_batch(pool: Pool, batch: Batch, *, slot: str) -> BatchResult:
    """Store a batch in one transaction: all of it or nothing.

    Storing it again changes nothing but the counts of duplicates.

    Raises:
        DatabaseAway: Try again.
        DatabaseError: The database refused it; see ``is_poison``.
    """
    with transaction(pool) as connection:
        return write_batch(connection, batch, slot=slot)


def write_batch(connection: Connection, batch: Batch, *, slot: str) -> BatchResult:
    """Write a batch inside the caller's transaction; see ``store_batch``."""
    result = BatchResult(
        message_count=batch.delivery_count,
        reject_count=len(batch.rejects),
        conflict_count=batch.assembled.conflict_count,
        masked=Counter(batch.assembled.masked),
        rejects=Counter(r.reason for r in batch.rejects),
        newest_us=max((_newest_live_us(f) for f in batch.assembled.families.values()), default=0),
    )
    streams = collect_streams(batch.messages, batch.assembled.time_span)
    _write_streams(connection, streams, result)
    for family in sorted(batch.assembled.families):
        counts = write_rows(connection, batch.assembled.families[family])
        result.row_count += counts.row_count
        result.rows[str(family)] += counts.row_count
        result.late_row_count += counts.late_row_count
        result.conflict_count += counts.conflict_count
    write_events(connection, batch.messages)
    _write_births(connection, batch.messages)
    _write_rejects(connection, batch.rejects)
    write_cuts(connection, batch.messages)
    newest_us = max((m.received_us for m in batch.messages), default=0)
    write_quality(connection, batch.assembled.tally, batch.assembled.clocks, received_us=newest_us)
    _write_log(connection, batch, result, slot)
    return result


def _newest_live_us(batch: FamilyBatch) -> int:
    return int(np.max(batch.rows.time_us, where=~batch.rows.is_hist, initial=0))


def is_poison(error: BaseException) -> bool:
    """Tell whether the data are at fault, not the database: trying again would fail again."""
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    return isinstance(
        cause,
        psycopg.DataError
        | psycopg.IntegrityError
        | psycopg.errors.CardinalityViolation
        | psycopg.errors.ProgramLimitExceeded
        | psycopg.errors.StatementTooComplex
        | psycopg.errors.ConfigurationLimitExceeded
        | psycopg.NotSupportedError,
    )


def is_orphaned(error: BaseException) -> bool:
    """Tell whether the database refused something because what it belongs to, a vehicle, has gone."""
    return isinstance(error.__cause__, psycopg.errors.ForeignKeyViolation)


def _write_streams(connection: Connection, streams: Sequence[StreamPart], result: BatchResult) -> None:
    if not streams:
        return
    values = {
        "vehicle_id": number_array([s.vehicle_id for s in streams]),
        "boot": word_array([s.boot for s in streams]),
        "received": time_array([s.received_us for s in streams]),
        "origin": word_array([s.origin for s in streams]),
        "high": number_array([s.high for s in streams]),
        "got": word_array([s.got for s in streams]),
        "message_count": number_array([len(s.seqs) for s in streams]),
        "is_online": flag_array([s.is_online for s in streams]),
        "first_time": time_array([s.first_us for s in streams]),
        "last_time": time_array([s.last_us for s in streams]),
        "leap": LARGEST_LEAP,
        "range_limit": MISSING_RANGES,
    }
    connection.execute(_Q["insert_streams"], values)
    connection.execute(_Q["lock_streams"], values)
    turned = []
    received_us = {(s.vehicle_id, s.boot): s.received_us for s in streams}
    for vehicle_id, boot, duplicates, repaired, was_online, now_online in connection.execute(
        _Q["merge_streams"], values
    ):
        result.duplicate_count += duplicates
        result.repaired_count += repaired
        if now_online is not None and now_online != was_online:
            at_us = received_us[vehicle_id, boot]
            turned.append(
                EventRow(
                    vehicle_id=vehicle_id,
                    time_us=at_us,
                    kind="online" if now_online else "offline",
                    source="status",
                    code=boot,
                    level=0,
                    data=json.dumps({"boot": boot}),
                    is_hist=False,
                    sent_us=None,
                    received_us=at_us,
                )
            )
    insert_events(connection, turned)
    online = [s for s in streams if s.is_online]
    if online:
        connection.execute(
            _Q["close_older_boots"],
            {"vehicle_id": [s.vehicle_id for s in online], "boot": [s.boot for s in online]},
        )


def _write_births(connection: Connection, messages: Sequence[Message]) -> None:
    """Keep what the newest birth says, however late it came: its event is in the table already."""
    told: dict[int, dict[str, Any]] = {}
    for message in messages:
        birth, head = message.birth, message.envelope
        if birth is None or head is None:
            continue
        facts = told.setdefault(message.vehicle.vehicle_id, {"sent_us": head.sent_us, "time_zone": None})
        if head.sent_us < facts["sent_us"]:
            continue
        facts |= {"sent_us": head.sent_us, "firmware": plain_text(birth.firmware), "sent": _at(head.sent_us)}
        if _is_time_zone(birth.time_zone):
            facts["time_zone"] = birth.time_zone
    for vehicle_id in sorted(told):
        connection.execute(_Q["update_birth"], told[vehicle_id] | {"vehicle_id": vehicle_id})


@lru_cache(maxsize=1024)  # vehicles choose the names
def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _write_rejects(connection: Connection, rejects: Sequence[Reject]) -> None:
    """Write rejects in one statement, each distinct message once."""
    newest: dict[bytes, Reject] = {}
    counts: Counter[bytes] = Counter()
    for reject in rejects:
        digest = reject.digest
        newest[digest] = reject
        counts[digest] += 1
    if not newest:
        return
    digests = sorted(newest)
    found = [newest[digest] for digest in digests]
    values = {
        "received": [_at(r.received_us) for r in found],
        "tenant": [r.tenant for r in found],
        "vin": [r.vin for r in found],
        "topic": [plain_text(r.topic) for r in found],
        "reason": [r.reason for r in found],
        "detail": [plain_text(r.detail)[:1000] for r in found],
        "payload": [r.payload for r in found],
        "digest": digests,
        "is_retryable": [r.is_retryable for r in found],
        "seen_count": [counts[digest] for digest in digests],
    }
    connection.execute(_Q["insert_rejects"], values)


def _write_log(connection: Connection, batch: Batch, result: BatchResult, slot: str) -> None:
    touched = [
        touch
        for family in sorted(batch.assembled.families)
        for touch in touched_vehicles(batch.assembled.families[family])
    ]
    touched += touched_by_events(batch.messages)
    connection.execute(_Q["lock_batch_log"], (LOCK_BATCH_LOG,))
    row = connection.execute(
        _Q["insert_batch"],
        {
            "slot": slot,
            "message_count": result.message_count,
            "duplicate_count": result.duplicate_count,
            "reject_count": result.reject_count,
            "row_count": result.row_count,
            "conflict_count": result.conflict_count,
            "masked": Jsonb(plain_json(dict(result.masked.most_common(200)))),
            "families": sorted({t[1] for t in touched}),
            "vehicle_ids": number_array([t[0] for t in touched]),
            "vehicle_families": word_array([t[1] for t in touched]),
            "time_from": time_array([t[2] for t in touched]),
            "time_to": time_array([t[3] for t in touched]),
            "has_live": flag_array([t[4] for t in touched]),
        },
    ).fetchone()
    result.batch_id = int(row[0]) if row else 0
    notify(connection, CHANNEL_BATCHES, str(result.batch_id))


def _at(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)
