"""Stored readings back as the arrays that decoders made: catalogue aliases, catalogue units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

import numpy as np

from data.catalogue import load_catalogue
from data.db import Connection, load_queries
from data.records import Family, FamilyRows, FloatArray, IntArray
from models.binary import arrays, parse_rows, row_type, scalars, times, whole
from models.features.days import to_datetime

_SQL = load_queries("models")
_NONE_MV = -1
_NONE_DDEGC = -32768
_DRIVE_ALIASES = ("speed", "pack.current", "soc", "charging", "ambient", "barometer", "altitude")
_WHEEL_ALIASES = ("tire.pressure", "tire.temperature", "tire.age")
_AIR_ALIASES = ("ambient", "barometer", "altitude")


def fetch_drive_rows(connection: Connection, vehicle_id: int, begin_us: int, end_us: int) -> FamilyRows:
    """Return what features need of the drive rows of one vehicle, ascending in time."""
    layout = row_type([("time", "timestamptz", 0), *((alias, "real", 0) for alias in _DRIVE_ALIASES)])
    rows = _copy(connection, _SQL["copy_drive_rows"], _span(vehicle_id, begin_us, end_us), layout)
    columns = {alias: scalars(rows, alias) for alias in _DRIVE_ALIASES}
    return _family_rows(Family.DRIVE, vehicle_id, times(rows, "time"), columns)


def fetch_tire_rows(
    connection: Connection, vehicle_id: int, begin_us: int, end_us: int, n_wheels: int
) -> FamilyRows:
    """Return the tire rows of one vehicle, ascending in time."""
    layout = row_type([("time", "timestamptz", 0), *((alias, "real", n_wheels) for alias in _WHEEL_ALIASES)])
    params = {**_span(vehicle_id, begin_us, end_us), "width": n_wheels}
    rows = _copy(connection, _SQL["copy_tire_rows"], params, layout)
    columns = {alias: arrays(rows, alias) for alias in _WHEEL_ALIASES}
    return _family_rows(Family.TIRE, vehicle_id, times(rows, "time"), columns)


def fetch_cell_rows(
    connection: Connection, vehicle_id: int, begin_us: int, end_us: int, cell_count: int
) -> FamilyRows:
    """Return the cell rows of one vehicle on the features' grid: V, and °C of the first probe."""
    catalogue = load_catalogue().signals
    span = _span(vehicle_id, begin_us, end_us)
    moments: list[IntArray] = []
    volts: list[FloatArray] = []
    probes: list[FloatArray] = []
    firsts: list[IntArray] = []
    for first, width in connection.execute(_SQL["fetch_cell_frames"], span).fetchall():
        layout = row_type([("time", "timestamptz", 0), ("voltage", "int2", width), ("probe", "int2", 0)])
        params = {**span, "first_cell": first, "width": width}
        rows = _copy(connection, _SQL["copy_cell_rows"], params, layout)
        raw = arrays(rows, "voltage")[:, :cell_count]
        wide = np.full((len(rows), cell_count), np.nan)
        wide[:, : raw.shape[1]] = np.where(raw == _NONE_MV, np.nan, raw / catalogue["cell.voltage"].scale)
        probe = scalars(rows, "probe")
        moments.append(times(rows, "time"))
        volts.append(wide)
        probes.append(
            np.where(probe == _NONE_DDEGC, np.nan, probe / catalogue["cell.temperature"].scale)[:, None]
        )
        firsts.append(np.full(len(rows), first, dtype=np.int64))
    if not moments:
        moments, volts = [np.zeros(0, dtype=np.int64)], [np.zeros((0, cell_count))]
        probes, firsts = [np.zeros((0, 1))], [np.zeros(0, dtype=np.int64)]
    order = np.argsort(np.concatenate(moments), kind="stable")
    columns = {
        "cell.voltage": np.concatenate(volts)[order],
        "cell.temperature": np.concatenate(probes)[order],
    }
    time_us, first_cell = np.concatenate(moments)[order], np.concatenate(firsts)[order]
    return _family_rows(Family.CELL, vehicle_id, time_us, columns, first_cell)


def fetch_recent_rows(
    connection: Connection, vehicle_ids: list[int], begin_us: int, end_us: int, n_wheels: int
) -> tuple[FamilyRows, FamilyRows]:
    """Return tire rows and surroundings of many vehicles: tires by time, drive by vehicle and time."""
    params = {
        "vehicle_ids": vehicle_ids,
        "begin": to_datetime(begin_us),
        "end": to_datetime(end_us),
        "width": n_wheels,
    }
    key = [("vehicle", "int4", 0), ("time", "timestamptz", 0)]
    layout = row_type([*key, *((alias, "real", n_wheels) for alias in _WHEEL_ALIASES)])
    tire = _copy(connection, _SQL["copy_recent_tires"], params, layout)
    layout = row_type([*key, *((alias, "real", 0) for alias in _AIR_ALIASES)])
    drive = _copy(connection, _SQL["copy_recent_surroundings"], params, layout)
    return (
        _family_rows(
            Family.TIRE,
            whole(tire, "vehicle"),
            times(tire, "time"),
            {alias: arrays(tire, alias) for alias in _WHEEL_ALIASES},
        ),
        _family_rows(
            Family.DRIVE,
            whole(drive, "vehicle"),
            times(drive, "time"),
            {alias: scalars(drive, alias) for alias in _AIR_ALIASES},
        ),
    )


def _copy(
    connection: Connection, query: LiteralString, params: Mapping[str, object], layout: np.dtype[Any]
) -> np.ndarray[Any, np.dtype[Any]]:
    with connection.cursor().copy(query, params) as copy:
        data = b"".join(bytes(block) for block in copy)
    return parse_rows(data, layout)


def _span(vehicle_id: int, begin_us: int, end_us: int) -> dict[str, object]:
    return {"vehicle_id": vehicle_id, "begin": to_datetime(begin_us), "end": to_datetime(end_us)}


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
