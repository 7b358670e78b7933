"""Shares with their uncertainty, and the shapes of the reports. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from math import sqrt
from typing import Any

from pydantic import Field

from api.schemas import Shape

#: One or two failures make no batch conspicuous, however small it is (experience).
_LEAST_FAILED = 3
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


class Failures(Shape):
    """How many vehicles of a group had a confirmed failure, beside the whole fleet."""

    failure_mode: str
    group: str = Field(description="model, batch, firmware or supplier", examples=["anxin-sedan-96-ncm R/0"])
    failures: int = Field(description="confirmed by technicians")
    vehicles: Share = Field(description="vehicles of the group that had one")
    fleet: Share = Field(description="vehicles of the whole fleet that had one")
    is_conspicuous: bool = Field(
        description="three vehicles or more, and the whole interval lies above the fleet's share"
    )


class Guarantee(Shape):
    """A vehicle near the limits of the buyer's guarantee, or beyond them."""

    vin: str
    model: str
    repair_days: float = Field(description="in the workshop, waits for parts among them")
    repairs: int = Field(description="of the fault that was repaired most often")
    component: str | None
    failure_mode: str | None
    in_service_on: date | None = Field(description="null: not known, and everything counts")
    odometer_km: float | None
    is_in_term: bool | None = Field(
        description="it holds today; what happened within it counts afterwards, too; null: not known"
    )
    is_over_days: bool
    is_over_repairs: bool


class GuaranteeReport(Shape):
    """Vehicles that their buyers may give back or have exchanged, or may soon."""

    items: list[Guarantee]


class FailureReport(Shape):
    """Fleet-wide failure statistics, the most affected group first."""

    items: list[Failures]


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


def build_guarantee(row: Mapping[str, Any], *, most_days: int, most_repairs: int) -> Guarantee:
    """Return one line of the report; the limits themselves are not yet beyond them."""
    days = round(row["repair_days"], 2)
    return Guarantee(
        **{**row, "repair_days": days},
        is_over_days=days > most_days,
        is_over_repairs=row["repairs"] > most_repairs,
    )


def build_failures(row: Mapping[str, Any]) -> Failures:
    """Return one line of the report."""
    group, fleet = (
        share(row["failed_vehicles"], row["vehicles"]),
        share(row["fleet_failed_vehicles"], row["fleet_vehicles"]),
    )
    return Failures(
        failure_mode=row["failure_mode"],
        group=row["label"],
        failures=row["failures"],
        vehicles=group,
        fleet=fleet,
        is_conspicuous=group.count >= _LEAST_FAILED and (group.low or 0.0) > (fleet.value or 0.0),
    )
