"""Follow the demo from the first reading to the delivered warning: what happened, what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.records import Truth
from simulators.store import DeliveredWarning, OrderVehicle, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that is known at one moment of a demo run."""

    at_s: float  #: since the start
    progress: Progress
    is_backfill_done: bool
    scored: Collection[str]  #: vehicles
    orders: Sequence[OrderVehicle]
    delivered: Sequence[DeliveredWarning]
    decrypted: Collection[str]  #: warnings that the push endpoint has decrypted


def count_false_orders(orders: Sequence[OrderVehicle], truth: Sequence[Truth]) -> int:
    """Return how many orders are for a vehicle or component that has no injected fault."""
    faults = {(t.vin, t.component) for t in truth if t.is_fault}
    return sum((order.vin, order.component) not in faults for order in orders)


def find_missing(snapshot: Snapshot, vins: Collection[str]) -> list[str]:
    """Return the steps of the chain that have not been reached, in the order of the chain."""
    missing = []
    if snapshot.progress.rows == 0:
        missing.append("no reading has been stored")
    if not snapshot.is_backfill_done:
        missing.append("the back-fill has not been published to its end")
    unscored = len(set(vins) - set(snapshot.scored))
    if unscored:
        missing.append(f"{unscored} of {len(vins)} vehicles have not been scored on all their data")
    if not snapshot.orders:
        missing.append("no repair order exists")
    owners = {
        d.order_id
        for d in snapshot.delivered
        if d.channel == "webpush" and d.warning_id in snapshot.decrypted
    }
    if not owners & {d.order_id for d in snapshot.delivered if d.channel == "mqtt"}:
        missing.append(
            "no order's warning has reached both the owner (Web Push) and the vehicle (down/warning)"
        )
    return missing


def find_first_placed(orders: Sequence[OrderVehicle]) -> OrderVehicle | None:
    """Return the oldest order that has an owner to answer it and a station to do it, or None."""
    placed = [o for o in orders if o.owner_id is not None and o.station_id is not None]
    return min(placed, key=lambda order: order.order_id, default=None)


def tell_life(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return an order's history as lines: when, from which state to which, by whom and why."""
    return [
        f"  {str(e['at'])[:19]}  {e['from_state'] or 'new'} -> {e['to_state']}  {e['actor']}: {e['reason']}"
        for e in events
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What somebody needs to look at the demo in their role."""

    role: str  #: also the login
    path: str  #: the page where the role begins
    password: str
    sees: str

    def tell(self, base_url: str) -> str:
        """Return it as a sentence and a line to type from."""
        page = f"{self.role} page: {base_url}{self.path}"
        return f"{page}  login {self.role}  password {self.password}  ({self.sees})"


@dataclass(slots=True)
class Narrator:
    """Turn snapshots into sentences, each told once."""

    names: Mapping[str, str]  #: vin -> how the story calls the vehicle
    _told: set[str] = field(default_factory=set)

    def tell(self, snapshot: Snapshot, vins: Collection[str]) -> list[str]:
        """Return what is new since the last snapshot."""
        lines = []
        progress = snapshot.progress
        if progress.rows:
            lines += self._once("first", "The first readings are in the database.")
        if snapshot.is_backfill_done:
            lines += self._once(
                "backfill",
                f"{len(vins)} vehicles have their past: {progress.stored:,} messages, {progress.rows:,} rows."
                " The fleet is live now.",
            )
        if len(set(vins) - set(snapshot.scored)) == 0:
            lines += self._once("scored", f"All {len(vins)} vehicles have been scored.")
        for order in snapshot.orders:
            name = self.names.get(order.vin, order.vin)
            mode = order.failure_mode.replace("_", " ")
            lines += self._once(
                f"order{order.order_id}", f"Repair order {order.order_id}: {name}, {order.component}, {mode}."
            )
        for warning in snapshot.delivered:
            who = "owner's phone" if warning.channel == "webpush" else "vehicle's head unit"
            lines += self._once(
                f"{warning.order_id}{warning.channel}",
                f"Warning of order {warning.order_id} delivered to the {who}.",
            )
        return [f"{snapshot.at_s:6.1f} s  {line}" for line in lines]

    def _once(self, key: str, line: str) -> list[str]:
        if key in self._told:
            return []
        self._told.add(key)
        return [line]
