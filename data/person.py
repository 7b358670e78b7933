"""What is kept about one owner: told on request, and erased on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from data.audit import Deed
from data.db import Connection, load_queries, wrap_errors
from data.errors import FleetError
from data.records import Family
from data.rollups import load_rollups
from data.telemetry import Edition, find_edition

_Q = load_queries("data", "fleet.sql")
#: Where a vehicle was, is the one kind of reading that is about a person.
_POSITION = ("latitude", "longitude", "altitude", "heading")


_ERASURES = (
    "erase_logins",
    "erase_keys",
    "erase_devices",
    "erase_addresses",
    "erase_contact_ways",
    "erase_comments",
    "erase_owner",
)


def export_owner(connection: Connection, *, tenant: str, owner_id: int) -> dict[str, Any]:
    """Return what names an owner or was made for them.

    Vehicles with times, orders with findings and ratings, warnings, logins, devices, contact ways.

    Raises:
        FleetError: No such owner.
    """
    with wrap_errors(), connection.cursor(row_factory=dict_row) as cursor:
        values = {"tenant": tenant, "owner_id": owner_id}
        owner = cursor.execute(_Q["fetch_owner"], values).fetchone()
        if owner is None:
            raise FleetError(f"owner {owner_id}: there is none")
        told: dict[str, Any] = {"owner": owner}
        for what in ("vehicles", "orders", "warnings", "logins", "devices", "contact_ways"):
            told[what] = cursor.execute(_Q[f"owner_{what}"], values).fetchall()
        about = {"order_ids": [order["order_id"] for order in told["orders"]]}
        for what in ("findings", "ratings"):
            told[what] = cursor.execute(_Q[f"owner_{what}"], about).fetchall()
        return told


def erase_owner(connection: Connection, *, tenant: str, owner_id: int, deed: Deed) -> int:
    """Erase an owner's name, home, logins, keys, addresses, comments, and where their vehicles were.

    Readings stay, as they are about the vehicle.

    Returns:
        How many positions were erased.

    Raises:
        FleetError: No such owner, or a vehicle in service is still theirs.
    """
    with wrap_errors():
        values = {"tenant": tenant, "owner_id": owner_id}
        with connection.cursor(row_factory=dict_row) as cursor:
            owner = cursor.execute(_Q["fetch_owner"], values).fetchone()
            spans = cursor.execute(_Q["owner_vehicles"], values).fetchall()
            orders = cursor.execute(_Q["owner_orders"], values).fetchall()
            warnings = cursor.execute(_Q["owner_warnings"], values).fetchall()
        if owner is None:
            raise FleetError(f"owner {owner_id}: there is none")
        kept = [span["vin"] for span in spans if span["until"] is None and span["retired_at"] is None]
        if kept:
            raise FleetError(f"owner {owner_id}: owns {', '.join(kept[:5])}: transfer or retire first")
        statement = sql.SQL(_Q["erase_positions"]).format(
            nothing=sql.SQL(", ").join(sql.SQL("{} = NULL").format(sql.Identifier(c)) for c in _POSITION)
        )
        erased = sum(connection.execute(statement, span).rowcount for span in spans)
        _erase_rolled_positions(connection, spans)
        for span in spans:
            if span["until"] is None:
                connection.execute(_Q["forget_position"], span)
        values |= {
            "now": deed.now,
            "order_ids": [order["order_id"] for order in orders],
            "warning_ids": [warning["warning_id"] for warning in warnings],
        }
        for query in _ERASURES:
            connection.execute(_Q[query], values)
        told = {"positions": erased}
        deed.record(connection, owner["tenant_id"], "owner.erase", f"owner {owner_id}", told)
        return erased


def _erase_rolled_positions(connection: Connection, spans: Sequence[Mapping[str, Any]]) -> None:
    """Erase positions from the rollups, and have what readings still say rolled up anew.

    A bucket at the edge of a span is partly another owner's: it is emptied at once, and filled from what is
    left. Continuous aggregates cannot be written to; TimescaleDB makes them anew where readings changed.
    """
    rollup = next(r for r in load_rollups() if r.family is Family.DRIVE)
    columns = [f"{name}_{end}" for name in _POSITION for end in ("sum", "n", "low", "high")]
    nothing = sql.SQL(", ").join(sql.SQL("{} = NULL").format(sql.Identifier(c)) for c in columns)
    is_table = find_edition(connection) is not Edition.FULL
    for span in spans:
        for relation in (rollup.five_minutes, rollup.hours) if is_table else ():
            statement = sql.SQL(_Q["erase_rolled_positions"])
            connection.execute(statement.format(table=sql.Identifier(relation), nothing=nothing), span)
        connection.execute(_Q["note_erasure"], {**span, "family": str(rollup.family)})
