"""Database rows to values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec

from alerts.alarms import AlarmEvent
from alerts.facts import Order, VehicleFacts
from alerts.orders.states import OrderState
from alerts.policy import Alert, AlertState
from alerts.rules import Mode
from data.records import FailureMode, Origin, Prediction, Quantiles, Reason, Severity
from data.warranty import Warranty, WarrantyTerm

_REASON_FIELDS = frozenset(f.name for f in fields(Reason))
_ALARM = tuple(f.name for f in fields(AlarmEvent))
_SAME = (
    "prediction_id", "vehicle_id", "component", "probability", "horizon_h", "predicted_at", "data_time",
    "since", "window_from", "window_to", "model_version", "is_fresh",
)  # fmt: skip


def prediction_from(row: Mapping[str, Any]) -> Prediction | None:
    """Return the prediction of a row; None for a failure mode or reason that this version does not know."""
    quantiles = [row["ttt_p10_h"], row["ttt_p50_h"], row["ttt_p90_h"]]
    try:
        return Prediction(
            **{name: row[name] for name in _SAME},
            failure_mode=FailureMode(row["failure_mode"]),
            severity=Severity(row["severity"]),
            time_to_threshold_h=None
            if None in quantiles
            else Quantiles(p10=quantiles[0], p50=quantiles[1], p90=quantiles[2]),
            reasons=tuple(
                Reason(**{k: v for k, v in reason.items() if k in _REASON_FIELDS})
                for reason in row["reasons"]
            ),
            origin=Origin(row["origin"]),
        )
    except (ValueError, TypeError):
        return None


def alert_from(row: Mapping[str, Any]) -> Alert:
    """Return the alert of a row."""
    return Alert(
        **{
            **row,
            "failure_mode": FailureMode(row["failure_mode"]),
            "severity": Severity(row["severity"]),
            "state": AlertState(row["state"]),
        }
    )


def alarm_from(row: Mapping[str, Any]) -> AlarmEvent:
    """Return the alarm of a row."""
    return AlarmEvent(**{name: row[name] for name in _ALARM})


def order_from(row: Mapping[str, Any]) -> Order:
    """Return the order of a row."""
    return Order(
        **{
            **row,
            "failure_mode": FailureMode(row["failure_mode"]),
            "severity": Severity(row["severity"]),
            "state": OrderState(row["state"]),
        }
    )


def vehicle_from(row: Mapping[str, Any]) -> VehicleFacts:
    """Return the vehicle of a row."""
    return VehicleFacts(
        vehicle_id=row["vehicle_id"],
        tenant_id=row["tenant_id"],
        tenant=row["tenant"],
        vin=row["vin"],
        model_id=row["model_id"],
        time_zone=row["time_zone"],
        owner_id=row["owner_id"],
        home=None if row["home_lat"] is None else (row["home_lat"], row["home_lon"]),
        position=None if row["lat"] is None or row["lon"] is None else (row["lat"], row["lon"]),
        energy_kwh=row["energy_kwh"],
        soc_percent=row["soc"],
        soh_percent=row["soh"],
        origin=Origin(row["origin"]),
        ambient_c=row["ambient"],
        preferred_station_id=row["preferred_station_id"],
        preferred_mode=None if row["preferred_mode"] is None else Mode(row["preferred_mode"]),
        in_service_on=row["in_service_on"],
        odometer_km=row["odometer"],
        warranty=msgspec.convert(row["warranty"], dict[Warranty, WarrantyTerm]),
    )
