"""What must hold of the tables after services died, whatever order it happened in."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import numpy as np
import psycopg
from psycopg import sql

from alerts.rules import load_policy
from data.catalogue import TABLES, load_catalogue
from data.db import connect
from data.maintenance import note_debts, pay_debts
from data.records import Family
from data.settings import Settings
from data.telemetry import find_edition
from models import store
from models.backlog import Touched
from models.features.days import from_date, to_us
from models.score import Scorer
from tests.chaos.live_vehicles import BOOT, LiveVehicles
from tests.chaos.simulated_fleet import Sent, expected_values

Rows = list[tuple[Any, ...]]
_FEATURES = ("SELECT t::text FROM day_features t ORDER BY 1",)
_SCORES = "SELECT vehicle_id, model_version, probability, component FROM vehicle_scores ORDER BY 1, 2"
#: Of the injected faults; one of them may still be young.
_LEAST_FAILING = 4


@dataclass(frozen=True)
class Told:
    """What receivers have shown."""

    pushed: list[str]  #: warnings by Web Push, each as often as it was shown
    shown: list[tuple[str, str]]  #: VIN and warning


def pending(url: str) -> dict[str, int]:
    """Return what the services still have to do; zeros when the chain has come to rest."""
    row = query(
        url,
        "SELECT (SELECT count(*) FROM message_streams WHERE missing <> '{}'),"
        " (SELECT count(*) FROM predictions WHERE routed_at IS NULL),"
        " (SELECT count(*) FROM deliveries"
        "  WHERE state = 'pending' OR channel = 'mqtt' AND state <> 'received'),"
        " (SELECT count(*) FROM service_cursors WHERE service IN ('score', 'watch')"
        "  AND batch_id < (SELECT max(batch_id) FROM ingest_batches))",
    )[0]
    return dict(zip(("streams", "predictions", "deliveries", "cursors"), row, strict=True))


def count_received(url: str) -> int:
    """Return how many distinct messages the server has."""
    return int(query(url, "SELECT coalesce(sum(received_count), 0) FROM message_streams")[0][0])


def check_streams(url: str, sent: Collection[Sent], ids: Mapping[str, int]) -> None:
    """Every message is accounted for once, none is missing, given up or refused."""
    numbers: dict[tuple[int, str], list[int]] = {}
    for message in sent:
        numbers.setdefault((ids[message.vin], message.boot), []).append(message.seq)
    streams = {
        (row[0], row[1]): row[2:]
        for row in query(
            url,
            "SELECT vehicle_id, boot, high, missing::text, given_up::text, received_count"
            " FROM message_streams WHERE vehicle_id = ANY (%s)",
            (list(ids.values()),),
        )
    }
    assert streams == {k: (max(seqs), "{}", "{}", len(seqs)) for k, seqs in numbers.items()}
    assert all(sorted(seqs) == list(range(len(seqs))) for seqs in numbers.values())
    assert query(url, "SELECT reason, detail FROM rejects") == []


def check_values(url: str, sent: list[Sent], ids: Mapping[str, int]) -> int:
    """Every sample of every message is stored once with its value, and nothing else; return the values."""
    expected, count = expected_values(sent, ids), 0
    known: dict[Family, set[tuple[int, int]]] = {}
    with psycopg.connect(url) as connection:
        for alias, values in expected.items():
            signal = load_catalogue().signals[alias]
            statement = sql.SQL(
                "SELECT vehicle_id, round(extract(epoch FROM time) * 1000)::bigint, {column} FROM {table}"
                " WHERE {column} IS NOT NULL AND vehicle_id = ANY (%s)"
            ).format(column=sql.Identifier(signal.column), table=sql.Identifier(TABLES[signal.family]))
            rows = connection.execute(statement, (list(ids.values()),)).fetchall()
            assert len({row[:2] for row in rows}) == len(rows), alias
            assert {row[:2] for row in rows} == values.keys(), alias
            stored = [_flat(row[2]) for row in rows]
            wanted = [_flat(values[row[0], row[1]]) for row in rows]
            if signal.is_array:
                _compare_arrays(stored, wanted, alias)
            else:
                precision = np.float32 if signal.sql_type == "real" else np.float64
                np.testing.assert_array_equal(
                    np.array(stored, precision), np.array(wanted, precision), err_msg=alias
                )
            known.setdefault(signal.family, set()).update(values.keys())
            count += len(rows)
        for family, keys in known.items():
            statement = sql.SQL("SELECT count(*) FROM {table} WHERE vehicle_id = ANY (%s)").format(
                table=sql.Identifier(TABLES[family])
            )
            assert connection.execute(statement, (list(ids.values()),)).fetchone() == (len(keys),), family
    return count


def check_live(url: str, live: LiveVehicles) -> None:
    """Every reading of the test's own vehicles is stored once, and every message accounted for."""
    for vin, vehicle in live.vehicles.items():
        rows = query(
            url,
            "SELECT (extract(epoch FROM time) * 1000)::bigint, speed FROM drive_readings"
            " WHERE vehicle_id = %s AND speed IS NOT NULL ORDER BY time",
            (live.ids[vin],),
        )
        assert rows == sorted(vehicle.speed_at.items()), vin
        stream = query(
            url,
            "SELECT high, missing::text, given_up::text, received_count FROM message_streams"
            " WHERE vehicle_id = %s AND boot = %s",
            (live.ids[vin], BOOT),
        )
        assert stream == [(vehicle.next_seq - 1, "{}", "{}", vehicle.next_seq)], vin


