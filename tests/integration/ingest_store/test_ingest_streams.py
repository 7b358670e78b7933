"""The account of each boot: holes, births, wills, and what is asked for again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.db import Pool
from data.settings import Settings
from ingest.gaps import START, Gap, Plan, parse_multirange
from ingest.intake import Intake
from ingest.repair import Repairer
from ingest.service import build_intake
from ingest.store_repair import repair_round
from tests.effort import examples
from tests.integration.ingest_store.steps import (
    NOW,
    NOW_MS,
    SECOND,
    VIN,
    delivery,
    feed,
    head,
    rows,
    t,
    tele,
    us,
)


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
