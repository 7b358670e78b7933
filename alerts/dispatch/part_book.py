"""Parts on their way: announced, late, sent off, received, cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.dispatch.network_store import NetworkStore
from alerts.errors import InvalidDetails, InvalidTransition, UnknownArrival
from alerts.sql_store import SqlStore
from data.audit import Deed
from data.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class NewArrival:
    """Pieces that a station expects."""

    station: str | None  #: code; None: the station that tells
    sku: str
    qty: int
    expected_at: datetime  #: mean
    spread_h: float  #: standard deviation
    from_station: str | None = None  #: which gives them away; None: they were bought
    supplier: str | None = None
    reference: str | None = None  #: the announcer's own name of it, unique at the station


class PartBook(SqlStore):
    """Arrivals on one connection, narrowed to a tenant and, where one is given, to a station.

    A station sees what comes to it and what it gives away. Every change is in the audit trail. Appointments
    that wait for what is late or cancelled are moved by the router.
    """

    FILE = "dispatch/parts.sql"

    def __init__(self, connection: Connection, *, tenant_id: int, station_id: int | None) -> None:
        super().__init__(connection)
        self._tenant_id = tenant_id
        self._station_id = station_id

    def _ask(self, query: str, **values: Any) -> list[dict[str, Any]]:
        scope = {"tenant_id": self._tenant_id, "station_id": self._station_id}
        return self._rows(query, **{**scope, **values})

    def coming(self) -> list[dict[str, Any]]:
        """Return what is expected, the next first, at most 500."""
        return self._ask("fetch_arrivals", arrival_id=None)

    def to_order(self) -> list[dict[str, Any]]:
        """Return what stations should buy: no more than the reorder point is left or on its way."""
        return self._ask("fetch_to_order")

    def get(self, arrival_id: int) -> dict[str, Any]:
        """Return one arrival, whatever became of it.

        Raises:
            UnknownArrival: There is none, or it is another's.
        """
        found = self._ask("fetch_arrivals", arrival_id=arrival_id)
        if not found:
            raise _unknown(arrival_id)
        return found[0]

    def announce(self, new: NewArrival, *, deed: Deed) -> int:
        """Expect pieces of a part; those of a transfer are set aside where they are now. Return the id.

        Raises:
            InvalidDetails: No such station or part, too few to give away, or the reference is used already.
        """
        to_id = self._station("station", new.station)
        from_id = None if new.from_station is None else self._station("from_station", new.from_station)
        if self._station_id not in (None, to_id if from_id is None else from_id):
            raise InvalidDetails("station, from_station: a station buys for itself and gives its own away")
        if not self._ask("find_part", sku=new.sku):
            raise InvalidDetails(f"sku {new.sku[:40]!r}: must be a part of the catalogue")
        if from_id == to_id:
            raise InvalidDetails(f"from_station {new.from_station!r}: must be another station")
        pieces = {"to_id": to_id, "from_id": from_id, "sku": new.sku, "qty": new.qty}
        self._run("stock_part", **pieces)
        if from_id is not None and not self._rows("set_aside", **pieces):
            raise InvalidDetails(f"qty {new.qty}: {new.from_station} has fewer that nobody waits for")
        made = self._rows(
            "insert_arrival",
            **pieces,
            expected_at=new.expected_at,
            spread_h=new.spread_h,
            supplier=new.supplier,
            reference=new.reference,
            now=deed.now,
        )
        if not made:
            raise InvalidDetails(f"reference {(new.reference or '')[:40]!r}: is used already")
        arrival_id: int = made[0]["arrival_id"]
        self._note(deed, "announce", arrival_id, sku=new.sku, qty=new.qty, **_times(new.expected_at))
        return arrival_id

    def slip(self, arrival_id: int, expected_at: datetime, spread_h: float | None, *, deed: Deed) -> None:
        """Expect it at another time.

        Raises:
            UnknownArrival: There is none, or it is another's.
            InvalidTransition: It is over.
        """
        row = self._open(arrival_id, "slip")
        self._run("slip_arrival", arrival_id=arrival_id, expected_at=expected_at, spread_h=spread_h)
        self._note(deed, "slip", arrival_id, before=row["expected_at"].isoformat(), **_times(expected_at))

    def ship(self, arrival_id: int, *, deed: Deed) -> None:
        """Send a transfer off: it leaves the giver's shelf.

        Raises:
            UnknownArrival: There is none, or it is another's.
            InvalidTransition: It was bought, has left, or is over.
        """
        row = self._open(arrival_id, "ship")
        if row["from_station_id"] is None or row["state"] != "expected":
            raise InvalidTransition(f"action ship: arrival {arrival_id} is no transfer that waits to leave")
        self._run("send_off", **_pieces(row))
        self._end(row, "shipped", deed)

    def receive(self, arrival_id: int, *, deed: Deed, qty: int | None = None) -> None:
        """Put it on the shelf; what orders waited for is reserved for them.

        Of fewer pieces than expected, the most urgent orders that can be served whole have theirs. The rest
        becomes an arrival of its own that is cancelled: the orders left without are planned anew.

        Args:
            arrival_id: What has come.
            deed: Who says so.
            qty: Pieces that have come; None: all.

        Raises:
            UnknownArrival: There is none, or it comes to another station.
            InvalidTransition: It was received before, or cancelled.
            InvalidDetails: More pieces than expected, or none.
        """
        row = self._open(arrival_id, "receive")
        if self._station_id not in (None, row["station_id"]):
            raise _unknown(arrival_id)
        if qty is not None and not 1 <= qty <= row["qty"]:
            raise InvalidDetails(f"qty {qty}: must be from 1 to the {row['qty']} expected pieces")
        if qty is not None and qty < row["qty"]:
            row = self._cut(row, qty, deed)
        if row["from_station_id"] is not None and row["state"] == "expected":
            self._run("send_off", **_pieces(row))
        self._end(row, "received", deed)
        self._run("put_on_shelf", arrival_id=arrival_id, **_pieces(row))

    def cancel(self, arrival_id: int, *, deed: Deed) -> None:
        """Expect it no longer; orders that wait for it are planned anew.

        Raises:
            UnknownArrival: There is none, or it is another's.
            InvalidTransition: It is over, or a transfer has left already.
        """
        row = self._open(arrival_id, "cancel")
        if row["state"] == "shipped":
            raise InvalidTransition(f"action cancel: arrival {arrival_id} has left already; receive it")
        if row["from_station_id"] is not None:
            self._run("keep_back", **_pieces(row))
        self._end(row, "cancelled", deed)

    def _station(self, field: str, code: str | None) -> int:
        if code is None and self._station_id is not None:
            return self._station_id
        found = self._ask("find_station", code=code)
        if not found:
            raise InvalidDetails(f"{field} {(code or '')[:40]!r}: must be the code of a station")
        return int(found[0]["station_id"])

    def _open(self, arrival_id: int, action: str) -> dict[str, Any]:
        """Return an arrival that is not over, locked with the planning at its station."""
        to_id = self._station("station", self.get(arrival_id)["station"])
        NetworkStore(self._connection).lock_station(to_id)
        (row,) = self._ask("lock_arrival", arrival_id=arrival_id)
        if row["state"] in ("received", "cancelled"):
            raise InvalidTransition(f"action {action}: arrival {arrival_id} is {row['state']} already")
        return row

    def _cut(self, row: dict[str, Any], qty: int, deed: Deed) -> dict[str, Any]:
        """Let an arrival be of fewer pieces and the rest a cancelled one; return it as it is then."""
        arrival_id, missing, left = row["arrival_id"], row["qty"] - qty, qty
        losers: list[int] = []
        for order in self._rows("fetch_waiting_for", arrival_id=arrival_id):
            if order["qty"] <= left:
                left -= order["qty"]
            else:
                losers.append(order["order_id"])
        if row["from_station_id"] is not None and row["state"] == "expected":
            self._run("keep_back", **{**_pieces(row), "qty": missing})
        self._run("cut_arrival", arrival_id=arrival_id, qty=qty, missing=missing, order_ids=losers)
        self._note(deed, "short", arrival_id, sku=row["sku"], expected=row["qty"], qty=qty)
        return {**row, "qty": qty}

    def _end(self, row: dict[str, Any], state: str, deed: Deed) -> None:
        self._run("end_arrival", arrival_id=row["arrival_id"], state=state, now=deed.now)
        self._note(deed, state, row["arrival_id"], sku=row["sku"], qty=row["qty"])

    def _note(self, deed: Deed, action: str, arrival_id: int, **data: Any) -> None:
        deed.record(self._connection, self._tenant_id, f"arrival.{action}", f"arrival {arrival_id}", data)


def _pieces(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "to_id": row["station_id"],
        "from_id": row["from_station_id"],
        "sku": row["sku"],
        "qty": row["qty"],
    }


def _times(expected_at: datetime) -> dict[str, str]:
    return {"expected_at": expected_at.isoformat()}


def _unknown(arrival_id: int) -> UnknownArrival:
    return UnknownArrival(f"arrival {arrival_id}: there is none here")
