"""Shares with their uncertainty, and the shapes of the reports. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

from pydantic import Field

from api.schemas import Shape

_Z = 1.959963984540054  # two-sided 95 % of the normal distribution


class Share(Shape):
    """A part of a number of cases."""

    count: int
    of: int
    value: float | None = Field(description="count / of; null without cases")
    low: float | None = Field(description="95 % interval after Wilson")
    high: float | None


class Precision(Shape):
    """What became of the orders that one version of a predictor led to."""

    failure_mode: str
    model_version: str
    station: str | None = Field(description="null: all stations together")
    confirmed: int
    other: int
    no_fault_found: int
    precision: Share
    warning_stars: float | None


class Service(Shape):
    """How a station repairs what it is sent."""

    station: str
    ended: int
    first_time_fix: Share
    promise_kept: Share
    no_fault_found: Share
    rated: int
    station_stars: float | None


class PrecisionReport(Shape):
    """Live precision per predictor, version and station."""

    items: list[Precision]


class ServiceReport(Shape):
    """Quality of repair per station."""

    items: list[Service]


def share(count: int, of: int) -> Share:
    """Return a share with its score interval (Wilson 1927, J. Am. Stat. Assoc. 22: 209-212)."""
    if of == 0:
        return Share(count=count, of=of, value=None, low=None, high=None)
    p, z2 = count / of, _Z * _Z
    middle = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * sqrt(p * (1 - p) / of + z2 / (4 * of * of))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Share(count=count, of=of, value=round(p, 4), low=round(low, 4), high=round(high, 4))


def build_precision(row: Mapping[str, Any]) -> Precision:
    """Return one line of the report; a fault that was not the predicted one does not count as right."""
    total = row["confirmed"] + row["other"] + row["no_fault_found"]
    return Precision(**row, precision=share(row["confirmed"], total))


def build_service(row: Mapping[str, Any]) -> Service:
    """Return one line of the report."""
    return Service(
        station=row["station"],
        ended=row["ended"],
        first_time_fix=share(row["fixed_first_time"], row["repaired"]),
        promise_kept=share(row["kept"], row["promised"]),
        no_fault_found=share(row["no_fault_found"], row["ended"]),
        rated=row["rated"],
        station_stars=row["station_stars"],
    )