def check_orders(url: str, faults: set[tuple[int, str]], certain: set[tuple[int, str]]) -> None:
    """Whatever is surely failing has one order with one appointment and its parts; nothing else has."""
    orders = query(url, "SELECT vehicle_id, component FROM repair_orders ORDER BY order_id")
    assert len(set(orders)) == len(orders)
    assert set(orders) <= faults
    assert certain <= set(orders)
    failing = _surely_failing(url)
    assert len(failing) >= _LEAST_FAILING
    assert failing <= set(orders)
    assert orders == query(
        url,
        "SELECT o.vehicle_id, o.component FROM repair_orders o JOIN bookings b USING (order_id)"
        " WHERE o.state = 'offered' AND b.state IN ('held', 'booked')"
        " AND b.technician_id = o.technician_id AND b.bay_id IS NOT DISTINCT FROM o.bay_id"
        # a van needs no bay, and its technician is on the way before and after
        " AND CASE o.mode WHEN 'mobile' THEN o.bay_id IS NULL AND b.slot @> o.slot"
        " ELSE o.bay_id IS NOT NULL AND b.slot = o.slot END"
        " ORDER BY o.order_id",
    )
    misjudged = query(
        url,
        "SELECT * FROM (SELECT station_id, sku, reserved,"
        "   coalesce(sum(r.qty) FILTER (WHERE r.state = 'reserved'), 0)"
        "   + (SELECT coalesce(sum(a.qty), 0) FROM part_arrivals a WHERE a.from_station_id = s.station_id"
        "      AND a.sku = s.sku AND a.state = 'expected') AS promised"
        "  FROM part_stock s LEFT JOIN part_reservations r USING (station_id, sku)"
        "  GROUP BY station_id, sku) stock WHERE reserved <> promised",
    )
    assert misjudged == []
    doubled = query(
        url,
        "SELECT 'order', order_id, from_state, to_state, reason FROM order_events"
        " GROUP BY 1, 2, 3, 4, 5 HAVING count(*) > 1 UNION ALL"
        " SELECT 'alert', alert_id, from_state, to_state, reason FROM alert_events"
        " GROUP BY 1, 2, 3, 4, 5 HAVING count(*) > 1",
    )
    assert doubled == []
    alerts = query(url, "SELECT vehicle_id, component FROM alerts WHERE state <> 'pending'")
    assert sorted(alerts) == sorted(orders)


def _surely_failing(url: str) -> set[tuple[int, str]]:
    """Return vehicle and component of what a run without kills raises by its newest predictions alone."""
    modes = load_policy().modes
    newest = query(
        url,
        "SELECT DISTINCT ON (vehicle_id, component, failure_mode)"
        " vehicle_id, component, failure_mode, probability, severity, data_time - since FROM predictions"
        " WHERE is_fresh"
        " ORDER BY vehicle_id, component, failure_mode, data_time DESC",
    )
    return {
        (vehicle, component)
        for vehicle, component, mode, probability, severity, lasting in newest
        if probability >= modes[mode].raise_level
        and lasting
        >= timedelta(
            hours=modes[mode].urgent_dwell_h if severity in {"S0", "S1", "S2"} else modes[mode].raise_dwell_h
        )
    }


