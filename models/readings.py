"""Stored readings back as the arrays that decoders made: catalogue aliases, catalogue units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from psycopg import sql

from data.catalogue import TABLES, Signal, load_catalogue
from data.db import Connection, load_queries
from data.records import Family, FamilyRows, FloatArray, IntArray, VehicleSpec
from models.binary import arrays, row_type, scalars, times, whole
from models.copied import fetch_copied
from models.errors import RegistryError
from models.features.days import to_datetime

_SQL = load_queries("models")
#: What stands for a missing element of an integer array.
_NONE = -32768


def fetch_rows(
    connection: Connection,
    vehicle_id: int,
    family: Family,
    aliases: Sequence[str],
    *,
    begin_us: int,
    end_us: int,
    spec: VehicleSpec,
) -> FamilyRows:
    """Return stored rows of one vehicle and family, ascending in time.

    Arrays by wheel have one element a wheel of the model; other lengths cannot be told apart and count as
    missing. Probes are cut or filled up to the model's number. Cells come frame by frame, as they were sent;
    those that follow each other faster than ``CELL_GRID_US`` are thinned as ``features.rows.thinned`` does.

    Args:
        connection: To read from.
        vehicle_id: Whose rows.
        family: Drive, tire or cell.
        aliases: Of the catalogue; a query names no other column.
        begin_us: First sample time, microseconds since 1970.
        end_us: The one after the last.
        spec: For the lengths of arrays.

    Raises:
        RegistryError: The catalogue has no such signal in this family.
    """
    signals = _signals(family, aliases)
    span: dict[str, object] = {
        "vehicle_id": vehicle_id,
        "begin": to_datetime(begin_us),
        "end": to_datetime(end_us),
    }
    if family is Family.CELL:
        return _fetch_cells(connection, vehicle_id, signals, span, spec)
    n_wheels = len(spec.wheels)
    layout = row_type([("time", "timestamptz", 0), *(_field(s, n_wheels) for s in signals)])
    query = sql.SQL(_SQL["copy_rows"]).format(
        columns=sql.SQL(", ").join([sql.Identifier("time"), *(_expression(s, n_wheels) for s in signals)]),
        table=sql.Identifier(TABLES[family]),
    )
    rows = fetch_copied(connection, query, span, layout)
    columns = {s.alias: _values(rows, s) for s in signals}
    return _family_rows(family, vehicle_id, times(rows, "time"), columns)


def _fetch_cells(
    connection: Connection,
    vehicle_id: int,
    signals: Sequence[Signal],
    span: Mapping[str, object],
    spec: VehicleSpec,
) -> FamilyRows:
    found = connection.execute(_SQL["fetch_longest_frame"], span).fetchone()
    longest = int(found[0]) if found and found[0] else 0
    n_cells = max(1, min(longest, spec.cell_count))
    lengths = {s.alias: n_cells if s.shape == "cell" else max(1, spec.probe_count) for s in signals}
    layout = row_type(
        [
            ("time", "timestamptz", 0),
            ("first", "int2", 0),
            *(_field(s, lengths[s.alias]) for s in signals),
        ]
    )
    expressions = [_expression(s, lengths[s.alias]) for s in signals]
    query = sql.SQL(_SQL["copy_cell_rows"]).format(
        columns=sql.SQL(", ").join([sql.Identifier("time"), sql.Identifier("first_cell"), *expressions])
    )
    rows = fetch_copied(connection, query, span, layout)
    columns = {s.alias: _values(rows, s) for s in signals}
    return _family_rows(Family.CELL, vehicle_id, times(rows, "time"), columns, whole(rows, "first"))


def fetch_recent_rows(
    connection: Connection,
    vehicle_ids: Sequence[int],
    family: Family,
    aliases: Sequence[str],
    *,
    span_us: tuple[int, int],
    spec: VehicleSpec,
    by_minute: bool = False,
) -> FamilyRows:
    """Return stored rows of many vehicles of one model and one family, by vehicle and time.

    Arrays as for ``fetch_rows``; of cells every frame, unthinned.

    Args:
        connection: To read from.
        vehicle_ids: Whose rows.
        family: Drive, tire or cell.
        aliases: Of the catalogue; a query names no other column.
        span_us: First sample time and the one after the last, microseconds since 1970.
        spec: For the lengths of arrays.
        by_minute: Only the first row of each vehicle and minute.

    Raises:
        RegistryError: The catalogue has no such signal in this family.
    """
    signals = _signals(family, aliases)
    has_cells = family is Family.CELL
    lengths = {"wheel": len(spec.wheels), "cell": max(1, spec.cell_count), "probe": max(1, spec.probe_count)}
    key = [("vehicle", "int4", 0), ("time", "timestamptz", 0), *([("first", "int2", 0)] if has_cells else [])]
    names = ["vehicle_id", "time", *(["first_cell"] if has_cells else [])]
    expressions = [_expression(s, lengths.get(s.shape, 0)) for s in signals]
    query = sql.SQL(_SQL["copy_thinned_rows" if by_minute else "copy_recent_rows"]).format(
        columns=sql.SQL(", ").join([*(sql.Identifier(name) for name in names), *expressions]),
        table=sql.Identifier(TABLES[family]),
        part=sql.SQL("AND sub_pack = 1" if has_cells else ""),
    )
    params = {
        "vehicle_ids": list(vehicle_ids),
        "begin": to_datetime(span_us[0]),
        "end": to_datetime(span_us[1]),
    }
    layout = row_type([*key, *(_field(s, lengths.get(s.shape, 0)) for s in signals)])
    rows = fetch_copied(connection, query, params, layout)
    return _family_rows(
        family,
        whole(rows, "vehicle"),
        times(rows, "time"),
        {s.alias: _values(rows, s) for s in signals},
        whole(rows, "first") if has_cells else None,
    )


def _signals(family: Family, aliases: Sequence[str]) -> list[Signal]:
    catalogue = load_catalogue().signals
    for alias in aliases:
        if alias not in catalogue or catalogue[alias].family is not family:
            raise RegistryError(f"columns of family {family}: {alias!r}: the catalogue has no such signal")
    return [catalogue[alias] for alias in aliases]


def _field(signal: Signal, length: int) -> tuple[str, str, int]:
    """Return name, type and length as ``_expression`` yields them."""
    kind = {"real": "real", "double precision": "float8", "smallint": "int2"}[signal.sql_type]
    if signal.is_array:
        return signal.alias, kind, length
    return signal.alias, "real" if kind == "int2" else kind, 0


def _expression(signal: Signal, length: int) -> sql.Composable:
    """Return a column without NULL, each array as long as all others."""
    column = sql.Identifier(signal.column)
    if not signal.is_array:
        cast = sql.SQL("::real" if signal.sql_type == "smallint" else "")
        return sql.SQL("coalesce({}{}, 'NaN')").format(column, cast)
    # quoted: a bare -32768::smallint is the negative of a number that is out of range
    kind, none = ("smallint", str(_NONE)) if signal.sql_type == "smallint" else ("real", "NaN")
    missing = sql.SQL("{}::{}").format(sql.Literal(none), sql.SQL(kind))
    filled = sql.SQL("array_replace({}, NULL, {})").format(column, missing)
    nothing = sql.SQL("array_fill({}, ARRAY[{}])").format(missing, length)
    is_whole = sql.SQL("cardinality({}) = {}").format(column, length)
    if signal.shape == "wheel":
        return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(is_whole, filled, nothing)
    return sql.SQL("CASE WHEN {} THEN {} ELSE ({} || {})[1:{}] END").format(
        is_whole, filled, filled, nothing, length
    )


def _values(rows: np.ndarray[Any, np.dtype[Any]], signal: Signal) -> FloatArray:
    values = arrays(rows, signal.alias) if signal.is_array else scalars(rows, signal.alias)
    if signal.is_array and signal.sql_type == "smallint":
        return np.where(values == _NONE, np.nan, values / signal.scale)
    return values if signal.scale == 1 else values / signal.scale


def _family_rows(
    family: Family,
    vehicle_id: int | IntArray,
    time_us: IntArray,
    columns: Mapping[str, FloatArray],
    first_cell: IntArray | None = None,
) -> FamilyRows:
    return FamilyRows(
        family=family,
        vehicle_id=np.full(len(time_us), vehicle_id, dtype=np.int32),
        time_us=time_us,
        sent_us=time_us,
        received_us=time_us,
        is_hist=np.zeros(len(time_us), dtype=np.bool_),
        columns=columns,
        first_cell=None if first_cell is None else first_cell.astype(np.int16),
    )
