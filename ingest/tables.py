"""Statements and COPY columns of the telemetry tables, made from the signal catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import numpy as np
from psycopg import sql

from data.catalogue import TABLES, Catalogue
from data.records import Family, IntArray
from ingest.copy import CopyColumn
from ingest.families import FamilyBatch

_KEYS = {
    Family.DRIVE: ("vehicle_id", "time"),
    Family.TIRE: ("vehicle_id", "time"),
    Family.CELL: ("vehicle_id", "time", "sub_pack", "first_cell"),
    Family.SIGNAL: ("vehicle_id", "time", "signal"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatements:
    """Everything one family's rows need, composed once."""

    create_stage: sql.Composed
    copy_table: sql.Composed
    copy_stage: sql.Composed
    count_conflicts: sql.Composed
    merge_stage: sql.Composed
    empty_stage: sql.Composed


def build_statements(
    family: Family, catalogue: Catalogue, queries: Mapping[str, LiteralString]
) -> TableStatements:
    """Return the statements of one family's table."""
    signals = catalogue.of_family(family)
    table = sql.Identifier(TABLES.get(family, "signal_readings"))
    stage = sql.Identifier(f"stage_{family}")
    key = _names(_KEYS[family])
    lags = () if family is Family.SIGNAL else ("sent_lag_s", "received_lag_s")
    values = ("value",) if family is Family.SIGNAL else tuple(s.column for s in signals)
    arrays = {s.column for s in signals if s.is_array}
    columns = _names((*_KEYS[family], *lags, *values))
    merged = {c: _merged(c, is_array=c in arrays) for c in values}
    assignments = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(c), merged[c]) for c in values)
    changes = sql.SQL(" OR ").join(
        sql.SQL("t.{} IS DISTINCT FROM {}").format(sql.Identifier(c), merged[c]) for c in values
    )
    differences = sql.SQL(" + ").join(_difference(c, is_array=c in arrays) for c in values)
    return TableStatements(
        create_stage=sql.SQL(queries["create_stage"]).format(stage=stage, table=table),
        copy_table=sql.SQL(queries["copy_rows"]).format(table=table, columns=columns),
        copy_stage=sql.SQL(queries["copy_rows"]).format(table=stage, columns=columns),
        count_conflicts=sql.SQL(queries["count_conflicts"]).format(
            stage=stage, table=table, key=key, differences=differences
        ),
        merge_stage=sql.SQL(queries["merge_stage"]).format(
            stage=stage, table=table, key=key, columns=columns, assignments=assignments, changes=changes
        ),
        empty_stage=sql.SQL(queries["empty_stage"]).format(stage=stage),
    )


def table_columns(batch: FamilyBatch, rows: IntArray | None, catalogue: Catalogue) -> list[CopyColumn]:
    """Return the COPY columns of some rows, in the order of the statements.

    Args:
        batch: Of one family.
        rows: Row indices, shape (m,); None: all, without copying them.
        catalogue: Column, type and scale of each alias; an alias the batch lacks is all NULL.
    """
    table = batch.rows
    taken: IntArray | slice = slice(None) if rows is None else rows
    time_us = table.time_us[taken]
    columns = [CopyColumn("int", table.vehicle_id[taken]), CopyColumn("timestamptz", time_us)]
    if table.family is Family.SIGNAL:
        names = batch.names if batch.names is not None else np.zeros(0, np.str_)
        columns.append(CopyColumn("text", names[taken]))
        columns.append(CopyColumn("double precision", np.asarray(table.columns["value"])[taken]))
        return columns
    if table.sub_pack is not None and table.first_cell is not None:
        columns.append(CopyColumn("smallint", table.sub_pack[taken]))
        columns.append(CopyColumn("smallint", table.first_cell[taken]))
    columns.append(CopyColumn("real", (table.sent_us[taken] - time_us) / 1e6))
    columns.append(CopyColumn("real", (table.received_us[taken] - time_us) / 1e6))
    for signal in catalogue.of_family(table.family):
        values = table.columns.get(signal.alias)
        widths = batch.widths.get(signal.alias)
        columns.append(
            CopyColumn(
                signal.sql_type,
                np.full(len(time_us), np.nan) if values is None else values[taken],
                signal.scale,
                None if widths is None else widths[taken],
            )
        )
    return columns


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def _merged(column: str, *, is_array: bool) -> sql.Composed:
    name = sql.Identifier(column)
    if not is_array:
        return sql.SQL("coalesce(t.{c}, excluded.{c})").format(c=name)
    return sql.SQL(
        "CASE WHEN t.{c} IS NULL OR excluded.{c} IS NULL THEN coalesce(t.{c}, excluded.{c})"
        " WHEN t.{c} = excluded.{c} THEN t.{c}"
        " ELSE ARRAY(SELECT coalesce(u.a, u.b) FROM unnest(t.{c}, excluded.{c})"
        " WITH ORDINALITY AS u (a, b, i) ORDER BY u.i) END"
    ).format(c=name)


def _difference(column: str, *, is_array: bool) -> sql.Composed:
    name = sql.Identifier(column)
    if not is_array:
        return sql.SQL("coalesce((s.{c} <> t.{c})::int, 0)").format(c=name)
    return sql.SQL(
        "CASE WHEN s.{c} <> t.{c} THEN (SELECT count(*) FROM unnest(s.{c}, t.{c}) AS u (a, b)"
        " WHERE u.a <> u.b) ELSE 0 END"
    ).format(c=name)
