"""The adapter that a mapping makes: foreign messages in, readings out. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from data.catalogue import Signal
from data.errors import VinError
from data.records import Family, Vin, parse_vin
from ingest.adapters.mapping import AdapterMapping
from ingest.adapters.topics import Captured
from ingest.adapters.values import Target, dig, read_time
from ingest.errors import PayloadError
from ingest.messages import Adapted, Delivery, Part

_Json = msgspec.json.Decoder()
_MOST_READINGS = 100_000


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read from one message."""

    times: Sequence[int] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    masked: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, float] = field(default_factory=dict)


class MappedAdapter:
    """Reads the messages of one mapping; see ``ingest.messages.Adapter``.

    A message without a time of its own counts from its arrival, on a grid, so that the values of one second
    that come in messages of their own make one row. Kept by the broker, such a message says nothing of when
    it was true: it is passed over. One that tells its time is taken as late data.

    Args:
        mapping: What goes where.
    """

    def __init__(self, mapping: AdapterMapping) -> None:
        self._mapping = mapping
        self._signals = dict(mapping.constant_signals)
        self._widths: dict[str, int] = {}
        for _, target in (pair for pairs in mapping.targets.values() for pair in pairs):
            self._signals[target.signal.alias] = target.signal
            if target.index is not None:
                alias = target.signal.alias
                self._widths[alias] = max(self._widths.get(alias, 0), target.index + 1)

    @property
    def filters(self) -> Sequence[str]:
        """Return the topic filters to subscribe to: of mapped keys only where the others are ignored."""
        mapping = self._mapping
        if mapping.topic.has_key and not mapping.keeps_unmapped:
            return [mapping.topic.filter(key) for key in mapping.targets]
        return [mapping.topic.filter()]

    def matches(self, topic: str) -> bool:
        """Tell whether a topic is one of the mapping's."""
        return self._mapping.topic.match(topic) is not None

    def adapt(self, delivery: Delivery) -> Adapted:
        """Return what a message says.

        Raises:
            PayloadError: ``bad_topic``, ``malformed``, ``bad_time`` or ``unknown_vehicle``.
        """
        mapping = self._mapping
        said = mapping.topic.match(delivery.topic)
        if said is None:
            raise PayloadError("bad_topic", f"topic: must be like {mapping.topic.text!r}")
        masked: Counter[str] = Counter()
        if delivery.is_retained and mapping.time_path is None:
            vin = self._vin(said, None)
            masked[f"{mapping.name}:retained"] += 1
            return self._adapted(vin, delivery, _Read(masked=masked))
        if mapping.topic.has_key:
            return self._adapt_key(said, delivery, masked)
        tree = _parse_json(delivery.payload)
        vin = self._vin(said, tree)
        found = tree if mapping.readings_path is None else dig(tree, mapping.readings_path)
        readings = found if isinstance(found, list) else [] if found is None else [found]
        if not 1 <= len(readings) <= _MOST_READINGS:
            raise PayloadError(
                "malformed", f"readings: {len(readings)} of them: must be 1 to {_MOST_READINGS}"
            )
        times = [self._time(reading, delivery) for reading in readings]
        rows = [self._values(mapping.targets[""], reading, masked) for reading in readings]
        return self._adapted(vin, delivery, _Read(times, rows, masked=masked))

    def _adapt_key(self, said: Captured, delivery: Delivery, masked: Counter[str]) -> Adapted:
        mapping = self._mapping
        vin = self._vin(said, None)
        try:
            text = delivery.payload.decode("utf-8")
        except UnicodeDecodeError as error:
            raise PayloadError("malformed", f"payload of {said.key[:60]!r}: must be UTF-8") from error
        pairs = mapping.targets.get(said.key)
        times = [self._arrival(delivery)]
        if pairs is None:
            extra = _number_at(mapping, said.key, text) if mapping.keeps_unmapped else {}
            return self._adapted(vin, delivery, _Read(times, masked=masked, extra=extra))
        tree: Any = _parse_json(delivery.payload) if any(path for path, _ in pairs) else text
        rows = [self._values(pairs, tree, masked)]
        return self._adapted(vin, delivery, _Read(times, rows, masked=masked))

    def _adapted(self, vin: Vin, delivery: Delivery, read: _Read) -> Adapted:
        mapping = self._mapping
        has_time = mapping.time_path is not None
        return Adapted(
            tenant=mapping.tenant,
            vin=vin,
            parts=self._parts(read.times, read.rows),
            sent_us=max(read.times) if has_time or read.extra else delivery.received_us,
            is_hist=has_time and delivery.is_retained,
            masked=read.masked,
            extra=read.extra,
            coordinates=mapping.coordinates,
        )

    def _vin(self, said: Captured, tree: Any) -> Vin:
        mapping = self._mapping
        name = said.id
        if mapping.id_path is not None:
            name = "/".join(filter(None, (name, str(dig(tree, mapping.id_path) or ""))))
        if not said.vin:
            if name not in mapping.vehicles:
                raise PayloadError(
                    "unknown_vehicle", f"id {name[:80]!r}: must be in [adapter.vehicles] of {mapping.name!r}"
                )
            return mapping.vehicles[name]
        try:
            return parse_vin(said.vin)
        except VinError as error:
            raise PayloadError("bad_topic", str(error)) from error

    def _arrival(self, delivery: Delivery) -> int:
        grid_us = self._mapping.grid_us
        return delivery.received_us // grid_us * grid_us

    def _time(self, reading: Any, delivery: Delivery) -> int:
        mapping = self._mapping
        if mapping.time_path is None:
            return self._arrival(delivery)
        value = dig(reading, mapping.time_path)
        time_us = read_time(value, mapping.time_unit)
        if time_us is None:
            path, unit = ".".join(mapping.time_path), mapping.time_unit
            raise PayloadError("bad_time", f"{path} is {str(value)[:60]!r}: must be a time in {unit}")
        return time_us

    def _values(
        self, pairs: Sequence[tuple[tuple[str, ...], Target]], tree: Any, masked: Counter[str]
    ) -> dict[str, float | list[float]]:
        """Return alias -> value or list of one reading."""
        values: dict[str, float | list[float]] = {}
        for path, target in pairs:
            at = dig(tree, path)
            if at is None:
                continue
            value = target.read(at)
            alias = target.signal.alias
            if value is None:
                masked[f"{alias}:not_a_number"] += 1
            elif target.index is None:
                values[alias] = value
            elif isinstance(value, float):
                row = values.setdefault(alias, [math.nan] * self._widths[alias])
                if isinstance(row, list) and target.index < len(row):
                    row[target.index] = value
        if values:
            values = {**self._mapping.constants, **values}
        return values

    def _parts(self, times: Sequence[int], rows: Sequence[Mapping[str, Any]]) -> list[Part]:
        signals = self._signals
        families: dict[Family, dict[str, npt.NDArray[np.floating]]] = {}
        for alias in dict.fromkeys(alias for row in rows for alias in row):
            families.setdefault(signals[alias].family, {})[alias] = _column(alias, signals[alias], rows)
        time_us = np.array(times, np.int64)
        return [Part(family, time_us, columns) for family, columns in families.items()]


def _column(alias: str, signal: Signal, rows: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.floating]:
    if not signal.is_array:
        return np.array([row.get(alias, math.nan) for row in rows], np.float64)
    lists = [row.get(alias, []) for row in rows]
    column = np.full((len(rows), max(1, *map(len, lists))), np.nan)
    for number, values in enumerate(lists):
        column[number, : len(values)] = values
    return column


def _number_at(mapping: AdapterMapping, key: str, text: str) -> dict[str, float]:
    try:
        value = float(text)
    except ValueError:
        return {}
    return {f"{mapping.name}.{key.replace('/', '.')}"[:200]: value} if math.isfinite(value) else {}


def _parse_json(payload: bytes) -> Any:
    try:
        return _Json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError("malformed", f"payload: must be JSON: {str(error)[:200]}") from error
