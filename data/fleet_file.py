"""A fleet as a file: CSV with a header or JSON lines, read line by line, every wrong line named. Pure."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any, TextIO

from data.errors import FleetFileError, ReferenceDataError, VinError
from data.records import parse_vin
from data.reference_rows import check_time_zone

#: The longest value of a cell that is not checked otherwise.
_LONGEST = 200
#: What PostgreSQL takes in no text: NUL, and the halves of surrogate pairs that JSON can spell.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRow:
    """One vehicle of a fleet file; None: the file does not say, what is known stays."""

    vin: str
    model: str | None = None  #: ``model_id`` of a vehicle model; needed for a new vehicle
    plate: str | None = None
    time_zone: str | None = None  #: IANA name
    iccid: str | None = None  #: of the SIM card, 18-20 letters and digits
    owner_ref: str | None = None  #: the operator's own name of the owner; one owner may have many vehicles
    owner_name: str | None = None
    locale: str | None = None  #: ``zh`` or ``en``
    home_lat: float | None = None  #: WGS-84
    home_lon: float | None = None
    in_service_on: date | None = None  #: warranties count from this day


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(FleetRow))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why one line is not imported."""

    line: int  #: from 1, as an editor counts
    field: str
    value: str
    rule: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.field} {self.value!r}: {self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetFile:
    """What a file says: the lines that are right, and what is wrong with the others."""

    lines: Sequence[tuple[int, FleetRow]]
    problems: Sequence[Problem]


def read_fleet(
    source: Iterable[str],
    *,
    is_json: bool,
    models: Collection[str],
    on_line: Callable[[], None] | None = None,
) -> FleetFile:
    """Read a fleet file.

    Args:
        source: Its lines.
        is_json: One JSON object a line; else CSV with a header.
        models: The known ``model_id``s.
        on_line: Called once a row.

    Raises:
        FleetFileError: The header names an unknown column or lacks ``vin``; nothing can be read.
    """
    lines: list[tuple[int, FleetRow]] = []
    problems: list[Problem] = []
    first_line: dict[tuple[str, str], int] = {}
    zones: set[str] = set()
    for number, cells in _json_rows(source) if is_json else _csv_rows(source):
        if on_line:
            on_line()
        found = cells if isinstance(cells, Problem) else _check(number, cells, models, zones)
        if isinstance(found, FleetRow):
            found = _check_unique(number, found, first_line)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            lines.append((number, found))
    return FleetFile(lines=lines, problems=problems)


def write_fleet(rows: Iterable[FleetRow], target: TextIO, *, is_json: bool) -> int:
    """Write a fleet file that ``read_fleet`` reads; return the number of vehicles."""
    count = 0
    writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
    if not is_json:
        writer.writeheader()
    for row in rows:
        cells = {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in asdict(row).items()
            if value is not None
        }
        if is_json:
            target.write(json.dumps(cells, ensure_ascii=False) + "\n")
        else:
            writer.writerow(cells)
        count += 1
    return count


def _csv_rows(source: Iterable[str]) -> Iterator[tuple[int, dict[str, Any] | Problem]]:
    reader = csv.reader(source, strict=True)
    header: list[str] | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield reader.line_num, _problem(reader.line_num, "line", "", f"must be CSV ({error})")
            continue
        if header is None:
            header = [cell.strip().removeprefix("\ufeff") for cell in cells]
            _check_header(header)
        elif len(cells) > len(header):
            rule = f"must have at most {len(header)} cells, as the header"
            yield reader.line_num, _problem(reader.line_num, "line", cells[len(header)], rule)
        elif any(cell.strip() for cell in cells):
            yield reader.line_num, dict(zip(header, cells, strict=False))
    if header is None:
        raise FleetFileError("header: the file is empty")


def _check_header(header: Sequence[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            raise FleetFileError(f"header {name[:40]!r}: must be one of {', '.join(COLUMNS)}")
    if len(set(header)) != len(header):
        raise FleetFileError("header: a column is named twice")
    if "vin" not in header:
        raise FleetFileError("header: must have the column vin")


def _json_rows(source: Iterable[str]) -> Iterator[tuple[int, dict[str, Any] | Problem]]:
    for number, text in enumerate(source, start=1):
        if not text.strip():
            continue
        try:
            cells = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield number, _problem(number, "line", text[:40], f"must be a JSON object ({error})")
            continue
        if not isinstance(cells, dict):
            yield number, _problem(number, "line", text[:40], "must be a JSON object")
            continue
        unknown = next((name for name in cells if name not in COLUMNS), None)
        if unknown is not None:
            rule = f"must be one of {', '.join(COLUMNS)}"
            yield number, _problem(number, "key", unknown, rule)
            continue
        yield number, cells


def _check(
    number: int, cells: dict[str, Any], models: Collection[str], zones: set[str]
) -> FleetRow | Problem:
    texts = _texts(number, cells)
    if isinstance(texts, Problem):
        return texts
    for name, low, high in (("home_lat", -90.0, 90.0), ("home_lon", -180.0, 180.0)):
        if name in texts:
            try:
                degrees = float(texts[name])
            except ValueError:
                degrees = float("nan")
            if not low <= degrees <= high:
                return _problem(number, name, texts[name], f"must be degrees from {low:g} to {high:g}")
            texts[name] = degrees
    if "in_service_on" in texts:
        try:
            texts["in_service_on"] = date.fromisoformat(texts["in_service_on"])
        except ValueError:
            return _problem(
                number, "in_service_on", texts["in_service_on"], "must be a date such as 2024-05-31"
            )
    given = [name for name in ("home_lat", "home_lon") if name in texts]
    if len(given) == 1:
        rule = "home_lat and home_lon must be given together"
        return _problem(number, given[0], str(cells[given[0]]), rule)
    try:
        row = FleetRow(**{"vin": "", **texts})
        parse_vin(row.vin)
    except VinError:
        return _problem(number, "vin", texts.get("vin", ""), "must be 17 of A-Z, 0-9 without I, O, Q")
    return _check_texts(number, row, models, zones)


def _texts(number: int, cells: dict[str, Any]) -> dict[str, Any] | Problem:
    texts: dict[str, Any] = {}
    for name, value in cells.items():
        text = "" if value is None else str(value).strip()
        if isinstance(value, dict | list | bool):
            return _problem(number, name, str(value), "must be text or a number")
        if len(text) > _LONGEST or _UNSTORABLE.search(text):
            shown = text.encode("utf-8", "backslashreplace").decode()
            return _problem(number, name, shown, f"must be text of at most {_LONGEST} characters")
        if text:
            texts[name] = text
    return texts


def _check_texts(number: int, row: FleetRow, models: Collection[str], zones: set[str]) -> FleetRow | Problem:
    if row.model is not None and row.model not in models:
        return _problem(number, "model", row.model, f"must be one of {', '.join(sorted(models))}")
    if row.locale not in (None, "zh", "en"):
        return _problem(number, "locale", str(row.locale), "must be zh or en")
    if row.iccid is not None and not (
        18 <= len(row.iccid) <= 20 and row.iccid.isascii() and row.iccid.isalnum()
    ):
        return _problem(number, "iccid", row.iccid, "must be 18 to 20 letters and digits")
    if row.time_zone is not None and row.time_zone not in zones:
        try:
            check_time_zone("", row.time_zone)
        except (ReferenceDataError, OSError):
            return _problem(number, "time_zone", row.time_zone, "must be an IANA time zone")
        zones.add(row.time_zone)
    return row


def _check_unique(number: int, row: FleetRow, first_line: dict[tuple[str, str], int]) -> FleetRow | Problem:
    keys = [(name, value) for name in ("vin", "iccid") if (value := getattr(row, name)) is not None]
    for name, value in keys:
        if (name, value) in first_line:
            return _problem(number, name, value, f"must be named once, is in line {first_line[name, value]}")
    first_line.update(dict.fromkeys(keys, number))
    return row


def _problem(line: int, field: str, value: str, rule: str) -> Problem:
    return Problem(line=line, field=field, value=value[:60], rule=rule)
