"""What the full edition would be told, held against a real server as far as its licence lets us.

The server knows every name and option of both editions: a wrong one is an error of its own, a right one is
refused for the licence.
"""

from __future__ import annotations

import re
from datetime import timedelta

import psycopg
import pytest

from data.db import connect
from data.policies import ensure_policies, policy_statements
from data.rollups import create_aggregate, load_rollups
from data.settings import Settings
from data.telemetry import HYPERTABLES, find_edition

pytestmark = pytest.mark.timescale

KEPT = {t.retention: 400 for t in HYPERTABLES}
ALL = Settings(**KEPT, retention_days_five_minutes=400, retention_days_hour=3650)


def test_every_statement_of_the_full_edition_is_known_and_refused_for_its_licence_only(
    database_url: str,
) -> None:
    told = list(policy_statements(ALL))
    told += [create_aggregate(r, name) for r in load_rollups() for name in (r.five_minutes, r.hours)]

    with connect(database_url, is_autocommit=True) as connection:
        for statement in told:
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="license"):
                connection.execute(statement)
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="unrecognized parameter"):
            connection.execute("ALTER TABLE drive_readings SET (timescaledb.enable_columnstor = true)")


def test_what_continuous_aggregates_select_runs_and_names_the_columns_of_the_tables(
    database_url: str,
) -> None:
    with connect(database_url) as connection:
        for rollup in load_rollups():
            for relation in (rollup.five_minutes, rollup.hours):
                made = create_aggregate(rollup, relation).as_string(connection)
                query = re.search(r" AS (SELECT .*) WITH NO DATA$", made)
                assert query
                ours = connection.execute(query[1].encode())
                table = connection.execute(f'SELECT * FROM "{relation}"'.encode())  # noqa: S608 - of our own
                assert ours.description
                assert table.description
                assert [(c.name, c.type_code) for c in ours.description] == [
                    (c.name, c.type_code) for c in table.description
                ]


def test_a_changed_rate_changes_the_span_of_chunks_to_come(database_url: str) -> None:
    with connect(database_url, is_autocommit=True) as connection:
        edition = find_edition(connection)
        settings = Settings(rows_per_day_drive=800_000_000, database_memory_gb=64)
        ensure_policies(connection, settings, edition)
        ensure_policies(connection, settings, edition)
        spans = dict(
            connection.execute(
                "SELECT hypertable_name, time_interval FROM timescaledb_information.dimensions"
            ).fetchall()
        )

    assert spans["drive_readings"] == spans["cell_readings"] == timedelta(hours=2)
    assert spans["vehicle_events"] == timedelta(days=7)
    assert spans["drive_five_minutes"] == timedelta(days=7)
    assert spans["drive_hours"] == timedelta(days=90)
