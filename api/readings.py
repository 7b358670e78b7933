"""Readings of one vehicle as columns, thinned out in the database to what a plot can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from api import store_readings, store_rolled, vehicle_schemas
from api.errors import BadRequest
from api.store_readings import Span
from api.store_rolled import RolledSpan
from api.views import age_s, tells_place
from data.catalogue import PLACE_SIGNALS, TABLES, Signal, load_catalogue
from data.db import Connection, Row
from data.records import Family
from data.rollups import HOUR, MOST_WHEELS

#: Families that have columns over time.
PLOTTED = (Family.DRIVE, Family.TIRE, Family.CELL, Family.SIGNAL)
LONGEST = timedelta(days=400)
#: In one answer: many signals get fewer points each.
MOST_VALUES = 100_000
_TABLES = {**TABLES, Family.SIGNAL: "signal_readings"}


def build_span(
    vehicle: Row, family: Family, since: datetime | None, until: datetime | None, now: datetime
) -> Span:
    """Return the span asked for; by default the day before the newest sample.

    Raises:
        BadRequest: A time without zone, ``from`` not before ``to``, or more than 400 days.
    """
    for name, value in (("from", since), ("to", until)):
        if value is not None and value.tzinfo is None:
            raise BadRequest(f"{name} {value.isoformat()!r}: must carry a time zone, such as Z or +08:00")
    visible = vehicle["visible_since"]
    newest = ((vehicle["latest"] or {}).get(str(family)) or {}).get("time")
    last = until or (datetime.fromisoformat(newest) if newest else now)
    try:
        first = since or last - timedelta(days=1)
    except OverflowError:
        raise BadRequest(f"to {last.isoformat()!r}: must be later than the first day of year 1") from None
    if visible is not None:  # what is older is the former owner's
        first, last = max(first, visible), max(last, visible + timedelta(microseconds=1))
    if first >= last:
        raise BadRequest(f"from {first.isoformat()!r}: must be before to {last.isoformat()!r}")
    if last - first > LONGEST:
        raise BadRequest(f"from {first.isoformat()!r}: must be within {LONGEST.days} days of to")
    return Span(vehicle_id=vehicle["vehicle_id"], since=first, until=last)


def thin(
    connection: Connection, family: Family, span: Span, *, max_points: int, wheels: int
) -> tuple[Span, float | None]:
    """Return the span with a bucket width for about ``max_points``, and that width in seconds.

    Points five minutes or more apart come from the rollups, which makes the answer to a year as quick as
    the answer to a day; buckets are then a multiple of five minutes or of an hour.
    """
    width = max((span.until - span.since) / max_points, timedelta(milliseconds=1))
    rolled, has_older = _roll(connection, family, span, width=width, wheels=wheels)
    if not has_older:
        limit = max_points + 1
        if store_readings.fetch_row_count(connection, _TABLES[family], span, limit=limit) <= max_points:
            return span, None
    chosen = rolled or Span(vehicle_id=span.vehicle_id, since=span.since, until=span.until, stride=width)
    return chosen, round(chosen.stride.total_seconds(), 3)


def _roll(
    connection: Connection, family: Family, span: Span, *, width: timedelta, wheels: int
) -> tuple[RolledSpan | None, bool]:
    """Return the span on its rollup, if it has one, and whether that goes back further than readings."""
    rollup, unit = store_rolled.find_rollup(family), store_rolled.find_unit(width)
    if rollup is None or unit is None or (family is Family.TIRE and wheels > MOST_WHEELS):
        return None, False
    relation = rollup.hours if unit == HOUR else rollup.five_minutes
    held = store_rolled.fetch_rolled_until(connection, rollup, relation, span)
    if held["until"] is None:
        return None, False
    rolled = RolledSpan.cut(span, relation, unit, width=width, until=held["until"])
    return rolled, bool(held["has_older"])


def _count_signals(connection: Connection, span: Span, signals: Sequence[str] | None) -> int:
    rolled, _ = _roll(connection, Family.SIGNAL, span, width=(span.until - span.since) / 24, wheels=0)
    if rolled:
        return store_rolled.fetch_signal_count(connection, rolled, signals)
    return store_readings.fetch_signal_count(connection, span, signals)


def pick_signals(family: Family, names: Sequence[str] | None) -> tuple[Signal, ...]:
    """Return the catalogue signals of a family, all or the named ones.

    Raises:
        BadRequest: A name is not of the family; lists the choices.
    """
    signals = load_catalogue().of_family(family)
    if names is None:
        return signals
    known = {signal.alias: signal for signal in signals}
    for name in names:
        if name not in known:
            raise BadRequest(f"signals {name[:40]!r}: must be among {', '.join(known)}")
    return tuple(known[name] for name in names)


def fetch_readings(
    connection: Connection,
    vehicle: Row,
    family: Family,
    span: Span,
    *,
    signals: Sequence[str] | None,
    max_points: int,
    now: datetime,
) -> vehicle_schemas.Readings | vehicle_schemas.CellReadings:
    """Return the readings of one family in the span."""
    if family is Family.SIGNAL:
        count = _count_signals(connection, span, signals)
        max_points = max(10, min(max_points, MOST_VALUES // max(1, count)))
    wheels = vehicle["wheels"]
    span, bucket_s = thin(connection, family, span, max_points=max_points, wheels=len(wheels))
    latest: Mapping[str, Any] = (vehicle["latest"] or {}).get(str(family)) or {}
    newest = datetime.fromisoformat(latest["time"]) if latest else None
    about = {
        "vin": vehicle["vin"],
        "family": str(family),
        "bucket_s": bucket_s,
        "origin": latest.get("origin"),
        "age_s": age_s(newest, now),
    }
    if family is Family.CELL:
        fetch_cells = store_readings.fetch_cell_samples if bucket_s is None else store_rolled.fetch_cells
        return vehicle_schemas.CellReadings(**about, **cell_columns(fetch_cells(connection, span)))
    rolled = span if isinstance(span, RolledSpan) else None
    if family is Family.TIRE:
        columns = tire_columns(
            store_rolled.fetch_tire(connection, rolled, wheels=len(wheels))
            if rolled
            else store_readings.fetch_tire_buckets(connection, span),
            wheels,
        )
    elif family is Family.DRIVE:
        chosen = pick_signals(family, signals)
        if vehicle["is_masked"]:
            chosen = tuple(signal for signal in chosen if signal.alias not in PLACE_SIGNALS)
        columns = drive_columns(
            store_rolled.fetch_drive(connection, rolled, chosen)
            if rolled
            else store_readings.fetch_drive_buckets(connection, span, chosen),
            chosen,
        )
    else:
        rows = (
            store_rolled.fetch_signal(connection, rolled, signals)
            if rolled
            else store_readings.fetch_signal_buckets(connection, span, signals)
        )
        is_masked = vehicle["is_masked"]
        columns = signal_columns([r for r in rows if not (is_masked and tells_place(r["signal"]))])
    if bucket_s is None:
        columns = {**columns, "low": {}, "high": {}}
    return vehicle_schemas.Readings(**about, **columns)


def milliseconds(time: datetime) -> int:
    """Return milliseconds since 1970 UTC."""
    return round(time.timestamp() * 1000)


def drive_columns(rows: Sequence[Row], signals: Sequence[Signal]) -> Row:
    """Return the columns of scalar signals; those never heard in the span are left out."""
    heard = [(i, s) for i, s in enumerate(signals) if any(row[f"m{i}"] is not None for row in rows)]
    return {
        "time": [milliseconds(row["time"]) for row in rows],
        "series": {s.alias: [row[f"m{i}"] for row in rows] for i, s in heard},
        "low": {s.alias: [row[f"l{i}"] for row in rows] for i, s in heard},
        "high": {s.alias: [row[f"h{i}"] for row in rows] for i, s in heard},
        "units": {s.alias: s.unit for _, s in heard},
    }


def tire_columns(rows: Sequence[Row], wheels: Sequence[str]) -> Row:
    """Return the columns ``tire.pressure:front-left`` … and ``tire.temperature:…``."""
    buckets: dict[datetime, int] = {}
    times: list[int] = []
    for row in rows:
        if row["bucket"] not in buckets:
            buckets[row["bucket"]] = len(times)
            times.append(milliseconds(row["time"]))
    units = {"tire.pressure": "kPa", "tire.temperature": "°C"}
    columns: Row = {"time": times, "series": {}, "low": {}, "high": {}, "units": {}}
    parts = {"series": "", "low": "_low", "high": "_high"}
    for alias, unit in units.items():
        for wheel in wheels:
            columns["units"][f"{alias}:{wheel}"] = unit
            for part in parts:
                columns[part][f"{alias}:{wheel}"] = [None] * len(times)
        column = alias.removeprefix("tire.")
        for row in rows:
            if row["wheel"] <= len(wheels):
                for part, ending in parts.items():
                    columns[part][f"{alias}:{wheels[row['wheel'] - 1]}"][buckets[row["bucket"]]] = row[
                        column + ending
                    ]
    return columns


def cell_columns(rows: Sequence[Row]) -> Row:
    """Return cell voltages and probe temperatures; blocks and sub-packs of one instant side by side."""
    voltage: dict[datetime, list[float | None]] = {}
    temperature: dict[datetime, list[float | None]] = {}
    for row in rows:
        cells = voltage.setdefault(row["time"], [])
        if row["sub_pack"] == 1:  # a block that is not here leaves its cells empty, not to the next block
            cells += [None] * (row["first_cell"] - 1 - len(cells))
        cells += [None if v is None else v / 1000 for v in row["voltage_mv"] or ()]
        probes = temperature.setdefault(row["time"], [])
        probes += [None if t is None else t / 10 for t in row["temperature_ddegc"] or ()]
    return {
        "time": [milliseconds(time) for time in voltage],
        "voltage": list(voltage.values()),
        "temperature": list(temperature.values()),
        "units": {"voltage": "V", "temperature": "°C"},
    }


def signal_columns(rows: Sequence[Row]) -> Row:
    """Return DBC signals on the union of their times."""
    times = sorted({milliseconds(row["time"]) for row in rows})
    index = {time: i for i, time in enumerate(times)}
    columns: Row = {"time": times, "series": {}, "low": {}, "high": {}, "units": {}}
    for row in rows:
        at = index[milliseconds(row["time"])]
        for part, column in (("series", "value"), ("low", "low"), ("high", "high")):
            columns[part].setdefault(row["signal"], [None] * len(times))[at] = row[column]
    return columns
