"""Batches into a real database, without a broker: every effect exactly once."""

from __future__ import annotations

import itertools
import json
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.db import Pool, load_queries
from data.settings import Settings
from ingest import intake as intake_module
from ingest import store as store_module
from ingest.can.payload import CLASSIC_RECORD
from ingest.copy import CopyColumn, build_copy
from ingest.gaps import START, Gap, Plan, parse_multirange
from ingest.intake import Intake
from ingest.messages import Delivery
from ingest.rejects import count_rejects, list_rejects, retry_rejects
from ingest.repair import Repairer
from ingest.service import build_intake
from ingest.store import fetch_registry
from ingest.store_repair import repair_round
from tests.effort import examples

VIN = "LANX0000000000001"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
CELLS = 4

SECOND = {"model": "small", "firmware": "1", "tz": "Asia/Urumqi", "origin": "simulated"}

REGISTER = "INSERT INTO vehicles (tenant_id, vin, model_id) VALUES (1, %s, 'small')"

DBC = """VERSION ""
BU_: Vector__XXX
BO_ 256 Drive: 8 Vector__XXX
 SG_ Speed : 0|16@1+ (0.1,0) [0|400] "km/h" Vector__XXX
 SG_ Strange : 16|16@1+ (1,0) [0|65535] "" Vector__XXX
"""


@pytest.fixture
def fleet(pool: Pool) -> Pool:
    """Two vehicles of a model with four cells, two probes and four wheels."""
    with pool.connection() as connection:
        connection.execute("INSERT INTO tenants (name) VALUES ('demo')")
        connection.execute(
            "INSERT INTO vehicle_models (model_id, name, chemistry, cell_count, probe_count, capacity_ah,"
            " energy_kwh, wheels, placard_kpa, dbc, signal_map)"
            " VALUES ('small', 'Small', 'NCM', 4, 2, 100, 40,"
            " '{front-left,front-right,rear-left,rear-right}', '{250,250,250,250}', %s, %s)",
            (DBC, json.dumps({"Drive.Speed": {"alias": "speed"}})),
        )
        for n in (1, 2):
            connection.execute(
                "INSERT INTO vehicles (tenant_id, vin, model_id) VALUES (1, %s, 'small')",
                (f"LANX000000000000{n}",),
            )
    return pool


@pytest.fixture
def intake(fleet: Pool) -> Intake:
    return build_intake(Settings(), fleet)


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
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def set_dbc(pool: Pool, intake: Intake, dbc: str) -> None:
    with pool.connection() as connection:
        connection.execute("UPDATE vehicle_models SET dbc = %s", (dbc,))
    intake.refresh()


def us(day: int) -> int:
    return (NOW_MS + day * 86_400_000) * 1000


def t(second: int) -> int:
    return NOW_MS - 3_600_000 + second * 1000


def test_columns_of_one_instant_meet_in_one_row(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(tele(0, [t(0)], speed=[50.0])), delivery(tele(1, [t(0)], soc=[80.0])))
    feed(intake, delivery(tele(2, [t(0)], odometer=[1234.5], tire_pressure=[[250, None, 251, 252]])))
    feed(intake, delivery(tele(3, [t(0)], tire_pressure=[[249, 248, None, 252]])))

    assert rows(fleet, "SELECT speed, soc, odometer FROM drive_readings") == [(50.0, 80.0, 1234.5)]
    assert rows(fleet, "SELECT pressure FROM tire_readings") == [([250.0, 248.0, 251.0, 252.0],)]
    assert rows(fleet, "SELECT conflict_count FROM ingest_batches ORDER BY batch_id") == [(0,), (0,), (1,)]


def test_cells_are_stored_in_millivolts_and_probes_in_tenths(fleet: Pool, intake: Intake) -> None:
    feed(
        intake,
        delivery(tele(0, [t(0)], cell_voltage=[[3.7, 3.7012, None, 4.2]], cell_temperature=[[-12.34, 25]])),
    )

    assert rows(fleet, "SELECT voltage_mv, temperature_ddegc, sub_pack, first_cell FROM cell_readings") == [
        ([3700, 3701, None, 4200], [-123, 250], 1, 1)
    ]
    readings = rows(fleet, "SELECT readings FROM vehicle_latest WHERE family = 'cell'")[0][0]
    assert readings == {"cell.voltage": [3.7, 3.7012, None, 4.2], "cell.temperature": [-12.34, 25]}


