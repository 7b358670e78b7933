"""The rows of the files in data/reference, parsed and checked against each other."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from importlib import resources
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from data.errors import ReferenceDataError
from data.records import FailureMode
from data.warranty import Warranty, WarrantyTerm

Text = Annotated[str, Meta(min_length=1)]
_Money = Annotated[Decimal, Meta()]
_Weekday = Annotated[int, Meta(ge=1, le=7)]
_Latitude = Annotated[float, Meta(ge=-90, le=90)]
_Longitude = Annotated[float, Meta(ge=-180, le=180)]
_Count = Annotated[int, Meta(ge=0)]
_BayKind = Literal["tire", "lift", "hv", "quarantine", "any"]
Skill = Literal["T1", "T2", "HV2", "HV3"]
#: What coming together costs, without tax; a mode that is not here is free, pick-up is not offered.
Fees = dict[Literal["mobile", "pickup", "tow"], Decimal]
_Kind = TypeVar("_Kind", bound=Struct)


class HoursRow(Struct, forbid_unknown_fields=True):
    """Opening hours that stations name."""

    weekdays: list[_Weekday]
    opens: time
    closes: time


class ShiftRow(Struct, forbid_unknown_fields=True):
    """A weekly shift that technicians name."""

    weekdays: list[_Weekday]
    starts: time
    ends: time


class BayRow(Struct, forbid_unknown_fields=True):
    """A work position and what it is fit for."""

    name: Text
    kinds: list[_BayKind]


class TechnicianRow(Struct, forbid_unknown_fields=True):
    """A technician with skills and shift."""

    name: Text
    skills: list[Skill]
    shift: str
    carries: list[Text] | None = None  #: parts in this technician's van; None: works at the station


class StationRow(Struct, forbid_unknown_fields=True):
    """A service station."""

    code: Text
    name_en: Text
    name_zh: Text
    city: Text
    address: Text
    lat: _Latitude
    lon: _Longitude
    has_hv_certificate: bool
    labour_rate: _Money
    hours: str
    bays: list[BayRow]
    technicians: list[TechnicianRow]
    stock: dict[str, _Count]
    time_zone: str = "Asia/Shanghai"
    currency: str = "CNY"
    tax_rate: _Money = Decimal("0.13")
    fees: Fees = {}


class StationsFile(Struct, forbid_unknown_fields=True):
    """The file stations.toml."""

    hours: dict[str, HoursRow]
    shifts: dict[str, ShiftRow]
    stations: list[StationRow]


class PartRow(Struct, forbid_unknown_fields=True):
    """A part and its price without tax."""

    sku: Text
    name_en: Text
    name_zh: Text
    unit_price: _Money
    substitutes: list[Text] = []  #: parts that do as well, the best first
    warranty: Warranty | None = None  #: what it falls under; None: what the fault of the order does
    supplier: Text | None = None  #: who makes it


class PartsFile(Struct, forbid_unknown_fields=True):
    """The file parts.toml."""

    parts: list[PartRow]


class OperationRow(Struct, forbid_unknown_fields=True):
    """A labour operation."""

    operation: Text
    name_en: Text
    name_zh: Text
    hours: _Money
    skill: Skill
    bay_kind: _BayKind
    is_mobile: bool
    warranty: Warranty | None = None  #: what it falls under; None: what the fault of the order does


class OperationsFile(Struct, forbid_unknown_fields=True):
    """The file labour.toml."""

    labour_operations: list[OperationRow]


class JobPartRow(Struct, forbid_unknown_fields=True):
    """A part that a job needs."""

    sku: Text
    qty: Annotated[int, Meta(ge=1)]


class JobRow(Struct, forbid_unknown_fields=True):
    """What a failure mode needs."""

    failure_mode: FailureMode
    operations: Annotated[list[str], Meta(min_length=1)]
    parts: list[JobPartRow]
    needs_hv: bool
    mobile_fix: Annotated[float, Meta(ge=0, le=1)] | None = None  #: how often it succeeds on the road


class JobsFile(Struct, forbid_unknown_fields=True):
    """The file jobs.toml."""

    repair_jobs: list[JobRow]


class ModelRow(Struct, forbid_unknown_fields=True):
    """A vehicle model; ``dbc`` names a file in data/dbc."""

    model_id: Text
    name: Text
    chemistry: Literal["NCM", "LFP"]
    cell_count: Annotated[int, Meta(ge=1, le=10_000)]
    probe_count: Annotated[int, Meta(ge=0, le=10_000)]
    capacity_ah: Annotated[float, Meta(gt=0, le=10_000)]
    energy_kwh: Annotated[float, Meta(gt=0, le=10_000)]
    wheels: list[Text]
    placard_kpa: list[Annotated[float, Meta(gt=0, le=2000)]]
    grid_s: Annotated[float, Meta(gt=0, le=3600)] = 1.0
    dbc: str | None = None
    signal_map: dict[str, dict[str, Any]] = {}
    coordinates: Literal["wgs84", "gcj02"] = "wgs84"
    warranty: dict[Warranty, WarrantyTerm] = {}  #: terms that differ from those of the policy


class ModelsFile(Struct, forbid_unknown_fields=True):
    """The file vehicle_models.toml."""

    vehicle_models: list[ModelRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceData:
    """The parsed files of ``data/reference``, consistent with each other."""

    models: Sequence[ModelRow]
    stations: StationsFile
    parts: Sequence[PartRow]
    operations: Sequence[OperationRow]
    jobs: Sequence[JobRow]


def read_reference() -> ReferenceData:
    """Return the reference data shipped with Anxin.

    Raises:
        ReferenceDataError: A row breaks a rule; names file, row, field and rule.
    """
    folder = resources.files("data").joinpath("reference")
    return parse_reference({entry.name: entry.read_text("utf-8") for entry in folder.iterdir()})


def parse_reference(texts: Mapping[str, str]) -> ReferenceData:
    """Return the reference data of the given files (name to TOML text).

    Raises:
        ReferenceDataError: A row breaks a rule; names file, row, field and rule.
    """
    data = ReferenceData(
        models=_parse(texts, "vehicle_models.toml", ModelsFile).vehicle_models,
        stations=_parse(texts, "stations.toml", StationsFile),
        parts=_parse(texts, "parts.toml", PartsFile).parts,
        operations=_parse(texts, "labour.toml", OperationsFile).labour_operations,
        jobs=_parse(texts, "jobs.toml", JobsFile).repair_jobs,
    )
    _check(data)
    return data


def _parse(texts: Mapping[str, str], file: str, kind: type[_Kind]) -> _Kind:
    if file not in texts:
        raise ReferenceDataError(f"{file}: missing")
    try:
        return msgspec.convert(tomllib.loads(texts[file]), kind)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise ReferenceDataError(f"{file}: {error}") from error


def _check(data: ReferenceData) -> None:
    skus = {part.sku for part in data.parts}
    operations = {operation.operation for operation in data.operations}
    for part in data.parts:
        check_known("parts.toml", f"{part.sku} substitutes", part.substitutes, skus - {part.sku})
    for job in data.jobs:
        check_known("jobs.toml", f"{job.failure_mode} operations", job.operations, operations)
        check_known("jobs.toml", f"{job.failure_mode} parts", [p.sku for p in job.parts], skus)
    for station in data.stations.stations:
        name = f"{station.code}"
        check_known("stations.toml", f"{name} hours", [station.hours], set(data.stations.hours))
        check_known("stations.toml", f"{name} stock", list(station.stock), skus)
        carried = [sku for t in station.technicians for sku in t.carries or ()]
        check_known("stations.toml", f"{name} carries", carried, skus)
        shifts = [t.shift for t in station.technicians]
        check_known("stations.toml", f"{name} shift", shifts, set(data.stations.shifts))
        check_time_zone(f"stations.toml: {name}", station.time_zone)
    for model in data.models:
        if len(model.wheels) != len(model.placard_kpa):
            raise ReferenceDataError(
                f"vehicle_models.toml: {model.model_id} placard_kpa: must have one value for each wheel"
            )


def check_known(file: str, what: str, values: Sequence[str], known: Collection[str]) -> None:
    """Raise ``ReferenceDataError`` for the first value that is not known."""
    for value in values:
        if value not in known:
            raise ReferenceDataError(f"{file}: {what} {value!r}: must be one of {', '.join(sorted(known))}")


def check_time_zone(what: str, name: str) -> None:
    """Raise ``ReferenceDataError`` unless ``name`` is an IANA time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ReferenceDataError(f"{what} time_zone {name!r}: must be an IANA time zone") from None
