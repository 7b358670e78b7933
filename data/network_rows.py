"""The entries of a service network, their canonical form and their rules. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from data.errors import ReferenceDataError
from data.reference_rows import (
    BayRow,
    Fees,
    HoursRow,
    JobRow,
    OperationRow,
    PartRow,
    ShiftRow,
    Skill,
    Text,
    check_time_zone,
)

_LONGEST = 200


class NetworkBay(BayRow):
    """A work position; a closed one gets no appointments."""

    is_open: bool = True


class NetworkTechnician(Struct, forbid_unknown_fields=True):
    """A technician; ``shift`` names an entry of ``shifts`` or holds the stretches themselves."""

    name: Text
    skills: list[Skill]
    shift: str | list[ShiftRow]
    is_active: bool = True
    carries: list[Text] | None = None


class ReorderRow(Struct, forbid_unknown_fields=True):
    """More of a part is bought, up to ``to``, when no more than ``point`` are left."""

    point: Annotated[int, Meta(ge=0, le=1_000_000)]
    to: Annotated[int, Meta(ge=1, le=1_000_000)]


class ArrivalRow(Struct, forbid_unknown_fields=True):
    """Pieces that were bought and are on their way; ``reference`` is the buyer's own name of them."""

    reference: Annotated[str, Meta(min_length=1, max_length=64)]
    sku: Text
    qty: Annotated[int, Meta(ge=1, le=100_000)]
    expected_at: Annotated[datetime, Meta(tz=True)]
    spread_h: Annotated[float, Meta(ge=0, le=2000)]
    supplier: Text | None = None


class NetworkStation(Struct, forbid_unknown_fields=True):
    """A station; ``hours`` names an entry of ``hours`` or holds the stretches themselves."""

    code: Text
    name_en: Text
    name_zh: Text
    city: Text
    address: Text
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    has_hv_certificate: bool
    labour_rate: Decimal
    hours: str | list[HoursRow]
    bays: list[NetworkBay]
    technicians: list[NetworkTechnician]
    stock: dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]]
    time_zone: str = "Asia/Shanghai"
    currency: str = "CNY"
    tax_rate: Decimal = Decimal("0.13")
    is_active: bool = True
    fees: Fees = {}
    reorder: dict[str, ReorderRow] = {}
    arrivals: list[ArrivalRow] = []


KINDS: Mapping[str, type[Struct]] = {
    "parts": PartRow,
    "labour_operations": OperationRow,
    "repair_jobs": JobRow,
    "stations": NetworkStation,
}


def plain(row: Struct) -> dict[str, Any]:
    """Return an entry as plain values in canonical order: equal if and only if they say the same."""
    value: dict[str, Any] = msgspec.to_builtins(row)
    for money in ("unit_price", "labour_rate", "hours", "tax_rate"):
        if isinstance(amount := getattr(row, money, None), Decimal):
            value[money] = f"{amount.normalize():f}"
    if isinstance(row, NetworkStation):
        value["hours"] = _stretches(value["hours"], "opens", "closes")
        value["bays"] = sorted(value["bays"], key=lambda bay: bay["name"])
        value["technicians"] = sorted(value["technicians"], key=lambda who: who["name"])
        for bay in value["bays"]:
            bay["kinds"] = sorted(set(bay["kinds"]))
        for who in value["technicians"]:
            who["skills"] = sorted(set(who["skills"]))
            who["shift"] = _stretches(who["shift"], "starts", "ends")
            who["carries"] = None if who["carries"] is None else sorted(set(who["carries"]))
        value["fees"] = {mode: f"{fee.normalize():f}" for mode, fee in sorted(row.fees.items())}
        value["stock"] = dict(sorted(value["stock"].items()))
        value["reorder"] = dict(sorted(value["reorder"].items()))
        for arrival, given in zip(value["arrivals"], row.arrivals, strict=True):
            arrival["expected_at"] = given.expected_at.astimezone(UTC).isoformat()
        value["arrivals"].sort(key=lambda arrival: arrival["reference"])
    return value