def test_the_same_messages_again_change_only_the_duplicate_count(fleet: Pool, intake: Intake) -> None:
    messages = [
        delivery(
            tele(
                i,
                [t(10 * i + k) for k in range(10)],
                speed=[float(k) for k in range(10)],
                cell_voltage=[[3.7, 3.7, None, 3.6]] * 10,
            )
        )
        for i in range(3)
    ]
    feed(intake, *messages)
    before = rows(fleet, "SELECT * FROM drive_readings ORDER BY time") + rows(
        fleet, "SELECT * FROM cell_readings"
    )

    result = feed(intake, *messages)

    assert before == rows(fleet, "SELECT * FROM drive_readings ORDER BY time") + rows(
        fleet, "SELECT * FROM cell_readings"
    )
    assert (result.duplicate_count, result.row_count, result.conflict_count) == (3, 0, 0)
    assert rows(fleet, "SELECT received_count, duplicate_count, high FROM message_streams") == [(3, 3, 2)]


def test_late_rows_fill_in_and_do_not_touch_the_latest_reading(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(tele(5, [t(100)], speed=[60.0])))
    feed(intake, delivery(tele(0, [t(50)], hist=1, speed=[10.0], soc=[70.0])))

    assert rows(fleet, "SELECT speed FROM drive_readings ORDER BY time") == [(10.0,), (60.0,)]
    latest = rows(
        fleet, "SELECT time, live_time, is_hist, readings FROM vehicle_latest WHERE family = 'drive'"
    )[0]
    at = datetime.fromtimestamp(t(100) / 1000, UTC)
    assert (at, at, False, {"speed": 60, "soc": 70}) == latest


def test_late_values_beside_new_rows_replace_nothing_newer(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(tele(0, [t(7)], speed=[7.0], soc=[70.0])))
    feed(
        intake,
        delivery(tele(1, [t(0)], hist=1, soc=[99.0], odometer=[1234.5])),
        delivery(tele(2, [t(10)], speed=[10.0])),
    )

    assert rows(fleet, "SELECT time, readings FROM vehicle_latest") == [
        (datetime.fromtimestamp(t(10) / 1000, UTC), {"speed": 10.0, "soc": 70.0, "odometer": 1234.5})
    ]


def test_the_newest_readings_do_not_depend_on_the_order_of_messages(fleet: Pool, intake: Intake) -> None:
    said: list[dict[str, Any]] = [
        {"t": [t(0)], "soc": [50.0], "tire_pressure": [[250, 250, 250, 250]]},
        {"t": [t(2)], "speed": [20.0]},
        {"t": [t(2)], "soc": [52.0]},
        {"t": [t(1)], "soc": [51.0], "odometer": [1000.0]},
        {"t": [t(1), t(3)], "speed": [10.0, None], "tire_pressure": [[251, 251, 251, 251], None]},
    ]
    found = []
    for order in itertools.islice(itertools.permutations(range(len(said))), 0, None, 17):
        for cut in (1, 3):
            with fleet.connection() as connection:
                connection.execute(
                    "WITH a AS (DELETE FROM vehicle_latest), b AS (DELETE FROM message_streams),"
                    " c AS (DELETE FROM tire_readings) DELETE FROM drive_readings"
                )
            messages = [delivery(tele(n, **said[n])) for n in order]
            feed(intake, *messages[:cut])
            feed(intake, *messages[cut:])
            found.append(
                rows(fleet, "SELECT family, time, readings, reading_times FROM vehicle_latest ORDER BY 1")
            )

    at = {second: datetime.fromtimestamp(t(second) / 1000, UTC) for second in (1, 2)}
    assert found[0] == [
        (
            "drive", at[2], {"speed": 20.0, "soc": 52.0, "odometer": 1000.0}, {"odometer": t(1) * 1000},
        ),
        ("tire", at[1], {"tire.pressure": [251, 251, 251, 251]}, {}),
    ]  # fmt: skip
    assert all(one == found[0] for one in found)


