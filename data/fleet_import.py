"""A fleet file into the registry of vehicles, and out again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import class_row, dict_row

from data.audit import Deed
from data.db import Connection, load_queries, wrap_errors
from data.errors import FleetError
from data.fleet_file import FleetFile, FleetRow, Problem

#: It is tomorrow already where the day begins first.
_EARLIEST_ZONE = timedelta(hours=14)
_Q = load_queries("data", "fleet.sql")
_REFERENCE = load_queries("data", "reference.sql")


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What an import did, or would do."""

    added: list[str] = field(default_factory=list)  #: VINs
    changed: list[str] = field(default_factory=list)
    unchanged: int = 0
    owners_added: int = 0
    problems: list[Problem] = field(default_factory=list)


def fetch_models(connection: Connection) -> set[str]:
    """Return the ids of the stored vehicle models."""
    return {row[0] for row in connection.execute(_REFERENCE["fetch_known_models"])}


def import_fleet(
    connection: Connection,
    file: FleetFile,
    *,
    tenant: str,
    deed: Deed,
    is_strict: bool = False,
    corrects_owners: bool = False,
) -> ImportReport:
    """Register the vehicles of a file, or bring them up to date; the same file again changes nothing.

    Another owner's name for a vehicle that has an owner is refused: a new person must not get the old one's
    history. It is a correction (``corrects_owners``) or a change of owner (``transfer``).

    Args:
        connection: Inside a transaction; roll it back for a trial.
        file: What ``read_fleet`` read.
        tenant: Name of the tenant; made when there is none.
        deed: Who imports, for the audit.
        is_strict: Write nothing when any line is wrong.
        corrects_owners: Names of owners are corrected in place.

    Raises:
        DatabaseError: The database refused it or is away.
    """
    with wrap_errors():
        found = connection.execute(_REFERENCE["upsert_tenant"], {"name": tenant}).fetchone()
        if found is None:
            raise FleetError(f"tenant {tenant!r}: not stored")
        plan = _Plan(connection, int(found[0]), now=deed.now, corrects_owners=corrects_owners)
        report = ImportReport(problems=list(file.problems))
        rows = plan.check(file, report.problems)
        report.problems.sort(key=lambda problem: problem.line)
        if rows and not (is_strict and report.problems):
            plan.write(rows, report)
            counts = {"added": len(report.added), "changed": len(report.changed)}
            if report.added or report.changed:
                deed.record(connection, plan.tenant_id, "fleet.import", "fleet", counts)
        return report


def export_fleet(connection: Connection, *, tenant: str) -> list[FleetRow]:
    """Return the vehicles in service, in VIN order."""
    with wrap_errors(), connection.cursor(row_factory=class_row(FleetRow)) as cursor:
        return cursor.execute(_Q["export_fleet"], {"tenant": tenant}).fetchall()


