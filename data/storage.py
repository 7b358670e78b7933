"""What is stored and what it costs: bytes by table, index, row and signal, and where it will lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from data.catalogue import TABLES, load_catalogue
from data.db import Connection, load_queries
from data.rollups import load_rollups
from data.telemetry import HYPERTABLES, Edition, find_edition

#: The newest rows of some vehicles tell what a row holds.
_SAMPLED_VEHICLES, _SAMPLED_ROWS = 20, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStorage:
    """What one telemetry table or rollup takes.

    ``bytes_per_value`` is what a value takes: the table's bytes over its non-missing values, scalars and
    array elements alike, as counted in the sample of ``sampled_rows`` rows and taken for all.
    """

    name: str
    rows: int
    is_estimated: bool  #: rows are the planner's estimate, not counted
    total_bytes: int
    table_bytes: int
    toast_bytes: int
    index_bytes: Mapping[str, int]
    bytes_per_row: float | None
    values_per_row: float | None = None  #: None: not a table of readings
    bytes_per_value: float | None = None
    values_of: Mapping[str, float] = field(default_factory=dict)  #: by signal, values in a row
    sampled_rows: int = 0
    oldest: datetime | None
    newest: datetime | None
    gb_per_1000_vehicles_day: float | None  #: 10^9 bytes; of what is stored, over vehicles and their days
    chunks: int | None = None  #: None: not a hypertable
    chunk_interval: timedelta | None = None
    columnstore: Mapping[str, int] | None = None  #: chunks, before_bytes, after_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What the database takes."""

    edition: str
    vehicles: int
    total_bytes: int  #: of all tables listed
    gb_per_1000_vehicles_day: float
    tables: tuple[TableStorage, ...]
    others: Mapping[str, int]  #: the largest other tables, bytes


def measure_storage(connection: Connection) -> Storage:
    """Return what is stored, by table; reads catalogues, a sample, and counts rows never analysed.

    Args:
        connection: Any; nothing is written.
    """
    edition = find_edition(connection)
    ask = _Asker(connection)
    tables = [
        _measure(ask, edition, table.name, table.time_column, _signals(table.name)) for table in HYPERTABLES
    ]
    for rollup in load_rollups():
        tables += [_measure(ask, edition, name, "bucket", {}) for name in (rollup.five_minutes, rollup.hours)]
    others = ask("fetch_other_tables", told=[t.name for t in tables])
    return Storage(
        edition=str(edition),
        vehicles=ask("fetch_vehicle_count")[0]["vehicles"],
        total_bytes=sum(t.total_bytes for t in tables) + sum(row["total_bytes"] for row in others),
        gb_per_1000_vehicles_day=round(sum(t.gb_per_1000_vehicles_day or 0.0 for t in tables), 3),
        tables=tuple(tables),
        others={row["name"]: row["total_bytes"] for row in others},
    )


def describe_table(table: TableStorage) -> str:
    """Return one line on a table for a terminal."""
    about = "about " if table.is_estimated else ""
    line = f"{table.name}: {about}{table.rows:,} rows, {table.total_bytes / 1e6:,.1f} MB"
    line += f" ({sum(table.index_bytes.values()) / 1e6:,.1f} MB indexes)"
    if table.bytes_per_row is not None:
        line += f", {table.bytes_per_row:,.0f} B a row"
    if table.bytes_per_value is not None:
        line += f", {table.bytes_per_value:.2f} B a value ({table.sampled_rows:,} rows sampled)"
    if table.chunks is not None:
        line += f", {table.chunks} chunks of {table.chunk_interval}"
    if table.columnstore and table.columnstore["chunks"]:
        held = table.columnstore
        ratio = held["before_bytes"] / max(held["after_bytes"], 1)
        line += f", {held['chunks']} in the columnstore ({ratio:.1f} to 1)"
    if table.gb_per_1000_vehicles_day is not None:
        line += f", {table.gb_per_1000_vehicles_day:.3f} GB per 1,000 vehicles and day"
    return line


