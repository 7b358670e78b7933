"""Files of a service network into the database, and out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from data.audit import Deed
from data.db import Connection, load_queries, wrap_errors
from data.errors import NetworkError
from data.network_file import Network, NetworkFiles, NetworkProblem, read_network
from data.network_rows import KINDS, plain

_Q = load_queries("data", "network.sql")
_REFERENCE = load_queries("data", "reference.sql")
_FETCH = {
    "parts": ("fetch_parts", "sku"),
    "labour_operations": ("fetch_operations", "operation"),
    "repair_jobs": ("fetch_jobs", "failure_mode"),
    "stations": ("fetch_stations", "code"),
}


@dataclass(slots=True, kw_only=True)
class NetworkReport:
    """What an import did, or would do."""

    added: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    changed: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    unchanged: int = 0
    problems: list[NetworkProblem] = field(default_factory=list)
    is_written: bool = False


def import_network(
    connection: Connection, files: Mapping[str, str], *, tenant: str, deed: Deed, is_partial: bool = False
) -> NetworkReport:
    """Bring the service network up to what the files say; the same files again change nothing.

    An entry replaces the stored one of its key. A bay or technician that a given station no longer lists is
    closed or off duty from then on and keeps its history; parts it does not list stay in stock, arrivals it
    does not list are still expected. What files do not name stays as it is.

    Args:
        connection: Inside a transaction; roll it back for a trial.
        files: Name to text, as ``read_network`` takes them.
        tenant: Name of the tenant; made when there is none.
        deed: Who imports, for the audit.
        is_partial: Write the entries that are right even where others are wrong.

    Raises:
        NetworkFileError: A file cannot be read at all.
        DatabaseError: The database refused it or is away.
    """
    with wrap_errors():
        found = connection.execute(_REFERENCE["upsert_tenant"], {"name": tenant}).fetchone()
        if found is None:
            raise NetworkError(f"tenant {tenant!r}: not stored")
        tenant_id = int(found[0])
        stored = _fetch(connection, tenant_id)
        read = read_network(files, known=stored)
        _complete(read.network, stored)
        _check_stock(connection, tenant_id, read)
        _check_arrivals(connection, tenant_id, read)
        report = NetworkReport(problems=read.problems)
        for kind, rows in read.network.entries.items():
            before = stored.entries[kind]
            report.added[kind] = [key for key in rows if key not in before]
            report.changed[kind] = [key for key, row in rows.items() if before.get(key, row) != row]
            report.unchanged += len(rows) - len(report.added[kind]) - len(report.changed[kind])
        if read.problems and not is_partial:
            return report
        for kind, rows in read.network.entries.items():
            for key in (*report.added[kind], *report.changed[kind]):
                _write(connection, tenant_id, kind, rows[key], deed.now)
        report.is_written = True
        counts = {
            what: {kind: len(keys) for kind, keys in by_kind.items() if keys}
            for what, by_kind in (("added", report.added), ("changed", report.changed))
        }
        if any(counts.values()):
            deed.record(connection, tenant_id, "stations.import", "stations", counts)
        return report


def export_network(connection: Connection, *, tenant: str) -> Network:
    """Return the whole service network of a tenant.

    Raises:
        NetworkError: There is no such tenant.
    """
    with wrap_errors():
        found = connection.execute("SELECT tenant_id FROM tenants WHERE name = %s", (tenant,)).fetchone()
        if found is None:
            raise NetworkError(f"tenant {tenant!r}: is not known")
        return _fetch(connection, int(found[0]))


def _fetch(connection: Connection, tenant_id: int) -> Network:
    network = Network()
    with connection.cursor(row_factory=dict_row) as cursor:
        for kind, (query, key) in _FETCH.items():
            for row in cursor.execute(_Q[query], {"tenant_id": tenant_id}):
                network.entries[kind][row[key]] = plain(msgspec.convert(row, KINDS[kind]))
    return network


def _complete(given: Network, stored: Network) -> None:
    """Let given stations keep what they do not list: other bays closed, other technicians off duty, stock."""
    for code, row in given.entries["stations"].items():
        before = stored.entries["stations"].get(code)
        if before is None:
            continue
        for what, flag in (("bays", "is_open"), ("technicians", "is_active")):
            listed = {item["name"] for item in row[what]}
            row[what] += [{**item, flag: False} for item in before[what] if item["name"] not in listed]
            row[what].sort(key=lambda item: item["name"])
        row["stock"] = dict(sorted({**before["stock"], **row["stock"]}.items()))
        named = {arrival["reference"] for arrival in row["arrivals"]}
        row["arrivals"] += [a for a in before["arrivals"] if a["reference"] not in named]
        row["arrivals"].sort(key=lambda arrival: arrival["reference"])


def _check_stock(connection: Connection, tenant_id: int, read: NetworkFiles) -> None:
    stations = read.network.entries["stations"]
    wanted = {"tenant_id": tenant_id, "codes": list(stations)}
    for code, sku, reserved in connection.execute(_Q["fetch_reserved"], wanted).fetchall():
        if code in stations and stations[code]["stock"].get(sku, reserved) < reserved:
            rule = f"must be at least {reserved}: so many are reserved for orders"
            read.problems.append(_stored_problem("stock", code, sku, stations[code]["stock"][sku], rule))
            del stations[code]


def _check_arrivals(connection: Connection, tenant_id: int, read: NetworkFiles) -> None:
    stations = read.network.entries["stations"]
    wanted = {"tenant_id": tenant_id, "codes": list(stations)}
    for code, reference, sku, state, source, reserved in connection.execute(
        _Q["fetch_announced"], wanted
    ).fetchall():
        given = [a for a in stations.get(code, {}).get("arrivals", ()) if a["reference"] == reference]
        for arrival in given:
            if source != "purchase" or state != "expected":
                value, rule = reference, "is a transfer" if source != "purchase" else f"is {state} already"
            elif arrival["sku"] != sku:
                value, rule = arrival["sku"], f"must stay {sku}: cancel it and announce another one"
            elif arrival["qty"] < reserved:
                value, rule = arrival["qty"], f"must be at least {reserved}: orders wait for so many"
            else:
                continue
            read.problems.append(_stored_problem("arrivals", code, reference, value, rule))
            del stations[code]


def _stored_problem(what: str, code: str, name: str, value: object, rule: str) -> NetworkProblem:
    return NetworkProblem(
        file=what, line=None, entry=f"stations {code}", field=f"{what} {name}", value=str(value), rule=rule
    )


def _write(connection: Connection, tenant_id: int, kind: str, row: dict[str, Any], now: datetime) -> None:
    values = {**row, "tenant_id": tenant_id, "now": now}
    if kind == "stations":
        _write_station(connection, values)
    elif kind == "repair_jobs":
        connection.execute(_REFERENCE["upsert_job"], values | {"parts": Jsonb(row["parts"])})
    else:
        name = "upsert_part" if kind == "parts" else "upsert_operation"
        connection.execute(_REFERENCE[name], values)


def _write_station(connection: Connection, row: dict[str, Any]) -> None:
    found = connection.execute(_REFERENCE["upsert_station"], row | {"fees": Jsonb(row["fees"])}).fetchone()
    if found is None:
        raise NetworkError(f"station {row['code']}: not stored")
    station = {"station_id": int(found[0])}
    connection.execute(_Q["set_station_active"], station | {"is_active": row["is_active"]})
    connection.execute(_REFERENCE["delete_hours"], station)
    for stretch in row["hours"]:
        connection.execute(_REFERENCE["insert_hours"], station | stretch)
    for bay in row["bays"]:
        connection.execute(_REFERENCE["upsert_bay"], station | bay)
    for who in row["technicians"]:
        stored = connection.execute(_REFERENCE["upsert_technician"], station | who).fetchone()
        technician = {"technician_id": stored[0] if stored else None}
        connection.execute(_REFERENCE["delete_shifts"], technician)
        for stretch in who["shift"]:
            connection.execute(_REFERENCE["insert_shifts"], technician | stretch)
    open_ = [bay["name"] for bay in row["bays"] if bay["is_open"]]
    active = [who["name"] for who in row["technicians"] if who["is_active"]]
    connection.execute(_Q["close_bays"], station | {"open": open_})
    connection.execute(_Q["rest_technicians"], station | {"active": active})
    stock = {"skus": list(row["stock"]), "counts": list(row["stock"].values())}
    connection.execute(_Q["count_stock"], station | stock)
    reorder = {
        "skus": list(row["reorder"]),
        "points": [rule["point"] for rule in row["reorder"].values()],
        "upto": [rule["to"] for rule in row["reorder"].values()],
    }
    connection.execute(_Q["set_reorder"], station | reorder)
    arrivals = {
        "references": [arrival["reference"] for arrival in row["arrivals"]],
        "skus": [arrival["sku"] for arrival in row["arrivals"]],
        "counts": [arrival["qty"] for arrival in row["arrivals"]],
        "times": [arrival["expected_at"] for arrival in row["arrivals"]],
        "spreads": [arrival["spread_h"] for arrival in row["arrivals"]],
        "suppliers": [arrival["supplier"] for arrival in row["arrivals"]],
    }
    connection.execute(_Q["announce_arrivals"], station | arrivals | {"now": row["now"]})
