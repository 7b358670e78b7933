"""Long plots come from rollups and say what the readings would have said."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data.db import connect
from data.maintenance import note_debts, pay_debts
from data.settings import Settings
from data.telemetry import find_edition
from tests.api_world import MINE, WANGS

END = datetime(2026, 1, 20, 8, tzinfo=UTC)
FORTNIGHT = {"from": "2026-01-06T08:00:00Z", "to": "2026-01-20T08:00:00Z"}


def get(world: Any, family: str, max_points: int, **asked: str) -> dict[str, Any]:
    vin = WANGS if family == "cell" else MINE
    answer = world.client("operations").get(
        f"/api/v1/vehicles/{vin}/readings",
        params={"family": family, "max_points": max_points, **FORTNIGHT, **asked},
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def log_and_roll_up(database_url: str, *, is_paid: bool = True) -> None:
    """Log a batch that touched everything of vehicle 1 and let maintenance follow it."""
    families = ["drive", "tire", "signal"]
    begin = END - timedelta(days=14)
    with connect(database_url, is_autocommit=True) as connection:
        connection.execute(
            "INSERT INTO ingest_batches (slot, message_count, duplicate_count, reject_count, row_count,"
            " families, vehicle_ids, vehicle_families, time_from, time_to, has_live)"
            " VALUES ('t', 1, 0, 0, 1, %s, '{1,1,1}', %s, %s, %s, '{t,t,t}')",
            (families, families, [begin] * 3, [END] * 3),
        )
        edition = find_edition(connection)
        note_debts(connection, Settings(), edition, now=END)
        if is_paid:
            later = END + timedelta(hours=1)
            pay_debts(connection, Settings(), edition, now=later, stop=threading.Event())


def settle_without(world: Any, statement: str) -> None:
    with world.pool.connection() as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("family", "max_points", "minutes"), [("drive", 100, 240), ("tire", 100, 240), ("drive", 1500, 15)]
)
def test_a_rolled_up_plot_equals_the_plot_of_the_readings(
    world: Any, database_url: str, family: str, max_points: int, minutes: int
) -> None:
    settle_without(
        world,
        "INSERT INTO drive_readings (vehicle_id, time, speed) SELECT 1, n * interval '10 min'"
        " + timestamptz '2026-01-06 08:00:30Z', n % 90 FROM generate_series(0, 2000) n",
    )
    log_and_roll_up(database_url)

    rolled = get(world, family, max_points)
    settle_without(world, "DELETE FROM drive_five_minutes; DELETE FROM drive_hours; DELETE FROM tire_hours")
    read = get(world, family, 14 * 1440 // minutes)  # the same buckets without rollups

    assert rolled["bucket_s"] == read["bucket_s"] == 60 * minutes
    assert rolled["time"] == read["time"]
    for part in ("series", "low", "high"):
        assert rolled[part].keys() == read[part].keys()
        for name in rolled[part]:
            assert rolled[part][name] == pytest.approx(read[part][name]), (part, name)


def test_a_plot_reads_rollups_from_five_minutes_a_point_on(world: Any, database_url: str) -> None:
    log_and_roll_up(database_url)
    settle_without(world, "UPDATE drive_five_minutes SET soc_high = 1000")
    settle_without(world, "UPDATE drive_hours SET soc_high = 2000")
    day = {"from": "2026-01-19T04:00:00Z", "to": "2026-01-20T04:00:00Z"}  # 144 rows

    def highest(max_points: int) -> float:
        return max(get(world, "drive", max_points, **day)["high"].get("soc") or [0])

    assert highest(11) == 2000  # 131 minutes
    assert highest(13) == 1000  # 111 minutes
    assert highest(100) == 1000
    assert highest(144) == 1000  # one row less than there are
    assert highest(145) == 0  # every stored row
    hour = {"from": "2026-01-19T04:00:00Z", "to": "2026-01-19T05:00:00Z"}
    settle_without(
        world,
        "INSERT INTO drive_readings (vehicle_id, time, soc) SELECT 1, timestamptz '2026-01-19 04:00:01Z'"
        " + n * interval '20 s', 50 FROM generate_series(0, 170) n",
    )
    assert max(get(world, "drive", 40, **hour)["high"]["soc"]) < 1000  # 90 s: the readings


def test_late_rows_are_shown_before_and_after_they_are_rolled_up(world: Any, database_url: str) -> None:
    log_and_roll_up(database_url)
    settle_without(
        world,
        "INSERT INTO drive_readings (vehicle_id, time, speed) VALUES (1, '2026-01-10 03:33:33Z', 222)",
    )

    unseen = max(get(world, "drive", 100)["high"]["speed"])
    log_and_roll_up(database_url, is_paid=False)
    noted = max(get(world, "drive", 100)["high"]["speed"])
    log_and_roll_up(database_url)
    settle_without(world, "DELETE FROM drive_readings WHERE speed = 222")
    paid = max(get(world, "drive", 100)["high"]["speed"])

    assert unseen < 222  # until maintenance has read the log: seconds
    assert noted == 222  # from the readings
    assert paid == 222  # from the rollup


def test_what_came_after_the_rollup_is_shown_from_the_readings(world: Any, database_url: str) -> None:
    log_and_roll_up(database_url)
    settle_without(
        world,
        "INSERT INTO drive_readings (vehicle_id, time, speed) VALUES (1, '2026-01-20 09:30:00Z', 233)",
    )

    plot = get(world, "drive", 100, to="2026-01-20T10:00:00Z")

    assert plot["high"]["speed"][-1] == 233


def test_a_plot_goes_on_where_readings_are_past_their_retention(world: Any, database_url: str) -> None:
    log_and_roll_up(database_url)
    whole = get(world, "drive", 100)
    settle_without(world, "DELETE FROM drive_readings WHERE time < '2026-01-20 00:00:00Z'")

    plot = get(world, "drive", 100)

    assert plot["time"] == whole["time"]
    assert plot["series"]["soc"] == pytest.approx(whole["series"]["soc"])


def test_dbc_signals_are_plotted_from_rollups_by_name(world: Any, database_url: str) -> None:
    settle_without(
        world,
        "INSERT INTO signal_readings SELECT 1, t, s, extract(epoch FROM t) / 3600 % 24 FROM"
        " generate_series(timestamptz '2026-01-06 08:00Z', '2026-01-20 06:00Z', '5 min') t,"
        " unnest('{Body.Light,Body.Door}'::text[]) s ON CONFLICT DO NOTHING",
    )
    log_and_roll_up(database_url)

    both = get(world, "signal", 100)
    one = get(world, "signal", 100, signals="Body.Light")

    assert set(both["series"]) == {"Body.Door", "Body.Light"}
    assert set(one["series"]) == {"Body.Light"}
    assert both["bucket_s"] == 4 * 3600
    assert max(one["high"]["Body.Light"]) > 23.9
    assert len(one["time"]) <= 100


def test_cells_are_looked_up_bucket_by_bucket(world: Any) -> None:
    every = get(world, "cell", 1000)
    some = get(world, "cell", 50)

    assert len(every["time"]) == 14 * 48 + 1
    assert 48 <= len(some["time"]) <= 51
    rows = dict(zip(every["time"], every["voltage"], strict=True))
    assert [rows[time] for time in some["time"]] == some["voltage"]
