"""Transport protocols on the live path: frames on ``up/can`` to readings and codes in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import cbor2
import numpy as np
import pytest

from data.db import Pool
from data.settings import Settings
from ingest.can.payload import CLASSIC_RECORD
from ingest.intake import Intake
from ingest.messages import Delivery
from ingest.service import build_intake
from simulators.encode_transport import isotp_frames, j1939_frames
from tests.integration.small_fleet import register

VIN = "LANX0000000000001"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
DBC = """VERSION ""
NS_ :
BS_:
BU_: E
BO_ 2028 Bms: 60 E
 SG_ Service M : 7|8@0+ (1,0) [0|0] "" E
 SG_ Id m98M : 15|16@0+ (1,0) [0|0] "" E
 SG_ Soc m257 : 31|8@0+ (0.5,0) [0|0] "%" E
 SG_ Volt m257 : 39|16@0+ (0.1,0) [0|0] "V" E

BO_ 2566844926 CCVS1: 8 E
 SG_ Speed : 8|16@1+ (0.00390625,0) [0|0] "km/h" E

BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved","J1939PG";
BA_DEF_ BO_ "TransportProtocolType" STRING ;
BA_DEF_DEF_ "VFrameFormat" "StandardCAN";
BA_DEF_DEF_ "TransportProtocolType" "";
BA_ "VFrameFormat" BO_ 2566844926 3;
BA_ "TransportProtocolType" BO_ 2028 "ISOTP";
SG_MUL_VAL_ 2028 Id Service 98-98;
SG_MUL_VAL_ 2028 Soc Id 257-257;
SG_MUL_VAL_ 2028 Volt Id 257-257;
"""
MAP = {
    "Bms.Soc": {"alias": "soc"},
    "Bms.Volt": {"alias": "pack.voltage"},
    "CCVS1.Speed": {"alias": "speed"},
}
ANSWER = bytes.fromhex("620101 a7 1e11 00") + bytes(50)


@pytest.fixture
def intake(pool: Pool) -> Intake:
    return build_intake(Settings(), register(pool, VIN, dbc=DBC, signal_map=MAP))


def delivery(seq: int, frames: Sequence[tuple[int, bytes]], *, at_ms: int, bus: str = "diag") -> Delivery:
    records = np.zeros(len(frames), CLASSIC_RECORD)
    for k, (can_id, data) in enumerate(frames):
        records[k] = (k * 1000, can_id, 0, len(data), np.frombuffer(data.ljust(8, b"\0"), np.uint8))
    head = {"v": 1, "boot": "b1", "seq": seq, "sent": NOW_MS, "hist": 0}
    payload = cbor2.dumps(head | {"t0": NOW_MS + at_ms, "f": records.tobytes()})
    return Delivery(f"anxin/v1/demo/{VIN}/up/can/{bus}", payload, NOW_MS * 1000 + 5_000_000)


def store(intake: Intake, *deliveries: Delivery) -> None:
    intake.store([intake.read(one) for one in deliveries])


def rows(pool: Pool, query: Any) -> list[tuple[Any, ...]]:
    with pool.connection() as connection:
        return connection.execute(query).fetchall()


def test_a_transfer_over_two_batches_is_stored_once(intake: Intake, pool: Pool) -> None:
    frames = isotp_frames(0x7EC, ANSWER)

    first, second = delivery(1, frames[:3], at_ms=0), delivery(2, frames[3:], at_ms=3)
    store(intake, first)
    assert rows(pool, "SELECT soc FROM drive_readings") == []
    store(intake, second)
    store(intake, second)  # the broker delivers it again

    assert rows(pool, "SELECT soc, round(pack_voltage::numeric, 1)::float FROM drive_readings") == [
        (83.5, 769.7)
    ]
    assert rows(pool, "SELECT * FROM rejects") == []


def test_a_batch_that_is_stored_again_is_complete_again(intake: Intake, pool: Pool) -> None:
    frames = isotp_frames(0x7EC, ANSWER)
    store(intake, delivery(1, frames[:3], at_ms=0))
    items = [intake.read(delivery(2, frames[3:], at_ms=3))]

    intake.store(items)
    with pool.connection() as connection:  # as if the commit had been lost
        connection.execute("DELETE FROM drive_readings")
        connection.execute("DELETE FROM message_streams")
    intake.store(items)

    assert rows(pool, "SELECT soc FROM drive_readings") == [(83.5,)]


def test_trouble_codes_of_uds_and_j1939_arrive(intake: Intake, pool: Pool) -> None:
    uds = isotp_frames(0x7EC, bytes.fromhex("5902ff 0a801a 09 c10087 28"))
    dm1 = j1939_frames(65226, bytes.fromhex("04ff 2106 1f 05 13f0e3 01"), source=0x27)

    for seq in range(1, 4):  # told every second
        store(intake, delivery(seq, [*uds, *dm1], at_ms=seq * 1000))

    assert rows(pool, "SELECT ecu, code, status, occurrence_count FROM trouble_codes ORDER BY 1, 2") == [
        ("7EC", "P0A80-1A", 0x09, None),
        ("7EC", "U0100-87", 0x28, None),
        ("J1939-27", "SPN1569-FMI31", 0xA9, 5),
        ("J1939-27", "SPN520211-FMI3", 0xA9, 1),
    ]


def test_signals_of_plain_joined_and_standard_messages_share_a_row(intake: Intake, pool: Pool) -> None:
    frames = [
        *isotp_frames(0x7EC, ANSWER),
        *j1939_frames(65265, bytes.fromhex("f70050ffffffffff"), source=0x2F),
        *isotp_frames(0x7E8, bytes.fromhex("41 46 3c")),
        *j1939_frames(65268, bytes.fromhex("113C00250000FF5F"), source=0x33),
    ]

    store(intake, delivery(1, frames, at_ms=0))

    assert rows(pool, "SELECT soc, speed, ambient FROM drive_readings") == [(83.5, 80.0, 20.0)]
    assert rows(pool, "SELECT pressure FROM tire_readings") == [([None, None, None, 240.0],)]