def test_another_process_that_wrote_first_turns_a_copy_into_a_merge(fleet: Pool, intake: Intake) -> None:
    with fleet.connection() as connection:
        connection.execute(
            "INSERT INTO drive_readings (vehicle_id, time, soc) VALUES (1, %s, 42)",
            (datetime.fromtimestamp(t(1) / 1000, UTC),),
        )
    result = feed(intake, delivery(tele(0, [t(0), t(1), t(2)], speed=[1.0, 2.0, 3.0])))

    assert rows(fleet, "SELECT speed, soc FROM drive_readings ORDER BY time") == [
        (1.0, None),
        (2.0, 42.0),
        (3.0, None),
    ]
    assert result.late_row_count == 3


def test_holes_open_close_and_count_as_repaired(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(tele(0, [t(0)], speed=[1.0])), delivery(tele(4, [t(4)], speed=[1.0])))
    missing = (
        "SELECT missing::text, high, received_count, repaired_count, duplicate_count FROM message_streams"
    )
    assert rows(fleet, missing) == [("{[1,4)}", 4, 2, 0, 0)]

    feed(intake, delivery(tele(2, [t(2)], hist=1, speed=[1.0])))
    assert rows(fleet, missing) == [("{[1,2),[3,4)}", 4, 3, 1, 0)]

    status = {"v": 1, "boot": "b1", "online": True, "seq": 7}
    feed(intake, delivery(status, "status"), delivery(status, "status"))
    assert rows(fleet, missing) == [("{[1,2),[3,4),[5,8)}", 7, 3, 1, 0)]

    feed(intake, *(delivery(tele(i, [t(i)], hist=1, speed=[1.0])) for i in (1, 3, 3, 5, 6, 7)))
    assert rows(fleet, missing) == [("{}", 7, 8, 6, 1)]


def test_last_will_sets_offline_and_a_new_boot_replaces_the_old(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery({"v": 1, "boot": "b1", "online": True, "seq": 0}, "status"))
    feed(intake, delivery({"v": 1, "boot": "b1", "online": False}, "status"))
    assert rows(fleet, "SELECT is_online, high FROM message_streams") == [(False, 0)]
    assert rows(fleet, "SELECT kind FROM vehicle_events") == [("offline",)]

    feed(intake, delivery({"v": 1, "boot": "b1", "online": True, "seq": 0}, "status"))
    feed(intake, delivery({"v": 1, "boot": "b2", "online": True, "seq": 0}, "status"))
    assert rows(fleet, "SELECT boot, is_online FROM message_streams ORDER BY boot") == [
        ("b1", False),
        ("b2", True),
    ]


@settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.lists(st.one_of(st.integers(0, 30), st.tuples(st.just("status"), st.integers(0, 35))), max_size=8),
        max_size=8,
    )
)
def test_stream_accounting_agrees_with_a_set_of_numbers(fleet: Pool, batches: list[list[Any]]) -> None:
    intake = build_intake(Settings(), fleet)
    with fleet.connection() as connection:
        connection.execute("DELETE FROM message_streams")
    got: set[int] = set()
    known, messages = -1, 0
    for batch in batches:
        if batch:
            feed(
                intake,
                *(
                    delivery(tele(x, [t(x)], speed=[1.0]))
                    if isinstance(x, int)
                    else delivery({"v": 1, "boot": "b1", "online": True, "seq": x[1]}, "status")
                    for x in batch
                ),
            )
        numbers = [x for x in batch if isinstance(x, int)]
        messages += len(numbers)
        got |= set(numbers)
        known = max([known, *numbers, *(x[1] for x in batch if not isinstance(x, int))])
        stored = rows(
            fleet, "SELECT missing::text, high, received_count, duplicate_count FROM message_streams"
        )
        if known < 0:
            assert stored == []
            continue
        holes = [n for low, high in parse_multirange(stored[0][0]) for n in range(low, high)]
        assert sorted(set(range(known + 1)) - got) == holes
        assert (known, len(got), messages - len(got)) == stored[0][1:]


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