def _stretches(given: Sequence[Mapping[str, Any]], start: str, end: str) -> list[dict[str, Any]]:
    """Return weekly stretches with the weekdays that share one together."""
    days: dict[tuple[str, str], set[int]] = {}
    for stretch in given:
        days.setdefault((stretch[start], stretch[end]), set()).update(stretch["weekdays"])
    return [{"weekdays": sorted(on), start: a, end: b} for (a, b), on in sorted(days.items())]


def wrong_texts(value: object, path: str = "") -> Iterator[tuple[str, object, str]]:
    """Yield (field, value, rule) for each text, keys too, that is too long or not printable."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from wrong_texts(key, path)
            yield from wrong_texts(item, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from wrong_texts(item, f"{path}[{number}]")
    elif isinstance(value, str) and (len(value) > _LONGEST or not value.isprintable()):
        yield path, value, f"must be text of at most {_LONGEST} characters without control characters"


def wrong_amount(amount: Decimal, least: float, digits: int) -> Iterator[str]:
    """Yield the rule where an amount is not from ``least`` to below ``10**digits`` in cents."""
    is_fit = amount.is_finite() and amount == round(amount, 2) and Decimal(str(least)) <= amount
    if not is_fit or amount >= 10**digits:
        yield f"must be from {least:g} to below {10**digits:,} with at most two decimals"


def wrong_station(
    row: NetworkStation, weeks: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, object, str]]:
    """Yield (field, value, rule) for what is wrong with a station; spell out its hours and shifts."""
    for name, degrees in (("lat", row.lat), ("lon", row.lon)):
        if not math.isfinite(degrees):
            yield name, degrees, "must be degrees"
    try:
        check_time_zone("", row.time_zone)
    except (ReferenceDataError, OSError):
        yield "time_zone", row.time_zone, "must be an IANA time zone"
    if not re.fullmatch(r"[A-Z]{3}", row.currency):
        yield "currency", row.currency, "must be three capital letters (ISO 4217)"
    tax = row.tax_rate
    if not (tax.is_finite() and 0 <= tax < 1 and tax == round(tax, 4)):
        yield "tax_rate", tax, "must be from 0 to below 1 with at most four decimals"
    for sku, reorder in row.reorder.items():
        if reorder.to <= reorder.point:
            yield f"reorder.{sku}.to", reorder.to, f"must be above the point, {reorder.point}"
    for what, names in (
        ("bays", [b.name for b in row.bays]),
        ("technicians", [t.name for t in row.technicians]),
        ("arrivals", [a.reference for a in row.arrivals]),
    ):
        for name in twice(names):
            yield what, name, "must be given once"
    hours, rules = _spell(row.hours, weeks["hours"], lambda h: (h.opens, h.closes))
    yield from (("hours", value, rule) for value, rule in rules)
    row.hours = hours
    for who in row.technicians:
        shift, rules = _spell(who.shift, weeks["shifts"], lambda s: (s.starts, s.ends))
        yield from ((f"technicians {who.name} shift", value, rule) for value, rule in rules)
        who.shift = shift


def _spell(
    given: Any, named: Mapping[str, Any], times: Callable[[Any], tuple[time, time]]
) -> tuple[list[Any], list[tuple[object, str]]]:
    """Return the stretches meant, and what is wrong with them."""
    if isinstance(given, str):
        if given not in named:
            return [], [(given, f"must be one of {', '.join(sorted(named)) or 'those the files define'}")]
        given = [named[given]]
    taken: dict[int, list[tuple[time, time]]] = {}
    wrong: list[tuple[object, str]] = []
    for stretch in given:
        start, end = times(stretch)
        told = f"{start:%H:%M}-{end:%H:%M}"
        if not start < end or start.tzinfo or end.tzinfo:
            wrong.append((told, "must be local times, the first before the second, within one day"))
        for day in stretch.weekdays:
            if any(start < b and a < end for a, b in taken.setdefault(day, [])):
                wrong.append((told, f"must not overlap another on weekday {day}"))
            taken[day].append((start, end))
    return list(given), wrong


def twice(values: Iterable[str]) -> list[str]:
    """Return the values that came before."""
    seen: set[str] = set()
    return [value for value in values if value in seen or seen.add(value)]  # type: ignore[func-returns-value]
