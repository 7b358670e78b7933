"""Alarms, trouble codes and blocks of makers are stored once."""

from __future__ import annotations

import struct
from typing import Any

from data.db import Pool
from ingest.intake import Intake
from tests.integration.ingest_store.steps import NOW, NOW_MS, VIN, delivery, feed, gbt_frame, head, rows, t


def test_on_board_alarms_and_trouble_codes_are_stored_once(fleet: Pool, intake: Intake) -> None:
    alarm = head(0) | {
        "t": NOW_MS + 86_400_000,
        "kind": "alarm",
        "level": 3,
        "codes": [{"ecu": "bms", "code": "P0A80", "status": 9}],
        "data": {"source": "bms"},
    }
    receipt = head(1) | {"t": t(0), "kind": "warning_receipt", "level": 0, "data": {"warning_id": "w-1"}}
    for _ in range(2):
        feed(intake, delivery(alarm, "event"), delivery(receipt, "event"))

    events = "SELECT kind, level, code, data, time FROM vehicle_events ORDER BY kind"
    kinds = [(r[0], r[1], r[2]) for r in rows(fleet, events)]
    assert kinds == [("alarm", 3, "P0A80"), ("warning_receipt", 0, "w-1")]
    assert rows(fleet, events)[0][4] == NOW, "an alarm from a skewed clock counts from its arrival"
    assert rows(fleet, "SELECT ecu, code, status FROM trouble_codes") == [("bms", "P0A80", 9)]
    assert rows(fleet, "SELECT families, vehicle_ids FROM ingest_batches") == [(["event"], [1])] * 2


def test_alarms_of_one_instant_are_all_kept_whatever_they_share(fleet: Pool, intake: Intake) -> None:
    def alarm(seq: int, level: int, wheel: str) -> dict[str, Any]:
        data = {"failure_mode": "tire_puncture", "component": wheel}
        return head(seq) | {"t": t(0), "kind": "alarm", "level": level, "data": data}

    told = [alarm(0, 2, "tire front-left"), alarm(1, 2, "tire rear-left"), alarm(2, 3, "tire rear-left")]
    codes = [0x00010003, 0x00010004, 0x00010003]
    frames = [
        gbt_frame(VIN, t(1) // 1000, b"\x07\x02" + struct.pack(">IBI", 0x400, 1, code) + bytes(3))
        for code in codes
    ]
    for _ in range(2):
        feed(intake, *[delivery(a, "event") for a in told[:2]])
        for item in (*[delivery(a, "event") for a in told[1:]], *[delivery(f, "gbt32960") for f in frames]):
            feed(intake, item)

    stored = (
        "SELECT level, data->>'component', data->'codes'->'battery'->>0 FROM vehicle_events ORDER BY 2, 1, 3"
    )
    assert rows(fleet, stored) == [
        (2, "tire front-left", None),
        (2, "tire rear-left", None),
        (3, "tire rear-left", None),
        (2, None, "00010003"),
        (2, None, "00010004"),
    ]
    assert rows(fleet, "SELECT count(*) FROM vehicle_events WHERE code LIKE '00000400%'") == [(2,)]


def test_maker_blocks_are_kept_and_wake_nobody(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(gbt_frame(VIN, t(1) // 1000, b"\x80\x00\x02\xab\xcd"), "gbt32960"))

    assert rows(fleet, "SELECT kind, data->'blocks'->0->>'hex' FROM vehicle_events") == [
        ("oem_block", "abcd")
    ]
    assert rows(fleet, "SELECT families FROM ingest_batches") == [([],)]
