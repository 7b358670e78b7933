"""SQL of what planning looks at: stations, capacity, jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from psycopg.rows import dict_row

from alerts.jobs import Job, JobPart, Operation
from alerts.slots import Period
from alerts.stations import Bay, Station, Taken, Technician
from data.db import Connection, load_queries
from data.records import FailureMode


class NetworkStore:
    """Reads stations, capacity and jobs of a tenant on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queries = load_queries("alerts", "network.sql")

    def _rows(self, name: str, **values: Any) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(self._queries[name], values).fetchall()

    def fetch_stations(self, tenant_id: int) -> list[Station]:
        """Return the active stations of a tenant with open bays, active technicians and free stock."""
        hours: dict[int, list[Period]] = defaultdict(list)
        for row in self._rows("fetch_hours", tenant_id=tenant_id):
            hours[row["station_id"]].append(_period(row["weekday"], row["opens"], row["closes"]))
        shifts: dict[int, list[Period]] = defaultdict(list)
        for row in self._rows("fetch_shifts", tenant_id=tenant_id):
            shifts[row["technician_id"]].append(_period(row["weekday"], row["starts"], row["ends"]))
        bays: dict[int, list[Bay]] = defaultdict(list)
        for row in self._rows("fetch_bays", tenant_id=tenant_id):
            bays[row["station_id"]].append(
                Bay(bay_id=row["bay_id"], name=row["name"], kinds=frozenset(row["kinds"]))
            )
        technicians: dict[int, list[Technician]] = defaultdict(list)
        for row in self._rows("fetch_technicians", tenant_id=tenant_id):
            technicians[row["station_id"]].append(
                Technician(
                    technician_id=row["technician_id"],
                    name=row["name"],
                    skills=frozenset(row["skills"]),
                    shift=tuple(shifts[row["technician_id"]]),
                )
            )
        stock: dict[int, dict[str, int]] = defaultdict(dict)
        for row in self._rows("fetch_stock", tenant_id=tenant_id):
            stock[row["station_id"]][row["sku"]] = row["free"]
        return [
            Station(
                **row,
                hours=tuple(hours[row["station_id"]]),
                bays=tuple(bays[row["station_id"]]),
                technicians=tuple(technicians[row["station_id"]]),
                stock=stock[row["station_id"]],
            )
            for row in self._rows("fetch_stations", tenant_id=tenant_id)
        ]

    def fetch_taken(self, tenant_id: int, now: datetime) -> list[Taken]:
        """Return held and booked time that is not over."""
        return [
            Taken(
                bay_id=row["bay_id"],
                technician_id=row["technician_id"],
                start=row["starts"],
                end=row["ends"],
            )
            for row in self._rows("fetch_taken", tenant_id=tenant_id, now=now)
        ]

    def fetch_job(self, tenant_id: int, failure_mode: FailureMode) -> Job | None:
        """Return what a failure mode needs; None where the tenant has not said it, or not completely."""
        found = self._rows("fetch_job", tenant_id=tenant_id, failure_mode=failure_mode)
        if not found:
            return None
        job = found[0]
        wanted: Mapping[str, int] = {part["sku"]: int(part["qty"]) for part in job["parts"]}
        operations = self._rows("fetch_operations", tenant_id=tenant_id, operations=job["operations"])
        parts = self._rows("fetch_parts", tenant_id=tenant_id, skus=list(wanted))
        if len(operations) != len(job["operations"]) or len(parts) != len(wanted):
            return None
        return Job(
            operations=tuple(Operation(**row) for row in operations),
            parts=tuple(JobPart(**row, qty=wanted[row["sku"]]) for row in parts),
            needs_hv=job["needs_hv"],
        )


def _period(weekday: int, start: time, end: time) -> Period:
    return Period(
        weekday=weekday, start_minute=start.hour * 60 + start.minute, end_minute=end.hour * 60 + end.minute
    )