def check_outbox(url: str, told: Told, live: LiveVehicles) -> None:
    """One warning a transition; each delivered and shown once, by browser and head unit."""
    transitions = query(url, "SELECT order_id, count(*) FROM warnings GROUP BY 1 ORDER BY 1")
    assert transitions == query(
        url, "SELECT order_id, count(*) FROM order_events WHERE to_state = 'offered' GROUP BY 1 ORDER BY 1"
    )
    deliveries = query(
        url,
        "SELECT w.warning_id::text, v.vin, d.channel, d.state"
        " FROM warnings w JOIN deliveries d USING (warning_id) JOIN vehicles v USING (vehicle_id)",
    )
    pushed = sorted(warning for warning, _, channel, _ in deliveries if channel == "webpush")
    shown = sorted((vin, warning) for warning, vin, channel, _ in deliveries if channel == "mqtt")
    assert {state for _, _, channel, state in deliveries if channel == "webpush"} <= {"sent", "received"}
    assert {state for _, _, channel, state in deliveries if channel == "mqtt"} == {"received"}
    assert sorted(told.pushed) == pushed
    own = [(vin, warning) for vin, vehicle in live.vehicles.items() for warning in vehicle.warnings]
    assert sorted([*told.shown, *own]) == shown
    assert len(shown) == sum(count for _, count in transitions)


def check_features(url: str, ids: Collection[int]) -> None:
    """Features, scores and predictions are those that a fresh computation from the stored rows gives."""
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        features = [connection.execute(statement).fetchall() for statement in _FEATURES]
        scores = connection.execute(_SCORES).fetchall()
        assert all(features)
        specs = store.fetch_specs(connection, ids)
        written = Scorer(fresh=timedelta(days=1)).score(
            connection, _everything(connection, ids), specs, now=datetime.now(UTC)
        )
        for before, statement in zip(features, _FEATURES, strict=True):
            assert before == connection.execute(statement).fetchall()
        assert scores == connection.execute(_SCORES).fetchall()
        assert written == 0
        connection.rollback()


def check_rollups(url: str) -> None:
    """Rollups hold every sample once when what the log has told ``maintain`` is paid."""
    now, stop = datetime.now(UTC), threading.Event()
    with connect(url, is_autocommit=True) as connection:
        edition = find_edition(connection)
        note_debts(connection, Settings(), edition, now=now)
        pay_debts(connection, Settings(), edition, now=now + timedelta(hours=1), stop=stop)
        assert connection.execute("SELECT count(*) FROM rollup_debts").fetchone() == (0,)
        for relation in ("drive_five_minutes", "drive_hours"):
            rolled = sql.SQL("SELECT vehicle_id, sum(samples), sum(speed_n) FROM {} GROUP BY 1 ORDER BY 1")
            found = connection.execute(rolled.format(sql.Identifier(relation))).fetchall()
            read = "SELECT vehicle_id, count(*), count(speed) FROM drive_readings GROUP BY 1 ORDER BY 1"
            assert found, relation
            assert found == connection.execute(read).fetchall(), relation


def _everything(connection: psycopg.Connection[Any], ids: Collection[int]) -> dict[int, Touched]:
    """Return all days of all vehicles as touched."""
    touched = {}
    for vehicle in ids:
        rows = connection.execute(
            "SELECT (time AT TIME ZONE time_zone)::date, max(time)"
            " FROM (SELECT vehicle_id, time FROM drive_readings UNION ALL"
            "       SELECT vehicle_id, time FROM tire_readings UNION ALL"
            "       SELECT vehicle_id, time FROM cell_readings) r JOIN vehicles USING (vehicle_id)"
            " WHERE vehicle_id = %s GROUP BY 1",
            (vehicle,),
        ).fetchall()
        days = {from_date(day) for day, _ in rows}
        newest = max(to_us(time) for _, time in rows)
        families = {family.value: set(days) for family in TABLES}
        touched[vehicle] = Touched(0, 0.0, 0.0, days=families, data_us=newest)
    return touched


def query(url: str, statement: LiteralString, params: tuple[Any, ...] = ()) -> Rows:
    """Return the rows of one statement."""
    with psycopg.connect(url) as connection:
        return connection.execute(statement, params or None).fetchall()


def _flat(value: Any) -> Any:
    if isinstance(value, list):
        return [np.nan if element is None else element for element in value]
    return value


def _compare_arrays(stored: list[list[float]], wanted: list[list[float]], alias: str) -> None:
    """Compare arrays, each as long as its vehicle model has it."""
    assert [len(row) for row in stored] == [len(row) for row in wanted], alias
    np.testing.assert_array_equal(
        np.array([v for row in stored for v in row], np.float32),
        np.array([v for row in wanted for v in row], np.float32),
        err_msg=alias,
    )
