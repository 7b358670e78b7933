"""SQL of cut transfers: halves that wait in the database until the other one has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg.rows import dict_row

from data.db import Connection, Pool, load_queries, transaction
from data.locks import LOCK_CUTS
from data.records import Vin
from ingest.literals import flag_array, number_array, time_array, word_array
from ingest.messages import CanFrames, Message
from ingest.transport.j1939 import LIMIT_US

_Q = load_queries("ingest", "cuts.sql")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Halves kept of one bus of a vehicle, and how lately one must have come for its bus to be looked at.
_MOST_OF_BUS = 128
_FRESH = timedelta(minutes=10)
_LIMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPair:
    """Two halves of the transfers of one bus."""

    tenant: str
    vin: Vin
    vehicle_id: int
    bus: str
    begun: CanFrames
    rest: CanFrames
    origin: str
    is_hist: bool
    received_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Half:
    """One row of ``cut_transfers``."""

    vehicle_id: int
    bus: str
    is_rest: bool
    frames: CanFrames
    origin: str
    is_hist: bool
    received_us: int

    @property
    def key(self) -> tuple[int, str, int, bool, int]:
        """Return what tells it from others."""
        return (self.vehicle_id, self.bus, self.frames.data.shape[1], self.is_rest, _last_us(self.frames))


def write_cuts(connection: Connection, messages: Sequence[Message]) -> None:
    """Write the halves that messages bring and drop those they went on from, in the caller's transaction."""
    halves: dict[tuple[int, str, int, bool, int], _Half] = {}
    taken: set[tuple[int, str, int, bool, int]] = set()
    for message in messages:
        cut, head, can = message.cut, message.envelope, message.can
        if cut is None or head is None or can is None:
            continue
        vehicle_id = message.vehicle.vehicle_id
        if cut.taken_us is not None:
            taken.add((vehicle_id, cut.bus, can.data.shape[1], False, cut.taken_us))
        for is_rest, frames in ((False, cut.begun), (True, cut.rest)):
            if frames is not None:
                half = _Half(
                    vehicle_id=vehicle_id,
                    bus=cut.bus,
                    is_rest=is_rest,
                    frames=frames,
                    origin=head.origin,
                    is_hist=head.is_hist,
                    received_us=message.received_us,
                )
                halves[half.key] = half
    _delete(connection, sorted(taken - halves.keys()))
    _insert(connection, [halves[key] for key in sorted(halves.keys() - taken)])


def join_pairs(
    pool: Pool,
    store: Callable[[Connection, Sequence[CutPair]], Mapping[int, CanFrames]],
    *,
    now: datetime,
    kept: timedelta,
) -> int:
    """Let ``store`` write what pairs of halves say; drop them in the same transaction.

    Nothing is done while another process is at it.

    Args:
        pool: The database.
        store: Writes what pairs say; returns, by position of the pair, frames of transfers still open.
        now: Timezone-aware.
        kept: Age at which a half is given up.

    Returns:
        How many pairs were joined.

    Raises:
        DatabaseAway: Try again.
    """
    with transaction(pool) as connection:
        held = connection.execute(_Q["try_cuts_lock"], (LOCK_CUTS,)).fetchone()
        if held is None or not held[0]:
            return 0
        connection.execute(
            _Q["forget_cuts"], {"since": now - _FRESH, "most": _MOST_OF_BUS, "before": now - kept}
        )
        rows = connection.cursor(row_factory=dict_row).execute(
            _Q["fetch_cut_pairs"],
            {"since": now - _FRESH, "pause": timedelta(microseconds=LIMIT_US), "limit": _LIMIT},
        )
        pairs = _unique([_pair(row) for row in rows])
        if not pairs:
            return 0
        open_still = store(connection, pairs)
        gone = [
            (p.vehicle_id, p.bus, frames.data.shape[1], is_rest, _last_us(frames))
            for p in pairs
            for is_rest, frames in ((False, p.begun), (True, p.rest))
        ]
        _delete(connection, gone)
        _insert(
            connection,
            [
                _Half(
                    vehicle_id=pairs[at].vehicle_id,
                    bus=pairs[at].bus,
                    is_rest=False,
                    frames=frames,
                    origin=pairs[at].origin,
                    is_hist=pairs[at].is_hist,
                    received_us=pairs[at].received_us,
                )
                for at, frames in open_still.items()
            ],
        )
        return len(pairs)


def _unique(pairs: Sequence[CutPair]) -> list[CutPair]:
    """Return each beginning with its first rest only: the next round looks at what is open then."""
    found: dict[tuple[int, str, int, int], CutPair] = {}
    for pair in pairs:
        key = (pair.vehicle_id, pair.bus, pair.begun.data.shape[1], _last_us(pair.begun))
        found.setdefault(key, pair)
    return list(found.values())


def _pair(row: Mapping[str, Any]) -> CutPair:
    width = row["width"]
    return CutPair(
        tenant=row["tenant"],
        vin=Vin(row["vin"]),
        vehicle_id=row["vehicle_id"],
        bus=row["bus"],
        begun=_unpack(row["begun"], width),
        rest=_unpack(row["rest"], width),
        origin=row["origin"],
        is_hist=row["is_hist"],
        received_us=(row["received"] - _EPOCH) // timedelta(microseconds=1),
    )


def _insert(connection: Connection, halves: Sequence[_Half]) -> None:
    if halves:
        connection.execute(
            _Q["insert_cuts"],
            {
                **_columns([half.key for half in halves]),
                "first_time": time_array([int(half.frames.time_us.min()) for half in halves]),
                "frames": [_pack(half.frames) for half in halves],
                "origin": word_array([half.origin for half in halves]),
                "is_hist": flag_array([half.is_hist for half in halves]),
                "received": time_array([half.received_us for half in halves]),
            },
        )


def _delete(connection: Connection, keys: Sequence[tuple[int, str, int, bool, int]]) -> None:
    if keys:
        connection.execute(_Q["delete_cuts"], _columns(keys))


def _columns(keys: Sequence[tuple[int, str, int, bool, int]]) -> dict[str, object]:
    vehicle_id, bus, width, is_rest, last_us = zip(*keys, strict=True)
    return {
        "vehicle_id": number_array(vehicle_id),
        "bus": list(bus),
        "width": number_array(width),
        "is_rest": flag_array(is_rest),
        "last_time": time_array(last_us),
    }


def _last_us(frames: CanFrames) -> int:
    return int(frames.time_us.max())


def _layout(width: int) -> npt.DTypeLike:
    return np.dtype([("time_us", "<i8"), ("can_id", "<u4"), ("length", "u1"), ("data", "u1", (width,))])


def _pack(frames: CanFrames) -> bytes:
    packed = np.empty(frames.time_us.size, _layout(frames.data.shape[1]))
    for name in ("time_us", "can_id", "length", "data"):
        packed[name] = getattr(frames, name)
    return packed.tobytes()


def _unpack(content: bytes, width: int) -> CanFrames:
    packed = np.frombuffer(content, _layout(width))
    return CanFrames(
        packed["time_us"].astype(np.int64),
        packed["can_id"].astype(np.uint32),
        packed["length"].astype(np.uint8),
        np.ascontiguousarray(packed["data"]),
    )
