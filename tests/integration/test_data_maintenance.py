"""Rollups follow the readings, retention follows the settings, followers lose nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from data.db import Connection, Pool, connect
from data.maintenance import clear_away, note_debts, pay_debts
from data.policies import ensure_policies
from data.settings import Settings
from data.telemetry import HYPERTABLES, Edition, find_edition
from tests.integration import models_seed as seed

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
WIDE = Settings()


@pytest.fixture
def connection(pool: Pool, database_url: str) -> Any:
    seed.seed_vehicles(pool, 3)
    with connect(database_url, is_autocommit=True) as opened:
        yield opened


def drive(
    connection: Connection,
    vehicle: int,
    begin: datetime,
    speeds: Sequence[float | None],
    step_s: float = 10.0,
) -> None:
    """Store rows and log them as one batch."""
    times = [begin + timedelta(seconds=step_s * n) for n in range(len(speeds))]
    with connection.transaction():
        connection.cursor().executemany(
            "INSERT INTO drive_readings (vehicle_id, time, speed) VALUES (%s, %s, %s)",
            [(vehicle, time, speed) for time, speed in zip(times, speeds, strict=True)],
        )
        log(connection, [(vehicle, "drive", times[0], times[-1])])


def log(
    connection: Connection, touched: Sequence[tuple[int, str, datetime, datetime]], at: datetime = NOW
) -> int:
    row = connection.execute(
        "INSERT INTO ingest_batches (committed_at, slot, message_count, duplicate_count, reject_count,"
        " row_count, families, vehicle_ids, vehicle_families, time_from, time_to, has_live)"
        " VALUES (%s, 't', 1, 0, 0, 1, %s, %s, %s, %s, %s, %s) RETURNING batch_id",
        (
            at,
            sorted({t[1] for t in touched}),
            *([t[i] for t in touched] for i in range(4)),
            [True] * len(touched),
        ),
    ).fetchone()
    assert row
    return int(row[0])


def maintain(connection: Connection, now: datetime = NOW, settings: Settings = WIDE) -> int:
    edition = find_edition(connection)
    note_debts(connection, settings, edition, now=now)
    return pay_debts(connection, settings, edition, now=now + timedelta(hours=1), stop=threading.Event())


def clear(connection: Connection, settings: Settings) -> dict[str, int]:
    edition = find_edition(connection)
    return dict(clear_away(connection, settings, edition, now=NOW, stop=threading.Event()))


def minutes(connection: Connection, relation: str = "drive_five_minutes") -> list[tuple[Any, ...]]:
    query = sql.SQL(
        "SELECT vehicle_id, bucket, samples, speed_sum, speed_n, speed_low, speed_high FROM {} ORDER BY 1, 2"
    )
    return connection.execute(query.format(sql.Identifier(relation))).fetchall()


def test_a_rollup_holds_sum_count_and_extremes_of_its_readings(connection: Connection) -> None:
    drive(connection, 1, NOW + timedelta(minutes=4), [10, 20, None, 30, 40, 50, 60])

    maintain(connection)

    assert minutes(connection) == [
        (1, NOW, 6, 150.0, 5, 10.0, 50.0),
        (1, NOW + timedelta(minutes=5), 1, 60.0, 1, 60.0, 60.0),
    ]
    assert minutes(connection, "drive_hours") == [(1, NOW, 7, 210.0, 6, 10.0, 60.0)]


def test_late_rows_reach_rollups_that_were_rolled_up_already(connection: Connection) -> None:
    drive(connection, 1, NOW, [10, 20])
    maintain(connection)

    drive(connection, 1, NOW + timedelta(seconds=5), [99])
    drive(connection, 1, NOW - timedelta(days=6), [7])
    maintain(connection)

    assert minutes(connection) == [
        (1, NOW - timedelta(days=6), 1, 7.0, 1, 7.0, 7.0),
        (1, NOW, 3, 129.0, 3, 10.0, 99.0),
    ]
    assert minutes(connection, "drive_hours")[1] == (1, NOW, 3, 129.0, 3, 10.0, 99.0)
    assert connection.execute("SELECT count(*) FROM rollup_debts").fetchone() == (0,)


def test_rollups_of_many_days_equal_what_one_statement_says(connection: Connection) -> None:
    for vehicle in (1, 2, 3):
        connection.execute(
            "INSERT INTO drive_readings (vehicle_id, time, speed, soc)"
            " SELECT %s, %s + n * interval '97 s', n %% 130, CASE WHEN n %% 7 = 0 THEN n %% 100 END"
            " FROM generate_series(0, 4000) n",
            (vehicle, NOW - timedelta(days=4)),
        )
        log(connection, [(vehicle, "drive", NOW - timedelta(days=4), NOW + timedelta(hours=12))])

    maintain(connection)

    for relation, unit in (("drive_five_minutes", "5 min"), ("drive_hours", "1 hour")):
        query = sql.SQL(
            "SELECT count(*) FROM (SELECT vehicle_id, date_bin(%s, time, '2000-01-01Z') b, min(time) f,"
            " count(*) n, sum(speed::float8) s, count(soc) c, min(soc) l, max(soc) h FROM drive_readings"
            " GROUP BY 1, 2) raw FULL JOIN {} r ON r.vehicle_id = raw.vehicle_id AND r.bucket = raw.b"
            " WHERE (f, n, s, nullif(c, 0), l, h) IS DISTINCT FROM"
            " (first_time, samples, speed_sum, nullif(soc_n, 0), soc_low, soc_high)"
        )
        differing = connection.execute(query.format(sql.Identifier(relation)), (unit,)).fetchone()
        assert differing == (0,), relation


def test_a_late_row_past_the_retention_does_not_replace_what_was_rolled_up(connection: Connection) -> None:
    old = NOW - timedelta(days=40)
    drive(connection, 1, old, [10, 20, 30])
    maintain(connection)
    connection.execute("DELETE FROM drive_readings")  # past their retention

    drive(connection, 1, old + timedelta(seconds=5), [99])
    maintain(connection)

    assert minutes(connection) == [(1, old, 3, 60.0, 3, 10.0, 30.0)]
    assert minutes(connection, "drive_hours") == minutes(connection)
    assert connection.execute("SELECT count(*) FROM rollup_debts").fetchone() == (0,)


def test_an_hour_outlives_the_five_minutes_it_was_made_from(connection: Connection) -> None:
    old = NOW - timedelta(days=40)
    drive(connection, 1, old, [10, 20, 30], step_s=600)
    maintain(connection)
    clear(connection, Settings(retention_days_five_minutes=30))
    if minutes(connection):  # whole chunks go, and this one is not past its time
        connection.execute("DELETE FROM drive_five_minutes")

    drive(connection, 1, old + timedelta(seconds=605), [99])
    maintain(connection)

    assert minutes(connection, "drive_hours") == [(1, old, 3, 60.0, 3, 10.0, 30.0)]


def test_a_debt_that_a_migration_notes_during_a_rollup_is_paid_too(
    connection: Connection, database_url: str
) -> None:
    drive(connection, 1, NOW, [10])
    connection.execute(
        "INSERT INTO drive_readings (vehicle_id, time, speed) VALUES (1, %s, 7)", (NOW - timedelta(hours=5),)
    )
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'drive_five_minutes'::regclass LIMIT 1"
    with connect(database_url) as migration:
        migration.execute("LOCK TABLE drive_five_minutes IN ACCESS EXCLUSIVE MODE")
        rollup = threading.Thread(target=maintain, args=(connection,))
        rollup.start()
        deadline = time.monotonic() + 10
        while migration.execute(waiting).fetchone() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        migration.execute(
            "UPDATE rollup_debts SET time_from = %s, noted_at = '-infinity'", (NOW - timedelta(hours=5),)
        )
    rollup.join()

    assert [row[1] for row in minutes(connection)] == [NOW - timedelta(hours=5), NOW]
    assert connection.execute("SELECT count(*) FROM rollup_debts").fetchone() == (0,)


def test_tires_are_rolled_up_wheel_by_wheel_and_dbc_signals_by_name(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO tire_readings (vehicle_id, time, pressure) VALUES"
        " (1, %(t)s, '{240,NULL,230,231}'), (1, %(t)s + interval '9 s', '{242,250,NULL,229}')",
        {"t": NOW},
    )
    connection.execute(
        "INSERT INTO signal_readings VALUES (1, %(t)s, 'A.B', 1), (1, %(t)s, 'A.C', 5),"
        " (1, %(t)s + interval '1 s', 'A.B', 3)",
        {"t": NOW},
    )
    log(
        connection,
        [(1, "tire", NOW, NOW + timedelta(seconds=9)), (1, "signal", NOW, NOW + timedelta(seconds=1))],
    )

    maintain(connection)

    tire = connection.execute(
        "SELECT pressure_sum[1:4], pressure_n[1:4], pressure_low[1:4], pressure_high[1:4], temperature_n[1]"
        " FROM tire_hours"
    ).fetchone()
    signals = connection.execute(
        "SELECT signal, value_sum, value_n, value_low, value_high FROM signal_five_minutes ORDER BY signal"
    ).fetchall()
    assert tire == ([482, 250, 230, 460], [2, 1, 1, 2], [240, 250, 230, 229], [242, 250, 230, 231], None)
    assert signals == [("A.B", 4, 2, 1, 3), ("A.C", 5, 1, 5, 5)]


def test_a_vehicle_on_the_road_is_rolled_up_every_five_minutes_and_a_back_fill_every_ten(
    connection: Connection,
) -> None:
    drive(connection, 1, NOW, [10, 20])
    drive(connection, 2, NOW - timedelta(days=3), [1, 2], step_s=86_400)
    stop, edition = threading.Event(), find_edition(connection)
    note_debts(connection, WIDE, edition, now=NOW)

    def paid(after: timedelta) -> int:
        return pay_debts(connection, WIDE, edition, now=NOW + after, stop=stop)

    assert paid(timedelta(seconds=299)) == 0
    assert paid(timedelta(seconds=301)) == 1
    assert paid(timedelta(seconds=599)) == 0
    assert paid(timedelta(seconds=601)) == 2  # a day each


def test_a_stop_leaves_the_rest_of_the_debts_for_the_next_process(connection: Connection) -> None:
    drive(connection, 1, NOW, [10])
    stop, edition = threading.Event(), find_edition(connection)
    note_debts(connection, WIDE, edition, now=NOW)
    stop.set()

    assert pay_debts(connection, WIDE, edition, now=NOW + timedelta(hours=1), stop=stop) == 0
    assert connection.execute("SELECT count(*) FROM rollup_debts").fetchone() == (1,)


def test_a_signal_new_in_the_catalogue_is_rolled_up_from_the_stored_history(connection: Connection) -> None:
    drive(connection, 1, NOW - timedelta(days=30), [10, 20])
    maintain(connection)
    for relation in ("drive_five_minutes", "drive_hours"):
        for end in ("sum", "n", "low", "high"):
            drop = sql.SQL("ALTER TABLE {} DROP COLUMN {}")
            connection.execute(drop.format(sql.Identifier(relation), sql.Identifier(f"speed_{end}")))

    ensure_policies(connection, WIDE, find_edition(connection))
    maintain(connection)

    assert minutes(connection) == [(1, NOW - timedelta(days=30), 2, 30.0, 2, 10.0, 20.0)]


def test_readings_past_their_retention_go_and_the_others_stay(connection: Connection) -> None:
    old, new = NOW - timedelta(days=40), NOW - timedelta(days=2)
    for vehicle in (1, 2, 99):  # 99: its vehicle is gone
        drive(connection, vehicle, old, [1, 2, 3])
        drive(connection, vehicle, new, [1, 2, 3])
    connection.execute("INSERT INTO cell_readings (vehicle_id, time) VALUES (1, %s)", (old,))
    maintain(connection)

    gone = clear(connection, Settings(retention_days_drive=30))

    assert gone["drive_readings"] > 0
    assert "cell_readings" not in gone
    left = connection.execute(
        "SELECT vehicle_id, count(*), min(time) FROM drive_readings GROUP BY 1 ORDER BY 1"
    )
    assert left.fetchall() == [(v, 3, new) for v in (1, 2, 99)]
    assert len([m for m in minutes(connection) if m[1] == old]) == 3  # rollups outlive readings
    assert clear(connection, Settings(retention_days_drive=30)) == {}


def test_nothing_measured_is_deleted_unless_an_operator_says_so(connection: Connection) -> None:
    drive(connection, 1, NOW - timedelta(days=4000), [1])

    assert clear(connection, WIDE) == {}
    assert all(getattr(WIDE, table.retention) == 0 for table in HYPERTABLES)


def test_rollups_have_a_retention_of_their_own(connection: Connection) -> None:
    drive(connection, 1, NOW - timedelta(days=400), [1])
    drive(connection, 1, NOW, [1])
    maintain(connection)

    clear(connection, Settings(retention_days_five_minutes=30))

    assert [row[1] for row in minutes(connection)] == [NOW]
    assert len(minutes(connection, "drive_hours")) == 2


def test_the_commit_log_keeps_what_a_follower_has_not_read(connection: Connection) -> None:
    old = NOW - timedelta(days=30)
    batches = [log(connection, [(1, "event", old, old)], at=old) for _ in range(5)]
    connection.execute(
        "INSERT INTO service_cursors (service, partition, batch_id)"
        " VALUES ('watch', 0, %s), ('score', 1, %s)",
        (batches[4], batches[1]),
    )

    clear(connection, WIDE)

    left = [row[0] for row in connection.execute("SELECT batch_id FROM ingest_batches ORDER BY 1")]
    assert left == batches[2:]


def test_the_commit_log_keeps_its_newest_batch_and_everything_while_nobody_follows(
    connection: Connection,
) -> None:
    old = NOW - timedelta(days=30)
    batches = [log(connection, [(1, "event", old, old)], at=old) for _ in range(3)]
    clear(connection, WIDE)
    unread = connection.execute("SELECT count(*) FROM ingest_batches").fetchone()
    connection.execute(
        "INSERT INTO service_cursors (service, partition, batch_id) VALUES ('watch', 0, %s)", (batches[2],)
    )

    clear(connection, WIDE)

    assert unread == (3,)
    assert connection.execute("SELECT batch_id FROM ingest_batches").fetchall() == [(batches[2],)]


def test_old_rejects_finished_boots_and_silent_processes_are_cleared_away(connection: Connection) -> None:
    old = NOW - timedelta(days=100)
    for n, received in enumerate((old, NOW)):
        connection.execute(
            "INSERT INTO rejects (received, topic, reason, detail, payload, digest, is_retryable)"
            " VALUES (%s, 't', 'malformed', '', '', %s, false)",
            (received, bytes([n])),
        )
    boots = [("a", old, "{}"), ("b", old, "{[3,5)}"), ("c", old, "{}"), ("d", old, "{}"), ("e", NOW, "{}")]
    for n, (boot, last, missing) in enumerate(boots):
        connection.execute(
            "INSERT INTO message_streams (vehicle_id, boot, first_received, last_received, missing)"
            " VALUES (1, %s, %s, %s, %s)",
            (boot, old, last + timedelta(minutes=n), missing),
        )
    for slot, beat in (("gone", NOW - timedelta(days=8)), ("late", NOW - timedelta(days=6))):
        connection.execute(
            "INSERT INTO service_beats VALUES ('ingest', %s, 1, %s, %s, true)", (slot, beat, beat)
        )

    gone = clear(connection, WIDE)

    assert gone == {"rejects": 1, "message_streams": 2, "service_beats": 1}
    kept = [row[0] for row in connection.execute("SELECT boot FROM message_streams ORDER BY boot")]
    assert kept == ["b", "d", "e"]  # b has a hole; d and e are the two newest


@pytest.mark.timescale
def test_retention_drops_whole_chunks_on_timescaledb(connection: Connection) -> None:
    assert find_edition(connection) is Edition.APACHE
    drive(connection, 1, NOW - timedelta(days=40), [1, 2, 3])
    drive(connection, 1, NOW, [1])

    assert clear(connection, Settings(retention_days_drive=30)) == {"drive_readings": 1}


@pytest.mark.timescale
def test_a_long_reader_delays_dropping_and_holds_nobody_up(connection: Connection, database_url: str) -> None:
    drive(connection, 1, NOW - timedelta(days=40), [1, 2, 3])
    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM drive_readings")

        assert clear(connection, Settings(retention_days_drive=30)) == {}

    assert clear(connection, Settings(retention_days_drive=30)) == {"drive_readings": 1}


def test_counts_of_values_not_believed_are_kept_for_their_time(connection: Connection) -> None:
    for age_days in (399, 401):
        connection.execute(
            "INSERT INTO quality_counts VALUES (1, %s, 'soc', 0, 'range', 1, %s, %s)",
            ((NOW - timedelta(days=age_days)).date(), NOW, NOW),
        )

    gone = clear_away(connection, WIDE, find_edition(connection), now=NOW, stop=threading.Event())

    assert gone["quality_counts"] == 1
    assert connection.execute("SELECT count(*) FROM quality_counts").fetchone() == (1,)


def test_daily_features_are_kept_for_their_time(connection: Connection) -> None:
    for age_days in (399, 401):
        connection.execute(
            "INSERT INTO day_features (vehicle_id, feature_set, day, version, value)"
            " VALUES (1, 'tire_days', %s, 1, '{}')",
            ((NOW - timedelta(days=age_days)).date(),),
        )

    gone = clear_away(connection, WIDE, find_edition(connection), now=NOW, stop=threading.Event())

    assert gone["day_features"] == 1
    assert connection.execute("SELECT count(*) FROM day_features").fetchone() == (1,)
