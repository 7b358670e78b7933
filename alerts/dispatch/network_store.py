"""SQL of what planning looks at: stations, capacity, jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from alerts.dispatch.arrivals import Arrival
from alerts.dispatch.jobs import Job, JobPart, Operation
from alerts.dispatch.network import Network
from alerts.dispatch.slots import Period
from alerts.dispatch.stations import Bay, Occupancy, Station, Taken, Technician
from alerts.rules import Mode
from alerts.sql_store import SqlStore
from data.locks import LOCK_STATION
from data.records import FailureMode


class NetworkStore(SqlStore):
    """Reads stations, capacity and jobs of a tenant on one connection."""

    FILE = "dispatch/network.sql"

    def fetch_version(self) -> UUID:
        """Return what is another as soon as stations, people, hours, parts or labour have changed."""
        version: UUID = self._rows("fetch_version")[0]["version"]
        return version

    def fetch_network(self, tenant_id: int, *, least_ratings: int) -> Network:
        """Return active stations with open bays and active technicians, and the complete jobs.

        Stations with fewer than ``least_ratings`` ratings have no stars.
        """
        stations = self._fetch_stations(tenant_id, least_ratings)
        return Network(tuple(stations), self._fetch_jobs(tenant_id))

    def lock_station(self, station_id: int) -> None:
        """Wait for other decisions that book here; free again at the end of the transaction."""
        self._rows("lock_station", lock=LOCK_STATION, station_id=station_id)

    def fetch_occupancy(self, stations: Sequence[Station], now: datetime) -> dict[int, Occupancy]:
        """Return what is held or booked and not over, and what is in stock, by station."""
        places = {bay.bay_id: s.station_id for s in stations for bay in s.bays}
        people = {who.technician_id: s.station_id for s in stations for who in s.technicians}
        ids = [s.station_id for s in stations]
        taken: dict[int, list[Taken]] = defaultdict(list)
        # planned anew each time: a plan made while the table was small would be kept when it no longer is
        cursor = self._connection.execute(
            self._queries["fetch_taken"],
            {"bay_ids": list(places), "technician_ids": list(people), "now": now},
            prepare=False,
        )
        for bay_id, technician_id, start, end in cursor.fetchall():
            one = Taken(bay_id=bay_id, technician_id=technician_id, start=start, end=end)
            for station_id in {places.get(bay_id), people.get(technician_id)}:
                if station_id is not None:
                    taken[station_id].append(one)
        stock: dict[int, dict[str, int]] = defaultdict(dict)
        arrivals: dict[int, list[Arrival]] = defaultdict(list)
        for row in self._rows("fetch_stock", station_ids=ids):
            station_id = row.pop("station_id")
            if row["arrival_id"] is None:
                stock[station_id][row["sku"]] = row["free"]
            else:
                arrivals[station_id].append(Arrival(**row))
        return {n: Occupancy(taken=taken[n], stock=stock[n], arrivals=arrivals[n]) for n in ids}

    def _fetch_stations(self, tenant_id: int, least_ratings: int) -> list[Station]:
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
                    carries=None if row["carries"] is None else frozenset(row["carries"]),
                )
            )
        return [
            Station(
                **{**row, "fees": {Mode(name): Decimal(fee) for name, fee in row["fees"].items()}},
                hours=tuple(hours[row["station_id"]]),
                bays=tuple(bays[row["station_id"]]),
                technicians=tuple(technicians[row["station_id"]]),
            )
            for row in self._rows("fetch_stations", tenant_id=tenant_id, least_ratings=least_ratings)
        ]

    def _fetch_jobs(self, tenant_id: int) -> dict[FailureMode, Job]:
        operations = {
            row["operation"]: Operation(**row) for row in self._rows("fetch_operations", tenant_id=tenant_id)
        }
        parts = {row["sku"]: row for row in self._rows("fetch_parts", tenant_id=tenant_id)}
        jobs = {}
        modes = {mode.value: mode for mode in FailureMode}
        for row in self._rows("fetch_jobs", tenant_id=tenant_id):
            wanted: Mapping[str, int] = {part["sku"]: int(part["qty"]) for part in row["parts"]}
            is_complete = operations.keys() >= set(row["operations"]) and parts.keys() >= wanted.keys()
            mode = modes.get(row["failure_mode"])
            if mode is None or not is_complete:
                continue
            jobs[mode] = Job(
                operations=tuple(operations[name] for name in row["operations"]),
                parts=tuple(_part(parts, sku, wanted[sku]) for sku in sorted(wanted)),
                needs_hv=row["needs_hv"],
                mobile_fix=row["mobile_fix"],
            )
        return jobs


def _part(parts: Mapping[str, Mapping[str, Any]], sku: str, qty: int) -> JobPart:
    """Return a part with those of the catalogue that may take its place."""
    row = parts[sku]
    part = JobPart(**{**row, "substitutes": ()}, qty=qty)
    others = (parts[other] for other in row["substitutes"] if other in parts)
    return replace(
        part,
        substitutes=tuple(
            JobPart(
                sku=other["sku"],
                name_en=f"{other['name_en']} (instead of {part.name_en})",
                name_zh=f"{other['name_zh']}（替代{part.name_zh}）",
                qty=qty,
                unit_price=other["unit_price"],
                warranty=other["warranty"],
            )
            for other in others
        ),
    )


def _period(weekday: int, start: time, end: time) -> Period:
    return Period(
        weekday=weekday, start_minute=start.hour * 60 + start.minute, end_minute=end.hour * 60 + end.minute
    )