def test_impossible_values_are_missing_and_counted(fleet: Pool, intake: Intake) -> None:
    result = feed(
        intake,
        delivery(
            tele(
                0,
                [t(0), t(1)],
                speed=[-1.0, 20.0],
                gear=[1.5, 2],
                tire_pressure=[[255.0] * 4, [255.0, 250, 250, 250]],
                lv_voltage=[float("inf"), 12.0],
                warp=[1.0, 2.0],
            )
        ),
    )

    assert rows(fleet, "SELECT speed, gear, lv_voltage FROM drive_readings ORDER BY time") == [
        (20.0, 2, 12.0)
    ]
    assert rows(fleet, "SELECT pressure FROM tire_readings") == [([255.0, 250.0, 250.0, 250.0],)]
    assert dict(result.masked) == {
        "speed:range": 1,
        "gear:not_integer": 1,
        "tire.pressure:sentinel": 4,
        "lv.voltage:range": 1,
        "warp:unknown_alias": 2,
    }


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


def test_a_birth_tells_of_what_the_boot_before_it_sent(fleet: Pool, intake: Intake) -> None:
    birth = head(0, boot="b2") | SECOND

    feed(
        intake,
        delivery(tele(0, [NOW_MS], speed=[1])),
        delivery(tele(1, [NOW_MS + 1000], speed=[1])),
        delivery(birth | {"prev": {"boot": "b1", "seq": 3}}, "birth"),
    )

    assert rows(fleet, "SELECT boot, high, missing::text FROM message_streams ORDER BY boot") == [
        ("b1", 3, "{[2,4)}"),
        ("b2", 0, "{}"),
    ]


def test_a_boot_known_only_from_the_next_birth_has_the_origin_of_that_birth(
    fleet: Pool, intake: Intake
) -> None:
    birth = head(0, boot="b2") | SECOND

    feed(intake, delivery(birth | {"prev": {"boot": "b1", "seq": 1}}, "birth"))

    assert rows(fleet, "SELECT origin, missing::text FROM message_streams WHERE boot = 'b1'") == [
        ("simulated", "{[0,2)}")
    ]


def test_birth_is_an_event_and_updates_the_vehicle(fleet: Pool, intake: Intake) -> None:
    birth = head(0) | {"model": "small", "firmware": "1.2.3", "tz": "Asia/Urumqi"}
    feed(
        intake,
        delivery(birth, "birth"),
        delivery(head(1) | {"model": "small", "firmware": "1.2.3", "tz": "Mars"}, "birth"),
    )

    assert rows(fleet, "SELECT firmware, time_zone FROM vehicles WHERE vehicle_id = 1") == [
        ("1.2.3", "Asia/Urumqi")
    ]
    assert rows(fleet, "SELECT kind, code FROM vehicle_events") == [("birth", "b1")]


def test_can_frames_become_rows_and_unknown_ids_are_counted(fleet: Pool, intake: Intake) -> None:
    record = np.dtype([("us", "<u4"), ("id", "<u4"), ("flags", "u1"), ("length", "u1"), ("data", "u1", (8,))])
    frames = np.zeros(3, record)
    frames["us"], frames["id"], frames["length"] = [0, 500_000, 2_000_000], [256, 0x7FF, 256], 8
    frames["data"][0, :4] = list((500).to_bytes(2, "little") + (7).to_bytes(2, "little"))
    frames["data"][2, :4] = list((600).to_bytes(2, "little") + (8).to_bytes(2, "little"))
    result = feed(intake, delivery(head(0) | {"t0": t(0), "f": frames.tobytes()}, "can/bus0"))

    assert rows(fleet, "SELECT speed FROM drive_readings ORDER BY time") == [(50.0,), (60.0,)]
    assert rows(fleet, "SELECT signal, value FROM signal_readings ORDER BY time") == [
        ("Drive.Strange", 7.0),
        ("Drive.Strange", 8.0),
    ]
    assert dict(result.masked) == {"can.7FF:unknown_id": 1}


