"""Does a vehicle model's signal map fit its DBC and the catalogue? Every wrong entry is told. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.catalogue import load_catalogue
from data.errors import CatalogueError
from ingest.can.database import CompiledMessage, compile_database, parse_dbc
from ingest.transport import build_plan
from ingest.transport.j1939 import split_ids
from ingest.transport.standard import SignalMap, read_standard, split_map, standard_messages

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
        signal_map: As in ``BusDecoder``: signals of the DBC, of OBD service 01 (``OBD2.VehicleSpeed``) and,
            where the DBC is J1939's, of the common J1939 groups.
        array_lengths: Elements by catalogue shape: ``wheel``, ``cell``, ``probe``.
    """
    if dbc_text is None:
        return _refused(*["signal_map: a map without a dbc says nothing"][: len(signal_map)])
    try:
        database = parse_dbc(dbc_text)
        plan = build_plan(database)
    except CatalogueError as error:
        return _refused(str(error))
    own, of_standard = split_map(signal_map, {message.name for message in database.messages})
    errors: list[str] = []
    own_pgns = {pgn for pgn, _ in plan.groups}
    for name in list(of_standard["j1939"]):
        can_id = standard_messages("j1939")[name.split(".")[0]]
        pgn = int(split_ids(np.array([can_id], np.uint32)).pgn[0])
        if not plan.is_j1939 or pgn in own_pgns:
            why = f"it has PGN {pgn} itself" if plan.is_j1939 else "none of its messages is J1939's"
            errors.append(f"signal map {name!r}: the standard group is not read beside this DBC: {why}")
            del of_standard["j1939"][name]
    units = _units(database)
    compiled = _compile(dbc_text, own, units, array_lengths, errors)
    for standard, entries in of_standard.items():
        text = read_standard(standard)
        compiled += _compile(text, entries, _units(parse_dbc(text)), array_lengths, errors) if entries else []
    elements: dict[str, dict[int, str]] = {}
    warnings = []
    for signal in (s for message in compiled for s in message.signals if s.target):
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


def _units(database: Any) -> dict[str, str]:
    return {
        f"{message.name}.{signal.name}": signal.unit or ""
        for message in database.messages
        for signal in message.signals
    }


def _compile(
    dbc_text: str,
    entries: SignalMap,
    units: Mapping[str, str],
    array_lengths: Mapping[str, int],
    errors: list[str],
) -> list[CompiledMessage]:
    """Return the messages with the entries that are right; what is wrong with others goes to ``errors``."""
    errors += [
        f"signal map {name!r}: the DBC has no such Message.Signal" for name in entries if name not in units
    ]
    good = {name: entry for name, entry in entries.items() if name in units}
    compiled: list[CompiledMessage] = []
    while True:
        try:
            compiled = list(compile_database(dbc_text, good, array_lengths=array_lengths).values())
            break
        except CatalogueError as error:
            errors.append(str(error))
            named = _ENTRY.match(str(error))
            if named is None or named[1] not in good:
                break
            del good[named[1]]
    errors += _wrong_units(good, units)
    return compiled


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
