"""Events and trouble codes into their tables; each once, none for another's sake."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from data.db import Connection, load_queries
from data.records import Family
from ingest.literals import flag_array, number_array, time_array
from ingest.messages import Message
from ingest.plain_json import plain_json, plain_text

_Q = load_queries("ingest")
#: Kept for whoever can read them; nobody follows them, and a maker may send them in each frame.
_UNFOLLOWED = frozenset({"oem_block"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One row of ``vehicle_events``; times in microseconds since 1970 UTC."""

    vehicle_id: int
    time_us: int
    kind: str
    source: str
    code: str
    level: int
    data: str  #: JSON
    is_hist: bool
    sent_us: int | None
    received_us: int

    @property
    def content(self) -> tuple[int, int, str, str, str, int, str]:
        """Return what two deliveries of one event have in common."""
        return self.vehicle_id, self.time_us, self.kind, self.source, self.code, self.level, self.data


def write_events(connection: Connection, messages: Sequence[Message]) -> None:
    """Write what the messages of a batch tell beside readings, inside the caller's transaction."""
    insert_events(connection, _event_rows(messages))
    _insert_codes(connection, messages)


def insert_events(connection: Connection, rows: Sequence[EventRow]) -> None:
    """Insert events that are not there yet.

    An event whose key is taken by another one (one second, flags and all, but other fault codes or another
    level) is stored beside it under its code, ``~`` and a checksum of its content. Births are one per key.
    """
    once = {row.content: row for row in reversed(rows)}
    if not once:
        return
    found = [once[content] for content in sorted(once)]
    times = [row.time_us for row in found]
    values = {
        "vehicle_id": number_array([row.vehicle_id for row in found]),
        "time": time_array(times),
        "kind": [plain_text(row.kind) for row in found],
        "source": [row.source for row in found],
        "level": number_array([row.level for row in found]),
        "code": [row.code for row in found],
        "data": [row.data for row in found],
        "is_hist": flag_array([row.is_hist for row in found]),
        "sent": time_array([row.sent_us for row in found]),
        "received": time_array([row.received_us for row in found]),
    }
    if connection.execute(_Q["insert_events"], values).rowcount == len(found):
        return
    values["checksum"] = [f"{zlib.crc32(f'{row.level} {row.data}'.encode()):08X}" for row in found]
    values["time_from"], values["time_to"] = (time_array([t])[1:-1] for t in (min(times), max(times)))
    # not prepared: a plan for any bounds would take in every chunk
    connection.execute(_Q["insert_other_events"], values, prepare=False)


def touched_by_events(messages: Sequence[Message]) -> list[tuple[int, str, int, int, bool]]:
    """Return (vehicle, family, first and last time, has a live one) of the events that services follow."""
    spans: dict[int, tuple[int, int, bool]] = {}
    for event in (e for m in messages for e in m.events if e.kind not in _UNFOLLOWED):
        low, high, is_live = spans.get(event.vehicle_id, (event.time_us, event.time_us, False))
        spans[event.vehicle_id] = (
            min(low, event.time_us), max(high, event.time_us), is_live or not event.is_hist
        )  # fmt: skip
    return [(v, str(Family.EVENT), *spans[v]) for v in sorted(spans)]


def _event_rows(messages: Sequence[Message]) -> list[EventRow]:
    return [
        EventRow(
            vehicle_id=event.vehicle_id,
            time_us=event.time_us,
            kind=event.kind,
            source=event.source,
            code=plain_text(event.code),
            level=event.level,
            data=json.dumps(plain_json(dict(event.data)), sort_keys=True),
            is_hist=event.is_hist,
            sent_us=None if message.envelope is None else message.envelope.sent_us,
            received_us=message.received_us,
        )
        for message in messages
        for event in message.events
    ]


def _insert_codes(connection: Connection, messages: Sequence[Message]) -> None:
    found: dict[tuple[int, int, str, str], tuple[int | None, bool, int | None]] = {}
    for message in messages:
        is_hist = bool(message.envelope and message.envelope.is_hist)
        for code in message.codes:
            key = (message.vehicle.vehicle_id, code.time_us, plain_text(code.ecu), plain_text(code.code))
            found.setdefault(key, (code.status, is_hist, code.occurrences))
    if not found:
        return
    keys = sorted(found)
    values = {
        "vehicle_id": number_array([key[0] for key in keys]),
        "time": time_array([key[1] for key in keys]),
        "ecu": [key[2] for key in keys],
        "code": [key[3] for key in keys],
        "status": number_array([found[key][0] for key in keys]),
        "is_hist": flag_array([found[key][1] for key in keys]),
        "occurrence_count": number_array([found[key][2] for key in keys]),
    }
    connection.execute(_Q["insert_trouble_codes"], values)