def test_unknown_vehicles_are_stored_after_they_have_been_registered(fleet: Pool, intake: Intake) -> None:
    vin = "LANX0000000000009"
    feed(intake, delivery(GOOD, vin=vin))
    assert count_rejects(fleet)[0]["reason"] == "unknown_vehicle"
    assert retry_rejects(fleet, intake, now=NOW).still_rejected == 1

    with fleet.connection() as connection:
        connection.execute(REGISTER, (vin,))
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
    with fleet.connection() as connection:
        connection.execute(REGISTER, (vin,))
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


def test_missing_messages_are_asked_for_at_the_second_look_and_given_up_at_the_horizon(
    fleet: Pool, intake: Intake
) -> None:
    feed(intake, delivery(tele(0, [t(0)], speed=[1.0])), delivery(tele(9, [t(9)], speed=[1.0])))
    sent: list[tuple[str, bytes]] = []

    def publish(where: str, payload: bytes) -> bool:
        sent.append((where, payload))
        return True

    repairer = Repairer(fleet, publish, interval_s=10, limit=5, horizon_days=7, rng=np.random.default_rng(1))
    repairer.run_round(NOW)
    assert sent == []
    counts = repairer.run_round(NOW + timedelta(seconds=5))
    assert (counts.asked_streams, counts.asked_messages) == (1, 5)
    assert f"anxin/v1/demo/{VIN}/down/resend" == sent[0][0]
    assert json.loads(sent[0][1]) == {"v": 1, "boot": "b1", "ranges": [[1, 5]]}

    repairer.run_round(NOW + timedelta(seconds=10))
    assert len(sent) == 1, "an answer takes time"
    repairer.run_round(NOW + timedelta(seconds=30))
    assert len(sent) == 2

    repairer.run_round(NOW + timedelta(days=8))
    assert rows(fleet, "SELECT missing::text, given_up::text FROM message_streams") == [("{}", "{[1,9)}")]
    feed(intake, delivery(tele(3, [t(3)], hist=1, speed=[1.0])))
    assert rows(fleet, "SELECT given_up::text, repaired_count FROM message_streams") == [("{[1,3),[4,9)}", 1)]


def test_a_hole_after_one_that_was_given_up_is_asked_for(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(tele(0, [t(0)], speed=[1.0])), delivery(tele(2, [t(2)], speed=[1.0])))
    sent: list[bytes] = []
    repairer = Repairer(
        fleet,
        lambda _, payload: bool(sent.append(payload)) or True,
        interval_s=86_400,
        limit=5,
        horizon_days=7,
        rng=np.random.default_rng(1),
    )
    for day in range(30):
        repairer.run_round(NOW + timedelta(days=day))
        intake.store([intake.read(replace(delivery(tele(2, [t(2)])), received_us=us(day)))])
    assert rows(fleet, "SELECT missing::text, given_up::text FROM message_streams") == [("{}", "{[1,2)}")]
    sent.clear()

    feed(intake, delivery(tele(5, [t(5)], speed=[1.0])))
    repairer.run_round(NOW + timedelta(days=31))
    repairer.run_round(NOW + timedelta(days=32))

    assert [json.loads(payload)["ranges"] for payload in sent] == [[[3, 4]]]


def test_streams_that_keep_silent_do_not_take_the_turns_of_others(fleet: Pool, intake: Intake) -> None:
    for vin in (VIN, "LANX0000000000002"):
        feed(intake, delivery(tele(0, [t(0)]), vin=vin), delivery(tele(9, [t(9)]), vin=vin))
    with fleet.connection() as connection:
        connection.execute(
            "UPDATE message_streams SET resend_count = 12, resend_requested_at = %s WHERE vehicle_id = 1",
            (NOW - timedelta(minutes=30),),
        )
        connection.execute(
            "UPDATE message_streams SET resend_count = 1, resend_requested_at = %s WHERE vehicle_id = 2",
            (NOW - timedelta(minutes=1),),
        )
    found: list[int] = []

    def decide(gaps: Sequence[Gap]) -> Plan:
        found.extend(gap.vehicle_id for gap in gaps)
        return Plan()

    repair_round(fleet, decide, now=NOW, horizon=timedelta(days=7), interval_s=10, after=START, limit=1)

    assert found == [2]