class _Asker:
    """Runs named queries, their tables and columns filled in."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queries = load_queries("data", "storage.sql")

    def __call__(
        self, query: str, parts: Mapping[str, sql.Composable] | None = None, **asked: Any
    ) -> list[dict[str, Any]]:
        statement = sql.SQL(self._queries[query])
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.format(**parts) if parts else statement, asked).fetchall()


def _measure(
    ask: _Asker, edition: Edition, table: str, time_column: str, signals: Mapping[str, str]
) -> TableStorage:
    relation = table
    if edition is Edition.FULL and time_column == "bucket":
        relation = ask("fetch_materialization", table=table)[0]["name"]
    names = {"table": sql.Identifier(table), "time": sql.Identifier(time_column)}
    span = ask("fetch_spans", names)[0]
    told: dict[str, Any] = {}
    if edition is Edition.PLAIN:
        size = ask("fetch_plain_size", table=relation)[0]
        indexes = ask("fetch_plain_indexes", table=relation)
    else:
        size = ask("fetch_chunk_size", table=relation)[0]
        indexes = ask("fetch_chunk_indexes", table=relation)
        told = ask("fetch_chunks", table=relation)[0]
    if edition is Edition.FULL:
        told["columnstore"] = next(iter(ask("fetch_columnstore", table=relation)), None)
    rows, is_estimated = _count(ask, relation, edition)
    values, sampled = _sample(ask, table, signals)
    per_row = sum(values.values())
    total = size["total_bytes"]
    return TableStorage(
        name=table,
        rows=rows,
        is_estimated=is_estimated,
        total_bytes=total,
        table_bytes=size["table_bytes"],
        toast_bytes=size["toast_bytes"],
        index_bytes={row["name"]: row["bytes"] for row in indexes},
        bytes_per_row=round(total / rows, 1) if rows else None,
        values_per_row=round(per_row, 2) if sampled else None,
        bytes_per_value=round(total / rows / per_row, 2) if rows and per_row else None,
        values_of={name: round(count, 2) for name, count in values.items() if count},
        sampled_rows=sampled,
        oldest=span["oldest"],
        newest=span["newest"],
        gb_per_1000_vehicles_day=(
            round(total / span["vehicle_days"] * 1000 / 1e9, 3) if span["vehicle_days"] else None
        ),
        chunks=told.get("chunks"),
        chunk_interval=told.get("interval"),
        columnstore=told.get("columnstore"),
    )


def _count(ask: _Asker, table: str, edition: Edition) -> tuple[int, bool]:
    """Return the rows, and whether part of them is estimated; what was never analysed is counted."""
    if edition is Edition.FULL:
        return int(ask("fetch_approximate_row_count", table=table)[0]["rows"]), True
    rows, is_estimated = 0, False
    for part in ask("fetch_parts", table=table):
        if part["rows"] > 0:
            rows, is_estimated = rows + part["rows"], True
        else:
            names = {"table": sql.Identifier(part["schema"], part["relation"])}
            rows += ask("fetch_row_count", names)[0]["rows"]
    return rows, is_estimated


def _signals(table: str) -> dict[str, str]:
    """Return what each signal of a table counts as in a row, as SQL."""
    if table == "signal_readings":
        return {"value": "num_nonnulls(r.value)"}
    family = next((family for family, name in TABLES.items() if name == table), None)
    if family is None:
        return {}
    return {
        signal.alias: (
            f"coalesce(cardinality(array_remove(r.{signal.column}, NULL)), 0)"
            if signal.is_array
            else f"num_nonnulls(r.{signal.column})"
        )
        for signal in load_catalogue().of_family(family)
    }


def _sample(ask: _Asker, table: str, signals: Mapping[str, str]) -> tuple[dict[str, float], int]:
    """Return the mean number of values of each signal in a row and how many rows were looked at."""
    if not signals:
        return {}, 0
    sums = [
        sql.SQL("coalesce(sum({}), 0)::float8 AS {}").format(sql.SQL(count), sql.Identifier(name))
        for name, count in signals.items()
    ]
    parts = {"table": sql.Identifier(table), "values": sql.SQL(", ").join(sums)}
    row = ask("fetch_values", parts, vehicles=_SAMPLED_VEHICLES, rows=_SAMPLED_ROWS)[0]
    rows = int(row.pop("rows"))
    return ({name: float(total) / rows for name, total in row.items()} if rows else {}), rows
