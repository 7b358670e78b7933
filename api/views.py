"""Rows of the database as the shapes that callers see. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from alerts.prices.pricing import lines_from, shares_of
from api import finding_schemas, notice_schemas, order_schemas, vehicle_schemas
from api.roles import FLEET, Principal, Role
from data.catalogue import PLACE_SIGNALS, Catalogue, load_catalogue

LIVE_WITHIN = timedelta(minutes=15)
#: Names of bus signals that tell it, too, where a model maps none of them to a position.
_PLACE = re.compile(r"gps|gnss|latitude|longitude|(?:^|[._])(?:lat|lon|long|lng)(?:[._]|$)", re.IGNORECASE)
SILENT_AFTER = timedelta(days=1)


def age_s(then: datetime | None, now: datetime) -> float | None:
    """Return how old a sample is, seconds, to a tenth."""
    return None if then is None else round((now - then).total_seconds(), 1)


def tells_place(signal: str) -> bool:
    """Tell whether a DBC signal says by its name where the vehicle is."""
    return _PLACE.search(signal) is not None


def build_hours(row: Mapping[str, Any]) -> finding_schemas.Hours | None:
    """Return time to threshold, or None where the row has none."""
    if row.get("ttt_p50_h") is None:
        return None
    return finding_schemas.Hours(p10=row["ttt_p10_h"], p50=row["ttt_p50_h"], p90=row["ttt_p90_h"])


def build_vehicle(row: Mapping[str, Any], *, now: datetime) -> vehicle_schemas.Vehicle:
    """Return a vehicle with its newest readings."""
    latest: dict[str, dict[str, Any]] = row["latest"] or {}
    times = {family: datetime.fromisoformat(entry["time"]) for family, entry in latest.items()}
    live = [datetime.fromisoformat(e["live_time"]) for e in latest.values() if e["live_time"]]
    newest = max(times, key=lambda family: times[family], default=None)
    catalogue = load_catalogue()
    readings = {
        alias: vehicle_schemas.Reading(
            value=value,
            unit=_unit(catalogue, alias),
            time=times[family],
            age_s=age_s(times[family], now),
            origin=entry["origin"],
        )
        for family, entry in latest.items()
        for alias, value in entry["readings"].items()
        if (isinstance(value, (int, float, list)) or value is None)
        and not (row["is_masked"] and alias in PLACE_SIGNALS)
    }
    return vehicle_schemas.Vehicle(
        vin=row["vin"],
        plate=row["plate"],
        model=vehicle_schemas.ModelInfo(
            id=row["model_id"],
            name=row["model_name"],
            chemistry=row["chemistry"],
            cell_count=row["cell_count"],
            probe_count=row["probe_count"],
            capacity_ah=row["capacity_ah"],
            energy_kwh=row["energy_kwh"],
            wheels=row["wheels"],
            placard_kpa=row["placard_kpa"],
        ),
        time_zone=row["time_zone"],
        firmware=row["firmware"],
        in_service_on=row["in_service_on"],
        state=_state(max(live, default=None), times.get(newest) if newest else None, now),
        is_online=row["is_online"],
        age_s=age_s(times[newest], now) if newest else None,
        origin=latest[newest]["origin"] if newest else None,
        position=_position(readings),
        readings=readings,
        families={
            family: vehicle_schemas.FamilyState(
                time=times[family],
                age_s=age_s(times[family], now),
                is_hist=entry["is_hist"],
                live_time=entry["live_time"],
                origin=entry["origin"],
            )
            for family, entry in latest.items()
        },
        open_alerts=row["open_alerts"],
        worst_severity=row["worst_severity"],
        order_id=row["order_id"],
        missing_messages=row["missing_messages"],
    )


def _unit(catalogue: Catalogue, alias: str) -> str:
    signal = catalogue.signals.get(alias)
    return signal.unit if signal else ""


def _state(live: datetime | None, newest: datetime | None, now: datetime) -> Any:
    if live and now - live <= LIVE_WITHIN:
        return "live"
    return "silent" if newest is None or now - newest > SILENT_AFTER else "late"


def _position(readings: Mapping[str, vehicle_schemas.Reading]) -> vehicle_schemas.Position | None:
    lat, lon = readings.get("latitude"), readings.get("longitude")
    if (
        lat is None
        or lon is None
        or not isinstance(lat.value, float | int)
        or not isinstance(lon.value, float | int)
    ):
        return None
    return vehicle_schemas.Position(
        lat=lat.value, lon=lon.value, time=lat.time, age_s=lat.age_s, origin=lat.origin
    )


def build_prediction(row: Mapping[str, Any], *, now: datetime) -> finding_schemas.Prediction:
    """Return a prediction."""
    names = finding_schemas.Prediction.model_fields.keys() & row.keys()
    return finding_schemas.Prediction(
        **{name: row[name] for name in names},
        time_to_threshold_h=build_hours(row),
        age_s=age_s(row["data_time"], now),
    )


def build_alert(row: Mapping[str, Any], *, now: datetime) -> finding_schemas.Alert:
    """Return an alert with its newest evidence."""
    names = (finding_schemas.Alert.model_fields.keys() & row.keys()) - {"reasons"}
    return finding_schemas.Alert(
        **{name: row[name] for name in names},
        reasons=row["reasons"] or [],
        time_to_threshold_h=build_hours(row),
        age_s=age_s(row["last_seen"], now),
    )


def build_order(
    row: Mapping[str, Any],
    *,
    now: datetime,
    details: tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]] | None = None,
) -> order_schemas.Order:
    """Return an order; with ``details`` (lines, events, bookings) the whole of it."""
    lines, events, bookings = details or (None, None, None)
    names = (order_schemas.Order.model_fields.keys() & row.keys()) - {"events", "bookings"}
    station = None
    if row["station_id"] is not None:
        station = {
            "code": row["station_code"],
            "name_en": row["station_name_en"],
            "name_zh": row["station_name_zh"],
            "city": row["city"],
            "address": row["address"],
            "lat": row["station_lat"],
            "lon": row["station_lon"],
            "has_hv_certificate": row["has_hv_certificate"],
        }
    return order_schemas.Order(
        **{name: row[name] for name in names},
        model=row["model_name"],
        owner=row["owner_name"],
        station=station,
        price=order_schemas.Price(
            currency=row["currency"],
            total=row["total"],
            customer_total=row["customer_total"],
            shares=None if lines is None else build_shares(lines),
            lines=None if lines is None else [order_schemas.OrderLine(**line) for line in lines],
        ),
        time_to_threshold_h=build_hours(row),
        age_s=age_s(row["data_time"], now),
        events=events,
        bookings=bookings,
    )


def build_shares(lines: Sequence[Mapping[str, Any]]) -> list[order_schemas.PayerShare]:
    """Return what each payer pays of the lines of a price."""
    return [
        order_schemas.PayerShare(payer=share.payer, net=share.net, tax=share.tax, total=share.total)
        for share in shares_of(lines_from(lines))
    ]


def build_station(row: Mapping[str, Any], principal: Principal) -> order_schemas.Station:
    """Return a station; who works there and what lies in stock is for the station and operations only."""
    is_inside = principal.role in FLEET or (
        principal.role is Role.STATION and principal.station_id == row["station_id"]
    )
    hidden = {} if is_inside else {"technicians": None, "stock": None}
    return order_schemas.Station(**{**row, **hidden})


def build_warning(row: Mapping[str, Any]) -> notice_schemas.OwnerWarning:
    """Return a warning in both languages."""
    names = notice_schemas.OwnerWarning.model_fields.keys() & row.keys()
    return notice_schemas.OwnerWarning(
        **{name: row[name] for name in names},
        title={"en": row["title_en"], "zh": row["title_zh"]},
        body={"en": row["body_en"], "zh": row["body_zh"]},
    )
