"""Numbers, births and brokers that are not as they should be."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from data.db import Pool
from data.errors import DatabaseAway
from data.migrate import check_schema
from data.settings import Settings
from ingest.decode import Decoder
from ingest.intake import Intake, Item
from ingest.messages import Delivery
from ingest.mqtt_version import VersionProbe
from ingest.service import build_intake
from tests.integration.small_fleet import register

VIN = "LANX0000000000001"
NOW_MS = 1_772_366_400_000
STREAM = (
    "SELECT high, missing::text, received_count, duplicate_count, dropped_count, unbelieved_count"
    " FROM message_streams"
)


@pytest.fixture
def intake(pool: Pool) -> Intake:
    return build_intake(Settings(), register(pool, VIN))


def feed(intake: Intake, *seqs: int) -> None:
    deliveries = [delivery("tele", seq, t=[NOW_MS - 10_000 + seq % 1000], s={"speed": [1.0]}) for seq in seqs]
    intake.store_prepared(intake.prepare(intake.read_all(deliveries)))


def delivery(kind: str, seq: int, **body: Any) -> Delivery:
    tree = {"v": 1, "boot": "b", "seq": seq, "sent": NOW_MS, "hist": 0} | body
    return Delivery(f"anxin/v1/demo/{VIN}/up/{kind}", json.dumps(tree).encode(), NOW_MS * 1000)


def row(pool: Pool, query: str) -> Any:
    with pool.connection() as connection:
        return connection.execute(query).fetchone()


def test_a_number_out_of_all_proportion_opens_no_hole_and_closes_none(pool: Pool, intake: Intake) -> None:
    feed(intake, 0, 1, 3)
    feed(intake, 2**31 - 2)
    feed(intake, 4, 2**31 - 2, 2)

    assert row(pool, STREAM) == (4, "{}", 5, 0, 0, 2)
    assert row(pool, "SELECT count(*) FROM drive_readings") == (6,), "its content counts all the same"


def test_of_too_many_holes_the_newest_are_kept(
    pool: Pool, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.store.MISSING_RANGES", 3)
    feed(intake, *range(0, 20, 2))

    assert row(pool, STREAM) == (18, "{[13,14),[15,16),[17,18)}", 10, 0, 6, 0)
    feed(intake, 15, 19)
    assert row(pool, STREAM) == (19, "{[13,14),[17,18)}", 12, 0, 6, 0)


def test_the_newest_birth_counts_however_late_it_comes(pool: Pool, intake: Intake) -> None:
    def born(seq: int, firmware: str, sent: int, hist: int) -> None:
        told = delivery(
            "birth", seq, model="small", firmware=firmware, tz="Asia/Urumqi", sent=sent, hist=hist
        )
        intake.store([intake.read(told)])

    born(0, "2", NOW_MS - 1000, 1)
    assert row(pool, "SELECT firmware, time_zone FROM vehicles") == ("2", "Asia/Urumqi")
    born(1, "1", NOW_MS - 60_000, 1)
    assert row(pool, "SELECT firmware FROM vehicles") == ("2",)
    born(2, "3", NOW_MS, 0)
    assert row(pool, "SELECT firmware FROM vehicles") == ("3",)


def test_a_message_that_breaks_its_decoder_keeps_its_place(
    pool: Pool, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("of a decoder")

    monkeypatch.setattr(Decoder, "_read", fail)
    feed(intake, 0)

    assert row(pool, "SELECT reason FROM rejects") == ("decoder_failed",)
    assert row(pool, STREAM)[:3] == (0, "{}", 1)


def test_no_message_is_read_twice_when_the_registry_goes_away_in_between(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries = [delivery("tele", seq, t=[NOW_MS], s={"speed": [1.0]}) for seq in range(4)]
    intake.refresh()
    seen: list[bytes] = []
    decode, is_away = Decoder.decode, [True]

    def watched(self: Decoder, given: Delivery) -> Any:
        if len(seen) == 2 and is_away.pop():
            is_away.append(False)
            raise DatabaseAway("registry")
        seen.append(given.payload)
        return decode(self, given)

    monkeypatch.setattr(Decoder, "decode", watched)
    items: list[Item] = []
    with pytest.raises(DatabaseAway):
        intake.read_all(deliveries, items)
    intake.read_all(deliveries, items)

    assert [item.delivery for item in items] == deliveries
    assert seen == [d.payload for d in deliveries]


def test_the_schema_is_checked_without_writing(pool: Pool) -> None:
    with pool.connection() as connection:
        connection.execute("SET TRANSACTION READ ONLY")

        check_schema(connection)


@contextmanager
def broker_that_answers(*answers: bytes) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                link, _ = server.accept()
                with link:
                    link.recv(4096)
                    link.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join(timeout=10)


def test_a_broker_that_closes_without_a_word_is_asked_again_before_it_counts_as_old() -> None:
    with broker_that_answers(b"", b"", b"\x20\x03\x00\x00\x00", b"") as port:
        probe = VersionProbe("127.0.0.1", port, is_tls=False, client_id="probe")
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                probe.speaks_mqtt5()

        assert probe.speaks_mqtt5()
        with pytest.raises(ConnectionResetError):
            probe.speaks_mqtt5()

    with broker_that_answers(b"", b"", b"", b"") as port:
        probe = VersionProbe("127.0.0.1", port, is_tls=False, client_id="probe")
        for _ in range(3):
            with pytest.raises(ConnectionResetError):
                probe.speaks_mqtt5()

        assert not probe.speaks_mqtt5()


def test_an_old_broker_says_so() -> None:
    with broker_that_answers(b"\x20\x02\x00\x01") as port:
        assert not VersionProbe("127.0.0.1", port, is_tls=False, client_id="probe").speaks_mqtt5()
