"""Remote diagnosis as callers see it: what was asked of a vehicle, and what it said. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from api.schemas import Age, Shape
from data.catalogue import Signal, load_catalogue


class ReadingsAsked(Shape):
    """What a technician wants to know from the vehicle."""

    signals: list[str] = Field(
        min_length=1, max_length=20, description="catalogue aliases", examples=[["tire.pressure", "soc"]]
    )


class AnsweredReading(Shape):
    """One value as the vehicle told it."""

    signal: str = Field(examples=["soc"])
    unit: str
    value: float | list[float | None]
    elements: list[str] | None = Field(
        description="which wheels, in the order of the values; null for others"
    )
    time: datetime | None = Field(description="when the vehicle's sensor said so, by the vehicle's clock")
    age_s: Age
    is_plausible: bool = Field(description="false: outside of the range that the catalogue allows")


class ReadingRequest(Shape):
    """One question to a vehicle; a vehicle that says nothing until it expires is silent."""

    request_id: UUID
    signals: list[str]
    state: Literal["waiting", "answered", "silent"]
    asked_at: datetime
    asked_by: str
    sent_at: datetime | None = Field(description="handed to the broker")
    expires_at: datetime
    answered_at: datetime | None
    values: list[AnsweredReading]
    missing: list[str] = Field(description="asked for, but the vehicle has no such value")


class ReadingRequests(Shape):
    """Questions to the vehicle of an order, newest first."""

    items: list[ReadingRequest]


def build_request(row: Mapping[str, Any], *, now: datetime) -> ReadingRequest:
    """Return a request; ``answer`` of the row is what the vehicle sent, which may be anything."""
    told = row["answer"].get("s") if isinstance(row["answer"], dict) else None
    values = [
        reading
        for alias in row["signals"]
        if isinstance(told, dict)
        and (reading := _reading(alias, told.get(alias), row["wheels"], now)) is not None
    ]
    is_answered = row["answered_at"] is not None
    state: Literal["waiting", "answered", "silent"] = "waiting" if row["expires_at"] > now else "silent"
    heard = {reading.signal for reading in values}
    return ReadingRequest(
        **{
            name: row[name]
            for name in ("request_id", "signals", "asked_at", "asked_by", "sent_at", "expires_at")
        },
        state="answered" if is_answered else state,
        answered_at=row["answered_at"],
        values=values,
        missing=[alias for alias in row["signals"] if is_answered and alias not in heard],
    )


def _reading(alias: str, told: object, wheels: Sequence[str], now: datetime) -> AnsweredReading | None:
    signal = load_catalogue().signals.get(alias)
    if signal is None or not isinstance(told, dict):
        return None
    value = _value(signal, told.get("v"))
    if value is None:
        return None
    time, numbers = _time(told.get("t")), value if isinstance(value, list) else [value]
    return AnsweredReading(
        signal=alias,
        unit=signal.unit,
        value=value,
        elements=list(wheels) if signal.shape == "wheel" and len(numbers) == len(wheels) else None,
        time=time,
        age_s=None if time is None else round((now - time).total_seconds(), 1),
        is_plausible=all(n is None or signal.low <= n <= signal.high for n in numbers),
    )


def _value(signal: Signal, told: object) -> float | list[float | None] | None:
    """Return a value of the signal's shape, None where it is none."""
    if signal.is_array:
        numbers = [_number(element) for element in told] if isinstance(told, list) else []
        return numbers if any(n is not None for n in numbers) else None
    return _number(told)


def _number(told: object) -> float | None:
    is_number = isinstance(told, int | float) and not isinstance(told, bool) and abs(told) < 1e12
    return float(told) if is_number and isfinite(told) else None  # type: ignore[arg-type]  # it is a number here


def _time(told: object) -> datetime | None:
    if not isinstance(told, int) or not 0 < told < 4_102_444_800_000:  # up to 2100
        return None
    return datetime.fromtimestamp(told / 1000, UTC)