class _Plan:
    """One import: what is registered, and what becomes of each line."""

    def __init__(
        self, connection: Connection, tenant_id: int, *, now: datetime, corrects_owners: bool
    ) -> None:
        self.tenant_id = tenant_id
        self._connection = connection
        self._corrects_owners = corrects_owners
        self._latest = (now + _EARLIEST_ZONE).date()
        self._known: dict[str, dict[str, Any]] = {}
        self._references: dict[str, dict[str, Any]] = {}

    def check(self, file: FleetFile, problems: list[Problem]) -> list[FleetRow]:
        """Return the rows that may be written; add what is wrong with the others."""
        rows = [row for _, row in file.lines]
        self._known = {r["vin"]: r for r in self._ask("fetch_known", vins=[row.vin for row in rows])}
        references = [row.owner_ref for row in rows if row.owner_ref is not None]
        self._references = {r["reference"]: r for r in self._ask("fetch_references", references=references)}
        iccids = [row.iccid for row in rows if row.iccid is not None]
        taken = {r["iccid"]: r["vin"] for r in self._ask("fetch_iccids", iccids=iccids)}
        names = {reference: found["name"] for reference, found in self._references.items()}
        good = []
        for line, row in file.lines:
            wrong = self._wrong(row, taken, names)
            if wrong is None:
                good.append(row)
                if row.owner_ref is not None and row.owner_name is not None:
                    names.setdefault(row.owner_ref, row.owner_name)
            else:
                name, rule = wrong
                value = str(getattr(row, name) or "")
                problems.append(Problem(line=line, field=name, value=value, rule=rule))
        return good

    def write(self, rows: Sequence[FleetRow], report: ImportReport) -> None:
        """Write rows that were checked."""
        new = [row for row in rows if row.vin not in self._known]
        old = [row for row in rows if row.vin in self._known]
        self._connection.execute(_Q["insert_vehicles"], self._vehicles(new))
        changed = {row[0] for row in self._connection.execute(_Q["update_vehicles"], self._vehicles(old))}
        changed |= self._write_owners(rows, report)
        report.added = [row.vin for row in new]
        report.changed = [row.vin for row in old if row.vin in changed]
        report.unchanged = len(old) - len(report.changed)

    def _wrong(self, row: FleetRow, taken: dict[str, str], names: dict[str, str]) -> tuple[str, str] | None:
        known = self._known.get(row.vin)
        if row.in_service_on is not None and row.in_service_on > self._latest:
            return "in_service_on", "must not be in the future"
        if known is None and row.model is None:
            return "model", "must be given for a new vehicle"
        if known is not None and known["retired_at"] is not None:
            return (
                "vin",
                f"is retired since {known['retired_at']:%F}; 'anxin vehicles retire --undo' comes first",
            )
        if row.iccid is not None and taken.get(row.iccid, row.vin) != row.vin:
            return "iccid", f"is of vehicle {taken[row.iccid]}"
        has_owner = known is not None and known["owner_id"] is not None
        if not has_owner:
            about = row.locale or row.home_lat is not None
            if row.owner_ref is None and row.owner_name is None:
                return ("owner_name", "must be given with locale and home") if about else None
            if row.owner_name is None and row.owner_ref not in names:
                return "owner_name", "must be given for a new owner_ref"
        elif known is not None and row.owner_ref not in (None, known["owner_ref"]):
            is_other = known["owner_ref"] is not None or row.owner_ref in names
            if is_other:
                return "owner_ref", "is another owner: 'anxin vehicles transfer' changes owners"
        if row.owner_name is None or self._corrects_owners:
            return None
        name = known["owner_name"] if known is not None and has_owner else names.get(row.owner_ref or "")
        if name is not None and name != row.owner_name:
            return (
                "owner_name",
                "differs from the registered name: 'anxin vehicles transfer', or --correct-owners",
            )
        return None

    def _write_owners(self, rows: Sequence[FleetRow], report: ImportReport) -> set[str]:
        """Give vehicles their owners and bring owners up to date; return the VINs it changed."""
        owner_of: dict[str, int] = {}
        made: dict[str, FleetRow] = {}  # owner_ref, or the VIN where there is none, to the first row of it
        wanting: list[tuple[str, str]] = []
        for row in rows:
            known = self._known.get(row.vin)
            if known is not None and known["owner_id"] is not None:
                owner_of[row.vin] = known["owner_id"]
            elif row.owner_ref is not None and row.owner_ref in self._references:
                owner_of[row.vin] = self._references[row.owner_ref]["owner_id"]
                wanting.append((row.vin, ""))
            elif row.owner_ref is not None or row.owner_name is not None:
                key = f"ref {row.owner_ref}" if row.owner_ref is not None else row.vin
                made.setdefault(key, row)
                wanting.append((row.vin, key))
        ids = [
            row[0] for row in self._connection.execute(_Q["next_owner_ids"], {"count": len(made)}).fetchall()
        ]
        id_of = dict(zip(made, ids, strict=True))
        owner_of |= {vin: id_of[key] for vin, key in wanting if key}
        self._run(
            "insert_owners",
            owner_ids=ids,
            names=[row.owner_name for row in made.values()],
            references=[row.owner_ref for row in made.values()],
        )
        self._run("give_owners", vins=[v for v, _ in wanting], owner_ids=[owner_of[v] for v, _ in wanting])
        told = {owner_of[row.vin]: row for row in rows if row.vin in owner_of}
        updated = self._run(
            "update_owners",
            owner_ids=list(told),
            names=[row.owner_name for row in told.values()],
            references=[row.owner_ref for row in told.values()],
            locales=[row.locale for row in told.values()],
            lats=[row.home_lat for row in told.values()],
            lons=[row.home_lon for row in told.values()],
        ).fetchall()
        touched = {row[0] for row in updated}
        report.owners_added = len(made)
        return {vin for vin, _ in wanting} | {vin for vin, owner in owner_of.items() if owner in touched}

    def _vehicles(self, rows: Sequence[FleetRow]) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant_id,
            "vins": [row.vin for row in rows],
            "models": [row.model for row in rows],
            "plates": [row.plate for row in rows],
            "time_zones": [row.time_zone for row in rows],
            "iccids": [row.iccid for row in rows],
            "in_service": [row.in_service_on for row in rows],
        }

    def _run(self, query: str, **values: Any) -> Any:
        return self._connection.execute(_Q[query], {"tenant_id": self.tenant_id, **values})

    def _ask(self, query: str, **values: Any) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_Q[query], {"tenant_id": self.tenant_id, **values}).fetchall()
