"""Messages of a small vehicle, and what they leave in the database."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import cbor2

from data.db import Pool
from ingest.intake import Intake
from ingest.messages import Delivery

VIN = "LANX0000000000001"


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


NOW_MS = int(NOW.timestamp() * 1000)


CELLS = 4


SECOND = {"model": "small", "firmware": "1", "tz": "Asia/Urumqi", "origin": "simulated"}


DBC = """VERSION ""
BU_: Vector__XXX
BO_ 256 Drive: 8 Vector__XXX
 SG_ Speed : 0|16@1+ (0.1,0) [0|400] "km/h" Vector__XXX
 SG_ Strange : 16|16@1+ (1,0) [0|65535] "" Vector__XXX
"""


def topic(kind: str, vin: str = VIN) -> str:
    return f"anxin/v1/demo/{vin}/up/{kind}"


def head(seq: int, *, boot: str = "b1", hist: int = 0) -> dict[str, Any]:
    return {"v": 1, "boot": boot, "seq": seq, "sent": NOW_MS, "hist": hist}


def tele(seq: int, t: list[int], *, boot: str = "b1", hist: int = 0, **s: list[Any]) -> dict[str, Any]:
    return head(seq, boot=boot, hist=hist) | {"t": t, "s": {k.replace("_", "."): v for k, v in s.items()}}


def delivery(payload: dict[str, Any] | bytes, kind: str = "tele", vin: str = VIN) -> Delivery:
    body = payload if isinstance(payload, bytes) else cbor2.dumps(payload)
    return Delivery(topic(kind, vin), body, NOW_MS * 1000)


def feed(intake: Intake, *deliveries: Delivery) -> Any:
    results = intake.store([intake.read(d) for d in deliveries])
    assert len(results) >= 1
    return results[0]


def rows(pool: Pool, query: str) -> list[Any]:
    with pool.connection() as connection:
        return connection.execute(query).fetchall()


def set_dbc(pool: Pool, intake: Intake, dbc: str) -> None:
    with pool.connection() as connection:
        connection.execute("UPDATE vehicle_models SET dbc = %s", (dbc,))
    intake.refresh()


def us(day: int) -> int:
    return (NOW_MS + day * 86_400_000) * 1000


def t(second: int) -> int:
    return NOW_MS - 3_600_000 + second * 1000


def gbt_frame(vin: str, at_s: int, blocks: bytes) -> bytes:
    """Return a frame of 2016 with real-time data."""
    at = datetime.fromtimestamp(at_s + 8 * 3600, UTC)
    unit = bytes([at.year - 2000, at.month, at.day, at.hour, at.minute, at.second]) + blocks
    checked = struct.pack(">BB17sBH", 2, 0xFE, vin.encode(), 1, len(unit)) + unit
    return b"##" + checked + bytes([reduce(lambda x, y: x ^ y, checked)])