def test_an_offline_vehicle_is_not_asked(fleet: Pool, intake: Intake) -> None:
    feed(intake, delivery(tele(0, [t(0)], speed=[1.0])), delivery(tele(9, [t(9)], speed=[1.0])))
    feed(intake, delivery({"v": 1, "boot": "b1", "online": False}, "status"))
    sent: list[Any] = []
    repairer = Repairer(
        fleet,
        lambda *what: bool(sent.append(what)) or True,
        interval_s=10,
        limit=5,
        horizon_days=7,
        rng=np.random.default_rng(1),
    )
    repairer.run_round(NOW)
    repairer.run_round(NOW + timedelta(seconds=60))

    assert sent == []


reals = st.one_of(st.just(float("nan")), st.floats(-(2.0**99), 2.0**99, width=32))


@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**31), 2**31 - 1),
            reals,
            st.floats(allow_nan=True, allow_infinity=False),
            st.lists(
                st.one_of(st.just(float("nan")), st.integers(-32768, 32767).map(float)),
                min_size=0,
                max_size=5,
            ),
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
            st.booleans(),
            st.integers(0, 4_000_000_000_000_000),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_binary_copy_reads_back_what_was_written(pool: Pool, table: list[tuple[Any, ...]]) -> None:
    n, widest = len(table), max(1, *(len(r[3]) for r in table))
    arrays = np.full((n, widest), np.nan)
    for i, row in enumerate(table):
        arrays[i, : len(row[3])] = row[3]
    chosen = np.flatnonzero([r[5] or i % 3 == 0 for i, r in enumerate(table)])
    content = build_copy(
        [
            CopyColumn("int", np.arange(n)),
            CopyColumn("int", np.array([r[0] for r in table])),
            CopyColumn("real", np.array([r[1] for r in table], np.float64)),
            CopyColumn("double precision", np.array([r[2] for r in table], np.float64)),
            CopyColumn("smallint", arrays, widths=np.array([len(r[3]) for r in table])),
            CopyColumn("text", np.array([r[4] for r in table], np.str_)),
            CopyColumn("boolean", np.array([r[5] for r in table])),
            CopyColumn("timestamptz", np.array([r[6] for r in table])),
        ]
    ).stream(chosen)
    with pool.connection() as connection:
        connection.execute(
            "CREATE TEMP TABLE back (i int, a int, r real, d double precision, s smallint[], x text,"
            " b boolean, t timestamptz) ON COMMIT DROP"
        )
        with connection.cursor() as cursor, cursor.copy("COPY back FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(content)
        back = connection.execute("SELECT a, r, d, s, x, b, t FROM back ORDER BY i").fetchall()

    def known(value: float) -> float | None:
        return None if np.isnan(value) else value

    def element_wise(values: list[float]) -> list[float | None] | None:
        return [known(v) for v in values] if any(known(v) is not None for v in values) else None

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for want, have in zip([table[i] for i in chosen], back, strict=True):
        number, real, double, array, text, flag, time_us = want
        assert (number, known(double), element_wise(array), text, flag) == (have[0], *have[2:6])
        assert known(real) == (None if have[1] is None else float(np.float32(have[1])))
        assert epoch + timedelta(microseconds=time_us) == have[6]


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


def gbt_frame(vin: str, at_s: int, blocks: bytes) -> bytes:
    """Return a frame of 2016 with real-time data."""
    at = datetime.fromtimestamp(at_s + 8 * 3600, UTC)
    unit = bytes([at.year - 2000, at.month, at.day, at.hour, at.minute, at.second]) + blocks
    checked = struct.pack(">BB17sBH", 2, 0xFE, vin.encode(), 1, len(unit)) + unit
    return b"##" + checked + bytes([reduce(lambda x, y: x ^ y, checked)])
