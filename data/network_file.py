"""A service network as TOML or JSON: stations, parts, labour, jobs; every wrong entry is named. Pure."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from data.errors import NetworkFileError
from data.network_rows import (
    KINDS,
    NetworkStation,
    plain,
    twice,
    wrong_amount,
    wrong_station,
    wrong_texts,
)
from data.reference_rows import HoursRow, JobRow, OperationRow, PartRow, ShiftRow

_ENTRY_LINE = re.compile(r"^\s*\[\[\s*(\w+)\s*\]\]")
_PLACE = re.compile(r"^(?P<rule>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_KEYS = {"parts": "sku", "labour_operations": "operation", "repair_jobs": "failure_mode", "stations": "code"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkProblem:
    """Why one entry is not imported."""

    file: str
    line: int | None  #: from 1, where the entry begins; None: the file does not tell
    entry: str  #: ``stations SH-MINHANG``
    field: str
    value: str
    rule: str

    def __str__(self) -> str:
        at = "" if self.line is None else f" line {self.line}"
        return f"{self.file}{at}: {self.entry} {self.field} {self.value!r}: {self.rule}"


@dataclass(slots=True)
class Network:
    """Entries by kind and key as plain values, times of work spelt out: two that say the same are equal."""

    entries: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {k: {} for k in KINDS})


@dataclass(slots=True)
class NetworkFiles:
    """What files say: the entries that are right, and what is wrong with the others."""

    network: Network = field(default_factory=Network)
    problems: list[NetworkProblem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Entry:
    file: str
    line: int | None
    kind: str
    key: str
    raw: Mapping[str, Any]

    def wrong(self, field_: str, value: object, rule: str) -> NetworkProblem:
        return NetworkProblem(
            file=self.file,
            line=self.line,
            entry=f"{self.kind} {self.key}".strip(),
            field=field_,
            value=str(value)[:60],
            rule=rule,
        )


def read_network(files: Mapping[str, str], *, known: Network | None = None) -> NetworkFiles:
    """Read files of a service network together: one may name what another or ``known`` defines.

    Args:
        files: Name to text; JSON where the name ends so, else TOML as in ``data/reference``.
        known: What is stored already.

    Raises:
        NetworkFileError: A file cannot be read at all, or has an unknown table; names it.
    """
    documents = [(name, text, _parse(name, text)) for name, text in files.items()]
    weeks: dict[str, dict[str, Any]] = {"hours": {}, "shifts": {}}
    found = NetworkFiles()
    for name, _, document in documents:
        for table, known_weeks in weeks.items():
            _read_weeks(name, table, document.get(table, {}), known_weeks, found.problems)
    seen: dict[tuple[str, str], _Entry] = {}
    for name, text, document in documents:
        for entry in _entries(name, text, document):
            first = seen.setdefault((entry.kind, entry.key), entry)
            if entry.key and first is not entry:
                where = first.file if first.line is None else f"{first.file} line {first.line}"
                found.problems.append(
                    entry.wrong(_KEYS[entry.kind], entry.key, f"must be given once, is in {where}")
                )
                continue
            row, problems = _check_entry(entry, weeks)
            found.problems += problems
            if row is not None and not problems:
                found.network.entries[entry.kind][entry.key] = row
    _check_references(found, seen, known or Network())
    return found


def write_network(network: Network, *, is_json: bool) -> str:
    """Return a file that ``read_network`` reads to an equal network."""
    document = {kind: [rows[key] for key in sorted(rows)] for kind, rows in network.entries.items()}
    if is_json:
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    parts = ["# A service network, as 'anxin stations import' reads it. Weekday 1 is Monday (ISO 8601).\n"]
    for kind, rows in document.items():
        for row in rows:
            lines = [f"{key} = {_toml(value)}" for key, value in row.items() if value is not None]
            parts.append("\n".join([f"[[{kind}]]", *lines]) + "\n")
    return "\n".join(parts)


def _parse(name: str, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text) if name.lower().endswith(".json") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NetworkFileError(f"{name}: cannot be read ({error})") from error
    if not isinstance(document, dict):
        raise NetworkFileError(f"{name}: must be a table of {', '.join(KINDS)}")
    for key, value in document.items():
        expected: type = dict if key in ("hours", "shifts") else list
        if key not in (*KINDS, "hours", "shifts"):
            raise NetworkFileError(f"{name}: {key[:40]!r}: must be one of {', '.join(KINDS)}, hours, shifts")
        if not isinstance(value, expected):
            shape = "a table" if expected is dict else "an array of tables"
            raise NetworkFileError(f"{name}: {key}: must be {shape}")
    return document


def _entries(name: str, text: str, document: Mapping[str, Any]) -> Iterator[_Entry]:
    for kind in KINDS:
        rows = document.get(kind, [])
        starts = [
            n for n, line in enumerate(text.splitlines(), start=1)
            if (found := _ENTRY_LINE.match(line)) and found[1] == kind
        ]  # fmt: skip
        for number, raw in enumerate(rows):
            line = starts[number] if len(starts) == len(rows) else None
            key = raw.get(_KEYS[kind], "") if isinstance(raw, dict) else ""
            yield _Entry(name, line, kind, key if isinstance(key, str) else "", raw)


def _read_weeks(
    file: str, table: str, given: Mapping[str, Any], into: dict[str, Any], problems: list[NetworkProblem]
) -> None:
    kind = HoursRow if table == "hours" else ShiftRow
    for name, raw in given.items():
        entry = _Entry(file, None, table, name, raw if isinstance(raw, dict) else {})
        if name in into:
            problems.append(entry.wrong(table, name, "must be given once"))
            continue
        row, found = _convert(entry, raw, kind)
        problems += found
        if row is not None:
            into[name] = row


def _convert(entry: _Entry, raw: object, kind: type[Struct]) -> tuple[Any, list[NetworkProblem]]:
    try:
        return msgspec.convert(raw, kind), []
    except msgspec.ValidationError as error:
        found = _PLACE.match(str(error))
        path = (found["path"] or "").lstrip(".") if found else ""
        rule = found["rule"] if found else str(error)
        return None, [entry.wrong(path or "entry", _value_at(raw, path), rule[:1].lower() + rule[1:])]


def _value_at(value: Any, path: str) -> object:
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return ""
    return "" if isinstance(value, dict | list) else value


def _check_entry(
    entry: _Entry, weeks: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any] | None, list[NetworkProblem]]:
    row, problems = _convert(entry, entry.raw, KINDS[entry.kind])
    if row is None:
        return None, problems
    problems = [entry.wrong(f, v, rule) for f, v, rule in wrong_texts(entry.raw)]
    if isinstance(row, NetworkStation):
        problems += [entry.wrong(*wrong) for wrong in wrong_station(row, weeks)]
        for mode, fee in row.fees.items():
            problems += [entry.wrong(f"fees.{mode}", fee, rule) for rule in wrong_amount(fee, 0, 8)]
    money = {"unit_price": (0, 10), "labour_rate": (0, 8)}
    for name, (least, digits) in money.items():
        amount = getattr(row, name, None)
        if isinstance(amount, Decimal):
            problems += [entry.wrong(name, amount, r) for r in wrong_amount(amount, least, digits)]
    if isinstance(row, OperationRow):
        problems += [entry.wrong("hours", row.hours, rule) for rule in wrong_amount(row.hours, 0.01, 3)]
    if isinstance(row, PartRow):
        wrong = [*twice([row.sku, *row.substitutes])]
        problems += [entry.wrong("substitutes", s, "must be another part, given once") for s in wrong]
    if isinstance(row, JobRow):
        skus = [part.sku for part in row.parts]
        problems += [entry.wrong("parts", sku, "must be given once") for sku in twice(skus)]
        problems += [entry.wrong("operations", o, "must be given once") for o in twice(row.operations)]
    return (None, problems) if problems else (plain(row), [])


def _check_references(found: NetworkFiles, seen: Mapping[tuple[str, str], _Entry], known: Network) -> None:
    """Drop entries that name what neither the right entries nor the stored ones define."""
    given = found.network.entries

    def names(kind: str) -> Collection[str]:
        return given[kind].keys() | known.entries[kind].keys()

    skus, operations = names("parts"), names("labour_operations")
    for kind, field_, of, allowed in (
        ("repair_jobs", "parts", lambda row: [part["sku"] for part in row["parts"]], skus),
        ("repair_jobs", "operations", lambda row: row["operations"], operations),
        ("stations", "stock", lambda row: row["stock"], skus),
        ("stations", "reorder", lambda row: row["reorder"], skus),
        ("stations", "arrivals", lambda row: [arrival["sku"] for arrival in row["arrivals"]], skus),
        ("stations", "technicians", _carried, skus),
        ("parts", "substitutes", lambda row: row["substitutes"], skus),
    ):
        for key, row in list(given[kind].items()):
            if unknown := [name for name in of(row) if name not in allowed]:
                entry = seen[kind, key]
                rule = "must be a part" if field_ != "operations" else "must be a labour operation"
                found.problems += [
                    entry.wrong(field_, name, f"{rule} of these files or stored before") for name in unknown
                ]
                del given[kind][key]


def _carried(row: Mapping[str, Any]) -> list[str]:
    """Return the parts that the vans of a station carry."""
    return [sku for who in row["technicians"] for sku in who["carries"] or ()]


def _toml(value: object) -> str:
    if isinstance(value, dict):
        given = {k: v for k, v in value.items() if v is not None}
        inner = ", ".join(f"{json.dumps(k, ensure_ascii=False)} = {_toml(v)}" for k, v in given.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        if any(isinstance(item, dict) for item in value):
            return "[\n" + "".join(f"    {_toml(item)},\n" for item in value) + "]"
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)
