"""Chunks fit into memory; every policy of the full edition is told once and says what the settings say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from data.policies import hypertable_statements, policy_statements
from data.rollups import create_aggregate, load_rollups
from data.settings import Settings
from data.telemetry import HYPERTABLES, chunk_interval

GIB = 2**30


def statements(settings: Settings) -> list[str]:
    return [statement.as_string(None) for statement in policy_statements(settings)]


def test_chunks_are_a_day_long_with_the_defaults() -> None:
    assert chunk_interval(Settings(), 4 * GIB / 0.75) == timedelta(days=1)


@pytest.mark.parametrize(
    ("rows_per_day", "memory_gib", "hours"),
    [(80_000_000, 64, 24), (80_000_000, 32, 12), (800_000_000, 64, 2), (10_000_000_000, 8, 1)],
)
def test_recent_chunks_of_all_tables_fit_into_a_quarter_of_the_memory(
    rows_per_day: int, memory_gib: int, hours: int
) -> None:
    settings = Settings(rows_per_day_drive=rows_per_day)

    span = chunk_interval(settings, memory_gib * GIB)

    assert span == timedelta(hours=hours)
    if hours > 1:
        taken = sum(getattr(settings, t.rate) * t.row_bytes for t in HYPERTABLES if t.rate)
        assert taken * hours / 24 <= memory_gib * GIB / 4


def test_each_hypertable_is_made_and_given_its_span() -> None:
    made = [s.as_string(None) for s in hypertable_statements(min_span=timedelta(hours=6))]

    assert made[0] == (
        "SELECT create_hypertable('drive_readings', by_range('time', interval '6 hours'),"
        " create_default_indexes => false, if_not_exists => true, migrate_data => true)"
    )
    assert made[1] == (
        "SELECT set_chunk_time_interval('drive_readings', interval '6 hours')"
        " FROM timescaledb_information.dimensions WHERE hypertable_schema = current_schema()"
        " AND hypertable_name = 'drive_readings' AND time_interval <> interval '6 hours'"
    )
    assert "by_range('time', interval '7 days')" in made[2 * len(HYPERTABLES) - 2]


def test_the_columnstore_takes_over_after_the_lateness_and_follows_its_setting() -> None:
    told = [s for s in statements(Settings(lateness_days=10.5)) if "cell_readings" in s]

    enable = (
        'ALTER TABLE "cell_readings" SET (timescaledb.enable_columnstore = true, timescaledb.segmentby ='
        " 'vehicle_id', timescaledb.orderby = 'time DESC, sub_pack, first_cell')"
    )
    assert told == [
        enable,
        "CALL remove_columnstore_policy('cell_readings', if_exists => true)",
        "CALL add_columnstore_policy('cell_readings', after => interval '252 hours')",
        "SELECT remove_retention_policy('cell_readings', if_exists => true)",
    ]


def test_columnstore_orders_hold_every_column_of_the_primary_key() -> None:
    keys = {
        "drive_readings": {"vehicle_id", "time"},
        "tire_readings": {"vehicle_id", "time"},
        "cell_readings": {"vehicle_id", "time", "sub_pack", "first_cell"},
        "signal_readings": {"vehicle_id", "time", "signal"},
    }

    for table in HYPERTABLES:
        if table.segment_by:
            named = f"{table.segment_by}, {table.order_by}".replace(" DESC", "").split(", ")
            assert set(named) == keys[table.name]


def test_a_retention_is_added_where_it_is_set_and_only_taken_away_where_it_is_not() -> None:
    told = statements(Settings(retention_days_drive=400, retention_days_hour=3650))
    added = [s for s in told if "add_retention_policy" in s]

    assert added == [
        "SELECT add_retention_policy('drive_readings', drop_after => interval '400 days')",
        "SELECT add_retention_policy('drive_hours', drop_after => interval '3650 days')",
        "SELECT add_retention_policy('tire_hours', drop_after => interval '3650 days')",
        "SELECT add_retention_policy('signal_hours', drop_after => interval '3650 days')",
    ]
    assert len([s for s in told if "remove_retention_policy" in s]) == len(HYPERTABLES) + 6


def test_aggregates_are_refreshed_as_far_back_as_rows_come_late_but_not_where_readings_are_gone() -> None:
    (refresh,) = [s for s in statements(Settings()) if "add_continuous" in s and "'drive_five_minutes'" in s]
    (short,) = [
        s
        for s in statements(Settings(retention_days_tire=5))
        if "add_continuous" in s and "'tire_hours'" in s
    ]

    assert refresh == (
        "SELECT add_continuous_aggregate_policy('drive_five_minutes', start_offset => interval '8 days',"
        " end_offset => interval '5 minutes', schedule_interval => interval '5 minutes')"
    )
    assert "start_offset => interval '108 hours'" in short


def test_hours_are_aggregated_from_five_minutes_in_real_time() -> None:
    signal = load_rollups()[2]

    assert create_aggregate(signal, signal.five_minutes).as_string(None) == (
        'CREATE MATERIALIZED VIEW "signal_five_minutes" WITH (timescaledb.continuous,'
        ' timescaledb.materialized_only = false) AS SELECT "vehicle_id", "signal",'
        " time_bucket(interval '5 minutes', \"time\") AS bucket, min(time) AS first_time,"
        " count(*)::int AS samples, sum(value::float8) AS value_sum, nullif(count(value), 0)::int AS value_n,"
        " min(value) AS value_low, max(value) AS value_high"
        ' FROM "signal_readings" GROUP BY 1, 2, 3 WITH NO DATA'
    )
    assert create_aggregate(signal, signal.hours).as_string(None) == (
        'CREATE MATERIALIZED VIEW "signal_hours" WITH (timescaledb.continuous,'
        ' timescaledb.materialized_only = false) AS SELECT "vehicle_id", "signal",'
        " time_bucket(interval '1 hour', \"bucket\") AS bucket, min(first_time) AS first_time,"
        " sum(samples)::int AS samples, sum(value_sum) AS value_sum, sum(value_n)::int AS value_n,"
        " min(value_low) AS value_low, max(value_high) AS value_high"
        ' FROM "signal_five_minutes" GROUP BY 1, 2, 3 WITH NO DATA'
    )
