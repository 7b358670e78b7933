"""Mapping files: which topics an adapter reads, whose they are, and which value goes where."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from data.catalogue import Catalogue, Signal
from data.errors import VinError
from data.records import Vin, parse_vin
from ingest.adapters.errors import AdapterError
from ingest.adapters.topics import TopicPattern
from ingest.adapters.values import Target

_Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]
_Finite = Annotated[float, Meta(ge=-1e9, le=1e9)]


class TimeEntry(Struct, forbid_unknown_fields=True):
    """Where a reading says when it was taken."""

    path: str
    format: Literal["s", "ms", "us", "iso"]


class ValueEntry(Struct, forbid_unknown_fields=True):
    """Where a value goes; keys as in the signal map of a vehicle model."""

    alias: str
    index: Annotated[int, Meta(ge=0, le=499)] | None = None
    scale: _Finite = 1.0
    offset: _Finite = 0.0
    words: dict[str, _Finite] | None = None


class AdapterEntry(Struct, forbid_unknown_fields=True):
    """One ``[[adapter]]`` of a file."""

    name: _Name
    topic: str
    values: dict[str, ValueEntry]
    tenant: _Name
    vehicles: dict[str, str] = {}
    id: str | None = None
    readings: str | None = None
    time: TimeEntry | None = None
    grid_s: Annotated[float, Meta(gt=0, le=3600)] = 1.0
    coordinates: Literal["wgs84", "gcj02"] | None = None
    constants: dict[str, _Finite] = {}
    unmapped: Literal["ignore", "store"] = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterMapping:
    """A checked ``[[adapter]]``."""

    name: str
    tenant: str
    topic: TopicPattern
    targets: Mapping[str, Sequence[tuple[tuple[str, ...], Target]]]  #: topic key, else "" -> paths
    vehicles: Mapping[str, Vin]
    id_path: tuple[str, ...] | None
    readings_path: tuple[str, ...] | None
    time_path: tuple[str, ...] | None  #: None: the arrival, on the grid
    time_unit: str
    grid_us: int
    coordinates: str | None
    constants: Mapping[str, float]  #: alias -> value of every reading that has another
    constant_signals: Mapping[str, Signal]
    keeps_unmapped: bool


def parse_adapters(
    text: str, *, source: str, presets: Mapping[str, str], catalogue: Catalogue
) -> list[AdapterMapping]:
    """Return the adapters that a TOML text defines.

    Args:
        text: ``[[adapter]]`` tables; ``preset = "…"`` takes what the table leaves out from a shipped mapping.
        source: What errors call the file.
        presets: Name -> TOML text of a shipped mapping.
        catalogue: Knows the aliases.

    Raises:
        AdapterError: A field is missing or breaks its rule; names file, adapter, field, value and rule.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AdapterError(f"{source}: must be TOML: {error}") from error
    unknown = sorted(set(tree) - {"adapter"})
    tables = tree.get("adapter", [])
    if unknown or not isinstance(tables, list) or not tables:
        raise AdapterError(
            f"{source}: must hold [[adapter]] tables{f', not {unknown[0]!r}' if unknown else ''}"
        )
    found = [
        _parse(table, f"{source}: adapter {number + 1}", presets, catalogue)
        for number, table in enumerate(tables)
    ]
    names = [mapping.name for mapping in found]
    for name in names:
        if names.count(name) > 1:
            raise AdapterError(f"{source}: name {name!r}: must be there once")
    return found


def _parse(
    table: dict[str, Any], where: str, presets: Mapping[str, str], catalogue: Catalogue
) -> AdapterMapping:
    preset = table.pop("preset", None)
    if preset is not None:
        if preset not in presets:
            raise AdapterError(f"{where}: preset {preset!r}: must be one of {', '.join(sorted(presets))}")
        base = tomllib.loads(presets[preset])
        table = {"name": preset, **base, **table, "values": {**base["values"], **table.get("values", {})}}
    try:
        entry = msgspec.convert(table, AdapterEntry)
    except msgspec.ValidationError as error:
        raise AdapterError(f"{where}: {error}") from error
    where = f"{where} ({entry.name})"
    try:
        pattern = TopicPattern(entry.topic)
    except ValueError as error:
        raise AdapterError(f"{where}: topic {entry.topic!r}: {error}") from error
    if not (pattern.has_vin or pattern.has_id or entry.id):
        raise AdapterError(
            f"{where}: topic {entry.topic!r}: must have {{vin}} or {{id}}, or id must be a path"
        )
    if pattern.has_key and (entry.readings is not None or entry.time is not None or entry.id is not None):
        raise AdapterError(f"{where}: id, readings and time: go with JSON messages, not with {{key}} topics")
    if entry.unmapped == "store" and not pattern.has_key:
        raise AdapterError(f"{where}: unmapped 'store': goes with {{key}} topics only")
    return AdapterMapping(
        name=entry.name,
        tenant=entry.tenant,
        topic=pattern,
        targets=_targets(entry, where, catalogue, has_key=pattern.has_key),
        vehicles={key: _vin(key, vin, where) for key, vin in entry.vehicles.items()},
        id_path=_path(entry.id),
        readings_path=_path(entry.readings),
        time_path=_path(entry.time.path) if entry.time else None,
        time_unit=entry.time.format if entry.time else "",
        grid_us=round(entry.grid_s * 1e6),
        coordinates=entry.coordinates,
        constants=dict(entry.constants),
        constant_signals=_constants(entry, where, catalogue),
        keeps_unmapped=entry.unmapped == "store",
    )


def _targets(
    entry: AdapterEntry, where: str, catalogue: Catalogue, *, has_key: bool
) -> dict[str, list[tuple[tuple[str, ...], Target]]]:
    targets: dict[str, list[tuple[tuple[str, ...], Target]]] = {}
    for path, value in entry.values.items():
        field = f"{where}: values.{path!r}"
        signal = catalogue.signals.get(value.alias)
        if signal is None:
            raise AdapterError(f"{field}: alias {value.alias!r}: must be one of the signal catalogue")
        if value.index is not None and not signal.is_array:
            raise AdapterError(f"{field}: index {value.index}: {value.alias!r} has no elements")
        target = Target(
            path=path,
            signal=signal,
            index=value.index,
            scale=value.scale,
            offset=value.offset,
            words=None if value.words is None else {k.lower(): v for k, v in value.words.items()},
        )
        # Where the topic names the value, a dot begins a path into a JSON payload.
        key, _, rest = path.partition(".") if has_key else ("", "", path)
        targets.setdefault(key, []).append((_path(rest) or (), target))
    if not targets:
        raise AdapterError(f"{where}: values: must name at least one")
    return targets


def _constants(entry: AdapterEntry, where: str, catalogue: Catalogue) -> dict[str, Signal]:
    signals = {}
    for alias in entry.constants:
        signal = catalogue.signals.get(alias)
        if signal is None or signal.is_array:
            raise AdapterError(f"{where}: constants.{alias!r}: must be a scalar of the signal catalogue")
        signals[alias] = signal
    return signals


def _vin(key: str, text: str, where: str) -> Vin:
    try:
        return parse_vin(text)
    except VinError as error:
        raise AdapterError(f"{where}: vehicles.{key!r}: {error}") from error


def _path(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(text.split(".")) if text else ()
