"""Vehicle models of the operator: a TOML file as the shipped one, with DBC files beside it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from data.audit import Deed
from data.db import Connection, load_queries, wrap_errors
from data.errors import ReferenceDataError
from data.reference_rows import ModelRow

_Q = load_queries("data", "reference.sql")
_ENTRY = re.compile(r"^\s*\[\[\s*vehicle_models\s*\]\]")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One vehicle model and the text of its DBC."""

    row: ModelRow
    dbc: str | None

    @property
    def array_lengths(self) -> Mapping[str, int]:
        """Return how many elements array signals have, by catalogue shape."""
        return {"wheel": len(self.row.wheels), "cell": self.row.cell_count, "probe": self.row.probe_count}


def load_models(path: Path) -> list[ModelFile]:
    """Read a file of vehicle models.

    ``dbc`` names a file beside it, or one that Anxin ships.

    Raises:
        ReferenceDataError: The file or a DBC cannot be read, or a row breaks a rule; names it.
    """
    rows = parse_models(path.name, _read(path, path.name))
    return [ModelFile(row, _read_dbc(path, row)) for row in rows]


def parse_models(file: str, text: str) -> Sequence[ModelRow]:
    """Return the rows of a file of vehicle models.

    Raises:
        ReferenceDataError: Rows break a rule; names file, line, row, field, value and rule of each.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # tells the line
        raise ReferenceDataError(f"{file}: {error}") from error
    entries = document.get("vehicle_models")
    other = next((key for key in document if key != "vehicle_models"), None)
    if other is not None or not isinstance(entries, list):
        raise ReferenceDataError(f"{file}: {other or 'vehicle_models'}: must hold [[vehicle_models]] alone")
    begins = [n for n, line in enumerate(text.splitlines(), start=1) if _ENTRY.match(line)]
    rows: list[ModelRow] = []
    wrong: list[str] = []
    for number, entry in enumerate(entries):
        at = f"{file}: line {begins[number]}" if len(begins) == len(entries) else file
        try:
            row = msgspec.convert(entry, ModelRow)
        except msgspec.ValidationError as error:
            rule, _, path = str(error).partition(" - at `$.")
            value = _value_at(entry, path.rstrip("`"))
            name = str(entry.get("model_id", ""))[:40] if isinstance(entry, dict) else ""
            wrong.append(f"{at}: {name} {path.rstrip('`')} {value!r:.60}: {rule[:1].lower()}{rule[1:]}")
            continue
        wrong += [f"{at}: {row.model_id} {problem}" for problem in _problems(row, rows)]
        rows.append(row)
    if wrong:
        raise ReferenceDataError("\n".join(wrong))
    return rows


def _problems(row: ModelRow, before: Sequence[ModelRow]) -> Iterator[str]:
    """Yield what one field cannot tell by itself: field, value and rule."""
    if any(other.model_id == row.model_id for other in before):
        yield f"model_id {row.model_id!r}: must be given once"
    if len(row.wheels) != len(row.placard_kpa):
        yield f"placard_kpa {row.placard_kpa}: must have one value for each of {len(row.wheels)} wheels"
    if twice := [wheel for wheel in row.wheels if row.wheels.count(wheel) > 1]:
        yield f"wheels {twice[0]!r}: must be named once"


def _value_at(value: Any, path: str) -> object:
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, list) and step.isdigit():
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
    return "" if isinstance(value, dict) else value


def store_models(connection: Connection, models: Sequence[ModelFile], *, tenant: str, deed: Deed) -> None:
    """Store vehicle models, all or none; one of the same ``model_id`` is replaced."""
    with wrap_errors():
        found = connection.execute(_Q["upsert_tenant"], {"name": tenant}).fetchone()
        for model in models:
            values = msgspec.structs.asdict(model.row)
            values |= {"dbc": model.dbc, "signal_map": Jsonb(model.row.signal_map)}
            values["warranty"] = Jsonb(msgspec.to_builtins(model.row.warranty))
            connection.execute(_Q["upsert_vehicle_model"], values)
            if found is not None:
                deed.record(connection, int(found[0]), "model.import", model.row.model_id, {})


def _read_dbc(path: Path, row: ModelRow) -> str | None:
    if row.dbc is None:
        return None
    what = f"{path.name}: {row.model_id} dbc {row.dbc!r}"
    beside = path.parent / row.dbc
    if beside.is_file():
        return _read(beside, what)
    shipped = resources.files("data").joinpath("dbc", Path(row.dbc).name)
    if shipped.is_file() and Path(row.dbc).name == row.dbc:
        return shipped.read_text("utf-8")
    raise ReferenceDataError(f"{what}: no such file beside {path.name}")


def _read(path: Path, what: str) -> str:
    """Return a text file; DBC tools write Windows-1252 more often than UTF-8."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ReferenceDataError(f"{what}: cannot be read ({error.strerror})") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")
