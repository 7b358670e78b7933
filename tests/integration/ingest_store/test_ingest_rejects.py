"""What cannot be read or stored costs only itself, is kept with its reason and may be read again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import cbor2
import numpy as np
import pytest

from data.db import Pool, load_queries
from ingest import intake as intake_module
from ingest import store as store_module
from ingest.can.payload import CLASSIC_RECORD
from ingest.intake import Intake
from ingest.rejects import count_rejects, list_rejects, retry_rejects
from ingest.store import fetch_registry
from tests.integration.ingest_store.steps import (
    DBC,
    NOW,
    NOW_MS,
    delivery,
    feed,
    head,
    rows,
    set_dbc,
    t,
    tele,
)
from tests.integration.small_fleet import add


def test_a_poisoned_message_costs_only_itself(fleet: Pool, intake: Intake) -> None:
    with fleet.connection() as connection:
        connection.execute("ALTER TABLE vehicle_events ADD CHECK (kind <> 'impact')")
    poison = head(2) | {"t": t(2), "kind": "impact"}
    items = [
        delivery(tele(0, [t(0)], speed=[1.0])),
        delivery(tele(1, [t(1)], speed=[1.0])),
        delivery(poison, "event"),
        delivery(tele(3, [t(3)], speed=[1.0])),
    ]
    intake.store([intake.read(d) for d in items])

    assert rows(fleet, "SELECT count(*) FROM drive_readings") == [(3,)]
    assert rows(fleet, "SELECT reason, is_retryable FROM rejects") == [("refused", False)]
    assert rows(fleet, "SELECT missing::text, received_count FROM message_streams") == [("{}", 4)]


def test_poisoned_messages_do_not_each_cost_a_look_at_the_whole_registry(
    fleet: Pool, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fleet.connection() as connection:
        connection.execute("ALTER TABLE vehicle_events ADD CHECK (kind <> 'impact')")
    items = [intake.read(delivery(head(n) | {"t": t(n), "kind": "impact"}, "event")) for n in range(8)]
    looks = Counter[str]()

    def look(asked: Pool) -> Any:
        looks["registry"] += 1
        return fetch_registry(asked)

    monkeypatch.setattr(intake_module, "fetch_registry", look)
    intake.store(items)

    assert rows(fleet, "SELECT count(*) FROM rejects") == [(8,)]
    assert rows(fleet, "SELECT received_count FROM message_streams") == [(8,)]
    assert looks.total() <= 1


def test_a_model_that_comes_while_the_registry_is_read_waits_for_the_next_look(
    fleet: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = dict(load_queries("ingest"))
    early = queries | {"fetch_models": queries["fetch_models"] + " WHERE model_id <> 'small'"}
    monkeypatch.setattr(store_module, "_Q", early)
    assert fetch_registry(fleet) == {}

    monkeypatch.setattr(store_module, "_Q", queries)
    assert len(fetch_registry(fleet)) == 2


def test_names_that_nobody_knows_do_not_stop_the_others(fleet: Pool, intake: Intake) -> None:
    strange = head(0) | {"t": [t(0)], "s": {"a:x": [1.0], "a\0:x": [1.0], "speed": [1.0]}}
    feed(intake, delivery(strange), delivery(tele(1, [t(1)], speed=[1.0])))

    assert rows(fleet, "SELECT count(*) FROM drive_readings") == [(2,)]
    assert rows(fleet, "SELECT signal, reason, count FROM quality_counts") == [("", "unknown_alias", 2)]


def test_text_that_postgresql_cannot_hold_is_stored_in_writing(fleet: Pool, intake: Intake) -> None:
    data = {"note": "nul \0 here", "n": float("nan"), "raw": b"\x01", "big": 1 << 20_000}
    codes = [{"ecu": "B\0MS", "code": "P\0"}]
    told = head(0) | {"t": t(2), "kind": "dtc", "data": data, "codes": codes}
    feed(intake, replace(delivery(told, "event"), payload=cbor2.dumps(told)))

    assert rows(fleet, "SELECT reason, detail FROM rejects") == []
    assert rows(fleet, "SELECT code, data->>'note', data->>'n', data->>'raw' FROM vehicle_events") == [
        ("P\\0", "nul \\0 here", None, "01")
    ]
    assert rows(fleet, "SELECT ecu, code FROM trouble_codes") == [("B\\0MS", "P\\0")]


ALARM = head(0) | {"t": t(0), "kind": "alarm", "level": 3}


GOOD = tele(0, [t(0), t(1)], speed=[1.0, 2.0])


@pytest.mark.parametrize(
    ("kind", "payload", "reason", "says"),
    [
        ("tele", b"", "malformed", "empty"),
        ("tele", b"{", "malformed", "JSON"),
        ("tele", b"\xa1", "malformed", "CBOR"),
        ("tele", b"hello", "malformed", "0x68"),
        ("tele", cbor2.dumps([1, 2]), "malformed", "0x82"),
        ("tele", json.dumps(GOOD | {"seq": "1"}).encode(), "malformed", "seq is '1'"),
        ("tele", json.dumps(GOOD | {"seq": -1}).encode(), "malformed", "seq is '-1'"),
        ("tele", cbor2.dumps(GOOD | {"boot": "a b"}), "malformed", "boot is 'a b'"),
        ("tele", cbor2.dumps(GOOD | {"v": 2}), "unsupported_version", "v is 2"),
        ("tele", cbor2.dumps(GOOD | {"s": {"speed": [1.0]}}), "wrong_length", "1 values: must be 2"),
        ("tele", cbor2.dumps(GOOD | {"s": {"cell.voltage": [[3.7] * 3] * 2}}), "wrong_length", "must be 4"),
        ("tele", cbor2.dumps(GOOD | {"s": {"speed": [[1.0], [2.0]]}}), "wrong_length", "one number"),
        ("tele", cbor2.dumps(GOOD | {"s": {"speed": ["1", "2"]}}), "malformed", "float"),
        ("tele", cbor2.dumps(GOOD | {"vin": "LANX0000000000002"}), "vin_mismatch", "vin"),
        ("tele", cbor2.dumps(GOOD | {"t": [t(0), NOW_MS + 400_000]}), "future_time", "300 s"),
        ("tele", cbor2.dumps(GOOD | {"t": [t(0), 1000]}), "ancient_time", "2010"),
        ("can/bus0", cbor2.dumps(head(0) | {"t0": t(0), "f": b"\0" * 17}), "wrong_length", "18"),
        ("can/bus0", cbor2.dumps(head(0) | {"t0": t(0)}), "malformed", "exactly one"),
        ("gbt32960", b"##\x02\xfe" + b"\0" * 30, "wrong_length", "bytes"),
        ("event", cbor2.dumps(ALARM | {"level": 4}), "malformed", "level is '4'"),
        ("nonsense", cbor2.dumps(GOOD), "bad_topic", "kind"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_kept_with_its_reason(  # noqa: PLR0917 -- a table of cases
    fleet: Pool, intake: Intake, kind: str, payload: bytes, reason: str, says: str
) -> None:
    good = delivery(tele(1, [t(5)], speed=[3.0]))
    feed(intake, delivery(payload, kind), good)
    feed(intake, delivery(payload, kind))

    (reject,) = list_rejects(fleet)
    assert (reason, 2, len(payload)) == (reject["reason"], reject["seen_count"], reject["payload_bytes"])
    assert says in reject["detail"]
    assert (3.0,) in rows(fleet, "SELECT speed FROM drive_readings")


def test_a_rejected_message_with_a_readable_head_is_not_asked_for_again(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(tele(0, [t(0)], speed=[1.0])), delivery(tele(1, [t(0)], speed=[1.0, 2.0])))

    assert rows(fleet, "SELECT missing::text, received_count FROM message_streams") == [("{}", 2)]


def test_a_message_of_a_kind_unknown_here_keeps_its_place_in_the_stream(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(tele(0, [t(0)], speed=[1.0])), delivery(tele(1, [t(1)], speed=[1.0]), "weather"))

    assert rows(fleet, "SELECT missing::text, received_count FROM message_streams") == [("{}", 2)]
    assert [r["reason"] for r in list_rejects(fleet)] == ["bad_topic"]


def test_unknown_vehicles_are_stored_after_they_have_been_registered(fleet: Pool, intake: Intake) -> None:
    vin = "LANX0000000000009"
    feed(intake, delivery(GOOD, vin=vin))
    assert count_rejects(fleet)[0]["reason"] == "unknown_vehicle"
    assert retry_rejects(fleet, intake, now=NOW).still_rejected == 1

    add(fleet, vin)
    result = retry_rejects(fleet, intake, now=NOW)

    assert (result.stored, result.still_rejected) == (1, 0)
    assert count_rejects(fleet) == []
    assert rows(fleet, "SELECT speed FROM drive_readings ORDER BY time") == [(1.0,), (2.0,)]
    assert rows(fleet, "SELECT is_hist, live_time FROM vehicle_latest") == [(True, None)]


def test_a_retry_that_fails_while_storing_keeps_the_reject(fleet: Pool, intake: Intake) -> None:
    set_dbc(fleet, intake, "not a DBC")
    frames = np.array([(0, 256, 0, 8, [244, 1, 7, 0, 0, 0, 0, 0])], CLASSIC_RECORD).tobytes()
    feed(intake, delivery(head(0) | {"t0": t(0), "f": frames}, "can/pt"))
    assert [r["reason"] for r in count_rejects(fleet)] == ["bad_dbc"]

    result = retry_rejects(fleet, intake, now=NOW)

    assert (result.stored, result.still_rejected) == (0, 1)
    assert [r["reason"] for r in count_rejects(fleet)] == ["bad_dbc"]

    set_dbc(fleet, intake, DBC)
    assert retry_rejects(fleet, intake, now=NOW).stored == 1
    assert rows(fleet, "SELECT speed FROM drive_readings") == [(50.0,)]
    assert count_rejects(fleet) == []


def test_a_status_out_of_the_rejects_says_nothing_of_now(fleet: Pool, intake: Intake) -> None:
    vin = "LANX0000000000009"
    online = {"v": 1, "boot": "b1", "online": True, "seq": 3}
    feed(intake, delivery(online, "status", vin))
    add(fleet, vin)
    intake.refresh()
    feed(intake, delivery({"v": 1, "boot": "b1", "online": False}, "status", vin))
    assert rows(fleet, "SELECT is_online FROM message_streams") == [(False,)]

    assert retry_rejects(fleet, intake, now=NOW).stored == 1

    assert rows(fleet, "SELECT is_online, missing::text FROM message_streams") == [(False, "{[0,4)}")]


def test_a_vehicle_deleted_meanwhile_turns_its_messages_into_rejects(fleet: Pool, intake: Intake) -> None:
    item = intake.read(delivery(GOOD))
    with fleet.connection() as connection:
        connection.execute("DELETE FROM vehicles WHERE vehicle_id = 1")
    intake.store([item])

    assert [r["reason"] for r in count_rejects(fleet)] == ["unknown_vehicle"]
