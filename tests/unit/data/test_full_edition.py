"""What the full edition of TimescaleDB is told, statement by statement, by a connection that writes down."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from psycopg import sql

from data.db import Connection
from data.errors import SchemaError
from data.maintenance import clear_away, note_debts, pay_debts
from data.policies import ensure_policies, policy_statements
from data.rollups import load_rollups
from data.settings import Settings
from data.telemetry import Edition

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Answer:
    """What a fake statement returns."""

    def __init__(self, row: Sequence[Any] | None = None) -> None:
        self._row, self.rowcount = row, 0 if row is None else 1

    def fetchone(self) -> Sequence[Any] | None:
        return self._row

    def fetchall(self) -> list[Sequence[Any]]:
        return [] if self._row is None else [self._row]


class WritesDown:
    """A connection that answers by what a statement contains and remembers all of them."""

    def __init__(self, answers: Mapping[str, Sequence[Any] | None] | None = None) -> None:
        self.told: list[tuple[str, Mapping[str, Any]]] = []
        self._answers = {"effective_cache_size": [4 * 2**30], **(answers or {})}

    def execute(self, statement: str | sql.Composable, asked: Mapping[str, Any] | None = None) -> Answer:
        text = statement if isinstance(statement, str) else statement.as_string(None)
        self.told.append((text, asked or {}))
        key = str((asked or {}).get("relation", ""))
        if key in self._answers:
            return Answer(self._answers[key])
        return Answer(next((row for part, row in self._answers.items() if part in text), None))

    def texts(self, part: str) -> list[str]:
        return [text for text, _ in self.told if part in text]


def taken(connection: WritesDown) -> Connection:
    return cast("Connection", connection)


def test_a_fresh_database_gets_hypertables_then_aggregates_then_policies() -> None:
    connection = WritesDown()

    ensure_policies(taken(connection), Settings(retention_days_drive=400), Edition.FULL)

    kinds = ("create_hypertable", "CREATE MATERIALIZED VIEW", "enable_columnstore", "add_retention_policy")
    firsts = [next(i for i, (text, _) in enumerate(connection.told) if kind in text) for kind in kinds]
    assert firsts == sorted(firsts)
    made = [text.split('"')[1] for text in connection.texts("CREATE MATERIALIZED VIEW")]
    assert made == [
        "drive_five_minutes", "drive_hours", "tire_five_minutes", "tire_hours",
        "signal_five_minutes", "signal_hours",
    ]  # fmt: skip
    assert connection.texts("CREATE TABLE") == []
    assert len(connection.texts("CALL add_columnstore_policy")) == 4
    assert len(connection.texts("SELECT add_continuous_aggregate_policy")) == 6
    assert len(connection.texts("INSERT INTO rollup_debts")) == 3  # what is stored already


def test_aggregates_that_are_there_are_left_alone() -> None:
    there = {name: ("v", list(r.names), True) for r in load_rollups() for name in (r.five_minutes, r.hours)}
    connection = WritesDown(there)

    ensure_policies(taken(connection), Settings(), Edition.FULL)

    assert connection.texts("CREATE MATERIALIZED") + connection.texts("DROP") == []
    assert connection.texts("INSERT INTO rollup_debts") == []


def test_tables_of_another_edition_give_way_to_aggregates_hours_first() -> None:
    drive = load_rollups()[0]
    there = {name: ("r", list(drive.names), False) for name in (drive.five_minutes, drive.hours)}
    connection = WritesDown(there)

    ensure_policies(taken(connection), Settings(), Edition.FULL)

    assert connection.texts("DROP") == ['DROP TABLE "drive_hours"', 'DROP TABLE "drive_five_minutes"']


def test_aggregates_that_lack_a_signal_are_made_anew() -> None:
    drive = load_rollups()[0]
    there = {name: ("v", list(drive.names)[:-4], True) for name in (drive.five_minutes, drive.hours)}
    connection = WritesDown(there)

    ensure_policies(taken(connection), Settings(), Edition.FULL)

    assert connection.texts("DROP") == [
        'DROP MATERIALIZED VIEW "drive_hours"',
        'DROP MATERIALIZED VIEW "drive_five_minutes"',
    ]


def test_aggregates_without_their_licence_are_named() -> None:
    connection = WritesDown({"drive_hours": ("v", [], True)})

    with pytest.raises(SchemaError, match=r"drive_hours is a continuous aggregate.*timescaledb\.license"):
        ensure_policies(taken(connection), Settings(), Edition.APACHE)


def test_only_rows_later_than_the_policies_look_are_noted_and_refreshed() -> None:
    early = NOW - timedelta(days=20, minutes=10)
    connection = WritesDown({"min(time_from), max(time_to)": (early, early + timedelta(hours=2))})

    note_debts(taken(connection), Settings(), Edition.FULL, now=NOW)
    pay_debts(taken(connection), Settings(), Edition.FULL, now=NOW, stop=threading.Event())

    (asked,) = [asked for text, asked in connection.told if "touched AS" in text]
    assert asked["until"] == NOW - timedelta(days=7)  # the policies' last day is ours too
    called = [(text, asked) for text, asked in connection.told if text.startswith("CALL")]
    assert [text for text, _ in called] == [
        f"CALL refresh_continuous_aggregate('{name}', %(begin)s::timestamptz, %(end)s::timestamptz)"
        for r in load_rollups()
        for name in (r.five_minutes, r.hours)
    ]
    begin = datetime(2026, 5, 12, 11, tzinfo=UTC)
    assert called[0][1] == {"begin": begin, "end": begin + timedelta(hours=3)}
    assert connection.texts('INSERT INTO "drive_five_minutes"') == []


def test_a_refresh_does_not_reach_to_where_readings_are_gone() -> None:
    span = (NOW - timedelta(days=50), NOW - timedelta(days=10))
    connection = WritesDown({"min(time_from), max(time_to)": span})

    settings = Settings(retention_days_drive=20)
    pay_debts(taken(connection), settings, Edition.FULL, now=NOW, stop=threading.Event())

    first: dict[str, datetime] = {}
    for text, asked in connection.told:
        if text.startswith("CALL"):
            first.setdefault(text.split("'")[1], asked["begin"])
    assert first.pop("drive_five_minutes") == first.pop("drive_hours") == NOW - timedelta(days=18)
    assert set(first.values()) == {NOW - timedelta(days=50)}
    assert len(first) == 4


def test_a_refresh_does_not_reach_to_where_five_minutes_are_gone() -> None:
    span = (NOW - timedelta(days=50), NOW - timedelta(days=10))
    connection = WritesDown({"min(time_from), max(time_to)": span})
    settings = Settings(retention_days_five_minutes=20)

    pay_debts(taken(connection), settings, Edition.FULL, now=NOW, stop=threading.Event())
    told = [
        sql_text.as_string(None) for sql_text in policy_statements(Settings(retention_days_five_minutes=5))
    ]

    begins = [asked["begin"] for text, asked in connection.told if text.startswith("CALL")]
    assert min(begins) == NOW - timedelta(days=18)
    reaches = [text for text in told if "add_continuous_aggregate_policy" in text]
    assert len(reaches) == 6
    assert all("start_offset => interval '108 hours'" in text for text in reaches)


def test_a_refresh_goes_a_day_at_a_time_remembers_where_it_is_and_leaves_the_newest_to_the_policies() -> None:
    connection = WritesDown({"min(time_from), max(time_to)": (NOW - timedelta(days=2, hours=6), NOW)})

    pay_debts(taken(connection), Settings(), Edition.FULL, now=NOW, stop=threading.Event())

    told = [
        (text, asked)
        for text, asked in connection.told
        if "drive_five" in text or ("rollup_debts" in text and asked.get("family") == "drive")
    ]
    pieces = [(asked["begin"], asked["end"]) for text, asked in told if text.startswith("CALL")]
    begin = NOW - timedelta(days=2, hours=6)
    day, end = timedelta(days=1), NOW - timedelta(hours=1)
    assert pieces == [(begin, begin + day), (begin + day, begin + 2 * day), (begin + 2 * day, end)]
    seen = [(a["seen_from"], a["paid_to"]) for text, a in told if text.lstrip("- ").find("SET time_from") > 0]
    assert seen == pieces  # what was noted behind our back before a piece is not forgotten
    forgotten = [asked["seen_from"] for text, asked in told if "DELETE" in text]
    assert forgotten == [end]


def test_a_refresh_that_is_stopped_keeps_its_debts() -> None:
    connection = WritesDown({"min(time_from), max(time_to)": (NOW - timedelta(days=20), NOW)})
    stop = threading.Event()
    stop.set()

    assert pay_debts(taken(connection), Settings(), Edition.FULL, now=NOW, stop=stop) == 0
    assert connection.texts("DELETE FROM rollup_debts") + connection.texts("CALL") == []


def test_telemetry_is_left_to_the_policies_and_the_rest_is_cleared_away() -> None:
    connection = WritesDown()

    settings = Settings(retention_days_drive=1, retention_days_five_minutes=1)
    clear_away(taken(connection), settings, Edition.FULL, now=NOW, stop=threading.Event())

    assert connection.texts("drop_chunks") + connection.texts('FROM "drive') == []
    assert [re.findall(r"DELETE FROM (\w+)", text)[0] for text in connection.texts("DELETE FROM")] == [
        "ingest_batches", "rejects", "message_streams", "quality_counts", "day_features", "service_beats",
    ]  # fmt: skip
