"""The schema is what its readers believe: migrations, schema.sql and the catalogue agree."""

from __future__ import annotations

from importlib import resources
from typing import LiteralString, cast

import psycopg
import pytest

from data.catalogue import TABLES, load_catalogue
from data.db import connect
from data.errors import DatabaseAway, SchemaError
from data.migrate import check_schema, has_timescaledb, list_migrations, migrate
from data.telemetry import HYPERTABLES

#: Everything that makes two schemas differ, one line each.
DESCRIBE: dict[str, LiteralString] = {
    "columns": """
        SELECT c.relname, c.relkind::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attidentity::text, pg_get_expr(d.adbin, d.adrelid), a.attnum
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY 1, 8""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2""",
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2""",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
    "functions": """
        SELECT p.proname, pg_get_functiondef(p.oid) FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') ORDER BY 1, 2""",
    "triggers": """
        SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger
        WHERE NOT tgisinternal
          AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
        ORDER BY 1, 2""",
}


def test_all_migrations_together_make_schema_sql(database_url: str, empty_database_url: str) -> None:
    schema = cast("LiteralString", resources.files("data").joinpath("schema.sql").read_text("utf-8"))
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(schema)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (number int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for migration in list_migrations():
            connection.execute(
                "INSERT INTO schema_migrations (number, name) VALUES (%s, %s)",
                (migration.number, migration.name),
            )
    # The same last step on both, so that what hypertables add does not count as a difference.
    assert migrate(empty_database_url) == []

    by_migrations, by_schema = _describe(database_url), _describe(empty_database_url)
    for aspect in DESCRIBE:
        assert by_migrations[aspect] == by_schema[aspect], aspect


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    before = _describe(database_url)

    assert migrate(database_url) == []
    assert _describe(database_url) == before


def test_every_catalogue_signal_has_its_column_of_its_type(database_url: str) -> None:
    with connect(database_url) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name, data_type, udt_name FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        ).fetchall()
    elements = {"_float4": "real", "_float8": "double precision", "_int2": "smallint"}
    columns = {(t, c): (elements.get(udt, kind), kind == "ARRAY") for t, c, kind, udt in rows}

    for signal in load_catalogue().signals.values():
        assert columns.get((TABLES[signal.family], signal.column)) == (signal.sql_type, signal.is_array), (
            signal.alias
        )


def test_every_table_of_the_catalogue_holds_only_keys_and_signals(database_url: str) -> None:
    keys = {"vehicle_id", "time", "sent_lag_s", "received_lag_s", "sub_pack", "first_cell"}
    with connect(database_url) as connection:
        for family, table in TABLES.items():
            names = {
                row[0]
                for row in connection.execute(
                    "SELECT column_name FROM information_schema.columns"
                    " WHERE table_schema = 'public' AND table_name = %s",
                    (table,),
                )
            }
            assert names - keys == {s.column for s in load_catalogue().of_family(family)}, table


def test_a_database_that_was_never_migrated_is_recognised(empty_database_url: str) -> None:
    with connect(empty_database_url) as connection, pytest.raises(SchemaError, match="run 'anxin migrate'"):
        check_schema(connection)


def test_a_database_of_a_newer_anxin_is_refused(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("INSERT INTO schema_migrations (number, name) VALUES (9999, 'future')")

    with pytest.raises(SchemaError, match="schema is at 9999, newer than this Anxin"):
        migrate(database_url)


def test_a_server_that_is_not_there_is_away() -> None:
    with pytest.raises(DatabaseAway):
        migrate("postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.timescale
def test_telemetry_tables_are_hypertables_on_timescaledb(database_url: str) -> None:
    with connect(database_url) as connection:
        assert has_timescaledb(connection)
        rows = connection.execute(
            "SELECT hypertable_name, time_interval FROM timescaledb_information.dimensions"
        ).fetchall()

    spans = dict(rows)
    assert {t.name: spans[t.name] for t in HYPERTABLES} == {t.name: t.longest_chunk for t in HYPERTABLES}


def _describe(url: str) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(url) as connection:
        return {aspect: connection.execute(query).fetchall() for aspect, query in DESCRIBE.items()}


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_events SET actor = 'nobody'", "DELETE FROM audit_events", "TRUNCATE audit_events"],
)
def test_the_audit_trail_can_only_be_added_to(database_url: str, statement: LiteralString) -> None:
    with (
        connect(database_url) as connection,
        pytest.raises(psycopg.errors.RestrictViolation, match="only added"),
    ):
        connection.execute(statement)
