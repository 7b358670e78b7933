"""Vehicle models of the operator: a TOML file as the shipped one, with DBC files beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec
from psycopg.types.json import Jsonb

from data.audit import Deed
from data.db import Connection, load_queries, wrap_errors
from data.errors import ReferenceDataError
from data.reference_rows import ModelRow, ModelsFile

_Q = load_queries("data", "reference.sql")


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
        ReferenceDataError: A row breaks a rule; names file, row, field and rule.
    """
    try:
        rows = msgspec.convert(tomllib.loads(text), ModelsFile).vehicle_models
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise ReferenceDataError(f"{file}: {error}") from error
    seen: set[str] = set()
    for row in rows:
        if len(row.wheels) != len(row.placard_kpa):
            raise ReferenceDataError(
                f"{file}: {row.model_id} placard_kpa: must have one value for each wheel"
            )
        if row.model_id in seen:
            raise ReferenceDataError(f"{file}: model_id {row.model_id!r}: must be given once")
        seen.add(row.model_id)
    return rows


def store_models(connection: Connection, models: Sequence[ModelFile], *, tenant: str, deed: Deed) -> None:
    """Store vehicle models, all or none; one of the same ``model_id`` is replaced."""
    with wrap_errors():
        found = connection.execute(_Q["upsert_tenant"], {"name": tenant}).fetchone()
        for model in models:
            values = msgspec.structs.asdict(model.row)
            values |= {"dbc": model.dbc, "signal_map": Jsonb(model.row.signal_map)}
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
