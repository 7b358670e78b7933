"""Does a vehicle model's signal map fit its DBC and the catalogue? Every wrong entry is told. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.catalogue import load_catalogue
from data.errors import CatalogueError
from ingest.can.database import CompiledMessage, compile_database, parse_dbc
from ingest.transport import build_plan

_ENTRY = re.compile(r"^signal map '([^']+)'")
#: Units whose values must not be taken as they are: DBC unit, catalogue unit, factor and offset between them.
_CONVERSIONS: Mapping[tuple[str, str], tuple[float, float]] = {
    ("mv", "V"): (0.001, 0.0),
    ("ma", "A"): (0.001, 0.0),
    ("bar", "kPa"): (100.0, 0.0),
    ("mbar", "kPa"): (0.1, 0.0),
    ("hpa", "kPa"): (0.1, 0.0),
    ("pa", "kPa"): (0.001, 0.0),
    ("mpa", "kPa"): (1000.0, 0.0),
    ("psi", "kPa"): (6.894757, 0.0),
    ("mph", "km/h"): (1.609344, 0.0),
    ("m/s", "km/h"): (3.6, 0.0),
    ("mi", "km"): (1.609344, 0.0),
    ("m", "km"): (0.001, 0.0),
    ("°f", "°C"): (5 / 9, -160 / 9),
    ("degf", "°C"): (5 / 9, -160 / 9),
    ("k", "°C"): (1.0, -273.15),
    ("ohm", "kΩ"): (0.001, 0.0),
    ("mohm", "kΩ"): (1000.0, 0.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCheck:
    """What a vehicle model's raw frames will give."""

    yields: Mapping[str, tuple[int, int]]  #: alias -> elements mapped, elements there are
    errors: tuple[str, ...]  #: each names the entry, the value and the rule; the model is refused
    warnings: tuple[str, ...]
    unmapped: tuple[str, ...]  #: ``Message.Signal`` stored as it is, in ``signal_readings``


def check_model(
    dbc_text: str | None, signal_map: Mapping[str, Mapping[str, Any]], *, array_lengths: Mapping[str, int]
) -> ModelCheck:
    """Check a signal map by the rules that the decoder has, entry by entry.

    Args:
        dbc_text: The DBC; None: the model sends no raw frames.
        signal_map: As in ``compile_database``.
        array_lengths: Elements by catalogue shape: ``wheel``, ``cell``, ``probe``.
    """
    if dbc_text is None:
        return _refused(*["signal_map: a map without a dbc says nothing"][: len(signal_map)])
    try:
        database = parse_dbc(dbc_text)
        build_plan(database)
        units = {
            f"{message.name}.{signal.name}": signal.unit or ""
            for message in database.messages
            for signal in message.signals
        }
    except CatalogueError as error:
        return _refused(str(error))
    errors = [
        f"signal map {name!r}: the DBC has no such Message.Signal" for name in signal_map if name not in units
    ]
    good = {name: entry for name, entry in signal_map.items() if name in units}
    compiled: Mapping[int, CompiledMessage] = {}
    while True:
        try:
            compiled = compile_database(dbc_text, good, array_lengths=array_lengths)
            break
        except CatalogueError as error:
            errors.append(str(error))
            named = _ENTRY.match(str(error))
            if named is None or named[1] not in good:
                break
            del good[named[1]]
    errors += _wrong_units(good, units)
    elements: dict[str, dict[int, str]] = {}
    warnings = []
    for signal in (s for message in compiled.values() for s in message.signals if s.target):
        if signal.target is None:
            continue
        alias, index = signal.target.signal.alias, signal.target.index
        other = elements.setdefault(alias, {}).setdefault(index, signal.name)
        if other != signal.name:
            warnings.append(
                f"signal map {signal.name!r}: gives {alias} {index} as {other!r} does; one is lost"
            )
    catalogue = load_catalogue().signals
    lengths = {a: array_lengths[catalogue[a].shape] if catalogue[a].is_array else 1 for a in elements}
    return ModelCheck(
        yields={alias: (len(found), lengths[alias]) for alias, found in sorted(elements.items())},
        errors=tuple(errors),
        warnings=tuple(warnings),
        unmapped=tuple(name for name in units if name not in signal_map),
    )


def _refused(*errors: str) -> ModelCheck:
    return ModelCheck(yields={}, errors=errors, warnings=(), unmapped=())


def _wrong_units(good: Mapping[str, Mapping[str, Any]], units: Mapping[str, str]) -> list[str]:
    wrong = []
    for name, entry in good.items():
        signal = load_catalogue().signals[str(entry["alias"])]
        known = _CONVERSIONS.get((units[name].strip().lower(), signal.unit))
        if known is not None and "scale" not in entry:
            scale, offset = known
            told = f"scale = {scale:.9g}" + (f" and offset = {offset:.9g}" if offset else "")
            wrong.append(
                f"signal map {name!r}: unit {units[name]!r} must become {signal.unit!r} of"
                f" {signal.alias}: give {told}"
            )
    return wrong
