"""Truth tables of simulated fleets, as ``anxin simulate --truth`` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from data.records import Severity, Truth, Vin
from models.errors import EvaluationError


def parse_truths(text: str, vehicles: Mapping[str, int]) -> list[Truth]:
    """Return the truths of known vehicles; those of others are left out.

    Args:
        text: JSON, a list with one entry a fault or decoy.
        vehicles: Number of each vehicle by VIN.

    Raises:
        EvaluationError: It is not such a list; names the entry and the field.
    """
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise EvaluationError(f"truth: not JSON ({error})") from error
    if not isinstance(entries, list):
        raise EvaluationError("truth: must be a list")
    return [
        _truth(number, entry, vehicles[entry["vin"]])
        for number, entry in enumerate(entries)
        if isinstance(entry, dict) and entry.get("vin") in vehicles
    ]


def _truth(number: int, entry: Mapping[str, Any], vehicle: int) -> Truth:
    try:
        return Truth(
            vehicle=vehicle,
            vin=Vin(entry["vin"]),
            component=str(entry["component"]),
            kind=str(entry["kind"]),
            is_fault=bool(entry["is_fault"]),
            onset=datetime.fromisoformat(entry["onset"]),
            threshold_at=_time(entry.get("threshold_at")),
            failure_at=_time(entry.get("failure_at")),
            severity=Severity(entry["severity"]) if entry.get("severity") else None,
            magnitude=float(entry.get("magnitude", "nan")),
            unit=str(entry.get("unit", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EvaluationError(f"truth entry {number}: {type(error).__name__} {error}") from error


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
